/*
 * listener_fixture - an echo server on a plain socket, a client, and answers given later by the
 * test
 *
 * One client and one response at a time are enough for a dialogue; they are large, so they are
 * static. To be included once a test program, after cmocka.h.
 */
#ifndef TP_TEST_LISTENER_FIXTURE_H
#define TP_TEST_LISTENER_FIXTURE_H

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "listener.h"
#include "net_help.h"

/* What the handler does is chosen by the path: /echo answers at once, /later is answered by the
 * test, /refuse is refused at its head, /block holds the loop until the test lets it go. */
struct server {
    struct listener *listener;
    pthread_mutex_t lock;
    struct listener_token tokens[64]; /* of /later, guarded by lock */
    size_t token_count;
    atomic_int loops, refusals;
    atomic_int last_refused;
    char peer[64]; /* of the last request, guarded by lock */
    sem_t blocked, go_on;
};

static inline void *loop_new(void *ctx)
{
    struct server *s = ctx;
    atomic_fetch_add(&s->loops, 1);
    return s;
}

static inline void loop_free(void *ctx, void *loop)
{
    struct server *s = ctx;
    assert_ptr_equal(ctx, loop);
    atomic_fetch_sub(&s->loops, 1);
}

static inline void on_head(void *ctx, void *loop, const struct http_head *h,
                           const struct listener_peer *peer, struct listener_answer *refuse)
{
    (void)ctx;
    (void)loop;
    (void)peer;
    if (http_span_is(h->path, "/refuse"))
        *refuse = (struct listener_answer){.status = 403,
                                           .content_type = "text/plain",
                                           .extra = "X-Why: test\r\n",
                                           .body = "no",
                                           .body_len = 2};
}

static inline void wait_for(sem_t *s)
{
    while (sem_wait(s) != 0)
        assert_int_equal(errno, EINTR);
}

static inline void on_request(void *ctx, void *loop, const struct http_head *h,
                              const struct listener_peer *peer, const char *body, size_t n,
                              struct listener_token token)
{
    struct server *s = ctx;
    (void)loop;
    pthread_mutex_lock(&s->lock);
    memcpy(s->peer, peer->address, sizeof s->peer);
    if (http_span_is(h->path, "/later") && s->token_count < 64)
        s->tokens[s->token_count++] = token;
    pthread_mutex_unlock(&s->lock);
    if (http_span_is(h->path, "/block")) {
        sem_post(&s->blocked);
        wait_for(&s->go_on);
    }
    if (!http_span_is(h->path, "/later"))
        listener_reply(
            token, &(struct listener_answer){
                       .status = 200, .content_type = "text/plain", .body = body, .body_len = n});
}

static inline void on_refused(void *ctx, void *loop, const struct listener_peer *peer, int status,
                              const char *problem, struct listener_answer *answer)
{
    struct server *s = ctx;
    (void)loop;
    (void)peer;
    (void)problem;
    assert_int_equal(answer->status, status);
    atomic_fetch_add(&s->refusals, 1);
    atomic_store(&s->last_refused, status);
}

static const struct listener_handler HANDLER = {.loop_new = loop_new,
                                                .loop_free = loop_free,
                                                .head = on_head,
                                                .request = on_request,
                                                .refused = on_refused};

static inline struct listener_options usual(void)
{
    return (struct listener_options){.address = "127.0.0.1:0",
                                     .threads = 2,
                                     .max_body_bytes = 1 << 20,
                                     .max_buffered_bytes = 64 << 20,
                                     .max_buffered_per_address_bytes = 64 << 20,
                                     .request_timeout_ms = 20000,
                                     .handshake_timeout_ms = 20000,
                                     .idle_timeout_ms = 20000,
                                     .max_connections = 2000,
                                     .max_connections_per_address = 2000,
                                     .name = "test"};
}

static inline void server_start(struct server *s, const struct listener_options *o)
{
    struct error e;
    *s = (struct server){.lock = PTHREAD_MUTEX_INITIALIZER};
    sem_init(&s->blocked, 0, 0);
    sem_init(&s->go_on, 0, 0);
    if (listener_start(&s->listener, o, &HANDLER, s, &e) != ERR_NONE)
        fail_msg("%s", e.text);
}

static inline void server_stop(struct server *s)
{
    listener_stop(&s->listener);
    assert_null(s->listener);
    assert_int_equal(atomic_load(&s->loops), 0);
    sem_destroy(&s->blocked);
    sem_destroy(&s->go_on);
}

static inline bool has_token(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    bool has = s->token_count > 0;
    pthread_mutex_unlock(&s->lock);
    return has;
}

static inline struct listener_token take_token(struct server *s)
{
    assert_true(net_wait(has_token, s));
    pthread_mutex_lock(&s->lock);
    struct listener_token t = s->tokens[0];
    s->token_count--;
    memmove(s->tokens, s->tokens + 1, s->token_count * sizeof s->tokens[0]);
    pthread_mutex_unlock(&s->lock);
    return t;
}

static inline bool is_drained(void *arg)
{
    return listener_is_drained(((struct server *)arg)->listener);
}

static inline bool is_empty(void *arg)
{
    return listener_connections(((struct server *)arg)->listener) == 0;
}

static inline void answer_text(struct listener_token t, const char *text)
{
    listener_reply(
        t, &(struct listener_answer){.status = 200, .body = text, .body_len = strlen(text)});
}

#define ECHO_HEAD "POST /echo HTTP/1.1\r\nHost: a\r\n"
#define ECHO_X    ECHO_HEAD "Content-Length: 1\r\n\r\nx"
#define BLOCK     "POST /block HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
#define LATER     "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"

static struct net_client client; /* large: one at a time, not on the stack */
static struct net_response response;

static inline void expect_response(int status, const char *body)
{
    assert_true(net_client_response(&client, &response, false));
    assert_int_equal(response.status, status);
    if (body != NULL)
        assert_string_equal(response.body, body);
}

/* With one loop: when this other connection is answered, all that was sent before has been read. */
static inline void pass_through_loop(struct server *s)
{
    static struct net_client other;
    net_client_open(&other, listener_address(s->listener), NULL, NULL);
    net_client_text(&other, ECHO_X);
    assert_true(net_client_response(&other, &response, false));
    net_client_close(&other);
}

#endif
