#define _GNU_SOURCE
/*
 * allocs - a library to be preloaded: counts calls of malloc, calloc and realloc
 *
 * The count stands as eight bytes in the file that $ALLOCS names, which is mapped, so that whoever
 * wants to know reads it at any time.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);

static _Atomic uint64_t uncounted;
static _Atomic uint64_t *count = &uncounted;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("ALLOCS");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *count) != 0)
        return;
    void *p = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED)
        count = p;
}

static void add(void)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

void *malloc(size_t n)
{
    add();
    return __libc_malloc(n);
}

void *calloc(size_t members, size_t n)
{
    add();
    return __libc_calloc(members, n);
}

void *realloc(void *p, size_t n)
{
    add();
    return __libc_realloc(p, n);
}
