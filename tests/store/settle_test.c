/*
 * Settling: verdicts, whole-campaign passes with their watermark, hints that a pass makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store_fixture.h"

static bool settle(struct fixture *f, struct store_claim *c, const struct store_settle *x)
{
    struct error e = {0};
    bool more = true;
    EXPECT_OK(store_settle(f->store, c, x, &more, &e));
    return more;
}

/* ------------------------------------------------------------------ verdicts */

static void each_row_has_its_own_verdict(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 4, 1);
    struct store_claim *c = claim_on(f, 1, 4);
    const struct store_outcome outcomes[] = {
        {.row = c->hints[0].row, .verdict = STORE_APPLIED, .code = "held"},
        {.row = c->hints[1].row,
         .verdict = STORE_RETRY,
         .due_at_ms = wall_ms(f) + HOUR_MS,
         .code = "UNABLE_TO_LOCK_ROW",
         .message = "try again"},
        {.row = c->hints[2].row, .verdict = STORE_FAIL, .code = "X", .message = "no"}};
    const struct store_settle x = {.outcomes = outcomes, .count = 3, .release = true};
    assert_false(settle(f, c, &x));
    lose(&c);
    expect_counts(f, 2, 0, 1, 1); /* the one without a verdict is ready as well */
    c = claim_on(f, 1, 1);
    assert_string_equal(c->hints[0].record_id, member_id(4));
    settle_applied(f, &c);
}

static void of_very_many_rows_each_has_its_own_verdict(void **state)
{
    static struct store_outcome outcomes[STORE_SLICE_MAX];
    struct fixture *f = *state;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    for (size_t i = 0; i < c->count; i++) {
        static const enum store_verdict verdicts[] = {STORE_APPLIED, STORE_APPLIED, STORE_APPLIED,
                                                      STORE_RETRY, STORE_FAIL};
        outcomes[i] = (struct store_outcome){.row = c->hints[i].row,
                                             .verdict = verdicts[i % 5],
                                             .code = i % 5 == 0 ? "held" : NULL,
                                             .due_at_ms = wall_ms(f) + HOUR_MS};
    }
    resend_member(f, 2, 1); /* applied: runs again */
    resend_member(f, STORE_SLICE_MAX - 2, 1);
    const struct store_settle x = {.outcomes = outcomes, .count = c->count, .release = true};
    assert_false(settle(f, c, &x));
    lose(&c);
    expect_counts(f, STORE_SLICE_MAX / 5 + 2, 0, STORE_SLICE_MAX / 5 * 3 - 2, STORE_SLICE_MAX / 5);
    c = claim_on(f, 1, 2);
    settle_applied(f, &c);
}

static void settling_twice_changes_nothing(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 2, 1);
    struct store_claim *c = claim_on(f, 1, 2);
    struct store_outcome o = {.row = c->hints[0].row, .verdict = STORE_APPLIED};
    const struct store_settle x = {.outcomes = &o, .count = 1};
    assert_false(settle(f, c, &x));
    expect_counts(f, 0, 1, 1, 0);
    o.verdict = STORE_FAIL;
    assert_false(settle(f, c, &x));
    expect_counts(f, 0, 1, 1, 0);
    settle_applied(f, &c);
    expect_counts(f, 0, 0, 2, 0);
}

static void rows_of_another_campaign_are_out_of_reach(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    put_member(f, 2, 2);
    struct store_claim *mine = claim_on(f, 1, 1), *others = claim_on(f, 2, 1);
    const struct store_outcome o = {.row = others->hints[0].row, .verdict = STORE_FAIL};
    const struct store_settle x = {.outcomes = &o, .count = 1};
    assert_false(settle(f, mine, &x));
    expect_counts(f, 0, 2, 0, 0);
    settle_applied(f, &mine);
    settle_applied(f, &others);
}

static void without_release_the_lease_goes_on(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 2, 1);
    struct store_claim *c = claim_on(f, 1, 2);
    const struct store_outcome o = {.row = c->hints[0].row, .verdict = STORE_APPLIED};
    const struct store_settle x = {.outcomes = &o, .count = 1};
    assert_false(settle(f, c, &x));
    put_member(f, 3, 1);
    expect_no_claim(f);
    settle_applied(f, &c);
    c = claim_on(f, 1, 1);
    settle_applied(f, &c);
}

