/*
 * GET /api/v1/status: the overview, from what is at hand; no org is asked.
 */
#include "store_routes.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

enum { ORGS_MAX = 256, FAILURES_MAX = 20, OPEN_JOBS_MAX = 1000, DAY_MS = 86400000 };

static json_t *queue_json(struct store *s, enum err *err, struct error *e)
{
    struct store_org_stats *stats = mem_array(ORGS_MAX, sizeof *stats);
    json_t *list = json_array();
    size_t n = 0;
    int64_t now = time_wall_ms();
    *err = store_stats(s, stats, ORGS_MAX, &n, e);
    for (size_t i = 0; i < n && *err == ERR_NONE; i++) {
        const struct store_org_stats *x = &stats[i];
        int64_t oldest = x->oldest_due_received_at_ms;
        double age = oldest == TIME_NONE || oldest > now ? 0 : (double)(now - oldest) / 1000;
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:I, s:I, s:f}", "org", x->org, "ready",
                                        (json_int_t)x->ready, "leased", (json_int_t)x->leased,
                                        "failed", (json_int_t)x->failed, "done",
                                        (json_int_t)x->done, "oldest_seconds", age));
    }
    free(stats);
    return list;
}

static json_t *failures_json(struct store *s, enum err *err, struct error *e)
{
    struct store_failure failures[FAILURES_MAX];
    json_t *list = json_array();
    size_t n = 0;
    if (*err == ERR_NONE)
        *err = store_failures(s, failures, FAILURES_MAX, &n, e);
    for (size_t i = 0; i < n && *err == ERR_NONE; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I}", "org", failures[i].org, "code",
                                        failures[i].code, "count", (json_int_t)failures[i].count));
    return list;
}

static void add_lines(json_t *list, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        json_array_append_new(list, json_stringn(text, n));
        text += n + (text[n] == '\n');
    }
}

static json_t *org_json(const struct admin *a, struct org *org, enum err *err, struct error *e)
{
    const struct config_org *c = org_config(org);
    struct org_state state;
    struct org_schema *schema = mem_alloc(sizeof *schema);
    json_t *problems = json_array();
    char reason[STORE_REASON_SIZE], reconciled[TIME_TEXT_MAX] = "";
    bool paused = false;
    org_state_get(org, &state);
    org_schema_get(org, schema);
    add_lines(problems, state.problem);
    add_lines(problems, schema->problems);
    free(schema);
    if (*err == ERR_NONE)
        *err = store_paused(a->options.store, c->id, &paused, reason, e);
    if (*err == ERR_NONE)
        *err = store_cursor_get(a->options.store, c->id, RECONCILE_DONE, reconciled,
                                sizeof reconciled, e);
    return json_pack("{s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:b, s:o}", "id", c->id, "name",
                     c->name == NULL ? "" : c->name, "paused", paused, "reachable", state.reachable,
                     "authenticated", state.authenticated, "problems", problems, "api_used",
                     state.api_limit < 0 ? json_null() : json_integer(state.api_used), "api_limit",
                     state.api_limit < 0 ? json_null() : json_integer(state.api_limit),
                     "breaker_open", state.breaker_open, "reconcile_at", json_or_null(reconciled));
}

static json_t *certificates_json(const struct admin *a)
{
    json_t *list = json_array();
    for (size_t i = 0; a->options.tls != NULL && i < tls_server_certificate_count(a->options.tls);
         i++) {
        const char *name;
        int64_t at = tls_server_expires_at_ms(a->options.tls, i, &name);
        json_array_append_new(list, json_pack("{s:s, s:I}", "name", name, "days_left",
                                              (json_int_t)((at - time_wall_ms()) / DAY_MS)));
    }
    return list;
}

static json_t *rate_json(const struct admin *a)
{
    uint64_t minutes[RATE_MINUTES] = {0};
    json_t *list = json_array();
    if (a->options.runner != NULL)
        admin_runner_rate(a->options.runner, minutes);
    for (size_t i = 0; i < RATE_MINUTES; i++)
        json_array_append_new(list, json_integer((json_int_t)minutes[i]));
    return list;
}

static json_t *open_jobs(struct store *s, enum err *err, struct error *e)
{
    static const struct store_job_filter open = {
        .kind = STORE_ANY, .state = STORE_ANY, .open = true};
    struct store_job *jobs = mem_array(OPEN_JOBS_MAX, sizeof *jobs);
    size_t n = 0;
    if (*err == ERR_NONE)
        *err = store_job_walk(s, &open, 0, jobs, OPEN_JOBS_MAX, &n, e);
    free(jobs);
    return json_integer((json_int_t)n);
}

static void run_status(struct ask *k, struct answer *out)
{
    const struct admin *a = k->admin;
    struct store *s = a->options.store;
    struct error e;
    enum err err = ERR_NONE;
    json_t *checks, *o = json_object();
    const char *status = health_status(a, &checks);
    json_object_set_new(o, "version", json_string(TP_VERSION));
    json_object_set_new(o, "started", json_at(a->options.started_at_ms));
    json_object_set_new(o, "status", json_string(status));
    json_object_set_new(o, "checks", checks);
    json_object_set_new(o, "queue", queue_json(s, &err, &e));
    json_object_set_new(o, "failures", failures_json(s, &err, &e));
    json_object_set_new(o, "rate", rate_json(a));
    json_t *orgs = json_array();
    for (size_t i = 0; i < a->options.org_count; i++)
        json_array_append_new(orgs, org_json(a, a->options.orgs[i], &err, &e));
    json_object_set_new(o, "orgs", orgs);
    json_object_set_new(o, "certificates", certificates_json(a));
    json_object_set_new(o, "jobs", open_jobs(s, &err, &e));
    if (err == ERR_NONE) {
        answer_json(out, 200, o);
        return;
    }
    json_decref(o);
    answer_error(out, err, &e);
}

void route_status(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const none[] = {NULL};
    json_t *args = arguments_of_query(q, none, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_status, out);
}
