/*
 * SQLite on a disk that fails: nothing is acknowledged that a power cut could take, and the store
 * mends itself.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "metrics.h"
#include "sqlite_disk.h"

/* Until there are more such ops on the database itself than that: a checkpoint is under way. It is
 * made when the WAL is long enough and nothing else is to do. */
static void until_checkpoint(enum fault_op op, unsigned more_than)
{
    int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;
    while (fault_count(op, "") <= more_than) {
        if (time_boot_ms() > give_up)
            fail_msg("there is no checkpoint");
        sched_yield();
    }
}

/* ------------------------------------------------------------------ power cuts */

/* What the file would be after a power cut now, as a store of its own in f's folder. */
static void open_after_cut(const struct fixture *f, struct fixture *out, unsigned luck)
{
    static unsigned number;
    struct error e = {0};
    *out = *f;
    out->dir = NULL;
    (void)snprintf(out->url, sizeof out->url, "sqlite:%s/cut%u.db", f->dir, number++);
    fault_power_cut(out->url + strlen("sqlite:"), luck);
    out->options.url = out->url;
    EXPECT_OK(store_open(&out->store, &out->options, &e));
}

/* Members first … first + count - 1 are known. */
static void expect_known(struct fixture *f, unsigned first, unsigned count)
{
    struct store_item *items = calloc(count, sizeof *items);
    for (unsigned i = 0; i < count; i++)
        items[i] = member_item(first + i, 1 + (first + i) % 5);
    struct put_result got = put_items(f, f->org, items, count);
    free(items);
    assert_int_equal(got.result, ERR_NONE);
    if (got.duplicates != count)
        fail_msg("of %u acknowledged notifications from %u on, %zu are lost", count, first,
                 got.stored);
}

enum { BATCH = 1000, BATCHES = 20 }; /* makes a WAL long enough for a checkpoint */
enum { LOG_MIB_MAX = 40 };           /* 32, and what a batch or two add */

static void after_a_power_cut_all_that_was_acknowledged_is_there(void **state)
{
    static const unsigned lucks[] = {0, 0xffffffff, 0x5a96c33c, 0x0000ffff, 0xfffffffe};
    struct fixture *f = *state, cut;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(try_put(f, i * 20, 20), ERR_NONE);
        assert_int_equal(fault_unsynced("-wal"), 0);
        struct store_claim *c = claim_some(f);
        settle_applied(f, &c);
        open_after_cut(f, &cut, lucks[i]);
        expect_known(&cut, 0, (i + 1) * 20);
        store_close(&cut.store);
        sqlite_expect_sound(cut.url + strlen("sqlite:"));
    }
}

