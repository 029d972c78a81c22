#define _GNU_SOURCE
/*
 * Handshakes with the listener: versions, suites, protocols, resumption, and what is no handshake.
 * Clients are OpenSSL's library and its program. Hermetic.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "metrics.h"
#include "tls_server_fixture.h"

/* True if a handshake with the context's settings succeeds. */
static bool handshake(struct server *s)
{
    SSL *ssl = SSL_new(s->client);
    int fd = net_connect(listener_address(s->listener));
    SSL_set_fd(ssl, fd);
    bool ok = SSL_connect(ssl) == 1;
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    ERR_clear_error();
    return ok;
}

static void both_certificates_are_served_with_their_whole_chain(void **state)
{
    (void)state;
    static const struct {
        const char *signatures;
        int kind;
    } rows[] = {{"ECDSA+SHA256", EVP_PKEY_EC}, {"RSA-PSS+SHA256:RSA+SHA256", EVP_PKEY_RSA}};
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t i = 0; i < 2; i++) {
            struct server s;
            server_start(&s, 20000);
            SSL_CTX_set_max_proto_version(s.client, version);
            char signatures[64];
            (void)snprintf(signatures, sizeof signatures, "%s", rows[i].signatures);
            assert_int_equal(SSL_CTX_set1_sigalgs_list(s.client, signatures), 1);
            /* the chain's own signatures are ECDSA: only the server's key is to be chosen */
            SSL_CTX_set_verify(s.client, SSL_VERIFY_NONE, NULL);
            net_client_open(&client, listener_address(s.listener), s.client, NULL);
            X509 *leaf = SSL_get1_peer_certificate(client.tls);
            assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(leaf)), rows[i].kind);
            X509_free(leaf);
            assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(client.tls)), 2);
            echo("", "hello");
            net_client_close(&client);
            server_stop(&s);
        }
    }
}

