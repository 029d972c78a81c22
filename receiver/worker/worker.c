/*
 * The threads. Each claims a campaign, runs one pass over it and settles it, then claims the next
 * (claim.c says which). A stop lets each thread finish its current call; the pass ends at the next
 * one and its hints go back uncounted, and so do claims that wait for a thread.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "mem.h"
#include "pool_int.h"
#include "timeutil.h"

enum { STORE_PAUSE_MS = 500 };

bool is_ending(const struct worker_pool *pool)
{
    return atomic_load(&pool->stopping) || atomic_load(&pool->retiring);
}

void sign_of_life(struct worker *w)
{
    atomic_store(&w->turned_boot_ms, time_boot_ms());
}

/* ------------------------------------------------------------------ what a pass needs */

/* An admin's pause ends a pass that is under way before its next request; its work waits. */
static enum err check_pause(const struct worker *w, struct error *e)
{
    bool paused;
    char reason[STORE_REASON_SIZE];
    enum err err = store_paused(w->pool->options.store, w->claim->org, &paused, reason, e);
    if (err != ERR_NONE || !paused)
        return err;
    return error_set(e, ERR_STOPPED, "the org is paused; the work goes on when it is resumed");
}

/* The gate before each request: the lease is renewed, so that a long read does not lose it. */
static enum err before_request(void *ctx, struct error *e)
{
    struct worker *w = ctx;
    sign_of_life(w);
    if (atomic_load(&w->pool->stopping))
        return error_set(e, ERR_STOPPED,
                         "the daemon is stopping; the work goes on after the start");
    pthread_mutex_lock(&w->pool->lock);
    gather_renew(w->pool);
    pthread_mutex_unlock(&w->pool->lock);
    enum err err = check_pause(w, e);
    return err == ERR_NONE ? store_renew(w->pool->options.store, w->claim, e) : err;
}

/* A picklist value that nobody knows is logged once, not once a member. */
static void log_unknown_type(void *ctx, const char *value)
{
    struct worker_pool *pool = ctx;
    char cut[SYNC_TYPE_SIZE] = "";
    memcpy(cut, value, strnlen(value, sizeof cut - 1));

    pthread_mutex_lock(&pool->lock);
    bool is_new = pool->seen_type_count < SYNC_TYPES_MAX;
    for (size_t i = 0; is_new && i < pool->seen_type_count; i++)
        is_new = strcmp(pool->seen_types[i], cut) != 0;
    if (is_new)
        memcpy(pool->seen_types[pool->seen_type_count++], cut, sizeof cut);
    pthread_mutex_unlock(&pool->lock);
    if (is_new)
        log_warn("Enable Buyer Touchpoints has a value that is not known; its campaigns get no "
                 "touchpoints",
                 "value", cut, NULL);
}

static enum err open_zone(struct worker_org *wo, struct error *e)
{
    char name[64];
    enum err err = org_time_zone(wo->conn, name, e);
    if (err != ERR_NONE)
        return err;
    if (wo->zone != NULL && strcmp(zone_name(wo->zone), name) == 0)
        return ERR_NONE;
    zone_close(&wo->zone);
    return zone_open(&wo->zone, name, e);
}

enum err connect_org(struct worker *w, size_t i, struct error *e)
{
    struct org_conn *conn = NULL;
    if (w->orgs[i].conn != NULL)
        return ERR_NONE;
    enum err err = org_conn_new(&conn, w->pool->options.orgs[i], e);
    pthread_mutex_lock(&w->pool->lock);
    w->orgs[i].conn = conn;
    pthread_mutex_unlock(&w->pool->lock);
    return err;
}

/* ------------------------------------------------------------------ one pass */

