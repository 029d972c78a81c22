/*
 * What is kept beside the queue: fingerprints, holds of the delete guard, cursors; and looking on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store_fixture.h"
#include "timeutil.h"

/* ------------------------------------------------------------------ fingerprints */

static void expect_fingerprint(struct fixture *f, const char *org, unsigned campaign,
                               const char *want)
{
    struct error e = {0};
    char got[STORE_FINGERPRINT_SIZE] = "untouched";
    EXPECT_OK(store_fingerprint(f->store, org, campaign_id(campaign), got, &e));
    assert_string_equal(got, want);
}

static void pass_with(struct fixture *f, unsigned campaign, const char *fingerprint)
{
    struct error e = {0};
    bool more;
    static unsigned member = 1;
    put_member(f, member++, campaign);
    struct store_claim *c = claim_on(f, campaign, 1);
    const struct store_settle x = {.whole = true, .release = true, .fingerprint = fingerprint};
    EXPECT_OK(store_settle(f->store, c, &x, &more, &e));
    store_claim_free(&c);
}

static void the_last_whole_pass_is_remembered(void **state)
{
    struct fixture *f = *state;
    static const char longest[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    expect_fingerprint(f, f->org, 1, "");
    pass_with(f, 1, "first");
    expect_fingerprint(f, f->org, 1, "first");
    pass_with(f, 1, longest);
    pass_with(f, 1, NULL); /* did not end well: the former one still counts */
    pass_with(f, 2, "other");
    expect_fingerprint(f, f->org, 1, longest);
    expect_fingerprint(f, f->org, 2, "other");
    expect_fingerprint(f, org_id(2), 1, "");
    fixture_reopen(f);
    expect_fingerprint(f, f->org, 1, longest);
}

static void only_the_last_slice_ends_a_pass(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    bool more;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    shift(f, SECOND_MS);
    put_members(f, 5000, 5, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    const struct store_settle x = {.whole = true, .release = true, .fingerprint = "well"};
    EXPECT_OK(store_settle(f->store, c, &x, &more, &e));
    assert_true(more);
    expect_fingerprint(f, f->org, 1, "");
    EXPECT_OK(store_settle(f->store, c, &x, &more, &e));
    assert_false(more);
    expect_fingerprint(f, f->org, 1, "well");
    store_claim_free(&c);
}

/* ------------------------------------------------------------------ holds */

static bool get_hold(struct fixture *f, unsigned campaign, struct store_hold *out)
{
    struct error e = {0};
    bool found;
    EXPECT_OK(store_hold_get(f->store, f->org, campaign_id(campaign), out, &found, &e));
    return found;
}

static struct store_claim *claim_to_hold(struct fixture *f, unsigned member, unsigned campaign)
{
    put_member(f, member, campaign);
    return claim_on(f, campaign, 1);
}

static void a_hold_is_put_refreshed_and_ended(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_hold h, again;
    struct store_claim *c = claim_to_hold(f, 1, 1);
    int64_t now = wall_ms(f);
    assert_false(get_hold(f, 1, &h));
    EXPECT_OK(store_hold_put(f->store, c, 300, 1000, &e));
    assert_true(get_hold(f, 1, &h));
    assert_true(h.id > 0);
    assert_string_equal(h.org, f->org);
    assert_string_equal(h.campaign_id, campaign_id(1));
    assert_int_equal(h.would_delete, 300);
    assert_int_equal(h.existing, 1000);
    assert_in_range(h.at_ms, now, now + MINUTE_MS);
    assert_false(h.approved);
    EXPECT_OK(store_hold_put(f->store, c, 301, 1001, &e));
    assert_true(get_hold(f, 1, &again));
    assert_int_equal(again.id, h.id);
    assert_int_equal(again.would_delete, 301);
    assert_int_equal(again.existing, 1001);
    EXPECT_OK(store_hold_end(f->store, c, &e));
    assert_false(get_hold(f, 1, &h));
    EXPECT_OK(store_hold_end(f->store, c, &e)); /* there is none: nothing to do */
    EXPECT_OK(store_hold_put(f->store, c, 300, 1000, &e));
    assert_true(get_hold(f, 1, &h));
    assert_true(h.id > again.id); /* people name it: never used twice */
    settle_applied(f, &c);
}

static void open_holds_are_listed_by_age(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_hold list[4];
    size_t count = 99;
    EXPECT_OK(store_hold_list(f->store, list, 4, &count, &e));
    assert_int_equal(count, 0);
    for (unsigned i = 1; i <= 3; i++) {
        struct store_claim *c = claim_to_hold(f, i, 4 - i);
        EXPECT_OK(store_hold_put(f->store, c, i, 100, &e));
        settle_applied(f, &c);
    }
    EXPECT_OK(store_hold_list(f->store, list, 4, &count, &e));
    assert_int_equal(count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_string_equal(list[i].campaign_id, campaign_id(3 - i));
    EXPECT_OK(store_hold_list(f->store, list, 2, &count, &e));
    assert_int_equal(count, 2);
    fixture_reopen(f);
    EXPECT_OK(store_hold_list(f->store, list, 4, &count, &e));
    assert_int_equal(count, 3);
}

static void approving_queues_a_pass(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_hold h;
    struct store_claim *c = claim_to_hold(f, 1, 1);
    EXPECT_OK(store_hold_put(f->store, c, 300, 1000, &e));
    settle_applied(f, &c);
    expect_no_claim(f);
    assert_true(get_hold(f, 1, &h));
    EXPECT_OK(store_hold_approve(f->store, h.id, &e));
    assert_true(get_hold(f, 1, &h) && h.approved);
    c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].kind, STORE_CAMPAIGN);
    assert_string_equal(c->hints[0].record_id, campaign_id(1));
    /* during the pass: runs again */
    EXPECT_OK(store_hold_approve(f->store, h.id, &e));
    settle_whole(f, &c);
    c = claim_on(f, 1, 1);
    settle_whole(f, &c);
    expect_no_claim(f);
}

static void an_approval_covers_no_more_than_it_was_given_for(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_hold h;
    struct store_claim *c = claim_to_hold(f, 1, 1);
    EXPECT_OK(store_hold_put(f->store, c, 300, 1000, &e));
    assert_true(get_hold(f, 1, &h));
    EXPECT_OK(store_hold_approve(f->store, h.id, &e));
    EXPECT_OK(store_hold_put(f->store, c, 299, 1000, &e));
    assert_true(get_hold(f, 1, &h) && h.approved);
    EXPECT_OK(store_hold_put(f->store, c, 300, 1000, &e));
    assert_true(get_hold(f, 1, &h) && !h.approved);
    settle_applied(f, &c);
}

static void a_hold_that_does_not_exist_cannot_be_approved(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_hold h;
    EXPECT_ERR(store_hold_approve(f->store, 1, &e), ERR_NOT_FOUND);
    struct store_claim *c = claim_to_hold(f, 1, 1);
    EXPECT_OK(store_hold_put(f->store, c, 300, 1000, &e));
    assert_true(get_hold(f, 1, &h));
    EXPECT_OK(store_hold_end(f->store, c, &e));
    settle_applied(f, &c);
    EXPECT_ERR(store_hold_approve(f->store, h.id, &e), ERR_NOT_FOUND);
    expect_no_claim(f);
}

/* ------------------------------------------------------------------ cursors */

static void expect_cursor(struct fixture *f, const char *org, const char *name, const char *want)
{
    struct error e = {0};
    char got[64] = "untouched";
    EXPECT_OK(store_cursor_get(f->store, org, name, got, sizeof got, &e));
    assert_string_equal(got, want);
}

static void cursors_are_kept_by_org_and_name(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    expect_cursor(f, f->org, "deleted.Campaign", "");
    EXPECT_OK(store_cursor_set(f->store, f->org, "deleted.Campaign", "a", &e));
    EXPECT_OK(store_cursor_set(f->store, f->org, "deleted.Campaign", "b", &e));
    EXPECT_OK(store_cursor_set(f->store, f->org, "other", "c", &e));
    EXPECT_OK(store_cursor_set(f->store, org_id(2), "other", "d", &e));
    fixture_reopen(f);
    expect_cursor(f, f->org, "deleted.Campaign", "b");
    expect_cursor(f, f->org, "other", "c");
    expect_cursor(f, org_id(2), "other", "d");
    expect_cursor(f, org_id(3), "other", "");
    EXPECT_OK(store_cursor_set(f->store, f->org, "other", "", &e));
    expect_cursor(f, f->org, "other", "");
}

static void a_cursor_that_is_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    char text[1100], small[8] = "keep";
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    EXPECT_ERR(store_cursor_set(f->store, f->org, "c", text, &e), ERR_INVALID);
    text[1024] = '\0';
    EXPECT_OK(store_cursor_set(f->store, f->org, "c", text, &e));
    EXPECT_ERR(store_cursor_get(f->store, f->org, "c", small, sizeof small, &e), ERR_INTERNAL);
    assert_string_equal(small, "keep"); /* untouched on failure */
}

