/*
 * Outbound messages: who is told, batches, retries, acknowledgements, TLS. Hermetic: org and
 * receiver share one event loop on loopback; certificates are made here; waiting is for events, not
 * for time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <netinet/in.h>

#include "mem.h"
#include "outbound.h"
#include "records.h"
#include "soap.h"
#include "test_org.h"

enum { SEEN_MAX = 64 };

static struct event_base *base;
static struct evhttp *receiver;
static struct test_org *org;
static SSL_CTX *tls; /* NULL: plain HTTP */
static char url[80];

static struct {
    char *bodies[SEEN_MAX];
    size_t count;
    int refuse; /* so many messages get 503 first */
    const char *answer;
    int status;
    bool client_certificate; /* seen at the last message */
} seen;

static void on_message(struct evhttp_request *r, void *arg)
{
    (void)arg;
    struct evbuffer *in = evhttp_request_get_input_buffer(r), *out = evbuffer_new();
    size_t n = evbuffer_get_length(in);
    assert_true(seen.count < SEEN_MAX);
    char *body = mem_alloc(n + 1);
    evbuffer_copyout(in, body, n);
    seen.bodies[seen.count++] = body;
    if (tls != NULL) {
        SSL *ssl = bufferevent_openssl_get_ssl(
            evhttp_connection_get_bufferevent(evhttp_request_get_connection(r)));
        seen.client_certificate = SSL_get0_peer_certificate(ssl) != NULL;
    }
    evbuffer_add(out, seen.answer, strlen(seen.answer));
    bool refuse = seen.refuse > 0;
    seen.refuse -= refuse;
    evhttp_send_reply(r, refuse ? 503 : seen.status, NULL, out);
    evbuffer_free(out);
}

static struct bufferevent *new_tls_connection(struct event_base *b, void *arg)
{
    (void)arg;
    return bufferevent_openssl_socket_new(b, -1, SSL_new(tls), BUFFEREVENT_SSL_ACCEPTING,
                                          BEV_OPT_CLOSE_ON_FREE);
}

static void start_receiver(void)
{
    struct sockaddr_in at;
    socklen_t n = sizeof at;
    receiver = evhttp_new(base);
    evhttp_set_gencb(receiver, on_message, NULL);
    if (tls != NULL)
        evhttp_set_bevcb(receiver, new_tls_connection, NULL);
    struct evhttp_bound_socket *s = evhttp_bind_socket_with_handle(receiver, "127.0.0.1", 0);
    assert_non_null(s);
    getsockname(evhttp_bound_socket_get_fd(s), (struct sockaddr *)&at, &n);
    snprintf(url, sizeof url, "%s://localhost:%u/in", tls == NULL ? "http" : "https",
             (unsigned)ntohs(at.sin_port));
}

/* An org on the same loop, in place of the one without. */
static void start_org(void)
{
    struct error e;
    org = test_org_new();
    sim_close(&org->sim);
    org->options.outbound_url = url;
    org->options.retry_base_ms = 1;
    org->options.retry_max_ms = 1000;
    assert_int_equal(sim_open(&org->sim, &org->options, base, &e), ERR_NONE);
    test_login(org);
}

static void configure(const char *text);

/* As shipped: the flows decide. */
static int setup_flows(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    seen.answer = SOAP_ACK_TRUE;
    seen.status = 200;
    base = event_base_new();
    start_receiver();
    start_org();
    return 0;
}

