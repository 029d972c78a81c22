/*
 * Writing by bulk jobs what is too much for calls of a thousand: upserts from the spool, deletions
 * from the list of the doomed. A job is parallel inside and can lock itself out on one campaign:
 * what met a lock goes into a second and third job, and then one call after the other by Composite.
 */
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define SPOOL_FAILED "a temporary file in /var/tmp for a bulk job"

enum { JOBS_A_ROW = 3, LINE_MAX_BYTES = 400000 };

struct upload {
    FILE *csv;
    int64_t rows;
    size_t bytes;
};

static enum err upload_start(struct upload *u, const struct pass *p, enum org_ingest kind,
                             struct error *e)
{
    struct buf line;
    *u = (struct upload){.csv = spool_file(e)};
    if (u->csv == NULL)
        return e->kind;
    buf_init(&line, LINE_MAX_BYTES);
    org_ingest_header(p->org, kind, &line);
    bool ok = fwrite(line.data, line.len, 1, u->csv) == 1;
    u->bytes = line.len;
    buf_release(&line);
    return ok ? ERR_NONE : error_errno(e, SPOOL_FAILED);
}

static enum err upload_put(struct upload *u, const struct buf *line, struct error *e)
{
    if (fwrite(line->data, line->len, 1, u->csv) != 1)
        return error_errno(e, SPOOL_FAILED);
    u->bytes += line->len;
    u->rows++;
    return ERR_NONE;
}

static enum err upload_run(struct upload *u, struct pass *p, enum org_ingest kind,
                           org_ingest_row_fn *each, void *ctx, struct error *e)
{
    if (u->rows == 0)
        return ERR_NONE;
    if (fflush(u->csv) != 0)
        return error_errno(e, SPOOL_FAILED);
    rewind(u->csv);
    return bulk_run_job(p, kind, u->csv, u->rows, each, ctx, e);
}

static void upload_end(struct upload *u)
{
    if (u->csv != NULL)
        (void)fclose(u->csv);
    *u = (struct upload){0};
}

/* Another job may help, or comes to it at all. */
static bool is_worth_another(const struct org_row_result *r)
{
    return r->class == ORG_ROW_RETRY &&
           (strcmp(r->code, "UNABLE_TO_LOCK_ROW") == 0 || strcmp(r->code, "UNPROCESSED") == 0);
}

/* ------------------------------------------------------------------ upserts */

/* One row of the ledger; the texts of the spool's row are copied, since
 * the next read moves them. */
static void put_in_ledger(struct pass *p, const struct spool_row *row,
                          const struct org_row_result *r, struct store_ledger_row *out)
{
    const char *action = r->created ? "created" : "updated";
    *out = (struct store_ledger_row){
        .campaign_id = p->claim->key,
        .member_id = mem_strdup(row->touchpoint.value[TV_KEY]),
        .action = action,
        .touchpoint_id = r->id,
        .before_json = row->before[0] == '\0' ? NULL : mem_strdup(row->before),
        .after_json = row->after[0] == '\0' ? NULL : mem_strdup(row->after),
        .cause = pass_cause(p, row->touchpoint.value[TV_KEY]),
    };
    write_count(p, action, 1);
}

static void free_ledger(struct store_ledger_row *ledger, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)ledger[i].member_id);
        free((void *)(uintptr_t)ledger[i].before_json);
        free((void *)(uintptr_t)ledger[i].after_json);
    }
    free(ledger);
}

static enum err settle_upserts(struct pass *p, const struct org_ingest_row *rows, size_t n,
                               struct error *e)
{
    struct store_ledger_row *ledger = mem_array(n, sizeof *ledger);
    size_t count = 0;
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < n; i++) {
        struct spool_entry *entry = spool_find(&p->spool, rows[i].key);
        struct spool_row row;
        if (entry == NULL || entry->is_settled || is_worth_another(&rows[i].result))
            continue;
        if (rows[i].result.class == ORG_ROW_DONE) {
            err = spool_read(&p->spool, entry, &row, e);
            if (err == ERR_NONE)
                put_in_ledger(p, &row, &rows[i].result, &ledger[count++]);
        } else {
            write_failed(p, rows[i].key, &rows[i].result);
        }
        spool_settle(&p->spool, entry);
    }
    if (err == ERR_NONE && count > 0)
        err = store_write_end(p->options->store, p->claim, ledger, count, e);
    free_ledger(ledger, count);
    return err;
}

static enum err on_upserts(void *ctx, const struct org_ingest_row *rows, size_t n, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t at = 0; err == ERR_NONE && at < n; at += STORE_SLICE_MAX)
        err =
            settle_upserts(ctx, rows + at, n - at < STORE_SLICE_MAX ? n - at : STORE_SLICE_MAX, e);
    return err;
}

