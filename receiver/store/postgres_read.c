/*
 * Looking on, cursors (the pause of an org is one), and the quarantine.
 */
#include "postgres_int.h"

#include <string.h>

#include "timeutil.h"

#define PAUSED "paused"

/* One text, or none. */
static enum err read_text(PGresult *x, char *out, size_t size, bool *found, struct error *e)
{
    if (x == NULL)
        return e->kind;
    *found = PQntuples(x) == 1;
    if (*found)
        pg_copy(x, 0, 0, out, size);
    PQclear(x);
    return ERR_NONE;
}

static enum err done(PGresult *x, struct error *e)
{
    if (x == NULL)
        return e->kind;
    PQclear(x);
    return ERR_NONE;
}

enum err pg_fingerprint(struct pg_store *s, struct pg_db *db, struct store_request *r,
                        struct error *e)
{
    (void)s;
    bool found;
    return read_text(pg_query(db, e,
                              "SELECT fingerprint FROM pass WHERE org = $1 AND campaign_id = $2",
                              "tt", r->u.fingerprint.org, r->u.fingerprint.campaign),
                     r->u.fingerprint.out, STORE_FINGERPRINT_SIZE, &found, e);
}

/* ------------------------------------------------------------------ cursors */

#define CURSOR_GET "SELECT value FROM org_cursor WHERE org = $1 AND name = $2"
#define CURSOR_SET                                                                                 \
    "INSERT INTO org_cursor VALUES ($1, $2, $3) "                                                  \
    "ON CONFLICT (org, name) DO UPDATE SET value = excluded.value"

enum err pg_cursor_get(struct pg_store *s, struct pg_db *db, struct store_request *r,
                       struct error *e)
{
    (void)s;
    bool found;
    return read_text(pg_query(db, e, CURSOR_GET, "tt", r->u.cursor.org, r->u.cursor.name),
                     r->u.cursor.out, r->u.cursor.size, &found, e);
}

enum err pg_cursor_set(struct pg_store *s, struct pg_db *db, struct store_request *r,
                       struct error *e)
{
    (void)s;
    return done(
        pg_query(db, e, CURSOR_SET, "ttt", r->u.cursor.org, r->u.cursor.name, r->u.cursor.value),
        e);
}

enum err pg_pause(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    if (r->u.pause.reason == NULL)
        return done(pg_query(db, e, "DELETE FROM org_cursor WHERE org = $1 AND name = $2", "tt",
                             r->u.pause.org, PAUSED),
                    e);
    return done(pg_query(db, e, CURSOR_SET, "ttt", r->u.pause.org, PAUSED, r->u.pause.reason), e);
}

enum err pg_paused(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    return read_text(pg_query(db, e, CURSOR_GET, "tt", r->u.paused.org, PAUSED), r->u.paused.reason,
                     STORE_REASON_SIZE, &r->u.paused.paused, e);
}

/* ------------------------------------------------------------------ stats */

/* Of the rows that are due or being worked on: when the one that waits longest was received. */
#define STATS                                                                                      \
    "SELECT t.org, t.ready, t.leased, t.done, t.failed, least("                                    \
    "(SELECT n.received_at FROM lane l JOIN notification n ON n.campaign = l.campaign "            \
    "AND n.background = 0 AND n.state = 0 AND n.due_at <= w.now WHERE l.org = t.org "              \
    "AND l.background = 0 AND l.due_at <= w.now ORDER BY l.due_at LIMIT 1), "                      \
    "(SELECT n.received_at FROM lane l JOIN notification n ON n.campaign = l.campaign "            \
    "AND n.background = 1 AND n.state = 0 AND n.due_at <= w.now WHERE l.org = t.org "              \
    "AND l.background = 1 AND l.due_at <= w.now ORDER BY l.due_at LIMIT 1), "                      \
    "(SELECT min(n.received_at) FROM campaign c JOIN notification n ON n.campaign = c.id "         \
    "AND n.state = 1 WHERE c.fence > 0 AND c.org = t.org)) "                                       \
    "FROM (SELECT org, sum(ready) AS ready, sum(leased) AS leased, sum(done) AS done, "            \
    "sum(failed) AS failed FROM tally GROUP BY org ORDER BY org LIMIT $1) t, "                     \
    "(SELECT tp_now() + $2 AS now) w ORDER BY t.org"

