/* The list of jobs, what is shown of them, and the changes of state that a client may ask for. */
#include "bulk_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ids.h"
#include "locks.h"
#include "mem.h"
#include "values.h"

static const char *const STATES[] = {"Open",        "UploadComplete", "InProgress",
                                     "JobComplete", "Failed",         "Aborted"};

static const struct {
    const char *name, *fault_name;
} OPERATIONS[JOB_OPERATIONS] = {
    {"insert", "bulk_insert"}, {"update", "bulk_update"},          {"upsert", "bulk_upsert"},
    {"delete", "bulk_delete"}, {"hardDelete", "bulk_hard_delete"}, {"query", "query_job"},
    {"queryAll", "query_job"},
};

static const struct {
    const char *name;
    char character;
} DELIMITERS[] = {{"COMMA", ','}, {"SEMICOLON", ';'}, {"PIPE", '|'},
                  {"TAB", '\t'},  {"CARET", '^'},     {"BACKQUOTE", '`'}};

static const int64_t OPEN_MAX_MS = 86400000, KEPT_MS = 7 * 86400000LL;

const char *job_operation_name(enum job_operation o)
{
    return OPERATIONS[o].fault_name;
}

void bulk_refuse(struct sim_reply *reply, const char *code, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sim_reply_error(reply, 400, code, "%s", text);
}

/* ------------------------------------------------------------------ the list of jobs */

void job_free(struct job **j)
{
    if (*j == NULL)
        return;
    job_load_release(&(*j)->load);
    job_query_release(&(*j)->query);
    free(*j);
    *j = NULL;
}

static void forget(struct bulk *b, size_t at)
{
    locks_release(b->sim->locks, b->jobs[at]->lock);
    job_free(&b->jobs[at]);
    memmove(&b->jobs[at], &b->jobs[at + 1], (--b->count - at) * sizeof b->jobs[0]);
}

/* What is open too long fails, what is kept too long goes, and if the list is full the oldest. */
static void tidy(struct bulk *b)
{
    int64_t now = sim_clock_ms(&b->sim->clock);
    for (size_t i = 0; i < b->count; i++) {
        struct job *j = b->jobs[i];
        if (j->state == JOB_OPEN && now - j->created_ms > OPEN_MAX_MS)
            job_finish(b, j, JOB_FAILED, "InvalidJobState : the job was open for over 24 hours");
        if (job_is_over(j) && (now - j->created_ms > KEPT_MS || b->count == BULK_JOBS_MAX))
            forget(b, i--);
    }
}

void job_keep(struct bulk *b, struct job *j)
{
    tidy(b);
    if (b->count == BULK_JOBS_MAX) /* all of them are in work */
        forget(b, 0);
    sim_id_make("750", ++b->last_id, j->id);
    b->stats[job_is_query(j)].created++;
    b->jobs[b->count++] = j;
}

static bool is_query_path(const struct sim_request *r)
{
    return strcmp(r->args[1], "query") == 0;
}

static size_t find(const struct bulk *b, const struct sim_request *r)
{
    char id[SFID_SIZE];
    if (!sfid_normalise(r->args[2], strlen(r->args[2]), id))
        return b->count;
    for (size_t i = 0; i < b->count; i++) {
        if (strcmp(b->jobs[i]->id, id) == 0 && job_is_query(b->jobs[i]) == is_query_path(r))
            return i;
    }
    return b->count;
}

struct job *job_of(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    tidy(sim->bulk);
    size_t at = find(sim->bulk, r);
    if (at < sim->bulk->count)
        return sim->bulk->jobs[at];
    sim_reply_not_found(reply);
    return NULL;
}

/* ------------------------------------------------------------------ creation */

static const char *text_of(const json_t *body, const char *name, const char *otherwise)
{
    const json_t *v = json_object_get(body, name);
    return v == NULL || json_is_null(v) ? otherwise : json_string_value(v);
}

