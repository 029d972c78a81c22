/*
 * What became of the rows of an ingest job: three files, each read as its bytes come, each row
 * matched by the key (or id) column, since their order is not that of the upload.
 *
 * Where no row was written, failed rows may speak of the org as a whole (a permission, the object);
 * that must be known before any of them is given, so the file of failures is then read twice: once
 * to count, once to give.
 */
#include "bulk_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "classify_int.h"
#include "csv_int.h"
#include "mem.h"
#include "touchpoints_int.h"

enum { BATCH_ROWS = 1000 };

enum results { SUCCESSFUL, FAILED, UNPROCESSED };

struct results_file {
    const char *operation, *path;
    const char *extra[2]; /* columns beside the key; [1] may be NULL, or both */
    size_t extra_count;
};

static const struct results_file FILES[] = {
    [SUCCESSFUL] = {"bulk_successful", "/successfulResults/", {"sf__Id", "sf__Created"}, 2},
    [FAILED] = {"bulk_failed", "/failedResults/", {"sf__Id", "sf__Error"}, 2},
    [UNPROCESSED] = {"bulk_unprocessed", "/unprocessedrecords/", {NULL}, 0},
};

struct reading {
    struct org_conn *conn;
    enum write_kind kind;
    const struct org_job *job;
    org_ingest_row_fn *each;
    void *ctx;
    /* of the file at hand */
    enum results which;
    struct tally *tally;          /* rows are counted, not given; NULL: given */
    struct org_ingest_row *batch; /* BATCH_ROWS places */
    size_t batched;
};

/* ------------------------------------------------------------------ rows */

static enum err flush(struct reading *r, struct error *e)
{
    size_t n = r->batched;
    r->batched = 0;
    return n == 0 ? ERR_NONE : r->each(r->ctx, r->batch, n, e);
}

static enum err bad_row(const struct reading *r, const char *what, struct error *e)
{
    return error_set(e, ERR_CORRUPT, "%s, job %s: the org's CSV can't be understood: %s",
                     FILES[r->which].operation, r->job->id, what);
}

static bool read_created(const char *text, bool *created)
{
    *created = strcasecmp(text, "true") == 0;
    return *created || strcasecmp(text, "false") == 0;
}

static enum err read_outcome(struct reading *r, const char *const *cell, struct org_row_result *out,
                             struct error *e)
{
    struct verdict v = {.rule = ROW_DONE};
    const char *id = r->which == UNPROCESSED ? "" : cell[1];
    bool has_id = sfid_normalise(id, strlen(id), out->id);
    if (r->which == SUCCESSFUL && !read_created(cell[2], &out->created))
        return bad_row(r, "sf__Created is neither true nor false", e);
    if (r->which == SUCCESSFUL && !has_id)
        return bad_row(r, "sf__Id is not a record's id", e);
    if (r->which == FAILED)
        classify_bulk_row(r->kind, cell[2], &v, out);
    if (r->which == UNPROCESSED) {
        static const char code[] = "UNPROCESSED", text[] = "the job ended before it came to this "
                                                           "row: trying again";
        v.rule = ROW_RETRY;
        memcpy(out->code, code, sizeof code);
        memcpy(out->message, text, sizeof text);
    }
    verdict_settle(&v, out);
    if (r->tally != NULL)
        tally_add(r->tally, &v, out);
    if (out->class == ORG_ROW_DONE)
        out->code[0] = out->message[0] = '\0';
    return ERR_NONE;
}

/* cell: the key, then FILES[].extra. */
static enum err on_row(void *ctx, const char *const *cell, struct error *e)
{
    struct reading *r = ctx;
    struct org_ingest_row *row = &r->batch[r->batched];
    *row = (struct org_ingest_row){0};
    if (!sfid_normalise(cell[0], strlen(cell[0]), row->key))
        return bad_row(r, "a row has not the key that it was sent with", e);
    enum err err = read_outcome(r, cell, &row->result, e);
    if (err != ERR_NONE || r->tally != NULL)
        return err;
    return ++r->batched == BATCH_ROWS ? flush(r, e) : ERR_NONE;
}

/* ------------------------------------------------------------------ one file */

static bool feed(void *ctx, const char *bytes, size_t n)
{
    return csv_reader_put(ctx, bytes, n);
}

