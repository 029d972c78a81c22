/*
 * The quarantine: what goes in comes out, in pages; its bounds; and that nobody waits for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../receiver/store/store_int.h"
#include "mem.h"
#include "metrics.h"
#include "store_fixture.h"
#include "timeutil.h"

enum { PAGE = 7, MAX_BYTES = 100000 };

static uint64_t counted(const char *result)
{
    return metric_value(metric_series(METRIC_QUARANTINED, result));
}

/* Opens the fixture's store again with that bound. */
static void with_bound(struct fixture *f, uint64_t max_bytes)
{
    fixture_close(f);
    f->options.quarantine_max_bytes = max_bytes;
    fixture_open(f);
}

static void give(struct fixture *f, unsigned n, const char *bytes, size_t size)
{
    struct store_document *d = store_document_new(bytes, size);
    (void)snprintf(d->reason, sizeof d->reason, "reason_%u", n);
    (void)snprintf(d->message, sizeof d->message, "line %u: no", n);
    (void)snprintf(d->peer, sizeof d->peer, "192.0.2.%u", n % 256);
    memcpy(d->org, f->org, sizeof d->org);
    store_quarantine(f->store, &d);
    assert_null(d);
}

/* Gives, and waits until it is kept or dropped. */
static bool keep(struct fixture *f, unsigned n, const char *bytes, size_t size)
{
    static const struct timespec moment = {.tv_nsec = 200000};
    uint64_t kept = counted("kept"), dropped = counted("dropped");
    int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;
    give(f, n, bytes, size);
    while (counted("kept") + counted("dropped") == kept + dropped) {
        assert_true(time_boot_ms() < give_up);
        nanosleep(&moment, NULL);
    }
    return counted("kept") > kept;
}

static void keep_many(struct fixture *f, unsigned count, size_t size)
{
    char *bytes = mem_alloc(size);
    memset(bytes, 'x', size);
    for (unsigned i = 1; i <= count; i++)
        assert_true(keep(f, i, bytes, size));
    free(bytes);
}

/* All there are, by pages; gives their number. out has room for max. */
static size_t walk(struct fixture *f, struct store_quarantined *out, size_t max)
{
    struct store_quarantined page[PAGE];
    struct error e = {0};
    size_t n = 0, got;
    int64_t before = 0;
    do {
        EXPECT_OK(store_quarantine_walk(f->store, before, page, PAGE, &got, &e));
        assert_true(got <= PAGE && n + got <= max);
        memcpy(out + n, page, got * sizeof page[0]);
        n += got;
        before = got > 0 ? page[got - 1].id : 0;
    } while (got > 0);
    return n;
}

static size_t kept_count(struct fixture *f)
{
    static struct store_quarantined all[1000];
    return walk(f, all, 1000);
}

/* ------------------------------------------------------------------ in and out */

static void a_document_comes_out_as_it_went_in(void **state)
{
    struct fixture *f = *state;
    static const char bytes[] = "<a>\0\xff\x80</b>";
    struct store_quarantined listed[2], got;
    struct error e = {0};
    struct buf body;
    with_bound(f, MAX_BYTES);
    buf_init(&body, STORE_DOCUMENT_MAX);
    buf_puts(&body, "before");
    assert_true(keep(f, 1, bytes, sizeof bytes - 1));
    assert_int_equal(walk(f, listed, 2), 1);
    EXPECT_OK(store_quarantine_get(f->store, listed[0].id, &got, &body, &e));
    assert_int_equal(listed[0].id, got.id);
    assert_string_equal(listed[0].message, got.message);
    assert_string_equal(got.reason, "reason_1");
    assert_string_equal(got.message, "line 1: no");
    assert_string_equal(got.peer, "192.0.2.1");
    assert_string_equal(got.org, f->org);
    assert_true(got.at_ms <= wall_ms(f) && got.at_ms > wall_ms(f) - HOUR_MS);
    assert_int_equal(got.size, sizeof bytes - 1);
    assert_int_equal(got.kept, sizeof bytes - 1);
    assert_int_equal(body.len, sizeof bytes - 1);
    assert_memory_equal(body.data, bytes, body.len);
    EXPECT_ERR(store_quarantine_get(f->store, got.id + 1, &got, &body, &e), ERR_NOT_FOUND);
    buf_release(&body);
}

