/*
 * A query as a job of Bulk API 2.0. Its results come in pages of ORG_BULK_PAGE records, each a
 * request of its own: the CSV is cut into cells as its bytes come, the page is kept as text until
 * it has come whole and with as many rows as its head told, and only then are its records given.
 * So memory is bounded by a page, whoever is given records may use the connection, and nothing is
 * given twice. A page larger than PAGE_MAX_BYTES is asked for again with half as many records.
 *
 * The walk is complete when there is no next page and as many records came as the job processed;
 * anything less is an error, since absence is what deletions are made of. Results can go away under
 * the walk (a deleted job, 7 days, the org's mood): then the work is taken up again later, with a
 * new query.
 *
 * Bulk queries know no ORDER BY worth the name (it turns off the splitting by Id that makes them
 * scale), GROUP BY, OFFSET, TYPEOF, aggregates, sub-queries and compound fields; ours have none.
 */
#include "bulk_int.h"

#include <stdlib.h>
#include <string.h>

#include "csv_int.h"
#include "json_int.h"
#include "log.h"
#include "timeutil.h"

enum {
    PAGE_MAX_BYTES = 16 * 1024 * 1024,
    PAGE_ROWS_MIN = 200,
    PATIENCE_MS = 30 * 60 * 1000, /* then by pages */
    TRIES = 3,                    /* of a poll and of a page: both can be asked for again */
};

struct bulk_query {
    struct org_conn *conn;
    const struct query *query;
    query_page_fn *page;
    void *ctx;
    struct columns columns;
    struct org_job job;
    char locator[LOCATOR_MAX]; /* "" for the first page */
    int64_t page_rows;         /* how many to ask for */
    int64_t given;
    struct buf cells; /* of the page at hand, row by row, a NUL after each */
    size_t rows;
};

static enum err bad_results(const struct bulk_query *b, const char *what, struct error *e)
{
    return error_set(e, ERR_NETWORK, "bulk query %s, job %s: %s", b->query->from, b->job.id, what);
}

/* A refusal of this way of reading, which says nothing about the other. */
static bool is_refusal(enum err err)
{
    return err == ERR_INVALID || err == ERR_CONFIG || err == ERR_DENIED || err == ERR_NOT_FOUND ||
           err == ERR_UNSUPPORTED;
}

/* Something that often passes at once. True, after a wait: try again. */
static bool may_pass(struct bulk_query *b, enum err err, unsigned tries)
{
    struct error ignored; /* the next call says that the program is stopping */
    if ((err != ERR_BUSY && err != ERR_NETWORK) || tries >= TRIES)
        return false;
    return org_wait(b->conn, org_poll_delay_ms(b->conn->org, tries), &ignored) == ERR_NONE;
}

/* ------------------------------------------------------------------ the job */

static enum err create(struct bulk_query *b, struct error *e)
{
    const struct query *q = b->query;
    struct buf soql;
    buf_init(&soql, SELECT_MAX_BYTES);
    buf_printf(&soql, "SELECT %s FROM %s", q->select->text.data, q->from);
    if (q->where != NULL)
        buf_printf(&soql, " WHERE %s", q->where);
    json_t *root = json_pack("{s:s,s:s}", "operation", q->with_deleted ? "queryAll" : "query",
                             "query", soql.data);
    char *body = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    enum err err = soql.overflow || body == NULL
                       ? error_set(e, ERR_UNSUPPORTED, "the query can't be written as a job")
                       : job_create(b->conn, JOB_QUERY, body, &b->job, e);
    free(body);
    json_decref(root);
    buf_release(&soql);
    return err;
}

/* ERR_UNSUPPORTED unless the job ended well. */
static enum err check_end(const struct org_job *job, struct error *e)
{
    if (job->state != ORG_JOB_COMPLETE)
        return error_set(e, ERR_UNSUPPORTED, "%s", job->why.text);
    if (job->processed <= 0) /* many were announced */
        return error_set(e, ERR_UNSUPPORTED, "bulk job %s tells of no records", job->id);
    return ERR_NONE;
}

