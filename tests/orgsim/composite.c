/*
 * Subrequests run one after the other in one transaction (so that allOrNone can take it back), each
 * through the same routes as a request from outside. A reference to something that failed halts
 * the subrequest that needs it.
 */
#include "composite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "records.h"
#include "routes.h"
#include "stats.h"

/* One step of a path: ".name" or "[3]"; moves *path on. */
static const json_t *step(const json_t *at, const char **path)
{
    const char *p = *path;
    if (*p == '[') {
        char *end;
        unsigned long i = strtoul(p + 1, &end, 10);
        *path = *end == ']' ? end + 1 : end;
        return *end == ']' ? json_array_get(at, i) : NULL;
    }
    p += *p == '.';
    size_t n = strcspn(p, ".[");
    char *name = mem_strndup(p, n);
    const json_t *next = json_object_get(at, name);
    free(name);
    *path = p + n;
    return n == 0 ? NULL : next;
}

static const json_t *reference(const json_t *results, const char *path)
{
    const json_t *at = results;
    while (at != NULL && *path != '\0')
        at = step(at, &path);
    return at;
}

static bool put_value(struct buf *out, const json_t *value)
{
    if (json_is_string(value))
        buf_puts(out, json_string_value(value));
    else if (json_is_integer(value))
        buf_printf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        buf_puts(out, json_is_true(value) ? "true" : "false");
    else
        return false;
    return true;
}

char *composite_substitute(const char *text, const json_t *results, char *missing,
                           size_t missing_size)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    for (const char *at; (at = strstr(text, "@{")) != NULL;) {
        const char *end = strchr(at, '}');
        if (end == NULL)
            break;
        buf_put(&out, text, (size_t)(at - text));
        char *path = mem_strndup(at + 2, (size_t)(end - at - 2));
        bool found = put_value(&out, reference(results, path));
        if (!found)
            snprintf(missing, missing_size, "%s", path);
        free(path);
        if (!found) {
            buf_release(&out);
            return NULL;
        }
        text = end + 1;
    }
    buf_puts(&out, text);
    return buf_take(&out);
}

static bool has_reference(json_t *value)
{
    const char *name;
    json_t *child;
    size_t i;
    if (json_is_string(value))
        return strstr(json_string_value(value), "@{") != NULL;
    json_object_foreach(value, name, child)
    {
        if (has_reference(child))
            return true;
    }
    json_array_foreach(value, i, child)
    {
        if (has_reference(child))
            return true;
    }
    return false;
}

/* The value with every string substituted; NULL if a reference has no value. */
static json_t *substituted(json_t *value, const json_t *results, char *missing, size_t size)
{
    if (json_is_string(value)) {
        char *s = composite_substitute(json_string_value(value), results, missing, size);
        json_t *out = s == NULL ? NULL : json_string(s);
        free(s);
        return out;
    }
    if (!json_is_object(value) && !json_is_array(value))
        return json_incref(value);
    json_t *out = json_is_object(value) ? json_object() : json_array(), *child;
    const char *name;
    size_t i;
    bool ok = true;
    json_object_foreach(value, name, child)
    {
        json_t *v = ok ? substituted(child, results, missing, size) : NULL;
        ok = v != NULL && json_object_set_new(out, name, v) == 0;
    }
    json_array_foreach(value, i, child)
    {
        json_t *v = ok ? substituted(child, results, missing, size) : NULL;
        ok = v != NULL && json_array_append_new(out, v) == 0;
    }
    if (!ok) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s == NULL ? "" : s;
}

/* ------------------------------------------------------------------ one subrequest */

static void run_routed(struct sim *sim, const struct sim_request *outer, struct sim_request *inner,
                       json_t *body, struct sim_reply *reply)
{
    const struct route *route = route_find(inner, reply);
    if (route == NULL)
        return;
    inner->json = body;
    inner->id = outer->id;
    stats_subrequest(sim->stats, route->operation);
    if (strcmp(route->operation, "composite") == 0)
        sim_reply_error(reply, 400, "INVALID_INPUT", "a composite cannot hold a composite");
    else
        route->run(sim, inner, reply);
    sim_reply_parse(reply);
}

