/*
 * The job resource: made, looked at, moved on, deleted. What a job that failed means is judged by
 * its message, in bulk_errors.c.
 */
#include "bulk_int.h"

#include <string.h>

#include "classify_int.h"
#include "json_int.h"

void job_path(struct buf *path, const struct org *o, enum job_kind kind, const char *id,
              const char *rest)
{
    call_path(path, o, kind == JOB_QUERY ? "/jobs/query" : "/jobs/ingest");
    if (id != NULL)
        buf_printf(path, "/%s", id);
    buf_puts(path, rest);
}

/* ------------------------------------------------------------------ what a job says of itself */

static bool read_state(const char *text, enum org_job_state *out)
{
    static const char *const names[] = {
        [ORG_JOB_OPEN] = "Open",          [ORG_JOB_QUEUED] = "UploadComplete",
        [ORG_JOB_RUNNING] = "InProgress", [ORG_JOB_COMPLETE] = "JobComplete",
        [ORG_JOB_FAILED] = "Failed",      [ORG_JOB_ABORTED] = "Aborted",
    };
    for (size_t i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (enum org_job_state)i;
            return true;
        }
    }
    return false;
}

static int64_t read_count(json_t *root, const char *name)
{
    json_t *count = json_object_get(root, name);
    return json_is_integer(count) && json_integer_value(count) >= 0 ? json_integer_value(count)
                                                                    : -1;
}

/* id: of the job that was asked about; NULL: a new one. False: not understood. */
static bool read_job(json_t *root, const char *id, struct org_job *out)
{
    struct org_job job = {0};
    const char *own = json_text(root, "id");
    if (own == NULL || !sfid_normalise(own, strlen(own), job.id) ||
        (id != NULL && strcmp(job.id, id) != 0) ||
        !read_state(json_text(root, "state"), &job.state))
        return false;
    job.processed = read_count(root, "numberRecordsProcessed");
    job.failed = read_count(root, "numberRecordsFailed");
    if (job.state == ORG_JOB_FAILED)
        job.failure = classify_job(job.id, json_text(root, "errorMessage"), &job.why);
    else if (job.state == ORG_JOB_ABORTED)
        job.failure = error_set(&job.why, ERR_BUSY, "bulk job %s was aborted", job.id);
    *out = job;
    return true;
}

static void set_gone(const char *id, struct org_job *out)
{
    *out = (struct org_job){.state = ORG_JOB_GONE, .processed = -1, .failed = -1};
    memcpy(out->id, id, strnlen(id, SFID_LEN));
    out->failure = error_set(&out->why, ERR_BUSY, "bulk job %s is gone: deleted, or too old", id);
}

bool org_job_has_ended(const struct org_job *job)
{
    return job->state >= ORG_JOB_COMPLETE;
}

/* ------------------------------------------------------------------ calls */

static enum err check_id(const struct call *call, const char *id, struct error *e)
{
    char checked[SFID_SIZE];
    if (id == NULL || (sfid_normalise(id, strlen(id), checked) && strcmp(id, checked) == 0))
        return ERR_NONE;
    return error_set(e, ERR_INVALID, "%s: this is not the id of a job", call->operation);
}

/* rest: of the path. a: caller's to release on success. */
static enum err call_at(struct org_conn *c, struct call *call, enum job_kind kind, const char *id,
                        const char *rest, struct answer *a, struct error *e)
{
    struct buf path;
    *a = (struct answer){0};
    enum err err = check_id(call, id, e);
    if (err != ERR_NONE)
        return err;
    job_path(&path, c->org, kind, id, rest);
    call->path = path.data;
    err = org_call(c, call, a, e);
    call->path = NULL;
    buf_release(&path);
    return err;
}

enum err job_call(struct org_conn *c, struct call *call, enum job_kind kind, const char *id,
                  const char *rest, struct error *e)
{
    struct answer a;
    enum err err = call_at(c, call, kind, id, rest, &a, e);
    answer_release(&a);
    return err;
}

/* The kind of an answer that is JSON, but no description of the job. */
static enum err misdescribed(const struct call *call, enum job_kind kind, const char *id)
{
    if (call->is_write)
        return ERR_UNKNOWN_OUTCOME;
    return kind == JOB_INGEST && id != NULL ? ERR_CORRUPT : ERR_NETWORK;
}

/* A call that is answered with a description of the job. code: of a refusal; may be NULL. */
static enum err described(struct org_conn *c, struct call *call, enum job_kind kind, const char *id,
                          struct org_job *out, char code[CODE_MAX], struct error *e)
{
    struct answer a;
    enum err err = call_at(c, call, kind, id, "", &a, e);
    if (err == ERR_NONE && !read_job(a.root, id, out))
        err = error_set(e, misdescribed(call, kind, id),
                        "%s: the org's answer is no description of the job", call->operation);
    if (code != NULL)
        memcpy(code, a.code, CODE_MAX);
    answer_release(&a);
    return err;
}

enum err job_create(struct org_conn *c, enum job_kind kind, const char *body, struct org_job *out,
                    struct error *e)
{
    struct call call = {
        .operation = kind == JOB_QUERY ? "bulk_query" : "bulk_create",
        .body = body,
        .wants = CALL_MADE,
        .missing = ERR_UNSUPPORTED,
    };
    return described(c, &call, kind, NULL, out, NULL, e);
}

enum err job_state(struct org_conn *c, enum job_kind kind, const char *id, struct org_job *out,
                   struct error *e)
{
    struct call call = {.operation = "bulk_state", .missing = ERR_NOT_FOUND};
    enum err err = described(c, &call, kind, id, out, NULL, e);
    if (err != ERR_NOT_FOUND)
        return err;
    set_gone(id, out);
    return ERR_NONE;
}

enum err job_close(struct org_conn *c, const char *id, struct org_job *out, struct error *e)
{
    struct call call = {
        .operation = "bulk_close",
        .method = "PATCH",
        .body = "{\"state\":\"UploadComplete\"}",
        .missing = ERR_NOT_FOUND,
        .is_write = true,
    };
    return described(c, &call, JOB_INGEST, id, out, NULL, e);
}

/* A job that has ended can't be aborted; then how it ended is what is asked for. */
enum err job_abort(struct org_conn *c, enum job_kind kind, const char *id, struct org_job *out,
                   struct error *e)
{
    char code[CODE_MAX];
    struct call call = {
        .operation = "bulk_abort",
        .method = "PATCH",
        .body = "{\"state\":\"Aborted\"}",
        .missing = ERR_NOT_FOUND,
    };
    enum err err = described(c, &call, kind, id, out, code, e);
    if (err == ERR_NOT_FOUND || (err == ERR_INVALID && code_contains(code, "InvalidJobState")))
        return job_state(c, kind, id, out, e);
    return err;
}

enum err job_delete(struct org_conn *c, enum job_kind kind, const char *id, struct error *e)
{
    struct call call = {
        .operation = "bulk_delete",
        .method = "DELETE",
        .wants = CALL_NOTHING,
        .missing = ERR_NOT_FOUND,
    };
    enum err err = job_call(c, &call, kind, id, "", e);
    return err == ERR_NOT_FOUND ? ERR_NONE : err;
}
