/*
 * Jobs of admins: made, looked at, moved on, cancelled, removed. The delete guard's holds are in
 * the same table, so that people find all under one row of numbers; what they need is in
 * sqlite_hold.c.
 */
#include "sqlite_int.h"

#include <stdio.h>
#include <string.h>

static enum err no_such_job(int64_t id, struct error *e)
{
    return error_set(e, ERR_NOT_FOUND, "no job has the number %lld", (long long)id);
}

/* ------------------------------------------------------------------ reading */

static void read_job(const struct sql_query *q, struct store_job *out)
{
    *out = (struct store_job){
        .id = sqlite3_column_int64(q->st, 0),
        .kind = (enum store_job_kind)sqlite3_column_int(q->st, 1),
        .state = (enum store_job_state)sqlite3_column_int(q->st, 2),
        .total = sqlite3_column_int64(q->st, 6),
        .done = sqlite3_column_int64(q->st, 7),
        .changed = sqlite3_column_int64(q->st, 8),
        .skipped = sqlite3_column_int64(q->st, 9),
        .failed = sqlite3_column_int64(q->st, 10),
        .created_at_ms = sqlite3_column_int64(q->st, 13),
        .started_at_ms = sqlite3_column_int64(q->st, 14),
        .ended_at_ms = sqlite3_column_int64(q->st, 15),
        .undo_of = sqlite3_column_int64(q->st, 16),
        .undone_by = sqlite3_column_int64(q->st, 17),
        .would_delete = sqlite3_column_int64(q->st, 18),
        .existing = sqlite3_column_int64(q->st, 19),
    };
    sql_text(q, 3, out->org, sizeof out->org);
    sql_text(q, 4, out->campaign_id, sizeof out->campaign_id);
    sql_text(q, 5, out->reason, sizeof out->reason);
    sql_text(q, 11, out->cursor, sizeof out->cursor);
    sql_text(q, 12, out->message, sizeof out->message);
}

/* out and params may be NULL. */
static enum err get_job(struct sql_db *db, int64_t id, struct store_job *out, struct buf *params,
                        struct error *e)
{
    struct sql_query q = sql_query(db, SQL_JOB_GET, "i", id);
    bool found = sql_next(&q);
    if (found && out != NULL)
        read_job(&q, out);
    if (found && params != NULL)
        buf_put(params, sqlite3_column_text(q.st, 20), (size_t)sqlite3_column_bytes(q.st, 20));
    enum err err = sql_done(&q, e);
    return err == ERR_NONE && !found ? no_such_job(id, e) : err;
}

enum err sqlite_job_read(struct sql_db *db, int64_t id, struct store_job *out, struct error *e)
{
    return get_job(db, id, out, NULL, e);
}

enum err sqlite_job_get(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    return get_job(&s->browser.db, r->u.job_get.id, r->u.job_get.out, r->u.job_get.params, e);
}

enum err sqlite_job_walk(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct store_job_filter *f = r->u.job_walk.filter;
    struct sql_db *db = &s->browser.db;
    int64_t before = r->u.job_walk.before_id > 0 ? r->u.job_walk.before_id : INT64_MAX;
    int64_t max = (int64_t)r->u.job_walk.max;
    size_t n = 0;
    struct sql_query q =
        f->open ? sql_query(db, SQL_JOB_WALK_OPEN, "idti", before, f->kind, f->org, max)
                : sql_query(db, SQL_JOB_WALK, "iddti", before, f->kind, f->state, f->org, max);
    while (n < r->u.job_walk.max && sql_next(&q))
        read_job(&q, &r->u.job_walk.out[n++]);
    r->u.job_walk.count = n;
    return sql_done(&q, e);
}

enum err sqlite_job_items(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    size_t max = r->u.job_items.max, n = 0;
    struct sql_query q = sql_query(&s->browser.db, SQL_ITEM_WALK, "itdi", r->u.job_items.job,
                                   r->u.job_items.after, r->u.job_items.state, (int64_t)max);
    while (n < max && sql_next(&q)) {
        struct store_job_item *x = &r->u.job_items.out[n++];
        sql_text(&q, 0, x->record_id, sizeof x->record_id);
        sql_text(&q, 1, x->before, sizeof x->before);
        sql_text(&q, 2, x->after, sizeof x->after);
        x->state = sqlite3_column_int(q.st, 3);
        sql_text(&q, 4, x->code, sizeof x->code);
        sql_text(&q, 5, x->message, sizeof x->message);
    }
    r->u.job_items.count = n;
    return sql_done(&q, e);
}

