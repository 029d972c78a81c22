/*
 * Requests run in their callers' threads, each on a connection of a small pool. A deadlock is tried
 * again at once. When a connection is lost in the middle, what can be repeated without harm is
 * repeated on a new one; a claim is looked up by its nonce; for the rest the caller learns that the
 * outcome is unknown, which is a temporary failure: the lease that it stood under runs out.
 */
#include "postgres_int.h"

#include <errno.h>

#include "timeutil.h"

enum { TRIES = 6, TAKE_MS = 10000 };

static const struct {
    pg_op *run;
    unsigned does;
} OPS[STORE_OP_COUNT] = {
#define WRITES  1u /* may be wrong after a leap of the clock: that is looked for first */
#define WAKES   2u /* may make something claimable */
#define REPEATS 4u /* twice is as good as once */
    [STORE_OP_CLAIM] = {pg_claim, WRITES},
    [STORE_OP_RENEW] = {pg_renew, WRITES | REPEATS},
    [STORE_OP_WRITE_BEGIN] = {pg_write_begin, WRITES},
    [STORE_OP_WRITE_END] = {pg_write_end, WRITES},
    [STORE_OP_SETTLE] = {pg_settle, WRITES | WAKES},
    [STORE_OP_HINT] = {pg_hint, WRITES | WAKES | REPEATS},
    [STORE_OP_BULK_PUT] = {pg_bulk_put, WRITES | REPEATS},
    [STORE_OP_BULK_END] = {pg_bulk_end, WRITES | REPEATS},
    [STORE_OP_BULK_LIST] = {pg_bulk_list, REPEATS},
    [STORE_OP_FINGERPRINT] = {pg_fingerprint, REPEATS},
    [STORE_OP_HOLD_PUT] = {pg_hold_put, WRITES | REPEATS},
    [STORE_OP_HOLD_GET] = {pg_hold_get, REPEATS},
    [STORE_OP_HOLD_END] = {pg_hold_end, WRITES | REPEATS},
    [STORE_OP_HOLD_LIST] = {pg_hold_list, REPEATS},
    [STORE_OP_HOLD_APPROVE] = {pg_hold_approve, WRITES | WAKES | REPEATS},
    [STORE_OP_CURSOR_GET] = {pg_cursor_get, REPEATS},
    [STORE_OP_CURSOR_SET] = {pg_cursor_set, WRITES | REPEATS},
    [STORE_OP_STATS] = {pg_stats, REPEATS},
    [STORE_OP_RETAIN] = {pg_retain, WRITES},
    [STORE_OP_QUARANTINE_WALK] = {pg_quarantine_walk, REPEATS},
    [STORE_OP_QUARANTINE_GET] = {pg_quarantine_get, REPEATS},
    [STORE_OP_JOB_CREATE] = {pg_job_create, WRITES | WAKES},
    [STORE_OP_JOB_GET] = {pg_job_get, REPEATS},
    [STORE_OP_JOB_WALK] = {pg_job_walk, REPEATS},
    [STORE_OP_JOB_CANCEL] = {pg_job_cancel, WRITES},
    [STORE_OP_JOB_STEP] = {pg_job_step, WRITES | WAKES},
    [STORE_OP_JOB_ITEMS] = {pg_job_items, REPEATS},
    [STORE_OP_MESSAGES] = {pg_messages, REPEATS},
    [STORE_OP_MESSAGE_GET] = {pg_message_get, REPEATS},
    [STORE_OP_MESSAGE_IDS] = {pg_message_ids, 0},
    [STORE_OP_MESSAGE_MOVE] = {pg_message_move, WRITES | WAKES},
    [STORE_OP_FAILURES] = {pg_failures, REPEATS},
    [STORE_OP_LEDGER] = {pg_ledger, 0},
    [STORE_OP_FORGET_FIND] = {pg_forget_find, REPEATS},
    [STORE_OP_FORGET] = {pg_forget, WRITES | REPEATS},
    [STORE_OP_PAUSE] = {pg_pause, WRITES | WAKES | REPEATS},
    [STORE_OP_PAUSED] = {pg_paused, REPEATS},
};

