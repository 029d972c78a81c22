/*
 * Write marks and echoes (protocol rule 12): whoever finds a mark set adds an echo, a whole pass
 * that is due when Salesforce can no longer carry the request out.
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

static void write_begin(struct fixture *f, struct store_claim *c)
{
    struct error e = {0};
    EXPECT_OK(store_write_begin(f->store, c, &e));
}

static void write_end(struct fixture *f, struct store_claim *c)
{
    struct error e = {0};
    const struct store_ledger_row row = {.campaign_id = c->key,
                                         .member_id = member_id(1),
                                         .action = "updated",
                                         .touchpoint_id = "",
                                         .before_json = "{}",
                                         .after_json = NULL,
                                         .cause = "hint"};
    EXPECT_OK(store_write_end(f->store, c, &row, 1, &e));
}

/* A campaign's claim with a mark set. */
static struct store_claim *claim_and_write(struct fixture *f, unsigned member, unsigned campaign)
{
    put_member(f, member, campaign);
    struct store_claim *c = claim_on(f, campaign, 1);
    write_begin(f, c);
    return c;
}

static struct store_claim *claim_echo(struct fixture *f, unsigned campaign)
{
    struct store_claim *c = claim_on(f, campaign, 1);
    assert_true(c->has_echo);
    assert_int_equal(c->hints[0].kind, STORE_ECHO);
    assert_string_equal(c->hints[0].record_id, campaign_id(campaign));
    assert_string_equal(c->hints[0].campaign_id, campaign_id(campaign));
    assert_string_equal(c->hints[0].notification_id, "");
    return c;
}

/* It is there, and due at that time from now, not before. How far a clock leapt is known only as
 * well as two clocks can be read at once. */
static void expect_echo_in(struct fixture *f, int64_t ms, unsigned campaign)
{
    expect_no_claim(f);
    shift(f, ms - MINUTE_MS);
    expect_no_claim(f);
    shift(f, MINUTE_MS + SECOND_MS);
    struct store_claim *c = claim_echo(f, campaign);
    settle_whole(f, &c);
    expect_no_claim(f);
}

/* ------------------------------------------------------------------ bulk jobs */

static void a_bulk_job_is_known_until_it_ended_whoever_claims(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_bulk_job jobs[4];
    const struct store_bulk_job one = {.id = "750000000000001AAA", .kind = 1, .rows = 12000};
    size_t count = 9;
    put_member(f, 1, 1);
    put_member(f, 2, 2);
    struct store_claim *c = claim_on(f, 1, 1);
    EXPECT_OK(store_bulk_list(f->store, c, jobs, 4, &count, &e));
    assert_int_equal(count, 0);
    EXPECT_OK(store_bulk_put(f->store, c, &one, &e));
    EXPECT_OK(store_bulk_put(f->store, c, &one, &e));
    struct store_claim *late = c;
    fixture_reopen(f);
    for (int i = 0; i < 2; i++) {
        c = claim_some(f);
        EXPECT_OK(store_bulk_list(f->store, c, jobs, 4, &count, &e));
        assert_int_equal(count, strcmp(c->key, campaign_id(1)) == 0);
        if (count == 1) {
            assert_string_equal(jobs[0].id, one.id);
            assert_int_equal(jobs[0].kind, 1);
            assert_int_equal(jobs[0].rows, 12000);
            EXPECT_ERR(store_bulk_end(f->store, late, one.id, &e), ERR_STALE);
            EXPECT_OK(store_bulk_end(f->store, c, one.id, &e));
            EXPECT_OK(store_bulk_list(f->store, c, jobs, 4, &count, &e));
            assert_int_equal(count, 0);
            EXPECT_ERR(store_bulk_put(f->store, late, &one, &e), ERR_STALE);
        }
        settle_applied(f, &c);
    }
    store_claim_free(&late);
}

/* ------------------------------------------------------------------ when there is one */

static void an_answer_that_was_understood_leaves_no_echo(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    write_end(f, c);
    write_begin(f, c);
    write_end(f, c);
    settle_applied(f, &c);
    expect_counts(f, 0, 0, 1, 0);
    shift(f, DAY_MS);
    expect_no_claim(f);
}

static void a_mark_still_set_at_the_release_becomes_an_echo(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    expect_counts(f, 1, 0, 1, 0);
    expect_echo_in(f, ECHO_MS, 1);
    expect_counts(f, 0, 0, 2, 0);
}

