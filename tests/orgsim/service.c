/*
 * The order is an org's: the size of the head, the resource, the session, the budget, the work. A
 * fault is chosen once the operation is known; a table says what each kind does before and after
 * the work.
 */
#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "control.h"
#include "mem.h"
#include "routes.h"
#include "stats.h"

enum { HEAD_LIMIT = 16384 };

static bool path_is(const struct sim_request *r, const char *a, const char *b, const char *c)
{
    const char *const want[] = {a, b, c};
    size_t n = c == NULL ? 2 : 3;
    for (size_t i = 0; i < n && i < r->segment_count; i++) {
        if (strcmp(r->segments[i], want[i]) != 0)
            return false;
    }
    return r->segment_count == n;
}

/* /id/<organisation>/<user> */
static bool is_identity(const struct sim_request *r)
{
    return r->segment_count == 3 && strcmp(r->segments[0], "id") == 0;
}

/* ------------------------------------------------------------------ the work */

static void limit_header(struct sim *sim, struct sim_reply *reply)
{
    char text[80];
    snprintf(text, sizeof text, "api-usage=%llu/%llu",
             (unsigned long long)stats_used(sim->stats, sim_clock_ms(&sim->clock)),
             (unsigned long long)sim->stats->api.limit);
    sim_reply_header(reply, "Sforce-Limit-Info", text);
}

static void limit_reached(struct sim_reply *reply, bool daily)
{
    sim_reply_error(reply, 403, "REQUEST_LIMIT_EXCEEDED", "%s",
                    daily ? "TotalRequests Limit exceeded."
                          : "ConcurrentRequests (Concurrent API Requests) Limit exceeded.");
}

static void run_rest(struct sim *sim, struct sim_request *r, struct sim_reply *reply)
{
    int64_t now = sim_clock_ms(&sim->clock);
    if (!auth_check(sim, r, reply))
        return;
    const struct route *route = route_find(r, reply);
    if (stats_used(sim->stats, now) >= sim->stats->api.limit) {
        limit_reached(reply, true);
    } else {
        stats_call(sim->stats, route == NULL ? "unknown" : route->operation, now);
        if (route != NULL)
            route->run(sim, r, reply);
    }
    sim->stats->errors += reply->status >= 400;
    limit_header(sim, reply);
}

static void wrong_method(struct sim_reply *reply, const char *allowed)
{
    sim_reply_error(reply, 405, "METHOD_NOT_ALLOWED", "HTTP Method not allowed. Allowed are %s",
                    allowed);
}

void service_execute(struct sim *sim, struct sim_request *r, struct sim_reply *reply)
{
    if (path_is(r, "services", "oauth2", "token")) {
        if (r->method == HTTP_POST)
            auth_token(sim, r, reply);
        else
            wrong_method(reply, "POST");
    } else if (path_is(r, "services", "oauth2", "userinfo")) {
        auth_userinfo(sim, r, reply);
    } else if (is_identity(r)) {
        auth_identity(sim, r, reply);
    } else if (path_is(r, "services", "data", NULL)) {
        if (r->method == HTTP_GET)
            routes_versions(reply);
        else
            wrong_method(reply, "GET");
    } else if (route_is_rest(r)) {
        run_rest(sim, r, reply);
    } else {
        sim_reply_not_found(reply);
    }
}

/* ------------------------------------------------------------------ faults after the work */

static void wrong_json(struct exchange *x)
{
    json_t *value =
        x->hit.value == NULL ? json_pack("{s:b}", "unexpected", 1) : json_incref(x->hit.value);
    sim_reply_json(&x->reply, 200, value);
}

static void status_reply(struct exchange *x)
{
    json_t *v = x->hit.value, *body = json_object_get(v, "body"), *header;
    const char *code = json_string_value(json_object_get(v, "errorCode")), *name;
    const char *message = json_string_value(json_object_get(v, "message"));
    json_t *status = json_is_object(v) ? json_object_get(v, "status") : v;
    int number = json_is_integer(status) ? (int)json_integer_value(status) : 503;
    if (body != NULL)
        sim_reply_json(&x->reply, number, json_incref(body));
    else
        sim_reply_error(&x->reply, number, code != NULL ? code : "SERVER_UNAVAILABLE", "%s",
                        message != NULL ? message : "The server is temporarily unavailable");
    json_object_foreach(json_object_get(v, "headers"), name, header)
    {
        if (json_is_string(header))
            sim_reply_header(&x->reply, name, json_string_value(header));
    }
}

static void html_reply(struct exchange *x)
{
    sim_reply_text(&x->reply, (int)fault_number(&x->hit, 503), "text/html; charset=UTF-8",
                   "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>"
                   "<h1>We are down for maintenance.</h1></body></html>");
}

/* The first half of the body as a text of its own. */
static void halve(struct exchange *x)
{
    struct sim_reply *r = &x->reply;
    char *text = r->json != NULL ? json_dumps(r->json, JSON_COMPACT | JSON_ENCODE_ANY)
                                 : mem_strdup(r->text == NULL ? "" : r->text);
    text[strlen(text) / 2] = '\0';
    sim_reply_take_text(r, r->status, r->content_type, text);
}

