/*
 * server_fixture - an org over real HTTP for the tests: the server runs on loopback in a thread of
 * this process, libcurl is the client
 *
 * Included by server_test.c and faults_test.c; cmocka is included before it.
 */
#ifndef ORGSIM_SERVER_FIXTURE_H
#define ORGSIM_SERVER_FIXTURE_H

#include <curl/curl.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "soap.h"
#include "test_org.h"
#include "run_group.h"

#define V "/services/data/v64.0"

static struct test_org *org;
static struct event_base *base;
static struct server *server;
static struct event *stop;
static int stop_pipe[2];
static pthread_t thread;
static char address[64], token_header[200];

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(arg);
}

static void *serve(void *arg)
{
    event_base_dispatch(arg);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    struct error e;
    uint16_t port = 0;
    org = test_org_new();
    sim_close(&org->sim);
    base = event_base_new();
    assert_int_equal(sim_open(&org->sim, &org->options, base, &e), ERR_NONE);
    assert_int_equal(server_start(&server, org->sim, &port, &e), ERR_NONE);
    snprintf(address, sizeof address, "http://127.0.0.1:%u", (unsigned)port);
    memcpy(org->sim->address, address, sizeof address);
    test_login(org);
    snprintf(token_header, sizeof token_header, "Authorization: %s", org->token);
    assert_int_equal(pipe(stop_pipe), 0);
    stop = event_new(base, stop_pipe[0], EV_READ, on_stop, base);
    event_add(stop, NULL);
    assert_int_equal(pthread_create(&thread, NULL, serve, base), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(write(stop_pipe[1], "s", 1), 1);
    pthread_join(thread, NULL);
    event_free(stop);
    close(stop_pipe[0]);
    close(stop_pipe[1]);
    server_stop(&server);
    test_org_free(&org);
    event_base_free(base);
    return 0;
}

/* ------------------------------------------------------------------ a client */

struct answer {
    CURLcode rc;
    long status;
    struct buf head, body;
    json_t *json; /* or NULL */
};

static size_t take(char *bytes, size_t size, size_t n, void *arg)
{
    buf_put(arg, bytes, size * n);
    return size * n;
}

static struct answer call_as(const char *method, const char *path, const char *body,
                             const char *type, const char *extra, long timeout_ms)
{
    struct answer a = {.status = 0};
    CURL *curl = curl_easy_init();
    char *target = mem_printf("%s%s", address, path);
    struct curl_slist *headers = curl_slist_append(NULL, token_header);
    char *type_header = mem_printf("Content-Type: %s", type);
    if (body != NULL)
        headers = curl_slist_append(headers, type_header);
    free(type_header);
    if (extra != NULL)
        headers = curl_slist_append(headers, extra);
    buf_init(&a.head, 1 << 20);
    buf_init(&a.body, 64 << 20);
    curl_easy_setopt(curl, CURLOPT_URL, target);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a.body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &a.head);
    a.rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a.status);
    a.json = json_loadb(a.body.data, a.body.len, JSON_DECODE_ANY, NULL);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(target);
    return a;
}

static struct answer call_with(const char *method, const char *path, const char *body,
                               const char *extra, long timeout_ms)
{
    return call_as(method, path, body, "application/json", extra, timeout_ms);
}

static struct answer call(const char *method, const char *path, const char *body)
{
    return call_with(method, path, body, NULL, 20000);
}

static void done(struct answer *a)
{
    buf_release(&a->head);
    buf_release(&a->body);
    json_decref(a->json);
}

/* The call must answer with the status; gives the JSON. */
static json_t *want(const char *method, const char *path, const char *body, long status)
{
    struct answer a = call(method, path, body);
    if (a.rc != CURLE_OK || a.status != status)
        fail_msg("%s %s: %s, status %ld, not %ld: %s", method, path, curl_easy_strerror(a.rc),
                 a.status, status, a.body.data);
    json_t *json = json_incref(a.json);
    done(&a);
    return json;
}

static void control(const char *path, const char *body)
{
    json_decref(want("POST", path, body, 200));
}

static int64_t stat_of(const char *group, const char *name)
{
    json_t *a = want("GET", "/sim/stats", NULL, 200);
    int64_t n = json_integer_value(json_object_get(json_object_get(a, group), name));
    json_decref(a);
    return n;
}

#endif
