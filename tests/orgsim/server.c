/*
 * evhttp stops reading while a request is being answered, so a client that leaves is noticed
 * only when writing; that suits a simulation of an org, which carries out what it was asked to.
 * Resets and cuts happen from a timer, never inside evhttp's own callback.
 */
#include "server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "locks.h"
#include "log.h"
#include "mem.h"
#include "service.h"
#include "stats.h"
#include "timeutil.h"

enum { HEAD_MAX = 262144, BODY_MAX = 160 << 20, IDLE_S = 3600 };

struct server {
    struct sim *sim;
    struct evhttp *http;
    struct exchange *first;
};

static void unlink_exchange(struct exchange *x)
{
    if (x->previous != NULL)
        x->previous->next = x->next;
    else
        x->server->first = x->next;
    if (x->next != NULL)
        x->next->previous = x->previous;
}

static void exchange_free(struct exchange *x)
{
    if (x->is_counted)
        stats_end(x->sim->stats);
    locks_release(x->sim->locks, x->request.id);
    unlink_exchange(x);
    if (x->timer != NULL)
        event_free(x->timer);
    fault_hit_release(&x->hit);
    sim_reply_release(&x->reply);
    sim_request_release(&x->request);
    free(x->body);
    free(x->content_type);
    free(x->authorization);
    free(x->query_options);
    free(x);
}

/* ------------------------------------------------------------------ the request */

static void on_close(struct evhttp_connection *connection, void *arg)
{
    (void)connection;
    struct exchange *x = arg;
    x->ev = NULL;
}

static enum http_method method_of(enum evhttp_cmd_type type)
{
    switch (type) {
    case EVHTTP_REQ_GET:
        return HTTP_GET;
    case EVHTTP_REQ_POST:
        return HTTP_POST;
    case EVHTTP_REQ_PATCH:
        return HTTP_PATCH;
    case EVHTTP_REQ_PUT:
        return HTTP_PUT;
    case EVHTTP_REQ_DELETE:
        return HTTP_DELETE;
    case EVHTTP_REQ_HEAD:
        return HTTP_HEAD;
    case EVHTTP_REQ_OPTIONS:
    case EVHTTP_REQ_TRACE:
    case EVHTTP_REQ_CONNECT:
        break;
    }
    return HTTP_OTHER;
}

/* Request line and headers, as an org measures them. */
static size_t head_bytes(struct evhttp_request *ev)
{
    size_t n = strlen(evhttp_request_get_uri(ev));
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(ev);
    for (const struct evkeyval *h = headers->tqh_first; h != NULL; h = h->next.tqe_next)
        n += strlen(h->key) + strlen(h->value) + 4;
    return n;
}

static void copy_request(struct exchange *x)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(x->ev);
    struct evbuffer *in = evhttp_request_get_input_buffer(x->ev);
    size_t n = evbuffer_get_length(in);
    x->body = mem_alloc(n + 1);
    evbuffer_remove(in, x->body, n); /* not copied: an upload may have 100 MB */
    x->content_type = mem_strdup(evhttp_find_header(headers, "Content-Type"));
    x->authorization = mem_strdup(evhttp_find_header(headers, "Authorization"));
    x->query_options = mem_strdup(evhttp_find_header(headers, "Sforce-Query-Options"));
    x->request.body = x->body;
    x->request.body_len = n;
    x->request.content_type = x->content_type;
    x->request.authorization = x->authorization;
    x->request.query_options = x->query_options;
    x->request.head_bytes = head_bytes(x->ev);
    x->request.id = ++x->sim->next_request;
}

static void on_request(struct evhttp_request *ev, void *arg)
{
    struct server *s = arg;
    struct exchange *x = mem_alloc(sizeof *x);
    x->sim = s->sim;
    x->server = s;
    x->ev = ev;
    x->hit.kind = FAULT_NONE;
    x->next = s->first;
    if (s->first != NULL)
        s->first->previous = x;
    s->first = x;
    evhttp_connection_set_closecb(evhttp_request_get_connection(ev), on_close, x);
    bool readable = sim_request_parse(&x->request, method_of(evhttp_request_get_command(ev)),
                                      evhttp_request_get_uri(ev));
    copy_request(x);
    if (readable) {
        service_handle(x);
    } else {
        sim_reply_not_found(&x->reply);
        exchange_send(x);
    }
}

/* ------------------------------------------------------------------ the answer */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct exchange *x = arg;
    x->step(x);
}

void exchange_defer(struct exchange *x, int64_t ms, void (*step)(struct exchange *))
{
    struct timeval wait = {ms / 1000, ms % 1000 * 1000};
    x->step = step;
    if (x->timer == NULL)
        x->timer = evtimer_new(x->sim->base, on_timer, x);
    event_add(x->timer, &wait);
}

static void free_text(const void *data, size_t n, void *text)
{
    (void)data, (void)n;
    free(text);
}

