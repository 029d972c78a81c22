/*
 * listener: one connection's life, seen from the peer. Plain sockets, so that each byte and each
 * reset is the test's own; listener_tls_test does the same over TLS. Hermetic: port 0, own threads.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"
#include "log.h"
#include "net_help.h"

/* What the handler does is chosen by the path: /echo answers at once, /later is answered by the
 * test, /refuse is refused at its head. */
struct server {
    struct listener *listener;
    pthread_mutex_t lock;
    struct listener_token tokens[64]; /* of /later, guarded by lock */
    size_t token_count;
    atomic_int loops, refusals;
    atomic_int last_refused;
    char peer[64]; /* of the last request, guarded by lock */
};

static void *loop_new(void *ctx)
{
    struct server *s = ctx;
    atomic_fetch_add(&s->loops, 1);
    return s;
}

static void loop_free(void *ctx, void *loop)
{
    struct server *s = ctx;
    assert_ptr_equal(ctx, loop);
    atomic_fetch_sub(&s->loops, 1);
}

static void on_head(void *ctx, void *loop, const struct http_head *h,
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

static void on_request(void *ctx, void *loop, const struct http_head *h,
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
    if (!http_span_is(h->path, "/later"))
        listener_reply(
            s->listener, token,
            &(struct listener_answer){
                .status = 200, .content_type = "text/plain", .body = body, .body_len = n});
}

static void on_refused(void *ctx, void *loop, const struct listener_peer *peer, int status,
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

static struct listener_options usual(void)
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

static void server_start(struct server *s, const struct listener_options *o)
{
    struct error e;
    *s = (struct server){.lock = PTHREAD_MUTEX_INITIALIZER};
    if (listener_start(&s->listener, o, &HANDLER, s, &e) != ERR_NONE)
        fail_msg("%s", e.text);
}

static void server_stop(struct server *s)
{
    listener_stop(&s->listener);
    assert_null(s->listener);
    assert_int_equal(atomic_load(&s->loops), 0);
}

static bool has_token(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    bool has = s->token_count > 0;
    pthread_mutex_unlock(&s->lock);
    return has;
}

static struct listener_token take_token(struct server *s)
{
    assert_true(net_wait(has_token, s));
    pthread_mutex_lock(&s->lock);
    struct listener_token t = s->tokens[0];
    s->token_count--;
    memmove(s->tokens, s->tokens + 1, s->token_count * sizeof s->tokens[0]);
    pthread_mutex_unlock(&s->lock);
    return t;
}

static bool is_empty(void *arg)
{
    return listener_connections(((struct server *)arg)->listener) == 0;
}

static void answer_text(struct server *s, struct listener_token t, const char *text)
{
    listener_reply(
        s->listener, t,
        &(struct listener_answer){.status = 200, .body = text, .body_len = strlen(text)});
}

#define ECHO_HEAD "POST /echo HTTP/1.1\r\nHost: a\r\n"
#define LATER     "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"

static struct net_client client; /* large: one at a time, not on the stack */
static struct net_response response;

static void expect_response(int status, const char *body)
{
    assert_true(net_client_response(&client, &response, false));
    assert_int_equal(response.status, status);
    if (body != NULL)
        assert_string_equal(response.body, body);
}

/* ------------------------------------------------------------------ requests */

static void a_kept_connection_answers_one_request_after_another(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    for (int i = 0; i < 5; i++) {
        net_client_text(&client, ECHO_HEAD "Content-Length: 5\r\n\r\nhello");
        expect_response(200, "hello");
        assert_null(strstr(response.head, "Connection:"));
        assert_non_null(strstr(response.head, "\r\nDate: "));
    }
    net_client_text(&client, ECHO_HEAD "Connection: close\r\nContent-Length: 1\r\n\r\nx");
    expect_response(200, "x");
    assert_non_null(strstr(response.head, "\r\nConnection: close\r\n"));
    assert_true(net_client_is_ended(&client));
    net_client_close(&client);
    assert_string_equal(s.peer, "127.0.0.1");
    server_stop(&s);
}

static void old_and_odd_clients_are_served(void **state)
{
    (void)state;
    static const struct {
        const char *name, *request, *want_body, *want_field;
        bool is_head, want_end;
    } rows[] = {
        {"HTTP/1.0", "POST /echo HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", "hi",
         "\r\nConnection: close\r\n", false, true},
        {"HTTP/1.0 keep-alive",
         "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", "hi",
         "\r\nConnection: keep-alive\r\n", false, false},
        {"chunked",
         ECHO_HEAD "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n",
         "abcde", "\r\nContent-Length: 5\r\n", false, false},
        {"HEAD", "HEAD /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "",
         "\r\nContent-Length: 3\r\n", true, false},
        {"no body", "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "", "\r\nContent-Length: 0\r\n", false,
         false},
    };
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_text(&client, rows[i].request);
        assert_true(net_client_response(&client, &response, rows[i].is_head));
        assert_string_equal(response.body, rows[i].want_body);
        if (strstr(response.head, rows[i].want_field) == NULL)
            fail_msg("%s: no %s in %s", rows[i].name, rows[i].want_field, response.head);
        if (rows[i].want_end) {
            assert_true(net_client_is_ended(&client));
        } else {
            net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\nx");
            expect_response(200, "x");
        }
        net_client_close(&client);
    }
    server_stop(&s);
}

static void a_body_that_waits_for_continue_gets_it(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, ECHO_HEAD "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    expect_response(100, "");
    net_client_text(&client, "hello");
    expect_response(200, "hello");
    /* who sends the body along needs no permission */
    net_client_text(&client, ECHO_HEAD "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    expect_response(200, "hello");
    /* who is refused gets no permission */
    net_client_text(&client, "POST /refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                             "Content-Length: 5\r\n\r\n");
    expect_response(403, "no");
    assert_non_null(strstr(response.head, "\r\nX-Why: test\r\n"));
    assert_true(net_client_is_ended(&client));
    net_client_close(&client);
    server_stop(&s);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\na" LATER ECHO_HEAD
                                       "Content-Length: 1\r\n\r\nc" LATER);
    expect_response(200, "a");
    struct listener_token t = take_token(&s);
    assert_int_equal(client.n, 0); /* the third waits for the second */
    answer_text(&s, t, "b");
    expect_response(200, "b");
    expect_response(200, "c");
    answer_text(&s, take_token(&s), "d");
    expect_response(200, "d");
    net_client_close(&client);
    server_stop(&s);
}

static void many_pipelined_requests_wait_in_the_socket_not_in_memory(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token t = take_token(&s);
    /* far more than is read ahead; the kernel's buffers hold it, or send would block */
    enum { COUNT = 2000 };
    for (int i = 0; i < COUNT; i++)
        net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\nx");
    answer_text(&s, t, "first");
    expect_response(200, "first");
    for (int i = 0; i < COUNT; i++)
        expect_response(200, "x");
    net_client_close(&client);
    server_stop(&s);
}

static void a_large_body_comes_back_whole(void **state)
{
    (void)state;
    enum { SIZE = 60000 };
    static char body[SIZE + 1];
    struct server s;
    struct listener_options o = usual();
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)('a' + i % 23);
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, ECHO_HEAD "Transfer-Encoding: chunked\r\n\r\nea60\r\n");
    net_client_send(&client, body, SIZE);
    net_client_text(&client, "\r\n0\r\n\r\n");
    expect_response(200, body);
    net_client_text(&client, ECHO_HEAD "Content-Length: 60000\r\n\r\n");
    net_client_send(&client, body, SIZE);
    expect_response(200, body);
    net_client_close(&client);
    server_stop(&s);
}

