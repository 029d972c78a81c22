#define _GNU_SOURCE
/*
 * The listener over TLS as clients see it: refusals, many records in and out. Clients are OpenSSL's
 * library, and curl as a program. Hermetic.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/net/listener_int.h"
#include "tls_server_fixture.h"

static void an_early_refusal_survives_over_tls(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    struct server s;
    char *body = calloc(1, SIZE);
    assert_non_null(body);
    server_start(&s, 20000);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX_set_max_proto_version(s.client, version);
        net_client_open(&client, listener_address(s.listener), s.client, NULL);
        net_client_text(&client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n");
        net_client_send(&client, body, SIZE);
        assert_true(net_client_response(&client, &response, false));
        assert_int_equal(response.status, 413);
        assert_true(net_client_is_ended(&client));
        net_client_close(&client);
    }
    free(body);
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
}

static void the_curl_program_sends_and_is_refused_in_words(void **state)
{
    (void)state;
    struct server s;
    char out[8192], url[128], ca[600], data[600], to[128];
    server_start(&s, 20000);
    const char *port = strrchr(listener_address(s.listener), ':') + 1;
    (void)snprintf(url, sizeof url, "https://receiver.example.org:%s/x", port);
    (void)snprintf(to, sizeof to, "receiver.example.org:%s:127.0.0.1:%s", port, port);
    (void)snprintf(ca, sizeof ca, "%s", at("ca.pem"));
    char curl[] = "curl", quiet[] = "-sSik", cacert[] = "--cacert", via[] = "--connect-to",
         binary[] = "--data-binary", small[] = "hello", noproxy[] = "--noproxy", all[] = "*",
         http11[] = "--http1.1";
    char *send_small[] = {curl, quiet, http11, noproxy, all, cacert, ca,
                          via,  to,    binary, small,   url, url,    NULL};
    if (net_run(send_small, NULL, out, sizeof out) != 0 || strstr(out, "200 OK") == NULL ||
        strstr(out, "hello") == NULL)
        fail_msg("%s", out);
    FILE *f = fopen(at("large"), "w");
    assert_non_null(f);
    for (int i = 0; i < 3 << 20; i++)
        fputc('x', f);
    fclose(f);
    (void)snprintf(data, sizeof data, "@%s", at("large"));
    /* with "Expect: 100-continue", as curl does by itself for that size, and without */
    char header[] = "-H", no_expect[] = "Expect:";
    char *send_large[] = {curl, quiet, http11, noproxy, all, cacert, ca,
                          via,  to,    binary, data,    url, NULL};
    char *send_blindly[] = {curl, quiet,  http11,    noproxy, all,  cacert, ca,  via,
                            to,   header, no_expect, binary,  data, url,    NULL};
    (void)net_run(send_large, NULL, out, sizeof out);
    assert_non_null(strstr(out, "413 Content Too Large"));
    (void)net_run(send_blindly, NULL, out, sizeof out);
    assert_non_null(strstr(out, "413 Content Too Large"));
    server_stop(&s);
}

static void full_records_behind_a_slow_answer_are_all_read_in_the_end(void **state)
{
    (void)state;
    static const char later[] = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    static const char next[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    enum { COUNT = 1500 }; /* some 80 KB, five full records; then the client only listens */
    static char many[COUNT * (sizeof next - 1)];
    for (size_t i = 0; i < COUNT; i++)
        memcpy(many + i * (sizeof next - 1), next, sizeof next - 1);
    struct server s;
    server_start(&s, 20000);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX_set_max_proto_version(s.client, version);
        net_client_open(&client, listener_address(s.listener), s.client, NULL);
        net_client_text(&client, later);
        struct listener_token token = take_token(&s);
        net_client_send(&client, many, sizeof many);
        listener_reply(token,
                       &(struct listener_answer){.status = 200, .body = "first", .body_len = 5});
        assert_true(net_client_response(&client, &response, false));
        assert_string_equal(response.body, "first");
        for (int i = 0; i < COUNT; i++) {
            assert_true(net_client_response(&client, &response, false));
            assert_string_equal(response.body, "abc");
        }
        net_client_close(&client);
    }
    server_stop(&s);
}