static bool read_format(struct job *j, const json_t *body, struct sim_reply *reply)
{
    const char *ending = text_of(body, "lineEnding", "LF");
    const char *delimiter = text_of(body, "columnDelimiter", "COMMA");
    const char *type = text_of(body, "contentType", "CSV");
    size_t n = sizeof DELIMITERS / sizeof DELIMITERS[0];
    for (j->delimiter = 0; j->delimiter < n; j->delimiter++) {
        if (delimiter != NULL && strcmp(DELIMITERS[j->delimiter].name, delimiter) == 0)
            break;
    }
    const char *wrong = NULL;
    if (ending == NULL || (strcmp(ending, "LF") != 0 && strcmp(ending, "CRLF") != 0))
        wrong = "lineEnding";
    else if (j->delimiter == n)
        wrong = "columnDelimiter";
    else if (type == NULL || strcmp(type, "CSV") != 0)
        wrong = "contentType";
    if (wrong != NULL) {
        bulk_refuse(reply, "INVALIDJOB", "Unable to parse Job: %s has a value that is unknown",
                    wrong);
        return false;
    }
    j->format = (struct csv_format){DELIMITERS[j->delimiter].character, strcmp(ending, "LF") != 0};
    return true;
}

static bool read_operation(struct job *j, const json_t *body, bool query, struct sim_reply *reply)
{
    const char *name = text_of(body, "operation", "");
    for (size_t i = 0; name != NULL && i < JOB_OPERATIONS; i++) {
        j->operation = (enum job_operation)i;
        if (strcmp(OPERATIONS[i].name, name) == 0 && job_is_query(j) == query)
            return true;
    }
    bulk_refuse(reply, "INVALIDJOB", "Unable to parse Job: operation is missing or unknown");
    return false;
}

struct job *job_new(struct bulk *b, const struct sim_request *r, const json_t *body,
                    struct sim_reply *reply)
{
    struct job *j = mem_alloc(sizeof *j);
    snprintf(j->version, sizeof j->version, "%s", r->version);
    j->created_ms = j->changed_ms = sim_clock_second_ms(&b->sim->clock);
    if (!read_operation(j, body, is_query_path(r), reply) || !read_format(j, body, reply))
        job_free(&j);
    return j;
}

/* ------------------------------------------------------------------ what is shown of a job */

static json_t *datetime(int64_t at_ms)
{
    static const struct field f = {.name = "", .type = FIELD_DATETIME};
    struct value v = {.kind = VALUE_INT, .i = at_ms};
    return value_to_json(&f, &v);
}

/* What only the job's own resource shows. */
static void add_progress(json_t *json, const struct job *j)
{
    json_object_set_new(json, "jobType", json_string(job_is_query(j) ? "V2Query" : "V2Ingest"));
    json_object_set_new(json, "retries", json_integer(0));
    json_object_set_new(json, "totalProcessingTime", json_integer(j->active_ms));
    json_object_set_new(json, "numberRecordsProcessed", json_integer((json_int_t)j->processed));
    if (job_is_query(j))
        return;
    json_object_set_new(json, "numberRecordsFailed", json_integer((json_int_t)j->load.failed));
    json_object_set_new(json, "apiActiveProcessingTime", json_integer(j->active_ms));
    json_object_set_new(json, "apexProcessingTime", json_integer(0));
}

json_t *job_json(const struct sim *sim, const struct job *j, bool full)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:s, s:s}", "id", j->id, "operation",
        OPERATIONS[j->operation].name, "object", j->object->name, "createdById", sim->user_id,
        "createdDate", datetime(j->created_ms), "systemModstamp", datetime(j->changed_ms), "state",
        STATES[j->state], "concurrencyMode", "Parallel", "contentType", "CSV", "apiVersion",
        json_real(strtod(j->version + 1, NULL)), "lineEnding", j->format.crlf ? "CRLF" : "LF",
        "columnDelimiter", DELIMITERS[j->delimiter].name);
    if (j->operation == JOB_UPSERT)
        json_object_set_new(json, "externalIdFieldName", json_string(j->key->name));
    if (j->state == JOB_OPEN) {
        char url[96];
        snprintf(url, sizeof url, "services/data/%s/jobs/ingest/%s/batches", j->version, j->id);
        json_object_set_new(json, "contentUrl", json_string(url));
    }
    if (j->state == JOB_FAILED)
        json_object_set_new(json, "errorMessage", json_string(j->error));
    if (full)
        add_progress(json, j);
    return json;
}

