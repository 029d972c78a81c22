/*
 * Ingest jobs: upserts by the key, and deletions. Nothing is written before the close; what it
 * wrote is told by ingest_results.c.
 */
#include "bulk_int.h"

#include <stdlib.h>
#include <string.h>

#include "csv_int.h"
#include "touchpoints_int.h"

/* ------------------------------------------------------------------ the upload */

void org_ingest_header(const struct org *o, enum org_ingest kind, struct buf *out)
{
    if (kind == ORG_INGEST_DELETE) {
        buf_puts(out, "Id\n");
        return;
    }
    for (size_t v = 0; v < TV_COUNT; v++) {
        if (v > 0)
            buf_putc(out, ',');
        buf_puts(out, touchpoint_field(o, (enum touchpoint_value)v));
    }
    buf_putc(out, '\n');
}

/* Put whole or not at all. */
enum err org_ingest_upsert_row(const struct org *o, const struct touchpoint *row, struct buf *out,
                               struct error *e)
{
    size_t before = out->len;
    for (size_t v = 0; v < TV_COUNT; v++) {
        if (v > 0)
            buf_putc(out, ',');
        if (csv_put_cell(out, row->value[v]))
            continue;
        out->len = before;
        out->data[before] = '\0';
        return error_set(e, ERR_UNSUPPORTED, "a CSV can't say this value of %s",
                         touchpoint_field(o, (enum touchpoint_value)v));
    }
    buf_putc(out, '\n');
    return ERR_NONE;
}

void org_ingest_delete_row(const char id[SFID_SIZE], struct buf *out)
{
    buf_printf(out, "%s\n", id);
}

/* ------------------------------------------------------------------ the job */

enum err org_ingest_create(struct org_conn *c, enum org_ingest kind, struct org_job *out,
                           struct error *e)
{
    const struct org *o = c->org;
    bool is_upsert = kind == ORG_INGEST_UPSERT;
    json_t *root =
        json_pack("{s:s,s:s,s:s,s:s,s:s}", "object", o->config->schema.name[SCHEMA_TOUCHPOINT],
                  "operation", is_upsert ? "upsert" : "delete", "contentType", "CSV", "lineEnding",
                  "LF", "columnDelimiter", "COMMA");
    if (is_upsert)
        (void)json_object_set_new(root, "externalIdFieldName",
                                  json_string(touchpoint_field(o, TV_KEY)));
    char *body = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    enum err err = body == NULL
                       ? error_set(e, ERR_INTERNAL, "bulk_create: a name can't be written as JSON")
                       : job_create(c, JOB_INGEST, body, out, e);
    free(body);
    json_decref(root);
    return err;
}

static enum err size_of(FILE *csv, size_t *bytes, struct error *e)
{
    off_t size = -1;
    if (fflush(csv) == 0 && fseeko(csv, 0, SEEK_END) == 0)
        size = ftello(csv);
    if (size < 0)
        return error_errno(e, "bulk_upload: the file");
    if (size == 0 || size > ORG_UPLOAD_MAX_BYTES)
        return error_set(e, ERR_INTERNAL, "bulk_upload: a file of %lld bytes; allowed are 1 to %d",
                         (long long)size, ORG_UPLOAD_MAX_BYTES);
    *bytes = (size_t)size;
    return ERR_NONE;
}

enum err org_ingest_upload(struct org_conn *c, const char *id, FILE *csv, struct error *e)
{
    struct call call = {
        .operation = "bulk_upload",
        .method = "PUT",
        .file = csv,
        .wants = CALL_NOTHING,
        .missing = ERR_NOT_FOUND,
    };
    enum err err = size_of(csv, &call.file_bytes, e);
    return err == ERR_NONE ? job_call(c, &call, JOB_INGEST, id, "/batches", e) : err;
}

enum err org_ingest_close(struct org_conn *c, const char *id, struct org_job *out, struct error *e)
{
    return job_close(c, id, out, e);
}

enum err org_ingest_abort(struct org_conn *c, const char *id, struct org_job *out, struct error *e)
{
    return job_abort(c, JOB_INGEST, id, out, e);
}

enum err org_ingest_state(struct org_conn *c, const char *id, struct org_job *out, struct error *e)
{
    return job_state(c, JOB_INGEST, id, out, e);
}
