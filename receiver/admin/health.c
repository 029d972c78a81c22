/*
 * Health that tells the truth from cached state: nothing here asks the org or waits for the writer.
 *
 *   unavailable (503)  messages can't be taken: the store or the listener is dead
 *   degraded    (200)  messages are taken, yet something needs an admin: an org can't be reached or
 *                      refuses us, workers are stuck, a certificate is about to expire, deletions
 *                      are held, the reconcile is late
 */
#include "admin_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "metrics.h"
#include "store_admin.h"
#include "timeutil.h"

enum {
    ORGS_MAX = 256,
    HOLDS_MAX = 100,
    METRICS_MAX_BYTES = 4 << 20,
    DAY_MS = 86400000,
    EXPIRY_WARN_DAYS = 14,
    RECONCILE_LATE_MS = 3 * DAY_MS,
};

enum level { LEVEL_OK, LEVEL_DEGRADED, LEVEL_UNAVAILABLE };
static const char *const LEVELS[] = {"ok", "degraded", "unavailable"};

static enum level worse(enum level a, enum level b)
{
    return a > b ? a : b;
}

/* {"status": …, "problem": …} */
static json_t *check(enum level level, const char *problem)
{
    json_t *o = json_object();
    json_object_set_new(o, "status", json_string(LEVELS[level]));
    if (problem != NULL && problem[0] != '\0')
        json_object_set_new(o, "problem", json_string(problem));
    return o;
}

static enum level check_store(const struct admin *a, json_t *checks)
{
    struct error e = {0};
    enum level level = store_probe(a->options.store, &e) == ERR_NONE ? LEVEL_OK : LEVEL_UNAVAILABLE;
    json_object_set_new(checks, "store", check(level, e.text));
    return level;
}

static enum level check_listener(const struct admin *a, json_t *checks)
{
    const struct listener *l = *a->options.intake_listener;
    const char *problem = NULL;
    if (!listener_is_alive(l))
        problem = "an event loop has not turned for 5 seconds";
    else if (listener_is_draining(l))
        problem = "the daemon is stopping: messages are refused";
    enum level level = problem == NULL ? LEVEL_OK : LEVEL_UNAVAILABLE;
    json_t *o = check(level, problem);
    json_object_set_new(o, "address", json_string(listener_address(l)));
    json_object_set_new(checks, "listener", o);
    return level;
}

static enum level check_workers(const struct admin *a, json_t *checks)
{
    struct worker_pool *pool = *a->options.workers;
    char why[ERROR_TEXT_MAX] = "";
    size_t waiting = worker_troubles(pool, why);
    bool alive = worker_is_alive(pool);
    enum level level = alive && waiting == 0 ? LEVEL_OK : LEVEL_DEGRADED;
    json_t *o = check(level, alive ? why : "a worker has given no sign of life for two leases");
    if (waiting > 0)
        json_object_set_new(o, "campaigns_waiting", json_integer((json_int_t)waiting));
    json_object_set_new(checks, "workers", o);
    return level;
}

static enum level check_certificates(const struct admin *a, json_t *checks)
{
    enum level worst = LEVEL_OK;
    json_t *list = json_array();
    for (size_t i = 0; a->options.tls != NULL && i < tls_server_certificate_count(a->options.tls);
         i++) {
        const char *name;
        int64_t days =
            (tls_server_expires_at_ms(a->options.tls, i, &name) - time_wall_ms()) / DAY_MS;
        enum level level = days < EXPIRY_WARN_DAYS ? LEVEL_DEGRADED : LEVEL_OK;
        json_t *o = check(level, level == LEVEL_OK
                                     ? NULL
                                     : "the certificate expires soon or has expired: renew it");
        json_object_set_new(o, "name", json_string(name));
        json_object_set_new(o, "days_left", json_integer(days));
        json_array_append_new(list, o);
        worst = worse(worst, level);
    }
    json_object_set_new(checks, "certificates", list);
    return worst;
}

/* Paused: an admin's will, yet easily forgotten. */
static bool is_paused(const struct admin *a, const char *org, char why[STORE_REASON_SIZE + 64])
{
    char reason[STORE_REASON_SIZE];
    struct error e;
    bool paused = false;
    if (store_paused(a->options.store, org, &paused, reason, &e) != ERR_NONE || !paused)
        return false;
    (void)snprintf(why, STORE_REASON_SIZE + 64, "paused by an admin%s%s; `resume` lets it go on",
                   reason[0] == '\0' ? "" : ": ", reason);
    return true;
}

