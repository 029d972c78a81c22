#define _GNU_SOURCE
/*
 * listener: requests and replies, seen from the peer. Plain sockets, so that each byte and each
 * reset is the test's own; tls_listener_test does the same over TLS. Hermetic: port 0, own threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "listener.h"
#include "log.h"
#include "listener_fixture.h"
#include "net_help.h"

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
    answer_text(t, "b");
    expect_response(200, "b");
    expect_response(200, "c");
    answer_text(take_token(&s), "d");
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
    answer_text(t, "first");
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
    answer_text(take_token(&s), "late");
    expect_response(200, "late");
    assert_true(net_client_is_ended(&client));
    net_client_close(&client);
    server_stop(&s);
}

static void replies_of_a_batch_leave_with_one_wake_up(void **state)
{
    (void)state;
    static struct net_client second;
    struct listener_wakes wakes = {0};
    const struct listener_answer late = {.status = 200, .body = "late", .body_len = 4};
    struct server s;
    struct listener_options o = usual();
    o.threads = 1;
    server_start(&s, &o);
    net_client_open(&second, listener_address(s.listener), NULL, NULL);
    net_client_text(&second, LATER);
    struct listener_token t = take_token(&s);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    listener_reply_later(take_token(&s), &late, &wakes);
    listener_reply_later(t, &late, &wakes);
    char byte;
    pass_through_loop(&s);
    assert_int_equal(recv(client.fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(wakes.loops, 1);
    listener_wake(&wakes);
    assert_int_equal(wakes.loops, 0);
    expect_response(200, "late");
    net_client_close(&client);
    assert_true(net_client_response(&second, &response, false));
    assert_string_equal(response.body, "late");
    net_client_close(&second);
    server_stop(&s);
}

static void requests_before_the_peers_end_are_all_answered(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    o.threads = 1;
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER ECHO_HEAD "Content-Length: 1\r\n\r\na" ECHO_HEAD
                                             "Content-Length: 1\r\n\r\nb" ECHO_HEAD);
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    struct listener_token t = take_token(&s);
    pass_through_loop(&s); /* it has seen the end */
    answer_text(t, "first");
    expect_response(200, "first");
    expect_response(200, "a");
    expect_response(200, "b");
    assert_true(net_client_is_ended(&client)); /* the last was never whole */
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
    net_client_reset(&client);
    assert_true(net_wait(is_empty, &s));
    answer_text(gone, "for nobody");

    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token now = take_token(&s);
    assert_int_equal(now.slot, gone.slot);
    answer_text(gone, "for nobody");
    struct listener_token wrong = now;
    wrong.request++;
    answer_text(wrong, "for another request");
    wrong = now;
    wrong.loop = 99;
    answer_text(wrong, "for another loop");
    wrong = now;
    wrong.slot = 1u << 30;
    answer_text(wrong, "for another slot");
    answer_text(now, "right");
    expect_response(200, "right");
    answer_text(now, "twice");
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
    answer_text(t, "too late");
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
            answer_text(take_token(a->server), "ok");
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
        cmocka_unit_test(replies_of_a_batch_leave_with_one_wake_up),
        cmocka_unit_test(requests_before_the_peers_end_are_all_answered),
        cmocka_unit_test(a_token_that_no_longer_matches_is_dropped),
        cmocka_unit_test(a_request_that_nobody_answers_gets_503_and_its_token_is_void),
        cmocka_unit_test(answers_from_another_thread_reach_every_loop),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
