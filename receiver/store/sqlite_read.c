/*
 * Looking on: each function is one short read on the read-only connection, so that checkpoints get
 * through and nobody waits for the writer. Numbers come from `tally`, which the writer keeps, not
 * from counting.
 */
#include "sqlite_int.h"

#include <string.h>

#include "timeutil.h"

enum { STATS_TRIES = 10 };

enum err sqlite_fingerprint(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sql_query q = sql_query(&s->reader.db, SQL_PASS_GET, "tt", r->u.fingerprint.org,
                                   r->u.fingerprint.campaign);
    if (sql_next(&q))
        sql_text(&q, 0, r->u.fingerprint.out, STORE_FINGERPRINT_SIZE);
    return sql_done(&q, e);
}

static void read_hold(const struct sql_query *q, struct store_hold *out)
{
    out->id = sqlite3_column_int64(q->st, 0);
    sql_text(q, 1, out->org, sizeof out->org);
    sql_text(q, 2, out->campaign_id, sizeof out->campaign_id);
    out->would_delete = sqlite3_column_int64(q->st, 3);
    out->existing = sqlite3_column_int64(q->st, 4);
    out->at_ms = sqlite3_column_int64(q->st, 5);
    out->approved = sqlite3_column_int(q->st, 6) != 0;
}

enum err sqlite_hold_get(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sql_query q =
        sql_query(&s->reader.db, SQL_HOLD_GET, "tt", r->u.hold_get.org, r->u.hold_get.campaign);
    r->u.hold_get.found = sql_next(&q);
    if (r->u.hold_get.found)
        read_hold(&q, &r->u.hold_get.out);
    return sql_done(&q, e);
}

enum err sqlite_hold_list(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sql_query q = sql_query(&s->reader.db, SQL_HOLD_LIST, "i", (int64_t)r->u.hold_list.max);
    r->u.hold_list.count = 0;
    while (r->u.hold_list.count < r->u.hold_list.max && sql_next(&q))
        read_hold(&q, &r->u.hold_list.out[r->u.hold_list.count++]);
    return sql_done(&q, e);
}

enum err sqlite_cursor_get(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sql_query q =
        sql_query(&s->reader.db, SQL_CURSOR_GET, "tt", r->u.cursor.org, r->u.cursor.name);
    if (sql_next(&q))
        sql_text(&q, 0, r->u.cursor.out, r->u.cursor.size);
    return sql_done(&q, e);
}

/* ------------------------------------------------------------------ stats */

static enum err earlier_of(struct sql_query q, int64_t *oldest, struct error *e)
{
    if (sql_next(&q) && sqlite3_column_type(q.st, 0) != SQLITE_NULL) {
        int64_t at = sqlite3_column_int64(q.st, 0);
        if (*oldest == TIME_NONE || at < *oldest)
            *oldest = at;
    }
    return sql_done(&q, e);
}

/* Of the rows that are due or being worked on: when the one that waits longest was received. */
static enum err oldest(struct sqlite_store *s, struct store_org_stats *o, struct error *e)
{
    enum err err = ERR_NONE;
    o->oldest_due_received_at_ms = TIME_NONE;
    for (int background = 0; background <= 1 && err == ERR_NONE; background++)
        err = earlier_of(sql_query(&s->reader.db, SQL_OLDEST_DUE, "tdi", o->org, background,
                                   store_wall_ms(&s->base)),
                         &o->oldest_due_received_at_ms, e);
    if (err == ERR_NONE)
        err = earlier_of(sql_query(&s->reader.db, SQL_OLDEST_LEASED, "t", o->org),
                         &o->oldest_due_received_at_ms, e);
    return err;
}

/* One snapshot. *logged: the last record of the intake log that is in it. */
static enum err read_tallies(struct sqlite_store *s, struct store_request *r, int64_t *logged,
                             struct error *e)
{
    size_t n = 0;
    struct sql_query q = sql_query(&s->reader.db, SQL_TALLIES, "i", (int64_t)r->u.stats.max);
    while (n < r->u.stats.max && sql_next(&q)) {
        struct store_org_stats *o = &r->u.stats.out[n++];
        memset(o->org, 0, sizeof o->org);
        sql_text(&q, 0, o->org, sizeof o->org);
        o->ready = sqlite3_column_int64(q.st, 1);
        o->leased = sqlite3_column_int64(q.st, 2);
        o->done = sqlite3_column_int64(q.st, 3);
        o->failed = sqlite3_column_int64(q.st, 4);
        *logged = sqlite3_column_int64(q.st, 5);
    }
    r->u.stats.count = n;
    return sql_done(&q, e);
}

/* Read again if more has entered meanwhile, so that nothing is counted twice or not at all. */
enum err sqlite_stats(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct store_org_stats *out = r->u.stats.out;
    enum err err = ERR_NONE;
    bool fits = false;
    for (int i = 0; i < STATS_TRIES && !fits && err == ERR_NONE; i++) {
        int64_t logged = 0;
        err = read_tallies(s, r, &logged, e);
        fits = store_ahead_count(&s->queue, logged, out, r->u.stats.max, &r->u.stats.count);
    }
    for (size_t i = 0; i < r->u.stats.count && err == ERR_NONE; i++)
        err = oldest(s, &out[i], e);
    return err;
}