static enum level check_org(const struct admin *a, const struct org *org, json_t *list)
{
    char why[STORE_REASON_SIZE + 64];
    struct org_state state;
    org_state_get((struct org *)(uintptr_t)org, &state);
    bool well =
        state.reachable && state.authenticated && !state.stopped && state.problem[0] == '\0';
    bool paused = is_paused(a, org_config(org)->id, why);
    enum level level = well && !paused ? LEVEL_OK : LEVEL_DEGRADED;
    const char *problem =
        well || state.problem[0] != '\0' ? state.problem : "the org has not answered yet";
    if (well && paused)
        problem = why;
    json_t *o = check(level, problem);
    json_object_set_new(o, "org", json_string(org_config(org)->id));
    json_object_set_new(o, "name", json_string(org_config(org)->name));
    json_object_set_new(o, "reachable", json_boolean(state.reachable));
    json_object_set_new(o, "authenticated", json_boolean(state.authenticated));
    json_object_set_new(o, "stopped", json_boolean(state.stopped));
    json_object_set_new(o, "paused", json_boolean(paused));
    if (state.api_limit >= 0) {
        json_object_set_new(o, "api_used", json_integer(state.api_used));
        json_object_set_new(o, "api_limit", json_integer(state.api_limit));
    }
    json_array_append_new(list, o);
    return level;
}

/* Where an org idles above its reserve of API calls, the reconcile never runs. */
static enum level check_reconcile(const struct admin *a, const char *org, json_t *list)
{
    char text[TIME_TEXT_MAX];
    struct error e;
    int64_t at_ms;
    if (strcmp(a->options.config->worker.reconcile, "off") == 0 ||
        store_cursor_get(a->options.store, org, RECONCILE_DONE, text, sizeof text, &e) !=
            ERR_NONE ||
        !time_parse_datetime(text, strlen(text), &at_ms) ||
        time_wall_ms() - at_ms < RECONCILE_LATE_MS)
        return LEVEL_OK;
    json_t *o = check(LEVEL_DEGRADED, "no reconcile for more than three days: the org's API budget "
                                      "leaves no room for it; raise api_reserve_percent");
    json_object_set_new(o, "org", json_string(org));
    json_object_set_new(o, "reconciled_at", json_string(text));
    json_array_append_new(list, o);
    return LEVEL_DEGRADED;
}

static enum level check_reconciles(const struct admin *a, json_t *checks)
{
    enum level worst = LEVEL_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < a->options.org_count; i++)
        worst = worse(worst, check_reconcile(a, org_config(a->options.orgs[i])->id, list));
    json_object_set_new(checks, "reconcile_late", list);
    return worst;
}

/* The sentences of a text, a line each. */
static json_t *lines(const char *text)
{
    json_t *list = json_array();
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        json_array_append_new(list, json_stringn(text, n));
        text += n + (text[n] == '\n');
    }
    return list;
}

static enum level check_schema(struct org *org, json_t *list)
{
    struct org_schema schema;
    struct org_state state;
    org_schema_get(org, &schema);
    org_state_get(org, &state);
    enum level level = schema.problems[0] == '\0' ? LEVEL_OK : LEVEL_DEGRADED;
    json_t *o = check(level, NULL);
    json_object_set_new(o, "org", json_string(org_config(org)->id));
    json_object_set_new(o, "checked", json_boolean(schema.is_checked));
    json_object_set_new(o, "problems", lines(schema.problems));
    json_object_set_new(o, "warnings", lines(schema.warnings));
    json_object_set_new(o, "sees_all_records", json_boolean(state.sees_all));
    json_array_append_new(list, o);
    return level;
}

static enum level check_schemas(const struct admin *a, json_t *checks)
{
    enum level worst = LEVEL_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < a->options.org_count; i++)
        worst = worse(worst, check_schema((struct org *)(uintptr_t)a->options.orgs[i], list));
    json_object_set_new(checks, "schema", list);
    return worst;
}

