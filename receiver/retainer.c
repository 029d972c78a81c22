/*
 * Retention: every minute, or at once while there is more, on a thread of its own. It waits for the
 * disk like every request, and a disk may hang for longer than the watchdog waits for main.
 */
#include <pthread.h>
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "daemon.h"
#include "timeutil.h"

enum { EACH_MS = 60000 };

struct retainer {
    pthread_t thread;
    pthread_mutex_t lock; /* guards stopping */
    pthread_cond_t wake;
    bool stopping;
    struct store *store;
};

/* False when stopping. */
static bool wait_for_turn(struct retainer *r, int64_t max_ms)
{
    struct timespec until = time_cond_after(max_ms);
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    while (!r->stopping && rc == 0 && max_ms > 0)
        rc = pthread_cond_timedwait(&r->wake, &r->lock, &until);
    bool goes_on = !r->stopping;
    pthread_mutex_unlock(&r->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct retainer *r = arg;
    bool more;
    do {
        struct error e;
        more = false;
        if (store_retain(r->store, &more, &e) != ERR_NONE)
            log_warn("old rows could not be removed; trying again in a minute", "error", e.text,
                     NULL);
    } while (wait_for_turn(r, more ? 0 : EACH_MS));
    return NULL;
}

enum err retainer_start(struct retainer **out, struct store *s, struct error *e)
{
    struct retainer *r = mem_alloc(sizeof *r);
    r->store = s;
    pthread_mutex_init(&r->lock, NULL);
    time_cond_init(&r->wake);
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        free(r);
        return error_set(e, ERR_IO, "cannot start a thread: the system refuses more threads");
    }
    *out = r;
    return ERR_NONE;
}

void retainer_stop(struct retainer **out)
{
    struct retainer *r = *out;
    if (r == NULL)
        return;
    *out = NULL;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
