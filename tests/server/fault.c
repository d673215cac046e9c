/* Preloaded into a task: calls that concern FAULT_DIRECTORY fail as the file FAULT_CONTROL says.
 *
 * It holds a call's name and the number of an error. "linkdone", "renamedone" and "close" do what they are asked, and
 * report the error all the same. "stat" is any question about a file's state, "lstat" one about a link's own.
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

static int below_at(int directory, const char *path) {
    return *path == '/' || directory == AT_FDCWD ? below(path) : concerns(directory);
}

#define FAIL(condition, call) \
    do { \
        int number = (condition) ? wanted(call) : 0; \
        if (number) { \
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
    return REAL(int, "open64", const char *, int, ...)(path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int);
    va_end(rest);
    FAIL(below_at(directory, path), flags & O_CREAT ? "creat" : flags & O_DIRECTORY ? "opendir" : "open");
    return REAL(int, "openat64", int, const char *, int, ...)(directory, path, flags, mode);
}

int linkat(int from_directory, const char *from, int directory, const char *to, int flags) {
    FAIL(below_at(directory, to), "link");
    FAIL(below_at(directory, to) && strstr(to, ".asc"), "linkasc");
    int result = REAL(int, "linkat", int, const char *, int, const char *, int)(from_directory, from, directory, to, flags);
    if (result)
        return result;
    FAIL(below_at(directory, to), "linkdone");
    return 0;
}

int renameat(int from_directory, const char *from, int directory, const char *to) {
    FAIL(below_at(directory, to), "rename");
    int result = REAL(int, "renameat", int, const char *, int, const char *)(from_directory, from, directory, to);
    if (result)
        return result;
    FAIL(below_at(directory, to), "renamedone");
    return 0;
}

int mkdirat(int directory, const char *path, mode_t mode) {
    FAIL(below_at(directory, path), "mkdir");
    return REAL(int, "mkdirat", int, const char *, mode_t)(directory, path, mode);
}

int unlinkat(int directory, const char *path, int flags) {
    FAIL(below_at(directory, path), "unlink");
    return REAL(int, "unlinkat", int, const char *, int)(directory, path, flags);
}

int link(const char *from, const char *to) {
    FAIL(below(to), "link");
    FAIL(below(to) && strstr(to, ".asc"), "linkasc");
    int result = REAL(int, "link", const char *, const char *)(from, to);
    if (result)
        return result;
    FAIL(below(to), "linkdone");
    return 0;
}

int rename(const char *from, const char *to) {
    FAIL(below(to), "rename");
    int result = REAL(int, "rename", const char *, const char *)(from, to);
    if (result)
        return result;
    FAIL(below(to), "renamedone");
    return 0;
}

int mkdir(const char *path, mode_t mode) {
    FAIL(below(path), "mkdir");
    return REAL(int, "mkdir", const char *, mode_t)(path, mode);
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
    FAIL(below_at(directory, path), "stat");
    FAIL(flags & AT_SYMLINK_NOFOLLOW && below_at(directory, path), "lstat");
    return REAL(int, "fstatat64", int, const char *, struct stat64 *, int)(directory, path, status, flags);
}

struct dirent64 *readdir64(DIR *directory) {
    /* At the end of a directory it leaves errno as it was, which is how callers know. */
    int before = errno, number = concerns(dirfd(directory)) ? wanted("readdir") : 0;
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
    return REAL(int, "unlink", const char *)(path);
}

int fsync(int file) {
    struct stat status;
    FAIL(concerns(file), !fstat(file, &status) && S_ISDIR(status.st_mode) ? "dirfsync" : "fsync");
    return REAL(int, "fsync", int)(file);
}

ssize_t write(int file, const void *data, size_t size) {
    FAIL(file > 2 && concerns(file), "write");
    return REAL(ssize_t, "write", int, const void *, size_t)(file, data, size);
}

ssize_t read(int file, void *data, size_t size) {
    FAIL(concerns(file), "read");
    return REAL(ssize_t, "read", int, void *, size_t)(file, data, size);
}