/* ------------------------------------------------------------------ stats */

static void stats_count_each_state_by_org(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_org_stats stats[4];
    size_t count = 99;
    EXPECT_OK(store_stats(f->store, stats, 4, &count, &e));
    assert_int_equal(count, 0);
    put_members(f, 1, 4, 1);
    put_members(f, 11, 3, 2);
    put_members(f, 21, 2, 3);
    put_member(f, 31, 4);
    const struct store_item item = member_item(1, 1);
    assert_int_equal(put_items(f, org_id(2), &item, 1).stored, 1);
    struct store_claim *c = claim_on(f, 1, 4);
    settle_applied(f, &c);
    c = claim_on(f, 2, 3);
    settle_failed(f, &c);
    c = claim_on(f, 3, 2);
    expect_counts(f, 1, 2, 4, 3);
    EXPECT_OK(store_stats(f->store, stats, 4, &count, &e));
    assert_int_equal(count, 2);
    assert_int_equal(stats_of(f, org_id(2)).ready, 1);
    EXPECT_OK(store_stats(f->store, stats, 1, &count, &e));
    assert_int_equal(count, 1);
    settle_applied(f, &c);
}

static void the_oldest_that_is_not_done_is_known(void **state)
{
    struct fixture *f = *state;
    assert_true(stats_of(f, f->org).oldest_due_received_at_ms == TIME_NONE);
    int64_t first = wall_ms(f);
    put_member(f, 1, 1);
    shift(f, HOUR_MS);
    put_member(f, 2, 2);
    assert_in_range(stats_of(f, f->org).oldest_due_received_at_ms, first, first + MINUTE_MS);
    struct store_claim *c = claim_on(f, 1, 1);
    assert_in_range(stats_of(f, f->org).oldest_due_received_at_ms, first, first + MINUTE_MS);
    settle_retry(f, &c, HOUR_MS); /* no longer due */
    assert_in_range(stats_of(f, f->org).oldest_due_received_at_ms, first + HOUR_MS,
                    first + HOUR_MS + MINUTE_MS);
    assert_int_equal(drain(f), 1);
    assert_true(stats_of(f, f->org).oldest_due_received_at_ms == TIME_NONE);
    shift(f, HOUR_MS);
    assert_in_range(stats_of(f, f->org).oldest_due_received_at_ms, first, first + MINUTE_MS);
}

