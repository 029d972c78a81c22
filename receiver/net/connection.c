#define _GNU_SOURCE
/*
 * One connection's requests: bytes in, head admitted, body gathered, request handed over, and, once
 * answer.c has written the reply, on to the next one. Call-backs of the bufferevent are deferred,
 * so none of them runs inside another; while a request is being answered the bytes of the next stay
 * in the input buffer.
 */
#include "listener_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>

#include "log.h"
#include "mem.h"
#include "refusal.h"
#include "timeutil.h"
#include "tls.h"

enum { DRAINING_IDLE_MS = 1000 };

static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";

void connection_enter(struct connection *c, enum connection_state state, int64_t timeout_ms)
{
    c->loop->in_state[c->state]--;
    c->loop->in_state[state]++;
    c->state = state;
    bool is_served = state == CONNECTION_ANSWERING || state == CONNECTION_WRITING;
    if (is_served != c->is_served)
        (void)room_serve(c, is_served);
    c->deadline_ms = time_boot_ms() + timeout_ms;
}

static void enter_idle(struct connection *c)
{
    const struct listener *l = c->loop->listener;
    int64_t timeout_ms = c->loop->options.idle_timeout_ms;
    if (atomic_load_explicit(&l->is_draining, memory_order_relaxed) &&
        timeout_ms > DRAINING_IDLE_MS)
        timeout_ms = DRAINING_IDLE_MS;
    connection_enter(c, CONNECTION_IDLE, timeout_ms);
}

/* OpenSSL takes and wipes 17 KB for each record, and so it should for thousands of connections that
 * do nothing. A few that have proved to be senders keep theirs. */
static void keep_buffers(struct connection *c)
{
    if (c->tls == NULL || !c->is_proven || c->keeps_buffers || c->loop->buffered == BUFFERED_MAX)
        return;
    tls_session_keep_buffers(c->tls);
    c->keeps_buffers = true;
    c->loop->buffered++;
}

/* True when a reply was being written and is out. */
static bool finish_reply(struct connection *c)
{
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
        return false;
    if (c->close_after) {
        connection_linger(c);
        return false;
    }
    http_reader_next(c->reader);
    c->is_head = false;
    keep_buffers(c);
    enter_idle(c);
    return true;
}

/* ------------------------------------------------------------------ requests */

/* False when the handler refuses it, which is answered. */
static bool judge_head(struct connection *c)
{
    struct listener *l = c->loop->listener;
    struct listener_answer refusal = {0};
    c->judged_by = atomic_load_explicit(&c->loop->version, memory_order_relaxed);
    if (l->handler->head != NULL)
        l->handler->head(c->loop->handler_context, c->loop->context, http_reader_head(c->reader),
                         &c->peer, &refusal);
    if (refusal.status == 0)
        return true;
    connection_drop_body(c);
    connection_answer(c, &refusal, true);
    return false;
}

static void take_head(struct connection *c)
{
    const struct http_head *h = http_reader_head(c->reader);

    c->is_head = http_span_is(h->method, "HEAD");
    if (!judge_head(c))
        return;
    bool wants_body = h->chunked || h->content_length > 0;
    if (h->expect_continue && wants_body && evbuffer_get_length(bufferevent_get_input(c->bev)) == 0)
        (void)connection_send(c, CONTINUE, sizeof CONTINUE - 1); /* if broken, an event says so */
}

/* What was let in before a reload must be let in by what is loaded now, too: else a request for
 * health could come out as a message that nobody has asked for its path. */
static void hand_over(struct connection *c)
{
    struct listener *l = c->loop->listener;
    if (c->judged_by != atomic_load_explicit(&c->loop->version, memory_order_relaxed) &&
        !judge_head(c))
        return;
    struct listener_token token = {.listener = l,
                                   .loop = c->loop->index,
                                   .slot = c->slot,
                                   .generation = c->generation,
                                   .request = c->request};

    if (!room_serve(c, true)) {
        connection_close(c);
        return;
    }
    connection_await_answer(c);
    l->handler->request(c->loop->handler_context, c->loop->context, http_reader_head(c->reader),
                        &c->peer, c->body == NULL ? "" : c->body, c->body_len, token);
    connection_drop_body(c);
}

