/*
 * limits: who counts as one address, and that what was counted in is counted out. No sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "../../receiver/net/limits.h"
#include "net_help.h"

static enum limits_verdict enter_at(struct limits *l, const char *text, int64_t now_ms,
                                    struct limits_place **place)
{
    struct sockaddr_storage p = net_peer(text);
    return limits_enter(l, (struct sockaddr *)&p, now_ms, place);
}

static enum limits_verdict enter(struct limits *l, const char *text, struct limits_place **place)
{
    return enter_at(l, text, 0, place);
}

static struct limits *make(unsigned in_all, unsigned per_address)
{
    return limits_new(&(struct limits_options){.max_connections = in_all,
                                               .max_connections_per_address = per_address,
                                               .max_bytes = 1000,
                                               .max_bytes_per_address = 600});
}

static void an_ipv6_network_of_64_bits_counts_as_one_address(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second;
        bool same;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
        {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
        {"::1", "::2", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct limits *l = make(10, 1);
        struct limits_place *a = NULL, *b = NULL;
        assert_int_equal(enter(l, rows[i].first, &a), LIMITS_OK);
        enum limits_verdict got = enter(l, rows[i].second, &b);
        if (got != (rows[i].same ? LIMITS_ADDRESS_FULL : LIMITS_OK))
            fail_msg("%s and %s: %d", rows[i].first, rows[i].second, (int)got);
        limits_leave(l, &a, false);
        limits_leave(l, &b, false);
        assert_int_equal(limits_open(l), 0);
        limits_free(&l);
    }
}

static void places_come_back_when_connections_leave(void **state)
{
    (void)state;
    struct limits *l = make(3, 2);
    struct limits_place *p[4] = {NULL};
    assert_int_equal(enter(l, "192.0.2.1", &p[0]), LIMITS_OK);
    assert_int_equal(enter(l, "192.0.2.1", &p[1]), LIMITS_OK);
    assert_ptr_equal(p[0], p[1]);
    assert_int_equal(enter(l, "192.0.2.1", &p[2]), LIMITS_ADDRESS_FULL);
    assert_null(p[2]);
    assert_int_equal(enter(l, "192.0.2.2", &p[2]), LIMITS_OK);
    assert_int_equal(enter(l, "192.0.2.3", &p[3]), LIMITS_FULL);
    assert_int_equal(limits_open(l), 3);
    limits_leave(l, &p[0], false);
    assert_null(p[0]);
    assert_int_equal(enter(l, "192.0.2.1", &p[0]), LIMITS_OK);
    for (size_t i = 0; i < 4; i++)
        limits_leave(l, &p[i], false);
    assert_int_equal(limits_open(l), 0);
    limits_free(&l);
    assert_null(l);
}

static enum limits_verdict move(struct limits *l, const char *text, struct limits_place **place)
{
    struct sockaddr_storage p = net_peer(text);
    return limits_move(l, (struct sockaddr *)&p, 0, place);
}

/* As when a proxy says whose the connection is. */
static void a_connection_moves_to_another_place_even_when_all_are_taken(void **state)
{
    (void)state;
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct limits *l = make(2, 1);
    struct limits_place *a = NULL, *b = NULL, *c = NULL;
    assert_int_equal(limits_enter(l, &nobody, 0, &a), LIMITS_OK);
    assert_int_equal(limits_enter(l, &nobody, 0, &b), LIMITS_OK);
    assert_int_equal(limits_enter(l, &nobody, 0, &c), LIMITS_FULL);
    assert_int_equal(move(l, "192.0.2.1", &a), LIMITS_OK);
    struct limits_place *before = b;
    assert_int_equal(move(l, "192.0.2.1", &b), LIMITS_ADDRESS_FULL);
    assert_ptr_equal(b, before);
    assert_int_equal(move(l, "192.0.2.2", &b), LIMITS_OK);
    assert_int_equal(limits_open(l), 2);
    limits_leave(l, &a, false);
    assert_int_equal(enter(l, "192.0.2.2", &a), LIMITS_ADDRESS_FULL);
    limits_leave(l, &b, false);
    assert_int_equal(limits_open(l), 0);
    limits_free(&l);
}

