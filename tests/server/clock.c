/* Preloaded into a task: its host's clock is wrong, and time may pass at once. The file CLOCK has two numbers of 64 bits:
 * by how many seconds the clock is wrong, and how many have passed that nobody waited for.
 *
 * Nothing passes for the leader of a session, gunicorn's arbiter: it would take its processes for hung ones. What waits
 * when time passes goes on waiting; to wait for a moment takes as long as it would have before.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

enum { WRONG, PASSED };

/* Not before the environment names the file: a process that is forked later may have been started without. */
static int64_t seconds(int which) {
    static volatile int64_t *numbers;
    if (!numbers && getenv("CLOCK")) {
        int file = open(getenv("CLOCK"), O_RDONLY | O_CLOEXEC);
        void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof *numbers, PROT_READ, MAP_SHARED, file, 0);
        if (file >= 0)
            close(file);
        if (mapped != MAP_FAILED)
            numbers = mapped;
    }
    return !numbers || (which == PASSED && getsid(0) == getpid()) ? 0 : numbers[which];
}

/* As the kernel counts: `deadline` is of a clock that clock_gettime has moved on. */
static struct timespec counted(const struct timespec *deadline) {
    return (struct timespec){deadline->tv_sec - seconds(PASSED), deadline->tv_nsec};
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(clock_gettime);
    int result = real(clock, time);
    if (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC)
        time->tv_sec += seconds(clock == CLOCK_REALTIME ? WRONG : PASSED);
    return result;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    REAL(clock_nanosleep);
    struct timespec then = counted(until);
    return real(clock, flags, clock == CLOCK_MONOTONIC && flags & TIMER_ABSTIME ? &then : until, left);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until) {
    REAL(sem_clockwait);
    struct timespec then = counted(until);
    return real(semaphore, clock, clock == CLOCK_MONOTONIC ? &then : until);
}

/* All of Python's conditions are of the monotonic clock. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    REAL(pthread_cond_timedwait);
    struct timespec then = counted(until);
    return real(condition, mutex, &then);
}