static void an_empty_document_and_one_without_an_organisation_are_kept(void **state)
{
    struct fixture *f = *state;
    struct store_quarantined all[3];
    with_bound(f, MAX_BYTES);
    f->org[0] = '\0';
    assert_true(keep(f, 1, "", 0));
    assert_int_equal(walk(f, all, 3), 1);
    assert_string_equal(all[0].org, "");
    assert_int_equal(all[0].size, 0);
}

static void pages_show_each_once_the_newest_first(void **state)
{
    struct fixture *f = *state;
    static struct store_quarantined all[100];
    with_bound(f, MAX_BYTES);
    keep_many(f, 3 * PAGE + 2, 10);
    assert_int_equal(walk(f, all, 100), 3 * PAGE + 2);
    for (size_t i = 0; i + 1 < 3 * PAGE + 2; i++)
        assert_true(all[i].id > all[i + 1].id);
    assert_string_equal(all[0].reason, "reason_23");
    fixture_reopen(f);
    assert_int_equal(kept_count(f), 3 * PAGE + 2);
}

/* ------------------------------------------------------------------ bounds */

static void the_oldest_make_room(void **state)
{
    struct fixture *f = *state;
    struct store_quarantined all[20];
    with_bound(f, MAX_BYTES);
    keep_many(f, 15, 10000);
    assert_int_equal(walk(f, all, 20), 10);
    assert_string_equal(all[9].reason, "reason_6");
    keep_many(f, 1, 95000); /* pushes all others out */
    assert_int_equal(walk(f, all, 20), 1);
    keep_many(f, 3, 1);
    assert_int_equal(walk(f, all, 20), 4);
}

static void one_that_is_larger_than_the_quarantine_is_dropped(void **state)
{
    struct fixture *f = *state;
    char *bytes = mem_alloc(MAX_BYTES + 1);
    with_bound(f, MAX_BYTES);
    assert_true(keep(f, 1, bytes, MAX_BYTES));
    assert_false(keep(f, 2, bytes, MAX_BYTES + 1));
    free(bytes);
}

static void a_large_document_keeps_its_beginning(void **state)
{
    struct fixture *f = *state;
    size_t size = 2 * STORE_DOCUMENT_MAX;
    char *bytes = mem_alloc(size);
    struct store_quarantined all[2], got;
    struct error e = {0};
    struct buf body;
    memset(bytes, 'a', STORE_DOCUMENT_MAX);
    memset(bytes + STORE_DOCUMENT_MAX, 'b', STORE_DOCUMENT_MAX);
    with_bound(f, UINT64_C(1) << 30);
    assert_true(keep(f, 1, bytes, size));
    assert_int_equal(walk(f, all, 2), 1);
    assert_int_equal(all[0].size, size);
    assert_int_equal(all[0].kept, STORE_DOCUMENT_MAX);
    buf_init(&body, STORE_DOCUMENT_MAX);
    EXPECT_OK(store_quarantine_get(f->store, all[0].id, &got, &body, &e));
    assert_int_equal(body.len, STORE_DOCUMENT_MAX);
    assert_memory_equal(body.data, bytes, body.len);
    buf_release(&body);
    free(bytes);
}

static void nothing_is_kept_with_a_bound_of_zero(void **state)
{
    struct fixture *f = *state;
    uint64_t kept = counted("kept"), dropped = counted("dropped");
    with_bound(f, 0);
    give(f, 1, "x", 1);
    put_member(f, 1, 1);
    fixture_reopen(f); /* writes what waits */
    assert_int_equal(kept_count(f), 0);
    assert_int_equal(counted("kept") + counted("dropped"), kept + dropped);
}

static void upkeep(struct fixture *f)
{
    struct error e = {0};
    for (bool more = true; more;)
        EXPECT_OK(store_retain(f->store, &more, &e));
}