static void run_one(struct sim *sim, const struct sim_request *outer, json_t *sub,
                    const json_t *results, struct sim_reply *reply)
{
    char missing[200] = "";
    json_t *body = json_object_get(sub, "body");
    char *url = composite_substitute(text_of(sub, "url"), results, missing, sizeof missing);
    json_t *filled = json_incref(body);
    if (has_reference(body)) {
        json_decref(filled);
        filled = substituted(body, results, missing, sizeof missing);
    }
    if (url == NULL || (body != NULL && filled == NULL)) {
        sim_reply_error(reply, 400, "PROCESSING_HALTED",
                        "Invalid reference specified. No value for %s found in %.*s", missing,
                        (int)strcspn(missing, ".["), missing);
    } else {
        struct sim_request inner;
        if (sim_request_parse(&inner, http_method_of(text_of(sub, "method")), url))
            run_routed(sim, outer, &inner, filled, reply);
        else
            sim_reply_not_found(reply);
        sim_request_release(&inner);
    }
    json_decref(filled);
    free(url);
}

static json_t *answer(const json_t *sub, const struct sim_reply *reply)
{
    json_t *body = reply->json == NULL ? json_null() : json_incref(reply->json);
    return json_pack("{s:o, s:{}, s:i, s:s}", "body", body, "httpHeaders", "httpStatusCode",
                     reply->status, "referenceId", text_of(sub, "referenceId"));
}

/* ------------------------------------------------------------------ the whole */

static bool is_heavy(const char *url)
{
    return strstr(url, "/composite/") != NULL || strstr(url, "/query") != NULL;
}

/* Sizes and references; false with the reply filled. */
static bool check(json_t *subs, struct sim_reply *reply)
{
    size_t i, k, heavy = 0;
    json_t *sub, *other;
    if (json_array_size(subs) == 0) {
        sim_reply_error(reply, 400, "INVALID_INPUT", "compositeRequest is missing or empty");
        return false;
    }
    json_array_foreach(subs, i, sub)
    {
        heavy += is_heavy(text_of(sub, "url"));
        if (*text_of(sub, "referenceId") == '\0') {
            sim_reply_error(reply, 400, "INVALID_INPUT", "a subrequest has no referenceId");
            return false;
        }
        json_array_foreach(subs, k, other)
        {
            if (k < i && strcmp(text_of(sub, "referenceId"), text_of(other, "referenceId")) == 0) {
                sim_reply_error(reply, 400, "INVALID_INPUT", "referenceId %s is used twice",
                                text_of(sub, "referenceId"));
                return false;
            }
        }
    }
    if (json_array_size(subs) > COMPOSITE_MAX || heavy > COMPOSITE_HEAVY_MAX) {
        sim_reply_error(reply, 400, "LIMIT_EXCEEDED",
                        "at most %d subrequests, and at most %d of them query or sObject "
                        "Collections operations",
                        COMPOSITE_MAX, COMPOSITE_HEAVY_MAX);
        return false;
    }
    return true;
}

/* allOrNone: the others are told that they were taken back. */
static void halt_others(json_t *answers)
{
    size_t i;
    json_t *a;
    json_array_foreach(answers, i, a)
    {
        if (json_integer_value(json_object_get(a, "httpStatusCode")) >= 400)
            continue;
        json_object_set_new(a, "httpStatusCode", json_integer(400));
        json_object_set_new(a, "body",
                            json_pack("[{s:s, s:s}]", "errorCode", "PROCESSING_HALTED", "message",
                                      "The transaction was rolled back since another operation "
                                      "in the same transaction failed."));
    }
}

static json_t *run_all(struct sim *sim, const struct sim_request *r, json_t *subs, bool *failed)
{
    json_t *answers = json_array(), *results = json_object(), *sub;
    size_t i;
    json_array_foreach(subs, i, sub)
    {
        struct sim_reply reply = {.status = 0};
        run_one(sim, r, sub, results, &reply);
        if (reply.status < 400 && reply.json != NULL)
            json_object_set(results, text_of(sub, "referenceId"), reply.json);
        *failed |= reply.status >= 400;
        json_array_append_new(answers, answer(sub, &reply));
        sim_reply_release(&reply);
    }
    json_decref(results);
    return answers;
}

void composite_run(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    json_t *body = sim_request_json(r, reply);
    json_t *subs = json_object_get(body, "compositeRequest");
    if (body != NULL && check(subs, reply)) {
        bool failed = false, all_or_none = json_is_true(json_object_get(body, "allOrNone"));
        struct stats_rows before = sim->stats->rows;
        tx_begin(sim);
        json_t *answers = run_all(sim, r, subs, &failed);
        if (failed && all_or_none) {
            tx_rollback(sim);
            sim->stats->rows = before;
            halt_others(answers);
        } else {
            tx_commit(sim);
        }
        sim_reply_json(reply, 200, json_pack("{s:o}", "compositeResponse", answers));
    }
    json_decref(body);
}