static void log_pass(const struct pass *p, enum err result, const struct error *why,
                     int64_t took_ms)
{
    enum log_level level =
        result == ERR_NONE || result == ERR_STOPPED ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
    size_t events = p->created + p->updated + p->deleted + p->failure_count + p->statuses.written +
                    p->statuses.refused;
    bool quiet = result == ERR_NONE && events == 0;
    log_event(quiet ? LOG_LEVEL_DEBUG : level,
              result == ERR_NONE ? "campaign synchronised" : "campaign pass ended early", "org",
              p->claim->org, "campaign", p->claim->key, "pass", p->whole ? "whole" : "members",
              "hints", log_num((long long)p->claim->count), "members",
              log_num((long long)p->members), "created", log_num((long long)p->created), "updated",
              log_num((long long)p->updated), "deleted", log_num((long long)p->deleted), "statuses",
              p->statuses.written == 0 ? NULL : log_num((long long)p->statuses.written),
              "failed_rows", log_num((long long)p->failure_count), "ms",
              log_num((long long)took_ms), "error", result == ERR_NONE ? NULL : err_name(result),
              "why", result == ERR_NONE ? NULL : why->text, NULL);
}

static enum err run_claim(struct worker *w, struct pass *p, size_t org, struct error *e)
{
    struct worker_org *wo = &w->orgs[org];
    enum err err = connect_org(w, org, e);
    if (err != ERR_NONE)
        return err;
    struct org_gate gate = {before_request, w, &w->claim->deadline_boot_ms};
    org_conn_gate(wo->conn, &gate);
    p->conn = wo->conn;
    err = open_zone(wo, e);
    p->zone = wo->zone;
    if (err == ERR_NONE)
        err = w->claim->key[0] == '*' ? expand_run(p, e) : sync_run(p, e);
    org_conn_gate(wo->conn, NULL);
    return err;
}

/* An org that the configuration no longer names: its work waits. */
static enum err run_unknown_org(struct error *e)
{
    return error_set(e, ERR_CONFIG,
                     "the organisation is no longer configured; its work waits until it is");
}

enum budget org_budget(const struct worker_pool *pool, size_t i)
{
    struct org_state state;
    org_state_get(pool->options.orgs[i], &state);
    return budget_of(state.api_used, state.api_limit,
                     org_config(pool->options.orgs[i])->api_reserve_percent);
}

struct pass new_pass(struct worker_pool *pool, struct store_claim *claim, size_t org)
{
    bool known = org < pool->options.org_count;
    struct pass p = {
        .options = &pool->options,
        .org = known ? pool->options.orgs[org] : NULL,
        .claim = claim,
        .deletes_only = known && org_budget(pool, org) == BUDGET_DELETES_ONLY,
        .unknown_sync_type = log_unknown_type,
        .ctx = pool,
    };
    return p;
}

void end_pass(struct pass *p, enum err result, const struct error *why)
{
    struct error e = {0};
    jobs_note_pass(p, result, why);
    enum err settled = settle_pass(p, result, why, &e);
    if (settled != ERR_NONE && settled != ERR_STALE)
        log_error("a pass could not be settled; its lease runs out and the work is taken up again",
                  "org", p->claim->org, "campaign", p->claim->key, "error", e.text, NULL);
    pass_release(p);
}

void report_pass(struct org *org, enum err result, const struct error *why)
{
    if (org != NULL && (result == ERR_NONE || is_org_failure(result)) && result != ERR_STOPPED)
        org_report(org, result, why);
}

static void run_pass(struct worker *w, size_t org)
{
    struct pass p = new_pass(w->pool, w->claim, org);
    struct error why = {0};
    pass_note_replays(&p);
    int64_t started = time_boot_ms();
    p.campaign = w->campaign;
    w->campaign = NULL;
    enum err result = p.org != NULL ? run_claim(w, &p, org, &why) : run_unknown_org(&why);

    report_pass(p.org, result, &why);
    p.local_pause_ms = trouble_note(w->pool, w->claim, result, &why);
    log_pass(&p, result, &why, time_boot_ms() - started);
    end_pass(&p, result, &why);
    claim_rest(w->pool, w->claim);
}

