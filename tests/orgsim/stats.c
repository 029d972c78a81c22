/* Counters by name are a short list: there are as many as there are operations. */
#include "stats.h"

#include <string.h>

void stats_reset(struct stats *s)
{
    struct stats kept = *s;
    *s = (struct stats){
        .limit = kept.limit, .base_used = kept.base_used, .newest_hour = kept.newest_hour};
    memcpy(s->hour, kept.hour, sizeof s->hour);
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

/* Moves the window of 24 buckets to the hour of now. */
static size_t bucket(struct stats *s, int64_t now_ms)
{
    int64_t hour = now_ms / 3600000;
    if (hour - s->newest_hour >= 24 || hour < s->newest_hour)
        memset(s->hour, 0, sizeof s->hour);
    else
        for (int64_t h = s->newest_hour + 1; h <= hour; h++)
            s->hour[(size_t)(h % 24)] = 0;
    s->newest_hour = hour;
    return (size_t)((hour % 24 + 24) % 24);
}

void stats_call(struct stats *s, const char *operation, int64_t now_ms)
{
    s->calls++;
    s->hour[bucket(s, now_ms)]++;
    count(s->calls_by, operation);
}

void stats_subrequest(struct stats *s, const char *operation)
{
    count(s->sub_by, operation);
}

uint64_t stats_used(struct stats *s, int64_t now_ms)
{
    uint64_t used = s->base_used;
    bucket(s, now_ms);
    for (size_t i = 0; i < 24; i++)
        used += s->hour[i];
    return used;
}

void stats_set_used(struct stats *s, uint64_t used)
{
    memset(s->hour, 0, sizeof s->hour);
    s->base_used = used;
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
    json_t *api = json_pack("{s:I, s:o, s:o, s:I, s:I, s:I}", "calls", (json_int_t)s->calls,
                            "by_operation", counts_json(s->calls_by), "subrequests",
                            counts_json(s->sub_by), "errors", (json_int_t)s->errors, "used",
                            (json_int_t)stats_used(s, now_ms), "limit", (json_int_t)s->limit);
    json_t *oauth = json_pack("{s:I, s:I, s:I}", "token", (json_int_t)s->tokens, "userinfo",
                              (json_int_t)s->userinfos, "refused", (json_int_t)s->refused);
    json_t *rows =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "create", (json_int_t)r->created, "update",
                  (json_int_t)r->updated, "upsert_created", (json_int_t)r->upsert_created,
                  "upsert_updated", (json_int_t)r->upsert_updated, "delete", (json_int_t)r->deleted,
                  "failed", (json_int_t)r->failed, "unchanged", (json_int_t)r->unchanged);
    return json_pack("{s:o, s:o, s:o}", "api", api, "oauth", oauth, "rows", rows);
}
