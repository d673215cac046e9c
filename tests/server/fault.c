/* Preloaded into a task: calls that concern FAULT_DIRECTORY fail as the file FAULT_CONTROL says.
 *
 * It holds a call's name and the number of an error. "linkdone", "renamedone" and "close" do what they are asked, and
 * report the error all the same. "stat" is any question about a file's state, "lstat" one about a link's own.
 *
 * If FAULT_RECORD names a directory, `calls` in it gets a line for each call that failed so, for each that changed the
 * storage, once it is done, and for each answer, before it is sent: the call, an inode, a path, another path. A file
 * that is flushed is linked there by its inode, so that it outlives its names.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

static int wanted(const char *call) {
    char text[64], name[32];
    int number = 0, file = REAL(int, "open64", const char *, int, ...)(getenv("FAULT_CONTROL"), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    ssize_t length = REAL(ssize_t, "read", int, void *, size_t)(file, text, sizeof text - 1);
    REAL(int, "close", int)(file);
    text[length > 0 ? length : 0] = 0;
    return sscanf(text, "%31s %d", name, &number) == 2 && !strcmp(name, call) ? number : 0;
}

static int below(const char *path) {
    const char *directory = getenv("FAULT_DIRECTORY");
    return directory && !strncmp(path, directory, strlen(directory));
}

static int concerns(int file) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    return below(path);
}

/* Of a path as openat and its like take it, into `absolute`, which it gives. */
static const char *at(int directory, const char *path, char absolute[9000]) {
    char link[32];
    ssize_t length = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    if (*path != '/' && directory != AT_FDCWD && (length = readlink(link, absolute, 4096)) > 0)
        absolute[length++] = '/';
    snprintf(absolute + (length > 0 ? length : 0), 4096, "%s", path);
    return absolute;
}

static void record(const char *call, int file, const char *path, const char *other) {
    const char *home = getenv("FAULT_RECORD");
    struct stat status = {0};
    char link[32], named[4096], line[9000];
    if (!home)
        return;
    int before = errno;
    if (file >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        ssize_t length = path ? 0 : readlink(link, named, sizeof named - 1);
        named[length > 0 ? length : 0] = 0;
        fstat(file, &status);
        if (!strcmp(call, "fsync")) {
            snprintf(line, sizeof line, "%s/%lu", home, (unsigned long)status.st_ino);
            REAL(int, "linkat", int, const char *, int, const char *, int)(AT_FDCWD, link, AT_FDCWD, line, AT_SYMLINK_FOLLOW);
        }
    }
    snprintf(line, sizeof line, "%s/calls", home);
    int calls = REAL(int, "open64", const char *, int, ...)(line, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int size = snprintf(line, sizeof line, "%s\t%lu\t%s\t%s\n", call, (unsigned long)status.st_ino, path ? path : named, other);
    REAL(ssize_t, "write", int, const void *, size_t)(calls, line, size);
    REAL(int, "close", int)(calls);
    errno = before;
}

#define FAIL(condition, call) \
    do { \
        int number = (condition) ? wanted(call) : 0; \
        if (number) { \
            record("failed", -1, call, ""); \
            errno = number; \
            return -1; \
        } \
    } while (0)

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    FAIL(below(path), flags & O_CREAT ? "creat" : flags & O_DIRECTORY ? "opendir" : "open");
    int file = REAL(int, "open64", const char *, int, ...)(path, flags, mode);
    if (file >= 0 && flags & O_CREAT && below(path))
        record("creat", file, path, "");
    return file;
}

int openat64(int directory, const char *path, int flags, ...) {
    char named[9000];
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    at(directory, path, named);
    FAIL(below(named), flags & O_CREAT ? "creat" : flags & O_DIRECTORY ? "opendir" : "open");
    int file = REAL(int, "openat64", int, const char *, int, ...)(directory, path, flags, mode);
    if (file >= 0 && flags & O_CREAT && below(named))
        record("creat", file, named, "");
    return file;
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    char first[9000], second[9000];
    at(from_directory, from, first), at(to_directory, to, second);
    FAIL(below(second), "link");
    FAIL(below(second) && strstr(second, ".asc"), "linkasc");
    int result = REAL(int, "linkat", int, const char *, int, const char *, int)(from_directory, from, to_directory, to, flags);
    if (result)
        return result;
    if (below(second))
        record("link", -1, first, second);
    FAIL(below(second), "linkdone");
    return 0;
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    char first[9000], second[9000];
    at(from_directory, from, first), at(to_directory, to, second);
    FAIL(below(second), "rename");
    int result = REAL(int, "renameat", int, const char *, int, const char *)(from_directory, from, to_directory, to);
    if (result)
        return result;
    if (below(second))
        record("rename", -1, first, second);
    FAIL(below(second), "renamedone");
    return 0;
}

int mkdirat(int directory, const char *path, mode_t mode) {
    char named[9000];
    at(directory, path, named);
    FAIL(below(named), "mkdir");
    int result = REAL(int, "mkdirat", int, const char *, mode_t)(directory, path, mode);
    if (!result && below(named))
        record("mkdir", -1, named, "");
    return result;
}