/* ------------------------------------------------------------------ the threads */

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct store *store = w->pool->options.store;
    while (!is_ending(w->pool)) {
        struct error e = {0};
        size_t org = 0;
        int64_t wait_ms;
        enum next next;
        sign_of_life(w);
        enum err err = claim_next(w, &next, &org, &wait_ms, &e);
        if (err != ERR_NONE) {
            log_error("the store gives no work; trying again", "error", e.text, NULL);
            store_wait(store, STORE_PAUSE_MS);
            continue;
        }
        if (next == NEXT_WAIT)
            store_wait(store, wait_ms);
        if (next == NEXT_GATHER)
            gather_run(w, org);
        if (w->claim != NULL)
            run_pass(w, org);
        if (next == NEXT_PASS || next == NEXT_GATHER)
            claim_ended(w, org);
    }
    atomic_fetch_sub(&w->pool->running, 1);
    return NULL;
}

/* ------------------------------------------------------------------ start and stop */

static void pool_free(struct worker_pool *pool)
{
    for (unsigned i = 0; i < pool->options.threads; i++) {
        for (size_t k = 0; pool->workers[i].orgs != NULL && k < pool->options.org_count; k++) {
            org_conn_free(&pool->workers[i].orgs[k].conn);
            zone_close(&pool->workers[i].orgs[k].zone);
        }
        free(pool->workers[i].orgs);
    }
    pthread_cond_destroy(&pool->freed);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->troubles.lock);
    gather_give_back(pool, pool->first, "the daemon is stopping; the work goes on after the start");
    free(pool->orgs);
    free(pool->workers);
    free(pool);
}

enum err worker_start(struct worker_pool **out, const struct worker_options *o, struct error *e)
{
    struct worker_pool *pool = mem_alloc(sizeof *pool);
    pool->options = *o;
    pool->orgs = mem_array(o->org_count, sizeof *pool->orgs);
    pool->last = &pool->first;
    pool->workers = mem_array(o->threads, sizeof *pool->workers);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_mutex_init(&pool->troubles.lock, NULL);
    time_cond_init(&pool->freed);
    for (unsigned i = 0; i < o->threads; i++) {
        struct worker *w = &pool->workers[i];
        w->pool = pool;
        w->orgs = mem_array(o->org_count, sizeof *w->orgs);
        sign_of_life(w);
        atomic_fetch_add(&pool->running, 1);
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
            atomic_fetch_sub(&pool->running, 1);
            worker_stop(&pool, 0);
            return error_set(
                e, ERR_IO, "cannot start worker thread %u: the system refuses more threads", i + 1);
        }
        pool->started++;
    }
    *out = pool;
    return ERR_NONE;
}

bool worker_is_alive(const struct worker_pool *pool)
{
    int64_t oldest = time_boot_ms() - 2 * pool->options.lease_ms;
    for (unsigned i = 0; i < pool->started; i++) {
        if (atomic_load(&pool->workers[i].turned_boot_ms) < oldest)
            return false;
    }
    return true;
}

void worker_retire(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->retiring, true);
    struct waiting *waiting = pool->first;
    pool->first = NULL;
    pool->last = &pool->first;
    pthread_cond_broadcast(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
    gather_give_back(pool, waiting, "the configuration was loaded anew; the work goes on under it");
    store_wake(pool->options.store);
}

bool worker_has_ended(const struct worker_pool *pool)
{
    return atomic_load(&pool->running) == 0;
}

static void abort_calls(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++) {
        for (size_t k = 0; k < pool->options.org_count; k++) {
            if (pool->workers[i].orgs[k].conn != NULL)
                org_conn_abort(pool->workers[i].orgs[k].conn);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

void worker_stop_soon(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stopping, true);
    pthread_cond_broadcast(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

void worker_stop(struct worker_pool **p, int64_t grace_ms)
{
    struct worker_pool *pool = *p;
    if (pool == NULL)
        return;
    *p = NULL;
    worker_stop_soon(pool);
    int64_t until = time_boot_ms() + grace_ms;
    while (atomic_load(&pool->running) > 0 && time_boot_ms() < until) {
        store_wake(pool->options.store);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    if (atomic_load(&pool->running) > 0)
        abort_calls(pool);
    store_wake(pool->options.store);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pool_free(pool);
}
