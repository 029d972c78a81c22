/*
 * tls_server_fixture - an echo server over TLS with both certificates of tls_fixture, and a client
 *
 * One client and one response at a time are enough for a dialogue; they are large, so they are
 * static. To be included once a test program, after cmocka.h.
 */
#ifndef TP_TEST_TLS_SERVER_FIXTURE_H
#define TP_TEST_TLS_SERVER_FIXTURE_H

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "listener.h"
#include "net_help.h"
#include "tls.h"
#include "tls_fixture.h"

/* /later waits for the test, /block holds the loop until the test lets it go; all else is echoed at
 * once. */
struct server {
    pthread_mutex_t lock;
    bool has_token; /* guarded by lock, as the token is */
    struct listener_token token;
    struct listener *listener;
    struct tls_server *tls;
    SSL_CTX *client; /* verifies against ca */
    sem_t blocked, go_on;
};

static inline void wait_for(sem_t *s)
{
    while (sem_wait(s) != 0)
        assert_int_equal(errno, EINTR);
}

static inline void on_request(void *ctx, void *loop, const struct http_head *h,
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
    if (http_span_is(h->path, "/block")) {
        sem_post(&s->blocked);
        wait_for(&s->go_on);
    }
    listener_reply(token,
                   &(struct listener_answer){
                       .status = 200, .content_type = "text/plain", .body = body, .body_len = n});
}

static const struct listener_handler HANDLER = {.request = on_request};

static inline struct listener_options usual(void)
{
    return (struct listener_options){.address = "127.0.0.1:0",
                                     .threads = 2,
                                     .max_body_bytes = 1 << 20,
                                     .max_buffered_bytes = 64 << 20,
                                     .max_buffered_per_address_bytes = 64 << 20,
                                     .request_timeout_ms = 20000,
                                     .handshake_timeout_ms = 20000,
                                     .idle_timeout_ms = 20000,
                                     .max_connections = 1000,
                                     .max_connections_per_address = 1000,
                                     .name = "test"};
}

/* What the next server has besides its certificates. */
static struct tls_server_options more;

static inline void server_start_as(struct server *s, struct listener_options *o)
{
    const char *certificates[] = {at("ec-chain.pem"), at("rsa-chain.pem")};
    const char *keys[] = {at("ec.key"), at("rsa.key")};
    struct error e = {0};
    *s = (struct server){.lock = PTHREAD_MUTEX_INITIALIZER};
    sem_init(&s->blocked, 0, 0);
    sem_init(&s->go_on, 0, 0);
    more.certificates = certificates;
    more.keys = keys;
    more.count = 2;
    if (tls_server_new(&s->tls, &more, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    o->tls = s->tls;
    if (listener_start(&s->listener, o, &HANDLER, s, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    s->client = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(s->client, at("ca.pem"), NULL), 1);
    SSL_CTX_set_verify(s->client, SSL_VERIFY_PEER, NULL);
}

static inline void server_start(struct server *s, int64_t handshake_timeout_ms)
{
    struct listener_options o = usual();
    o.handshake_timeout_ms = handshake_timeout_ms;
    server_start_as(s, &o);
}

static inline void server_stop(struct server *s)
{
    listener_stop(&s->listener);
    SSL_CTX_free(s->client);
    tls_server_free(&s->tls);
    sem_destroy(&s->blocked);
    sem_destroy(&s->go_on);
}

static inline bool has_token(void *arg)
{
    struct server *s = arg;
    pthread_mutex_lock(&s->lock);
    bool has = s->has_token;
    pthread_mutex_unlock(&s->lock);
    return has;
}

/* The token of /later; the next one may come. */
static inline struct listener_token take_token(struct server *s)
{
    assert_true(net_wait(has_token, s));
    pthread_mutex_lock(&s->lock);
    struct listener_token token = s->token;
    s->has_token = false;
    pthread_mutex_unlock(&s->lock);
    return token;
}

static inline bool is_empty(void *arg)
{
    return listener_connections(((struct server *)arg)->listener) == 0;
}

static struct net_client client;
static struct net_response response;

static inline void echo(const char *fields, const char *text)
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

#endif
