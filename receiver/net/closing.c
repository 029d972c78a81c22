#define _GNU_SOURCE
/*
 * How connections end. A reply that closes, above all a refusal before the body was read, must
 * survive what the peer is still sending: closing a socket with unread bytes sends a reset, and the
 * peer's kernel then drops the reply unread. So we say close_notify and end our direction, then
 * read and drop for a while. What is dropped may hold a session id, so it is wiped as it is freed.
 */
#include "listener_int.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <event2/buffer.h>

#include "tls.h"

enum { LINGER_MS = 2000, LINGER_BYTES_MAX = 64 << 20, BARE_BYTES_MAX = 1 << 20 };

void connection_close(struct connection *c)
{
    connection_enter(c, CONNECTION_CLOSED, 0);
}

void connection_linger(struct connection *c)
{
    if (c->tls != NULL)
        tls_session_close_notify(c->tls);
    if (c->peer_closed || shutdown(c->fd, SHUT_WR) != 0) {
        connection_close(c);
        return;
    }
    connection_drop_body(c);
    loop_give_reader(c->loop, &c->reader);
    connection_enter(c, CONNECTION_CLOSING, LINGER_MS);
    connection_drop_input(c);
}

static void on_bare_input(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;
    char dropped[4096]; /* encrypted: nothing to wipe */
    (void)what;
    ssize_t n = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
    if (n > 0)
        c->lingered_bytes += (size_t)n;
    if (n == 0 || c->lingered_bytes > BARE_BYTES_MAX ||
        (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        connection_close(c);
    connection_settle(c);
}

void connection_linger_bare(struct connection *c)
{
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    c->bare_input = event_new(c->loop->base, c->fd, EV_READ | EV_PERSIST, on_bare_input, c);
    if (shutdown(c->fd, SHUT_WR) != 0 || c->bare_input == NULL ||
        event_add(c->bare_input, NULL) != 0)
        connection_close(c);
    else
        connection_enter(c, CONNECTION_CLOSING, LINGER_MS);
}

size_t connection_wipe_input(struct connection *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    struct evbuffer_iovec v;
    size_t wiped = 0;
    while (evbuffer_peek(input, -1, NULL, &v, 1) > 0 && v.iov_len > 0) {
        explicit_bzero(v.iov_base, v.iov_len);
        evbuffer_drain(input, v.iov_len);
        wiped += v.iov_len;
    }
    return wiped;
}

void connection_drop_input(struct connection *c)
{
    c->lingered_bytes += connection_wipe_input(c);
    if (c->lingered_bytes > LINGER_BYTES_MAX)
        connection_close(c);
}

/* Bytes that the peer sent and nobody has looked at: read with their call-back still to come,
 * inside OpenSSL (perhaps half a record), or in the socket. */
static bool has_input(const struct connection *c)
{
    int unread = 0;
    return evbuffer_get_length(bufferevent_get_input(c->bev)) > 0 ||
           (c->tls != NULL && tls_session_has_input(c->tls)) ||
           (ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0);
}

/* The loop may have been busy when the deadline passed. A request that came meanwhile is read, not
 * dropped; it has the time of any other. */
static void idle_too_long(struct connection *c)
{
    if (!has_input(c)) {
        connection_linger(c);
        return;
    }
    connection_enter(c, CONNECTION_READING, c->loop->options.request_timeout_ms);
    connection_advance(c);
}

static void handshake_too_slow(struct connection *c)
{
    metric_add(c->loop->listener->handshakes_timeout, 1);
    connection_close(c);
}

static void proxy_too_slow(struct connection *c)
{
    connection_refuse_proxied(c, "no whole PROXY header came in time");
}

static void request_too_slow(struct connection *c)
{
    if (c->reader == NULL) { /* idle_too_long saw input, but it was no byte of a request */
        connection_linger(c);
        return;
    }
    connection_refuse(c, 408, "the request did not arrive whole in time");
    connection_advance(c);
}

static void answer_too_slow(struct connection *c)
{
    connection_refuse(c, 503, "no answer was ready in time; send again later");
    connection_advance(c);
}

void connection_on_deadline(struct connection *c)
{
    static void (*const actions[CONNECTION_STATE_COUNT])(struct connection *) = {
        [CONNECTION_PROXY_HEADER] = proxy_too_slow, [CONNECTION_HANDSHAKE] = handshake_too_slow,
        [CONNECTION_IDLE] = idle_too_long,          [CONNECTION_READING] = request_too_slow,
        [CONNECTION_ANSWERING] = answer_too_slow,   [CONNECTION_WRITING] = connection_close,
        [CONNECTION_CLOSING] = connection_close,    [CONNECTION_CLOSED] = connection_close,
    };
    actions[c->state](c);
}
