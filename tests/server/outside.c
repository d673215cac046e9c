/* Preloaded into a task: the world beyond this machine, as the file OUTSIDE describes it.
 *
 * "host NAME ADDRESS" gives a name one of its addresses; "route ADDRESS PORT" sends connections to ADDRESS, whatever
 * their port, to the port PORT of 127.0.0.1; "clock SECONDS" is what the clock is ahead by. Names that are not there are
 * unknown. Every connection that is tried is a line of OUTSIDE.tried; those without a route are refused.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **result) {
    char line[256], host[128], address[64];
    struct addrinfo **end = result;
    FILE *file = fopen(getenv("OUTSIDE"), "re");
    *result = NULL;
    while (file && fgets(line, sizeof line, file))
        if (name && sscanf(line, "host %127s %63s", host, address) == 2 && !strcmp(host, name)) {
            REAL(int, "getaddrinfo", const char *, const char *, const struct addrinfo *, struct addrinfo **)
            (address, port, hints, end);
            while (*end)
                end = &(*end)->ai_next;
        }
    if (file)
        fclose(file);
    return *result ? 0 : EAI_NONAME;
}

int connect(int socket, const struct sockaddr *to, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = REAL(int, "connect", int, const struct sockaddr *, socklen_t);
    char line[256], address[64], wanted[INET6_ADDRSTRLEN], tried[4096];
    int port;
    if (to->sa_family != AF_INET && to->sa_family != AF_INET6)
        return real(socket, to, length);
    getnameinfo(to, length, wanted, sizeof wanted, NULL, 0, NI_NUMERICHOST);
    snprintf(tried, sizeof tried, "%s.tried", getenv("OUTSIDE"));
    FILE *file = fopen(tried, "ae");
    fprintf(file, "%s\n", wanted);
    fclose(file);
    file = fopen(getenv("OUTSIDE"), "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "route %63s %d", address, &port) == 2 && !strcmp(address, wanted)) {
            struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(port)};
            local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            fclose(file);
            return real(socket, (struct sockaddr *)&local, sizeof local);
        }
    if (file)
        fclose(file);
    errno = ECONNREFUSED;
    return -1;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static long ahead;
    static time_t read_at;
    char line[256];
    int result = REAL(int, "clock_gettime", clockid_t, struct timespec *)(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) {
        time_t second = time(NULL);
        if (second != read_at) {
            FILE *file = fopen(getenv("OUTSIDE"), "re");
            read_at = second;
            while (file && fgets(line, sizeof line, file))
                sscanf(line, "clock %ld", &ahead);
            if (file)
                fclose(file);
        }
        now->tv_sec += ahead;
    }
    return result;
}