static enum err poll(struct bulk_query *b, struct error *e)
{
    char id[SFID_SIZE];
    enum err err;
    memcpy(id, b->job.id, sizeof id);
    for (unsigned tries = 1;; tries++) {
        err = job_state(b->conn, JOB_QUERY, id, &b->job, e);
        if (!may_pass(b, err, tries))
            return err;
    }
}

static enum err wait_for_end(struct bulk_query *b, struct error *e)
{
    int64_t until = time_boot_ms() + PATIENCE_MS;
    for (unsigned polls = 0; !org_job_has_ended(&b->job); polls++) {
        if (time_boot_ms() >= until)
            return error_set(e, ERR_UNSUPPORTED, "bulk job %s has not ended within 30 minutes",
                             b->job.id);
        enum err err = org_wait(b->conn, org_poll_delay_ms(b->conn->org, polls), e);
        if (err == ERR_NONE)
            err = poll(b, e);
        if (err != ERR_NONE)
            return err;
    }
    return check_end(&b->job, e);
}

/* A job that is left goes away by itself; trying to be tidy is not worth a failure, nor a wait for
 * an org that just did not answer. */
static void clean_up(struct bulk_query *b, enum err outcome)
{
    struct error why = {0};
    enum err err = ERR_NONE;
    bool may_call = outcome != ERR_STALE && outcome != ERR_STOPPED && outcome != ERR_NETWORK &&
                    outcome != ERR_TIMEOUT && outcome != ERR_AUTH;
    if (b->job.id[0] == '\0' || b->job.state == ORG_JOB_GONE)
        return;
    if (!may_call)
        (void)error_set(&why, outcome, "the reading ended early");
    else if (!org_job_has_ended(&b->job))
        err = job_abort(b->conn, JOB_QUERY, b->job.id, &b->job, &why);
    if (may_call && err == ERR_NONE && b->job.state != ORG_JOB_GONE)
        err = job_delete(b->conn, JOB_QUERY, b->job.id, &why);
    if (!may_call || err != ERR_NONE)
        log_info("a bulk query job was left in the org; it goes away by itself after 7 days", "org",
                 b->conn->org->config->id, "job", b->job.id, "why", why.text, NULL);
}

/* ------------------------------------------------------------------ one page */

static enum err keep_row(void *ctx, const char *const *cell, struct error *e)
{
    struct bulk_query *b = ctx;
    for (size_t i = 0; i < b->columns.count; i++)
        buf_put(&b->cells, cell[i], strlen(cell[i]) + 1);
    if (b->cells.overflow)
        return error_set(e, ERR_FULL, "the page is larger than %d bytes", PAGE_MAX_BYTES);
    b->rows++;
    return ERR_NONE;
}

static bool feed(void *ctx, const char *bytes, size_t n)
{
    return csv_reader_put(ctx, bytes, n);
}

static void results_path(struct buf *path, const struct bulk_query *b)
{
    job_path(path, b->conn->org, JOB_QUERY, b->job.id, "/results");
    buf_printf(path, "?maxRecords=%lld", (long long)b->page_rows);
    if (b->locator[0] != '\0') {
        buf_puts(path, "&locator=");
        buf_put_url(path, b->locator);
    }
}

/* Asks for a page into b->cells. next: the locator of the one after, "" where there is none. */
static enum err fetch(struct bulk_query *b, char next[LOCATOR_MAX], struct error *e)
{
    struct csv_reader reader;
    struct buf path;
    struct answer a;
    buf_clear(&b->cells);
    b->rows = 0;
    results_path(&path, b);
    csv_reader_init(&reader, (const char *const *)b->columns.name, b->columns.count, keep_row, b);
    struct http_sink sink = {feed, &reader};
    struct call call = {
        .operation = "bulk_results",
        .path = path.data,
        .wants = CALL_CSV,
        .sink = &sink,
        .missing = ERR_NOT_FOUND,
    };
    enum err err = org_call(b->conn, &call, &a, e);
    if (reader.err != ERR_NONE)
        err = error_set(e, reader.err, "%s", reader.why.text);
    else if (err == ERR_NONE)
        err = csv_reader_end(&reader, e);
    if (err == ERR_NONE && a.records >= 0 && (uint64_t)a.records != reader.rows)
        err = bad_results(b, "a page has not as many records as its head told", e);
    if (err == ERR_NONE)
        memcpy(next, a.locator, LOCATOR_MAX);
    csv_reader_release(&reader);
    answer_release(&a);
    buf_release(&path);
    return err;
}

