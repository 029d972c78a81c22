/*
 * Session tickets: keys rotate by a clock that the test sets, sessions survive a change of the
 * context, and trust in a client's certificate does not survive its pin. Hermetic.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "tls_server_fixture.h"

enum { HOUR_MS = 3600000 };

static _Atomic int64_t clock_ms = 1000;

static int64_t test_clock(void)
{
    return atomic_load(&clock_ms);
}

static struct tls_tickets *new_tickets(void)
{
    struct tls_tickets *t = NULL;
    struct error e = {0};
    if (tls_tickets_new(&t, test_clock, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    return t;
}

/* Connects with *session (or NULL), exchanges a request, and puts the newest session there. False
 * if the server refuses the client. */
static bool visit(struct server *s, SSL_SESSION **session, bool *reused)
{
    static const char request[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    bool ok = false;
    SSL *ssl = SSL_new(s->client);
    int fd = net_connect(listener_address(s->listener));
    char reply[1024];
    SSL_set_fd(ssl, fd);
    if (*session != NULL)
        assert_int_equal(SSL_set_session(ssl, *session), 1);
    if (SSL_connect(ssl) == 1 && SSL_write(ssl, request, sizeof request - 1) > 0)
        ok = SSL_read(ssl, reply, sizeof reply) > 0 && memcmp(reply, "HTTP/1.1 200", 12) == 0;
    *reused = SSL_session_reused(ssl) == 1;
    if (ok) {
        SSL_SESSION_free(*session);
        *session = SSL_get1_session(ssl);
    }
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
    ERR_clear_error();
    return ok;
}

static void start(struct server *s, struct tls_tickets *tickets, struct client_auth *clients,
                  int version, const struct net_certificate *shown)
{
    more = (struct tls_server_options){.tickets = tickets, .clients = clients};
    server_start(s, 20000);
    SSL_CTX_set_max_proto_version(s->client, version);
    /* a cache would spoil the sessions that it gives up, and they shall outlive this context */
    SSL_CTX_set_session_cache_mode(s->client, SSL_SESS_CACHE_OFF);
    if (shown == NULL)
        return;
    assert_int_equal(SSL_CTX_use_certificate(s->client, shown->certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(s->client, shown->key), 1);
}

static void a_ticket_is_good_as_long_as_its_session_and_no_longer(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t made_at_ms, used_at_ms; /* after the first key was made */
        bool turns;                     /* somebody looks at the keys in between */
        bool want;
    } rows[] = {
        {"at once", 0, 0, false, true},
        {"with the same key", 0, 4 * HOUR_MS - 1, false, true},
        {"with the key before", 0, 4 * HOUR_MS, false, true},
        {"its key was the newest up to the end", 4 * HOUR_MS - 1, 6 * HOUR_MS - 1, true, true},
        {"its key is wiped by the next use", 0, 6 * HOUR_MS, false, false},
        {"its key is wiped by a turn", 4 * HOUR_MS - 1, 6 * HOUR_MS, true, false},
        {"long after, unseen in between", 0, 20 * HOUR_MS, false, false},
    };
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            int64_t start_ms = test_clock();
            struct tls_tickets *tickets = new_tickets();
            struct server s;
            SSL_SESSION *session = NULL;
            bool reused;
            start(&s, tickets, NULL, version, NULL);
            atomic_store(&clock_ms, start_ms + rows[i].made_at_ms);
            assert_true(visit(&s, &session, &reused));
            assert_false(reused);
            if (rows[i].turns) {
                atomic_store(&clock_ms, start_ms + 5 * HOUR_MS);
                tls_tickets_turn(tickets);
            }
            atomic_store(&clock_ms, start_ms + rows[i].used_at_ms);
            assert_true(visit(&s, &session, &reused)); /* a full handshake is always possible */
            if (reused != rows[i].want)
                fail_msg("%s: %s", rows[i].name, reused ? "resumed" : "not resumed");
            assert_true(visit(&s, &session, &reused)); /* by the ticket that came with it */
            assert_true(reused);
            SSL_SESSION_free(session);
            server_stop(&s);
            tls_tickets_free(&tickets);
            assert_null(tickets);
        }
    }
}

