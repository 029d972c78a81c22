#define _GNU_SOURCE
/*
 * listener: who makes room when all places are taken, with more loops than places, so that a new
 * connection comes as a rule to a loop that has nobody to close. Hermetic: port 0, own threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "listener.h"
#include "log.h"
#include "listener_fixture.h"
#include "net_help.h"

enum { LOOPS = 4, PLACES = 6 };

static struct net_client held[PLACES], served[PLACES];

static struct listener_options narrow(unsigned places)
{
    struct listener_options o = usual();
    o.threads = LOOPS;
    o.max_connections = places;
    return o;
}

struct count_wanted {
    struct server *server;
    unsigned count;
};

static bool has_count(void *arg)
{
    const struct count_wanted *w = arg;
    return listener_connections(w->server->listener) == w->count;
}

static void expect_connections(struct server *s, unsigned count)
{
    assert_true(net_wait(has_count, &(struct count_wanted){s, count}));
}

#define HALF                                                                                       \
    "POST /later HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"                                  \
    "Content-Length: 1\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/* Opened one after the other, each answered with 100 before the next, so that it is known which is
 * the oldest: to be counted is not to be listed yet. */
static void hold(struct server *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char got[sizeof CONTINUE] = "";
        net_client_open(&held[i], listener_address(s->listener), NULL, NULL);
        net_client_text(&held[i], HALF);
        assert_int_equal(recv(held[i].fd, got, sizeof CONTINUE - 1, MSG_WAITALL),
                         sizeof CONTINUE - 1);
        assert_string_equal(got, CONTINUE);
    }
    expect_connections(s, count);
}

static void let_go(struct server *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        net_client_close(&held[i]);
    assert_true(net_wait(is_empty, s));
}

static void open_and_ask(struct server *s, struct net_client *c)
{
    net_client_open(c, listener_address(s->listener), NULL, NULL);
    net_client_text(c, ECHO_X);
    assert_true(net_client_response(c, &response, false));
    assert_int_equal(response.status, 200);
}

static bool is_still_open(const struct net_client *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

static void expect_turned_away(struct server *s)
{
    net_client_open(&client, listener_address(s->listener), NULL, NULL);
    (void)net_client_is_ended(&client);
    assert_true(client.ended || client.reset);
    net_client_close(&client);
}

static void a_new_connection_finds_room_whichever_loop_it_comes_to(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = narrow(2);
    server_start(&s, &o);
    for (int round = 0; round < 50; round++) {
        hold(&s, 2);
        open_and_ask(&s, &client);
        net_client_close(&client);
        let_go(&s, 2);
    }
    server_stop(&s);
}

static void the_oldest_goes_first_whichever_loop_it_belongs_to(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = narrow(PLACES);
    server_start(&s, &o);
    for (int round = 0; round < 5; round++) {
        hold(&s, PLACES);
        for (int i = 0; i < PLACES; i++) {
            open_and_ask(&s, &served[i]);
            assert_true(net_client_is_ended(&held[i]));
            for (int k = i + 1; k < PLACES; k++)
                assert_true(is_still_open(&held[k]));
        }
        expect_connections(&s, PLACES);
        expect_turned_away(&s); /* all have asked for something */
        for (int i = 0; i < PLACES; i++) {
            net_client_text(&served[i], ECHO_X);
            assert_true(net_client_response(&served[i], &response, false));
            net_client_close(&served[i]);
        }
        let_go(&s, PLACES);
    }
    server_stop(&s);
}

static void one_that_is_being_answered_stays(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = narrow(3);
    server_start(&s, &o);
    for (int round = 0; round < 10; round++) {
        hold(&s, 3);
        net_client_text(&held[0], "x"); /* the oldest asks whole */
        struct listener_token token = take_token(&s);
        for (int i = 1; i < 3; i++) {
            open_and_ask(&s, &served[i]);
            assert_true(net_client_is_ended(&held[i]));
        }
        expect_turned_away(&s);
        answer_text(token, "late");
        assert_true(net_client_response(&held[0], &response, false));
        assert_string_equal(response.body, "late");
        net_client_close(&served[1]);
        net_client_close(&served[2]);
        let_go(&s, 3);
    }
    server_stop(&s);
}

/* ------------------------------------------------------------------ a crowd */

enum { CROWD = 6, VISITS = 150 };

/* Says nothing, half a request, or a whole one, as the number has it; who is cut off comes again.
 * */
static void *visit(void *arg)
{
    struct server *s = arg;
    static const char *const says[] = {"", "POST /echo HTT", ECHO_X};
    for (int i = 0; i < VISITS; i++) {
        const char *text = says[i % 3];
        char bytes[512];
        int fd = net_try_connect(listener_address(s->listener));
        if (fd < 0)
            continue;
        (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, i % 3 == 2 ? 2000 : 1) > 0)
            (void)recv(fd, bytes, sizeof bytes, 0);
        (void)close(fd);
    }
    return NULL;
}

static void a_crowd_leaves_nothing_behind_and_no_place_is_lost(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = narrow(4);
    pthread_t threads[CROWD];
    server_start(&s, &o);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &s), 0);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(net_wait(is_empty, &s));
    for (int i = 0; i < 4; i++)
        open_and_ask(&s, &served[i]);
    expect_connections(&s, 4);
    expect_turned_away(&s); /* four places, not five */
    for (int i = 0; i < 4; i++)
        net_client_close(&served[i]);
    server_stop(&s);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_connection_finds_room_whichever_loop_it_comes_to),
        cmocka_unit_test(the_oldest_goes_first_whichever_loop_it_belongs_to),
        cmocka_unit_test(one_that_is_being_answered_stays),
        cmocka_unit_test(a_crowd_leaves_nothing_behind_and_no_place_is_lost),
    };
    return cmocka_run_group_tests_name("listener room", tests, NULL, NULL);
}