static void a_unix_socket_has_no_address_to_be_counted_by(void **state)
{
    (void)state;
    struct limits *l = make(3, 1);
    struct limits_place *p[4] = {NULL};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(enter(l, "unix", &p[i]), LIMITS_OK);
    assert_int_equal(enter(l, "unix", &p[3]), LIMITS_FULL);
    assert_true(limits_hold(l, p[0], 1000));
    assert_false(limits_hold(l, p[1], 1));
    limits_let_go(l, p[0], 1000);
    for (size_t i = 0; i < 3; i++)
        limits_leave(l, &p[i], false);
    limits_free(&l);
}

static void bytes_are_bounded_per_address_and_in_all(void **state)
{
    (void)state;
    struct limits *l = make(10, 10);
    struct limits_place *a = NULL, *b = NULL;
    assert_int_equal(enter(l, "192.0.2.1", &a), LIMITS_OK);
    assert_int_equal(enter(l, "192.0.2.2", &b), LIMITS_OK);
    assert_true(limits_hold(l, a, 600));
    assert_false(limits_hold(l, a, 1));   /* of this address */
    assert_false(limits_hold(l, b, 401)); /* in all */
    assert_true(limits_hold(l, b, 400));  /* what was refused was not counted */
    assert_false(limits_hold(l, b, 1));
    limits_let_go(l, a, 600);
    assert_true(limits_hold(l, b, 200));
    assert_false(limits_hold(l, b, UINT64_MAX)); /* no wrap-around */
    limits_let_go(l, b, 600);
    limits_leave(l, &a, false);
    limits_leave(l, &b, false);
    limits_free(&l);
}

/* Comes and goes; whether it was let in. */
static bool passes(struct limits *l, const char *text, int64_t now_ms)
{
    struct limits_place *p = NULL;
    enum limits_verdict verdict = enter_at(l, text, now_ms, &p);
    limits_leave(l, &p, false);
    return verdict == LIMITS_OK;
}

static void an_address_may_come_five_seconds_worth_at_once_and_then_at_its_pace(void **state)
{
    (void)state;
    struct limits *l = limits_new(&(struct limits_options){
        .max_connections = 10, .max_connections_per_address = 10, .max_new_per_address = 4});
    int64_t now = 1000000;
    for (int i = 0; i < 20; i++)
        assert_true(passes(l, "192.0.2.1", now));
    struct limits_place *p = NULL;
    assert_int_equal(enter_at(l, "192.0.2.1", now, &p), LIMITS_ADDRESS_FAST);
    assert_true(passes(l, "192.0.2.2", now)); /* the neighbour is not to blame */
    assert_true(passes(l, "unix", now));
    assert_false(passes(l, "192.0.2.1", now + 249));
    assert_true(passes(l, "192.0.2.1", now + 250));
    assert_false(passes(l, "192.0.2.1", now + 250));
    now += 60000; /* what was not used in a minute is five seconds' worth all the same */
    for (int i = 0; i < 20; i++)
        assert_true(passes(l, "192.0.2.1", now));
    assert_false(passes(l, "192.0.2.1", now));
    limits_resize(
        l, &(struct limits_options){.max_connections = 10, .max_connections_per_address = 10});
    assert_true(passes(l, "192.0.2.1", now)); /* no bound */
    limits_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv6_network_of_64_bits_counts_as_one_address),
        cmocka_unit_test(places_come_back_when_connections_leave),
        cmocka_unit_test(a_connection_moves_to_another_place_even_when_all_are_taken),
        cmocka_unit_test(a_unix_socket_has_no_address_to_be_counted_by),
        cmocka_unit_test(bytes_are_bounded_per_address_and_in_all),
        cmocka_unit_test(an_address_may_come_five_seconds_worth_at_once_and_then_at_its_pace),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
