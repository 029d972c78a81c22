/*
 * Waiting for work. A thread builds what its claim needs, claims, finds nothing, waits. The wait
 * ends when the generation is another than at the end of that thread's wait before, so that nothing
 * is missed that moved it in between: a commit after the claim, or a store_wake after the thread
 * had looked which orgs to skip. (It costs one claim in vain after a busy time.) Other threads'
 * claims do not matter: they may have skipped other orgs.
 */
#include "store_int.h"

#include "timeutil.h"

/* This thread's last wait and claim. */
static _Thread_local struct {
    const struct store_waiters *of;
    uint64_t generation;  /* that the next wait goes on from */
    int64_t next_boot_ms; /* when the last claim, which found nothing, wants to be made again */
} mine;

/* Never a number that a former store at the same address had reached. */
static uint64_t first_generation(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void store_waiters_init(struct store_waiters *w)
{
    pthread_mutex_init(&w->lock, NULL);
    time_cond_init(&w->moved);
    w->generation = first_generation();
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

static void go_on_from_here(struct store_waiters *w)
{
    mine.of = w;
    mine.generation = w->generation;
    mine.next_boot_ms = INT64_MAX;
}

void store_waiters_claims(struct store_waiters *w)
{
    if (mine.of == w)
        return;
    pthread_mutex_lock(&w->lock);
    go_on_from_here(w);
    pthread_mutex_unlock(&w->lock);
}

void store_waiters_claimed(enum err result, int64_t next_boot_ms)
{
    mine.next_boot_ms = next_boot_ms;
    if (result != ERR_NONE)
        mine.of = NULL; /* what matters then is that the wait is a pause */
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
    if (mine.of != w)
        go_on_from_here(w);
    for (;;) {
        int64_t now = store_boot_ms(s);
        int64_t left = max_ms - (now - start);
        if (mine.next_boot_ms - now < left)
            left = mine.next_boot_ms - now;
        if (w->closed || w->generation != mine.generation || left <= 0)
            break;
        struct timespec until = time_cond_after(left);
        (void)pthread_cond_timedwait(&w->moved, &w->lock, &until);
    }
    go_on_from_here(w);
    pthread_mutex_unlock(&w->lock);
}

void store_wake(struct store *s)
{
    store_waiters_wake(&s->waiters);
}