/* The body; a text is not copied, since the result of a bulk job may have 100 MB. */
static struct evbuffer *output(struct exchange *x, size_t *full)
{
    struct evbuffer *out = evbuffer_new();
    struct sim_reply *r = &x->reply;
    if (r->json != NULL) {
        free(r->text);
        r->text = json_dumps(r->json, JSON_COMPACT | JSON_ENCODE_ANY);
        r->text_len = strlen(r->text);
    }
    *full = r->text_len;
    if (r->text != NULL)
        evbuffer_add_reference(out, r->text, r->text_len, free_text, r->text);
    r->text = NULL;
    return out;
}

static void add_headers(struct exchange *x)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(x->ev);
    if (x->reply.content_type != NULL)
        evhttp_add_header(headers, "Content-Type", x->reply.content_type);
    if (x->sim->behaviour.date_ahead_ms != 0) { /* else libevent adds it */
        char date[64];
        time_t at = (time_t)((time_wall_ms() + x->sim->behaviour.date_ahead_ms) / 1000);
        struct tm tm;
        if (gmtime_r(&at, &tm) != NULL &&
            strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
            evhttp_add_header(headers, "Date", date);
    }
    for (size_t i = 0; i < x->reply.header_count; i++)
        evhttp_add_header(headers, x->reply.headers[i].name, x->reply.headers[i].value);
}

static void reply_and_free(struct exchange *x, bool cut)
{
    if (x->ev != NULL) {
        size_t full;
        struct evbuffer *out = output(x, &full);
        add_headers(x);
        if (cut) { /* the length promises all, the body holds half, then the connection closes */
            char length[24];
            struct evkeyvalq *headers = evhttp_request_get_output_headers(x->ev);
            snprintf(length, sizeof length, "%zu", full);
            evhttp_add_header(headers, "Content-Length", length);
            evhttp_add_header(headers, "Connection", "close");
            struct evbuffer *half = evbuffer_new();
            evbuffer_remove_buffer(out, half, full / 2);
            evbuffer_free(out);
            out = half;
        }
        evhttp_connection_set_closecb(evhttp_request_get_connection(x->ev), NULL, NULL);
        evhttp_send_reply(x->ev, x->reply.status, NULL, out);
        evbuffer_free(out);
    }
    exchange_free(x);
}

void exchange_send(struct exchange *x)
{
    reply_and_free(x, false);
}

void exchange_cut(struct exchange *x)
{
    reply_and_free(x, true);
}

static void reset_now(struct exchange *x)
{
    if (x->ev != NULL) {
        struct evhttp_connection *connection = evhttp_request_get_connection(x->ev);
        struct bufferevent *bev = evhttp_connection_get_bufferevent(connection);
        /* Dissolving the association sends RST; closing would send FIN first. */
        struct sockaddr nobody = {.sa_family = AF_UNSPEC};
        if (connect(bufferevent_getfd(bev), &nobody, sizeof nobody) != 0)
            log_warn("cannot reset a connection", NULL);
        evhttp_connection_set_closecb(connection, NULL, NULL);
        evhttp_connection_free(connection);
    }
    exchange_free(x);
}

void exchange_reset(struct exchange *x)
{
    locks_release(x->sim->locks, x->request.id);
    exchange_defer(x, 0, reset_now);
}

void exchange_park(struct exchange *x)
{
    locks_release(x->sim->locks, x->request.id);
}

/* ------------------------------------------------------------------ birth and end */

static uint16_t port_of(evutil_socket_t fd)
{
    struct sockaddr_in at;
    socklen_t n = sizeof at;
    return getsockname(fd, (struct sockaddr *)&at, &n) == 0 ? ntohs(at.sin_port) : 0;
}

enum err server_start(struct server **out, struct sim *sim, uint16_t *port, struct error *e)
{
    struct server *s = mem_alloc(sizeof *s);
    s->sim = sim;
    s->http = evhttp_new(sim->base);
    evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PATCH |
                                            EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(s->http, HEAD_MAX);
    evhttp_set_max_body_size(s->http, BODY_MAX);
    evhttp_set_timeout(s->http, IDLE_S);
    evhttp_set_gencb(s->http, on_request, s);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(s->http, "127.0.0.1", *port);
    if (bound == NULL) {
        server_stop(&s);
        return error_errno(e, "cannot listen on 127.0.0.1:%u", (unsigned)*port);
    }
    evutil_socket_t fd = evhttp_bound_socket_get_fd(bound);
    int on = 1; /* inherited by accepted sockets; without it an answer takes 40 ms */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *port = port_of(fd);
    *out = s;
    return ERR_NONE;
}

void server_stop(struct server **sp)
{
    struct server *s = *sp;
    if (s == NULL)
        return;
    for (struct exchange *x = s->first, *next; x != NULL; x = next) {
        next = x->next;
        if (x->ev != NULL)
            evhttp_connection_set_closecb(evhttp_request_get_connection(x->ev), NULL, NULL);
        exchange_free(x);
    }
    evhttp_free(s->http);
    free(s);
    *sp = NULL;
}
