#define _GNU_SOURCE
/*
 * fdatasync - how long one durable append takes here
 *
 *     fdatasync FILE COUNT
 *
 * Appends 4 KB and calls fdatasync, COUNT times, and prints the median and the 99th percentile as
 * JSON. It is the floor of any durable acknowledgement, so latencies are given as multiples of it.
 * The file is created, and removed at the end.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, COUNT_MAX = 100000 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static int measure(int fd, double *took_us, size_t count)
{
    char block[BLOCK];
    memset(block, 'x', sizeof block);
    for (size_t i = 0; i < count; i++) {
        double start = now_us();
        if (write(fd, block, sizeof block) != BLOCK || fdatasync(fd) != 0) {
            perror("write or fdatasync");
            return 1;
        }
        took_us[i] = now_us() - start;
    }
    qsort(took_us, count, sizeof *took_us, compare);
    printf("{\"p50_us\":%.1f,\"p99_us\":%.1f,\"count\":%zu}\n", took_us[count / 2],
           took_us[count * 99 / 100], count);
    return 0;
}

int main(int argc, char **argv)
{
    size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (count < 1 || count > COUNT_MAX) {
        fprintf(stderr, "usage: %s FILE COUNT (1 to %d)\n", argv[0], COUNT_MAX);
        return 2;
    }
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(argv[1]);
        return 1;
    }
    double *took_us = calloc(count, sizeof *took_us);
    int result = took_us != NULL ? measure(fd, took_us, count) : 1;
    free(took_us);
    close(fd);
    unlink(argv[1]);
    return result;
}
