#define _GNU_SOURCE
/*
 * listener: what answer_seconds observes: each request that was read whole, from then until its
 * reply is written, whoever made the reply. Hermetic: port 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "listener.h"
#include "log.h"
#include "metrics.h"
#include "listener_fixture.h"
#include "net_help.h"

/* The sum of all that was observed, as the world sees it. */
static double seconds_sum(void)
{
    static const char name[] = "touchpoint_intake_seconds_sum ";
    struct buf b;
    buf_init(&b, 1 << 20);
    metrics_write(&b);
    const char *line = strstr(b.data, name);
    assert_non_null(line);
    double sum = strtod(line + sizeof name - 1, NULL);
    buf_release(&b);
    return sum;
}

static void every_reply_to_a_whole_request_is_observed_once(void **state)
{
    (void)state;
    static const struct {
        const char *name, *request;
        int want_status;
        uint64_t want;
    } rows[] = {
        {"answered", ECHO_X, 200, 1},
        {"chunked", ECHO_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 200, 1},
        {"nobody answers", LATER, 503, 1},
        {"refused at its head", "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
         403, 0},
        {"refused by the reader", "nonsense\r\n", 400, 0},
        {"body too large", ECHO_HEAD "Content-Length: 9000000\r\n\r\nx", 413, 0},
        {"too slow", ECHO_HEAD "Content-Length: 2\r\n\r\nx", 408, 0},
    };
    struct metric_series *seconds = metric_series(METRIC_INTAKE_SECONDS);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server s;
        struct listener_options o = usual();
        o.answer_seconds = seconds;
        o.request_timeout_ms = 300;
        o.answer_timeout_ms = 100;
        uint64_t before = metric_value(seconds);
        server_start(&s, &o);
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_text(&client, rows[i].request);
        expect_response(rows[i].want_status, NULL);
        net_client_close(&client);
        server_stop(&s); /* it is observed just after the write */
        if (metric_value(seconds) != before + rows[i].want)
            fail_msg("%s: %llu observed", rows[i].name,
                     (unsigned long long)(metric_value(seconds) - before));
    }
}

static void the_time_runs_from_the_last_byte_read_to_the_reply(void **state)
{
    (void)state;
    enum { WAIT_MS = 150 };
    struct server s;
    struct listener_options o = usual();
    o.answer_seconds = metric_series(METRIC_INTAKE_SECONDS);
    double before = seconds_sum();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token t = take_token(&s);
    int64_t start = net_now_ms();
    while (net_now_ms() < start + WAIT_MS)
        (void)poll(NULL, 0, 10);
    answer_text(t, "late");
    expect_response(200, "late");
    net_client_close(&client);
    server_stop(&s);
    assert_true(seconds_sum() - before >= (WAIT_MS - 1) / 1000.0);
}

static void a_request_whose_peer_is_gone_is_not_observed(void **state)
{
    (void)state;
    struct metric_series *seconds = metric_series(METRIC_INTAKE_SECONDS);
    uint64_t before = metric_value(seconds);
    struct server s;
    struct listener_options o = usual();
    o.answer_seconds = seconds;
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token t = take_token(&s);
    net_client_reset(&client);
    assert_true(net_wait(is_empty, &s));
    answer_text(t, "for nobody");
    server_stop(&s);
    assert_int_equal(metric_value(seconds), before);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply_to_a_whole_request_is_observed_once),
        cmocka_unit_test(the_time_runs_from_the_last_byte_read_to_the_reply),
        cmocka_unit_test(a_request_whose_peer_is_gone_is_not_observed),
    };
    return cmocka_run_group_tests_name("listener seconds", tests, NULL, NULL);
}
