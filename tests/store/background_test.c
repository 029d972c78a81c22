/*
 * Background work: it comes after live work, ages, and may be told to wait; hints that no claim
 * made.
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

static struct store_new_hint background_hint(unsigned member, unsigned campaign)
{
    return (struct store_new_hint){.kind = STORE_MEMBER,
                                   .campaign_id = campaign_id(campaign),
                                   .record_id = member_id(member),
                                   .subject_id = "",
                                   .background = true};
}

/* Campaign 9 makes the hints. */
static void put_background(struct fixture *f, unsigned member, unsigned campaign)
{
    struct store_claim *c = claim_on(f, 9, 1);
    const struct store_new_hint h = background_hint(member, campaign);
    add_hints(f, c, &h, 1);
    settle_applied(f, &c);
}

static void background_hints_come_after_live_ones(void **state)
{
    struct fixture *f = *state;
    put_member(f, 90, 9);
    put_background(f, 1, 1);
    shift(f, STORE_BACKGROUND_MS - MINUTE_MS);
    put_member(f, 2, 2);
    struct store_claim *c = claim_on(f, 2, 1);
    settle_applied(f, &c);
    c = claim_on(f, 1, 1);
    settle_applied(f, &c);
}

static void a_hint_of_nobodys_claim_is_claimed_under_its_key(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    const struct store_new_hint survey = {.kind = STORE_RECONCILE,
                                          .campaign_id = "",
                                          .record_id = "",
                                          .subject_id = "",
                                          .background = true};
    EXPECT_OK(store_hint(f->store, f->org, &survey, &e));
    EXPECT_OK(store_hint(f->store, f->org, &survey, &e)); /* the same */
    struct store_claim *c = claim_some(f);
    assert_string_equal(c->key, "*");
    assert_int_equal(c->count, 1);
    assert_int_equal(c->hints[0].kind, STORE_RECONCILE);
    assert_string_equal(c->hints[0].notification_id, "");
    assert_true(c->hints[0].background);
    settle_applied(f, &c);
    expect_no_claim(f);
    const struct store_new_hint live = {.kind = STORE_CAMPAIGN,
                                        .campaign_id = campaign_id(1),
                                        .record_id = campaign_id(1),
                                        .subject_id = ""};
    EXPECT_OK(store_hint(f->store, f->org, &live, &e));
    c = claim_on(f, 1, 1);
    assert_false(c->hints[0].background);
    settle_applied(f, &c);
}

/* NULL: no live work of the org is to be had. */
static struct store_claim *claim_live(struct fixture *f)
{
    struct error e = {0};
    struct store_claim *c = NULL;
    char orgs[1][SFID_SIZE];
    memcpy(orgs[0], f->org, SFID_SIZE);
    const struct store_claim_options live = {.live_orgs = (const char(*)[SFID_SIZE])orgs,
                                             .live_count = 1};
    EXPECT_OK(store_claim(f->store, &live, &c, &e));
    return c;
}

static void background_work_of_an_org_may_wait(void **state)
{
    struct fixture *f = *state;
    put_member(f, 90, 9);
    put_background(f, 1, 1);
    assert_null(claim_live(f));
    put_member(f, 2, 2);
    struct store_claim *c = claim_live(f);
    assert_non_null(c);
    assert_string_equal(c->key, campaign_id(2));
    settle_applied(f, &c);
    c = claim_on(f, 1, 1);
    settle_applied(f, &c);
}

/* The lane of campaign 1 promises live work sooner than there is any: its echo was put off. */
static void background_work_of_an_org_that_may_wait_does_not_slip_in(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_claim *c;
    put_member(f, 90, 9);
    put_background(f, 1, 1);
    for (int i = 0; i < 2; i++) {
        put_member(f, 2 + (unsigned)i, 1);
        c = claim_live(f);
        assert_non_null(c);
        assert_int_equal(c->count, 1);
        EXPECT_OK(store_write_begin(f->store, c, &e));
        settle_applied(f, &c);
        shift(f, ECHO_MS - MINUTE_MS);
    }
    shift(f, 2 * MINUTE_MS - ECHO_MS); /* past the time of the first echo alone */
    assert_null(claim_live(f));
    c = claim_on(f, 1, 1);
    assert_true(c->hints[0].background);
    settle_applied(f, &c);
}

static void background_hints_age(void **state)
{
    struct fixture *f = *state;
    put_member(f, 90, 9);
    put_background(f, 1, 1);
    shift(f, STORE_BACKGROUND_MS + MINUTE_MS);
    put_member(f, 2, 2);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_applied(f, &c);
    c = claim_on(f, 2, 1);
    settle_applied(f, &c);
}

static void background_hints_of_the_same_campaign_come_along(void **state)
{
    struct fixture *f = *state;
    put_member(f, 90, 9);
    put_background(f, 1, 1);
    shift(f, MINUTE_MS);
    put_member(f, 2, 1);
    shift(f, STORE_BACKGROUND_MS);
    put_member(f, 3, 1);
    struct store_claim *c = claim_on(f, 1, 3);
    expect_record(c, 0, 2);
    expect_record(c, 1, 1);
    expect_record(c, 2, 3);
    settle_applied(f, &c);
}

static void a_live_hint_lifts_an_equal_background_one(void **state)
{
    struct fixture *f = *state;
    put_members(f, 90, 2, 9);
    struct store_claim *c = claim_on(f, 9, 2);
    struct store_new_hint h = background_hint(1, 1);
    add_hints(f, c, &h, 1);
    h.background = false;
    add_hints(f, c, &h, 1);
    settle_applied(f, &c);
    shift(f, SECOND_MS);
    put_member(f, 2, 2);
    c = claim_on(f, 1, 1); /* older, and no longer behind */
    settle_applied(f, &c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(background_hints_come_after_live_ones),
        TEST(a_hint_of_nobodys_claim_is_claimed_under_its_key),
        TEST(background_work_of_an_org_may_wait),
        TEST(background_work_of_an_org_that_may_wait_does_not_slip_in),
        TEST(background_hints_age),
        TEST(background_hints_of_the_same_campaign_come_along),
        TEST(a_live_hint_lifts_an_equal_background_one),
    };
    return cmocka_run_group_tests_name("store background", tests, NULL, NULL);
}
