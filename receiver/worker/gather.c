/*
 * Many campaigns of one org looked at together. A burst of messages is mostly about campaigns that
 * are not enabled: each would cost a pass of its own, with two calls, to find out that nothing is
 * to be done. Here one thread claims up to GATHER_MAX of them, each under its own lease, and then
 * reads all their rows by one query, and by one call which of them have touchpoints.
 *
 *   not enabled, no touchpoints   a whole pass that ended well: settled at once
 *   all others                    wait in the pool for a thread, with the row that was read
 *
 * Every row is read after its claim and under its lease, so that what changes later is a hint past
 * the claim's watermark (protocol rule 6), however long the claim waits; the leases of those that
 * wait are renewed at each turn and each request of any thread (rule 9). Only live work is
 * gathered: what waits in the pool goes before what comes later.
 */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "pool_int.h"
#include "timeutil.h"

enum {
    BURST_FROM = 8, /* so many found together are a burst */
    GATHER_FEW = 8, /* of the first gathering of a burst, where daemons share the work */
    LULL_MS = 1000, /* how long the next gathering waits, so that it finds as many */
};

struct batch {
    struct worker *worker;
    size_t org;
    struct waiting *entry[GATHER_MAX]; /* NULL: settled, waiting in the pool, or lost */
    size_t count, most;
    int64_t deadline_boot_ms; /* the earliest of their leases */
};

/* ------------------------------------------------------------------ leases */

static bool is_half_over(const struct worker_pool *pool, const struct store_claim *c)
{
    return c->deadline_boot_ms - time_boot_ms() < pool->options.lease_ms / 2;
}

static void free_waiting(struct waiting *x)
{
    store_claim_free(&x->claim);
    org_campaign_free(&x->campaign);
    free(x);
}

/* A lease that was lost is another's business now; any other failure comes again at the next turn,
 * and at the latest when the claim is settled. */
static bool is_lost(struct worker_pool *pool, struct waiting *x)
{
    struct error e;
    return is_half_over(pool, x->claim) &&
           store_renew(pool->options.store, x->claim, &e) == ERR_STALE;
}

void gather_renew(struct worker_pool *pool)
{
    struct waiting **at = &pool->first;
    while (*at != NULL) {
        struct waiting *x = *at;
        if (!is_lost(pool, x)) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        free_waiting(x);
    }
    pool->last = at;
}

