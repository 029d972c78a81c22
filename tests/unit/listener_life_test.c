#define _GNU_SOURCE
/*
 * listener: starting, stopping, and that nothing is left behind. Hermetic: port 0 or an
 * own directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"
#include "log.h"
#include "listener_fixture.h"
#include "net_help.h"

/* ------------------------------------------------------------------ beginning and end */

static void stopping_closes_what_is_left(void **state)
{
    (void)state;
    size_t before = net_open_descriptors();
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, LATER);
    struct listener_token t = take_token(&s);
    answer_text(t, "perhaps"); /* may be in the queue when the loop ends */
    server_stop(&s);
    net_client_close(&client);
    assert_int_equal(net_open_descriptors(), before);
}

static void a_thousand_connections_leave_no_descriptor_behind(void **state)
{
    (void)state;
    enum { AT_ONCE = 250, ROUNDS = 4 };
    static int fds[AT_ONCE];
    struct server s;
    struct listener_options o = usual();
    size_t before = net_open_descriptors();
    server_start(&s, &o);
    size_t started = net_open_descriptors();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < AT_ONCE; i++) {
            fds[i] = net_connect(listener_address(s.listener));
            const char *text = i % 3 == 0   ? ECHO_HEAD "Content-Length: 1\r\n\r\nx"
                               : i % 3 == 1 ? ECHO_HEAD
                                            : "?\n";
            assert_true(send(fds[i], text, strlen(text), MSG_NOSIGNAL) > 0);
        }
        for (int i = 0; i < AT_ONCE; i++)
            close(fds[i]);
        assert_true(net_wait(is_empty, &s));
    }
    net_client_open(&client, listener_address(s.listener), NULL, NULL);
    net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\nx");
    expect_response(200, "x");
    net_client_close(&client);
    assert_true(net_wait(is_empty, &s));
    /* the last sockets are closed an instant after their connection is counted out */
    for (int64_t until = net_now_ms() + 5000;
         net_open_descriptors() > started && net_now_ms() < until;)
        (void)poll(NULL, 0, 2);
    assert_int_equal(net_open_descriptors(), started);
    server_stop(&s);
    assert_int_equal(net_open_descriptors(), before);
}

static void a_unix_socket_serves_and_is_removed(void **state)
{
    (void)state;
    char *dir = net_directory();
    char address[600];
    (void)snprintf(address, sizeof address, "unix:%s", net_path(dir, "s"));
    struct server s;
    struct listener_options o = usual();
    o.address = address;
    o.max_connections_per_address = 1; /* does not apply: it has no addresses */
    server_start(&s, &o);
    assert_string_equal(listener_address(s.listener), address);
    static struct net_client other;
    net_client_open(&other, address, NULL, NULL);
    net_client_open(&client, address, NULL, NULL);
    net_client_text(&client, ECHO_HEAD "Content-Length: 1\r\n\r\nx");
    expect_response(200, "x");
    assert_string_equal(s.peer, "");

    struct listener *second = NULL;
    struct error e;
    assert_int_equal(listener_start(&second, &o, &HANDLER, &s, &e), ERR_BUSY);
    net_client_close(&client);
    net_client_close(&other);
    server_stop(&s);
    struct stat st;
    assert_int_equal(stat(address + 5, &st), -1);
    net_directory_remove(&dir);
}

static void an_address_that_cannot_be_listened_on_is_an_error(void **state)
{
    (void)state;
    char *dir = net_directory();
    char file[600], stale[600];
    (void)snprintf(file, sizeof file, "unix:%s", net_path(dir, "file"));
    net_write_file(file + 5, "precious");
    (void)snprintf(stale, sizeof stale, "unix:%s/%0200d", dir, 1);
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    const struct {
        const char *address;
        enum err want;
    } rows[] = {
        {"8443", ERR_CONFIG},
        {"127.0.0.1:", ERR_CONFIG},
        {"127.0.0.1:http", ERR_CONFIG},
        {"unix:", ERR_CONFIG},
        {listener_address(s.listener), ERR_BUSY},
        {file, ERR_CONFIG},
        {stale, ERR_CONFIG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct listener *l = NULL;
        struct error e = {0};
        o.address = rows[i].address;
        enum err got = listener_start(&l, &o, &HANDLER, &s, &e);
        if (got != rows[i].want)
            fail_msg("%s: %s", rows[i].address, err_name(got));
        assert_null(l);
        assert_true(strlen(e.text) > 10);
    }
    server_stop(&s);
    struct stat st;
    assert_int_equal(stat(file + 5, &st), 0);
    assert_int_equal(st.st_size, 8);
    net_directory_remove(&dir);
}

static void a_listener_says_that_it_is_alive(void **state)
{
    (void)state;
    struct server s;
    struct listener_options o = usual();
    server_start(&s, &o);
    assert_true(listener_is_alive(s.listener));
    assert_false(listener_is_drained(s.listener));
    server_stop(&s);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopping_closes_what_is_left),
        cmocka_unit_test(a_thousand_connections_leave_no_descriptor_behind),
        cmocka_unit_test(a_unix_socket_serves_and_is_removed),
        cmocka_unit_test(an_address_that_cannot_be_listened_on_is_an_error),
        cmocka_unit_test(a_listener_says_that_it_is_alive),
    };
    return cmocka_run_group_tests_name("listener life", tests, NULL, NULL);
}