static enum err fetch_what_fits(struct bulk_query *b, char next[LOCATOR_MAX], struct error *e)
{
    enum err err = fetch(b, next, e);
    while (err == ERR_FULL && b->page_rows / 2 >= PAGE_ROWS_MIN) {
        b->page_rows /= 2;
        err = fetch(b, next, e);
    }
    return err == ERR_FULL ? bad_results(b, "even a small page of it is too large", e) : err;
}

static enum err fetch_page(struct bulk_query *b, char next[LOCATOR_MAX], struct error *e)
{
    enum err err;
    for (unsigned tries = 1;; tries++) {
        err = fetch_what_fits(b, next, e);
        if (!may_pass(b, err, tries))
            break;
    }
    if (!is_refusal(err))
        return err;
    struct error why = *e;
    return error_set(e, ERR_BUSY, "bulk query %s: its results are gone, it is run again: %s",
                     b->query->from, why.text);
}

/* ------------------------------------------------------------------ giving */

static enum err give_slice(struct bulk_query *b, const char **cells, size_t n, struct error *e)
{
    json_t *records = json_array();
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < n; i++) {
        json_t *record = columns_record(&b->columns, cells, e);
        if (record == NULL)
            err = ERR_NETWORK;
        else
            (void)json_array_append_new(records, record);
    }
    if (err == ERR_NONE)
        err = b->page(b->ctx, records, e);
    json_decref(records);
    return err;
}

static enum err give_page(struct bulk_query *b, struct error *e)
{
    const char *cells = b->cells.data;
    enum err err = ERR_NONE;
    for (size_t at = 0; err == ERR_NONE && at < b->rows;) {
        size_t n = b->rows - at < ORG_PAGE ? b->rows - at : ORG_PAGE;
        err = give_slice(b, &cells, n, e);
        at += n;
    }
    b->given += (int64_t)b->rows;
    return err;
}

static enum err read_results(struct bulk_query *b, struct error *e)
{
    char next[LOCATOR_MAX];
    do {
        enum err err = fetch_page(b, next, e);
        if (err == ERR_NONE && b->given + (int64_t)b->rows > b->job.processed)
            err = bad_results(b, "more records came than the job has", e);
        if (err == ERR_NONE && next[0] != '\0' && (b->rows == 0 || strcmp(next, b->locator) == 0))
            err = bad_results(b, "its pages lead nowhere", e);
        if (err == ERR_NONE)
            err = give_page(b, e);
        if (err != ERR_NONE)
            return err;
        memcpy(b->locator, next, sizeof next);
    } while (next[0] != '\0');
    return b->given == b->job.processed ? ERR_NONE
                                        : bad_results(b, "fewer records came than the job has", e);
}

enum err bulk_walk(struct org_conn *c, const struct query *q, query_page_fn *page, void *ctx,
                   bool *other_way, struct error *e)
{
    struct bulk_query b = {
        .conn = c, .query = q, .page = page, .ctx = ctx, .page_rows = ORG_BULK_PAGE};
    struct error why;
    buf_init(&b.cells, PAGE_MAX_BYTES);
    enum err err = columns_init(&b.columns, c, q, &why);
    if (err == ERR_NONE)
        err = create(&b, &why);
    if (is_refusal(err))
        err = ERR_UNSUPPORTED;
    if (err == ERR_NONE)
        err = wait_for_end(&b, &why);
    *other_way = err == ERR_UNSUPPORTED; /* what comes of the records is another matter */
    if (err == ERR_NONE)
        err = read_results(&b, &why);
    clean_up(&b, err);
    columns_release(&b.columns);
    buf_release(&b.cells);
    return err == ERR_NONE ? ERR_NONE : error_set(e, err, "%s", why.text);
}