static void a_peer_that_ends_its_side_still_gets_its_answer(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    answer_text(&s, take_token(&s), "late");
    expect_response(200, "late");
    assert_true(net_client_is_ended(&client));
    net_client_close(&client);
    server_stop(&s);
}

/* ------------------------------------------------------------------ deferred replies */

static void a_token_that_no_longer_matches_is_dropped(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    o.threads = 1; /* so that the next connection takes the same slot */
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token gone = take_token(&s);
    struct linger hard = {.l_onoff = 1};
    setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    net_client_close(&client); /* a reset */
    assert_true(net_wait(is_empty, &s));
    answer_text(&s, gone, "for nobody");

    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token now = take_token(&s);
    assert_int_equal(now.slot, gone.slot);
    answer_text(&s, gone, "for nobody");
    struct listener_token wrong = now;
    wrong.request++;
    answer_text(&s, wrong, "for another request");
    wrong = now;
    wrong.loop = 99;
    answer_text(&s, wrong, "for another loop");
    wrong = now;
    wrong.slot = 1u << 30;
    answer_text(&s, wrong, "for another slot");
    answer_text(&s, now, "right");
    expect_response(200, "right");
    answer_text(&s, now, "twice");
    net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\nx");
    expect_response(200, "x");
    net_client_close(&client);
    server_stop(&s);
}

