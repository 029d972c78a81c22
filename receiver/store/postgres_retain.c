/*
 * Upkeep, a slice a call (tp_retain), and leaps of the wall clock. Due times stand in the server's
 * wall clock, so it is that one which must not leap unnoticed: it is asked for each second, and
 * before anything is written when this host's own clock leapt, which is often the same.
 */
#include "postgres_int.h"

#include "log.h"
#include "timeutil.h"

#define DAY_MS INT64_C(86400000)
#ifdef TP_TEST_BUILD
#define KEEP_DONE_LEAST_MS INT64_C(0)
#else
#define KEEP_DONE_LEAST_MS (7 * DAY_MS) /* an admin can resend ids that old */
#endif

static bool leapt(int64_t by_ms)
{
    return by_ms > STORE_LEAP_MS || by_ms < -STORE_LEAP_MS;
}

bool pg_clock_seems_still(struct pg_store *s)
{
    pthread_mutex_lock(&s->clock.lock);
    int64_t base = store_base_ms(&s->base);
    bool still = !leapt(base - s->clock.local_base_ms);
    if (still)
        s->clock.local_base_ms = base; /* slewing adds up to nothing */
    pthread_mutex_unlock(&s->clock.lock);
    return still;
}

static enum err server_base(struct pg_store *s, struct pg_db *db, int64_t *base, struct error *e)
{
    PGresult *x = pg_query(db, e, "SELECT tp_now()", "");
    if (x == NULL)
        return e->kind;
    *base = pg_i64(x, 0, 0) - time_boot_ms() + (int64_t)atomic_load(&s->base.leap_ms);
    PQclear(x);
    return ERR_NONE;
}

/* Under the clock's lock. */
static enum err follow(struct pg_store *s, struct pg_db *db, int64_t base, struct error *e)
{
    bool is_first = s->clock.server_base_ms == TIME_NONE;
    int64_t by = is_first ? 0 : base - s->clock.server_base_ms;
    if (!leapt(by)) {
        s->clock.server_base_ms = base;
        return ERR_NONE;
    }
    PGresult *x = pg_query(db, e, "SELECT tp_leap($1, $2, $3)", "iti", by, s->owner, PG_WALL(s));
    if (x == NULL)
        return e->kind;
    PQclear(x);
    s->clock.server_base_ms = base;
    s->clock.leapt_at_boot_ms = store_boot_ms(&s->base);
    store_waiters_wake(&s->base.waiters);
    log_warn("the database's wall clock leapt; nothing is removed from the store for an hour",
             "seconds", log_num((long long)(by / 1000)), NULL);
    return ERR_NONE;
}

enum err pg_watch_clock(struct pg_store *s, struct pg_db *db, struct error *e)
{
    int64_t base = 0;
    pthread_mutex_lock(&s->clock.lock);
    enum err err = server_base(s, db, &base, e);
    if (err == ERR_NONE)
        err = follow(s, db, base, e);
    if (err == ERR_NONE)
        s->clock.local_base_ms = store_base_ms(&s->base);
    pthread_mutex_unlock(&s->clock.lock);
    return err;
}

enum err pg_retain(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    int64_t keep_done = atomic_load(&s->base.keep_done_ms), echo = s->base.options.echo_ms;
    if (keep_done < KEEP_DONE_LEAST_MS)
        keep_done = KEEP_DONE_LEAST_MS;
    pthread_mutex_lock(&s->clock.lock);
    bool paused = s->clock.leapt_at_boot_ms != 0 &&
                  store_boot_ms(&s->base) - s->clock.leapt_at_boot_ms < STORE_LEAP_PAUSE_MS;
    pthread_mutex_unlock(&s->clock.lock);
    PGresult *x =
        pg_query(db, e, "SELECT * FROM tp_retain($1, $2, $3, $4, $5, $6, $7, $8, $9)", "iiiiddidi",
                 keep_done, (int64_t)atomic_load(&s->base.keep_failed_ms),
                 (int64_t)atomic_load(&s->base.keep_ledger_ms),
                 echo > STORE_BACKOFF_MAX_MS ? echo : (int64_t)STORE_BACKOFF_MAX_MS, (int)!paused,
                 (int)STORE_SLICE_MAX, (int64_t)atomic_load(&s->base.quarantine_max_bytes),
                 (int)STORE_DOCUMENTS_MAX, PG_WALL(s));
    if (x == NULL)
        return e->kind;
    r->u.retain.more = pg_bool(x, 0, 0);
    if (pg_bool(x, 0, 1))
        pg_wake(s);
    PQclear(x);
    return ERR_NONE;
}
