#define _GNU_SOURCE
/*
 * A connection from a proxy that says whom it speaks for. Its header is read from the bare socket,
 * before TLS: looked at first (MSG_PEEK), then taken to its last byte and no further, since the
 * next one is the client's. From then on the client's address counts, for the list of networks,
 * the caps and the log; until then the connection counts among all, and for no address.
 */
#include "listener_int.h"

#include <errno.h>
#include <stdlib.h>

#include "mem.h"
#include "proxy_protocol.h"
#include "refusal.h"

enum { LOOK_MAX = 512 };

struct proxied {
    struct event *readable;
    struct proxy_reader reader;
    struct sockaddr_storage proxy; /* whose address counts if it speaks for itself */
};

void connection_end_proxied(struct connection *c)
{
    if (c->proxied == NULL)
        return;
    if (c->proxied->readable != NULL)
        event_free(c->proxied->readable);
    free(c->proxied);
    c->proxied = NULL;
}

void connection_refuse_proxied(struct connection *c, const char *problem)
{
    refusal_tell(REFUSED_PROXY_HEADER,
                 &(struct refusal_detail){.peer = c->peer.address, .text = problem});
    connection_close(c);
}

/* The header is whole and taken. */
static void begin(struct connection *c)
{
    const struct sockaddr *source = proxy_source(&c->proxied->reader);
    if (source == NULL)
        source = (const struct sockaddr *)&c->proxied->proxy;
    else
        socket_peer_text(source, &c->peer);
    bool is_admitted = loop_readmit(c->loop, source, &c->peer, &c->place);
    connection_end_proxied(c);
    if (is_admitted)
        connection_begin(c);
    else
        connection_close(c);
}

/* True when bytes were taken and there may be more. */
static bool look(struct connection *c)
{
    char bytes[LOOK_MAX];
    size_t used = 0;
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return false;
    if (n <= 0) { /* many proxies open and close connections to see whether we live */
        connection_close(c);
        return false;
    }
    enum proxy_event event = proxy_parse(&c->proxied->reader, bytes, (size_t)n, &used);
    if (event == PROXY_BAD) {
        connection_refuse_proxied(c, proxy_problem(&c->proxied->reader));
        return false;
    }
    if (recv(c->fd, bytes, used, MSG_DONTWAIT) != (ssize_t)used) {
        connection_close(c);
        return false;
    }
    if (event == PROXY_DONE)
        begin(c);
    return event == PROXY_MORE;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;
    (void)fd;
    (void)what;
    while (look(c)) {
    }
    connection_settle(c);
}

bool connection_await_proxy(struct connection *c, const struct sockaddr_storage *proxy)
{
    c->proxied = mem_alloc(sizeof *c->proxied);
    proxy_reader_init(&c->proxied->reader);
    c->proxied->proxy = *proxy;
    c->proxied->readable = event_new(c->loop->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
    return c->proxied->readable != NULL && event_add(c->proxied->readable, NULL) == 0;
}