static void a_request_that_nobody_answers_gets_503_and_its_token_is_void(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    o.answer_timeout_ms = 50;
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token t = take_token(&s);
    expect_response(503, NULL);
    assert_int_equal(atomic_load(&s.last_refused), 503);
    answer_text(&s, t, "too late");
    assert_true(net_client_is_ended(&client));
    net_client_close(&client);
    server_stop(&s);
}

struct answerer {
    struct server *server;
    atomic_bool stop;
};

static void *answer_all(void *arg)
{
    struct answerer *a = arg;
    while (!atomic_load(&a->stop)) {
        if (has_token(a->server))
            answer_text(a->server, take_token(a->server), "ok");
        else
            (void)poll(NULL, 0, 1);
    }
    return NULL;
}

static void answers_from_another_thread_reach_every_loop(void **state)
{
    (void)state;
    enum { CLIENTS = 16, ROUNDS = 20 };
    static struct net_client clients[CLIENTS];
    struct server s;
    struct listener_options o = usual();
    pthread_t thread;
    server_start(&s, &o);
    struct answerer a = {.server = &s};
    assert_int_equal(pthread_create(&thread, NULL, answer_all, &a), 0);
    for (int i = 0; i < CLIENTS; i++)
        net_client_open(&clients[i], listener_address(s.listener), NULL, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            net_client_text(&clients[i], LATER);
        for (int i = 0; i < CLIENTS; i++) {
            assert_true(net_client_response(&clients[i], &response, false));
            assert_string_equal(response.body, "ok");
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        net_client_close(&clients[i]);
    atomic_store(&a.stop, true);
    pthread_join(thread, NULL);
    server_stop(&s);
}

/* ------------------------------------------------------------------ deadlines */

/* Sends a byte every few ms until the server ends it; gives the time that took. */
static int64_t drip(const char *bytes)
{
    int64_t start = net_now_ms();
    struct pollfd p = {.fd = client.fd, .events = POLLIN};
    for (size_t i = 0; net_now_ms() - start < 8000; i++) {
        if (poll(&p, 1, 20) > 0)
            break;
        if (!net_client_try(&client,
                            bytes[i % strlen(bytes)] == '\0' ? "x" : &bytes[i % strlen(bytes)], 1))
            break;
    }
    return net_now_ms() - start;
}

static void a_slow_request_is_cut_at_its_deadline_however_it_drips(void **state)
{
    (void)state;
    static const struct {
        const char *name, *begin, *drip;
    } rows[] = {
        {"in the head", "POST /echo HTTP/1.1\r\nHost: a\r\nX: ", "y"},
        {"in the body", ECHO_HEAD "Content-Length: 100000\r\n\r\n", "z"},
        {"in the chunks", ECHO_HEAD "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n"},
    };
    struct server s;
    struct listener_options o = usual();
    o.request_timeout_ms = 300;
    server_start(&s, &o);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_text(&client, rows[i].begin);
        int64_t took = drip(rows[i].drip);
        if (took < 250 || took > 5000)
            fail_msg("%s: cut after %lld ms", rows[i].name, (long long)took);
        expect_response(408, NULL);
        assert_int_equal(atomic_load(&s.last_refused), 408);
        assert_true(net_client_is_ended(&client));
        net_client_close(&client);
    }
    server_stop(&s);
}

static void an_idle_connection_is_ended_in_order(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    o.idle_timeout_ms = 100;
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    assert_true(net_client_is_ended(&client));
    net_client_close(&client);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client,
                    ECHO_HEAD "Content-Length: 1\r\n\r\nx\r\n"); /* and one CRLF too many */
    expect_response(200, "x");
    assert_true(net_client_is_ended(&client)); /* no 408: nothing of a request was sent */
    assert_int_equal(atomic_load(&s.refusals), 0);
    net_client_close(&client);
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
}

