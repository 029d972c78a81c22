/*
 * Loads: creation, upload, and finding the rows. The upload is kept as it came; a row is its place
 * in it and what became of it.
 */
#include "bulk_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "describe.h"
#include "mem.h"
#include "multipart.h"
#include "stats.h"
#include "text.h"

/* Base64, as an org measures it: 150 MB. */
static const size_t UPLOAD_MAX = 112500000;
enum { MULTIPART_MAX = 100000 };

void job_load_release(struct job_load *l)
{
    for (size_t i = 0; i < l->row_count; i++)
        free(l->rows[i].error);
    free(l->rows);
    free(l->order);
    free(l->data);
}

/* ------------------------------------------------------------------ creation and upload */

static bool read_object(struct sim *sim, struct job *j, const json_t *body, struct sim_reply *reply)
{
    const char *name = json_string_value(json_object_get(body, "object"));
    const char *key = json_string_value(json_object_get(body, "externalIdFieldName"));
    j->object = name == NULL ? NULL : object_find(name);
    if (j->object == NULL || sim->access.none[j->object->id]) {
        bulk_refuse(reply, "INVALIDJOB", "Unable to find object: %.80s", name == NULL ? "" : name);
        return false;
    }
    if (j->operation != JOB_UPSERT)
        return true;
    j->key = key == NULL ? NULL : object_field(j->object, key);
    if (j->key != NULL && (j->key == &j->object->fields[FIELD_ID] ||
                           (describe_is_external(sim, j->object, j->key) &&
                            !sim->access.no_field[j->object->id][field_index(j->object, j->key)])))
        return true;
    bulk_refuse(reply, "INVALIDJOB",
                "Field name provided, %.80s does not match an External ID, "
                "Salesforce Id, or indexed field for %s",
                key == NULL ? "null" : key, j->object->name);
    return false;
}

static bool may_load(struct sim *sim, const struct job *j, struct sim_reply *reply)
{
    if (j->operation == JOB_HARD_DELETE && !sim->access.bulk_hard_delete)
        bulk_refuse(reply, "FEATURENOTENABLED",
                    "hardDelete operation requires special user profile permission, please "
                    "contact your system administrator");
    else if (stats_batches_left(sim->stats, sim_clock_ms(&sim->clock)) == 0)
        bulk_refuse(reply, "EXCEEDEDQUOTA", "ApiBatchItems Limit exceeded.");
    else
        return true;
    return false;
}

static void take_data(struct job *j, const char *data, size_t n)
{
    j->load.data = mem_alloc(n + 1);
    memcpy(j->load.data, data, n);
    j->load.data_len = n;
}

/* The job of a request: its body, or the part `job` beside the part `content`. */
static json_t *job_body(const struct sim_request *r, struct part *content, struct sim_reply *reply)
{
    struct sim_request inner = *r;
    struct part job;
    *content = (struct part){.at = NULL};
    if (r->content_type == NULL || strncasecmp(r->content_type, "multipart/form-data", 19) != 0)
        return sim_request_json(r, reply);
    if (!multipart_find(r->content_type, r->body, r->body_len, "job", &job) ||
        !multipart_find(r->content_type, r->body, r->body_len, "content", content)) {
        bulk_refuse(reply, "CLIENTINPUTERROR", "The parts job and content are required");
        return NULL;
    }
    if (content->n > MULTIPART_MAX) {
        bulk_refuse(reply, "CLIENTINPUTERROR", "The content may have up to %d characters",
                    MULTIPART_MAX);
        return NULL;
    }
    inner.content_type = NULL;
    inner.body = job.at;
    inner.body_len = job.n;
    return sim_request_json(&inner, reply);
}

void bulk_create(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct part content;
    json_t *body = job_body(r, &content, reply);
    struct job *j = body == NULL ? NULL : job_new(sim->bulk, r, body, reply);
    if (j != NULL && read_object(sim, j, body, reply) && may_load(sim, j, reply)) {
        job_keep(sim->bulk, j);
        if (content.at != NULL) {
            take_data(j, content.at, content.n);
            job_enqueue(sim->bulk, j);
        }
        sim_reply_json(reply, 200, job_json(sim, j, false));
    } else {
        job_free(&j);
    }
    json_decref(body);
}