static void texts_that_are_too_long_are_cut(void **state)
{
    struct fixture *f = *state;
    char text[2 * STORE_MESSAGE_SIZE];
    put_member(f, 1, 1);
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 3); /* two bytes a character */
    struct store_claim *c = claim_on(f, 1, 1);
    const struct store_new_hint h = {.kind = STORE_MEMBER,
                                     .campaign_id = campaign_id(1),
                                     .record_id = member_id(2),
                                     .subject_id = "",
                                     .code = text,
                                     .message = text};
    add_hints(f, c, &h, 1);
    settle_all(f, &c,
               (struct store_outcome){.verdict = STORE_FAIL, .code = text + 2, .message = text});
    expect_counts(f, 1, 0, 0, 1);
}

/* ------------------------------------------------------------------ the whole campaign */

static void a_whole_pass_settles_what_was_due_in_slices(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 3; i++)
        put_members(f, 1 + i * STORE_SLICE_MAX, STORE_SLICE_MAX, 1);
    put_members(f, 50000, 7, 2);
    shift(f, SECOND_MS);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    unsigned calls = settle_whole(f, &c);
    assert_in_range(calls, 3, 4);
    expect_counts(f, 7, 0, 3 * STORE_SLICE_MAX, 0);
}

static void a_whole_pass_keeps_the_verdicts_that_it_was_told(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 5, 1);
    struct store_claim *c = claim_on(f, 1, 5);
    const struct store_outcome outcomes[] = {
        {.row = c->hints[0].row, .verdict = STORE_RETRY, .due_at_ms = wall_ms(f)},
        {.row = c->hints[1].row, .verdict = STORE_FAIL}};
    const struct store_settle x = {
        .outcomes = outcomes, .count = 2, .whole = true, .release = true};
    assert_false(settle(f, c, &x));
    lose(&c);
    expect_counts(f, 1, 0, 3, 1);
    c = claim_on(f, 1, 1);
    assert_string_equal(c->hints[0].record_id, member_id(1));
    settle_applied(f, &c);
}

/* protocol rule 6: its change may be younger than the read. */
static void what_came_during_a_whole_pass_stays_ready(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    put_member(f, 2, 1);
    settle_whole(f, &c);
    expect_counts(f, 1, 0, 1, 0);
    c = claim_on(f, 1, 1);
    assert_string_equal(c->hints[0].record_id, member_id(2));
    settle_applied(f, &c);
}

