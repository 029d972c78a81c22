/* The table of control routes, and those that only set or show something. */
#include "control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "bulk.h"
#include "db.h"
#include "describe.h"
#include "outbound.h"
#include "stats.h"
#include "timeutil.h"
#include "zone.h"

bool control_fail(struct sim_reply *reply, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *message = json_string(text);
    sim_reply_json(reply, 400,
                   json_pack("{s:o}", "error", message != NULL ? message : json_string("invalid")));
    return false;
}

static void ok(struct sim_reply *reply)
{
    sim_reply_json(reply, 200, json_pack("{s:b}", "ok", 1));
}

/* ------------------------------------------------------------------ observation */

static void show_stats(struct sim *sim, const struct sim_request *r, json_t *body,
                       struct sim_reply *reply)
{
    (void)r, (void)body;
    json_t *json = stats_json(sim->stats, sim_clock_ms(&sim->clock));
    json_object_set_new(json, "outbound", outbound_stats(sim->outbound));
    json_object_set_new(json, "bulk", bulk_stats(sim->bulk));
    json_object_set_new(json, "faults",
                        json_pack("{s:I}", "fired", (json_int_t)faults_fired(sim->faults)));
    sim_reply_json(reply, 200, json);
}

static void show_writes(struct sim *sim, const struct sim_request *r, json_t *body,
                        struct sim_reply *reply)
{
    (void)r, (void)body;
    sim_reply_json(reply, 200, json_pack("{s:o}", "writes", stats_writes(sim->stats)));
}

static void reset_stats(struct sim *sim, const struct sim_request *r, json_t *body,
                        struct sim_reply *reply)
{
    (void)r, (void)body;
    stats_reset(sim->stats);
    outbound_reset_stats(sim->outbound);
    bulk_reset_stats(sim->bulk);
    faults_reset_count(sim->faults);
    ok(reply);
}

/* ------------------------------------------------------------------ faults and outbound */

static void add_fault(struct sim *sim, const struct sim_request *r, json_t *body,
                      struct sim_reply *reply)
{
    (void)r;
    char why[200];
    int64_t id = faults_add(sim->faults, body, why, sizeof why);
    if (id == 0)
        control_fail(reply, "%s", why);
    else
        sim_reply_json(reply, 200, json_pack("{s:I}", "id", (json_int_t)id));
}

static void show_faults(struct sim *sim, const struct sim_request *r, json_t *body,
                        struct sim_reply *reply)
{
    (void)r, (void)body;
    sim_reply_json(reply, 200, faults_json(sim->faults));
}

static void remove_faults(struct sim *sim, const struct sim_request *r, json_t *body,
                          struct sim_reply *reply)
{
    (void)body;
    const char *id = sim_request_param(r, "id");
    faults_remove(sim->faults, id == NULL ? 0 : strtoll(id, NULL, 10));
    ok(reply);
}

static void set_outbound(struct sim *sim, const struct sim_request *r, json_t *body,
                         struct sim_reply *reply)
{
    (void)r;
    char why[200];
    if (outbound_configure(sim->outbound, body, why, sizeof why))
        sim_reply_json(reply, 200, outbound_settings(sim->outbound));
    else
        control_fail(reply, "%s", why);
}

static void show_outbound(struct sim *sim, const struct sim_request *r, json_t *body,
                          struct sim_reply *reply)
{
    (void)r, (void)body;
    sim_reply_json(reply, 200, outbound_settings(sim->outbound));
}

/* ------------------------------------------------------------------ the org's behaviour */

static void set_clock(struct sim *sim, const struct sim_request *r, json_t *body,
                      struct sim_reply *reply)
{
    (void)r;
    const json_t *now = json_object_get(body, "now");
    bool frozen = json_is_true(json_object_get(body, "frozen"));
    int64_t at_ms = sim_clock_ms(&sim->clock);
    if (json_is_string(now) &&
        !time_parse_datetime(json_string_value(now), json_string_length(now), &at_ms)) {
        control_fail(reply, "now: not a date-time: %s", json_string_value(now));
        return;
    }
    if (json_is_null(now))
        sim_clock_real(&sim->clock);
    else
        sim_clock_set(&sim->clock, at_ms, frozen);
    char text[TIME_TEXT_MAX];
    sim_reply_json(
        reply, 200,
        json_pack("{s:s}", "now", time_format_datetime(sim_clock_ms(&sim->clock), text)));
}

static void revoke(struct sim *sim, const struct sim_request *r, json_t *body,
                   struct sim_reply *reply)
{
    (void)r, (void)body;
    sim_reply_json(reply, 200,
                   json_pack("{s:I}", "revoked", (json_int_t)auth_revoke_all(sim->auth)));
}

