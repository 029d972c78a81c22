/*
 * Allocation that aborts instead of failing; see mem.h for why that is right here.
 */
#include "mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc keeps freed blocks of so many bytes for the thread, but calloc takes none of them. */
enum { SMALL_MAX = 1024 };

/* A full message of a wide object is below the first, a body of the greatest size above it. */
enum { MAPPED_MIN = 1 << 20, FREE_KEPT = 1 << 20 };

static _Noreturn void out_of_memory(void)
{
    static const char text[] =
        "level=error msg=\"out of memory: lower the limits in the configuration, or give the "
        "process more memory\"\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    abort();
}

/* By itself glibc raises both bounds to the largest block that was ever freed, and to twice that:
 * after one body of 4 MiB each of its heaps, one a thread or two, keeps 8 MiB for good. */
void mem_set_up(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, FREE_KEPT);
#endif
}

void *mem_alloc(size_t bytes)
{
    return mem_array(1, bytes);
}

void *mem_array(size_t count, size_t bytes)
{
    if (bytes != 0 && count <= SMALL_MAX / bytes) {
        void *small = mem_resize(NULL, count, bytes);
        memset(small, 0, count * bytes);
        return small;
    }
    void *p = calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes);
    if (p == NULL)
        out_of_memory();
    return p;
}

void *mem_resize(void *p, size_t count, size_t bytes)
{
    if (bytes != 0 && count > SIZE_MAX / bytes)
        out_of_memory();
    size_t n = count * bytes;
    void *q = realloc(p, n == 0 ? 1 : n);
    if (q == NULL)
        out_of_memory();
    return q;
}

char *mem_strdup(const char *s)
{
    return s == NULL ? NULL : mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_resize(NULL, n + 1, 1);
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory();
    char *s = mem_alloc((size_t)n + 1);
    (void)vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}
