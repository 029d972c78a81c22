/*
 * Routing: a table of method, path and handler drives everything. Routes under /api/ want the
 * bearer token, compared in constant time; health, metrics and the page, which holds no data of its
 * own, do not. Over plain TCP all but /healthz want a Host that no web site can have (host.c); with
 * TLS the certificate sees to that, and no browser speaks to a unix socket.
 */
#include "admin_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "mem.h"

#define COMMON "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"

enum { ID_MAX = 64, PATH_MAX_BYTES = 256 };

struct route {
    const char *method;
    const char *path; /* "*" stands for one path segment, handed over as id */
    bool open;        /* without the token */
    void (*run)(struct admin *a, const struct request *q, struct answer *out);
};

static const struct route ROUTES[] = {
    {"GET", "/healthz", true, route_healthz},
    {"GET", "/readyz", true, route_readyz},
    {"GET", "/metrics", true, route_metrics},
    {"POST", "/api/v1/doctor", false, route_doctor},
    {"POST", "/api/v1/reload", false, route_reload},
    {"GET", "/api/v1/jobs", false, route_jobs},
    {"GET", "/api/v1/jobs/*", false, route_job},
    {"POST", "/api/v1/jobs/*/cancel", false, route_cancel},
    {"POST", "/api/v1/jobs/*/approve", false, route_approve},
    {"GET", "/api/v1/status", false, route_status},
    {"GET", "/api/v1/messages", false, route_messages},
    {"GET", "/api/v1/messages/*", false, route_message},
    {"POST", "/api/v1/messages/replay", false, route_replay},
    {"POST", "/api/v1/messages/discard", false, route_discard},
    {"POST", "/api/v1/inject", false, route_inject},
    {"GET", "/api/v1/quarantine", false, route_quarantine},
    {"GET", "/api/v1/quarantine/*", false, route_document},
    {"GET", "/api/v1/ledger", false, route_ledger},
    {"POST", "/api/v1/forget", false, route_forget},
    {"POST", "/api/v1/pause", false, route_pause},
    {"POST", "/api/v1/resume", false, route_resume},
    {"POST", "/api/v1/reconcile", false, route_reconcile},
    {"GET", "/api/v1/explain", false, route_explain},
    {"POST", "/api/v1/preview", false, route_preview},
    {"GET", "/api/v1/members", false, route_members},
    {"GET", "/api/v1/campaigns", false, route_campaigns},
    {"GET", "/api/v1/channels", false, route_channels},
    {"POST", "/api/v1/channels/try", false, route_channels_try},
    {"POST", "/api/v1/touchpoint-dates", false, route_dates},
    {"POST", "/api/v1/jobs/*/undo", false, route_undo},
};
enum { ROUTE_COUNT = sizeof ROUTES / sizeof ROUTES[0] };

void answer_json(struct answer *a, int status, json_t *value)
{
    char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    json_decref(value);
    *a = (struct answer){.status = status,
                         .content_type = "application/json",
                         .text = text == NULL ? mem_strdup("{}") : text};
}

void answer_problem(struct answer *a, int status, const char *title, const char *detail)
{
    answer_json(a, status,
                json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title", title, "status",
                          status, "detail", detail));
    a->content_type = "application/problem+json";
}

void answer_send(struct answer *a, struct listener_token token)
{
    struct listener_answer reply = {
        .status = a->status,
        .content_type = a->content_type,
        .extra = a->extra == NULL ? COMMON : a->extra,
        .body = a->text == NULL ? a->fixed : a->text,
        .body_len = a->text == NULL ? a->fixed_len : strlen(a->text),
        .body_static = a->text == NULL,
    };
    listener_reply(token, &reply);
    free(a->text);
    a->text = NULL;
}

/* Matches path against a route's path; the segment that "*" stands for goes to id. */
static bool path_matches(const char *pattern, struct http_span path, char id[ID_MAX])
{
    const char *p = path.p, *end = path.p + path.n;
    id[0] = '\0';
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '*') {
            if (p == end || *p++ != *pattern)
                return false;
            continue;
        }
        size_t n = 0;
        for (; p < end && *p != '/' && n + 1 < ID_MAX; p++)
            id[n++] = *p;
        id[n] = '\0';
    }
    return p == end;
}

static bool has_token(const struct admin *a, const struct http_head *h)
{
    static const char scheme[] = "Bearer ";
    const struct http_span *v = http_head_field(h, "Authorization");
    size_t n = sizeof scheme - 1;
    return v != NULL && v->n > n && strncasecmp(v->p, scheme, n) == 0 &&
           secret_equal(&a->secret_token, v->p + n, v->n - n);
}

/* HEAD is answered as GET; the listener leaves the body out. */
static bool method_matches(const char *method, struct http_span got)
{
    return http_span_is(got, method) || (strcmp(method, "GET") == 0 && http_span_is(got, "HEAD"));
}

