/*
 * What a thread does next: a claim that waits in the pool, else one from the store. Orgs that are
 * stopped, held back or at their limit are passed over (protocol rule 8): with several orgs none
 * holds all threads.
 *
 * Two things keep a burst of messages from costing a pass for each few of them. A campaign that
 * many hints came for at once rests for a moment after its pass. And where an org has more
 * campaigns due than threads for them, one thread gathers them (gather.c); while that finds many,
 * the org's claims come in lulls.
 */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "mem.h"
#include "pool_int.h"
#include "timeutil.h"

enum { REST_FROM_HINTS = 20, REST_MS = 1000 };

static size_t org_index(const struct worker_pool *pool, const char *id)
{
    size_t i = 0;
    while (i < pool->options.org_count && strcmp(org_config(pool->options.orgs[i])->id, id) != 0)
        i++;
    return i;
}

/* ------------------------------------------------------------------ orgs that may not work now */

/* Of what all daemons together may do, this one's part: as equal as may be. Who gets one more, or
 * one at all where they are more than that, differs from org to org. */
static unsigned part_of(const struct worker_pool *pool, size_t i, unsigned all)
{
    unsigned rank, nodes;
    store_place(pool->options.store, &rank, &nodes);
    if (nodes <= 1)
        return all;
    if (rank >= nodes)
        return 0;
    uint64_t shift = hash_text(HASH_START, org_config(pool->options.orgs[i])->id);
    return all / nodes + ((rank + shift) % nodes < all % nodes);
}

static unsigned most_passes(const struct worker_pool *pool, size_t i)
{
    unsigned most = part_of(pool, i, org_config(pool->options.orgs[i])->max_concurrent);
    struct org_state state;
    org_state_get(pool->options.orgs[i], &state);
    if (state.breaker_open)
        most = part_of(pool, i, 1); /* one probe at a time */
    else if (pool->options.org_count > 1 && most >= pool->options.threads &&
             pool->options.threads > 1)
        most = pool->options.threads - 1;
    else if (most > pool->options.threads)
        most = pool->options.threads;
    return most;
}

static bool is_at_limit(const struct worker_pool *pool, size_t i)
{
    return org_passes(pool->options.orgs[i]) >= most_passes(pool, i);
}

/* Milliseconds until the org's hold ends; 0: it is not held. */
static int64_t hold_left_ms(const struct worker_pool *pool, size_t i)
{
    struct org_state state;
    org_state_get(pool->options.orgs[i], &state);
    int64_t left = state.held_until_boot_ms - time_boot_ms();
    return left > 0 ? left : 0;
}

/* Its last call failed: then one campaign tries it again, not hundreds, whose rows would be leased
 * for nothing. */
static bool is_troubled(const struct worker_pool *pool, size_t i)
{
    struct org_state state;
    org_state_get(pool->options.orgs[i], &state);
    return state.problem[0] != '\0';
}

/* How the search for work goes, under the pool's lock. */
struct search {
    bool *busy; /* orgs that may do nothing now */
    char (*skip)[SFID_SIZE], (*live)[SFID_SIZE];
    struct store_key rests[SKIPS_MAX];
    int64_t wait_ms;
    struct store_claim_options options;
};

static void search_init(struct search *s, const struct worker_pool *pool)
{
    size_t n = pool->options.org_count;
    *s = (struct search){.wait_ms = IDLE_WAIT_MS};
    s->busy = mem_array(n, sizeof *s->busy);
    s->skip = mem_array(n, sizeof *s->skip);
    s->live = mem_array(n, sizeof *s->live);
    s->options = (struct store_claim_options){
        .skip_orgs = (const char(*)[SFID_SIZE])s->skip,
        .live_orgs = (const char(*)[SFID_SIZE])s->live,
        .skip_keys = s->rests,
        .policy = pool->options.policy_fingerprint,
    };
}

static void search_release(struct search *s)
{
    free(s->busy);
    free(s->skip);
    free(s->live);
}

static void wait_at_most(int64_t *wait_ms, int64_t ms)
{
    if (ms > 0 && ms < *wait_ms)
        *wait_ms = ms;
}

size_t claim_rests(struct worker_pool *pool, struct store_key *out, int64_t *wait_ms)
{
    int64_t now = time_boot_ms();
    size_t kept = 0;
    for (size_t i = 0; i < pool->rest_count; i++) {
        const struct rest r = pool->rests[i];
        if (r.until_boot_ms <= now)
            continue;
        wait_at_most(wait_ms, r.until_boot_ms - now);
        out[kept] = r.of;
        pool->rests[kept++] = r;
    }
    pool->rest_count = kept;
    return kept + trouble_list(pool, out + kept, wait_ms);
}

