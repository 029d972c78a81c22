/*
 * A call: the token (signing in where there is none), the gate, the exchange, and on a 401 that a
 * new token can cure one refresh and one repetition. A 401 comes before anything is carried out, so
 * that repeating a write is right.
 */
#include "call_int.h"

#include <string.h>

#include "classify_int.h"
#include "metrics.h"
#include "timeutil.h"

void call_path(struct buf *b, const struct org *o, const char *rest)
{
    buf_init(b, HTTP_URL_MAX);
    buf_printf(b, "/services/data/v%s%s", o->config->api_version, rest);
}

void call_count(const struct org *o, const char *operation, enum err result, int64_t took_ms)
{
    metric_inc(METRIC_ORG_REQUESTS, o->config->id, operation,
               result == ERR_NONE ? "ok" : err_name(result));
    metric_observe(metric_series(METRIC_ORG_REQUEST_SECONDS), (double)took_ms / 1000);
}

void answer_release(struct answer *a)
{
    json_decref(a->root);
    a->root = NULL;
}

/* Those that we ended ourselves say nothing about the org. */
static bool is_orgs_doing(enum http_end end)
{
    return end != HTTP_ABORTED && end != HTTP_STALE && end != HTTP_UNREADABLE &&
           end != HTTP_REFUSED;
}

static void note(struct org_conn *c, const struct http_reply *r)
{
    if (is_orgs_doing(r->end))
        org_note_answer(c->org, r->end == HTTP_ANSWERED);
    if (r->end == HTTP_ANSWERED && r->status < 300)
        org_note_accepted(c->org);
    if (r->end == HTTP_ANSWERED && r->date_at_ms != TIME_NONE)
        org_note_clock(c->org, time_wall_ms() - r->date_at_ms);
    if (r->api_used >= 0)
        org_note_usage(c->org, r->api_used, r->api_limit);
}

static enum err pass_gate(struct org_conn *c, struct error *e)
{
    if (atomic_load(&c->aborted))
        return error_set(e, ERR_STOPPED, "the program is stopping");
    return c->gate.before == NULL ? ERR_NONE : c->gate.before(c->gate.ctx, e);
}

/* Much data may take longer than a lease: it is renewed as half of what was left has passed. */
struct renewal {
    struct org_conn *conn;
    int64_t due_boot_ms; /* INT64_MAX: never */
    enum err err;        /* of the gate that said no */
    struct error why;
};

static void renew_later(struct renewal *w)
{
    const int64_t *deadline = w->conn->gate.deadline_boot_ms;
    int64_t now = time_boot_ms();
    w->due_boot_ms = deadline == NULL ? INT64_MAX : now + (*deadline - now) / 2;
}

static bool renew_when_due(void *ctx)
{
    struct renewal *w = ctx;
    if (time_boot_ms() < w->due_boot_ms)
        return true;
    w->err = pass_gate(w->conn, &w->why);
    renew_later(w);
    return w->err == ERR_NONE;
}

static enum err send_request(struct org_conn *c, const struct call *call,
                             const struct http_request *request, struct http_reply *reply,
                             struct error *e)
{
    struct renewal renewal = {.conn = c};
    struct http_request r = *request;
    if (call->file != NULL || call->sink != NULL) {
        renew_later(&renewal);
        r.is_large = true;
        r.go_on = renew_when_due;
        r.go_on_ctx = &renewal;
    }
    c->calls++;
    http_exchange(c, &r, reply);
    if (renewal.err == ERR_NONE)
        return ERR_NONE;
    buf_release(&reply->body);
    return error_set(e, renewal.err, "%s: %s", call->operation, renewal.why.text);
}

static enum err exchange(struct org_conn *c, const struct call *call, const struct token *token,
                         struct http_reply *reply, struct error *e)
{
    struct buf url;
    buf_init(&url, HTTP_URL_MAX);
    buf_puts(&url, token->instance.text);
    buf_puts(&url, call->path);
    if (url.overflow) {
        buf_release(&url);
        return error_set(e, ERR_CONFIG,
                         "%s: the query is longer than Salesforce takes (%d bytes): name fewer "
                         "fields in the rules",
                         call->operation, HTTP_URL_MAX);
    }
    enum err err = pass_gate(c, e);
    if (err == ERR_NONE) {
        const struct http_request r = {
            .method = call->method,
            .url = url.data,
            .origin = &token->instance,
            .bearer = &token->secret,
            .accept = call->wants == CALL_CSV ? "text/csv" : NULL,
            .content_type = call->file != NULL ? "text/csv" : "application/json; charset=UTF-8",
            .body = call->body,
            .file = call->file,
            .body_len = call->body == NULL ? call->file_bytes : strlen(call->body),
            .sink = call->sink,
            .pages_of_2000 = call->pages_of_2000,
            .deadline_boot_ms = c->gate.deadline_boot_ms,
            .timeout_ms = c->org->request_timeout_ms,
        };
        err = send_request(c, call, &r, reply, e);
    }
    buf_release(&url);
    return err;
}

/* One attempt. *again: the token was refused, and a new one may help. */
static enum err attempt(struct org_conn *c, const struct call *call, uint64_t refused,
                        struct answer *a, uint64_t *generation, bool *again, struct error *e)
{
    struct token token;
    struct http_reply reply = {0};
    bool daily_limit = false;
    *again = false;
    enum err err = auth_acquire(c, refused, &token, e);
    if (err != ERR_NONE)
        return err;
    *generation = token.generation;
    int64_t started = time_boot_ms();
    err = exchange(c, call, &token, &reply, e);
    if (err == ERR_NONE) {
        note(c, &reply);
        err = classify_reply(call, &reply, a, &daily_limit, e);
        *again = classify_wants_new_token(&reply);
        if (err == ERR_LIMIT)
            org_note_limit_kind(c->org, daily_limit);
        call_count(c->org, call->operation, err, time_boot_ms() - started);
        buf_release(&reply.body);
    }
    token_release(&token);
    return err;
}

enum err org_call(struct org_conn *c, const struct call *call, struct answer *a, struct error *e)
{
    uint64_t generation = 0, second;
    bool again;
    *a = (struct answer){.records = -1};
    if (c->streaming)
        return error_set(e, ERR_INTERNAL,
                         "%s: the connection is in use: who is given results must not call the org",
                         call->operation);
    enum err err = attempt(c, call, 0, a, &generation, &again, e);
    if (!again)
        return err;
    err = attempt(c, call, generation, a, &second, &again, e);
    if (again)
        auth_forget(c->org, second);
    return err;
}

/* ------------------------------------------------------------------ several in one */

char *call_composite(json_t *subrequests)
{
    json_t *root = json_pack("{s:b,s:o}", "allOrNone", 0, "compositeRequest", subrequests);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

void call_reference(char out[CALL_REFERENCE_SIZE], size_t i)
{
    (void)snprintf(out, CALL_REFERENCE_SIZE, "part%zu", i);
}