static void a_power_cut_in_a_checkpoint_takes_nothing(void **state)
{
    static const unsigned lucks[] = {0x5a96c33c, 0, 0x0f0f3355};
    struct fixture *f = *state, cuts[3];
    for (unsigned i = 0; i < BATCHES; i++)
        assert_int_equal(try_put(f, i * BATCH, BATCH), ERR_NONE);
    unsigned writes = fault_count(FAULT_WRITE, "");
    for (unsigned i = 0; i < 3; i++) {
        until_checkpoint(FAULT_WRITE, writes + i * 100);
        open_after_cut(f, &cuts[i], lucks[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        expect_known(&cuts[i], 0, BATCHES * BATCH);
        store_close(&cuts[i].store);
        sqlite_expect_sound(cuts[i].url + strlen("sqlite:"));
    }
}

/* A step leaves the database unsynced, and the log as it was. */
static void
a_checkpoint_begins_in_steps_that_sync_nothing_and_a_power_cut_takes_nothing(void **state)
{
    static const unsigned lucks[] = {0x5a96c33c, 0, 0xffffffff};
    struct fixture *f = *state, cut;
    unsigned writes = fault_count(FAULT_WRITE, ""), syncs = fault_count(FAULT_SYNC, ""), known = 0;
    for (; fault_count(FAULT_WRITE, "") == writes && known < BATCHES * BATCH; known += BATCH / 4)
        assert_int_equal(try_put(f, known, BATCH / 4), ERR_NONE);
    assert_int_equal(fault_count(FAULT_SYNC, ""), syncs);
    assert_true(fault_unsynced("") > 0);
    for (unsigned i = 0; i < 3; i++) {
        open_after_cut(f, &cut, lucks[i]);
        expect_known(&cut, 0, known);
        store_close(&cut.store);
        sqlite_expect_sound(cut.url + strlen("sqlite:"));
    }
}

static void the_log_stays_short_under_steady_load(void **state)
{
    struct fixture *f = *state;
    char path[600];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s-wal", fixture_path(f));
    for (unsigned i = 0; i < 8 * BATCHES; i++)
        assert_int_equal(try_put(f, i * BATCH, BATCH), ERR_NONE);
    unsigned writes = fault_count(FAULT_WRITE, "-wal"); /* of 124 KiB at most */
    if (writes * 100 < 1024 * LOG_MIB_MAX)
        fail_msg("only %u writes: the log need not have begun anew", writes);
    assert_int_equal(stat(path, &st), 0);
    if (st.st_size > LOG_MIB_MAX << 20)
        fail_msg("the log has %lld bytes", (long long)st.st_size);
}

static void a_commit_reaches_the_log_in_one_write_however_many_rows_it_has(void **state)
{
    static const struct {
        unsigned rows, writes; /* 124 KiB in each at most */
    } cases[] = {{1, 1}, {10, 1}, {100, 1}, {1000, 8}};
    struct fixture *f = *state;
    unsigned from = 0;
    assert_int_equal(try_put(f, from++, 1), ERR_NONE); /* the log has its own head */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned before = fault_count(FAULT_WRITE, "-wal");
        assert_int_equal(try_put(f, from, cases[i].rows), ERR_NONE);
        from += cases[i].rows;
        unsigned writes = fault_count(FAULT_WRITE, "-wal") - before;
        if (writes == 0 || writes > cases[i].writes)
            fail_msg("%u rows took %u writes", cases[i].rows, writes);
        assert_int_equal(fault_unsynced("-wal"), 0);
    }
    sqlite_expect_sound(fixture_path(f));
}

/* The commit is not known to have failed: an fsync may fail and the write be there, or not. */
static void a_failed_fsync_does_not_take_later_commits_along(void **state)
{
    struct fixture *f = *state, cut;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(try_put(f, i * 100, 10), ERR_NONE);
        fault_set(FAULT_SYNC, "-wal", SQLITE_IOERR_FSYNC, 0, 1);
        assert_int_equal(try_put(f, i * 100 + 10, 10), ERR_IO);
        fault_clear();
        until_mended(f);
        assert_int_equal(try_put(f, i * 100 + 20, 10), ERR_NONE);
        open_after_cut(f, &cut, 0);
        for (unsigned k = 0; k <= i; k++) {
            expect_known(&cut, k * 100, 10);
            expect_known(&cut, k * 100 + 20, 10);
        }
        store_close(&cut.store);
    }
    sqlite_expect_sound(fixture_path(f));
}

static void a_failed_fsync_of_a_checkpoint_is_made_up_for(void **state)
{
    struct fixture *f = *state, cut;
    fault_set(FAULT_SYNC, "", SQLITE_IOERR_FSYNC, 0, 2);
    for (unsigned i = 0; i < BATCHES; i++) {
        while (try_put(f, i * BATCH, BATCH) != ERR_NONE)
            until_mended(f);
    }
    until_checkpoint(FAULT_SYNC, 2);
    open_after_cut(f, &cut, 0);
    expect_known(&cut, 0, BATCHES * BATCH);
    store_close(&cut.store);
}

/* ------------------------------------------------------------------ failures */

static void a_full_disk_refuses_puts_until_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    assert_int_equal(try_put(f, 1, 5), ERR_NONE);
    fault_set(FAULT_WRITE, "-wal", SQLITE_FULL, 0, 1000000);
    assert_int_equal(try_put(f, 11, 5), ERR_FULL);
    assert_int_equal(try_put(f, 11, 5), ERR_FULL);
    EXPECT_ERR(store_probe(f->store, &e), ERR_FULL);
    struct store_claim *c = NULL;
    EXPECT_ERR(store_claim(f->store, NULL, &c, &e), ERR_FULL);
    assert_null(c);
    expect_counts(f, 5, 0, 0, 0);
    fault_clear();
    until_mended(f);
    assert_int_equal(try_put(f, 11, 5), ERR_NONE);
    assert_int_equal(drain(f), 10);
    sqlite_expect_sound(fixture_path(f));
}

static void a_claim_that_failed_leaves_the_rows_ready(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_claim *c = NULL;
    assert_int_equal(try_put(f, 1, 5), ERR_NONE);
    fault_set(FAULT_SYNC, "-wal", SQLITE_IOERR_FSYNC, 0, 1);
    EXPECT_ERR(store_claim(f->store, NULL, &c, &e), ERR_IO);
    assert_null(c);
    until_mended(f);
    assert_int_equal(drain(f), 5);
    expect_counts(f, 0, 0, 5, 0);
    sqlite_expect_sound(fixture_path(f));
}