static void a_settle_without_release_keeps_the_mark(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    bool more;
    struct store_claim *c = claim_and_write(f, 1, 1);
    const struct store_settle nothing = {0};
    EXPECT_OK(store_settle(f->store, c, &nothing, &more, &e));
    expect_counts(f, 0, 1, 0, 0);
    write_end(f, c);
    settle_applied(f, &c);
    expect_counts(f, 0, 0, 1, 0);
}

static void a_lease_that_runs_out_with_its_mark_set_leaves_an_echo(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    lose(&c);
    shift(f, LEASE_MS);
    c = claim_on(f, 1, 1); /* the successor, which reads what may be changed later */
    assert_false(c->has_echo);
    assert_int_equal(c->hints[0].kind, STORE_MEMBER);
    settle_applied(f, &c);
    expect_echo_in(f, ECHO_MS, 1);
}

static void a_mark_that_a_former_process_left_becomes_an_echo(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    lose(&c);
    fixture_reopen(f);
    expect_counts(f, 2, 0, 0, 0);
    c = claim_on(f, 1, 1);
    settle_applied(f, &c);
    expect_echo_in(f, ECHO_MS, 1);
}

static void an_echo_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    fixture_reopen(f);
    expect_echo_in(f, ECHO_MS, 1);
}

static void a_write_over_a_set_mark_leaves_an_echo_for_the_former(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    write_begin(f, c); /* the former had no answer */
    write_end(f, c);
    settle_applied(f, &c);
    expect_counts(f, 1, 0, 1, 0);
    expect_echo_in(f, ECHO_MS, 1);
}

static void an_answer_after_the_lease_was_lost_clears_nothing(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_claim *old = claim_and_write(f, 1, 1);
    shift(f, LEASE_MS);
    struct store_claim *new = claim_on(f, 1, 1);
    write_begin(f, new);
    EXPECT_ERR(store_write_end(f->store, old, NULL, 0, &e), ERR_STALE);
    settle_applied(f, &new);
    lose(&old);
    expect_counts(f, 1, 0, 1, 0); /* both marks, one echo */
    expect_echo_in(f, ECHO_MS, 1);
}

/* ------------------------------------------------------------------ which and when */

static void two_echoes_merge_to_the_later_time(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    shift(f, 10 * MINUTE_MS);
    c = claim_and_write(f, 2, 1);
    settle_applied(f, &c);
    expect_counts(f, 1, 0, 2, 0);
    expect_echo_in(f, ECHO_MS, 1);
}

static void campaigns_have_echoes_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    c = claim_and_write(f, 2, 2);
    settle_applied(f, &c);
    expect_counts(f, 2, 0, 2, 0);
    shift(f, ECHO_MS);
    assert_int_equal(drain(f), 2);
}

static void an_echo_is_not_absorbed_before_it_is_due(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    shift(f, ECHO_MS / 2);
    put_member(f, 2, 1);
    c = claim_on(f, 1, 1);
    shift(f, MINUTE_MS);
    settle_whole(f, &c);
    expect_counts(f, 1, 0, 2, 0);
    expect_echo_in(f, ECHO_MS / 2 - MINUTE_MS, 1);
}

/* It was not due as the pass began to read, so the pass does not stand for it. */
static void an_echo_that_becomes_due_during_a_pass_is_not_absorbed(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    shift(f, ECHO_MS - MINUTE_MS);
    put_member(f, 2, 1);
    c = claim_on(f, 1, 1);
    shift(f, MINUTE_MS);
    settle_whole(f, &c);
    c = claim_echo(f, 1);
    settle_whole(f, &c);
}

static void a_due_echo_is_absorbed_by_a_whole_pass(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    shift(f, ECHO_MS);
    put_member(f, 2, 1);
    c = claim_on(f, 1, 2);
    assert_true(c->has_echo);
    settle_whole(f, &c);
    expect_counts(f, 0, 0, 3, 0);
}

static void an_echos_own_pass_that_times_out_leaves_another(void **state)
{
    static const enum store_verdict verdicts[] = {STORE_APPLIED, STORE_RETRY, STORE_FAIL};
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        shift(f, ECHO_MS);
        c = claim_echo(f, 1);
        write_begin(f, c);
        shift(f, MINUTE_MS);
        write_begin(f, c);
        settle_all(f, &c, (struct store_outcome){.verdict = verdicts[i], .due_at_ms = wall_ms(f)});
        expect_counts(f, 1, 0, 1, 0);
        expect_no_claim(f);
    }
    expect_echo_in(f, ECHO_MS, 1);
}

