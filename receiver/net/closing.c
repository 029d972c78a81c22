/*
 * How connections end. A reply that closes, above all a refusal before the body was read, must
 * survive what the peer is still sending: closing a socket with unread bytes sends a reset, and the
 * peer's kernel then drops the reply unread. So we say close_notify and end our direction, then
 * read and drop for a while.
 */
#include "listener_int.h"

#include <event2/buffer.h>

#include "tls.h"

enum { LINGER_MS = 2000, LINGER_BYTES_MAX = 64 << 20 };

static void close_now(struct connection *c)
{
    connection_enter(c, CONNECTION_CLOSED, 0);
}

void connection_linger(struct connection *c)
{
    if (c->tls != NULL)
        tls_session_close_notify(c->tls);
    if (c->peer_closed || shutdown(c->fd, SHUT_WR) != 0) {
        close_now(c);
        return;
    }
    connection_drop_body(c);
    loop_give_reader(c->loop, &c->reader);
    connection_enter(c, CONNECTION_CLOSING, LINGER_MS);
    connection_drop_input(c);
}

void connection_drop_input(struct connection *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    size_t n = evbuffer_get_length(input);
    evbuffer_drain(input, n);
    c->lingered_bytes += n;
    if (c->lingered_bytes > LINGER_BYTES_MAX)
        close_now(c);
}

static void handshake_too_slow(struct connection *c)
{
    metric_add(c->loop->listener->handshakes_timeout, 1);
    close_now(c);
}

static void request_too_slow(struct connection *c)
{
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
        [CONNECTION_HANDSHAKE] = handshake_too_slow,
        [CONNECTION_IDLE] = connection_linger,
        [CONNECTION_READING] = request_too_slow,
        [CONNECTION_ANSWERING] = answer_too_slow,
        [CONNECTION_WRITING] = close_now,
        [CONNECTION_CLOSING] = close_now,
        [CONNECTION_CLOSED] = close_now,
    };
    actions[c->state](c);
}
