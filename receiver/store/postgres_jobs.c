/*
 * Jobs of admins, the delete guard's holds, bulk jobs.
 */
#include "postgres_int.h"

#include <stdio.h>
#include <string.h>

#define JOB                                                                                        \
    "id, kind, state, org, campaign_id, reason, total, done, changed, skipped, failed, cursor, "   \
    "message, at, started_at, ended_at, undo_of, undone_by, would_delete, existing"
#define HOLD "id, org, campaign_id, would_delete, existing, at, state = 6"

static enum err no_such_job(int64_t id, struct error *e)
{
    return error_set(e, ERR_NOT_FOUND, "no job has the number %lld", (long long)id);
}

/* ------------------------------------------------------------------ reading */

static void read_job(const PGresult *r, int row, struct store_job *out)
{
    *out = (struct store_job){
        .id = pg_i64(r, row, 0),
        .kind = (enum store_job_kind)pg_i64(r, row, 1),
        .state = (enum store_job_state)pg_i64(r, row, 2),
        .total = pg_i64(r, row, 6),
        .done = pg_i64(r, row, 7),
        .changed = pg_i64(r, row, 8),
        .skipped = pg_i64(r, row, 9),
        .failed = pg_i64(r, row, 10),
        .created_at_ms = pg_i64(r, row, 13),
        .started_at_ms = pg_i64(r, row, 14),
        .ended_at_ms = pg_i64(r, row, 15),
        .undo_of = pg_i64(r, row, 16),
        .undone_by = pg_i64(r, row, 17),
        .would_delete = pg_i64(r, row, 18),
        .existing = pg_i64(r, row, 19),
    };
    pg_copy(r, row, 3, out->org, sizeof out->org);
    pg_copy(r, row, 4, out->campaign_id, sizeof out->campaign_id);
    pg_copy(r, row, 5, out->reason, sizeof out->reason);
    pg_copy(r, row, 11, out->cursor, sizeof out->cursor);
    pg_copy(r, row, 12, out->message, sizeof out->message);
}

enum err pg_job_get(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    PGresult *x =
        pg_query(db, e, "SELECT " JOB ", params FROM job WHERE id = $1", "i", r->u.job_get.id);
    if (x == NULL)
        return e->kind;
    bool found = PQntuples(x) == 1;
    if (found)
        read_job(x, 0, r->u.job_get.out);
    if (found && r->u.job_get.params != NULL) {
        buf_clear(r->u.job_get.params);
        buf_put(r->u.job_get.params, PQgetvalue(x, 0, 20), (size_t)PQgetlength(x, 0, 20));
    }
    PQclear(x);
    return found ? ERR_NONE : no_such_job(r->u.job_get.id, e);
}

enum err pg_job_walk(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    const struct store_job_filter *f = r->u.job_walk.filter;
    PGresult *x = pg_query(
        db, e,
        "SELECT " JOB " FROM job WHERE id < $1 AND ($2 < 0 OR kind = $2) "
        "AND ($3 < 0 OR state = $3) AND ($4::text IS NULL OR org = $4) "
        "AND (NOT $5::boolean OR state < 2) ORDER BY id DESC LIMIT $6",
        "iddtdi", r->u.job_walk.before_id > 0 ? r->u.job_walk.before_id : INT64_MAX, f->kind,
        f->open ? STORE_ANY : f->state, f->org, (int)f->open, (int64_t)r->u.job_walk.max);
    if (x == NULL)
        return e->kind;
    for (int i = 0; i < PQntuples(x); i++)
        read_job(x, i, &r->u.job_walk.out[i]);
    r->u.job_walk.count = (size_t)PQntuples(x);
    PQclear(x);
    return ERR_NONE;
}