/* Whatever the flows say: these tests are about what comes behind. */
static int setup(void **state)
{
    setup_flows(state);
    configure("{\"every_change\":true}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_org_free(&org);
    evhttp_free(receiver);
    event_base_free(base);
    for (size_t i = 0; i < seen.count; i++)
        free(seen.bodies[i]);
    return 0;
}

/* Runs the loop until the queue is empty. */
static void drain(void)
{
    while (!outbound_is_empty(org->sim->outbound))
        event_base_loop(base, EVLOOP_ONCE);
}

static int64_t stat_of(const char *group, const char *name)
{
    json_t *stats = outbound_stats(org->sim->outbound);
    int64_t n = json_integer_value(json_object_get(json_object_get(stats, group), name));
    json_decref(stats);
    return n;
}

static void configure(const char *text)
{
    char why[200] = "";
    json_t *json = json_loads(text, 0, NULL);
    if (!outbound_configure(org->sim->outbound, json, why, sizeof why))
        fail_msg("%s", why);
    json_decref(json);
}

static void read_message(size_t i, struct soap_reader *reader, struct soap_message *out)
{
    unsigned line;
    assert_true(i < seen.count);
    assert_int_equal(soap_read(reader, seen.bodies[i], strlen(seen.bodies[i]), out, &line),
                     SOAP_OK);
}

static void a_change_by_the_admin_is_told_with_the_chosen_fields(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    struct soap_message m;
    struct soap_reader *reader = soap_reader_new();
    test_record(org, "Campaign", id, "{\"Name\":\"A & B\",\"Type\":\"Webinar\"}");
    drain();
    read_message(0, reader, &m);
    assert_int_equal(m.count, 1);
    assert_string_equal(m.org_id, org->sim->org_id);
    assert_string_equal(m.notifications[0].object, "Campaign");
    assert_string_equal(m.notifications[0].record_id, id);
    assert_int_equal(strncmp(m.notifications[0].id, "04l", 3), 0);
    assert_non_null(strstr(seen.bodies[0], "A &amp; B"));
    assert_null(strstr(seen.bodies[0], "StartDate"));
    configure("{\"objects\":{\"Campaign\":[\"StartDate\"]}}");
    assert_string_equal(test_change(org, id, "{\"StartDate\":\"2026-01-02\"}"), "");
    drain();
    assert_non_null(strstr(seen.bodies[1], "<sf:StartDate>2026-01-02</sf:StartDate>"));
    assert_null(strstr(seen.bodies[1], "A &amp; B"));
    configure("{\"objects\":{\"Campaign\":null}}");
    assert_string_equal(test_change(org, id, "{\"StartDate\":\"2026-01-03\"}"), "");
    assert_true(outbound_is_empty(org->sim->outbound));
    soap_reader_free(&reader);
}

static void the_shipped_flows_decide_which_changes_are_told(void **state)
{
    (void)state;
    char ids[6][SFID_SIZE];
    enum { C, L, P, M, A, NO_PERSON };
    test_record(org, "Campaign", ids[C], "{\"Name\":\"x\"}");
    test_record(org, "Lead", ids[L], "{\"LastName\":\"L\",\"Company\":\"K\"}");
    test_record(org, "Contact", ids[P], "{\"LastName\":\"L\"}");
    test_record(org, "Account", ids[A], "{\"Name\":\"x\",\"IsPersonAccount\":true}");
    test_record(org, "Account", ids[NO_PERSON], "{\"Name\":\"x\"}");
    assert_int_equal(stat_of("notifications", "queued"), 0);
    test_record(org, "CampaignMember", ids[M], "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\"}", ids[C],
                ids[L]);
    static const struct {
        int of;
        const char *change;
        int told;
    } rows[] = {
        {C, "{\"Type\":\"Webinar\"}", 1},
        {C, "{\"Type\":\"Webinar\"}", 0},
        {C, "{\"StartDate\":\"2026-01-02\"}", 0},
        {C, "{\"Touchpoint_Start_Date__c\":\"2026-01-02\",\"Name\":\"y\"}", 1},
        {L, "{\"Title\":\"CEO\"}", 0},
        {L, "{\"Email\":\"a@example.com\"}", 1},
        {P, "{\"Title\":\"CEO\"}", 0},
        {P, "{\"Email\":\"a@example.com\"}", 1},
        {M, "{\"Status\":\"Responded\"}", 1},
        {M, "{\"Buyer_Touchpoint_Date__c\":\"2026-01-02T03:04:05Z\"}", 1},
        {M,
         "{\"Touchpoint_Status__c\":\"x\",\"Touchpoint_Status_Date__c\":\"2026-01-02T03:04:05Z\"}",
         0},
        {A, "{\"PersonEmail\":\"a@example.com\"}", 1},
        {NO_PERSON, "{\"PersonEmail\":\"a@example.com\"}", 0},
    };
    int64_t told = stat_of("notifications", "queued");
    assert_int_equal(told, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(test_change(org, ids[rows[i].of], "%s", rows[i].change), "");
        int64_t now = stat_of("notifications", "queued");
        if (now - told != rows[i].told)
            fail_msg("%s tells %d times", rows[i].change, (int)(now - told));
        told = now;
    }
    assert_string_equal(test_remove(org, ids[M]), "");
    assert_int_equal(stat_of("notifications", "queued"), told + 1);
    drain();
}

static void the_integration_user_and_failed_writes_tell_nobody(void **state)
{
    (void)state;
    json_decref(
        test_call(org, "POST", "/services/data/v64.0/sobjects/Campaign", "{\"Name\":\"x\"}", 201));
    struct writer w = {.sim = org->sim, .admin = true, .operation = "", .target = ""};
    struct row_result r;
    json_t *bad = json_pack("{s:s, s:s}", "Name", "x", "StartDate", "never");
    assert_false(record_create(&w, &OBJECTS[CAMPAIGN], bad, &r));
    json_decref(bad);
    row_result_release(&r);
    json_t *good = json_pack("{s:s}", "Name", "x");
    tx_begin(org->sim);
    assert_true(record_create(&w, &OBJECTS[CAMPAIGN], good, &r));
    tx_rollback(org->sim);
    json_decref(good);
    assert_true(outbound_is_empty(org->sim->outbound));
    assert_int_equal(stat_of("notifications", "queued"), 0);
}

static void with_the_permission_the_integration_user_is_heard_too(void **state)
{
    (void)state;
    char why[200] = "";
    json_t *body = json_pack("{s:b}", "send_outbound_messages", 1);
    assert_true(permissions_set(org->sim, body, why, sizeof why));
    json_decref(body);
    json_decref(
        test_call(org, "POST", "/services/data/v64.0/sobjects/Campaign", "{\"Name\":\"x\"}", 201));
    drain();
    assert_int_equal(stat_of("notifications", "acked"), 1);
}

static void notifications_of_one_object_are_batched_up_to_100(void **state)
{
    (void)state;
    struct soap_message m;
    struct soap_reader *reader = soap_reader_new();
    configure("{\"paused\":true}");
    for (int i = 0; i < 130; i++) {
        char id[SFID_SIZE];
        test_record(org, "Lead", id, "{\"LastName\":\"L\",\"Company\":\"K\"}");
    }
    assert_int_equal(outbound_pending(org->sim->outbound), 130);
    configure("{\"paused\":false}");
    drain();
    assert_int_equal(seen.count, 2);
    read_message(0, reader, &m);
    size_t first = m.count;
    read_message(1, reader, &m);
    assert_int_equal(first + m.count, 130);
    assert_true(first == 100 || m.count == 100);
    assert_int_equal(stat_of("notifications", "acked"), 130);
    soap_reader_free(&reader);
}

static void data_are_those_of_the_time_of_sending(void **state)
{
    (void)state;
    char id[SFID_SIZE], gone[SFID_SIZE];
    struct soap_message m;
    struct soap_reader *reader = soap_reader_new();
    configure("{\"paused\":true,\"helper_trigger\":false,"
              "\"objects\":{\"Lead\":[\"Email\"]}}");
    test_record(org, "Lead", id, "{\"LastName\":\"L\",\"Company\":\"K\",\"Email\":\"a@x.com\"}");
    test_record(org, "Lead", gone, "{\"LastName\":\"L\",\"Company\":\"K\"}");
    assert_string_equal(test_change(org, id, "{\"Email\":\"b@x.com\"}"), "");
    assert_string_equal(test_remove(org, gone), "");
    configure("{\"paused\":false}");
    drain();
    assert_null(strstr(seen.bodies[0], "a@x.com"));
    assert_non_null(strstr(seen.bodies[0], "b@x.com"));
    read_message(0, reader, &m);
    assert_int_equal(m.count, 3);
    assert_string_equal(m.notifications[0].record_id, id);
    assert_string_equal(m.notifications[1].record_id, "");
    soap_reader_free(&reader);
}

static void only_a_valid_ack_in_a_200_ends_the_retries(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *answer;
    } rows[] = {
        {200, "<html/>"}, {200, ""}, {500, NULL}, {202, NULL}, {200, "false"},
    };
    char nack[512];
    const char *true_at = strstr(SOAP_ACK_TRUE, "<Ack>");
    assert_non_null(true_at);
    snprintf(nack, sizeof nack, "%.*s<Ack>false%s", (int)(true_at - SOAP_ACK_TRUE), SOAP_ACK_TRUE,
             true_at + strlen("<Ack>true"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char id[SFID_SIZE];
        seen.status = rows[i].status;
        seen.answer = rows[i].answer == NULL                 ? SOAP_ACK_TRUE
                      : strcmp(rows[i].answer, "false") == 0 ? nack
                                                             : rows[i].answer;
        size_t before = seen.count;
        test_record(org, "Account", id, "{\"Name\":\"x\"}");
        while (seen.count < before + 3)
            event_base_loop(base, EVLOOP_ONCE);
        seen.status = 200;
        seen.answer = SOAP_ACK_TRUE;
        drain();
        assert_int_equal(stat_of("notifications", "acked"), (int64_t)i + 1);
    }
    assert_true(stat_of("notifications", "retried") >= 10);
    assert_int_equal(stat_of("notifications", "dropped"), 0);
}

static void a_notification_keeps_its_id_and_is_dropped_in_the_end(void **state)
{
    (void)state;
    char id[SFID_SIZE], first[SFID_SIZE];
    struct soap_message m;
    struct soap_reader *reader = soap_reader_new();
    configure("{\"retry_base_ms\":1,\"retry_max_ms\":100}");
    seen.status = 500;
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain(); /* lives 12 × 100 ms */
    assert_true(seen.count >= 3);
    read_message(0, reader, &m);
    memcpy(first, m.notifications[0].id, sizeof first);
    read_message(seen.count - 1, reader, &m);
    assert_string_equal(m.notifications[0].id, first);
    assert_int_equal(stat_of("notifications", "dropped"), 1);
    soap_reader_free(&reader);
}

static void dice_make_duplicates_losses_and_lost_answers(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    configure("{\"duplicate\":1}");
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(seen.count, 2);
    assert_int_equal(stat_of("notifications", "duplicated"), 1);
    assert_int_equal(stat_of("notifications", "acked"), 1);
    configure("{\"duplicate\":0,\"lose\":1}");
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(seen.count, 2);
    assert_int_equal(stat_of("notifications", "lost"), 1);
    configure("{\"lose\":0,\"lose_ack\":0.5,\"reorder\":true,\"seed\":3}");
    for (int i = 0; i < 20; i++)
        test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(stat_of("notifications", "acked"), 21);
    assert_true(stat_of("notifications", "retried") > 0);
}

static void settings_that_make_no_sense_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"duplicate\":2}",
        "{\"batch_max\":101}",
        "{\"paused\":true,\"nope\":1}",
        "{\"paused\":true,\"objects\":{\"Lead\":[\"Nope\"]}}",
        "{\"objects\":{\"User\":[]}}",
    };
    json_t *before = outbound_settings(org->sim->outbound);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char why[200] = "";
        json_t *json = json_loads(bad[i], 0, NULL);
        assert_false(outbound_configure(org->sim->outbound, json, why, sizeof why));
        assert_true(why[0] != '\0');
        json_decref(json);
    }
    json_t *after = outbound_settings(org->sim->outbound);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

