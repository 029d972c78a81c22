/*
 * Upkeep: what is removed, when, and what is not; due times that the clock left too far ahead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/store/store_int.h"
#include "store_fixture.h"

/* Until nothing is left to do; returns the number of calls. */
static unsigned retain(struct fixture *f)
{
    struct error e = {0};
    unsigned calls = 0;
    for (bool more = true; more; calls++) {
        EXPECT_OK(store_retain(f->store, &more, &e));
        assert_true(calls < 100);
    }
    return calls;
}

static void end_one(struct fixture *f, unsigned member, enum store_verdict verdict)
{
    put_member(f, member, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_all(f, &c, (struct store_outcome){.verdict = verdict});
}

static void ended_rows_go_past_their_time(void **state)
{
    struct fixture *f = *state;
    end_one(f, 1, STORE_APPLIED);
    end_one(f, 2, STORE_FAIL);
    put_member(f, 3, 1);
    shift(f, f->options.keep_done_ms - HOUR_MS);
    retain(f);
    expect_counts(f, 1, 0, 1, 1);
    shift(f, 2 * HOUR_MS);
    retain(f);
    expect_counts(f, 1, 0, 0, 1);
    shift(f, f->options.keep_failed_ms - f->options.keep_done_ms);
    retain(f);
    expect_counts(f, 1, 0, 0, 0);
    assert_int_equal(drain(f), 1); /* what is not done stays for ever */
    put_member(f, 1, 1);           /* no longer known */
}

static void a_row_that_runs_again_is_young_again(void **state)
{
    struct fixture *f = *state;
    end_one(f, 1, STORE_APPLIED);
    shift(f, f->options.keep_done_ms - HOUR_MS);
    resend_member(f, 1, 1);
    retain(f);
    assert_int_equal(drain(f), 1);
    shift(f, 2 * HOUR_MS);
    retain(f);
    expect_counts(f, 0, 0, 1, 0);
}

static void ignored_objects_go_like_done_ones(void **state)
{
    struct fixture *f = *state;
    struct store_item item = member_item(1, 0);
    item.kind = STORE_IGNORED;
    assert_int_equal(put_items(f, f->org, &item, 1).stored, 1);
    shift(f, f->options.keep_done_ms + HOUR_MS);
    retain(f);
    expect_counts(f, 0, 0, 0, 0);
}

/* An admin can resend ids for seven days. */
static void done_rows_stay_seven_days_at_least(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    f->options.keep_done_ms = DAY_MS;
    fixture_open(f);
    end_one(f, 1, STORE_APPLIED);
    shift(f, 7 * DAY_MS - HOUR_MS);
    retain(f);
#ifdef TP_TEST_BUILD
    expect_counts(f, 0, 0, 0, 0); /* the system tests have no seven days */
#else
    expect_counts(f, 0, 0, 1, 0);
    shift(f, 2 * HOUR_MS);
    retain(f);
    expect_counts(f, 0, 0, 0, 0);
#endif
}

static void removing_goes_in_slices(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    bool more;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    put_members(f, 5000, STORE_SLICE_MAX, 2);
    put_members(f, 9000, 10, 3);
    assert_int_equal(drain(f), 2 * STORE_SLICE_MAX + 10);
    shift(f, f->options.keep_done_ms + HOUR_MS);
    EXPECT_OK(store_retain(f->store, &more, &e));
    assert_true(more);
    expect_counts(f, 0, 0, STORE_SLICE_MAX + 10, 0);
    assert_int_equal(retain(f), 2);
    expect_counts(f, 0, 0, 0, 0);
}

/* ------------------------------------------------------------------ the clock */

static void a_leap_of_the_wall_clock_pauses_removing(void **state)
{
    struct fixture *f = *state;
    end_one(f, 1, STORE_APPLIED);
    store_shift_clock(f->store, 365 * DAY_MS, 0);
    retain(f);
    expect_counts(f, 0, 0, 1, 0);
    shift(f, STORE_LEAP_PAUSE_MS - MINUTE_MS);
    retain(f);
    expect_counts(f, 0, 0, 1, 0);
    shift(f, 2 * MINUTE_MS);
    retain(f);
    expect_counts(f, 0, 0, 0, 0);
}

static void a_leap_that_is_taken_back_in_time_removes_nothing(void **state)
{
    struct fixture *f = *state;
    end_one(f, 1, STORE_APPLIED);
    store_shift_clock(f->store, 365 * DAY_MS, 0);
    retain(f);
    store_shift_clock(f->store, -365 * DAY_MS, 0);
    shift(f, 2 * HOUR_MS);
    retain(f);
    expect_counts(f, 0, 0, 1, 0);
}

static void due_times_beyond_the_longest_wait_are_pulled_in(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 3, 1);
    struct store_claim *c = claim_on(f, 1, 3);
    settle_retry(f, &c, 30 * DAY_MS);
    put_member(f, 4, 2);
    c = claim_on(f, 2, 1);
    settle_retry(f, &c, HOUR_MS); /* is near enough */
    retain(f);
    shift(f, HOUR_MS);
    c = claim_on(f, 2, 1);
    settle_applied(f, &c);
    expect_no_claim(f);
    shift(f, STORE_BACKOFF_MAX_MS - HOUR_MS);
    assert_int_equal(drain(f), 3);
}

static void a_clock_set_back_does_not_strand_the_queue(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 2, 1);
    store_shift_clock(f->store, -30 * DAY_MS, 0);
    expect_no_claim(f);
    retain(f);
    shift(f, STORE_BACKOFF_MAX_MS);
    assert_int_equal(drain(f), 2);
}

/* While the process was down nobody saw the leap. */
static void a_clock_set_back_between_two_runs_does_not_strand_an_echo(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    shift(f, 30 * DAY_MS);
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    EXPECT_OK(store_write_begin(f->store, c, &e));
    settle_applied(f, &c);
    fixture_reopen(f); /* back in the present */
    retain(f);
    expect_no_claim(f);
    shift(f, ECHO_MS - MINUTE_MS); /* it waits its time all the same */
    expect_no_claim(f);
    shift(f, STORE_BACKOFF_MAX_MS);
    c = claim_on(f, 1, 1);
    assert_true(c->has_echo);
    settle_whole(f, &c);
}

static void pulling_in_goes_in_slices(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    bool more;
    for (unsigned campaign = 1; campaign <= 2; campaign++) {
        put_members(f, campaign * 5000, STORE_SLICE_MAX, campaign);
        struct store_claim *c = claim_on(f, campaign, STORE_SLICE_MAX);
        settle_retry(f, &c, 30 * DAY_MS);
    }
    EXPECT_OK(store_retain(f->store, &more, &e));
    assert_true(more);
    retain(f);
    shift(f, STORE_BACKOFF_MAX_MS);
    assert_int_equal(drain(f), 2 * STORE_SLICE_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(ended_rows_go_past_their_time),
        TEST(a_row_that_runs_again_is_young_again),
        TEST(ignored_objects_go_like_done_ones),
        TEST(done_rows_stay_seven_days_at_least),
        TEST(removing_goes_in_slices),
        TEST(a_leap_of_the_wall_clock_pauses_removing),
        TEST(a_leap_that_is_taken_back_in_time_removes_nothing),
        TEST(due_times_beyond_the_longest_wait_are_pulled_in),
        TEST(a_clock_set_back_does_not_strand_the_queue),
        TEST(a_clock_set_back_between_two_runs_does_not_strand_an_echo),
        TEST(pulling_in_goes_in_slices),
    };
    return cmocka_run_group_tests_name("store retain", tests, NULL, NULL);
}
