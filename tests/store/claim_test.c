/*
 * Claiming: which campaign, which of its hints, in what order, and who may not.
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

static void a_claim_tells_all_about_its_hints(void **state)
{
    struct fixture *f = *state;
    struct store_item item = member_item(7, 3);
    item.kind = STORE_DELETION;
    memcpy(item.subject_id, member_id(8), SFID_SIZE);
    int64_t before = wall_ms(f), boot = store_boot_ms(f->store);
    assert_int_equal(put_items(f, f->org, &item, 1).stored, 1);
    struct store_claim *c = claim_on(f, 3, 1);
    const struct store_hint *h = &c->hints[0];
    assert_string_equal(c->org, f->org);
    assert_true(c->fence > 0 && c->watermark > 0);
    assert_in_range(c->deadline_boot_ms, boot + LEASE_MS, boot + LEASE_MS + MINUTE_MS);
    assert_false(c->has_echo || c->more);
    assert_int_equal(h->kind, STORE_DELETION);
    assert_string_equal(h->notification_id, item.notification_id);
    assert_string_equal(h->record_id, member_id(7));
    assert_string_equal(h->subject_id, member_id(8));
    assert_string_equal(h->campaign_id, campaign_id(3));
    assert_int_equal(h->tries, 1);
    assert_in_range(h->received_at_ms, before, before + MINUTE_MS);
    settle_applied(f, &c);
}

static void the_hints_of_a_campaign_come_together_oldest_first(void **state)
{
    struct fixture *f = *state;
    static const unsigned order[] = {5, 2, 9, 1};
    for (size_t i = 0; i < 4; i++) {
        put_member(f, order[i], 1);
        put_member(f, 100 + order[i], 2);
        shift(f, SECOND_MS);
    }
    struct store_claim *c = claim_on(f, 1, 4);
    for (size_t i = 0; i < 4; i++)
        expect_record(c, i, order[i]);
    expect_counts(f, 4, 4, 0, 0);
    settle_applied(f, &c);
}

static void hints_of_one_request_keep_their_order(void **state)
{
    struct fixture *f = *state;
    put_members(f, 50, 5, 1);
    put_members(f, 10, 5, 1);
    struct store_claim *c = claim_on(f, 1, 10);
    for (unsigned i = 0; i < 5; i++) {
        expect_record(c, i, 50 + i);
        expect_record(c, 5 + i, 10 + i);
    }
    settle_applied(f, &c);
}

static void the_campaign_with_the_oldest_due_hint_comes_first(void **state)
{
    struct fixture *f = *state;
    static const unsigned order[] = {3, 1, 2};
    for (size_t i = 0; i < 3; i++) {
        put_member(f, 10 + order[i], order[i]);
        shift(f, SECOND_MS);
    }
    put_member(f, 20, 2);
    for (size_t i = 0; i < 3; i++) {
        struct store_claim *c = claim_on(f, order[i], order[i] == 2 ? 2 : 1);
        lose(&c); /* keeps the lease */
    }
    expect_no_claim(f);
}

static void a_retry_is_as_old_as_its_due_time(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_retry(f, &c, 10 * SECOND_MS);
    shift(f, 5 * SECOND_MS);
    put_member(f, 2, 2);
    shift(f, 10 * SECOND_MS);
    put_member(f, 3, 3);
    static const unsigned order[] = {2, 1, 3};
    for (size_t i = 0; i < 3; i++) {
        c = claim_on(f, order[i], 1);
        settle_applied(f, &c);
    }
}

static void a_leased_campaign_is_nobody_elses(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *first = claim_on(f, 1, 1);
    put_member(f, 2, 1); /* the oldest due hint by now, yet leased */
    expect_no_claim(f);
    put_member(f, 3, 2);
    struct store_claim *second = claim_on(f, 2, 1);
    assert_true(second->fence > first->fence);
    expect_no_claim(f);
    settle_applied(f, &first);
    first = claim_on(f, 1, 1);
    expect_record(first, 0, 2);
    settle_applied(f, &first);
    settle_applied(f, &second);
}