static enum level check_orgs(const struct admin *a, json_t *checks)
{
    enum level worst = LEVEL_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < a->options.org_count; i++)
        worst = worse(worst, check_org(a, a->options.orgs[i], list));
    json_object_set_new(checks, "orgs", list);
    return worst;
}

static enum level check_holds(const struct admin *a, json_t *checks)
{
    struct error e = {0};
    struct store_hold *holds = mem_array(HOLDS_MAX, sizeof *holds);
    const char *problem = NULL;
    size_t count = 0;
    bool known = store_hold_list(a->options.store, holds, HOLDS_MAX, &count, &e) == ERR_NONE;
    if (!known)
        problem = e.text;
    else if (count > 0)
        problem = "deletions are held by the delete guard: look at /api/v1/jobs and approve";
    enum level level = problem == NULL ? LEVEL_OK : LEVEL_DEGRADED;
    json_t *o = check(level, problem);
    json_object_set_new(o, "held", known ? json_integer((json_int_t)count) : json_null());
    json_object_set_new(checks, "delete_guard", o);
    free(holds);
    return level;
}

/* How much waits, and for how long, by org; where that can't be read, why. */
static enum level check_queue(const struct admin *a, json_t *checks)
{
    struct store_org_stats stats[ORGS_MAX];
    struct error e;
    size_t count = 0;
    int64_t now = time_wall_ms();
    if (store_stats(a->options.store, stats, ORGS_MAX, &count, &e) != ERR_NONE) {
        json_object_set_new(checks, "queue", check(LEVEL_DEGRADED, e.text));
        return LEVEL_DEGRADED;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        int64_t oldest = stats[i].oldest_due_received_at_ms;
        double age = oldest == TIME_NONE || oldest > now ? 0 : (double)(now - oldest) / 1000;
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:f}", "org", stats[i].org,
                                              "ready", (json_int_t)stats[i].ready, "leased",
                                              (json_int_t)stats[i].leased, "failed",
                                              (json_int_t)stats[i].failed, "oldest_seconds", age));
    }
    json_object_set_new(checks, "queue", list);
    return LEVEL_OK;
}

static const struct {
    const char *name;
    enum level (*run)(const struct admin *a, json_t *checks);
} CHECKS[] = {
    {"store", check_store},
    {"listener", check_listener},
    {"workers", check_workers},
    {"certificates", check_certificates},
    {"orgs", check_orgs},
    {"schema", check_schemas},
    {"reconcile", check_reconciles},
    {"delete_guard", check_holds},
    {"queue", check_queue},
};

const char *health_status(const struct admin *a, json_t **details)
{
    json_t *checks = json_object();
    enum level level = LEVEL_OK;
    for (size_t i = 0; i < sizeof CHECKS / sizeof CHECKS[0]; i++) {
        enum level one = CHECKS[i].run(a, checks);
        metric_set(metric_series(METRIC_CHECK, CHECKS[i].name), one);
        level = worse(level, one);
    }
    if (details != NULL)
        *details = checks;
    else
        json_decref(checks);
    return LEVELS[level];
}

void route_healthz(struct admin *a, const struct request *q, struct answer *out)
{
    (void)a;
    (void)q;
    answer_json(out, 200, json_pack("{s:s}", "status", "ok"));
}

void route_readyz(struct admin *a, const struct request *q, struct answer *out)
{
    json_t *checks;
    (void)q;
    const char *status = health_status(a, &checks);
    bool can_serve = strcmp(status, LEVELS[LEVEL_UNAVAILABLE]) != 0;
    answer_json(out, can_serve ? 200 : 503,
                json_pack("{s:s, s:o}", "status", status, "checks", checks));
}

void route_metrics(struct admin *a, const struct request *q, struct answer *out)
{
    struct buf b;
    (void)q;
    if (a->options.set_gauges != NULL)
        a->options.set_gauges(a->options.gauges_ctx);
    (void)health_status(a, NULL); /* sets what each check says */
    buf_init(&b, METRICS_MAX_BYTES);
    metrics_write(&b);
    *out = (struct answer){.status = 200,
                           .content_type = "text/plain; version=0.0.4; charset=utf-8",
                           .text = buf_take(&b)};
    buf_release(&b);
}