/* ------------------------------------------------------------------ making, cancelling */

/* The job that is to be undone is over, and no other undo of it worked or may. */
static enum err check_undo(struct sqlite_store *s, int64_t of, struct error *e)
{
    struct store_job job = {0}, other = {0};
    enum err err = get_job(&s->db, of, &job, NULL, e);
    if (err != ERR_NONE)
        return err;
    if (store_job_is_open(job.state))
        return error_set(e, ERR_INVALID,
                         "job %lld is still under way: cancel it, or wait for its end",
                         (long long)of);
    if (job.undone_by == 0 || get_job(&s->db, job.undone_by, &other, NULL, NULL) != ERR_NONE)
        return ERR_NONE;
    if (other.state == STORE_JOB_FAILED || other.state == STORE_JOB_CANCELLED)
        return ERR_NONE;
    return error_set(e, ERR_INVALID, "job %lld is undone by job %lld already", (long long)of,
                     (long long)job.undone_by);
}

static enum err queue_job(struct sqlite_store *s, const struct store_job_new *n, int64_t id,
                          struct error *e)
{
    char number[SFID_SIZE];
    (void)snprintf(number, sizeof number, "%lld", (long long)id);
    const struct store_new_hint h = {
        .kind = STORE_JOB, .campaign_id = n->campaign_id, .record_id = number, .subject_id = ""};
    return sqlite_add_hint(s, n->org, &h, e);
}

enum err sqlite_job_create(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct store_job_new *n = r->u.job_create.what;
    char reason[STORE_REASON_SIZE];
    (void)snprintf(reason, sizeof reason, "%.*s", (int)store_cut(n->reason, sizeof reason),
                   n->reason);
    enum err err = n->undo_of != 0 ? check_undo(s, n->undo_of, e) : ERR_NONE;
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_JOB_CREATE, "dttttii", (int)n->kind, n->org, n->campaign_id,
                      n->params, reason, n->undo_of, store_wall_ms(&s->base));
    int64_t id = sqlite3_last_insert_rowid(s->db.handle);
    if (err == ERR_NONE && n->undo_of != 0)
        err = sql_run(&s->db, e, SQL_JOB_UNDONE_BY, "ii", n->undo_of, id);
    if (err == ERR_NONE && n->queues)
        err = queue_job(s, n, id, e);
    r->u.job_create.id = id;
    return err;
}

enum err sqlite_job_cancel(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    int64_t id = r->u.job_cancel.id;
    struct sql_query q = sql_query(&s->db, SQL_JOB_CANCEL, "ii", id, store_wall_ms(&s->base));
    bool found = sql_next(&q);
    while (sql_next(&q)) {
    }
    enum err err = sql_done(&q, e);
    struct store_job job = {0};
    if (err != ERR_NONE || found)
        return err;
    err = get_job(&s->db, id, &job, NULL, e);
    if (err != ERR_NONE)
        return err;
    return error_set(e, ERR_INVALID, "job %lld cannot be cancelled: it is %s", (long long)id,
                     store_job_state_name(job.state));
}

/* ------------------------------------------------------------------ steps */

static enum err put_item(struct sqlite_store *s, int64_t job, const struct store_job_item *x,
                         struct error *e)
{
    return sql_run(&s->db, e, SQL_ITEM_PUT, "itttdtt", job, x->record_id, x->before, x->after,
                   x->state, x->code, x->message);
}

/* The pass will tell the job as its cause. */
static enum err hint_pass(struct sqlite_store *s, const char *org, const char *campaign,
                          int64_t job, struct error *e)
{
    const struct store_new_hint pass = {
        .kind = STORE_CAMPAIGN, .campaign_id = campaign, .record_id = campaign, .subject_id = ""};
    char identity[STORE_HINT_ID_SIZE];
    store_hint_identity(&pass, identity);
    enum err err = sqlite_add_hint(s, org, &pass, e);
    return err == ERR_NONE
               ? sql_run(&s->db, e, SQL_JOB_CAUSES, "ttti", org, identity, campaign, job)
               : err;
}