enum err pg_stats(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    PGresult *x = pg_query(db, e, STATS, "ii", (int64_t)r->u.stats.max, PG_WALL(s));
    if (x == NULL)
        return e->kind;
    for (int i = 0; i < PQntuples(x); i++) {
        struct store_org_stats *o = &r->u.stats.out[i];
        pg_copy(x, i, 0, o->org, sizeof o->org);
        o->ready = pg_i64(x, i, 1);
        o->leased = pg_i64(x, i, 2);
        o->done = pg_i64(x, i, 3);
        o->failed = pg_i64(x, i, 4);
        o->oldest_due_received_at_ms = PQgetisnull(x, i, 5) ? TIME_NONE : pg_i64(x, i, 5);
    }
    r->u.stats.count = (size_t)PQntuples(x);
    PQclear(x);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ quarantine */

#define DOCUMENT "id, at, org, peer, reason, message, size, kept"

enum err pg_quarantine_put(struct pg_store *s, struct pg_db *db, const struct store_document *d,
                           bool *kept, struct error *e)
{
    PGresult *x = pg_query(
        db, e, "SELECT tp_quarantine_put($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", "ttttiibidi",
        d->org, d->peer, d->reason, d->message, (int64_t)d->size, (int64_t)d->n,
        (const void *)d->bytes, d->n, (int64_t)atomic_load(&s->base.quarantine_max_bytes),
        (int)STORE_DOCUMENTS_MAX, PG_WALL(s));
    if (x == NULL)
        return e->kind;
    *kept = pg_bool(x, 0, 0);
    PQclear(x);
    return ERR_NONE;
}

static void read_document(const PGresult *r, int row, struct store_quarantined *out)
{
    out->id = pg_i64(r, row, 0);
    out->at_ms = pg_i64(r, row, 1);
    pg_copy(r, row, 2, out->org, sizeof out->org);
    pg_copy(r, row, 3, out->peer, sizeof out->peer);
    pg_copy(r, row, 4, out->reason, sizeof out->reason);
    pg_copy(r, row, 5, out->message, sizeof out->message);
    out->size = (size_t)pg_i64(r, row, 6);
    out->kept = (size_t)pg_i64(r, row, 7);
}

enum err pg_quarantine_walk(struct pg_store *s, struct pg_db *db, struct store_request *r,
                            struct error *e)
{
    (void)s;
    int64_t before = r->u.quarantine_walk.before_id;
    PGresult *x = pg_query(
        db, e, "SELECT " DOCUMENT " FROM quarantine WHERE id < $1 ORDER BY id DESC LIMIT $2", "ii",
        before <= 0 ? INT64_MAX : before, (int64_t)r->u.quarantine_walk.max);
    if (x == NULL)
        return e->kind;
    for (int i = 0; i < PQntuples(x); i++)
        read_document(x, i, &r->u.quarantine_walk.out[i]);
    r->u.quarantine_walk.count = (size_t)PQntuples(x);
    PQclear(x);
    return ERR_NONE;
}

enum err pg_quarantine_get(struct pg_store *s, struct pg_db *db, struct store_request *r,
                           struct error *e)
{
    (void)s;
    int64_t id = r->u.quarantine_get.id;
    PGresult *x =
        pg_query(db, e, "SELECT " DOCUMENT ", body FROM quarantine WHERE id = $1", "i", id);
    if (x == NULL)
        return e->kind;
    bool found = PQntuples(x) == 1;
    if (found) {
        size_t n = 0;
        read_document(x, 0, &r->u.quarantine_get.out);
        unsigned char *body = PQunescapeBytea((const unsigned char *)PQgetvalue(x, 0, 8), &n);
        buf_clear(r->u.quarantine_get.body);
        if (body != NULL)
            buf_put(r->u.quarantine_get.body, body, n);
        PQfreemem(body);
    }
    PQclear(x);
    return found ? ERR_NONE
                 : error_set(e, ERR_NOT_FOUND,
                             "the quarantine has no document with the number %lld", (long long)id);
}