static void an_echos_own_pass_that_is_lost_leaves_another(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    shift(f, ECHO_MS);
    c = claim_echo(f, 1);
    write_begin(f, c);
    write_begin(f, c); /* marks the leased echo to run again */
    lose(&c);
    shift(f, LEASE_MS);
    expect_echo_in(f, ECHO_MS, 1);
}

/* ------------------------------------------------------------------ the wall clock */

static void an_echo_waits_its_time_though_the_wall_clock_leaps(void **state)
{
    static const int64_t leaps[] = {DAY_MS, -DAY_MS, 6 * MINUTE_MS, -6 * MINUTE_MS};
    struct fixture *f = *state;
    for (unsigned i = 0; i < sizeof leaps / sizeof leaps[0]; i++) {
        struct store_claim *c = claim_and_write(f, i + 1, 1);
        settle_applied(f, &c);
        store_shift_clock(f->store, leaps[i], 0);
        expect_echo_in(f, ECHO_MS, 1);
    }
}

static void an_echo_that_is_to_run_again_waits_its_time_as_well(void **state)
{
    static const int64_t leaps[] = {DAY_MS, -DAY_MS};
    struct fixture *f = *state;
    struct store_claim *c = claim_and_write(f, 1, 1);
    settle_applied(f, &c);
    for (unsigned i = 0; i < sizeof leaps / sizeof leaps[0]; i++) {
        shift(f, ECHO_MS + SECOND_MS);
        c = claim_echo(f, 1);
        write_begin(f, c);
        write_begin(f, c);
        write_end(f, c);
        store_shift_clock(f->store, leaps[i], 0);
        settle_applied(f, &c);
        expect_no_claim(f);
        shift(f, ECHO_MS - MINUTE_MS);
        expect_no_claim(f);
        shift(f, MINUTE_MS - ECHO_MS);
    }
    expect_echo_in(f, ECHO_MS, 1);
}

static void a_pass_during_which_the_wall_clock_leaps_absorbs_no_echo(void **state)
{
    static const int64_t leaps[] = {-DAY_MS, -6 * MINUTE_MS};
    struct fixture *f = *state;
    for (unsigned i = 0; i < sizeof leaps / sizeof leaps[0]; i++) {
        struct store_claim *c = claim_and_write(f, 2 * i + 1, 1);
        settle_applied(f, &c);
        put_member(f, 2 * i + 2, 1);
        c = claim_on(f, 1, 1);
        store_shift_clock(f->store, leaps[i], 0);
        settle_whole(f, &c);
        expect_echo_in(f, ECHO_MS, 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_bulk_job_is_known_until_it_ended_whoever_claims),
        TEST(an_answer_that_was_understood_leaves_no_echo),
        TEST(a_mark_still_set_at_the_release_becomes_an_echo),
        TEST(a_settle_without_release_keeps_the_mark),
        TEST(a_lease_that_runs_out_with_its_mark_set_leaves_an_echo),
        TEST(a_mark_that_a_former_process_left_becomes_an_echo),
        TEST(an_echo_survives_a_restart),
        TEST(a_write_over_a_set_mark_leaves_an_echo_for_the_former),
        TEST(an_answer_after_the_lease_was_lost_clears_nothing),
        TEST(two_echoes_merge_to_the_later_time),
        TEST(campaigns_have_echoes_of_their_own),
        TEST(an_echo_is_not_absorbed_before_it_is_due),
        TEST(an_echo_that_becomes_due_during_a_pass_is_not_absorbed),
        TEST(a_due_echo_is_absorbed_by_a_whole_pass),
        TEST(an_echos_own_pass_that_times_out_leaves_another),
        TEST(an_echos_own_pass_that_is_lost_leaves_another),
        TEST(an_echo_waits_its_time_though_the_wall_clock_leaps),
        TEST(an_echo_that_is_to_run_again_waits_its_time_as_well),
        TEST(a_pass_during_which_the_wall_clock_leaps_absorbs_no_echo),
    };
    return cmocka_run_group_tests_name("store write", tests, NULL, NULL);
}
