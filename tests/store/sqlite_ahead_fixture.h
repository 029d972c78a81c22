/*
 * sqlite_ahead_fixture - puts that go ahead of the committer, and syncs that fail. After cmocka.h;
 * in one file of a program, since it stands in for the C library's fsync and fdatasync.
 */
#ifndef TP_TEST_SQLITE_AHEAD_FIXTURE_H
#define TP_TEST_SQLITE_AHEAD_FIXTURE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../receiver/store/sqlite_int.h"
#include "sqlite_look.h"
#include "store_admin.h"
#include "store_fixture.h"
#include "timeutil.h"

enum { FAR_MS = 3600 * 1000 };

/* ------------------------------------------------------------------ a log that can't be synced */

static atomic_bool log_fails, fills_slowly;
static atomic_uint folders_synced;

int fsync(int fd) /* instead of the C library's */
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        atomic_fetch_add(&folders_synced, 1);
    while (atomic_load(&fills_slowly))
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) /* instead of the C library's */
{
    char link[64], path[700] = "";
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0 && atomic_load(&log_fails) && strstr(path, "-intake") != NULL) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* ------------------------------------------------------------------ helpers */

static inline struct store_queue *queue_of(const struct fixture *f)
{
    return &((struct sqlite_store *)(void *)f->store)->queue;
}

static inline bool has_log(const struct fixture *f)
{
    return access(beside(f, "-intake"), F_OK) == 0;
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;                                      \
        while (!(condition)) {                                                                     \
            if (time_boot_ms() > give_up)                                                          \
                fail_msg("waited in vain for " #condition);                                        \
            pause_a_little();                                                                      \
        }                                                                                          \
    } while (false)

static inline bool is_usable(const struct fixture *f)
{
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    bool usable = q->ahead.usable;
    pthread_mutex_unlock(&q->lock);
    return usable;
}

static inline size_t logged(const struct fixture *f)
{
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    size_t n = q->ahead.notifications;
    pthread_mutex_unlock(&q->lock);
    return n;
}

/* From how many puts that wait on they go ahead. */
static inline void set_crowd(const struct fixture *f, size_t crowd)
{
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    q->ahead.crowd = crowd;
    pthread_mutex_unlock(&q->lock);
}

/* Each put goes ahead from here on; member n is the first that does. */
static inline void go_ahead(struct fixture *f, unsigned n, unsigned campaign)
{
    struct store_item item = member_item(n, campaign);
    struct pending gate, p;
    set_crowd(f, 1);
    gate_shut(f, &gate);
    pending_init(&p, f->org, &item, 1);
    pending_start(f, &p);
    pending_wait(&p);
    assert_int_equal(p.put.result, ERR_NONE);
    pending_release(&p);
    gate_open(&gate);
    assert_true(is_usable(f));
}

/* What is acknowledged stays in the log. */
static inline void hold_back(const struct fixture *f)
{
    store_ahead_put_off(queue_of(f), FAR_MS);
}

/* What a crash would leave now, as another store's files. */
static inline void copy_all(const struct fixture *f, struct fixture *out)
{
    static const char *const suffixes[] = {"", "-wal", "-intake"};
    *out = *f;
    out->store = NULL;
    (void)snprintf(out->url, sizeof out->url, "sqlite:%s", beside(f, "2"));
    out->options.url = out->url;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char to[600];
        (void)snprintf(to, sizeof to, "%s%s", fixture_path(out), suffixes[i]);
        copy_file(beside(f, suffixes[i]), to);
    }
}

static inline int64_t rows_in(const struct fixture *f)
{
    return sqlite_number(fixture_path(f), "SELECT count(*) FROM notification");
}

#endif