static void a_peer_that_does_not_take_its_reply_is_dropped(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    struct server s;
    struct listener_options o = usual();
    o.write_timeout_ms = 200;
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    int small = 4096;
    setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    char *body = calloc(1, SIZE);
    assert_non_null(body);
    for (int i = 0; i < 8; i++) { /* more than the kernel buffers for us */
        if (!net_client_try(&client, ECHO_HEAD "Content-Length: 1048576\r\n\r\n",
                            sizeof ECHO_HEAD "Content-Length: 1048576\r\n\r\n" - 1) ||
            !net_client_try(&client, body, SIZE))
            break;
    }
    free(body);
    assert_true(net_wait(is_empty, &s));
    net_client_close(&client);
    server_stop(&s);
}

/* ------------------------------------------------------------------ refusals and caps */

static void an_early_refusal_survives_the_body_that_is_still_coming(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int want;
    } rows[] = {
        {"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n", 403},
        {ECHO_HEAD "Content-Length: 9000000\r\n\r\n", 413},
        {ECHO_HEAD "Transfer-Encoding: gzip\r\n\r\n", 501},
        {"POST /echo HTTP/1.1\r\n\r\n", 400},
    };
    enum { SIZE = 1 << 20 };
    struct server s;
    struct listener_options o = usual();
    char *body = calloc(1, SIZE);
    assert_non_null(body);
    server_start(&s, &o);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_text(&client, rows[i].request);
        net_client_send(&client, body, SIZE); /* whole, before anything is read */
        expect_response(rows[i].want, NULL);
        assert_true(net_client_is_ended(&client));
        net_client_close(&client);
    }
    free(body);
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
}

static void a_lingering_connection_is_let_go_even_if_its_peer_stays(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, "nonsense\r\n");
    expect_response(400, NULL);
    assert_true(net_client_is_ended(&client));
    assert_int_equal(listener_connections(s.listener), 1); /* we have not ended our side */
    assert_true(net_wait(is_empty, &s));
    net_client_close(&client);
    server_stop(&s);
}

static void connections_past_a_cap_are_turned_away_and_the_others_live(void **state)
{
    (void)state;
    static struct net_client clients[3];
    static const struct {
        unsigned in_all, per_address;
    } rows[] = {{2, 100}, {100, 2}};
    for (size_t i = 0; i < 2; i++) {
        struct server s;
        struct listener_options o = usual();
        o.max_connections = rows[i].in_all;
        o.max_connections_per_address = rows[i].per_address;
        server_start(&s, &o);
        for (int k = 0; k < 2; k++) {
            net_client_open(&clients[k], listener_address(s.listener), NULL, NULL);
            net_client_text(&clients[k], ECHO_HEAD "Content-Length: 1\r\n\r\nx");
            assert_true(net_client_response(&clients[k], &response, false));
        }
        net_client_open(&clients[2], listener_address(s.listener), NULL, NULL);
        (void)net_client_is_ended(&clients[2]);
        assert_true(clients[2].ended || clients[2].reset);
        assert_int_equal(clients[2].n, 0);
        net_client_close(&clients[2]);
        net_client_close(&clients[0]);
        net_client_text(&clients[1], ECHO_HEAD "Content-Length: 1\r\n\r\ny");
        assert_true(net_client_response(&clients[1], &response, false));
        net_client_close(&clients[1]);
        assert_true(net_wait(is_empty, &s)); /* and its place is free again */
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\nz");
        expect_response(200, "z");
        net_client_close(&client);
        server_stop(&s);
    }
}

