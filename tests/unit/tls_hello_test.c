#define _GNU_SOURCE
/*
 * The bound on a client's greeting: who claims a long one is cut off before there is room for it,
 * in the first and in a second greeting, however it comes in pieces; real clients never are.
 * Hermetic.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "metrics.h"
#include "tls_server_fixture.h"

/* Much longer than any wait here: who is cut off before was not cut for being slow. */
enum { HANDSHAKE_MS = 60000 };

#define BYTES(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static void expect_cut(struct server *s, uint64_t failed_before)
{
    (void)net_client_is_ended(&client);
    assert_true(client.ended || client.reset);
    net_client_close(&client);
    assert_true(net_wait(is_empty, s));
    assert_int_equal(metric_value(metric_series(METRIC_TLS_HANDSHAKES, "failed")),
                     failed_before + 1);
}

static uint64_t failed(void)
{
    return metric_value(metric_series(METRIC_TLS_HANDSHAKES, "failed"));
}

static void send_in_pieces(const char *bytes, size_t n, size_t piece)
{
    int one = 1;
    setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (size_t at = 0; at < n; at += piece) {
        if (!net_client_try(&client, bytes + at, n - at < piece ? n - at : piece))
            return; /* cut already */
    }
}

static void a_greeting_that_claims_to_be_huge_is_cut_off(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct {
            const char *bytes;
            size_t n;
        } is;
    } rows[] = {
        {"in one record", BYTES("\x16\x03\x01\x02\x00\x01\x01\xff\xb8\x03\x03")},
        {"just over", BYTES("\x16\x03\x01\x40\x00\x01\x00\x40\x01\x03\x03")},
        {"its head in two records",
         BYTES("\x16\x03\x01\x00\x01\x01\x16\x03\x01\x02\x00\x01\xff\xb8\x03\x03")},
        {"its head in four", BYTES("\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x01\x01\x16\x03\x01"
                                   "\x00\x01\xff\x16\x03\x01\x01\x00\xb8\x03\x03")},
    };
    struct server s;
    server_start(&s, HANDSHAKE_MS);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece <= rows[i].is.n; piece += rows[i].is.n - 1) {
            uint64_t before = failed();
            net_client_open(&client, listener_address(s.listener), NULL, NULL);
            send_in_pieces(rows[i].is.bytes, rows[i].is.n, piece);
            expect_cut(&s, before);
        }
    }
    server_stop(&s);
}

/* With the first group that the client has a key for the server can do nothing, so it asks for a
 * second greeting. */
static void ask_for_a_second_greeting(const struct server *s)
{
    char groups[] = "P-521:X25519"; /* the macro casts away what a literal is */
    assert_int_equal(SSL_CTX_set1_groups_list(s->client, groups), 1);
}

static void a_second_greeting_that_claims_to_be_huge_is_cut_off_too(void **state)
{
    (void)state;
    static const char second[] =
        "\x14\x03\x03\x00\x01\x01\x16\x03\x03\x02\x00\x01\x01\xff\xb8\x03\x03";
    struct server s;
    server_start(&s, HANDSHAKE_MS);
    ask_for_a_second_greeting(&s);
    for (size_t piece = 1; piece < sizeof second; piece += sizeof second - 2) {
        char hello[4096], answer[100];
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        SSL *ssl = SSL_new(s.client);
        SSL_set_bio(ssl, in, out);
        assert_int_equal(SSL_connect(ssl), -1);
        int n = BIO_read(out, hello, sizeof hello);
        assert_true(n > 0);
        uint64_t before = failed();
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_send(&client, hello, (size_t)n);
        ssize_t got = recv(client.fd, answer, sizeof answer, 0);
        assert_in_range(got, 6, sizeof answer);
        assert_int_equal(answer[5], 2); /* ServerHello, which HelloRetryRequest is one of */
        send_in_pieces(second, sizeof second - 1, piece);
        while (recv(client.fd, answer, sizeof answer, MSG_DONTWAIT) > 0) {
        }
        expect_cut(&s, before);
        SSL_free(ssl);
        ERR_clear_error();
    }
    server_stop(&s);
}

static void real_clients_are_not_cut_off(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int version;
        bool second_greeting, long_greeting;
    } rows[] = {
        {"TLS 1.3", TLS1_3_VERSION, false, false},
        {"a second greeting", TLS1_3_VERSION, true, false},
        {"a greeting in several records", TLS1_3_VERSION, false, true},
        {"two greetings in several records", TLS1_3_VERSION, true, true},
        {"TLS 1.2", TLS1_2_VERSION, false, false},
        {"TLS 1.2, a greeting in several records", TLS1_2_VERSION, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server s;
        server_start(&s, HANDSHAKE_MS);
        SSL_CTX_set_max_proto_version(s.client, rows[i].version);
        SSL_SESSION *session = NULL;
        if (rows[i].second_greeting)
            ask_for_a_second_greeting(&s);
        if (rows[i].long_greeting) {
            static unsigned char protocols[9 + 8 * 201] = "\x08http/1.1";
            for (size_t at = 9; at < sizeof protocols; at += 201) {
                memset(protocols + at, 'p', 201);
                protocols[at] = 200;
            }
            assert_int_equal(SSL_CTX_set_alpn_protos(s.client, protocols, sizeof protocols), 0);
            assert_int_equal(SSL_CTX_set_max_send_fragment(s.client, 512), 1);
        }
        for (int k = 0; k < 40; k++) { /* what is encrypted is random, and never mistaken */
            net_client_open(&client, listener_address(s.listener), s.client, session);
            if (rows[i].second_greeting && k == 0)
                assert_int_equal(SSL_version(client.tls), TLS1_3_VERSION);
            echo("", "hello");
            SSL_SESSION_free(session);
            session = SSL_get1_session(client.tls);
            net_client_close(&client);
        }
        SSL_SESSION_free(session);
        server_stop(&s);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_that_claims_to_be_huge_is_cut_off),
        cmocka_unit_test(a_second_greeting_that_claims_to_be_huge_is_cut_off_too),
        cmocka_unit_test(real_clients_are_not_cut_off),
    };
    return cmocka_run_group_tests_name("tls hello", tests, make_pki, drop_pki);
}
