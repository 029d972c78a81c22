/*
 * Waiting for work. A waiter goes on when the generation moved past the one that the last empty
 * claim had seen, when the next due time came, or after its own time.
 */
#include "store_int.h"

enum { MS_PER_S = 1000, NS_PER_MS = 1000000 };

void store_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec store_cond_time(int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / MS_PER_S);
    until.tv_nsec += (long)(ms % MS_PER_S) * NS_PER_MS;
    if (until.tv_nsec >= MS_PER_S * NS_PER_MS) {
        until.tv_sec++;
        until.tv_nsec -= MS_PER_S * NS_PER_MS;
    }
    return until;
}

void store_waiters_init(struct store_waiters *w)
{
    pthread_mutex_init(&w->lock, NULL);
    store_cond_init(&w->moved);
    w->generation = 1;
    w->empty_generation = 0;
    w->next_boot_ms = INT64_MAX;
    w->closed = false;
}

void store_waiters_release(struct store_waiters *w)
{
    pthread_cond_destroy(&w->moved);
    pthread_mutex_destroy(&w->lock);
}

void store_waiters_wake(struct store_waiters *w)
{
    pthread_mutex_lock(&w->lock);
    w->generation++;
    pthread_cond_broadcast(&w->moved);
    pthread_mutex_unlock(&w->lock);
}

void store_waiters_later(struct store_waiters *w, int64_t at_boot_ms)
{
    pthread_mutex_lock(&w->lock);
    if (at_boot_ms < w->next_boot_ms) {
        w->next_boot_ms = at_boot_ms;
        pthread_cond_broadcast(&w->moved);
    }
    pthread_mutex_unlock(&w->lock);
}

void store_waiters_empty(struct store_waiters *w, int64_t next_boot_ms)
{
    pthread_mutex_lock(&w->lock);
    w->empty_generation = w->generation;
    w->next_boot_ms = next_boot_ms;
    pthread_cond_broadcast(&w->moved); /* whoever waits for the old time looks at the new one */
    pthread_mutex_unlock(&w->lock);
}

void store_waiters_close(struct store_waiters *w)
{
    pthread_mutex_lock(&w->lock);
    w->closed = true;
    pthread_cond_broadcast(&w->moved);
    pthread_mutex_unlock(&w->lock);
}

void store_wait(struct store *s, int64_t max_ms)
{
    struct store_waiters *w = &s->waiters;
    int64_t start = store_boot_ms(s);
    pthread_mutex_lock(&w->lock);
    uint64_t seen = w->empty_generation;
    for (;;) {
        int64_t now = store_boot_ms(s);
        int64_t left = max_ms - (now - start);
        if (w->next_boot_ms - now < left)
            left = w->next_boot_ms - now;
        if (w->closed || w->generation != seen || left <= 0)
            break;
        struct timespec until = store_cond_time(left);
        (void)pthread_cond_timedwait(&w->moved, &w->lock, &until);
    }
    pthread_mutex_unlock(&w->lock);
}

void store_wake(struct store *s)
{
    store_waiters_wake(&s->waiters);
}
