#define _GNU_SOURCE
/*
 * Replies on their way out: how their bytes reach the socket, whether the connection is kept, and
 * how long the answer to a whole request took.
 */
#include "listener_int.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <event2/buffer.h>

#include "log.h"
#include "tls.h"

enum { RECORD_MAX = 16384 };

static int64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void connection_await_answer(struct connection *c)
{
    c->read_at_ns = clock_ns();
    connection_enter(c, CONNECTION_ANSWERING, c->loop->options.answer_timeout_ms);
}

/* Only requests that were read whole count: a refusal before that says how slow the peer was, or
 * nothing. */
static void observe(const struct connection *c)
{
    struct metric_series *seconds = c->loop->options.answer_seconds;
    if (seconds != NULL && c->state == CONNECTION_ANSWERING)
        metric_observe(seconds, (double)(clock_ns() - c->read_at_ns) / 1e9);
}

/* Straight to the socket when nothing waits before it: libevent would first ask the kernel whether
 * it may write, two system calls a reply. What does not fit is left to libevent; of TLS that is all
 * or nothing, hence one record at most. False when the connection is broken. */
bool connection_send(struct connection *c, const char *bytes, size_t n)
{
    size_t sent = 0;
    bool is_first = evbuffer_get_length(bufferevent_get_output(c->bev)) == 0;
    if (is_first && c->tls == NULL) {
        ssize_t got = send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return false;
        sent = got < 0 ? 0 : (size_t)got;
    } else if (is_first && n <= RECORD_MAX && !tls_session_write(c->tls, bytes, n, &sent)) {
        return false;
    }
    return sent == n || bufferevent_write(c->bev, bytes + sent, n - sent) == 0;
}

void connection_answer(struct connection *c, const struct listener_answer *a, bool last)
{
    struct loop *loop = c->loop;
    const struct http_head *h = http_reader_head(c->reader);
    /* the peer may have sent several requests before it ended its side */
    bool may_follow = !c->peer_closed || evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;
    bool keep = !last && !a->close && h->keep_alive && may_follow &&
                !atomic_load_explicit(&loop->listener->is_draining, memory_order_relaxed);

    buf_clear(&loop->out);
    reply_format(&loop->out, a, loop->date, c->is_head, h->minor, keep);
    c->close_after = !keep;
    c->request++; /* from here on the request's token is void */
    connection_end_wait(c);
    if (loop->out.overflow)
        log_error("a reply is too large to be sent", "listener", loop->listener->name, "bytes",
                  log_num((long long)a->body_len), NULL);
    if (loop->out.overflow || !connection_send(c, loop->out.data, loop->out.len)) {
        connection_close(c);
        return;
    }
    observe(c);
    if (a->status < 300 && !a->for_anybody)
        room_prove(c);
    connection_enter(c, CONNECTION_WRITING, loop->options.write_timeout_ms);
}

void connection_refuse(struct connection *c, int status, const char *problem)
{
    struct listener *l = c->loop->listener;
    struct listener_answer a = {.status = status,
                                .content_type = "text/plain; charset=utf-8",
                                .body = problem,
                                .body_len = strlen(problem)};
    if (l->handler->refused != NULL)
        l->handler->refused(c->loop->handler_context, c->loop->context, &c->peer, status, problem,
                            &a);
    connection_drop_body(
        c); /* before the peer can know, so that its memory is free again by then */
    connection_answer(c, &a, true);
}
