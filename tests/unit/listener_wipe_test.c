#define _GNU_SOURCE
/*
 * listener: no memory that held a body's bytes is freed before it is wiped, however the request
 * ends: a message may carry a session id. libevent's memory is given out by this test, which looks
 * at each block when it comes back. Hermetic: port 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "listener.h"
#include "log.h"
#include "listener_fixture.h"
#include "net_help.h"

#define SECRET "00D0SessionId!AQ0"
#define BODY   "<SessionId>" SECRET "</SessionId>"

_Static_assert(sizeof BODY - 1 == 40, "as the requests below say");

static atomic_int leaks, freed;

static void look_and_free(void *p)
{
    if (p == NULL)
        return;
    if (memmem(p, malloc_usable_size(p), SECRET, sizeof SECRET - 1) != NULL)
        atomic_fetch_add(&leaks, 1);
    atomic_fetch_add(&freed, 1);
    free(p);
}

/* Always moves, so that the old block is looked at. */
static void *move(void *p, size_t n)
{
    void *moved = malloc(n);
    if (moved != NULL && p != NULL) {
        size_t old = malloc_usable_size(p);
        memcpy(moved, p, old < n ? old : n);
        look_and_free(p);
    }
    return moved;
}

static void input_is_wiped_before_it_is_freed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *first, *then; /* then: sent when first has been read */
        int want_status;                 /* 0: the server is stopped before it replies */
    } rows[] = {
        {"taken", ECHO_HEAD "Content-Length: 40\r\n\r\n" BODY, "", 200},
        {"taken in chunks",
         ECHO_HEAD "Transfer-Encoding: chunked\r\n\r\n28\r\n" BODY "\r\n0\r\n\r\n", "", 200},
        {"in two pieces", ECHO_HEAD "Content-Length: 80\r\n\r\n" BODY, BODY, 200},
        {"refused at its head",
         "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" BODY, "", 403},
        {"refused before its body comes",
         "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n", BODY, 403},
        {"too large", ECHO_HEAD "Content-Length: 9000000\r\n\r\n" BODY, "", 413},
        {"not HTTP", "nonsense\r\n" BODY, "", 400},
        {"not in chunks", ECHO_HEAD "Transfer-Encoding: chunked\r\n\r\n" BODY, "", 400},
        {"behind the last reply", ECHO_HEAD "Connection: close\r\nContent-Length: 1\r\n\r\nx" BODY,
         "", 200},
        {"waiting when the server stops", LATER ECHO_HEAD "Content-Length: 40\r\n\r\n" BODY, "", 0},
        {"half there when the server stops", ECHO_HEAD "Content-Length: 80\r\n\r\n" BODY, "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct server s;
        struct listener_options o = usual();
        o.threads = 1;
        atomic_store(&leaks, 0);
        atomic_store(&freed, 0);
        server_start(&s, &o);
        net_client_open(&client, listener_address(s.listener), NULL, NULL);
        net_client_text(&client, rows[i].first);
        pass_through_loop(&s);
        net_client_text(&client, rows[i].then);
        pass_through_loop(&s);
        if (rows[i].want_status != 0)
            expect_response(rows[i].want_status, NULL);
        server_stop(&s);
        net_client_close(&client);
        assert_true(atomic_load(&freed) > 0);
        if (atomic_load(&leaks) != 0)
            fail_msg("%s: %d blocks were not wiped", rows[i].name, atomic_load(&leaks));
    }
}

static void input_is_wiped_when_its_peer_resets(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    o.threads = 1;
    atomic_store(&leaks, 0);
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER ECHO_HEAD "Content-Length: 40\r\n\r\n" BODY);
    (void)take_token(&s);
    pass_through_loop(&s);
    net_client_reset(&client);
    assert_true(net_wait(is_empty, &s));
    server_stop(&s);
    assert_int_equal(atomic_load(&leaks), 0);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    event_set_mem_functions(malloc, move, look_and_free); /* before anything else of libevent */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_is_wiped_before_it_is_freed),
        cmocka_unit_test(input_is_wiped_when_its_peer_resets),
    };
    return cmocka_run_group_tests_name("listener wipe", tests, NULL, NULL);
}
