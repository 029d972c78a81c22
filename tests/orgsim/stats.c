/* Counters by name are a short list: there are as many as there are operations. */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

enum { BATCHES_A_DAY = 15000, QUERY_JOBS_A_DAY = 10000 };

void stats_init(struct stats *s, uint64_t api_limit)
{
    *s = (struct stats){.api = {.limit = api_limit},
                        .batches = {.limit = BATCHES_A_DAY},
                        .query_jobs = {.limit = QUERY_JOBS_A_DAY},
                        .writes = mem_array(STATS_WRITES_MAX, sizeof *s->writes)};
}

void stats_release(struct stats *s)
{
    free(s->writes);
    s->writes = NULL;
}

void stats_reset(struct stats *s)
{
    *s = (struct stats){.api = s->api,
                        .batches = s->batches,
                        .query_jobs = s->query_jobs,
                        .writes = s->writes,
                        .at_once = s->at_once,
                        .most_at_once = s->at_once};
}

static void count(struct stats_count *list, const char *name)
{
    for (size_t i = 0; i < STATS_OPERATIONS_MAX; i++) {
        if (list[i].name == NULL || strcmp(list[i].name, name) == 0) {
            list[i].name = name;
            list[i].n++;
            return;
        }
    }
}

/* ------------------------------------------------------------------ daily limits */

/* Moves the window of 24 buckets to the hour of now. */
static size_t bucket(struct stats_usage *u, int64_t now_ms)
{
    int64_t hour = now_ms / 3600000;
    if (hour - u->newest_hour >= 24 || hour < u->newest_hour)
        memset(u->hour, 0, sizeof u->hour);
    else
        for (int64_t h = u->newest_hour + 1; h <= hour; h++)
            u->hour[(size_t)(h % 24)] = 0;
    u->newest_hour = hour;
    return (size_t)((hour % 24 + 24) % 24);
}

static uint64_t used(struct stats_usage *u, int64_t now_ms)
{
    uint64_t n = u->base;
    bucket(u, now_ms);
    for (size_t i = 0; i < 24; i++)
        n += u->hour[i];
    return n;
}

static uint64_t left(struct stats_usage *u, int64_t now_ms)
{
    uint64_t n = used(u, now_ms);
    return n < u->limit ? u->limit - n : 0;
}

uint64_t stats_used(struct stats *s, int64_t now_ms)
{
    return used(&s->api, now_ms);
}

void stats_set_used(struct stats *s, uint64_t n)
{
    memset(s->api.hour, 0, sizeof s->api.hour);
    s->api.base = n;
}

uint64_t stats_batches_left(struct stats *s, int64_t now_ms)
{
    return left(&s->batches, now_ms);
}

void stats_add_batches(struct stats *s, uint64_t n, int64_t now_ms)
{
    s->batches.hour[bucket(&s->batches, now_ms)] += n;
}

uint64_t stats_query_jobs_left(struct stats *s, int64_t now_ms)
{
    return left(&s->query_jobs, now_ms);
}

void stats_add_query_job(struct stats *s, int64_t now_ms)
{
    s->query_jobs.hour[bucket(&s->query_jobs, now_ms)]++;
}

void stats_call(struct stats *s, const char *operation, int64_t now_ms)
{
    s->calls++;
    s->api.hour[bucket(&s->api, now_ms)]++;
    count(s->calls_by, operation);
}

void stats_begin(struct stats *s)
{
    s->at_once++;
    if (s->at_once > s->most_at_once)
        s->most_at_once = s->at_once;
}

void stats_end(struct stats *s)
{
    s->at_once--;
}

void stats_subrequest(struct stats *s, const char *operation)
{
    count(s->sub_by, operation);
}

void stats_write(struct stats *s, uint64_t session, const char *record)
{
    struct stats_write *w = &s->writes[s->write_count++ % STATS_WRITES_MAX];
    *w = (struct stats_write){.at_ms = time_wall_ms(), .session = session};
    memcpy(w->record, record, strnlen(record, sizeof w->record - 1));
}

/* ------------------------------------------------------------------ as JSON */

json_t *stats_writes(const struct stats *s)
{
    json_t *out = json_array();
    uint64_t n = s->write_count;
    for (uint64_t i = n > STATS_WRITES_MAX ? n - STATS_WRITES_MAX : 0; i < n; i++) {
        const struct stats_write *w = &s->writes[i % STATS_WRITES_MAX];
        json_array_append_new(out,
                              json_pack("{s:I, s:I, s:s}", "at_ms", (json_int_t)w->at_ms, "session",
                                        (json_int_t)w->session, "record", w->record));
    }
    return out;
}

static json_t *limit_json(struct stats_usage *u, int64_t now_ms)
{
    return json_pack("{s:I, s:I}", "Max", (json_int_t)u->limit, "Remaining",
                     (json_int_t)left(u, now_ms));
}

json_t *stats_limits(struct stats *s, int64_t now_ms)
{
    return json_pack("{s:o, s:o, s:o}", "DailyApiRequests", limit_json(&s->api, now_ms),
                     "DailyBulkApiBatches", limit_json(&s->batches, now_ms), "DailyBulkV2QueryJobs",
                     limit_json(&s->query_jobs, now_ms));
}

static json_t *counts_json(const struct stats_count *list)
{
    json_t *out = json_object();
    for (size_t i = 0; i < STATS_OPERATIONS_MAX && list[i].name != NULL; i++)
        json_object_set_new(out, list[i].name, json_integer((json_int_t)list[i].n));
    return out;
}

json_t *stats_json(struct stats *s, int64_t now_ms)
{
    const struct stats_rows *r = &s->rows;
    json_t *api =
        json_pack("{s:I, s:o, s:o, s:I, s:I, s:I, s:I}", "calls", (json_int_t)s->calls,
                  "by_operation", counts_json(s->calls_by), "subrequests", counts_json(s->sub_by),
                  "errors", (json_int_t)s->errors, "used", (json_int_t)stats_used(s, now_ms),
                  "limit", (json_int_t)s->api.limit, "most_at_once", (json_int_t)s->most_at_once);
    json_t *oauth = json_pack("{s:I, s:I, s:I}", "token", (json_int_t)s->tokens, "userinfo",
                              (json_int_t)s->userinfos, "refused", (json_int_t)s->refused);
    json_t *rows =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "create", (json_int_t)r->created, "update",
                  (json_int_t)r->updated, "upsert_created", (json_int_t)r->upsert_created,
                  "upsert_updated", (json_int_t)r->upsert_updated, "delete", (json_int_t)r->deleted,
                  "failed", (json_int_t)r->failed, "unchanged", (json_int_t)r->unchanged);
    return json_pack("{s:o, s:o, s:o}", "api", api, "oauth", oauth, "rows", rows);
}