static void two_orgs_may_have_a_campaign_of_the_same_id(void **state)
{
    struct fixture *f = *state;
    const struct store_item item = member_item(1, 1);
    put_member(f, 1, 1);
    assert_int_equal(put_items(f, org_id(2), &item, 1).stored, 1);
    struct store_claim *a = claim_on(f, 1, 1), *b = claim_on(f, 1, 1);
    assert_string_not_equal(a->org, b->org);
    settle_applied(f, &a);
    settle_applied(f, &b);
}

static struct store_claim *claim_but(struct fixture *f, char (*orgs)[SFID_SIZE], size_t n)
{
    struct error e = {0};
    struct store_claim *c = NULL;
    const struct store_claim_options o = {.skip_orgs = (const char(*)[SFID_SIZE])orgs,
                                          .skip_count = n};
    EXPECT_OK(store_claim(f->store, &o, &c, &e));
    return c;
}

static void orgs_to_skip_are_passed_over(void **state)
{
    struct fixture *f = *state;
    char skip[2][SFID_SIZE];
    memcpy(skip[0], org_id(1), SFID_SIZE);
    memcpy(skip[1], org_id(3), SFID_SIZE);
    for (unsigned org = 1; org <= 3; org++) {
        const struct store_item item = member_item(org, org);
        assert_int_equal(put_items(f, org_id(org), &item, 1).stored, 1);
        shift(f, SECOND_MS);
    }
    struct store_claim *c = claim_but(f, skip, 2);
    assert_non_null(c);
    assert_string_equal(c->org, org_id(2));
    settle_applied(f, &c);
    assert_null(claim_but(f, skip, 2));
    c = claim_but(f, skip, 1);
    assert_string_equal(c->org, org_id(3));
    settle_applied(f, &c);
    c = claim_but(f, skip, 0);
    assert_string_equal(c->org, org_id(1));
    settle_applied(f, &c);
}

static void campaigns_at_rest_and_other_orgs_are_passed_over(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_key rest = {0};
    struct store_claim *c = NULL;
    struct store_claim_options o = {.only_org = org_id(1), .skip_keys = &rest, .skip_key_count = 1};
    memcpy(rest.org, org_id(1), SFID_SIZE);
    memcpy(rest.key, campaign_id(1), SFID_SIZE);
    for (unsigned org = 1; org <= 2; org++) {
        const struct store_item item = member_item(org, 1);
        assert_int_equal(put_items(f, org_id(org), &item, 1).stored, 1);
    }
    EXPECT_OK(store_claim(f->store, &o, &c, &e));
    assert_null(c);
    o.only_org = NULL; /* the other org's campaign of the same id does not rest */
    EXPECT_OK(store_claim(f->store, &o, &c, &e));
    assert_non_null(c);
    assert_string_equal(c->org, org_id(2));
    settle_applied(f, &c);
    o = (struct store_claim_options){.only_org = org_id(1)};
    EXPECT_OK(store_claim(f->store, &o, &c, &e));
    assert_non_null(c);
    settle_applied(f, &c);
}

/* A process that dies with many claims in hand must not turn them into poison. */
static void gathered_claims_that_are_lost_do_not_count_against_their_hints(void **state)
{
    struct fixture *f = *state;
    const struct store_claim_options o = {.gathered = true};
    put_member(f, 1, 1);
    put_member(f, 2, 1);
    for (int i = 0; i < 2 * STORE_ALONE_AFTER + 1; i++) {
        struct error e = {0};
        struct store_claim *c = NULL;
        EXPECT_OK(store_claim(f->store, &o, &c, &e));
        assert_non_null(c);
        assert_int_equal(c->count, 2);
        assert_int_equal(c->hints[0].tries, i + 1);
        lose(&c);
        shift(f, LEASE_MS + SECOND_MS);
    }
    struct store_claim *c = claim_on(f, 1, 2);
    settle_applied(f, &c);
}

