#define _GNU_SOURCE
/*
 * listener: what a slow, greedy or mistaken peer gets, and that the others do not feel it.
 * Hermetic: port 0, own threads; deadlines are real and short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "listener.h"
#include "log.h"
#include "listener_fixture.h"
#include "net_help.h"

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
            for (int k = 0; k < 2; k++) { /* both at once would be too much */
                net_client_text(&client, ECHO_HEAD "Content-Length: 50000\r\n\r\n");
                net_client_send(&client, body, 50000);
                expect_response(200, NULL);
            }
            net_client_close(&client);
            /* its memory is given back just after the reply, which the other loop may outrun */
            assert_true(net_wait(is_empty, &s));
        }
        server_stop(&s);
    }
    free(body);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_request_is_cut_at_its_deadline_however_it_drips),
        cmocka_unit_test(an_idle_connection_is_ended_in_order),
        cmocka_unit_test(a_peer_that_does_not_take_its_reply_is_dropped),
        cmocka_unit_test(an_early_refusal_survives_the_body_that_is_still_coming),
        cmocka_unit_test(a_lingering_connection_is_let_go_even_if_its_peer_stays),
        cmocka_unit_test(connections_past_a_cap_are_turned_away_and_the_others_live),
        cmocka_unit_test(bodies_past_the_memory_bound_are_refused_and_the_memory_comes_back),
    };
    return cmocka_run_group_tests_name("listener limits", tests, NULL, NULL);
}