/* One event of the HTTP reader from the first piece of input. False: nothing to do for now. */
static bool step(struct connection *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    struct evbuffer_iovec v = {0};
    struct http_span piece;
    size_t used;

    if (evbuffer_peek(input, -1, NULL, &v, 1) <= 0)
        v = (struct evbuffer_iovec){0};
    if (c->reader == NULL && v.iov_len == 0)
        return false;
    if (c->reader == NULL)
        c->reader = loop_take_reader(c->loop);
    enum http_event event = http_parse(c->reader, v.iov_base, v.iov_len, &used, &piece);
    if (c->state == CONNECTION_IDLE && !http_reader_is_idle(c->reader))
        connection_enter(c, CONNECTION_READING, c->loop->options.request_timeout_ms);
    bool kept = event != HTTP_BODY || connection_add_body(c, piece);
    if (event == HTTP_BODY) {
        assert(v.iov_base != NULL); /* the piece is a part of it */
        explicit_bzero((char *)v.iov_base + (piece.p - (const char *)v.iov_base), piece.n);
    }
    evbuffer_drain(input, used);

    if (event == HTTP_HEAD)
        take_head(c);
    else if (event == HTTP_DONE)
        hand_over(c);
    else if (event == HTTP_BAD)
        connection_refuse(c, http_reader_status(c->reader), http_reader_problem(c->reader));
    else if (!kept)
        connection_refuse(c, 503, "too many bytes of requests are waiting; send again later");
    else if (event == HTTP_MORE && used == 0)
        return false;
    return true;
}

/* Requests that wait behind one being answered stay in the socket once INPUT_MAX bytes of them are
 * here. Not by libevent's watermark: that may stop inside a TLS record, and what OpenSSL has
 * decrypted of it then waits for a socket event that never comes. */
static void pause_or_resume(struct connection *c)
{
    bool is_full = evbuffer_get_length(bufferevent_get_input(c->bev)) > INPUT_MAX;
    if (is_full == c->is_paused)
        return;
    c->is_paused = is_full;
    if (is_full)
        bufferevent_disable(c->bev, EV_READ);
    else
        bufferevent_enable(c->bev, EV_READ);
}

void connection_advance(struct connection *c)
{
    c->is_advancing = true;
    for (bool going = true; going;) {
        if (c->state == CONNECTION_IDLE || c->state == CONNECTION_READING)
            going = step(c);
        else
            going = c->state == CONNECTION_WRITING && finish_reply(c);
    }
    c->is_advancing = false;
    if (c->state != CONNECTION_CLOSED)
        pause_or_resume(c);
    if (c->state != CONNECTION_IDLE && c->state != CONNECTION_READING)
        return;
    if (c->peer_closed)
        connection_linger(c); /* all that it sent is dealt with, and no more comes */
    else if (c->reader != NULL && http_reader_is_idle(c->reader))
        loop_give_reader(c->loop, &c->reader);
}

/* ------------------------------------------------------------------ call-backs */

static void on_data(struct bufferevent *bev, void *arg)
{
    struct connection *c = arg;
    (void)bev;
    if (c->state == CONNECTION_CLOSING)
        connection_drop_input(c);
    else
        connection_advance(c);
    connection_settle(c);
}

static void on_handshake(struct connection *c)
{
    metric_add(c->loop->listener->handshakes_ok, 1);
    tls_session_client(c->tls, &c->peer.certificate);
    enter_idle(c);
    connection_advance(c);
}

/* Of a client that is refused for its certificate the log tells which it was, so that the admin can
 * pin it; and it gets to read the alert, although with TLS 1.3 it may be sending its request
 * already. Other failures are scanners' and of no use to anybody but who looks for them. */
static void on_handshake_failed(struct connection *c)
{
    const struct listener *l = c->loop->listener;
    unsigned long code = bufferevent_get_openssl_error(c->bev);
    struct client_certificate certificate;
    char pin[PIN_TEXT_MAX];
    enum refusal why;
    metric_add(l->handshakes_failed, 1);
    if (!tls_session_client_refused(c->tls, code, &why, &certificate)) {
        log_debug("TLS handshake failed", "listener", l->name, "peer", c->peer.address, "reason",
                  tls_reason(code), NULL);
        connection_close(c);
        return;
    }
    refusal_tell(why, &(struct refusal_detail){
                          .peer = c->peer.address,
                          .certificate = certificate.is_present
                                             ? pin_certificate_text(certificate.sha256, pin)
                                             : NULL,
                          .text = certificate.problem});
    connection_linger_bare(c);
}