/* The gate before each request of a gathering. */
static enum err before_request(void *ctx, struct error *e)
{
    struct batch *b = ctx;
    struct worker_pool *pool = b->worker->pool;
    sign_of_life(b->worker);
    if (atomic_load(&pool->stopping))
        return error_set(e, ERR_STOPPED,
                         "the daemon is stopping; the work goes on after the start");
    b->deadline_boot_ms = INT64_MAX;
    for (size_t i = 0; i < b->count; i++) {
        struct waiting *x = b->entry[i];
        if (x != NULL && is_lost(pool, x)) {
            free_waiting(x);
            b->entry[i] = x = NULL;
        }
        if (x != NULL && x->claim->deadline_boot_ms < b->deadline_boot_ms)
            b->deadline_boot_ms = x->claim->deadline_boot_ms;
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ claiming */

static void add(struct batch *b, struct store_claim *c)
{
    struct waiting *x = mem_alloc(sizeof *x);
    *x = (struct waiting){.claim = c, .org = b->org};
    b->entry[b->count++] = x;
}

/* What the store can't give now the next claim asks for again, and says why. */
static void claim_more(struct batch *b)
{
    struct worker_pool *pool = b->worker->pool;
    const char *id = org_config(pool->options.orgs[b->org])->id;
    struct store_key skip[SKIPS_MAX + 1] = {0};
    int64_t wait_ms = IDLE_WAIT_MS;
    pthread_mutex_lock(&pool->lock);
    size_t n = claim_rests(pool, skip + 1, &wait_ms) + 1;
    pthread_mutex_unlock(&pool->lock);
    memcpy(skip[0].org, id, SFID_SIZE);
    skip[0].key[0] = '*';
    char live[SFID_SIZE];
    memcpy(live, id, SFID_SIZE);
    struct store_claim_options o = {
        .only_org = id,
        .skip_keys = skip,
        .skip_key_count = n,
        .live_orgs = (const char(*)[SFID_SIZE]) & live,
        .live_count = 1,
        .gathered = true,
        .policy = pool->options.policy_fingerprint,
    };
    while (b->count < b->most && !is_ending(pool)) {
        struct store_claim *c = NULL;
        struct error e;
        sign_of_life(b->worker);
        if (store_claim(pool->options.store, &o, &c, &e) != ERR_NONE || c == NULL)
            return;
        add(b, c);
    }
}

/* ------------------------------------------------------------------ what becomes of each */

static void hand_over(struct batch *b, size_t i)
{
    struct worker_pool *pool = b->worker->pool;
    struct waiting *x = b->entry[i];
    b->entry[i] = NULL;
    pthread_mutex_lock(&pool->lock);
    *pool->last = x;
    pool->last = &x->next;
    pthread_cond_broadcast(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

static void end_entry(struct batch *b, size_t i, enum err result, const struct error *why)
{
    struct worker_pool *pool = b->worker->pool;
    struct waiting *x = b->entry[i];
    b->entry[i] = NULL;
    struct pass p = new_pass(pool, x->claim, x->org);
    p.campaign = x->campaign;
    x->campaign = NULL;
    if (result == ERR_NONE) {
        p.whole = true;
        guard_fingerprint(&p.campaign->campaign, pool->options.policy_fingerprint, p.fingerprint);
        sync_note_type(&p);
    }
    end_pass(&p, result, why);
    free_waiting(x);
}

/* A failure of the org as a whole ends all; anything else may be the fault of one of them, so each
 * goes its own way. */
static void end_all(struct batch *b, enum err result, const struct error *why)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->entry[i] == NULL)
            continue;
        if (is_org_failure(result))
            end_entry(b, i, result, why);
        else
            hand_over(b, i);
    }
}

void gather_give_back(struct worker_pool *pool, struct waiting *list, const char *why)
{
    struct error e;
    (void)error_set(&e, ERR_STOPPED, "%s", why);
    while (list != NULL) {
        struct waiting *x = list;
        list = x->next;
        struct pass p = new_pass(pool, x->claim, x->org);
        end_pass(&p, ERR_STOPPED, &e);
        free_waiting(x);
    }
}

/* ------------------------------------------------------------------ reading */

/* Campaigns of the batch side by side with where they stand in it. */
struct asked {
    char (*ids)[SFID_SIZE];
    size_t *at, count;
};

static void asked_init(struct asked *a, const struct batch *b)
{
    *a = (struct asked){.ids = mem_array(b->count, sizeof *a->ids),
                        .at = mem_array(b->count, sizeof *a->at)};
}

static void asked_add(struct asked *a, const struct batch *b, size_t i)
{
    memcpy(a->ids[a->count], b->entry[i]->claim->key, SFID_SIZE);
    a->at[a->count++] = i;
}

static void asked_release(struct asked *a)
{
    free(a->ids);
    free(a->at);
}

/* Bulk jobs to bring to an end before the first read (protocol rule 14), deletions that are held,
 * helper records to delete, an admin's job: a pass of its own. */
static enum err needs_own_pass(struct store *store, struct store_claim *c, bool *needs,
                               struct error *e)
{
    struct store_bulk_job job;
    struct store_hold hold;
    size_t jobs;
    bool held = false;
    *needs = claim_has_job(c);
    for (size_t i = 0; i < c->count; i++)
        *needs = *needs || hint_has_helper(&c->hints[i]);
    enum err err = store_bulk_list(store, c, &job, 1, &jobs, e);
    if (err == ERR_NONE)
        err = store_hold_get(store, c->org, c->key, &hold, &held, e);
    *needs = *needs || (err == ERR_NONE && (jobs > 0 || held));
    return err;
}

static bool needs_members(const struct batch *b, size_t i)
{
    const struct waiting *x = b->entry[i];
    struct pass p = new_pass(b->worker->pool, x->claim, x->org);
    p.campaign = x->campaign;
    return sync_needs_members(&p);
}

static enum err read_campaigns(struct batch *b, struct org_conn *conn, struct error *e)
{
    struct worker_pool *pool = b->worker->pool;
    struct asked a;
    enum err err = ERR_NONE;
    asked_init(&a, b);
    for (size_t i = 0; err == ERR_NONE && i < b->count; i++) {
        bool own;
        err = needs_own_pass(pool->options.store, b->entry[i]->claim, &own, e);
        if (err == ERR_NONE && own)
            hand_over(b, i);
        else if (err == ERR_NONE)
            asked_add(&a, b, i);
    }
    struct org_campaign **rows = mem_array(a.count, sizeof *rows);
    if (err == ERR_NONE && a.count > 0)
        err = org_read_campaigns(conn, (const char(*)[SFID_SIZE])a.ids, a.count, rows, e);
    for (size_t k = 0; err == ERR_NONE && k < a.count; k++) {
        size_t i = a.at[k];
        if (b->entry[i] == NULL) { /* its lease was lost */
            org_campaign_free(&rows[k]);
            continue;
        }
        b->entry[i]->campaign = rows[k];
        if (rows[k] == NULL || needs_members(b, i))
            hand_over(b, i);
    }
    free(rows);
    asked_release(&a);
    return err;
}

/* Of those that are left, which are not enabled. */
static enum err end_idle(struct batch *b, struct org_conn *conn, struct error *e)
{
    struct asked a;
    asked_init(&a, b);
    for (size_t i = 0; i < b->count; i++) {
        if (b->entry[i] != NULL)
            asked_add(&a, b, i);
    }
    bool *has = mem_array(a.count, sizeof *has);
    enum err err = ERR_NONE;
    if (a.count > 0)
        err = org_have_touchpoints(conn, (const char(*)[SFID_SIZE])a.ids, a.count, has, e);
    for (size_t k = 0; err == ERR_NONE && k < a.count; k++) {
        size_t i = a.at[k];
        if (b->entry[i] == NULL)
            continue;
        sign_of_life(b->worker);
        if (has[k])
            hand_over(b, i);
        else
            end_entry(b, i, ERR_NONE, NULL);
    }
    free(has);
    asked_release(&a);
    return err;
}

static enum err read_batch(struct batch *b, struct error *e)
{
    struct worker *w = b->worker;
    enum err err = connect_org(w, b->org, e);
    if (err != ERR_NONE)
        return err;
    struct org_conn *conn = w->orgs[b->org].conn;
    struct org_gate gate = {before_request, b, &b->deadline_boot_ms};
    org_conn_gate(conn, &gate);
    err = read_campaigns(b, conn, e);
    store_wake(
        w->pool->options.store); /* threads that wait there may take what waits in the pool */
    if (err == ERR_NONE)
        err = end_idle(b, conn, e);
    org_conn_gate(conn, NULL);
    store_wake(w->pool->options.store);
    return err;
}

/* ------------------------------------------------------------------ the whole */

static void note_end(struct batch *b)
{
    struct worker_pool *pool = b->worker->pool;
    pthread_mutex_lock(&pool->lock);
    struct org_work *work = &pool->orgs[b->org];
    work->gathering = false;
    work->bursting = b->count >= BURST_FROM || b->count == b->most;
    if (work->bursting && b->count < b->most)
        work->lull_until_boot_ms = time_boot_ms() + LULL_MS;
    pthread_cond_broadcast(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

/* Where other daemons share the work, each takes a few at first, and not all that is due: they may
 * have nothing to do. */
static size_t most_claims(struct worker_pool *pool, size_t org)
{
    unsigned rank, nodes;
    store_place(pool->options.store, &rank, &nodes);
    pthread_mutex_lock(&pool->lock);
    bool is_bursting = pool->orgs[org].bursting;
    pthread_mutex_unlock(&pool->lock);
    if (nodes <= 1)
        return GATHER_MAX;
    return is_bursting && GATHER_MAX / nodes > GATHER_FEW ? GATHER_MAX / nodes : GATHER_FEW;
}

void gather_run(struct worker *w, size_t org)
{
    struct batch *b = mem_alloc(sizeof *b);
    struct error why = {0};
    *b = (struct batch){.worker = w, .org = org, .most = most_claims(w->pool, org)};
    add(b, w->claim);
    w->claim = NULL;
    claim_more(b);
    if (b->count == 1) { /* it stands alone: an ordinary pass, by this thread */
        w->claim = b->entry[0]->claim;
        free(b->entry[0]);
    } else {
        enum err err = read_batch(b, &why);
        report_pass(w->pool->options.orgs[org], err, &why);
        log_event(err == ERR_NONE      ? LOG_LEVEL_DEBUG
                  : err == ERR_STOPPED ? LOG_LEVEL_INFO
                                       : LOG_LEVEL_WARN,
                  "campaigns looked at together", "org", org_config(w->pool->options.orgs[org])->id,
                  "campaigns", log_num((long long)b->count), "error",
                  err == ERR_NONE ? NULL : err_name(err), "why", err == ERR_NONE ? NULL : why.text,
                  NULL);
        end_all(b, err, &why);
    }
    note_end(b);
    free(b);
}