static void looking_on_does_not_wait_for_the_writer(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_hold h;
    struct pending gate;
    put_member(f, 1, 1);
    gate_shut(f, &gate);
    expect_counts(f, 1, 0, 0, 0);
    expect_cursor(f, f->org, "c", "");
    expect_fingerprint(f, f->org, 1, "");
    assert_false(get_hold(f, 1, &h));
    EXPECT_OK(store_probe(f->store, &e));
    gate_open(&gate);
}

static void names_are_those_that_people_see(void **state)
{
    (void)state;
    assert_string_equal(store_kind_name(STORE_CAMPAIGN_GONE), "campaign_gone");
    assert_string_equal(store_kind_name(STORE_IGNORED), "ignored");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_last_whole_pass_is_remembered),
        TEST(only_the_last_slice_ends_a_pass),
        TEST(a_hold_is_put_refreshed_and_ended),
        TEST(open_holds_are_listed_by_age),
        TEST(approving_queues_a_pass),
        TEST(an_approval_covers_no_more_than_it_was_given_for),
        TEST(a_hold_that_does_not_exist_cannot_be_approved),
        TEST(cursors_are_kept_by_org_and_name),
        TEST(a_cursor_that_is_too_long_is_refused),
        TEST(stats_count_each_state_by_org),
        TEST(the_oldest_that_is_not_done_is_known),
        TEST(looking_on_does_not_wait_for_the_writer),
        TEST(names_are_those_that_people_see),
    };
    return cmocka_run_group_tests_name("store guard", tests, NULL, NULL);
}
