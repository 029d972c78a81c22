/*
 * Query jobs. The whole result is written out as CSV while the job runs, and its parts are cut from
 * that later: they stay the same as long as the job exists, as they do in an org.
 */
#include "bulk_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "mem.h"
#include "query_int.h"
#include "stats.h"
#include "values.h"

enum { TEXT_MAX = 1 << 30 };

void job_query_release(struct job_query *q)
{
    soql_plan_free(&q->plan);
    free(q->ids);
    free(q->row_ends);
    if (q->text.data != NULL)
        buf_release(&q->text);
}

/* ------------------------------------------------------------------ creation */

static bool read_query(struct sim *sim, struct job *j, const json_t *body, struct sim_reply *reply)
{
    const char *soql = json_string_value(json_object_get(body, "query"));
    struct soql_error error;
    if (soql == NULL || *soql == '\0') {
        bulk_refuse(reply, "INVALIDJOB", "Unable to parse Job: query is missing");
        return false;
    }
    j->query.plan = query_plan(sim, soql, false, j->operation == JOB_QUERY_ALL, &error);
    if (j->query.plan == NULL) {
        sim_reply_error(reply, 400, error.code, "%s", error.message);
        return false;
    }
    j->object = j->query.plan->object;
    if (j->query.plan->count || j->query.plan->offset > 0) {
        sim_reply_error(reply, 400, "MALFORMED_QUERY",
                        "COUNT() and OFFSET are not supported in Bulk Query");
        return false;
    }
    buf_init(&j->query.text, TEXT_MAX);
    return true;
}

void bulk_query_create(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    json_t *body = sim_request_json(r, reply);
    int64_t now = sim_clock_ms(&sim->clock);
    struct job *j = body == NULL ? NULL : job_new(sim->bulk, r, body, reply);
    bool ok = j != NULL && read_query(sim, j, body, reply);
    if (ok && stats_query_jobs_left(sim->stats, now) == 0) {
        bulk_refuse(reply, "EXCEEDEDQUOTA", "BulkApiV2QueryJobs Limit exceeded.");
        ok = false;
    }
    if (ok) {
        stats_add_query_job(sim->stats, now);
        job_keep(sim->bulk, j);
        job_enqueue(sim->bulk, j);
        sim_reply_json(reply, 200, job_json(sim, j, false));
    } else {
        job_free(&j);
    }
    json_decref(body);
}

/* ------------------------------------------------------------------ the rows */

static void put_row(struct job *j, sqlite3_stmt *st)
{
    struct job_query *q = &j->query;
    for (size_t i = 0; i < q->plan->column_count; i++) {
        char *text = column_to_xml(q->plan->columns[i].field, st, q->plan->first_column + (int)i);
        csv_put(&q->text, &j->format, text == NULL ? "" : text, i == 0);
        free(text);
    }
    csv_put_end(&q->text, &j->format);
    if (j->processed == q->row_room) {
        q->row_room = q->row_room == 0 ? 1024 : 2 * q->row_room;
        q->row_ends = mem_resize(q->row_ends, q->row_room, sizeof *q->row_ends);
    }
    q->row_ends[j->processed++] = q->text.len;
}

/* Up to a page behind the last id; gives the number, or -1 if it is too complicated. */
static int64_t run_keyset(struct bulk *b, struct job *j, size_t most)
{
    struct job_query *q = &j->query;
    char tail[96];
    int key = (int)q->plan->param_count + 1;
    int64_t n = 0;
    snprintf(tail, sizeof tail, " AND t0.Id > ?%d ORDER BY t0.Id LIMIT ?%d", key, key + 1);
    sqlite3_stmt *st = query_prepare(b->sim, q->plan, q->plan->columns_sql.data, tail);
    if (st == NULL)
        return -1;
    sdb_bind_text(st, key, q->last);
    sqlite3_bind_int64(st, key + 1, (int64_t)most);
    for (; sdb_step(b->sim->db, st); n++) {
        snprintf(q->last, sizeof q->last, "%s", (const char *)sqlite3_column_text(st, 0));
        put_row(j, st);
    }
    sdb_done(b->sim->db, st);
    return n;
}

/* The next page of a list of ids; those that have gone meanwhile are passed over. */
static int64_t run_ids(struct bulk *b, struct job *j)
{
    struct job_query *q = &j->query;
    char tail[48];
    int key = (int)q->plan->param_count + 1;
    int64_t n = 0;
    if (q->ids == NULL && !query_list_ids(b->sim, q->plan, &q->ids, &q->id_count))
        return -1;
    snprintf(tail, sizeof tail, " AND t0.Id = ?%d", key);
    sqlite3_stmt *st = query_prepare(b->sim, q->plan, q->plan->columns_sql.data, tail);
    for (; n < BULK_PAGE && q->next_id < q->id_count; n++) {
        sdb_bind_text(st, key, q->ids[q->next_id++].text);
        if (sdb_step(b->sim->db, st))
            put_row(j, st);
        sqlite3_reset(st);
    }
    sdb_done(b->sim->db, st);
    return n;
}

