#define _GNU_SOURCE
/*
 * The listener over TLS as clients see it: versions, suites, protocols, resumption, ends and
 * deadlines. Clients are OpenSSL's library, and curl and openssl as programs. Hermetic.
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

#include "listener.h"
#include "metrics.h"
#include "net_help.h"
#include "tls.h"
#include "tls_fixture.h"

/* ------------------------------------------------------------------ a server over TLS */

/* /later waits for the test; all else is echoed at once. */
struct server {
    pthread_mutex_t lock;
    bool has_token; /* guarded by lock, as the token is */
    struct listener_token token;
    struct listener *listener;
    struct tls_server *tls;
    SSL_CTX *client; /* verifies against ca */
};

static void on_request(void *ctx, void *loop, const struct http_head *h,
                       const struct listener_peer *peer, const char *body, size_t n,
                       struct listener_token token)
{
    struct server *s = ctx;
    (void)loop;
    (void)peer;
    if (http_span_is(h->path, "/later")) {
        pthread_mutex_lock(&s->lock);
        s->token = token;
        s->has_token = true;
        pthread_mutex_unlock(&s->lock);
        return;
    }
    listener_reply(token,
                   &(struct listener_answer){
                       .status = 200, .content_type = "text/plain", .body = body, .body_len = n});
}

static const struct listener_handler HANDLER = {.request = on_request};

static void server_start(struct server *s, int64_t handshake_timeout_ms)
{
    const char *certificates[] = {at("ec-chain.pem"), at("rsa-chain.pem")};
    const char *keys[] = {at("ec.key"), at("rsa.key")};
    struct error e = {0};
    *s = (struct server){.lock = PTHREAD_MUTEX_INITIALIZER};
    if (tls_server_new(
            &s->tls,
            &(struct tls_server_options){.certificates = certificates, .keys = keys, .count = 2},
            &e) != ERR_NONE)
        fail_msg("%s", e.text);
    struct listener_options o = {.address = "127.0.0.1:0",
                                 .tls = s->tls,
                                 .threads = 2,
                                 .max_body_bytes = 1 << 20,
                                 .max_buffered_bytes = 64 << 20,
                                 .max_buffered_per_address_bytes = 64 << 20,
                                 .request_timeout_ms = 20000,
                                 .handshake_timeout_ms = handshake_timeout_ms,
                                 .idle_timeout_ms = 20000,
                                 .max_connections = 1000,
                                 .max_connections_per_address = 1000,
                                 .name = "test"};
    if (listener_start(&s->listener, &o, &HANDLER, s, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    s->client = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(s->client, at("ca.pem"), NULL), 1);
    SSL_CTX_set_verify(s->client, SSL_VERIFY_PEER, NULL);
}

static void server_stop(struct server *s)
{
    listener_stop(&s->listener);
    SSL_CTX_free(s->client);
    tls_server_free(&s->tls);
}

static bool is_empty(void *arg)
{
    return listener_connections(((struct server *)arg)->listener) == 0;
}

static struct net_client client;
static struct net_response response;

static void echo(const char *fields, const char *text)
{
    char request[512];
    (void)snprintf(request, sizeof request,
                   "POST / HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n%s", fields,
                   strlen(text), text);
    net_client_text(&client, request);
    assert_true(net_client_response(&client, &response, false));
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, text);
}

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

static bool has_token(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    bool has = s->has_token;
    pthread_mutex_unlock(&s->lock);
    return has;
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
        s.has_token = false;
        SSL_CTX_set_max_proto_version(s.client, version);
        net_client_open(&client, listener_address(s.listener), s.client, NULL);
        net_client_text(&client, later);
        assert_true(net_wait(has_token, &s));
        net_client_send(&client, many, sizeof many);
        listener_reply(s.token,
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
        cmocka_unit_test(an_early_refusal_survives_over_tls),
        cmocka_unit_test(the_curl_program_sends_and_is_refused_in_words),
        cmocka_unit_test(full_records_behind_a_slow_answer_are_all_read_in_the_end),
        cmocka_unit_test(a_reply_of_many_records_arrives_whole),
        cmocka_unit_test(a_slow_handshake_is_cut_at_its_deadline),
        cmocka_unit_test(nonsense_instead_of_a_handshake_is_counted_and_dropped),
        cmocka_unit_test(many_handshakes_leave_no_descriptor_behind),
    };
    return cmocka_run_group_tests_name("tls listener", tests, make_pki, drop_pki);
}