static bool is_connection_cut(const struct exchange *x)
{
    const char *how = json_string_value(x->hit.value);
    return x->hit.kind == FAULT_TRUNCATED && how != NULL && strcmp(how, "connection") == 0;
}

static void limit_fault(struct exchange *x)
{
    limit_reached(&x->reply, x->hit.kind == FAULT_LIMIT_DAILY);
    limit_header(x->sim, &x->reply);
    x->sim->stats->errors++;
}

static void oauth_fault(struct exchange *x)
{
    const char *name = json_string_value(x->hit.value);
    if (name == NULL || !auth_error(name, &x->reply))
        auth_error("request", &x->reply);
    x->sim->stats->refused++;
}

/* Whether a request with this fault is carried out. */
static bool is_done(const struct exchange *x)
{
    switch (x->hit.kind) {
    case FAULT_RESET:
    case FAULT_HTML:
    case FAULT_LIMIT_DAILY:
    case FAULT_LIMIT_CONCURRENT:
    case FAULT_OAUTH:
        return false;
    case FAULT_SILENCE:
        return json_is_true(x->hit.value);
    case FAULT_STATUS:
        return json_is_true(json_object_get(x->hit.value, "done"));
    case FAULT_LATENCY:
    case FAULT_LATE:
    case FAULT_LOST_REPLY:
    case FAULT_TRUNCATED:
    case FAULT_WRONG_JSON:
    case FAULT_ROW_ERROR:
    case FAULT_LOCK:
    case FAULT_EXPIRE_TOKEN:
    case FAULT_BULK_DELAY:
    case FAULT_BULK_SLOW:
    case FAULT_BULK_FAIL:
    case FAULT_BULK_ABORT:
    case FAULT_BULK_UNPROCESSED:
    case FAULT_NONE:
        break;
    }
    return true;
}

static void (*const AFTER[FAULT_NONE + 1])(struct exchange *) = {
    [FAULT_STATUS] = status_reply,   [FAULT_HTML] = html_reply,
    [FAULT_WRONG_JSON] = wrong_json, [FAULT_LIMIT_DAILY] = limit_fault,
    [FAULT_OAUTH] = oauth_fault,     [FAULT_LIMIT_CONCURRENT] = limit_fault,
};

static void (*const ENDING[FAULT_NONE + 1])(struct exchange *) = {
    [FAULT_RESET] = exchange_reset,
    [FAULT_LOST_REPLY] = exchange_reset,
    [FAULT_SILENCE] = exchange_park,
};

/* ------------------------------------------------------------------ the way of a request */

static void end(struct exchange *x)
{
    if (ENDING[x->hit.kind] != NULL) {
        ENDING[x->hit.kind](x);
    } else if (is_connection_cut(x)) {
        exchange_cut(x);
    } else {
        if (x->hit.kind == FAULT_TRUNCATED)
            halve(x);
        exchange_send(x);
    }
}

static void perform(struct exchange *x)
{
    x->is_counted = route_is_rest(&x->request);
    if (x->is_counted)
        stats_begin(x->sim->stats);
    if (x->hit.kind == FAULT_EXPIRE_TOKEN)
        auth_revoke(x->sim->auth, &x->request);
    if (is_done(x))
        service_execute(x->sim, &x->request, &x->reply);
    if (AFTER[x->hit.kind] != NULL)
        AFTER[x->hit.kind](x);
    int64_t ms = x->sim->latency_ms;
    if (x->hit.kind == FAULT_LATENCY)
        ms += fault_number(&x->hit, 1000);
    if (ms > 0)
        exchange_defer(x, ms, end);
    else
        end(x);
}

/* The name that faults and statistics know the request by; NULL if it has none. */
static const char *operation_of(struct exchange *x)
{
    struct sim_request *r = &x->request;
    if (path_is(r, "services", "oauth2", "token"))
        return "token";
    if (path_is(r, "services", "oauth2", "userinfo"))
        return "userinfo";
    if (is_identity(r))
        return "identity";
    if (path_is(r, "services", "data", NULL))
        return "versions";
    struct sim_reply ignored = {.status = 0};
    const struct route *route = route_find(r, &ignored);
    sim_reply_release(&ignored);
    return route == NULL ? NULL : route->operation;
}

static bool head_is_too_long(struct exchange *x)
{
    if (strlen(x->request.target) > HEAD_LIMIT)
        sim_reply_error(&x->reply, 414, "URI_TOO_LONG",
                        "The length of the URI exceeds the limit of %d bytes", HEAD_LIMIT);
    else if (x->request.head_bytes > HEAD_LIMIT)
        sim_reply_error(&x->reply, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE",
                        "The combined length of the URI and headers exceeds the limit of %d bytes",
                        HEAD_LIMIT);
    else
        return false;
    return true;
}

void service_handle(struct exchange *x)
{
    if (x->request.segment_count > 0 && strcmp(x->request.segments[0], "sim") == 0) {
        control_handle(x);
        return;
    }
    if (head_is_too_long(x)) {
        exchange_send(x);
        return;
    }
    const char *operation = operation_of(x);
    if (operation != NULL)
        x->hit = faults_pick(x->sim->faults, operation, x->request.target);
    if (x->hit.kind == FAULT_LATE)
        exchange_defer(x, fault_number(&x->hit, 1000), perform);
    else
        perform(x);
}
