/*
 * Campaigns whose pass failed for this machine's sake: no space for the rows that wait to be
 * written, a disk that refuses. The org is well and others have work, so only the campaign waits, a
 * growing time, since each attempt may read a million members; no try is used up. What is known
 * dies with the pool: after a restart or a reload the first attempt is made at once.
 *
 *     failure ▶ waits 5 s, 10 s … 15 min, each with jitter ▶ a pass that ends otherwise forgets
 */
#include <string.h>

#include "pool_int.h"
#include "timeutil.h"

enum {
    PAUSE_BASE_MS = 5000,
    PAUSE_MAX_MS = 15 * 60 * 1000,
    DOUBLINGS_MAX = 8,
    FORGOTTEN_MS = 60 * 60 * 1000, /* its hints are gone, or it works elsewhere by now */
};

static bool is_local(enum err result)
{
    return result == ERR_IO || result == ERR_FULL;
}

static bool is_of(const struct trouble *t, const struct store_claim *c)
{
    return strcmp(t->of.key, c->key) == 0 && strcmp(t->of.org, c->org) == 0;
}

/* NULL: none. Under the lock, as all that follows. */
static struct trouble *find(struct troubles *all, const struct store_claim *c)
{
    for (size_t i = 0; i < all->count; i++) {
        if (is_of(&all->v[i], c))
            return &all->v[i];
    }
    return NULL;
}

static struct trouble *find_or_add(struct troubles *all, const struct store_claim *c)
{
    struct trouble *t = find(all, c);
    if (t != NULL || all->count == TROUBLES_MAX)
        return t;
    t = &all->v[all->count++];
    *t = (struct trouble){0};
    memcpy(t->of.org, c->org, sizeof t->of.org);
    memcpy(t->of.key, c->key, sizeof t->of.key);
    return t;
}

static void forget(struct troubles *all, struct trouble *t)
{
    *t = all->v[--all->count];
}

static int64_t pause_ms(unsigned failures)
{
    unsigned doublings = failures < DOUBLINGS_MAX ? failures : DOUBLINGS_MAX;
    int64_t ceiling = (int64_t)PAUSE_BASE_MS << doublings;
    return org_jittered(ceiling < PAUSE_MAX_MS ? ceiling : PAUSE_MAX_MS);
}

int64_t trouble_note(struct worker_pool *pool, const struct store_claim *c, enum err result,
                     const struct error *why)
{
    struct troubles *all = &pool->troubles;
    int64_t pause = 0;
    pthread_mutex_lock(&all->lock);
    struct trouble *t = is_local(result) ? find_or_add(all, c) : find(all, c);
    if (is_local(result))
        pause = pause_ms(t == NULL ? 0 : t->failures++);
    if (is_local(result) && t != NULL) {
        t->until_boot_ms = time_boot_ms() + pause;
        memcpy(t->why, why->text, sizeof t->why);
    } else if (t != NULL && result != ERR_STOPPED && result != ERR_STALE) {
        forget(all, t);
    }
    pthread_mutex_unlock(&all->lock);
    return pause;
}

size_t trouble_list(struct worker_pool *pool, struct store_key *out, int64_t *wait_ms)
{
    struct troubles *all = &pool->troubles;
    int64_t now = time_boot_ms();
    size_t n = 0;
    pthread_mutex_lock(&all->lock);
    for (size_t i = all->count; i-- > 0;) {
        struct trouble *t = &all->v[i];
        if (t->until_boot_ms + FORGOTTEN_MS < now) {
            forget(all, t);
        } else if (t->until_boot_ms > now) {
            out[n++] = t->of;
            *wait_ms = t->until_boot_ms - now < *wait_ms ? t->until_boot_ms - now : *wait_ms;
        }
    }
    pthread_mutex_unlock(&all->lock);
    return n;
}

size_t worker_troubles(struct worker_pool *pool, char why[ERROR_TEXT_MAX])
{
    struct troubles *all = &pool->troubles;
    pthread_mutex_lock(&all->lock);
    size_t n = all->count;
    if (n > 0)
        memcpy(why, all->v[0].why, ERROR_TEXT_MAX);
    pthread_mutex_unlock(&all->lock);
    return n;
}