static void a_lower_bound_holds_from_the_next_upkeep_on(void **state)
{
    struct fixture *f = *state;
    with_bound(f, MAX_BYTES);
    keep_many(f, 10, 10000);
    upkeep(f);
    assert_int_equal(kept_count(f), 10);
    store_set_quarantine(f->store, 30000);
    upkeep(f);
    assert_int_equal(kept_count(f), 3);
}

static void documents_go_with_keep_failed_and_their_numbers_never_come_back(void **state)
{
    struct fixture *f = *state;
    struct store_quarantined all[2];
    with_bound(f, MAX_BYTES);
    keep_many(f, 1, 10);
    assert_int_equal(walk(f, all, 2), 1);
    int64_t first = all[0].id;
    shift(f, f->options.keep_failed_ms - HOUR_MS);
    upkeep(f);
    assert_int_equal(kept_count(f), 1);
    shift(f, 2 * HOUR_MS);
    upkeep(f);
    assert_int_equal(kept_count(f), 0);
    keep_many(f, 1, 10);
    assert_int_equal(walk(f, all, 2), 1);
    assert_true(all[0].id > first);
}

/* ------------------------------------------------------------------ nobody waits */

static void too_many_are_dropped_and_puts_go_on(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 40 };
    struct pending gate, put;
    struct store_item item = member_item(1, 1);
    uint64_t kept = counted("kept"), dropped = counted("dropped");
    char *bytes = mem_alloc(STORE_DOCUMENT_MAX);
    with_bound(f, UINT64_C(1) << 30);
    gate_shut(f, &gate);
    for (unsigned i = 0; i < MANY; i++)
        give(f, i, bytes, STORE_DOCUMENT_MAX); /* 4 MiB may wait */
    assert_int_equal(counted("dropped") - dropped, MANY - 15);
    pending_init(&put, f->org, &item, 1);
    pending_start(f, &put);
    gate_open(&gate);
    pending_wait(&put);
    assert_int_equal(put.put.result, ERR_NONE);
    pending_release(&put);
    fixture_reopen(f); /* writes what waits */
    assert_int_equal(counted("kept") - kept, 15);
    assert_int_equal(kept_count(f), 15);
    expect_counts(f, 1, 0, 0, 0);
    free(bytes);
}

static void none_is_written_when_the_disk_is_nearly_full(void **state)
{
    struct fixture *f = *state;
    if (!fixture_is_sqlite(f))
        skip(); /* the disk is the database server's */
    with_bound(f, MAX_BYTES);
    assert_true(keep(f, 1, "x", 1));
    fixture_close(f);
    f->options.disk_reserve_bytes = UINT64_MAX / 2;
    fixture_open(f);
    assert_false(keep(f, 2, "x", 1));
    assert_int_equal(kept_count(f), 1);
}

static void who_sends_faster_than_their_pace_keeps_a_part(void **state)
{
    struct fixture *f = *state;
    f->options.quarantine_pace = 1000; /* one costs more than 16 seconds */
    with_bound(f, MAX_BYTES);
    assert_true(keep(f, 1, "x", 1));
    assert_false(keep(f, 2, "x", 1));
    store_shift_clock(f->store, 0, 15000); /* at most four seconds ahead */
    assert_true(keep(f, 3, "x", 1));
    assert_false(keep(f, 4, "x", 1));
    assert_int_equal(kept_count(f), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_document_comes_out_as_it_went_in),
        TEST(an_empty_document_and_one_without_an_organisation_are_kept),
        TEST(pages_show_each_once_the_newest_first),
        TEST(the_oldest_make_room),
        TEST(one_that_is_larger_than_the_quarantine_is_dropped),
        TEST(a_large_document_keeps_its_beginning),
        TEST(nothing_is_kept_with_a_bound_of_zero),
        TEST(a_lower_bound_holds_from_the_next_upkeep_on),
        TEST(documents_go_with_keep_failed_and_their_numbers_never_come_back),
        TEST(too_many_are_dropped_and_puts_go_on),
        TEST(none_is_written_when_the_disk_is_nearly_full),
        TEST(who_sends_faster_than_their_pace_keeps_a_part),
    };
    return cmocka_run_group_tests_name("store quarantine", tests, NULL, NULL);
}