static void bodies_past_the_memory_bound_are_refused_and_the_memory_comes_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t in_all, per_address;
    } rows[] = {{100000, 1 << 30}, {1 << 30, 100000}};
    enum { SIZE = 150000 };
    char *body = calloc(1, SIZE);
    assert_non_null(body);
    for (size_t i = 0; i < 2; i++) {
        struct server s;
        struct listener_options o = usual();
        o.max_buffered_bytes = rows[i].in_all;
        o.max_buffered_per_address_bytes = rows[i].per_address;
        server_start(&s, &o);
        for (int round = 0; round < 3; round++) {
            net_client_open(&client, listener_address(s.listener), NULL, NULL);
            net_client_text(&client, ECHO_HEAD "Content-Length: 150000\r\n\r\n");
            net_client_send(&client, body, SIZE);
            expect_response(503, NULL);
            net_client_close(&client);
            net_client_open(&client, listener_address(s.listener), NULL, NULL);
            net_client_text(&client, ECHO_HEAD "Content-Length: 50000\r\n\r\n");
            net_client_send(&client, body, 50000);
            expect_response(200, NULL);
            net_client_close(&client);
        }
        server_stop(&s);
    }
    free(body);
}

/* ------------------------------------------------------------------ beginning and end */

static bool is_drained(void *arg)
{
    return listener_is_drained(((struct server *)arg)->listener);
}

static void draining_finishes_what_was_asked_and_ends_the_rest(void **state)
{
    (void)state;
    static struct net_client idle, busy, half;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    const char *address = listener_address(s.listener);
    net_client_open(&idle, address, NULL, NULL);
    net_client_text(&idle, ECHO_HEAD "Content-Length: 1\r\n\r\nx");
    assert_true(net_client_response(&idle, &response, false));
    net_client_open(&busy, address, NULL, NULL);
    net_client_text(&busy, LATER);
    struct listener_token t = take_token(&s);
    net_client_open(&half, address, NULL, NULL);
    net_client_text(&half, ECHO_HEAD "Content-Length: 2\r\n\r\na");
    net_client_open(&client, address, NULL, NULL);
    net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    expect_response(100, ""); /* so the one before has been read as well, or is about to be */

    listener_drain(s.listener);
    assert_true(net_client_is_ended(&idle));
    net_client_close(&idle);
    assert_false(listener_is_drained(s.listener));
    answer_text(&s, t, "late");
    assert_true(net_client_response(&busy, &response, false));
    assert_string_equal(response.body, "late");
    assert_non_null(strstr(response.head, "\r\nConnection: close\r\n"));
    assert_true(net_client_is_ended(&busy));
    net_client_close(&busy);
    net_client_text(&half, "b");
    assert_true(net_client_response(&half, &response, false));
    assert_string_equal(response.body, "ab");
    net_client_close(&half);
    net_client_text(&client, "c");
    expect_response(200, "c");
    net_client_close(&client);
    assert_true(net_wait(is_drained, &s));
    server_stop(&s);
}

static void stopping_closes_what_is_left(void **state)
{
    (void)state;
    size_t before = net_open_descriptors();
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token t = take_token(&s);
    answer_text(&s, t, "perhaps"); /* may be in the queue when the loop ends */
    server_stop(&s);
    net_client_close(&client);
    assert_int_equal(net_open_descriptors(), before);
}

static void a_thousand_connections_leave_no_descriptor_behind(void **state)
{
    (void)state;
    enum { AT_ONCE = 250, ROUNDS = 4 };
    static int fds[AT_ONCE];
    struct server s;
    struct listener_options o = usual();
    size_t before = net_open_descriptors();
    server_start(&s, &o);
    size_t started = net_open_descriptors();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < AT_ONCE; i++) {
            fds[i] = net_connect(listener_address(s.listener));
            const char *text = i % 3 == 0   ? ECHO_HEAD "Content-Length: 1\r\n\r\nx"
                               : i % 3 == 1 ? ECHO_HEAD
                                            : "?\n";
            assert_true(send(fds[i], text, strlen(text), MSG_NOSIGNAL) > 0);
        }
        for (int i = 0; i < AT_ONCE; i++)
            close(fds[i]);
        assert_true(net_wait(is_empty, &s));
    }
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\nx");
    expect_response(200, "x");
    net_client_close(&client);
    assert_true(net_wait(is_empty, &s));
    /* the last sockets are closed an instant after their connection is counted out */
    for (int64_t until = net_now_ms() + 5000;
         net_open_descriptors() > started && net_now_ms() < until;)
        (void)poll(NULL, 0, 2);
    assert_int_equal(net_open_descriptors(), started);
    server_stop(&s);
    assert_int_equal(net_open_descriptors(), before);
}