int symlinkat(const char *target, int directory, const char *path) {
    char named[9000];
    at(directory, path, named);
    int result = REAL(int, "symlinkat", const char *, int, const char *)(target, directory, path);
    if (!result && below(named))
        record("symlink", -1, named, target);
    return result;
}

int unlinkat(int directory, const char *path, int flags) {
    char named[9000];
    at(directory, path, named);
    FAIL(below(named), "unlink");
    int result = REAL(int, "unlinkat", int, const char *, int)(directory, path, flags);
    if (!result && below(named))
        record("unlink", -1, named, "");
    return result;
}

int futimens(int file, const struct timespec times[2]) {
    int result = REAL(int, "futimens", int, const struct timespec *)(file, times);
    if (!result && concerns(file))
        record("utime", file, NULL, "");
    return result;
}

int link(const char *from, const char *to) {
    FAIL(below(to), "link");
    FAIL(below(to) && strstr(to, ".asc"), "linkasc");
    int result = REAL(int, "link", const char *, const char *)(from, to);
    if (result)
        return result;
    if (below(to))
        record("link", -1, from, to);
    FAIL(below(to), "linkdone");
    return 0;
}

int rename(const char *from, const char *to) {
    FAIL(below(to), "rename");
    int result = REAL(int, "rename", const char *, const char *)(from, to);
    if (result)
        return result;
    if (below(to))
        record("rename", -1, from, to);
    FAIL(below(to), "renamedone");
    return 0;
}

int mkdir(const char *path, mode_t mode) {
    FAIL(below(path), "mkdir");
    int result = REAL(int, "mkdir", const char *, mode_t)(path, mode);
    if (!result && below(path))
        record("mkdir", -1, path, "");
    return result;
}

int symlink(const char *target, const char *path) {
    int result = REAL(int, "symlink", const char *, const char *)(target, path);
    if (!result && below(path))
        record("symlink", -1, path, target);
    return result;
}

int utimensat(int directory, const char *path, const struct timespec times[2], int flags) {
    char named[9000];
    int result = REAL(int, "utimensat", int, const char *, const struct timespec *, int)(directory, path, times, flags);
    if (!result && path && below(at(directory, path, named)))
        record("utime", -1, named, "");
    return result;
}

int stat64(const char *path, struct stat64 *status) {
    FAIL(below(path), "stat");
    return REAL(int, "stat64", const char *, struct stat64 *)(path, status);
}

int lstat64(const char *path, struct stat64 *status) {
    FAIL(below(path), "stat");
    FAIL(below(path), "lstat");
    return REAL(int, "lstat64", const char *, struct stat64 *)(path, status);
}

int fstat64(int file, struct stat64 *status) {
    FAIL(concerns(file), "stat");
    return REAL(int, "fstat64", int, struct stat64 *)(file, status);
}

int fstatat64(int directory, const char *path, struct stat64 *status, int flags) {
    FAIL(*path == '/' ? below(path) : concerns(directory), "stat");
    return REAL(int, "fstatat64", int, const char *, struct stat64 *, int)(directory, path, status, flags);
}

struct dirent64 *readdir64(DIR *directory) {
    /* At the end of a directory it leaves errno as it was, which is how callers know. */
    int before = errno, number = concerns(dirfd(directory)) ? wanted("readdir") : 0;
    if (number)
        record("failed", -1, "readdir", "");
    errno = number ? number : before;
    if (number)
        return NULL;
    return REAL(struct dirent64 *, "readdir64", DIR *)(directory);
}

int close(int file) {
    int ours = file > 2 && concerns(file);
    int result = REAL(int, "close", int)(file);
    FAIL(ours && !result, "close");
    return result;
}

int unlink(const char *path) {
    FAIL(below(path), "unlink");
    int result = REAL(int, "unlink", const char *)(path);
    if (!result && below(path))
        record("unlink", -1, path, "");
    return result;
}

int fsync(int file) {
    struct stat status;
    const char *call = !fstat(file, &status) && S_ISDIR(status.st_mode) ? "dirfsync" : "fsync";
    FAIL(concerns(file), call);
    int result = REAL(int, "fsync", int)(file);
    if (!result && concerns(file))
        record(call, file, NULL, "");
    return result;
}

ssize_t write(int file, const void *data, size_t size) {
    FAIL(file > 2 && concerns(file), "write");
    ssize_t result = REAL(ssize_t, "write", int, const void *, size_t)(file, data, size);
    if (result > 0 && file > 2 && concerns(file))
        record("write", file, NULL, "");
    return result;
}

ssize_t send(int socket, const void *data, size_t size, int flags) {
    record("answer", -1, "", "");
    return REAL(ssize_t, "send", int, const void *, size_t, int)(socket, data, size, flags);
}

ssize_t read(int file, void *data, size_t size) {
    FAIL(concerns(file), "read");
    return REAL(ssize_t, "read", int, void *, size_t)(file, data, size);
}