/* ------------------------------------------------------------------ TLS */

static char directory[] = "/tmp/orgsim-tls-XXXXXX";
static char certificate_file[80], key_file[80], other_file[80];

/* A self-signed certificate for localhost. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(x, san, -1);
    X509_EXTENSION_free(san);
    X509_sign(x, key, EVP_sha256());
    return x;
}

static void write_pem(const char *path, X509 *x, EVP_PKEY *key)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(x != NULL ? PEM_write_X509(f, x)
                               : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL),
                     1);
    fclose(f);
}

static int accept_any(int ok, X509_STORE_CTX *ctx)
{
    (void)ok, (void)ctx;
    return 1;
}

static int setup_tls(void **state)
{
    assert_non_null(mkdtemp(directory));
    snprintf(certificate_file, sizeof certificate_file, "%s/cert.pem", directory);
    snprintf(key_file, sizeof key_file, "%s/key.pem", directory);
    snprintf(other_file, sizeof other_file, "%s/other.pem", directory);
    EVP_PKEY *key = EVP_RSA_gen(2048), *other = EVP_RSA_gen(2048);
    X509 *x = make_certificate(key), *y = make_certificate(other);
    write_pem(certificate_file, x, NULL);
    write_pem(key_file, NULL, key);
    write_pem(other_file, y, NULL);
    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(tls, x);
    SSL_CTX_use_PrivateKey(tls, key);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, accept_any);
    X509_free(x);
    X509_free(y);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return setup(state);
}

static int teardown_tls(void **state)
{
    teardown(state);
    SSL_CTX_free(tls);
    tls = NULL;
    unlink(certificate_file);
    unlink(key_file);
    unlink(other_file);
    rmdir(directory);
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
    return 0;
}

/* The org anew with other TLS options. */
static void reopen(const char *ca, bool client)
{
    struct error e;
    sim_close(&org->sim);
    org->options.outbound_ca = ca;
    org->options.outbound_cert = client ? certificate_file : NULL;
    org->options.outbound_key = client ? key_file : NULL;
    assert_int_equal(sim_open(&org->sim, &org->options, base, &e), ERR_NONE);
    configure("{\"every_change\":true}");
}