static void a_reply_of_many_records_arrives_whole(void **state)
{
    (void)state;
    enum { SIZE = 65000 };
    static char body[SIZE + 1];
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)('a' + i % 25);
    struct server s;
    server_start(&s, 20000);
    net_client_open(&client, listener_address(s.listener), s.client, NULL);
    for (int round = 0; round < 3; round++) {
        net_client_text(&client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\n");
        net_client_send(&client, body, SIZE);
        assert_true(net_client_response(&client, &response, false));
        assert_string_equal(response.body, body);
    }
    net_client_close(&client);
    server_stop(&s);
}

static unsigned buffered(const struct server *s)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < s->listener->loop_count; i++)
        sum += s->listener->loops[i].buffered;
    return sum;
}

static bool keeps_none(void *arg)
{
    return buffered(arg) == 0;
}

/* Those that have got an answer that not anybody gets: but only so many, and none that is gone. */
static void a_bounded_number_of_senders_keep_their_buffers(void **state)
{
    (void)state;
    enum { SENDERS = 2 * BUFFERED_MAX + 20 };
    static const char request[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    static struct net_client senders[SENDERS];
    struct server s;
    server_start(&s, 20000);
    for (unsigned i = 0; i < SENDERS; i++)
        net_client_open(&senders[i], listener_address(s.listener), s.client, NULL);
    assert_int_equal(buffered(&s), 0);
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < SENDERS; i++) {
            net_client_text(&senders[i], request);
            assert_true(net_client_response(&senders[i], &response, false));
            assert_string_equal(response.body, "abc");
            assert_in_range(buffered(&s), 0, 2 * BUFFERED_MAX);
        }
    }
    assert_in_range(buffered(&s), BUFFERED_MAX, 2 * BUFFERED_MAX);
    for (unsigned i = 0; i < SENDERS; i++)
        net_client_close(&senders[i]);
    assert_true(net_wait(keeps_none, &s));
    server_stop(&s);
}

/* The client's records for that text, a record for each `each` bytes of it, are kept in memory. */
static void encrypt(BIO *records, const char *text, size_t n, size_t each)
{
    SSL_set0_wbio(client.tls, records);
    BIO_up_ref(records);
    for (size_t at = 0; at < n; at += each)
        assert_true(SSL_write(client.tls, text + at, (int)(n - at < each ? n - at : each)) > 0);
}

static void send_in_pieces(BIO *records, size_t piece)
{
    char *bytes;
    size_t n = (size_t)BIO_get_mem_data(records, &bytes);
    for (size_t at = 0, sent; at < n; at += sent) {
        sent = n - at < piece ? n - at : piece;
        assert_int_equal(send(client.fd, bytes + at, sent, 0), sent);
    }
}

/* However a sender's records come together or apart, none waits for more to come, and the end that
 * stands behind them is seen. */
static void records_that_come_together_are_all_read(void **state)
{
    (void)state;
    static const char request[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    static const size_t records_of[] = {16384, sizeof request - 1, 20, 3},
                        pieces[] = {1 << 20, 16406, 1400, 77};
    enum { COUNT = 600 };
    static char many[COUNT * (sizeof request - 1)];
    for (size_t i = 0; i < COUNT; i++)
        memcpy(many + i * (sizeof request - 1), request, sizeof request - 1);
    struct server s;
    server_start(&s, 20000);
    for (size_t i = 0; i < 16; i++) {
        SSL_CTX_set_max_proto_version(s.client, i % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
        net_client_open(&client, listener_address(s.listener), s.client, NULL);
        net_client_text(&client, request);
        assert_true(net_client_response(&client, &response, false));
        BIO *records = BIO_new(BIO_s_mem());
        encrypt(records, many, sizeof many, records_of[i / 4]);
        assert_int_equal(SSL_shutdown(client.tls), 0);
        send_in_pieces(records, pieces[i % 4]);
        for (int k = 0; k < COUNT; k++) {
            assert_true(net_client_response(&client, &response, false));
            assert_string_equal(response.body, "abc");
        }
        assert_true(net_client_is_ended(&client));
        net_client_close(&client);
        BIO_free(records);
    }
    server_stop(&s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_early_refusal_survives_over_tls),
        cmocka_unit_test(the_curl_program_sends_and_is_refused_in_words),
        cmocka_unit_test(full_records_behind_a_slow_answer_are_all_read_in_the_end),
        cmocka_unit_test(a_reply_of_many_records_arrives_whole),
        cmocka_unit_test(a_bounded_number_of_senders_keep_their_buffers),
        cmocka_unit_test(records_that_come_together_are_all_read),
    };
    return cmocka_run_group_tests_name("tls listener", tests, make_pki, drop_pki);
}