/* The rows that may still come, of a page at most. */
static size_t room_of(const struct job *j)
{
    int64_t limit = j->query.plan->limit;
    if (limit >= 0 && limit - (int64_t)j->processed < BULK_PAGE)
        return (size_t)(limit - (int64_t)j->processed);
    return BULK_PAGE;
}

void job_run_query(struct bulk *b, struct job *j)
{
    size_t room = room_of(j);
    if (j->faults.stop_after >= 0 && j->processed >= (uint64_t)j->faults.stop_after) {
        job_finish(b, j, j->faults.stop_state, j->faults.message);
        return;
    }
    int64_t n = query_is_keyset(j->query.plan) ? run_keyset(b, j, room) : run_ids(b, j);
    if (n < 0)
        job_finish(b, j, JOB_FAILED, "InvalidQuery : the query is too complicated");
    else if (n < BULK_PAGE)
        job_finish(b, j, JOB_COMPLETE, NULL);
}

/* ------------------------------------------------------------------ the results */

static void put_path(struct buf *out, const struct soql_plan *plan, size_t join)
{
    if (join == 0)
        return;
    put_path(out, plan, plan->joins[join].parent);
    buf_printf(out, "%s.", plan->joins[join].field->relationship);
}

static void put_header(struct buf *out, const struct job *j)
{
    const struct soql_plan *plan = j->query.plan;
    struct buf name;
    buf_init(&name, 1024);
    for (size_t i = 0; i < plan->column_count; i++) {
        buf_clear(&name);
        put_path(&name, plan, plan->columns[i].join);
        buf_puts(&name, plan->columns[i].field->name);
        csv_put(out, &j->format, name.data, i == 0);
    }
    csv_put_end(out, &j->format);
    buf_release(&name);
}

/* A row number out of a locator ("L1f4"); false if it is none of this job's. */
static bool read_locator(const struct job *j, const char *locator, size_t *row)
{
    char *end;
    *row = 0;
    if (locator == NULL)
        return true;
    if (*locator != 'L')
        return false;
    *row = (size_t)strtoull(locator + 1, &end, 16);
    return end != locator + 1 && *end == '\0' && *row < j->processed;
}

static size_t page_of(const struct sim *sim, const struct sim_request *r)
{
    const char *text = sim_request_param(r, "maxRecords");
    size_t n = text == NULL ? 0 : (size_t)strtoull(text, NULL, 10);
    size_t most = (size_t)sim->behaviour.query_job_page;
    return n == 0 || n > most ? most : n;
}

static void give_page(const struct job *j, size_t from, size_t count, struct sim_reply *reply)
{
    const struct job_query *q = &j->query;
    size_t to = j->processed - from < count ? j->processed : from + count;
    size_t start = from == 0 ? 0 : q->row_ends[from - 1], end = to == 0 ? 0 : q->row_ends[to - 1];
    char number[32], locator[32] = "null";
    struct buf out;
    buf_init(&out, TEXT_MAX);
    put_header(&out, j);
    buf_put(&out, q->text.data + start, end - start);
    if (to < j->processed)
        snprintf(locator, sizeof locator, "L%zx", to);
    snprintf(number, sizeof number, "%zu", to - from);
    sim_reply_take_text(reply, 200, "text/csv", buf_take(&out));
    sim_reply_header(reply, "Sforce-Locator", locator);
    sim_reply_header(reply, "Sforce-NumberOfRecords", number);
}

void bulk_query_results(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct job *j = job_of(sim, r, reply);
    size_t from;
    if (j == NULL)
        return;
    if (strcmp(j->version, r->version) != 0)
        sim_reply_error(reply, 409, "API_ERROR",
                        "The version of the API must be that of the job: %s", j->version);
    else if (j->state != JOB_COMPLETE)
        sim_reply_error(reply, 412, "JOB_NOT_COMPLETE",
                        "can only download query results of successfully completed bulk job with "
                        "status: JOB_COMPLETE");
    else if (!read_locator(j, sim_request_param(r, "locator"), &from))
        bulk_refuse(reply, "INVALID_QUERY_LOCATOR", "invalid query locator");
    else
        give_page(j, from, page_of(sim, r), reply);
}