/* Which orgs the store is not asked for, and when to look again at the latest. */
static void sort_orgs(struct search *s, struct worker_pool *pool)
{
    for (size_t i = 0; i < pool->options.org_count; i++) {
        const char *id = org_config(pool->options.orgs[i])->id;
        const struct org_work *work = &pool->orgs[i];
        int64_t held_ms = hold_left_ms(pool, i),
                lull_ms = work->lull_until_boot_ms - time_boot_ms();
        s->busy[i] = held_ms > 0 || is_at_limit(pool, i);
        wait_at_most(&s->wait_ms, held_ms);
        wait_at_most(&s->wait_ms, lull_ms);
        if (s->busy[i] || work->gathering || lull_ms > 0)
            memcpy(s->skip[s->options.skip_count++], id, SFID_SIZE);
        if (org_budget(pool, i) != BUDGET_FREE)
            memcpy(s->live[s->options.live_count++], id, SFID_SIZE);
    }
    s->options.skip_key_count = claim_rests(pool, s->rests, &s->wait_ms);
}

/* Until an org may work again. store_wait would not do: what waits in the queue for a held org
 * would end it at once, again and again. Under the pool's lock. */
static void wait_for_org(struct worker_pool *pool, int64_t wait_ms)
{
    struct timespec until = time_cond_after(wait_ms);
    if (!is_ending(pool))
        (void)pthread_cond_timedwait(&pool->freed, &pool->lock, &until);
}

/* ------------------------------------------------------------------ claims that wait here */

/* Those of orgs that are held back, or are all the other daemons' now; the caller gives them back
 * without the lock. */
static struct waiting *take_held(struct worker_pool *pool)
{
    struct waiting *held = NULL, **at = &pool->first;
    while (*at != NULL) {
        struct waiting *x = *at;
        if (hold_left_ms(pool, x->org) == 0 && most_passes(pool, x->org) > 0) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        x->next = held;
        held = x;
    }
    pool->last = at;
    return held;
}

static bool take_waiting(struct worker *w, const struct search *s, size_t *org)
{
    struct worker_pool *pool = w->pool;
    struct waiting **at = &pool->first;
    while (*at != NULL && s->busy[(*at)->org])
        at = &(*at)->next;
    struct waiting *x = *at;
    if (x == NULL)
        return false;
    *at = x->next;
    if (*at == NULL)
        pool->last = at;
    w->claim = x->claim;
    w->campaign = x->campaign;
    *org = x->org;
    org_pass_begins(pool->options.orgs[x->org]);
    free(x);
    return true;
}

/* ------------------------------------------------------------------ the claim */

/* More is due than there are threads for, as far as can be told: this claim took the org's last
 * free place, or the last gathering found many. */
static bool should_gather(const struct worker_pool *pool, const struct store_claim *c, size_t org)
{
    return c->key[0] != '*' && !is_troubled(pool, org) &&
           (pool->orgs[org].bursting || is_at_limit(pool, org));
}

static enum err ask_store(struct worker *w, struct search *s, enum next *next, size_t *org,
                          struct error *e)
{
    struct worker_pool *pool = w->pool;
    *next = NEXT_WAIT;
    if (s->options.skip_count == pool->options.org_count) {
        *next = NEXT_NOTHING;
        wait_for_org(pool, s->wait_ms);
        return ERR_NONE;
    }
    enum err err = store_claim(pool->options.store, &s->options, &w->claim, e);
    if (err != ERR_NONE || w->claim == NULL)
        return err;
    *next = NEXT_PASS;
    *org = org_index(pool, w->claim->org);
    if (*org == pool->options.org_count)
        return ERR_NONE;
    org_pass_begins(pool->options.orgs[*org]);
    if (should_gather(pool, w->claim, *org)) {
        pool->orgs[*org].gathering = true;
        *next = NEXT_GATHER;
    }
    return ERR_NONE;
}

/* Under the pool's lock, so that two threads never pass an org's limit together. */
enum err claim_next(struct worker *w, enum next *next, size_t *org, int64_t *wait_ms,
                    struct error *e)
{
    struct worker_pool *pool = w->pool;
    struct search s;
    enum err err = ERR_NONE;
    search_init(&s, pool);

    pthread_mutex_lock(&pool->lock);
    struct waiting *held = take_held(pool);
    gather_renew(pool);
    sort_orgs(&s, pool);
    if (take_waiting(w, &s, org))
        *next = NEXT_PASS;
    else
        err = ask_store(w, &s, next, org, e);
    pthread_mutex_unlock(&pool->lock);

    gather_give_back(pool, held, "the org is held back, or left to other daemons; its work waits");
    *wait_ms = s.wait_ms;
    search_release(&s);
    return err;
}

void claim_ended(struct worker *w, size_t org)
{
    pthread_mutex_lock(&w->pool->lock);
    if (org < w->pool->options.org_count)
        org_pass_ended(w->pool->options.orgs[org]);
    pthread_cond_broadcast(&w->pool->freed);
    pthread_mutex_unlock(&w->pool->lock);
    store_claim_free(&w->claim);
}

void claim_rest(struct worker_pool *pool, const struct store_claim *c)
{
    /* with a slice left over the next pass is a full one already */
    if (c->count < REST_FROM_HINTS || c->more)
        return;
    pthread_mutex_lock(&pool->lock);
    if (pool->rest_count < RESTS_MAX) {
        struct rest *r = &pool->rests[pool->rest_count++];
        *r = (struct rest){.until_boot_ms = time_boot_ms() + REST_MS};
        memcpy(r->of.org, c->org, sizeof r->of.org);
        memcpy(r->of.key, c->key, sizeof r->of.key);
    }
    pthread_mutex_unlock(&pool->lock);
}
