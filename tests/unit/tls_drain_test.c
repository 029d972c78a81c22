#define _GNU_SOURCE
/*
 * The ends of TLS connections: peers that end their side, with and without close_notify, and the
 * listener's own drain and idle deadline, which find bytes inside OpenSSL. Hermetic.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tls_server_fixture.h"

#define LATER "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
#define BLOCK "POST /block HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
#define ECHO  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"

static struct net_client other;

/* With one loop: when the other connection is answered, all that was sent before has been seen. */
static void pass_through_loop(struct server *s)
{
    net_client_open(&other, listener_address(s->listener), s->client, NULL);
    net_client_text(&other, ECHO);
    assert_true(net_client_response(&other, &response, false));
    net_client_close(&other);
}

/* ------------------------------------------------------------------ the peer ends its side */

static void a_peer_that_ends_its_side_still_gets_its_answer(void **state)
{
    (void)state;
    static char body[60001];
    static const size_t sizes[] = {200, 60000}; /* written at once, and by libevent */
    memset(body, 'b', sizeof body - 1);
    struct server s;
    struct listener_options o = usual();
    o.threads = 1;
    server_start_as(&s, &o);
    for (int row = 0; row < 8; row++) {
        bool notifies = row % 2 == 1;
        size_t n = sizes[row / 2 % 2];
        SSL_CTX_set_max_proto_version(s.client, row < 4 ? TLS1_2_VERSION : TLS1_3_VERSION);
        net_client_open(&client, listener_address(s.listener), s.client, NULL);
        net_client_text(&client, LATER);
        struct listener_token token = take_token(&s);
        if (notifies)
            assert_int_equal(SSL_shutdown(client.tls), 0);
        assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
        pass_through_loop(&s);
        listener_reply(token,
                       &(struct listener_answer){.status = 200, .body = body, .body_len = n});
        if (!net_client_response(&client, &response, false))
            fail_msg("row %d: no reply", row);
        assert_int_equal(response.status, 200);
        assert_int_equal(response.body_len, n);
        assert_memory_equal(response.body, body, n);
        assert_true(net_client_is_ended(&client)); /* by close_notify */
        net_client_close(&client);
    }
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
}

static void half_a_request_and_the_peers_end_are_no_request(void **state)
{
    (void)state;
    struct server s;
    server_start(&s, 20000);
    net_client_open(&client, listener_address(s.listener), s.client, NULL);
    net_client_text(&client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    assert_false(net_client_response(&client, &response, false));
    net_client_close(&client);
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
}

/* ------------------------------------------------------------------ the listener ends */

static void block_loop(struct server *s)
{
    net_client_open(&other, listener_address(s->listener), s->client, NULL);
    net_client_text(&other, BLOCK);
    wait_for(&s->blocked);
}

static void requests_that_wait_for_a_busy_loop_are_answered_by_its_drain(void **state)
{
    (void)state;
    enum { KEPT = 20 };
    static struct net_client kept[KEPT];
    struct server s;
    struct listener_options o = usual();
    o.threads = 1;
    server_start_as(&s, &o);
    for (int i = 0; i < KEPT; i++) {
        net_client_open(&kept[i], listener_address(s.listener), s.client, NULL);
        net_client_text(&kept[i], ECHO);
        assert_true(net_client_response(&kept[i], &response, false));
    }
    block_loop(&s);
    for (int i = 0; i < KEPT; i++)
        net_client_text(&kept[i], ECHO);
    listener_drain(s.listener);
    sem_post(&s.go_on);
    for (int i = 0; i < KEPT; i++) {
        if (!net_client_response(&kept[i], &response, false))
            fail_msg("connection %d ended without a reply", i);
        assert_string_equal(response.body, "abc");
        assert_true(net_client_is_ended(&kept[i]));
        net_client_close(&kept[i]);
    }
    net_client_close(&other);
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
}

/* The bytes on the wire that carry the text; the client sends nothing. */
static size_t seal(const char *text, unsigned char *out, size_t size)
{
    BIO *sink = BIO_new(BIO_s_mem()), *wire = SSL_get_wbio(client.tls);
    assert_non_null(sink);
    BIO_up_ref(wire);
    SSL_set0_wbio(client.tls, sink);
    assert_int_equal(SSL_write(client.tls, text, (int)strlen(text)), strlen(text));
    int n = BIO_read(sink, out, (int)size);
    assert_true(n > 0);
    SSL_set0_wbio(client.tls, wire);
    return (size_t)n;
}

static void send_raw(const unsigned char *bytes, size_t n)
{
    assert_int_equal(send(client.fd, bytes, n, MSG_NOSIGNAL), n);
}

static void half_a_record_at_the_end_of_the_idle_time_is_waited_for(void **state)
{
    (void)state;
    enum { IDLE_MS = 600, DRAINING_IDLE_MS = 1000 };
    for (int draining = 0; draining < 2; draining++) {
        unsigned char record[512];
        struct server s;
        struct listener_options o = usual();
        o.threads = 1;
        o.idle_timeout_ms = draining ? 20000 : IDLE_MS;
        server_start_as(&s, &o);
        net_client_open(&client, listener_address(s.listener), s.client, NULL);
        echo("", "x");
        size_t n = seal(ECHO, record, sizeof record);
        send_raw(record, n / 2);
        pass_through_loop(&s); /* so the half is inside OpenSSL */
        if (draining)
            listener_drain(s.listener);
        int64_t until = net_now_ms() + (draining ? DRAINING_IDLE_MS : IDLE_MS) + 300;
        while (net_now_ms() < until)
            (void)poll(NULL, 0, 10);
        send_raw(record + n / 2, n - n / 2);
        if (!net_client_response(&client, &response, false))
            fail_msg("no reply, draining: %d", draining);
        assert_string_equal(response.body, "abc");
        assert_true(net_client_is_ended(&client));
        net_client_close(&client);
        server_stop(&s);
    }
}

static void a_record_that_stays_half_is_ended_without_a_word(void **state)
{
    (void)state;
    unsigned char record[512];
    struct server s;
    struct listener_options o = usual();
    o.idle_timeout_ms = 100;
    o.request_timeout_ms = 400;
    server_start_as(&s, &o);
    net_client_open(&client, listener_address(s.listener), s.client, NULL);
    echo("", "x");
    size_t n = seal(ECHO, record, sizeof record);
    send_raw(record, n / 2);
    assert_true(net_client_is_ended(&client)); /* no 408: no byte of a request could be read */
    net_client_close(&client);
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_ends_its_side_still_gets_its_answer),
        cmocka_unit_test(half_a_request_and_the_peers_end_are_no_request),
        cmocka_unit_test(requests_that_wait_for_a_busy_loop_are_answered_by_its_drain),
        cmocka_unit_test(half_a_record_at_the_end_of_the_idle_time_is_waited_for),
        cmocka_unit_test(a_record_that_stays_half_is_ended_without_a_word),
    };
    return cmocka_run_group_tests_name("tls drain", tests, make_pki, drop_pki);
}