static void sessions_survive_a_new_context_with_the_same_keys(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct tls_tickets *tickets = new_tickets(), *others = new_tickets();
        struct server s;
        SSL_SESSION *session = NULL;
        bool reused;
        start(&s, tickets, NULL, version, NULL);
        assert_true(visit(&s, &session, &reused));
        server_stop(&s);
        start(&s, tickets, NULL, version, NULL);
        assert_true(visit(&s, &session, &reused));
        assert_true(reused);
        server_stop(&s);
        start(&s, others, NULL, version, NULL);
        assert_true(visit(&s, &session, &reused));
        assert_false(reused);
        server_stop(&s);
        SSL_SESSION_free(session);
        tls_tickets_free(&tickets);
        tls_tickets_free(&others);
    }
}

/* ------------------------------------------------------------------ clients' certificates */

static struct pin pin_of(const struct net_certificate *c)
{
    struct pin p = {.kind = PIN_CERTIFICATE};
    assert_int_equal(X509_digest(c->certificate, EVP_sha256(), p.sha256, NULL), 1);
    return p;
}

static struct client_auth *trust(enum config_client_certificate mode,
                                 const struct net_certificate *pinned, bool public_health)
{
    struct pin pin = pin_of(pinned);
    struct config c = {0};
    c.tls.client_certificate = mode;
    c.tls.client_pins = &pin;
    c.tls.client_pin_count = 1;
    c.admin.public_health = public_health;
    return client_auth_new(&c);
}

static void a_ticket_carries_no_trust_past_the_removal_of_its_pin(void **state)
{
    (void)state;
    enum { OPT = CONFIG_CLIENT_OPTIONAL, REQ = CONFIG_CLIENT_REQUIRED };
    static const struct {
        const char *name;
        int mode;
        bool public_health, still_pinned, resumes, served;
    } rows[] = {
        {"required, still pinned", REQ, false, true, true, true},
        {"required, not pinned any more", REQ, false, false, false, false},
        {"by path, still pinned", REQ, true, true, true, true},
        /* the handler of this test serves everybody: the intake would answer 403 */
        {"by path, not pinned any more", REQ, true, false, false, true},
        {"optional, still pinned", OPT, false, true, true, true},
        {"optional, not pinned any more", OPT, false, false, false, true},
    };
    struct net_certificate mine, other;
    net_certificate_make(&mine, &(struct net_certificate_options){.common_name = "m", .days = 9});
    net_certificate_make(&other, &(struct net_certificate_options){.common_name = "o", .days = 9});
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct tls_tickets *tickets = new_tickets();
            enum config_client_certificate mode = (enum config_client_certificate)rows[i].mode;
            struct client_auth *before = trust(mode, &mine, rows[i].public_health);
            struct client_auth *after =
                trust(mode, rows[i].still_pinned ? &mine : &other, rows[i].public_health);
            struct server s;
            SSL_SESSION *session = NULL;
            bool reused;
            start(&s, tickets, before, version, &mine);
            assert_true(visit(&s, &session, &reused));
            assert_true(visit(&s, &session, &reused));
            assert_true(reused);
            server_stop(&s);
            start(&s, tickets, after, version, &mine);
            bool served = visit(&s, &session, &reused);
            if (served != rows[i].served || reused != rows[i].resumes)
                fail_msg("%s, %x: %s, %s", rows[i].name, (unsigned)version,
                         served ? "served" : "refused", reused ? "resumed" : "not resumed");
            server_stop(&s);
            SSL_SESSION_free(session);
            client_auth_free(&before);
            client_auth_free(&after);
            tls_tickets_free(&tickets);
        }
    }
    net_certificate_release(&mine);
    net_certificate_release(&other);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_is_good_as_long_as_its_session_and_no_longer),
        cmocka_unit_test(sessions_survive_a_new_context_with_the_same_keys),
        cmocka_unit_test(a_ticket_carries_no_trust_past_the_removal_of_its_pin),
    };
    return cmocka_run_group_tests_name("tls tickets", tests, make_pki, drop_pki);
}