/* The answer came whole, so another look may well show the same: this is the job's trouble, not the
 * org's. What a row's receiver says stays as it is. */
static enum err not_understood(const struct reading *r, enum err kind, const char *why,
                               struct error *e)
{
    if (kind != ERR_NETWORK)
        return error_set(e, kind, "%s", why);
    return error_set(e, ERR_CORRUPT, "%s, job %s: %s", FILES[r->which].operation, r->job->id, why);
}

/* expected: how many rows; -1: not known. */
static enum err read_file(struct reading *r, enum results which, int64_t expected, struct error *e)
{
    const struct results_file *f = &FILES[which];
    const char *key = r->kind == WRITE_UPSERT ? touchpoint_field(r->conn->org, TV_KEY) : "Id";
    const char *wanted[] = {key, f->extra[0], f->extra[1]};
    struct csv_reader reader;
    struct error why;

    r->which = which;
    r->batched = 0;
    csv_reader_init(&reader, wanted, 1 + f->extra_count, on_row, r);
    struct http_sink sink = {feed, &reader};
    struct call call = {
        .operation = f->operation, .wants = CALL_CSV, .sink = &sink, .missing = ERR_NOT_FOUND};
    enum err err = job_call(r->conn, &call, JOB_INGEST, r->job->id, f->path, e);
    if (reader.err != ERR_NONE)
        err = not_understood(r, reader.err, reader.why.text, e);
    else if (err == ERR_NONE && (expected > 0 || reader.has_bytes) &&
             csv_reader_end(&reader, &why) != ERR_NONE) /* no rows may be an empty file */
        err = not_understood(r, why.kind, why.text, e);
    if (err == ERR_NONE && expected >= 0 && (uint64_t)expected != reader.rows)
        err = error_set(e, ERR_CORRUPT, "%s, job %s: %zu rows came where the job told of %lld",
                        f->operation, r->job->id, reader.rows, (long long)expected);
    if (err == ERR_NONE)
        err = flush(r, e);
    csv_reader_release(&reader);
    return err;
}

/* ------------------------------------------------------------------ the three of them */

/* A complete job tells how many rows each file has; a failed or aborted one may lag behind. */
static void expect(const struct org_job *job, int64_t uploaded, int64_t rows[3])
{
    bool tells = job->state == ORG_JOB_COMPLETE && job->processed >= 0 && job->failed >= 0 &&
                 job->failed <= job->processed;
    rows[SUCCESSFUL] = tells ? job->processed - job->failed : -1;
    rows[FAILED] = tells ? job->failed : -1;
    rows[UNPROCESSED] = tells && uploaded >= job->processed ? uploaded - job->processed : -1;
}

/* Only where it is known that no row was written. */
static enum err judge_failures(struct reading *r, int64_t failed, struct error *e)
{
    struct tally *tally = mem_alloc(sizeof *tally);
    r->tally = tally;
    enum err err = read_file(r, FAILED, failed, e);
    r->tally = NULL;
    if (err == ERR_NONE)
        err = tally_judge(tally, r->conn->org, r->kind == WRITE_UPSERT ? "upsert" : "delete",
                          r->conn->org->config->schema.name[SCHEMA_TOUCHPOINT], e);
    free(tally);
    return err;
}

enum err org_ingest_results(struct org_conn *c, enum org_ingest kind, const struct org_job *job,
                            int64_t uploaded, org_ingest_row_fn *each, void *ctx, struct error *e)
{
    int64_t rows[3];
    enum err err = ERR_NONE;
    struct reading r = {
        .conn = c,
        .kind = kind == ORG_INGEST_UPSERT ? WRITE_UPSERT : WRITE_DELETE,
        .job = job,
        .each = each,
        .ctx = ctx,
        .batch = mem_array(BATCH_ROWS, sizeof *r.batch),
    };
    assert(org_job_has_ended(job));
    expect(job, uploaded, rows);
    if (rows[SUCCESSFUL] == 0 && rows[FAILED] > 0)
        err = judge_failures(&r, rows[FAILED], e);
    for (size_t which = SUCCESSFUL; err == ERR_NONE && which <= UNPROCESSED; which++) {
        if (rows[which] != 0)
            err = read_file(&r, (enum results)which, rows[which], e);
    }
    free(r.batch);
    return err;
}
