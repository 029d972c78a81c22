/*
 * The quarantine's table: bounded in bytes and in documents, the oldest leave first. Room is made
 * before a document enters, at most a slice at a time, so that one large document does not hold up
 * the batch it comes with by removing thousands of small ones: then it is dropped, and the next one
 * finds more room.
 */
#include "sqlite_int.h"

#include <string.h>

static enum err total(struct sqlite_store *s, const char *name, int64_t *out, struct error *e)
{
    struct sql_query q = sql_query(&s->db, SQL_META_GET, "t", name);
    *out = sql_next(&q) ? sqlite3_column_int64(q.st, 0) : 0;
    return sql_done(&q, e);
}

/* Until n more bytes in one more document fit (more 0: none more is to come), or the budget is
 * used up. *fits: they do. */
static enum err make_room(struct sqlite_store *s, int64_t n, int64_t more, size_t *budget,
                          bool *fits, struct error *e)
{
    int64_t max = (int64_t)atomic_load(&s->base.quarantine_max_bytes), bytes = 0, count = 0;
    for (;; (*budget)--) {
        enum err err = total(s, "quarantine_bytes", &bytes, e);
        if (err == ERR_NONE)
            err = total(s, "quarantine_count", &count, e);
        *fits = bytes + n <= max && count + more <= STORE_DOCUMENTS_MAX;
        if (err != ERR_NONE || *fits || count == 0 || *budget == 0)
            return err;
        err = sql_run(&s->db, e, SQL_QUARANTINE_DROP, "");
        if (err != ERR_NONE)
            return err;
    }
}

enum err sqlite_quarantine_put(struct sqlite_store *s, const struct store_document *d, bool *kept,
                               struct error *e)
{
    size_t budget = STORE_SLICE_MAX;
    enum err err = make_room(s, (int64_t)d->n, 1, &budget, kept, e);
    if (err != ERR_NONE || !*kept)
        return err;
    return sql_run(&s->db, e, SQL_QUARANTINE_PUT, "ittttiib", store_wall_ms(&s->base), d->org,
                   d->peer, d->reason, d->message, (int64_t)d->size, (int64_t)d->n,
                   (const void *)d->bytes, d->n);
}

enum err sqlite_quarantine_trim(struct sqlite_store *s, int64_t before_ms, size_t *budget,
                                struct error *e)
{
    bool fits;
    enum err err = sql_run(&s->db, e, SQL_QUARANTINE_TRIM, "ii", before_ms, (int64_t)*budget);
    if (err != ERR_NONE)
        return err;
    *budget -= (size_t)sqlite3_changes64(s->db.handle);
    return make_room(s, 0, 0, budget, &fits, e); /* the bound may have been lowered */
}

/* ------------------------------------------------------------------ looking on */

static void read_document(const struct sql_query *q, struct store_quarantined *out)
{
    out->id = sqlite3_column_int64(q->st, 0);
    out->at_ms = sqlite3_column_int64(q->st, 1);
    sql_text(q, 2, out->org, sizeof out->org);
    sql_text(q, 3, out->peer, sizeof out->peer);
    sql_text(q, 4, out->reason, sizeof out->reason);
    sql_text(q, 5, out->message, sizeof out->message);
    out->size = (size_t)sqlite3_column_int64(q->st, 6);
    out->kept = (size_t)sqlite3_column_int64(q->st, 7);
}

enum err sqlite_quarantine_walk(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    int64_t before = r->u.quarantine_walk.before_id;
    size_t max = r->u.quarantine_walk.max, n = 0;
    struct sql_query q = sql_query(&s->browser.db, SQL_QUARANTINE_WALK, "ii",
                                   before <= 0 ? INT64_MAX : before, (int64_t)max);
    while (n < max && sql_next(&q))
        read_document(&q, &r->u.quarantine_walk.out[n++]);
    r->u.quarantine_walk.count = n;
    return sql_done(&q, e);
}

enum err sqlite_quarantine_get(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sql_query q = sql_query(&s->browser.db, SQL_QUARANTINE_GET, "i", r->u.quarantine_get.id);
    bool found = sql_next(&q);
    if (found) {
        read_document(&q, &r->u.quarantine_get.out);
        const void *body = sqlite3_column_blob(q.st, 8);
        if (body != NULL)
            buf_put(r->u.quarantine_get.body, body, (size_t)sqlite3_column_bytes(q.st, 8));
    }
    enum err err = sql_done(&q, e);
    if (err == ERR_NONE && !found)
        return error_set(e, ERR_NOT_FOUND, "the quarantine has no document with the number %lld",
                         (long long)r->u.quarantine_get.id);
    return err;
}
