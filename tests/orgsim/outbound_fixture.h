/*
 * outbound_fixture - an org and a receiver of its outbound messages on one event loop, on loopback;
 * waiting is for events, not for time
 *
 * Included by outbound_test.c and outbound_tls_test.c; cmocka is included before it.
 */
#ifndef ORGSIM_OUTBOUND_FIXTURE_H
#define ORGSIM_OUTBOUND_FIXTURE_H

#include <curl/curl.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "outbound.h"
#include "soap.h"
#include "test_org.h"
#include "run_group.h"

enum { SEEN_MAX = 64 };

static struct event_base *base;
static struct evhttp *receiver;
static struct test_org *org;
static SSL_CTX *tls; /* NULL: plain HTTP; a test program sets it before setup() */
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

#endif