/* ------------------------------------------------------------------ the pool */

void pg_pool_init(struct pg_pool *p)
{
    pthread_mutex_init(&p->lock, NULL);
    time_cond_init(&p->freed);
}

void pg_pool_release(struct pg_pool *p)
{
    for (size_t i = 0; i < PG_POOL_MAX; i++)
        pg_close(&p->db[i]);
    pthread_cond_destroy(&p->freed);
    pthread_mutex_destroy(&p->lock);
}

/* One that is open already, if there is one. Under the lock. */
static int find_free(const struct pg_pool *p)
{
    int found = -1;
    for (int i = 0; i < PG_POOL_MAX; i++) {
        if (!p->taken[i] && p->db[i].conn != NULL)
            return i;
        if (!p->taken[i] && found < 0)
            found = i;
    }
    return found;
}

static int take_slot(struct pg_pool *p)
{
    struct timespec until = time_cond_after(TAKE_MS);
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    int i = find_free(p);
    while (i < 0 && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&p->freed, &p->lock, &until);
        i = find_free(p);
    }
    if (i >= 0)
        p->taken[i] = true;
    pthread_mutex_unlock(&p->lock);
    return i;
}

static void give_slot(struct pg_pool *p, const struct pg_db *db)
{
    pthread_mutex_lock(&p->lock);
    p->taken[db - p->db] = false;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

struct pg_db *pg_take(struct pg_store *s, struct error *e)
{
    int i = take_slot(&s->pool);
    if (i < 0) {
        (void)error_set(e, ERR_BUSY, "all connections to the database are in use");
        return NULL;
    }
    struct pg_db *db = &s->pool.db[i];
    if (db->conn != NULL && (atomic_load(&s->distrusted) || !pg_is_alive(db)))
        pg_close(db);
    if (db->conn == NULL && pg_connect(db, s->url, &s->rules, e) != ERR_NONE) {
        if (e->kind == ERR_CONFIG)
            e->kind = ERR_IO; /* the store's trouble, which a pass must not take for its org's */
        give_slot(&s->pool, db);
        return NULL;
    }
    return db;
}

void pg_give(struct pg_store *s, struct pg_db *db)
{
    if (db->broken)
        pg_close(db);
    give_slot(&s->pool, db);
}

/* ------------------------------------------------------------------ requests */

void pg_wake(struct pg_store *s)
{
    store_waiters_wake(&s->base.waiters);
    atomic_store(&s->wants_notify,
                 true); /* the ears look each time they are woken, or a second later */
}

static enum err run_once(struct pg_store *s, struct store_request *r, bool *lost, bool *again)
{
    struct pg_db *db = pg_take(s, &r->error);
    *lost = *again = false;
    if (db == NULL)
        return r->error.kind;
    enum err err = ERR_NONE;
    if ((OPS[r->op].does & WRITES) != 0 && !pg_clock_seems_still(s))
        err = pg_watch_clock(s, db, &r->error);
    if (err == ERR_NONE)
        err = OPS[r->op].run(s, db, r, &r->error);
    *lost = db->broken;
    *again = err == ERR_BUSY && db->again;
    pg_give(s, db);
    return err;
}

/* A claim whose connection was lost may have been made. */
static enum err find_claim(struct pg_store *s, struct store_request *r)
{
    struct pg_db *db = pg_take(s, &r->error);
    if (db == NULL)
        return r->error.kind;
    enum err err = pg_claim_again(s, db, r, &r->error);
    pg_give(s, db);
    return err;
}

void pg_submit(struct store *store, struct store_request *r)
{
    struct pg_store *s = (struct pg_store *)store;
    bool lost = false, again = true;
    for (int i = 0; i < TRIES && again; i++) {
        r->result = run_once(s, r, &lost, &again);
        again = again || (lost && i == 0 && (OPS[r->op].does & REPEATS) != 0);
    }
    if (r->op == STORE_OP_CLAIM && lost)
        r->result = find_claim(s, r);
    if (r->result == ERR_NONE && (OPS[r->op].does & WAKES) != 0)
        pg_wake(s);
}