static void the_receivers_certificate_is_verified(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    reopen(other_file, false);
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    while (stat_of("messages", "failed") == 0)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(seen.count, 0);
    reopen(certificate_file, false);
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(seen.count, 1);
    assert_false(seen.client_certificate);
    reopen(certificate_file, true);
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(seen.count, 2);
    assert_true(seen.client_certificate);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_shipped_flows_decide_which_changes_are_told,
                                        setup_flows, teardown),
        T(a_change_by_the_admin_is_told_with_the_chosen_fields),
        T(the_integration_user_and_failed_writes_tell_nobody),
        T(with_the_permission_the_integration_user_is_heard_too),
        T(notifications_of_one_object_are_batched_up_to_100),
        T(data_are_those_of_the_time_of_sending),
        T(only_a_valid_ack_in_a_200_ends_the_retries),
        T(a_notification_keeps_its_id_and_is_dropped_in_the_end),
        T(dice_make_duplicates_losses_and_lost_answers),
        T(settings_that_make_no_sense_change_nothing),
        cmocka_unit_test_setup_teardown(the_receivers_certificate_is_verified, setup_tls,
                                        teardown_tls),
    };
#undef T
    curl_global_init(CURL_GLOBAL_DEFAULT);
    soap_global_init();
    int failed = cmocka_run_group_tests_name("outbound", tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