/* The peer sends no more; what it asked for before is still answered. */
static void on_end(struct connection *c)
{
    c->peer_closed = true;
    connection_end_wait(c);
    if (c->state == CONNECTION_CLOSING)
        connection_close(c);
    else
        connection_advance(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct connection *c = arg;
    (void)bev;
    if ((what & BEV_EVENT_CONNECTED) != 0)
        on_handshake(c);
    else if (c->state == CONNECTION_HANDSHAKE)
        on_handshake_failed(c);
    else if ((what & BEV_EVENT_EOF) != 0)
        on_end(c);
    else
        connection_close(c);
    connection_settle(c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;
    (void)fd;
    (void)what;
    c->armed_ms = 0;
    if (time_boot_ms() >= c->deadline_ms)
        connection_on_deadline(c);
    connection_settle(c);
}

/* A pending timer that fires too early is armed again then: cheaper than moving it each time. */
static void arm(struct connection *c)
{
    if (c->armed_ms != 0 && c->armed_ms <= c->deadline_ms)
        return;
    int64_t wait_ms = c->deadline_ms - time_boot_ms();
    if (wait_ms < 0)
        wait_ms = 0;
    wait_ms++; /* never before the deadline */
    struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    event_add(c->timer, &tv);
    c->armed_ms = c->deadline_ms;
}

void connection_settle(struct connection *c)
{
    if (c->state == CONNECTION_CLOSED)
        connection_free(c);
    else
        arm(c);
}

/* A request may be anywhere on its way: on the wire, in the socket, inside OpenSSL, or in the input
 * with its call-back still to come. Its sender can't know what became of one that is cut, so who
 * may be asking gets a moment; at its end the deadline looks for input once more. */
void connection_drain(struct connection *c)
{
    if (c->state == CONNECTION_IDLE)
        enter_idle(c);
    connection_settle(c);
}

/* ------------------------------------------------------------------ life */

/* On failure with TLS the session is libevent's, and what became of the socket is not told: then
 * one descriptor is lost rather than perhaps another's closed. */
static struct bufferevent *make_bufferevent(struct connection *c)
{
    struct event_base *base = c->loop->base;
    struct tls_server *tls = c->loop->options.tls;
    int options = BEV_OPT_DEFER_CALLBACKS | BEV_OPT_CLOSE_ON_FREE;

    if (tls != NULL)
        c->tls = tls_session_new(tls);
    if (c->tls != NULL) {
        c->owns_fd = false;
        struct bufferevent *secured =
            bufferevent_openssl_socket_new(base, c->fd, c->tls, BUFFEREVENT_SSL_ACCEPTING, options);
        if (secured == NULL || tls_session_bound_hello(c->tls))
            return secured;
        bufferevent_free(secured);
        return NULL;
    }
    struct bufferevent *bev = tls == NULL ? bufferevent_socket_new(base, c->fd, options) : NULL;
    c->owns_fd = bev == NULL;
    return bev;
}

void connection_begin(struct connection *c)
{
    const struct listener_options *o = &c->loop->options;
    c->bev = make_bufferevent(c);
    if (c->bev == NULL) {
        connection_close(c);
        return;
    }
    bufferevent_setcb(c->bev, on_data, on_data, on_event, c);
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) != 0)
        connection_close(c);
    else if (o->tls == NULL)
        enter_idle(c);
    else
        connection_enter(c, CONNECTION_HANDSHAKE, o->handshake_timeout_ms);
}

void connection_open(struct loop *loop, int fd, struct limits_place *place,
                     const struct listener_peer *peer, const struct sockaddr_storage *proxy)
{
    struct connection *c = mem_alloc(sizeof *c);
    c->loop = loop;
    c->fd = fd;
    c->owns_fd = true;
    c->place = place;
    c->peer = *peer;
    c->generation = ++loop->generation;
    c->slot = loop_take_slot(loop, c);
    c->state = CONNECTION_PROXY_HEADER;
    loop->in_state[c->state]++;
    room_enlist(c);
    c->timer = event_new(loop->base, -1, 0, on_timer, c);
    if (c->timer == NULL || (proxy != NULL && !connection_await_proxy(c, proxy)))
        connection_close(c);
    else if (proxy == NULL)
        connection_begin(c);
    else
        connection_enter(c, CONNECTION_PROXY_HEADER, loop->options.handshake_timeout_ms);
    connection_settle(c);
}

void connection_free(struct connection *c)
{
    bool was_promised = room_leave(c);
    connection_end_wait(c);
    connection_drop_body(c);
    connection_end_proxied(c);
    loop_give_reader(c->loop, &c->reader);
    if (c->owns_fd)
        close(c->fd);
    if (c->bare_input != NULL)
        event_free(c->bare_input); /* before its socket is closed */
    if (c->bev != NULL) {
        (void)connection_wipe_input(c);
        bufferevent_free(c->bev);
    }
    if (c->timer != NULL)
        event_free(c->timer);
    limits_leave(c->loop->listener->limits, &c->place, was_promised);
    c->loop->in_state[c->state]--;
    c->loop->buffered -= c->keeps_buffers;
    loop_free_slot(c->loop, c->slot);
    free(c);
}
