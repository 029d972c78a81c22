/*
 * The body being read (body.c): its steps, what is counted, and the memory of a large one that
 * serves the next. No sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "../../receiver/net/listener_int.h"
#include "http.h"
#include "net_help.h"

enum { MIB = 1 << 20, LARGE = 3 * MIB };

struct scene {
    struct listener listener;
    struct loop loop;
    struct connection connection;
};

static void set_up(struct scene *s, uint64_t max_bytes)
{
    struct sockaddr_storage peer = net_peer("192.0.2.1");
    *s = (struct scene){.loop = {.listener = &s->listener}, .connection = {.loop = &s->loop}};
    s->listener.limits = limits_new(&(struct limits_options){.max_connections = 1,
                                                             .max_connections_per_address = 1,
                                                             .max_bytes = max_bytes,
                                                             .max_bytes_per_address = max_bytes});
    assert_int_equal(
        limits_enter(s->listener.limits, (struct sockaddr *)&peer, 0, &s->connection.place),
        LIMITS_OK);
}

static void tear_down(struct scene *s)
{
    connection_drop_body(&s->connection);
    http_reader_free(&s->connection.reader);
    loop_free_body(&s->loop);
    limits_leave(s->listener.limits, &s->connection.place, false);
    limits_free(&s->listener.limits);
}

/* The next request's head; announced SIZE_MAX: without a length. */
static void begin(struct scene *s, size_t announced)
{
    char head[128];
    size_t used;
    struct http_span piece;
    connection_drop_body(&s->connection);
    http_reader_free(&s->connection.reader);
    s->connection.reader = http_reader_new(UINT64_MAX);
    if (announced == SIZE_MAX)
        snprintf(head, sizeof head,
                 "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                 announced);
    assert_int_equal(http_parse(s->connection.reader, head, strlen(head), &used, &piece),
                     HTTP_HEAD);
}

/* False when it is refused. */
static bool add(struct scene *s, size_t n)
{
    static char bytes[64 << 10];
    memset(bytes, 'x', sizeof bytes);
    while (n > 0) {
        size_t now = n < sizeof bytes ? n : sizeof bytes;
        if (!connection_add_body(&s->connection, (struct http_span){bytes, now}))
            return false;
        assert_int_equal(s->connection.body[s->connection.body_len], '\0');
        n -= now;
    }
    return true;
}

/* How much may still be held. */
static uint64_t room(const struct scene *s)
{
    uint64_t n = 0;
    for (uint64_t step = UINT64_C(1) << 40; step > 0; step /= 2) {
        if (limits_hold(s->listener.limits, s->connection.place, n + step)) {
            limits_let_go(s->listener.limits, s->connection.place, n + step);
            n += step;
        }
    }
    return n;
}

static void it_grows_by_steps_to_what_was_announced(void **state)
{
    (void)state;
    static const struct {
        size_t announced, sent, cap;
        bool is_proven;
    } rows[] = {
        {2000, 1, 2000, false},
        {2000, 2000, 2000, false},
        {LARGE, 1, 16384, false}, /* a few bytes take little */
        {LARGE, 16385, 65536, false},
        {LARGE, MIB + 1, LARGE, false},
        {SIZE_MAX, 1, 16384, false},
        {SIZE_MAX, 16385, 65536, false},
        {2000, 1, 2000, true}, /* who sent messages before: a full one in one step */
        {150000, 1, 150000, true},
        {LARGE, 1, 256 << 10, true},
        {LARGE, (256 << 10) + 1, MIB, true},
        {SIZE_MAX, 1, 16384, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        set_up(&s, 10 * MIB);
        s.connection.is_proven = rows[i].is_proven;
        begin(&s, rows[i].announced);
        assert_true(add(&s, rows[i].sent));
        if (s.connection.body_cap != rows[i].cap)
            fail_msg("row %zu: %zu bytes", i, s.connection.body_cap);
        assert_int_equal(room(&s), 10 * MIB - rows[i].cap);
        connection_drop_body(&s.connection);
        assert_int_equal(room(&s), 10 * MIB);
        tear_down(&s);
    }
}

static void a_large_ones_memory_serves_the_next_and_holds_nothing(void **state)
{
    (void)state;
    struct scene s;
    set_up(&s, 10 * MIB);
    begin(&s, 2000); /* a small one's does not */
    assert_true(add(&s, 2000));
    begin(&s, LARGE);
    assert_null(s.loop.spare_body.bytes);
    assert_true(add(&s, LARGE));
    char *first = s.connection.body;
    connection_drop_body(&s.connection);
    assert_ptr_equal(s.loop.spare_body.bytes, first);
    for (size_t i = 0; i < LARGE; i++)
        assert_int_equal(first[i], 0);

    begin(&s, 2000); /* a small one does not take it */
    assert_true(add(&s, 2000));
    assert_ptr_equal(s.loop.spare_body.bytes, first);
    begin(&s, 2 * MIB);
    assert_true(add(&s, 2 * MIB));
    assert_ptr_equal(s.connection.body, first);
    assert_null(s.loop.spare_body.bytes);
    assert_int_equal(room(&s), 10 * MIB - LARGE); /* by what it takes, not by what it needs */
    begin(&s, LARGE + 1);                         /* too large for it, whose place it takes */
    assert_true(add(&s, LARGE + 1));
    assert_ptr_not_equal(s.connection.body, first);
    begin(&s, 0);
    assert_int_equal(s.loop.spare_body.size, LARGE + 1);
    tear_down(&s);
}

static void a_spare_one_that_would_pass_the_bounds_is_not_taken(void **state)
{
    (void)state;
    struct scene s;
    set_up(&s, LARGE + MIB);
    begin(&s, LARGE);
    assert_true(add(&s, LARGE));
    begin(&s, 2 * MIB);
    assert_true(limits_hold(s.listener.limits, s.connection.place, 2 * MIB));
    assert_true(add(&s, 2 * MIB)); /* what it needs is there, what the spare one has is not */
    assert_int_equal(s.connection.body_cap, 2 * MIB);
    assert_int_equal(s.loop.spare_body.size, LARGE);
    assert_int_equal(room(&s), 0);
    limits_let_go(s.listener.limits, s.connection.place, 2 * MIB);
    begin(&s, LARGE + 2 * MIB);
    assert_false(add(&s, LARGE + 2 * MIB));
    connection_drop_body(&s.connection);
    assert_int_equal(room(&s), LARGE + MIB);
    tear_down(&s);
}

/* A few bytes do not hold much, whatever is there. */
static void a_spare_one_that_is_much_too_large_is_not_taken(void **state)
{
    (void)state;
    struct scene s;
    set_up(&s, 20 * MIB);
    begin(&s, 8 * MIB);
    assert_true(add(&s, 8 * MIB));
    begin(&s, 9 * MIB);
    assert_true(add(&s, (256 << 10) + 1)); /* a step of 1 MiB */
    assert_int_equal(s.connection.body_cap, MIB);
    assert_true(add(&s, MIB)); /* of 4 */
    assert_int_equal(s.connection.body_cap, 8 * MIB);
    tear_down(&s);
}

static void it_goes_when_it_has_not_served_between_two_ticks(void **state)
{
    (void)state;
    struct scene s;
    set_up(&s, 10 * MIB);
    loop_rest_body(&s.loop); /* there is none */
    for (int i = 0; i < 3; i++) {
        begin(&s, LARGE);
        assert_true(add(&s, LARGE));
        connection_drop_body(&s.connection);
        loop_rest_body(&s.loop);
        assert_non_null(s.loop.spare_body.bytes);
    }
    loop_rest_body(&s.loop);
    assert_null(s.loop.spare_body.bytes);
    assert_int_equal(s.loop.spare_body.size, 0);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_by_steps_to_what_was_announced),
        cmocka_unit_test(a_large_ones_memory_serves_the_next_and_holds_nothing),
        cmocka_unit_test(a_spare_one_that_would_pass_the_bounds_is_not_taken),
        cmocka_unit_test(a_spare_one_that_is_much_too_large_is_not_taken),
        cmocka_unit_test(it_goes_when_it_has_not_served_between_two_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