static void a_unix_socket_serves_and_is_removed(void **state)
{
    (void)state;
    char *dir = net_directory();
    char address[600];
    (void)snprintf(address, sizeof address, "unix:%s", net_path(dir, "s"));
    struct server s;
    struct listener_options o = usual();
    o.address = address;
    o.max_connections_per_address = 1; /* does not apply: it has no addresses */
    server_start(&s, &o);
    assert_string_equal(listener_address(s.listener), address);
    static struct net_client other;
    net_client_open(&other, address, NULL, NULL);
    net_client_open(&client, address, NULL, NULL);
    net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\nx");
    expect_response(200, "x");
    assert_string_equal(s.peer, "");

    struct listener *second = NULL;
    struct error e;
    assert_int_equal(listener_start(&second, &o, &HANDLER, &s, &e), ERR_BUSY);
    net_client_close(&client);
    net_client_close(&other);
    server_stop(&s);
    struct stat st;
    assert_int_equal(stat(address + 5, &st), -1);
    net_directory_remove(&dir);
}

static void an_address_that_cannot_be_listened_on_is_an_error(void **state)
{
    (void)state;
    char *dir = net_directory();
    char file[600], stale[600];
    (void)snprintf(file, sizeof file, "unix:%s", net_path(dir, "file"));
    net_write_file(file + 5, "precious");
    (void)snprintf(stale, sizeof stale, "unix:%s/%0200d", dir, 1);
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    const struct {
        const char *address;
        enum err want;
    } rows[] = {
        {"8443", ERR_CONFIG},
        {"127.0.0.1:", ERR_CONFIG},
        {"127.0.0.1:http", ERR_CONFIG},
        {"unix:", ERR_CONFIG},
        {listener_address(s.listener), ERR_BUSY},
        {file, ERR_CONFIG},
        {stale, ERR_CONFIG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct listener *l = NULL;
        struct error e = {0};
        o.address = rows[i].address;
        enum err got = listener_start(&l, &o, &HANDLER, &s, &e);
        if (got != rows[i].want)
            fail_msg("%s: %s", rows[i].address, err_name(got));
        assert_null(l);
        assert_true(strlen(e.text) > 10);
    }
    server_stop(&s);
    struct stat st;
    assert_int_equal(stat(file + 5, &st), 0);
    assert_int_equal(st.st_size, 8);
    net_directory_remove(&dir);
}

static void a_listener_says_that_it_is_alive(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    assert_true(listener_is_alive(s.listener));
    assert_false(listener_is_drained(s.listener));
    server_stop(&s);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_connection_answers_one_request_after_another),
        cmocka_unit_test(old_and_odd_clients_are_served),
        cmocka_unit_test(a_body_that_waits_for_continue_gets_it),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(many_pipelined_requests_wait_in_the_socket_not_in_memory),
        cmocka_unit_test(a_large_body_comes_back_whole),
        cmocka_unit_test(a_peer_that_ends_its_side_still_gets_its_answer),
        cmocka_unit_test(a_token_that_no_longer_matches_is_dropped),
        cmocka_unit_test(a_request_that_nobody_answers_gets_503_and_its_token_is_void),
        cmocka_unit_test(answers_from_another_thread_reach_every_loop),
        cmocka_unit_test(a_slow_request_is_cut_at_its_deadline_however_it_drips),
        cmocka_unit_test(an_idle_connection_is_ended_in_order),
        cmocka_unit_test(a_peer_that_does_not_take_its_reply_is_dropped),
        cmocka_unit_test(an_early_refusal_survives_the_body_that_is_still_coming),
        cmocka_unit_test(a_lingering_connection_is_let_go_even_if_its_peer_stays),
        cmocka_unit_test(connections_past_a_cap_are_turned_away_and_the_others_live),
        cmocka_unit_test(bodies_past_the_memory_bound_are_refused_and_the_memory_comes_back),
        cmocka_unit_test(draining_finishes_what_was_asked_and_ends_the_rest),
        cmocka_unit_test(stopping_closes_what_is_left),
        cmocka_unit_test(a_thousand_connections_leave_no_descriptor_behind),
        cmocka_unit_test(a_unix_socket_serves_and_is_removed),
        cmocka_unit_test(an_address_that_cannot_be_listened_on_is_an_error),
        cmocka_unit_test(a_listener_says_that_it_is_alive),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