static void hints_without_a_campaign_have_a_key_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    bool more;
    struct store_item items[2] = {member_item(1, 0), member_item(2, 0)};
    items[1].kind = STORE_GAP;
    memset(items[1].record_id, 0, SFID_SIZE);
    assert_int_equal(put_items(f, f->org, items, 2).stored, 2);
    struct store_claim *c = claim_on(f, 0, 2);
    assert_string_equal(c->hints[0].campaign_id, "");
    assert_string_equal(c->hints[1].record_id, "");
    assert_int_equal(c->hints[1].kind, STORE_GAP);
    /* they write nothing to the org, and no pass stands for them (protocol rule 7) */
    const struct store_settle whole = {.whole = true, .release = true};
    EXPECT_ERR(store_write_begin(f->store, c, &e), ERR_INVALID);
    EXPECT_ERR(store_settle(f->store, c, &whole, &more, &e), ERR_INVALID);
    settle_applied(f, &c);
    expect_counts(f, 0, 0, 2, 0);
}

static void a_claim_is_bounded_and_says_that_more_is_due(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    shift(f, SECOND_MS);
    put_members(f, STORE_SLICE_MAX + 1, 5, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    assert_true(c->more);
    expect_record(c, 0, 1);
    expect_record(c, STORE_SLICE_MAX - 1, STORE_SLICE_MAX);
    expect_no_claim(f);
    settle_applied(f, &c);
    c = claim_on(f, 1, 5);
    assert_false(c->more);
    settle_applied(f, &c);
}

static void exactly_a_slice_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, STORE_SLICE_MAX, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    assert_false(c->more);
    settle_applied(f, &c);
}

static void a_hint_is_not_claimed_before_it_is_due(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 2, 1);
    struct store_claim *c = claim_on(f, 1, 2);
    const struct store_outcome outcomes[] = {
        {.row = c->hints[0].row, .verdict = STORE_RETRY, .due_at_ms = wall_ms(f) + MINUTE_MS},
        {.row = c->hints[1].row, .verdict = STORE_RETRY, .due_at_ms = wall_ms(f) + HOUR_MS}};
    const struct store_settle x = {.outcomes = outcomes, .count = 2, .release = true};
    struct error e = {0};
    bool more;
    EXPECT_OK(store_settle(f->store, c, &x, &more, &e));
    lose(&c);
    expect_no_claim(f);
    shift(f, MINUTE_MS);
    c = claim_on(f, 1, 1);
    assert_false(c->more); /* the other one is not due */
    settle_applied(f, &c);
    expect_no_claim(f);
    shift(f, HOUR_MS);
    c = claim_on(f, 1, 1);
    settle_applied(f, &c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_claim_tells_all_about_its_hints),
        TEST(the_hints_of_a_campaign_come_together_oldest_first),
        TEST(hints_of_one_request_keep_their_order),
        TEST(the_campaign_with_the_oldest_due_hint_comes_first),
        TEST(a_retry_is_as_old_as_its_due_time),
        TEST(a_leased_campaign_is_nobody_elses),
        TEST(two_orgs_may_have_a_campaign_of_the_same_id),
        TEST(orgs_to_skip_are_passed_over),
        TEST(campaigns_at_rest_and_other_orgs_are_passed_over),
        TEST(gathered_claims_that_are_lost_do_not_count_against_their_hints),
        TEST(hints_without_a_campaign_have_a_key_of_their_own),
        TEST(a_claim_is_bounded_and_says_that_more_is_due),
        TEST(exactly_a_slice_leaves_nothing),
        TEST(a_hint_is_not_claimed_before_it_is_due),
    };
    return cmocka_run_group_tests_name("store claim", tests, NULL, NULL);
}