static void set_permissions(struct sim *sim, const struct sim_request *r, json_t *body,
                            struct sim_reply *reply)
{
    (void)r;
    char why[200];
    if (permissions_set(sim, body, why, sizeof why))
        ok(reply);
    else
        control_fail(reply, "%s", why);
}

static void set_schema(struct sim *sim, const struct sim_request *r, json_t *body,
                       struct sim_reply *reply)
{
    (void)r;
    char why[200];
    if (describe_set_changes(sim, body, why, sizeof why))
        ok(reply);
    else
        control_fail(reply, "%s", why);
}

static void set_user(struct sim *sim, const struct sim_request *r, json_t *body,
                     struct sim_reply *reply)
{
    (void)r;
    const json_t *id = json_object_get(body, "org_id");
    char normal[SFID_SIZE];
    if (json_is_null(id)) {
        memcpy(sim->token_org_id, sim->org_id, sizeof sim->org_id);
    } else if (json_is_string(id) &&
               sfid_normalise(json_string_value(id), json_string_length(id), normal)) {
        memcpy(sim->token_org_id, normal, sizeof normal);
    } else {
        control_fail(reply, "org_id: an id of 15 or 18 characters, or null");
        return;
    }
    sim_reply_json(reply, 200, json_pack("{s:s}", "org_id", sim->token_org_id));
}

/* Users keep their own zones. */
static void set_organization(struct sim *sim, const struct sim_request *r, json_t *body,
                             struct sim_reply *reply)
{
    (void)r;
    const char *name = json_string_value(json_object_get(body, "time_zone"));
    struct zone *zone = NULL;
    struct error e;
    if (name == NULL || zone_open(&zone, name, &e) != ERR_NONE) {
        control_fail(reply, "time_zone: the name of a zone, as Europe/Berlin");
        return;
    }
    zone_close(&sim->zone);
    sim->zone = zone;
    sdb_exec(sim->db, "UPDATE Organization SET TimeZoneSidKey = ?1", "t", name);
    ok(reply);
}

static void set_bool(const json_t *body, const char *name, bool *value)
{
    const json_t *v = json_object_get(body, name);
    if (json_is_boolean(v))
        *value = json_is_true(v);
}

static void set_behaviour(struct sim *sim, const struct sim_request *r, json_t *body,
                          struct sim_reply *reply)
{
    (void)r;
    struct behaviour *b = &sim->behaviour;
    const json_t *page = json_object_get(body, "query_job_page");
    set_bool(body, "convert_keeps_lead", &b->convert_keeps_lead);
    set_bool(body, "cascade_leaves_trace", &b->cascade_leaves_trace);
    set_bool(body, "helper_trigger", &b->helper_trigger);
    const json_t *ahead = json_object_get(body, "date_ahead_ms");
    if (json_is_integer(ahead))
        b->date_ahead_ms = json_integer_value(ahead);
    if (json_is_integer(page) && json_integer_value(page) > 0)
        b->query_job_page = json_integer_value(page);
    sim_reply_json(reply, 200,
                   json_pack("{s:b, s:b, s:b, s:I}", "convert_keeps_lead", b->convert_keeps_lead,
                             "cascade_leaves_trace", b->cascade_leaves_trace, "helper_trigger",
                             b->helper_trigger, "query_job_page", (json_int_t)b->query_job_page));
}

static void set_limit(const json_t *body, const char *name, uint64_t *limit)
{
    const json_t *n = json_object_get(body, name);
    if (json_is_integer(n) && json_integer_value(n) >= 0)
        *limit = (uint64_t)json_integer_value(n);
}

static void set_limits(struct sim *sim, const struct sim_request *r, json_t *body,
                       struct sim_reply *reply)
{
    (void)r;
    struct stats *s = sim->stats;
    const json_t *used = json_object_get(body, "used");
    if (json_is_integer(used) && json_integer_value(used) >= 0)
        stats_set_used(s, (uint64_t)json_integer_value(used));
    set_limit(body, "limit", &s->api.limit);
    set_limit(body, "bulk_batches", &s->batches.limit);
    set_limit(body, "query_jobs", &s->query_jobs.limit);
    sim_reply_json(reply, 200,
                   json_pack("{s:I, s:I, s:I, s:I}", "used",
                             (json_int_t)stats_used(s, sim_clock_ms(&sim->clock)), "limit",
                             (json_int_t)s->api.limit, "bulk_batches", (json_int_t)s->batches.limit,
                             "query_jobs", (json_int_t)s->query_jobs.limit));
}