/* A lease of before the failure is still its worker's. */
static void a_settle_that_failed_may_be_tried_again(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    bool more;
    assert_int_equal(try_put(f, 1, 1), ERR_NONE);
    struct store_claim *c = claim_some(f);
    const struct store_outcome o = {.row = c->hints[0].row, .verdict = STORE_APPLIED};
    const struct store_settle x = {.outcomes = &o, .count = 1};
    EXPECT_OK(store_write_begin(f->store, c, &e));
    fault_set(FAULT_WRITE, "-wal", SQLITE_IOERR_WRITE, 0, 1);
    EXPECT_ERR(store_settle(f->store, c, &x, &more, &e), ERR_IO);
    fault_clear();
    until_mended(f);
    expect_counts(f, 0, 1, 0, 0);
    EXPECT_OK(store_settle(f->store, c, &x, &more, &e));
    settle_applied(f, &c);
    expect_counts(f, 1, 0, 1, 0); /* the mark survived, too: an echo */
    sqlite_expect_sound(fixture_path(f));
}

/* After a failed fsync the slice may be there all the same: rows that no claim names are leased. */
static void a_claim_that_failed_halfway_leaves_all_rows_ready(void **state)
{
    static const int slices_that_went_well[] = {1, 2, 4};
    struct fixture *f = *state;
    struct error e = {0};
    struct store_claim *c = NULL;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    for (size_t i = 0; i < 3; i++) {
        fault_set(FAULT_SYNC, "-wal", SQLITE_IOERR_FSYNC, slices_that_went_well[i], 1);
        EXPECT_ERR(store_claim(f->store, NULL, &c, &e), ERR_IO);
        assert_null(c);
        fault_clear();
        until_mended(f);
        expect_counts(f, STORE_SLICE_MAX, 0, 0, 0);
    }
    sqlite_expect_sound(fixture_path(f));
}

static void a_settle_that_failed_halfway_may_be_tried_again(void **state)
{
    static struct store_outcome outcomes[STORE_SLICE_MAX];
    struct fixture *f = *state;
    struct error e = {0};
    bool more;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    for (size_t i = 0; i < c->count; i++)
        outcomes[i] = (struct store_outcome){.row = c->hints[i].row, .verdict = STORE_APPLIED};
    const struct store_settle x = {.outcomes = outcomes, .count = c->count, .release = true};
    fault_set(FAULT_WRITE, "-wal", SQLITE_IOERR_WRITE, 2, 1);
    EXPECT_ERR(store_settle(f->store, c, &x, &more, &e), ERR_IO);
    fault_clear();
    until_mended(f);
    int64_t settled = stats_of(f, f->org).done;
    assert_in_range(settled, 1, STORE_SLICE_MAX - 1);
    expect_counts(f, 0, STORE_SLICE_MAX - settled, settled, 0);
    EXPECT_OK(store_settle(f->store, c, &x, &more, &e));
    expect_counts(f, 0, 0, STORE_SLICE_MAX, 0);
    store_claim_free(&c);
    sqlite_expect_sound(fixture_path(f));
}

/* Whether it was durable is known only after opening again: it was, in the cache. */
static void a_write_mark_of_unknown_outcome_counts_as_set(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    assert_int_equal(try_put(f, 1, 1), ERR_NONE);
    struct store_claim *c = claim_some(f);
    fault_set(FAULT_SYNC, "-wal", SQLITE_IOERR_FSYNC, 0, 1);
    EXPECT_ERR(store_write_begin(f->store, c, &e), ERR_IO);
    until_mended(f);
    settle_applied(f, &c);
    expect_counts(f, 1, 0, 1, 0);
    sqlite_expect_sound(fixture_path(f));
}

static void a_disk_that_cannot_be_opened_is_tried_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(try_put(f, 1, 1), ERR_NONE);
    fault_set(FAULT_WRITE, "-wal", SQLITE_IOERR_WRITE, 0, 1);
    fault_set(FAULT_OPEN, "", SQLITE_CANTOPEN, 0, 3);
    assert_int_equal(try_put(f, 2, 1), ERR_IO);
    until_mended(f);
    assert_int_equal(try_put(f, 2, 1), ERR_NONE);
    expect_counts(f, 2, 0, 0, 0);
}

