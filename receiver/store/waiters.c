/*
 * Waiting for work. A thread whose claim found nothing waits until the generation is another than
 * when that claim began, until the time that the claim named, or for as long as it asked. What came
 * after the claim, and what a store_wake announced that the claim did not heed yet, is so never
 * missed; other threads' claims, which may have skipped other orgs, do not matter.
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

/* What the last claim of a thread found, until its store_wait. */
static _Thread_local struct {
    const struct store_waiters *of; /* NULL: it found something, or failed, or there was none */
    uint64_t generation;
    int64_t next_boot_ms;
} empty_claim;

void store_waiters_init(struct store_waiters *w)
{
    pthread_mutex_init(&w->lock, NULL);
    store_cond_init(&w->moved);
    w->generation = 1;
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

uint64_t store_waiters_generation(struct store_waiters *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t generation = w->generation;
    pthread_mutex_unlock(&w->lock);
    return generation;
}

void store_waiters_empty(const struct store_waiters *w, uint64_t generation, int64_t next_boot_ms)
{
    empty_claim.of = w;
    empty_claim.generation = generation;
    empty_claim.next_boot_ms = next_boot_ms;
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
    bool after_claim = empty_claim.of == w;
    int64_t start = store_boot_ms(s), next = after_claim ? empty_claim.next_boot_ms : INT64_MAX;
    empty_claim.of = NULL;
    pthread_mutex_lock(&w->lock);
    uint64_t seen = after_claim ? empty_claim.generation : w->generation;
    for (;;) {
        int64_t now = store_boot_ms(s);
        int64_t left = max_ms - (now - start);
        if (next - now < left)
            left = next - now;
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
