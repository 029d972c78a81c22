#define _GNU_SOURCE
/*
 * listener: the end of serving. What a peer asked before it could know must be answered, wherever
 * its bytes are at that moment; who asks nothing must not hold up the end. Hermetic: port 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"
#include "log.h"
#include "listener_fixture.h"
#include "net_help.h"

enum { KEPT = 20 };
static struct net_client kept[KEPT], blocker;

/* Connections that were answered once and are kept, all on the one loop. */
static void open_kept(struct server *s)
{
    for (int i = 0; i < KEPT; i++) {
        net_client_open(&kept[i], listener_address(s->listener), NULL, NULL);
        net_client_text(&kept[i], ECHO_X);
        assert_true(net_client_response(&kept[i], &response, false));
    }
}

/* The loop is in the handler when this returns, and does nothing else until go_on. */
static void block_loop(struct server *s)
{
    net_client_open(&blocker, listener_address(s->listener), NULL, NULL);
    net_client_text(&blocker, BLOCK);
    wait_for(&s->blocked);
}

static void expect_kept_are_answered_and_ended(const char *body)
{
    for (int i = 0; i < KEPT; i++) {
        if (!net_client_response(&kept[i], &response, false))
            fail_msg("connection %d ended without a reply", i);
        assert_int_equal(response.status, 200);
        assert_string_equal(response.body, body);
        assert_non_null(strstr(response.head, "\r\nConnection: close\r\n"));
        assert_true(net_client_is_ended(&kept[i]));
        net_client_close(&kept[i]);
    }
}

/* ------------------------------------------------------------------ drain */

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
    answer_text(t, "late");
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

static void requests_that_wait_for_a_busy_loop_are_answered_by_its_drain(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    o.threads = 1;
    server_start(&s, &o);
    open_kept(&s);
    block_loop(&s);
    for (int i = 0; i < KEPT; i++)
        net_client_text(&kept[i], ECHO_X);
    listener_drain(s.listener);
    sem_post(&s.go_on);
    expect_kept_are_answered_and_ended("x");
    net_client_close(&blocker);
    assert_true(net_wait(is_drained, &s));
    server_stop(&s);
}

/* True once new connections are refused: the loop has begun its drain. */
static bool is_refusing(void *arg)
{
    struct server *s = arg;
    int fd = net_try_connect(listener_address(s->listener));
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

static void a_request_that_arrives_just_after_the_drain_is_answered(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    o.threads = 1;
    server_start(&s, &o);
    open_kept(&s);
    listener_drain(s.listener);
    assert_true(net_wait(is_refusing, &s));
    for (int i = 0; i < KEPT; i++)
        net_client_text(&kept[i], ECHO_X);
    expect_kept_are_answered_and_ended("x");
    assert_true(net_wait(is_drained, &s));
    server_stop(&s);
}

static void kept_connections_that_ask_nothing_hold_up_no_drain(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    open_kept(&s);
    assert_false(listener_is_draining(s.listener));
    int64_t start = net_now_ms();
    listener_drain(s.listener);
    assert_true(listener_is_draining(s.listener));
    for (int i = 0; i < KEPT; i++) {
        assert_true(net_client_is_ended(&kept[i]));
        if (i % 2 == 0) /* the others never close their side */
            net_client_close(&kept[i]);
    }
    assert_true(net_wait(is_drained, &s));
    assert_true(net_now_ms() - start < 8000);
    for (int i = 1; i < KEPT; i += 2)
        net_client_close(&kept[i]);
    server_stop(&s);
}

/* ------------------------------------------------------------------ the idle deadline */

static void a_request_that_came_before_the_idle_deadline_was_looked_at_is_answered(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    o.threads = 1;
    o.idle_timeout_ms = 600;
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, ECHO_X);
    expect_response(200, "x");
    int64_t deadline = net_now_ms() + o.idle_timeout_ms;
    block_loop(&s);
    net_client_text(&client, ECHO_X);
    while (net_now_ms() < deadline + 50)
        (void)poll(NULL, 0, 10);
    sem_post(&s.go_on);
    expect_response(200, "x");
    assert_true(net_client_is_ended(&client)); /* idle once more, and nothing came */
    net_client_close(&client);
    net_client_close(&blocker);
    server_stop(&s);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draining_finishes_what_was_asked_and_ends_the_rest),
        cmocka_unit_test(requests_that_wait_for_a_busy_loop_are_answered_by_its_drain),
        cmocka_unit_test(a_request_that_arrives_just_after_the_drain_is_answered),
        cmocka_unit_test(kept_connections_that_ask_nothing_hold_up_no_drain),
        cmocka_unit_test(a_request_that_came_before_the_idle_deadline_was_looked_at_is_answered),
    };
    return cmocka_run_group_tests_name("listener drain", tests, NULL, NULL);
}