static void looking_on_recovers_as_well(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_org_stats stats[1];
    size_t n;
    assert_int_equal(try_put(f, 1, 1), ERR_NONE);
    fixture_reopen(f); /* nothing is cached */
    fault_set(FAULT_READ, "", SQLITE_IOERR_READ, 0, 1);
    fault_set(FAULT_READ, "-wal", SQLITE_IOERR_READ, 0, 1);
    if (store_stats(f->store, stats, 1, &n, &e) != ERR_NONE) /* unless nothing had to be read */
        assert_int_equal(e.kind, ERR_IO);
    fault_clear();
    EXPECT_OK(store_stats(f->store, stats, 1, &n, &e));
    assert_int_equal(n, 1);
    assert_int_equal(stats[0].ready, 1);
}

static void damage_that_is_met_ends_the_taking_of_puts(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    assert_int_equal(try_put(f, 1, 1), ERR_NONE);
    fault_set(FAULT_WRITE, "-wal", SQLITE_CORRUPT, 0, 1);
    assert_int_equal(try_put(f, 2, 1), ERR_CORRUPT);
    fault_clear();
    assert_int_equal(try_put(f, 2, 1), ERR_CORRUPT);
    EXPECT_ERR(store_probe(f->store, &e), ERR_CORRUPT);
}

static void below_the_reserve_puts_stop_and_settles_go_on(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    assert_int_equal(try_put(f, 1, 5), ERR_NONE);
    fixture_close(f);
    f->options.disk_reserve_bytes = UINT64_MAX;
    fixture_open(f);
    assert_int_equal(try_put(f, 2, 1), ERR_FULL);
    EXPECT_ERR(store_probe(f->store, &e), ERR_FULL);
    assert_int_equal(drain(f), 5);
    expect_counts(f, 0, 0, 5, 0);
}

static void give_document(struct fixture *f)
{
    struct store_document *d = store_document_new("<a>", 3);
    store_quarantine(f->store, &d);
}

/* With a put in the same batch or in one of its own: nobody is told, but the put. */
static void a_document_that_could_not_be_written_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct metric_series *kept = metric_series(METRIC_QUARANTINED, "kept");
    struct metric_series *dropped = metric_series(METRIC_QUARANTINED, "dropped");
    fixture_close(f);
    f->options.quarantine_max_bytes = 1000;
    fixture_open(f);
    uint64_t all = metric_value(kept) + metric_value(dropped), lost = metric_value(dropped);
    for (unsigned i = 0; i < 10; i++) {
        struct pending gate;
        gate_shut(f, &gate);
        fault_set(FAULT_SYNC, "-wal", SQLITE_IOERR_FSYNC, 0, 1);
        give_document(f);
        gate_open(&gate);
        while (try_put(f, i, 1) != ERR_NONE)
            until_mended(f);
        fault_clear();
    }
    fixture_close(f); /* writes what waits */
    assert_int_equal(metric_value(kept) + metric_value(dropped), all + 10);
    assert_int_equal(metric_value(dropped), lost + 10);
    assert_int_equal(sqlite_number(fixture_path(f), "SELECT count(*) FROM notification"), 10);
    sqlite_expect_sound(fixture_path(f));
    fixture_open(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, disk_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(after_a_power_cut_all_that_was_acknowledged_is_there),
        TEST(a_power_cut_in_a_checkpoint_takes_nothing),
        TEST(a_checkpoint_begins_in_steps_that_sync_nothing_and_a_power_cut_takes_nothing),
        TEST(the_log_stays_short_under_steady_load),
        TEST(a_commit_reaches_the_log_in_one_write_however_many_rows_it_has),
        TEST(a_failed_fsync_does_not_take_later_commits_along),
        TEST(a_failed_fsync_of_a_checkpoint_is_made_up_for),
        TEST(a_full_disk_refuses_puts_until_there_is_room),
        TEST(a_claim_that_failed_leaves_the_rows_ready),
        TEST(a_settle_that_failed_may_be_tried_again),
        TEST(a_claim_that_failed_halfway_leaves_all_rows_ready),
        TEST(a_settle_that_failed_halfway_may_be_tried_again),
        TEST(a_write_mark_of_unknown_outcome_counts_as_set),
        TEST(a_disk_that_cannot_be_opened_is_tried_again),
        TEST(looking_on_recovers_as_well),
        TEST(damage_that_is_met_ends_the_taking_of_puts),
        TEST(below_the_reserve_puts_stop_and_settles_go_on),
        TEST(a_document_that_could_not_be_written_is_dropped),
    };
    (void)unsetenv("TP_STORE_URL"); /* for SQLite alone */
    return cmocka_run_group_tests_name("store sqlite faults", tests, NULL, NULL);
}