static void set_latency(struct sim *sim, const struct sim_request *r, json_t *body,
                        struct sim_reply *reply)
{
    (void)r;
    const json_t *ms = json_object_get(body, "ms");
    if (!json_is_integer(ms) || json_integer_value(ms) < 0 || json_integer_value(ms) > 600000) {
        control_fail(reply, "ms: a number from 0 to 600000");
        return;
    }
    sim->latency_ms = (unsigned)json_integer_value(ms);
    ok(reply);
}

/* ------------------------------------------------------------------ dispatch */

static const struct control {
    enum http_method method;
    const char *path;
    void (*run)(struct sim *, const struct sim_request *, json_t *, struct sim_reply *);
} CONTROLS[] = {
    {HTTP_POST, "records", control_create},
    {HTTP_PATCH, "records", control_update},
    {HTTP_DELETE, "records", control_delete},
    {HTTP_GET, "records", control_list},
    {HTTP_GET, "touchpoints", control_touchpoints},
    {HTTP_POST, "convert", control_convert},
    {HTTP_POST, "merge", control_merge},
    {HTTP_POST, "load", control_load},
    {HTTP_GET, "stats", show_stats},
    {HTTP_POST, "stats/reset", reset_stats},
    {HTTP_GET, "writes", show_writes},
    {HTTP_POST, "faults", add_fault},
    {HTTP_GET, "faults", show_faults},
    {HTTP_DELETE, "faults", remove_faults},
    {HTTP_POST, "outbound", set_outbound},
    {HTTP_GET, "outbound", show_outbound},
    {HTTP_POST, "clock", set_clock},
    {HTTP_POST, "tokens/revoke", revoke},
    {HTTP_POST, "permissions", set_permissions},
    {HTTP_POST, "schema", set_schema},
    {HTTP_POST, "user", set_user},
    {HTTP_POST, "organization", set_organization},
    {HTTP_POST, "behaviour", set_behaviour},
    {HTTP_POST, "limits", set_limits},
    {HTTP_POST, "latency", set_latency},
};

/* Looks again every few milliseconds until the queue is empty or the time is over. */
static void flush_step(struct exchange *x)
{
    bool empty = outbound_is_empty(x->sim->outbound);
    if (!empty && time_boot_ms() < x->deadline_boot_ms) {
        exchange_defer(x, 5, flush_step);
        return;
    }
    sim_reply_json(&x->reply, 200,
                   json_pack("{s:b, s:I}", "empty", empty, "pending",
                             (json_int_t)outbound_pending(x->sim->outbound)));
    exchange_send(x);
}

static json_t *body_of(const struct sim_request *r, struct sim_reply *reply)
{
    json_error_t why;
    if (r->body_len == 0)
        return json_object();
    json_t *body = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(body))
        return body;
    control_fail(reply, "the body is not a JSON object: %s", body == NULL ? why.text : "");
    json_decref(body);
    return NULL;
}

static const struct control *find(const struct sim_request *r)
{
    char path[80];
    if (r->segment_count < 2 || strcmp(r->segments[0], "sim") != 0)
        return NULL;
    snprintf(path, sizeof path, "%s%s%s", r->segments[1], r->segment_count > 2 ? "/" : "",
             r->segment_count > 2 ? r->segments[2] : "");
    for (size_t i = 0; i < sizeof CONTROLS / sizeof CONTROLS[0]; i++) {
        if (CONTROLS[i].method == r->method && strcmp(CONTROLS[i].path, path) == 0)
            return &CONTROLS[i];
    }
    return NULL;
}

bool control_exists(enum http_method method, const char *target)
{
    struct sim_request r;
    bool found = sim_request_parse(&r, method, target) && find(&r) != NULL;
    sim_request_release(&r);
    return found;
}

void control_run(struct sim *sim, const struct sim_request *r, json_t *body,
                 struct sim_reply *reply)
{
    const struct control *c = find(r);
    if (c != NULL)
        c->run(sim, r, body, reply);
    else
        sim_reply_json(reply, 404,
                       json_pack("{s:s}", "error", "no such control route; see README.md"));
}

static bool is_flush(const struct sim_request *r)
{
    return r->method == HTTP_POST && r->segment_count == 3 &&
           strcmp(r->segments[1], "outbound") == 0 && strcmp(r->segments[2], "flush") == 0;
}

void control_handle(struct exchange *x)
{
    json_t *body = body_of(&x->request, &x->reply);
    if (body != NULL && is_flush(&x->request)) {
        const json_t *ms = json_object_get(body, "timeout_ms");
        x->deadline_boot_ms =
            time_boot_ms() + (json_is_integer(ms) ? json_integer_value(ms) : 10000);
        json_decref(body);
        flush_step(x);
        return;
    }
    if (body != NULL)
        control_run(x->sim, &x->request, body, &x->reply);
    json_decref(body);
    exchange_send(x);
}