static bool is_asked_rightly(const struct admin *a, const struct http_head *h)
{
    const struct config *c = a->options.config;
    return c->admin.certificate[0] != '\0' || strncmp(c->admin.address, "unix:", 5) == 0 ||
           http_span_is(h->path, "/healthz") || host_may_ask(h, c->admin.name);
}

static void dispatch(struct admin *a, const struct http_head *h, struct request *q,
                     struct answer *out)
{
    char id[ID_MAX];
    const char *known = NULL; /* the method of a route with this path */
    if (!is_asked_rightly(a, h)) {
        answer_problem(out, 421, "Not a name of this address",
                       "ask by an IP address or localhost, or set admin.name to the name that this "
                       "address has");
        return;
    }
    if (page_route(h, out))
        return;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!path_matches(ROUTES[i].path, h->path, id))
            continue;
        known = ROUTES[i].method;
        if (!method_matches(known, h->method))
            continue;
        if (ROUTES[i].open || has_token(a, h)) {
            q->id = id;
            ROUTES[i].run(a, q, out);
            return;
        }
        answer_problem(out, 401, "Not signed in",
                       "send the bearer token of admin.token_file in the Authorization header");
        out->extra = COMMON "WWW-Authenticate: Bearer realm=\"touchpointd\"\r\n";
        return;
    }
    if (known == NULL) {
        answer_problem(out, 404, "Not found", "there is nothing at this path");
        return;
    }
    answer_problem(out, 405, "Method not allowed", "this path answers another method");
    out->extra =
        strcmp(known, "GET") == 0 ? COMMON "Allow: GET, HEAD\r\n" : COMMON "Allow: POST\r\n";
}

/* ------------------------------------------------------------------ the listener's handler */

static void *admin_loop_new(void *ctx)
{
    return ctx;
}

static void admin_loop_free(void *ctx, void *loop)
{
    (void)ctx;
    (void)loop;
}

static void admin_head(void *ctx, void *loop, const struct http_head *h,
                       const struct listener_peer *peer, struct listener_answer *refuse)
{
    (void)ctx;
    (void)loop;
    (void)h;
    (void)peer;
    (void)refuse;
}

static void admin_request(void *ctx, void *loop, const struct http_head *h,
                          const struct listener_peer *peer, const char *body, size_t n,
                          struct listener_token token)
{
    struct admin *a = ctx;
    struct answer out = {0};
    (void)loop;
    (void)peer;
    struct request q = {.token = token, .query = h->query, .body = body, .body_len = n};
    dispatch(a, h, &q, &out);
    if (out.status != ANSWER_LATER)
        answer_send(&out, token);
}

static void admin_refused(void *ctx, void *loop, const struct listener_peer *peer, int status,
                          const char *problem, struct listener_answer *answer)
{
    (void)ctx;
    (void)loop;
    (void)answer;
    log_debug("admin request refused", "peer", peer->address, "status", log_num(status), "problem",
              problem, NULL);
}

const struct listener_handler *admin_handler(void)
{
    static const struct listener_handler handler = {
        .loop_new = admin_loop_new,
        .loop_free = admin_loop_free,
        .head = admin_head,
        .request = admin_request,
        .refused = admin_refused,
    };
    return &handler;
}

enum err admin_new(struct admin **out, const struct admin_options *o, struct error *e)
{
    struct admin *a = mem_alloc(sizeof *a);
    const char *file = o->config->admin.token_file;
    a->options = *o;
    if (file != NULL && file[0] != '\0') {
        enum err err = secret_read_file(&a->secret_token, file, e);
        if (err != ERR_NONE && err != ERR_NOT_FOUND) {
            free(a);
            return error_wrap(e, "admin.token_file");
        }
        if (err == ERR_NOT_FOUND)
            log_warn(
                "the admin API is off: its token file does not exist; health and metrics answer",
                "file", file, NULL);
        else if (!secret_file_is_private(file))
            log_warn("the admin token can be read by others: chmod 600 it", "file", file, NULL);
    }
    a->asks = asks_new(a);
    a->lookups = asks_new(a);
    *out = a;
    return ERR_NONE;
}

void admin_stop(struct admin *a)
{
    asks_stop(a->asks);
    asks_stop(a->lookups);
}

size_t admin_in_flight(struct admin *a)
{
    return asks_in_flight(a->asks) + asks_in_flight(a->lookups);
}

void admin_free(struct admin **a)
{
    if (*a == NULL)
        return;
    asks_free(&(*a)->asks);
    asks_free(&(*a)->lookups);
    secret_release(&(*a)->secret_token);
    free(*a);
    *a = NULL;
}

const char *admin_status(void *ctx)
{
    return health_status(ctx, NULL);
}
