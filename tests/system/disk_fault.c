#define _GNU_SOURCE
/*
 * disk_fault - a library to be preloaded: what is written to the store's files fails or stalls
 *
 * As long as a file that $DISK_FAULT names says so; its text is one of
 *
 *     readonly    every write says EROFS, as after a remount by the kernel
 *     eio         every sync says EIO
 *     stall       every sync waits until the file is gone
 *
 * Only files whose name holds "queue.db" are meant.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static bool is_on(const char *mode)
{
    char text[16] = "";
    const char *path = getenv("DISK_FAULT");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && strncmp(text, mode, strlen(mode)) == 0;
}

static bool is_of_store(int fd)
{
    char link[64], path[4096] = "";
    int saved = errno;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    errno = saved;
    return n > 0 && strstr(path, "queue.db") != NULL;
}

static bool refuses_writes(int fd)
{
    if (!is_of_store(fd) || !is_on("readonly"))
        return false;
    errno = EROFS;
    return true;
}

static int sync_with(const char *name, int fd)
{
    int (*next)(int);
    *(void **)&next = dlsym(RTLD_NEXT, name);
    if (is_of_store(fd)) {
        while (is_on("stall"))
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        if (is_on("eio") || is_on("readonly")) {
            errno = is_on("eio") ? EIO : EROFS;
            return -1;
        }
    }
    return next(fd);
}

int fdatasync(int fd);
int fsync(int fd);
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at);
ssize_t write(int fd, const void *bytes, size_t n);

int fdatasync(int fd)
{
    return sync_with("fdatasync", fd);
}

int fsync(int fd)
{
    return sync_with("fsync", fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    ssize_t (*next)(int, const void *, size_t, off64_t);
    *(void **)&next = dlsym(RTLD_NEXT, "pwrite64");
    return refuses_writes(fd) ? -1 : next(fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite64(fd, bytes, n, at);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    ssize_t (*next)(int, const void *, size_t);
    *(void **)&next = dlsym(RTLD_NEXT, "write");
    return refuses_writes(fd) ? -1 : next(fd, bytes, n);
}
