/* A file system over a directory that behaves roughly like one host's NFS mount of it.
 *
 * network BACKING MOUNTPOINT -f -o allow_other,default_permissions
 *
 * Each call that would reach the file server takes as long as the environment says, in microseconds: META_US, OPEN_US
 * (which also closing takes of what could be written), WRITE_US, READDIR_US for every thousand entries. Directories are
 * asked about whenever they are opened. A file's attributes and names are kept for 30 seconds, unless this host opens the
 * file or finds its directory changed; a name that is absent, until its directory is opened here: close-to-open consistency,
 * and no more. A line "read PATH" or "readdir PATH" is added to the file LOG for each such call. While the file HANG is
 * there, no such call ends. Needs FUSE 3.
 *
 * A file that is open here and is removed or replaced through this mount is first renamed away, as Linux's NFS client does
 * (nfs_rename in fs/nfs/dir.c): a replaced name is free for a moment. With IN_ONE_STEP set it never is.
 *
 * Stricter than NFS: directories' attributes are never kept, not even while a path is walked.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define KEPT_SECONDS 30.0
#define SLOTS 4096

static char backing[PATH_MAX];
static long meta_us, open_us, write_us, readdir_us;

/* Attributes of files as last asked for, each good for one state of the mount's root directory. */
static struct {
    char path[256];
    struct stat status;
    double at;
    long state;
} kept[SLOTS];
static long state;
static struct timespec changed;
/* Names that were absent when they were last asked for, in directories that have not been opened here since. */
static char absent[SLOTS][256];
static long opened;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void wait_us(long us) {
    static const char *hang;
    if (!hang)
        hang = getenv("HANG") ? getenv("HANG") : "";
    while (*hang && !access(hang, F_OK))
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void note(const char *call, const char *path) {
    static int log = -2;
    if (log == -2)
        log = getenv("LOG") ? open(getenv("LOG"), O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
    if (log >= 0)
        dprintf(log, "%s %s\n", call, path);
}

static unsigned slot(const char *path) {
    unsigned hash = 5381;
    while (*path)
        hash = hash * 33 + (unsigned char)*path++;
    return hash % SLOTS;
}

static void forget(const char *path) {
    pthread_mutex_lock(&lock);
    kept[slot(path)].at = -KEPT_SECONDS;
    *absent[slot(path)] = 0;
    pthread_mutex_unlock(&lock);
}

static const char *real(char *buffer, const char *path) {
    snprintf(buffer, 2 * PATH_MAX, "%s%s", backing, path);
    return buffer;
}

#define REAL(path) real((char[2 * PATH_MAX]){0}, path)
#define RESULT(call) ((call) < 0 ? -errno : 0)

static int do_getattr(const char *path, struct stat *status, struct fuse_file_info *info) {
    unsigned at = slot(path);
    pthread_mutex_lock(&lock);
    long asked_at = state, opened_at = opened;
    int gone = !strcmp(absent[at], path);
    int hit = !strcmp(kept[at].path, path) && now() - kept[at].at < KEPT_SECONDS && kept[at].state == state;
    if (hit)
        *status = kept[at].status;
    pthread_mutex_unlock(&lock);
    if (gone)
        return -ENOENT;
    if (hit)
        return 0;
    int result = RESULT(lstat(REAL(path), status));
    wait_us(meta_us);
    if (result) {
        pthread_mutex_lock(&lock);
        if (result == -ENOENT && strlen(path) < sizeof absent[at] && opened_at == opened)
            strcpy(absent[at], path);
        pthread_mutex_unlock(&lock);
        return result;
    }
    pthread_mutex_lock(&lock);
    if (S_ISDIR(status->st_mode)) {
        if (!strcmp(path, "/") && memcmp(&changed, &status->st_mtim, sizeof changed)) {
            state++;
            changed = status->st_mtim;
        }
    } else if (strlen(path) < sizeof kept[at].path) {
        strcpy(kept[at].path, path);
        kept[at].status = *status;
        kept[at].at = now();
        kept[at].state = asked_at;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static int do_opendir(const char *path, struct fuse_file_info *info) {
    size_t length = strcmp(path, "/") ? strlen(path) : 0;
    pthread_mutex_lock(&lock);
    opened++;
    for (int at = 0; at < SLOTS; at++) {
        char *name = strrchr(absent[at], '/');
        if (name && (size_t)(name - absent[at]) == length && !strncmp(absent[at], path, length))
            *absent[at] = 0;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static int do_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *info,
                      enum fuse_readdir_flags flags) {
    note("readdir", path);
    DIR *directory = opendir(REAL(path));
    if (!directory)
        return -errno;
    struct dirent *entry;
    for (long count = 1; (entry = readdir(directory)); count++) {
        struct stat status = {.st_ino = entry->d_ino, .st_mode = entry->d_type << 12};
        if (count % 1000 == 0)
            wait_us(readdir_us);
        if (fill(buffer, entry->d_name, &status, 0, 0))
            break;
    }
    wait_us(meta_us);
    closedir(directory);
    return 0;
}

static int do_open(const char *path, struct fuse_file_info *info) {
    forget(path);
    wait_us(open_us);
    int descriptor = open(REAL(path), info->flags);
    info->fh = descriptor;
    return RESULT(descriptor);
}

static int do_create(const char *path, mode_t mode, struct fuse_file_info *info) {
    forget(path);
    wait_us(write_us);
    int descriptor = open(REAL(path), info->flags | O_CREAT, mode);
    info->fh = descriptor;
    return RESULT(descriptor);
}

static int do_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info) {
    note("read", path);
    /* 300 MB a second. */
    wait_us(meta_us + size / 300);
    ssize_t got = pread(info->fh, buffer, size, offset);
    return got < 0 ? -errno : got;
}

static int do_write(const char *path, const char *buffer, size_t size, off_t offset, struct fuse_file_info *info) {
    forget(path);
    wait_us(size / 300);
    ssize_t put = pwrite(info->fh, buffer, size, offset);
    return put < 0 ? -errno : put;
}

static int do_flush(const char *path, struct fuse_file_info *info) {
    if ((fcntl(info->fh, F_GETFL) & O_ACCMODE) != O_RDONLY)
        wait_us(open_us);
    return 0;
}

static int do_release(const char *path, struct fuse_file_info *info) { return RESULT(close(info->fh)); }

static int do_fsync(const char *path, int data, struct fuse_file_info *info) {
    wait_us(write_us);
    return RESULT(fsync(info->fh));
}

static int do_unlink(const char *path) {
    forget(path);
    wait_us(write_us);
    return RESULT(unlink(REAL(path)));
}

static int do_mkdir(const char *path, mode_t mode) {
    forget(path);
    wait_us(write_us);
    return RESULT(mkdir(REAL(path), mode));
}

static int do_rmdir(const char *path) {
    wait_us(write_us);
    return RESULT(rmdir(REAL(path)));
}

static int do_link(const char *from, const char *to) {
    forget(from);
    forget(to);
    wait_us(write_us);
    return RESULT(link(REAL(from), REAL(to)));
}

static int do_symlink(const char *target, const char *path) {
    forget(path);
    wait_us(write_us);
    return RESULT(symlink(target, REAL(path)));
}

static int do_readlink(const char *path, char *target, size_t size) {
    wait_us(meta_us);
    ssize_t length = readlink(REAL(path), target, size - 1);
    if (length < 0)
        return -errno;
    target[length] = 0;
    return 0;
}

/* With IN_ONE_STEP: a name whose open file has got another one aside. The rename that follows replaces it; if none does, it
 * goes before the answer.
 */
static __thread char aside[2 * PATH_MAX];

static int do_rename(const char *from, const char *to, unsigned flags) {
    forget(from);
    forget(to);
    wait_us(write_us);
    if (strstr(to, "/.fuse_hidden") && getenv("IN_ONE_STEP")) {
        real(aside, from);
        return RESULT(link(aside, REAL(to)));
    }
    *aside = 0;
    return RESULT(renameat2(AT_FDCWD, REAL(from), AT_FDCWD, REAL(to), flags));
}

static int do_truncate(const char *path, off_t size, struct fuse_file_info *info) {
    forget(path);
    wait_us(write_us);
    return RESULT(truncate(REAL(path), size));
}

static int do_chmod(const char *path, mode_t mode, struct fuse_file_info *info) {
    forget(path);
    return RESULT(chmod(REAL(path), mode));
}

static int do_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info) {
    forget(path);
    return RESULT(utimensat(AT_FDCWD, REAL(path), times, AT_SYMLINK_NOFOLLOW));
}

/* libfuse's first message to the kernel says what is offered. Linux looks up several names of one NFS directory at once
 * (its commit 884be175351e); libfuse before 2024 could not be told to ask for that (its pull request 861), so it is added
 * here.
 */
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    static ssize_t (*real_writev)(int, const struct iovec *, int);
    if (*aside)
        unlink(aside);
    *aside = 0;
    if (!real_writev) {
        real_writev = dlsym(RTLD_NEXT, "writev");
        ((struct fuse_init_out *)parts[1].iov_base)->flags |= FUSE_PARALLEL_DIROPS;
    }
    return real_writev(descriptor, parts, count);
}

static void *do_init(struct fuse_conn_info *connection, struct fuse_config *config) {
    config->attr_timeout = 0;
    config->entry_timeout = KEPT_SECONDS;
    config->negative_timeout = 0;
    config->auto_cache = 1;
    config->use_ino = 1;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = do_init,       .getattr = do_getattr, .opendir = do_opendir,   .readdir = do_readdir, .open = do_open,
    .create = do_create,   .read = do_read,       .write = do_write,       .flush = do_flush,     .release = do_release,
    .fsync = do_fsync,     .unlink = do_unlink,   .mkdir = do_mkdir,       .rmdir = do_rmdir,     .link = do_link,
    .rename = do_rename,   .chmod = do_chmod,     .truncate = do_truncate, .utimens = do_utimens, .symlink = do_symlink,
    .readlink = do_readlink,
};

static long setting(const char *name, long otherwise) {
    const char *value = getenv(name);
    return value ? atol(value) : otherwise;
}

int main(int count, char **arguments) {
    if (count < 3 || !realpath(arguments[1], backing))
        return 2;
    meta_us = setting("META_US", 1000);
    open_us = setting("OPEN_US", 1500);
    write_us = setting("WRITE_US", 3000);
    readdir_us = setting("READDIR_US", 3000);
    arguments[1] = arguments[0];
    return fuse_main(count - 1, arguments + 1, &operations, NULL);
}