enum err sqlite_job_progress(struct sqlite_store *s, const struct store_job_step *step,
                             enum store_job_state *now, struct error *e)
{
    char org[SFID_SIZE] = "", campaign[SFID_SIZE] = "", message[STORE_MESSAGE_SIZE];
    if (step->message != NULL)
        (void)snprintf(message, sizeof message, "%.*s",
                       (int)store_cut(step->message, sizeof message), step->message);
    struct sql_query q =
        sql_query(&s->db, SQL_JOB_STEP, "idiiiiitti", step->job, (int)step->state, step->total,
                  step->done, step->changed, step->skipped, step->failed, step->cursor,
                  step->message != NULL ? message : NULL, store_wall_ms(&s->base));
    bool found = sql_next(&q);
    if (found) {
        *now = (enum store_job_state)sqlite3_column_int(q.st, 0);
        sql_text(&q, 1, org, sizeof org);
        sql_text(&q, 2, campaign, sizeof campaign);
    }
    while (sql_next(&q)) {
    }
    enum err err = sql_done(&q, e);
    if (err != ERR_NONE || !found)
        return err != ERR_NONE ? err : no_such_job(step->job, e);
    return step->hints ? hint_pass(s, org, campaign, step->job, e) : ERR_NONE;
}

static enum err compare_cursor(struct sqlite_store *s, struct store_request *r, bool *is_due,
                               struct error *e)
{
    struct store_job job = {0};
    enum err err = get_job(&s->db, r->u.job_step.what->job, &job, NULL, e);
    *is_due = err == ERR_NONE && strcmp(job.cursor, r->u.job_step.what->from) == 0;
    r->u.job_step.now = job.state;
    return err;
}

enum err sqlite_job_step(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct store_job_step *step = r->u.job_step.what;
    struct sqlite_lease *l = r->lease != NULL ? sqlite_lease_of(s, r->lease) : NULL;
    bool is_due = true;
    if (r->lease != NULL && l == NULL)
        return sqlite_stale(r->lease, e);
    enum err err = step->from != NULL ? compare_cursor(s, r, &is_due, e) : ERR_NONE;
    if (err != ERR_NONE || !is_due)
        return err;
    err = sqlite_job_progress(s, step, &r->u.job_step.now, e);
    for (size_t i = 0; i < step->item_count && err == ERR_NONE; i++)
        err = put_item(s, step->job, &step->items[i], e);
    if (err == ERR_NONE && l != NULL) {
        l->deadline_boot_ms = store_boot_ms(&s->base) + s->base.options.lease_ms;
        r->deadline_boot_ms = l->deadline_boot_ms;
    }
    return err;
}

/* ------------------------------------------------------------------ removing */

static enum err next_old(struct sqlite_store *s, int64_t before_ms, int64_t *id, struct error *e)
{
    struct sql_query q = sql_query(&s->db, SQL_JOB_OLD, "i", before_ms);
    *id = sql_next(&q) ? sqlite3_column_int64(q.st, 0) : 0;
    return sql_done(&q, e);
}

enum err sqlite_job_trim(struct sqlite_store *s, int64_t before_ms, size_t *budget, struct error *e)
{
    int64_t id;
    enum err err = next_old(s, before_ms, &id, e);
    while (err == ERR_NONE && id != 0 && *budget > 0) {
        err = sql_run(&s->db, e, SQL_ITEM_TRIM, "ii", id, (int64_t)*budget);
        if (err != ERR_NONE)
            return err;
        *budget -= (size_t)sqlite3_changes64(s->db.handle);
        if (*budget == 0)
            return ERR_NONE; /* some may be left */
        err = sql_run(&s->db, e, SQL_JOB_REMOVE, "i", id);
        (*budget)--;
        if (err == ERR_NONE)
            err = next_old(s, before_ms, &id, e);
    }
    return err;
}