enum err pg_job_items(struct pg_store *s, struct pg_db *db, struct store_request *r,
                      struct error *e)
{
    (void)s;
    PGresult *x = pg_query(db, e,
                           "SELECT record_id, before, after, state, code, message FROM job_item "
                           "WHERE job = $1 AND record_id > $2 AND ($3 < 0 OR state = $3) "
                           "ORDER BY record_id LIMIT $4",
                           "itdi", r->u.job_items.job, r->u.job_items.after, r->u.job_items.state,
                           (int64_t)r->u.job_items.max);
    if (x == NULL)
        return e->kind;
    for (int i = 0; i < PQntuples(x); i++) {
        struct store_job_item *o = &r->u.job_items.out[i];
        pg_copy(x, i, 0, o->record_id, sizeof o->record_id);
        pg_copy(x, i, 1, o->before, sizeof o->before);
        pg_copy(x, i, 2, o->after, sizeof o->after);
        o->state = (int)pg_i64(x, i, 3);
        pg_copy(x, i, 4, o->code, sizeof o->code);
        pg_copy(x, i, 5, o->message, sizeof o->message);
    }
    r->u.job_items.count = (size_t)PQntuples(x);
    PQclear(x);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ making, cancelling */

static enum err tell_problem(const PGresult *x, int64_t of, struct error *e)
{
    const char *problem = PQgetvalue(x, 0, 1);
    if (strcmp(problem, "absent") == 0)
        return no_such_job(of, e);
    if (strcmp(problem, "open") == 0)
        return error_set(e, ERR_INVALID,
                         "job %lld is still under way: cancel it, or wait for its end",
                         (long long)of);
    return error_set(e, ERR_INVALID, "job %lld is undone by job %lld already", (long long)of,
                     (long long)pg_i64(x, 0, 2));
}

enum err pg_job_create(struct pg_store *s, struct pg_db *db, struct store_request *r,
                       struct error *e)
{
    const struct store_job_new *n = r->u.job_create.what;
    char reason[STORE_REASON_SIZE];
    (void)snprintf(reason, sizeof reason, "%.*s", (int)store_cut(n->reason, sizeof reason),
                   n->reason);
    PGresult *x = pg_query(db, e, "SELECT * FROM tp_job_create($1, $2, $3, $4, $5, $6, $7, $8)",
                           "dttttidi", (int)n->kind, n->org, n->campaign_id, n->params, reason,
                           n->undo_of, (int)n->queues, PG_WALL(s));
    if (x == NULL)
        return e->kind;
    enum err err = PQgetisnull(x, 0, 1) ? ERR_NONE : tell_problem(x, n->undo_of, e);
    r->u.job_create.id = pg_i64(x, 0, 0);
    PQclear(x);
    return err;
}

enum err pg_job_cancel(struct pg_store *s, struct pg_db *db, struct store_request *r,
                       struct error *e)
{
    int64_t id = r->u.job_cancel.id;
    PGresult *x = pg_query(db, e,
                           "UPDATE job SET state = 3, ended_at = tp_now() + $2 WHERE id = $1 AND "
                           "state < 2 RETURNING id",
                           "ii", id, PG_WALL(s));
    if (x == NULL)
        return e->kind;
    bool cancelled = PQntuples(x) == 1;
    PQclear(x);
    if (cancelled)
        return ERR_NONE;
    x = pg_query(db, e, "SELECT state FROM job WHERE id = $1", "i", id);
    if (x == NULL)
        return e->kind;
    int state = PQntuples(x) == 1 ? (int)pg_i64(x, 0, 0) : -1;
    PQclear(x);
    if (state < 0)
        return no_such_job(id, e);
    return error_set(e, ERR_INVALID, "job %lld cannot be cancelled: it is %s", (long long)id,
                     store_job_state_name((enum store_job_state)state));
}

/* ------------------------------------------------------------------ steps */

enum { RECORD, BEFORE, AFTER, STATE, CODE, MESSAGE, COLUMNS };

static void fill_items(struct buf c[COLUMNS], const struct store_job_step *step)
{
    for (int i = 0; i < COLUMNS; i++)
        pg_array(&c[i]);
    for (size_t i = 0; i < step->item_count; i++) {
        const struct store_job_item *x = &step->items[i];
        pg_put_text(&c[RECORD], x->record_id);
        pg_put_text(&c[BEFORE], x->before);
        pg_put_text(&c[AFTER], x->after);
        pg_put_i64(&c[STATE], x->state);
        pg_put_text(&c[CODE], x->code);
        pg_put_text(&c[MESSAGE], x->message);
    }
}

enum err pg_job_step(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    const struct store_job_step *step = r->u.job_step.what;
    const struct store_claim *l = r->lease;
    char message[STORE_MESSAGE_SIZE];
    struct buf c[COLUMNS];
    int64_t begun = store_boot_ms(&s->base);
    if (step->message != NULL)
        (void)snprintf(message, sizeof message, "%.*s",
                       (int)store_cut(step->message, sizeof message), step->message);
    fill_items(c, step);
    PGresult *x = pg_query(
        db, e,
        "SELECT * FROM tp_job_step($1, $2, $3, (SELECT j.id FROM job j WHERE j.id = $4 AND "
        "($23::text IS NULL OR j.cursor = $23) FOR UPDATE), $5, $6, $7, $8, $9, $10, $11, $12, "
        "$13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
        "ttiidiiiiittdaaaaaaiiit", l != NULL ? l->org : "", l != NULL ? l->key : "",
        l != NULL ? l->fence : INT64_C(0), step->job, (int)step->state, step->total, step->done,
        step->changed, step->skipped, step->failed, step->cursor,
        step->message != NULL ? message : NULL, (int)step->hints, &c[RECORD], &c[BEFORE], &c[AFTER],
        &c[STATE], &c[CODE], &c[MESSAGE], s->base.options.lease_ms, PG_WALL(s), PG_BOOT(s),
        step->from);
    for (int i = 0; i < COLUMNS; i++)
        buf_release(&c[i]);
    if (x == NULL)
        return e->kind;
    bool holds = pg_bool(x, 0, 0), found = !PQgetisnull(x, 0, 1);
    r->u.job_step.now = (enum store_job_state)pg_i64(x, 0, 1);
    PQclear(x);
    if (!holds)
        return pg_stale(l, e);
    if (!found && step->from == NULL)
        return no_such_job(step->job, e);
    if (!found)
        r->u.job_step.now = STORE_JOB_RUNNING;
    if (l != NULL)
        r->deadline_boot_ms = begun + s->base.options.lease_ms;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ the delete guard */

/* One boolean: the fence held. */
static enum err fenced(const struct store_request *r, PGresult *x, struct error *e)
{
    if (x == NULL)
        return e->kind;
    bool holds = pg_bool(x, 0, 0);
    PQclear(x);
    return holds ? ERR_NONE : pg_stale(r->lease, e);
}

enum err pg_hold_put(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    return fenced(r,
                  pg_query(db, e, "SELECT tp_hold_put($1, $2, $3, $4, $5, $6)", "ttiiii",
                           r->lease->org, r->lease->key, r->lease->fence,
                           r->u.hold_put.would_delete, r->u.hold_put.existing, PG_WALL(s)),
                  e);
}

enum err pg_hold_end(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    return fenced(r,
                  pg_query(db, e, "SELECT tp_hold_end($1, $2, $3)", "tti", r->lease->org,
                           r->lease->key, r->lease->fence),
                  e);
}

static void read_hold(const PGresult *r, int row, struct store_hold *out)
{
    out->id = pg_i64(r, row, 0);
    pg_copy(r, row, 1, out->org, sizeof out->org);
    pg_copy(r, row, 2, out->campaign_id, sizeof out->campaign_id);
    out->would_delete = pg_i64(r, row, 3);
    out->existing = pg_i64(r, row, 4);
    out->at_ms = pg_i64(r, row, 5);
    out->approved = pg_bool(r, row, 6);
}

enum err pg_hold_get(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    PGresult *x =
        pg_query(db, e, "SELECT " HOLD " FROM job WHERE kind = 0 AND org = $1 AND campaign_id = $2",
                 "tt", r->u.hold_get.org, r->u.hold_get.campaign);
    if (x == NULL)
        return e->kind;
    r->u.hold_get.found = PQntuples(x) == 1;
    if (r->u.hold_get.found)
        read_hold(x, 0, &r->u.hold_get.out);
    PQclear(x);
    return ERR_NONE;
}

enum err pg_hold_list(struct pg_store *s, struct pg_db *db, struct store_request *r,
                      struct error *e)
{
    (void)s;
    PGresult *x = pg_query(db, e, "SELECT " HOLD " FROM job WHERE kind = 0 ORDER BY id LIMIT $1",
                           "i", (int64_t)r->u.hold_list.max);
    if (x == NULL)
        return e->kind;
    for (int i = 0; i < PQntuples(x); i++)
        read_hold(x, i, &r->u.hold_list.out[i]);
    r->u.hold_list.count = (size_t)PQntuples(x);
    PQclear(x);
    return ERR_NONE;
}

enum err pg_hold_approve(struct pg_store *s, struct pg_db *db, struct store_request *r,
                         struct error *e)
{
    PGresult *x =
        pg_query(db, e, "SELECT tp_hold_approve($1, $2)", "ii", r->u.hold_approve.id, PG_WALL(s));
    if (x == NULL)
        return e->kind;
    bool found = pg_bool(x, 0, 0);
    PQclear(x);
    return found ? ERR_NONE
                 : error_set(e, ERR_NOT_FOUND, "no held job has the number %lld",
                             (long long)r->u.hold_approve.id);
}

/* ------------------------------------------------------------------ bulk jobs */

enum err pg_bulk_put(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    const struct store_bulk_job *job = r->u.bulk_put.job;
    return fenced(r,
                  pg_query(db, e, "SELECT tp_bulk_put($1, $2, $3, $4, $5, $6, $7)", "ttitdii",
                           r->lease->org, r->lease->key, r->lease->fence, job->id, job->kind,
                           job->rows, PG_WALL(s)),
                  e);
}

enum err pg_bulk_end(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    return fenced(r,
                  pg_query(db, e, "SELECT tp_bulk_end($1, $2, $3, $4)", "ttit", r->lease->org,
                           r->lease->key, r->lease->fence, r->u.bulk_end.id),
                  e);
}

enum err pg_bulk_list(struct pg_store *s, struct pg_db *db, struct store_request *r,
                      struct error *e)
{
    (void)s;
    PGresult *x = pg_query(db, e,
                           "SELECT job, kind, rows FROM bulk_job WHERE org = $1 AND key = $2 "
                           "ORDER BY at, job LIMIT $3",
                           "tti", r->lease->org, r->lease->key, (int64_t)r->u.bulk_list.max);
    if (x == NULL)
        return e->kind;
    r->u.bulk_list.count = (size_t)PQntuples(x);
    for (int i = 0; i < PQntuples(x); i++) {
        struct store_bulk_job *job = &r->u.bulk_list.out[i];
        pg_copy(x, i, 0, job->id, sizeof job->id);
        job->kind = (int)pg_i64(x, i, 1);
        job->rows = pg_i64(x, i, 2);
    }
    PQclear(x);
    return ERR_NONE;
}