/* Adds one row to the upload, which is sent first when it would become too large. */
static enum err add_upsert(struct pass *p, struct upload *u, const struct spool_entry *entry,
                           struct buf *line, struct error *e)
{
    struct spool_row row;
    struct error unsaid;
    enum err err = spool_read(&p->spool, entry, &row, e);
    buf_clear(line);
    if (err != ERR_NONE ||
        org_ingest_upsert_row(p->org, &row.touchpoint, line, &unsaid) != ERR_NONE)
        return err; /* what CSV can't say goes by Composite at the end */
    if (u->bytes + line->len > ORG_UPLOAD_MAX_BYTES) {
        err = upload_run(u, p, ORG_INGEST_UPSERT, on_upserts, p, e);
        upload_end(u);
        if (err == ERR_NONE)
            err = upload_start(u, p, ORG_INGEST_UPSERT, e);
    }
    return err == ERR_NONE ? upload_put(u, line, e) : err;
}

static enum err upsert_by_jobs(struct pass *p, struct error *e)
{
    struct upload u;
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    enum err err = upload_start(&u, p, ORG_INGEST_UPSERT, e);
    for (size_t i = 0; err == ERR_NONE && i < p->spool.count; i++) {
        if (!p->spool.entries[i].is_settled)
            err = add_upsert(p, &u, &p->spool.entries[i], &line, e);
    }
    if (err == ERR_NONE)
        err = upload_run(&u, p, ORG_INGEST_UPSERT, on_upserts, p, e);
    upload_end(&u);
    buf_release(&line);
    return err;
}

static enum err upsert_by_calls(struct pass *p, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < p->spool.count; i++) {
        struct spool_row row;
        if (p->spool.entries[i].is_settled)
            continue;
        err = spool_read(&p->spool, &p->spool.entries[i], &row, e);
        if (err == ERR_NONE)
            err = write_by_call(p, &row.touchpoint, row.touchpoint.value[TV_KEY],
                                row.before[0] == '\0' ? NULL : mem_strdup(row.before),
                                mem_strdup(row.after), e);
    }
    return err == ERR_NONE ? write_flush(p, e) : err;
}

enum err bulk_upserts(struct pass *p, struct error *e)
{
    enum err err = spool_seal(&p->spool, e);
    for (int job = 0; err == ERR_NONE && job < JOBS_A_ROW && p->spool.pending > BULK_FROM_ROWS;
         job++)
        err = upsert_by_jobs(p, e);
    if (err == ERR_NONE || err == ERR_UNSUPPORTED)
        err = upsert_by_calls(p, e);
    spool_release(&p->spool);
    return err;
}

/* ------------------------------------------------------------------ deletions */

static int by_record(const void *a, const void *b)
{
    return strcmp(((const struct doomed *)a)->id, ((const struct doomed *)b)->id);
}

static enum err settle_deletes(struct pass *p, const struct org_ingest_row *rows, size_t n,
                               struct error *e)
{
    struct doomed *done = mem_array(n, sizeof *done);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct doomed like = {0};
        memcpy(like.id, rows[i].key, sizeof like.id);
        struct doomed *d = bsearch(&like, p->doomed, p->doomed_count, sizeof *p->doomed, by_record);
        if (d == NULL || d->is_settled || is_worth_another(&rows[i].result))
            continue;
        d->is_settled = true;
        if (rows[i].result.class == ORG_ROW_DONE)
            done[count++] = *d;
        else
            write_failed(p, d->member_id, &rows[i].result);
    }
    enum err err = count == 0 ? ERR_NONE : write_deleted(p, done, count, e);
    free(done);
    return err;
}

static enum err on_deletes(void *ctx, const struct org_ingest_row *rows, size_t n, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t at = 0; err == ERR_NONE && at < n; at += STORE_SLICE_MAX)
        err =
            settle_deletes(ctx, rows + at, n - at < STORE_SLICE_MAX ? n - at : STORE_SLICE_MAX, e);
    return err;
}

/* A million ids are 19 MB: one upload. */
static enum err delete_by_job(struct pass *p, struct error *e)
{
    struct upload u;
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    enum err err = upload_start(&u, p, ORG_INGEST_DELETE, e);
    for (size_t i = 0; err == ERR_NONE && i < p->doomed_count; i++) {
        if (p->doomed[i].is_settled || u.bytes + SFID_SIZE > ORG_UPLOAD_MAX_BYTES)
            continue;
        buf_clear(&line);
        org_ingest_delete_row(p->doomed[i].id, &line);
        err = upload_put(&u, &line, e);
    }
    if (err == ERR_NONE)
        err = upload_run(&u, p, ORG_INGEST_DELETE, on_deletes, p, e);
    upload_end(&u);
    buf_release(&line);
    return err;
}

static void drop_settled(struct pass *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->doomed_count; i++) {
        if (!p->doomed[i].is_settled)
            p->doomed[kept++] = p->doomed[i];
    }
    p->doomed_count = kept;
}

enum err bulk_deletes(struct pass *p, struct error *e)
{
    enum err err = ERR_NONE;
    for (int job = 0;
         err == ERR_NONE && job < JOBS_A_ROW && p->doomed_count > (size_t)BULK_FROM_ROWS; job++) {
        qsort(p->doomed, p->doomed_count, sizeof *p->doomed, by_record);
        err = delete_by_job(p, e);
        drop_settled(p);
    }
    return err == ERR_UNSUPPORTED ? ERR_NONE : err;
}