static void old_versions_and_weak_suites_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int version;
        const char *suites; /* up to TLS 1.2 */
        bool want;
    } rows[] = {
        {"TLS 1.3", TLS1_3_VERSION, "DEFAULT@SECLEVEL=0", true},
        {"TLS 1.2", TLS1_2_VERSION, "DEFAULT@SECLEVEL=0", true},
        {"TLS 1.1", TLS1_1_VERSION, "DEFAULT@SECLEVEL=0", false},
        {"TLS 1.0", TLS1_VERSION, "DEFAULT@SECLEVEL=0", false},
        {"ECDHE-RSA-GCM", TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", true},
        {"ECDHE-ECDSA-CHACHA20", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
        {"CBC", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA", false},
        {"no forward secrecy", TLS1_2_VERSION, "AES128-GCM-SHA256", false},
        {"finite-field DH", TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", false},
        {"anonymous", TLS1_2_VERSION, "aNULL@SECLEVEL=0", false},
    };
    struct server s;
    server_start(&s, 20000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SSL_CTX_set_min_proto_version(s.client, rows[i].version);
        SSL_CTX_set_max_proto_version(s.client, rows[i].version);
        assert_int_equal(SSL_CTX_set_cipher_list(s.client, rows[i].suites), 1);
        if (handshake(&s) != rows[i].want)
            fail_msg("%s is %s", rows[i].name, rows[i].want ? "refused" : "accepted");
    }
    server_stop(&s);
}

static void the_protocol_is_http_1_1_or_the_handshake_ends(void **state)
{
    (void)state;
    static const struct {
        const char *offer;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"", ""},         {"\x08http/1.1", "http/1.1"}, {"\x02h2\x08http/1.1", "http/1.1"},
        {"\x02h2", NULL}, {"\x08http/1.0", NULL},
    };
    struct server s;
    server_start(&s, 20000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(SSL_CTX_set_alpn_protos(s.client, (const unsigned char *)rows[i].offer,
                                                 (unsigned)strlen(rows[i].offer)),
                         0);
        if (rows[i].want == NULL) {
            assert_false(handshake(&s));
            continue;
        }
        const unsigned char *chosen;
        unsigned n;
        net_client_open(&client, listener_address(s.listener), s.client, NULL);
        SSL_get0_alpn_selected(client.tls, &chosen, &n);
        assert_int_equal(n, strlen(rows[i].want));
        assert_memory_equal(n == 0 ? "" : (const char *)chosen, rows[i].want, n);
        echo("", "x");
        net_client_close(&client);
    }
    server_stop(&s);
}

static void a_client_cannot_renegotiate(void **state)
{
    (void)state;
    struct server s;
    server_start(&s, 20000);
    SSL_CTX_set_max_proto_version(s.client, TLS1_2_VERSION);
    net_client_open(&client, listener_address(s.listener), s.client, NULL);
    echo("", "before");
    assert_int_equal(SSL_renegotiate(client.tls), 1);
    assert_true(SSL_do_handshake(client.tls) <= 0); /* the server answers no_renegotiation */
    ERR_clear_error();
    net_client_close(&client);
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
}

/* ------------------------------------------------------------------ resumption and ends */

static void sessions_are_resumed_whoever_closes_first(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (int server_closes = 0; server_closes < 2; server_closes++) {
            struct server s;
            server_start(&s, 20000);
            SSL_CTX_set_max_proto_version(s.client, version);
            SSL_CTX_set_session_cache_mode(s.client, SSL_SESS_CACHE_CLIENT);
            SSL_SESSION *session = NULL;
            for (int round = 0; round < 4; round++) {
                net_client_open(&client, listener_address(s.listener), s.client, session);
                assert_int_equal(SSL_session_reused(client.tls), round > 0);
                echo(server_closes ? "Connection: close\r\n" : "", "x");
                if (server_closes)
                    assert_true(net_client_is_ended(&client)); /* by close_notify, not just FIN */
                SSL_SESSION_free(session);
                session = SSL_get1_session(client.tls);
                assert_int_equal(SSL_SESSION_is_resumable(session), 1);
                net_client_close(&client);
            }
            SSL_SESSION_free(session);
            server_stop(&s);
        }
    }
}

static void the_openssl_program_resumes_too(void **state)
{
    (void)state;
    struct server s;
    char out[65536], address[64], file[600], ca[600];
    server_start(&s, 20000);
    (void)snprintf(address, sizeof address, "%s", listener_address(s.listener));
    (void)snprintf(file, sizeof file, "%s", at("session"));
    (void)snprintf(ca, sizeof ca, "%s", at("ca.pem"));
    net_write_file(at("request"), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    char openssl[] = "openssl", s_client[] = "s_client", connect[] = "-connect",
         verify[] = "-CAfile", sess_out[] = "-sess_out", sess_in[] = "-sess_in",
         ign_eof[] = "-ign_eof";
    char *first[] = {openssl, s_client, connect,  address, verify,
                     ca,      ign_eof,  sess_out, file,    NULL};
    char *second[] = {openssl, s_client, connect, address, verify,
                      ca,      ign_eof,  sess_in, file,    NULL};
    assert_int_equal(net_run(first, at("request"), out, sizeof out), 0);
    if (strstr(out, "HTTP/1.1 200 OK") == NULL || strstr(out, "New, TLSv1.3") == NULL ||
        strstr(out, "Verify return code: 0 (ok)") == NULL)
        fail_msg("%s", out);
    assert_int_equal(net_run(second, at("request"), out, sizeof out), 0);
    if (strstr(out, "HTTP/1.1 200 OK") == NULL || strstr(out, "Reused, TLSv1.3") == NULL)
        fail_msg("%s", out);
    server_stop(&s);
}

/* ------------------------------------------------------------------ hostile handshakes */

static void a_slow_handshake_is_cut_at_its_deadline(void **state)
{
    (void)state;
    struct metric_series *timeouts = metric_series(METRIC_TLS_HANDSHAKES, "timeout");
    uint64_t before = metric_value(timeouts);
    struct server s;
    server_start(&s, 300);
    for (int dripping = 0; dripping < 2; dripping++) {
        /* the beginning of a ClientHello of 512 bytes, then a byte now and then, or nothing */
        static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_send(&client, hello, sizeof hello - 1);
        int64_t start = net_now_ms();
        struct pollfd p = {.fd = client.fd, .events = POLLIN};
        while (poll(&p, 1, dripping ? 20 : 8000) == 0 && net_now_ms() - start < 8000) {
            if (dripping && !net_client_try(&client, "x", 1))
                break;
        }
        assert_in_range(net_now_ms() - start, 250, 5000);
        net_client_close(&client);
    }
    assert_true(net_wait(is_empty, &s));
    assert_int_equal(metric_value(timeouts), before + 2);
    server_stop(&s);
}

static void nonsense_instead_of_a_handshake_is_counted_and_dropped(void **state)
{
    (void)state;
    static const char *const rows[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\xff\xff",
                                       "\x80\x2e\x01\x03\x01"};
    struct metric_series *failed = metric_series(METRIC_TLS_HANDSHAKES, "failed");
    struct metric_series *ok = metric_series(METRIC_TLS_HANDSHAKES, "ok");
    struct server s;
    server_start(&s, 20000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t before = metric_value(failed);
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_text(&client, rows[i]);
        shutdown(client.fd, SHUT_WR);
        (void)net_client_is_ended(&client);
        net_client_close(&client);
        assert_true(net_wait(is_empty, &s));
        assert_int_equal(metric_value(failed), before + 1);
    }
    uint64_t before = metric_value(ok);
    net_client_open(&client, listener_address(s.listener), s.client, NULL);
    echo("", "still here");
    net_client_close(&client);
    assert_int_equal(metric_value(ok), before + 1);
    server_stop(&s);
}

static void many_handshakes_leave_no_descriptor_behind(void **state)
{
    (void)state;
    struct server s;
    size_t before = net_open_descriptors();
    server_start(&s, 20000);
    for (int i = 0; i < 100; i++) {
        net_client_open(&client, listener_address(s.listener), s.client, NULL);
        if (i % 2 == 0)
            echo(i % 4 == 0 ? "Connection: close\r\n" : "", "x");
        net_client_close(&client);
    }
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
    assert_int_equal(net_open_descriptors(), before);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_certificates_are_served_with_their_whole_chain),
        cmocka_unit_test(old_versions_and_weak_suites_are_refused),
        cmocka_unit_test(the_protocol_is_http_1_1_or_the_handshake_ends),
        cmocka_unit_test(a_client_cannot_renegotiate),
        cmocka_unit_test(sessions_are_resumed_whoever_closes_first),
        cmocka_unit_test(the_openssl_program_resumes_too),
        cmocka_unit_test(a_slow_handshake_is_cut_at_its_deadline),
        cmocka_unit_test(nonsense_instead_of_a_handshake_is_counted_and_dropped),
        cmocka_unit_test(many_handshakes_leave_no_descriptor_behind),
    };
    return cmocka_run_group_tests_name("tls handshake", tests, make_pki, drop_pki);
}