void bulk_upload(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct job *j = job_of(sim, r, reply);
    if (j == NULL)
        return;
    struct job_load *l = &j->load;
    if (j->state != JOB_OPEN) {
        bulk_refuse(reply, "INVALIDJOBSTATE",
                    "Uploading data to a Job that is not Open not allowed");
    } else if (l->data != NULL) {
        bulk_refuse(reply, "CLIENTINPUTERROR",
                    "Found multiple contents for job: <%s>, please 'Close' / 'Abort' / 'Delete' "
                    "the current Job then create a new Job and make sure you only do 'PUT' once "
                    "on a given Job.",
                    j->id);
    } else if (r->content_type == NULL || strncasecmp(r->content_type, "text/csv", 8) != 0) {
        sim_reply_error(reply, 415, "UNSUPPORTED_MEDIA_TYPE", "Content type not supported: %.100s",
                        r->content_type == NULL ? "" : r->content_type);
    } else if (r->body_len > UPLOAD_MAX) {
        sim_reply_error(reply, 413, "REQUEST_ENTITY_TOO_LARGE",
                        "The data of a job may have up to 150 MB as base64");
    } else {
        take_data(j, r->body, r->body_len);
        sim_reply_text(reply, 201, NULL, "");
    }
}

/* ------------------------------------------------------------------ reading the file */

static bool fail_job(struct bulk *b, struct job *j, const char *why, const char *what)
{
    char text[320];
    snprintf(text, sizeof text, "%s%.120s", why, what);
    job_finish(b, j, JOB_FAILED, text);
    return false;
}

static bool add_column(struct bulk *b, struct job *j, const char *name)
{
    struct job_load *l = &j->load;
    const struct field *f = object_field(j->object, name);
    if (f == NULL || b->sim->access.no_field[j->object->id][field_index(j->object, f)])
        return fail_job(b, j, "InvalidBatch : Field name not found : ", name);
    for (size_t i = 0; i < l->column_count; i++) {
        if (l->columns[i] == f)
            return fail_job(b, j, "InvalidBatch : Duplicate field name : ", name);
    }
    l->columns[l->column_count++] = f;
    return true;
}

static bool read_header(struct bulk *b, struct job *j)
{
    struct job_load *l = &j->load;
    char *names[BULK_COLUMNS_MAX];
    if (l->header.bad)
        return fail_job(b, j, "InvalidBatch : ", "the header's quotes are wrong");
    size_t count = csv_split(&j->format, &l->header, names, BULK_COLUMNS_MAX);
    bool ok = true;
    for (size_t i = 0; ok && i < count && i < BULK_COLUMNS_MAX; i++)
        ok = add_column(b, j, names[i]);
    free(names[0]);
    bool deletes = j->operation == JOB_DELETE || j->operation == JOB_HARD_DELETE;
    if (ok && deletes && (l->column_count != 1 || l->columns[0] != &j->object->fields[FIELD_ID]))
        return fail_job(b, j, "InvalidBatch : ", "delete batches must contain only ids");
    return ok;
}

static void add_row(struct job_load *l, const struct csv_row *row)
{
    if ((l->row_count & (l->row_count - 1)) == 0)
        l->rows = mem_resize(l->rows, l->row_count == 0 ? 1 : 2 * l->row_count, sizeof *l->rows);
    l->rows[l->row_count++] = (struct load_row){
        .at = (uint32_t)(row->at - l->data), .n = (uint32_t)row->n, .bad = row->bad};
}

/* The chunks in an order that follows from the job's number alone. */
static void shuffle(struct job_load *l, uint64_t dice)
{
    l->chunk_count = (l->row_count + BULK_CHUNK - 1) / BULK_CHUNK;
    l->order = mem_array(l->chunk_count + 1, sizeof *l->order);
    for (size_t i = 0; i < l->chunk_count; i++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        size_t k = (size_t)((dice >> 33) % (i + 1));
        l->order[i] = l->order[k];
        l->order[k] = (uint32_t)i;
    }
}

/* Finds header and rows; false if the job has failed. */
bool job_read_file(struct bulk *b, struct job *j)
{
    struct job_load *l = &j->load;
    const char *at = l->data, *end = l->data + l->data_len;
    struct csv_row row = {.n = 0};
    if (l->data == NULL)
        return fail_job(b, j, "ClientInputError : ", "the job has no data");
    if (!text_is_utf8(l->data, l->data_len))
        return fail_job(b, j, "ClientInputError : ", "the data are not UTF-8");
    enum csv_step step = csv_next_row(&j->format, &at, end, &l->header);
    if (step == CSV_END)
        return fail_job(b, j, "ClientInputError : ", "the file is empty");
    if (step == CSV_ROW && !read_header(b, j))
        return false;
    while (step == CSV_ROW && (step = csv_next_row(&j->format, &at, end, &row)) == CSV_ROW)
        add_row(l, &row);
    if (step == CSV_WRONG_ENDING)
        return fail_job(b, j,
                        "ClientInputError : LineEnding is invalid on user data. Current "
                        "LineEnding setting is ",
                        j->format.crlf ? "CRLF" : "LF");
    shuffle(l, j->lock);
    stats_add_batches(b->sim->stats, (l->row_count + BULK_BATCH - 1) / BULK_BATCH,
                      sim_clock_ms(&b->sim->clock));
    return true;
}