void bulk_info(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct job *j = job_of(sim, r, reply);
    if (j != NULL)
        sim_reply_json(reply, 200, job_json(sim, j, true));
}

void bulk_list(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const char *type = sim_request_param(r, "jobType");
    const char *ours = is_query_path(r) ? "V2Query" : "V2Ingest";
    json_t *list = json_array();
    tidy(sim->bulk);
    for (size_t i = 0; i < sim->bulk->count; i++) {
        const struct job *j = sim->bulk->jobs[i];
        if (job_is_query(j) == is_query_path(r) && (type == NULL || strcmp(type, ours) == 0)) {
            json_t *json = job_json(sim, j, false);
            json_object_set_new(json, "jobType", json_string(ours));
            json_array_append_new(list, json);
        }
    }
    sim_reply_json(reply, 200,
                   json_pack("{s:b, s:o, s:n}", "done", 1, "records", list, "nextRecordsUrl"));
}

/* ------------------------------------------------------------------ changes of state */

static void refuse_state(struct sim_reply *reply, const char *doing, const struct job *j)
{
    bulk_refuse(reply, "INVALIDJOBSTATE", "%s already %s Job not allowed", doing,
                j->state == JOB_COMPLETE ? "Completed" : STATES[j->state]);
}

static void close_job(struct sim *sim, struct job *j, struct sim_reply *reply)
{
    if (j->state != JOB_OPEN) {
        refuse_state(reply, "Closing", j);
        return;
    }
    job_enqueue(sim->bulk, j);
    sim_reply_json(reply, 200, job_json(sim, j, false));
}

static void abort_job(struct sim *sim, struct job *j, struct sim_reply *reply)
{
    if (job_is_over(j)) {
        refuse_state(reply, "Aborting", j);
        return;
    }
    locks_release(sim->locks, j->lock);
    job_finish(sim->bulk, j, JOB_ABORTED, NULL);
    sim_reply_json(reply, 200, job_json(sim, j, false));
}

void bulk_set_state(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct job *j = job_of(sim, r, reply);
    json_t *body = j == NULL ? NULL : sim_request_json(r, reply);
    if (body == NULL)
        return;
    const char *state = json_string_value(json_object_get(body, "state"));
    if (state != NULL && strcmp(state, STATES[JOB_UPLOADED]) == 0 && !job_is_query(j))
        close_job(sim, j, reply);
    else if (state != NULL && strcmp(state, STATES[JOB_ABORTED]) == 0)
        abort_job(sim, j, reply);
    else
        bulk_refuse(reply, "INVALIDJOB", "Unable to parse Job: state can't be set to that");
    json_decref(body);
}

void bulk_delete(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct job *j = job_of(sim, r, reply);
    if (j == NULL)
        return;
    if (j->state == JOB_OPEN || j->state == JOB_RUNNING) {
        bulk_refuse(reply, "INVALIDJOBSTATE", "Deleting a Job that is %s not allowed",
                    STATES[j->state]);
        return;
    }
    forget(sim->bulk, find(sim->bulk, r));
    sim_reply_text(reply, 204, NULL, "");
}

/* ------------------------------------------------------------------ statistics */

static json_t *stats_of(const struct bulk *b, bool query)
{
    json_t *json = json_pack(
        "{s:I, s:I, s:I, s:I, s:I}", "created", (json_int_t)b->stats[query].created, "complete",
        (json_int_t)b->stats[query].complete, "failed", (json_int_t)b->stats[query].failed,
        "aborted", (json_int_t)b->stats[query].aborted, "rows", (json_int_t)b->stats[query].rows);
    if (!query)
        json_object_set_new(json, "rows_failed",
                            json_integer((json_int_t)b->stats[query].rows_failed));
    return json;
}

json_t *bulk_stats(const struct bulk *b)
{
    return json_pack("{s:o, s:o}", "ingest", stats_of(b, false), "query", stats_of(b, true));
}

void bulk_reset_stats(struct bulk *b)
{
    memset(b->stats, 0, sizeof b->stats);
}
