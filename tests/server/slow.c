/* Preloaded into a task: its package directory answers as slowly as a network file system.
 *
 * Each call that names a path below SLOW_DIRECTORY, and each directory entry read, takes SLOW_MICROSECONDS longer.
 * The file SLOW_MARK is made at the first such call.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void wait_for(const char *path) {
    const char *directory = getenv("SLOW_DIRECTORY"), *delay = getenv("SLOW_MICROSECONDS"), *mark = getenv("SLOW_MARK");
    static int marked;
    if (!directory || !delay || !mark || (path && strncmp(path, directory, strlen(directory)) != 0))
        return;
    if (!marked) {
        marked = 1;
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
        close(real(mark, O_CREAT | O_WRONLY, 0600));
    }
    usleep(atoi(delay));
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    wait_for(path);
    return real(path, flags, mode);
}

int stat64(const char *path, struct stat64 *status) {
    int (*real)(const char *, struct stat64 *) = dlsym(RTLD_NEXT, "stat64");
    wait_for(path);
    return real(path, status);
}

int link(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "link");
    wait_for(from);
    return real(from, to);
}

int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    wait_for(path);
    return real(path);
}

struct dirent64 *readdir64(DIR *directory) {
    struct dirent64 *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir64");
    wait_for(NULL);
    return real(directory);
}
