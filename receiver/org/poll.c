/*
 * Waiting for a bulk job: longer each time, and never so long that the lease runs out.
 */
#include "org_int.h"

#include "timeutil.h"

enum { POLL_GROWTH_MAX = 30 };

int64_t org_poll_delay_ms(const struct org *o, unsigned polls)
{
    int64_t most = o->poll_base_ms * POLL_GROWTH_MAX, ceiling = o->poll_base_ms;
    for (; polls > 0 && ceiling < most; polls--)
        ceiling += ceiling / 2 + 1;
    return org_jittered(ceiling < most ? ceiling : most);
}

static int64_t bounded_by_lease(const struct org_conn *c, int64_t ms)
{
    if (c->gate.deadline_boot_ms == NULL)
        return ms;
    int64_t half = (*c->gate.deadline_boot_ms - time_boot_ms()) / 2;
    return half < ms ? half : ms;
}

enum err org_wait(struct org_conn *c, int64_t ms, struct error *e)
{
    struct org *o = c->org;
    int timed_out = 0;

    ms = bounded_by_lease(c, ms);
    struct timespec until = time_cond_after(ms > 0 ? ms : 0);
    pthread_mutex_lock(&o->lock);
    while (timed_out == 0 && !atomic_load(&c->aborted))
        timed_out = pthread_cond_timedwait(&o->changed, &o->lock, &until);
    pthread_mutex_unlock(&o->lock);
    if (atomic_load(&c->aborted))
        return error_set(e, ERR_STOPPED, "the program is stopping");
    return ERR_NONE;
}