/* Beyond the slice, so not leased: it stays READY, and a resend must lift it over the watermark. */
static void a_ready_row_resent_during_a_whole_pass_stays_ready(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    shift(f, SECOND_MS);
    put_members(f, 5000, 2, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    expect_counts(f, 2, STORE_SLICE_MAX, 0, 0);
    resend_member(f, 5001, 1);
    settle_whole(f, &c);
    expect_counts(f, 1, 0, STORE_SLICE_MAX + 1, 0);
    c = claim_on(f, 1, 1);
    assert_string_equal(c->hints[0].record_id, member_id(5001));
    settle_applied(f, &c);
}

/* It says who is gone, and names the helper record that is to go: a pass that did not see it can't
 * stand for it. */
static void deletions_that_a_whole_pass_did_not_claim_stay_ready(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    shift(f, SECOND_MS);
    struct store_item gone[2] = {member_item(5000, 1), member_item(5001, 1)};
    gone[0].kind = STORE_DELETION;
    gone[1].kind = STORE_CAMPAIGN_GONE;
    struct put_result put = put_items(f, f->org, gone, 2);
    assert_int_equal(put.stored, 2);
    put_member(f, 5002, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    settle_whole(f, &c);
    expect_counts(f, 2, 0, STORE_SLICE_MAX + 1, 0);
    c = claim_on(f, 1, 2);
    settle_applied(f, &c);
    expect_counts(f, 0, 0, STORE_SLICE_MAX + 3, 0);
}

static void a_leased_row_resent_during_a_whole_pass_runs_again(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 2, 1);
    struct store_claim *c = claim_on(f, 1, 2);
    resend_member(f, 2, 1);
    settle_whole(f, &c);
    expect_counts(f, 1, 0, 1, 0);
    c = claim_on(f, 1, 1);
    assert_string_equal(c->hints[0].record_id, member_id(2));
    assert_int_equal(c->hints[0].tries, 1);
    settle_applied(f, &c);
}

static void what_is_not_due_is_not_settled_by_a_whole_pass(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_retry(f, &c, HOUR_MS);
    put_member(f, 2, 1);
    c = claim_on(f, 1, 1);
    settle_whole(f, &c);
    expect_counts(f, 1, 0, 1, 0);
}

static void between_its_slices_a_whole_pass_keeps_the_lease(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    shift(f, SECOND_MS);
    put_members(f, 5000, STORE_SLICE_MAX, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    const struct store_settle x = {.whole = true, .release = true};
    shift(f, LEASE_MS * 2 / 3);
    assert_true(settle(f, c, &x));
    shift(f, LEASE_MS * 2 / 3);
    expect_no_claim(f);
    while (settle(f, c, &x))
        expect_no_claim(f);
    lose(&c);
    expect_counts(f, 0, 0, 2 * STORE_SLICE_MAX, 0);
}

/* ------------------------------------------------------------------ hints */

static struct store_new_hint member_hint(unsigned member, unsigned campaign)
{
    return (struct store_new_hint){
        .kind = STORE_MEMBER,
        .campaign_id = campaign == 0 ? "" : campaign_id(campaign),
        .record_id = member_id(member),
        .subject_id = "",
    };
}

/* A claim under which hints can be made; the rest of the queue is empty. */
static struct store_claim *maker(struct fixture *f)
{
    static unsigned member = 90000;
    put_member(f, member++, 99);
    return claim_on(f, 99, 1);
}

static void a_hint_is_claimed_under_its_campaign(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = maker(f);
    struct store_new_hint h[2] = {member_hint(1, 1), member_hint(2, 0)};
    h[0].received_at_ms = wall_ms(f) - HOUR_MS;
    h[0].subject_id = member_id(5);
    add_hints(f, c, h, 2);
    settle_applied(f, &c);
    expect_counts(f, 2, 0, 1, 0);
    for (int i = 0; i < 2; i++) {
        c = claim_some(f);
        bool with_campaign = strcmp(c->key, campaign_id(1)) == 0;
        assert_int_equal(c->count, 1);
        assert_string_equal(c->hints[0].notification_id, "");
        assert_string_equal(c->hints[0].campaign_id, with_campaign ? campaign_id(1) : "");
        assert_string_equal(c->hints[0].record_id, member_id(with_campaign ? 1 : 2));
        if (with_campaign) {
            assert_string_equal(c->hints[0].subject_id, member_id(5));
            assert_int_equal(c->hints[0].received_at_ms, h[0].received_at_ms);
        }
        settle_applied(f, &c);
    }
}

static void equal_hints_are_one(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = maker(f);
    struct store_new_hint h[5] = {member_hint(1, 1), member_hint(1, 1), member_hint(1, 2),
                                  member_hint(1, 1), member_hint(1, 1)};
    h[3].kind = STORE_DELETION;
    h[4].received_at_ms = wall_ms(f) - DAY_MS; /* the oldest cause counts */
    add_hints(f, c, h, 5);
    add_hints(f, c, h, 5);
    settle_applied(f, &c);
    expect_counts(f, 3, 0, 1, 0);
    c = claim_on(f, 1, 2);
    assert_int_equal(c->hints[0].received_at_ms, h[4].received_at_ms);
    settle_applied(f, &c);
    c = claim_on(f, 2, 1);
    settle_applied(f, &c);
    c = maker(f); /* known as done: again */
    add_hints(f, c, h, 1);
    settle_applied(f, &c);
    c = claim_on(f, 1, 1);
    settle_failed(f, &c);
}

static void hints_without_a_record_differ_by_their_subject(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = maker(f);
    struct store_new_hint h[3] = {member_hint(1, 1), member_hint(1, 1), member_hint(1, 1)};
    for (size_t i = 0; i < 3; i++) {
        h[i].kind = STORE_DELETION;
        h[i].record_id = "";
        h[i].subject_id = member_id(i == 2 ? 1 : (unsigned)i + 1);
    }
    add_hints(f, c, h, 3);
    settle_applied(f, &c);
    c = claim_on(f, 1, 2);
    settle_applied(f, &c);
}

static void of_two_due_times_the_earlier_counts(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = maker(f);
    struct store_new_hint h[2] = {member_hint(1, 1), member_hint(2, 2)};
    for (int i = 0; i <= 1; i++) { /* hint 1: the earlier first; hint 2: the later first */
        h[i].due_at_ms = wall_ms(f) + HOUR_MS;
        h[!i].due_at_ms = wall_ms(f) + 3 * HOUR_MS;
        add_hints(f, c, h, 2);
    }
    settle_applied(f, &c);
    shift(f, HOUR_MS / 2);
    expect_no_claim(f);
    shift(f, HOUR_MS);
    assert_int_equal(drain(f), 2);
}

static void a_hint_for_a_leased_one_makes_it_run_again(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c = maker(f);
    struct store_new_hint h = member_hint(1, 1);
    add_hints(f, c, &h, 1);
    struct store_claim *leased = claim_on(f, 1, 1);
    h.due_at_ms = wall_ms(f) + 2 * HOUR_MS;
    add_hints(f, c, &h, 1);
    h.due_at_ms = wall_ms(f) + HOUR_MS;
    add_hints(f, c, &h, 1);
    settle_applied(f, &c);
    settle_applied(f, &leased);
    expect_counts(f, 1, 0, 1, 0);
    expect_no_claim(f);
    shift(f, HOUR_MS);
    c = claim_on(f, 1, 1);
    settle_applied(f, &c);
}

/* A hint may be for the very campaign whose pass makes it: rows that failed (protocol rule 15). */
static void a_hint_made_by_a_whole_pass_is_not_settled_by_it(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    const struct store_new_hint h = member_hint(2, 1);
    const struct store_settle x = {.hints = &h, .hint_count = 1, .whole = true, .release = true};
    assert_false(settle(f, c, &x));
    lose(&c);
    expect_counts(f, 1, 0, 1, 0);
    c = claim_on(f, 1, 1);
    assert_string_equal(c->hints[0].record_id, member_id(2));
    settle_applied(f, &c);
}

static void a_slice_of_hints_fits_into_one_settle(void **state)
{
    struct fixture *f = *state;
    static struct store_new_hint h[STORE_SLICE_MAX];
    static char ids[STORE_SLICE_MAX][SFID_SIZE];
    char campaign[SFID_SIZE];
    struct store_claim *c = maker(f);
    memcpy(campaign, campaign_id(1), SFID_SIZE);
    for (unsigned i = 0; i < STORE_SLICE_MAX; i++) {
        memcpy(ids[i], member_id(i), SFID_SIZE);
        h[i] = member_hint(1, 1);
        h[i].campaign_id = campaign;
        h[i].record_id = ids[i];
    }
    add_hints(f, c, h, STORE_SLICE_MAX);
    settle_applied(f, &c);
    assert_int_equal(drain(f), STORE_SLICE_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_row_has_its_own_verdict),
        TEST(of_very_many_rows_each_has_its_own_verdict),
        TEST(settling_twice_changes_nothing),
        TEST(rows_of_another_campaign_are_out_of_reach),
        TEST(without_release_the_lease_goes_on),
        TEST(texts_that_are_too_long_are_cut),
        TEST(a_whole_pass_settles_what_was_due_in_slices),
        TEST(a_whole_pass_keeps_the_verdicts_that_it_was_told),
        TEST(what_came_during_a_whole_pass_stays_ready),
        TEST(a_ready_row_resent_during_a_whole_pass_stays_ready),
        TEST(deletions_that_a_whole_pass_did_not_claim_stay_ready),
        TEST(a_leased_row_resent_during_a_whole_pass_runs_again),
        TEST(what_is_not_due_is_not_settled_by_a_whole_pass),
        TEST(between_its_slices_a_whole_pass_keeps_the_lease),
        TEST(a_hint_is_claimed_under_its_campaign),
        TEST(equal_hints_are_one),
        TEST(hints_without_a_record_differ_by_their_subject),
        TEST(of_two_due_times_the_earlier_counts),
        TEST(a_hint_for_a_leased_one_makes_it_run_again),
        TEST(a_hint_made_by_a_whole_pass_is_not_settled_by_it),
        TEST(a_slice_of_hints_fits_into_one_settle),
    };
    return cmocka_run_group_tests_name("store settle", tests, NULL, NULL);
}
