/*
 * Leases: the fence, expiry, renewal; tries; hints whose passes never settle.
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
#include "timeutil.h"

/* ------------------------------------------------------------------ the fence */

static enum err call_renew(struct store *s, struct store_claim *c, struct error *e)
{
    return store_renew(s, c, e);
}

static enum err call_write_begin(struct store *s, struct store_claim *c, struct error *e)
{
    return store_write_begin(s, c, e);
}

static enum err call_write_end(struct store *s, struct store_claim *c, struct error *e)
{
    return store_write_end(s, c, NULL, 0, e);
}

static enum err call_settle(struct store *s, struct store_claim *c, struct error *e)
{
    bool more;
    const struct store_outcome o = {.row = c->hints[0].row, .verdict = STORE_APPLIED};
    const struct store_new_hint h = {.kind = STORE_MEMBER,
                                     .campaign_id = campaign_id(5),
                                     .record_id = member_id(5),
                                     .subject_id = ""};
    const struct store_settle x = {.outcomes = &o,
                                   .count = 1,
                                   .hints = &h,
                                   .hint_count = 1,
                                   .whole = true,
                                   .release = true,
                                   .fingerprint = "stale"};
    return store_settle(s, c, &x, &more, e);
}

static enum err call_hold_put(struct store *s, struct store_claim *c, struct error *e)
{
    return store_hold_put(s, c, 500, 1000, e);
}

static enum err call_hold_end(struct store *s, struct store_claim *c, struct error *e)
{
    return store_hold_end(s, c, e);
}

static const struct {
    const char *name;
    enum err (*call)(struct store *s, struct store_claim *c, struct error *e);
    bool past_deadline; /* refused from the deadline on, even if nobody else claimed */
} FENCED[] = {
    {"renew", call_renew, true},          {"write_begin", call_write_begin, true},
    {"write_end", call_write_end, false}, {"settle", call_settle, false},
    {"hold_put", call_hold_put, false},   {"hold_end", call_hold_end, false},
};
enum { FENCED_COUNT = sizeof FENCED / sizeof FENCED[0] };

static void whoever_lost_the_lease_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    char fingerprint[STORE_FINGERPRINT_SIZE];
    struct store_hold hold;
    bool found;
    put_member(f, 1, 1);
    struct store_claim *old = claim_on(f, 1, 1);
    shift(f, LEASE_MS);
    struct store_claim *new = claim_on(f, 1, 1);
    assert_true(new->fence > old->fence);
    for (size_t i = 0; i < FENCED_COUNT; i++) {
        if (FENCED[i].call(f->store, old, &e) != ERR_STALE || e.kind != ERR_STALE)
            fail_msg("%s is not stale", FENCED[i].name);
    }
    expect_counts(f, 0, 1, 0, 0);
    EXPECT_OK(store_fingerprint(f->store, f->org, campaign_id(1), fingerprint, &e));
    assert_string_equal(fingerprint, "");
    EXPECT_OK(store_hold_get(f->store, f->org, campaign_id(1), &hold, &found, &e));
    assert_false(found);
    EXPECT_OK(store_renew(f->store, new, &e)); /* is not disturbed */
    settle_applied(f, &new);
    for (size_t i = 0; i < FENCED_COUNT; i++) {
        if (FENCED[i].call(f->store, old, &e) != ERR_STALE)
            fail_msg("%s is not stale after the campaign was released", FENCED[i].name);
    }
    expect_counts(f, 0, 0, 1, 0);
    lose(&old);
}

static void past_the_deadline_nothing_may_be_sent_any_more(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    shift(f, LEASE_MS);
    int64_t deadline = c->deadline_boot_ms;
    for (size_t i = 0; i < FENCED_COUNT; i++) {
        if (FENCED[i].past_deadline && FENCED[i].call(f->store, c, &e) != ERR_STALE)
            fail_msg("%s is not stale", FENCED[i].name);
    }
    assert_int_equal(c->deadline_boot_ms, deadline);
    settle_applied(f, &c); /* nobody took it over: what was done may be told */
    expect_counts(f, 0, 0, 1, 0);
}

static void a_lease_does_not_outlive_its_process(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    put_member(f, 1, 1);
    struct store_claim *old = claim_on(f, 1, 1);
    fixture_reopen(f);
    expect_counts(f, 1, 0, 0, 0);
    for (size_t i = 0; i < FENCED_COUNT; i++) {
        if (FENCED[i].call(f->store, old, &e) != ERR_STALE)
            fail_msg("%s is not stale", FENCED[i].name);
    }
    struct store_claim *new = claim_on(f, 1, 1);
    assert_true(new->fence > old->fence);
    assert_true(new->watermark >= old->watermark);
    assert_int_equal(new->hints[0].tries, 2);
    lose(&old);
    settle_applied(f, &new);
}

/* ------------------------------------------------------------------ expiry and renewal */

static void rows_of_an_expired_lease_are_ready_again(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 3, 1);
    struct store_claim *c = claim_on(f, 1, 3);
    lose(&c);
    shift(f, LEASE_MS - MINUTE_MS);
    expect_no_claim(f);
    shift(f, MINUTE_MS);
    c = claim_on(f, 1, 3);
    assert_int_equal(c->hints[0].tries, 2);
    settle_applied(f, &c);
    expect_counts(f, 0, 0, 3, 0);
}

static void a_renewed_lease_lasts_longer(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    for (int i = 0; i < 3; i++) {
        int64_t deadline = c->deadline_boot_ms;
        shift(f, LEASE_MS * 2 / 3);
        if (i == 1)
            EXPECT_OK(store_write_begin(f->store, c, &e));
        else
            EXPECT_OK(store_renew(f->store, c, &e));
        assert_true(c->deadline_boot_ms >= deadline + LEASE_MS * 2 / 3);
        expect_no_claim(f);
    }
    EXPECT_OK(store_write_end(f->store, c, NULL, 0, &e));
    settle_applied(f, &c);
}

static void leases_do_not_heed_the_wall_clock(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    store_shift_clock(f->store, 365 * DAY_MS, 0);
    expect_no_claim(f);
    EXPECT_OK(store_renew(f->store, c, &e));
    store_shift_clock(f->store, -2 * 365 * DAY_MS, 0);
    EXPECT_OK(store_renew(f->store, c, &e));
    settle_applied(f, &c);
}

/* ------------------------------------------------------------------ tries */

static void tries_are_counted_but_for_failures_of_the_org(void **state)
{
    struct fixture *f = *state;
    static const struct {
        bool uncounted;
        int want; /* at the next claim */
    } rows[] = {{false, 2}, {true, 2}, {true, 2}, {false, 3}};
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].tries, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        settle_all(f, &c,
                   (struct store_outcome){.verdict = STORE_RETRY, .uncounted = rows[i].uncounted});
        c = claim_on(f, 1, 1);
        assert_int_equal(c->hints[0].tries, rows[i].want);
    }
    settle_applied(f, &c);
}

/* ------------------------------------------------------------------ poison */

/* Lets leases run out: a claim that skips all orgs ends them. */
static void end_leases(struct fixture *f)
{
    struct error e = {0};
    struct store_claim *c = NULL;
    char skip[1][SFID_SIZE];
    memcpy(skip[0], f->org, SFID_SIZE);
    const struct store_claim_options o = {.skip_orgs = (const char(*)[SFID_SIZE])skip,
                                          .skip_count = 1};
    shift(f, LEASE_MS);
    EXPECT_OK(store_claim(f->store, &o, &c, &e));
    assert_null(c);
}

/* Loses a claim of that many hints; past the longest wait of a hint that runs alone. */
static void lose_claim(struct fixture *f, size_t count)
{
    struct store_claim *c = claim_on(f, 1, count);
    lose(&c);
    end_leases(f);
    shift(f, MINUTE_MS);
}

static void hints_that_never_settled_run_alone_then_fail(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 3, 1);
    for (int i = 0; i < STORE_ALONE_AFTER; i++)
        lose_claim(f, 3);
    for (int i = 0; i < 2; i++) { /* two of them are innocent, which shows when they run alone */
        struct store_claim *c = claim_on(f, 1, 1);
        assert_true(c->more);
        settle_applied(f, &c);
    }
    for (int i = 0; i < STORE_ALONE_AFTER; i++) {
        expect_counts(f, 1, 0, 2, 0);
        lose_claim(f, 1);
    }
    expect_no_claim(f);
    expect_counts(f, 0, 0, 2, 1);
    resend_member(f, 3, 1); /* begins anew */
    struct store_claim *c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].tries, 1);
    settle_applied(f, &c);
}

static void a_hint_that_runs_alone_waits_longer_each_time(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    for (int i = 1; i < STORE_ALONE_AFTER; i++)
        lose_claim(f, 1);
    int64_t last = 0;
    for (int i = 0; i < STORE_ALONE_AFTER; i++) {
        struct store_claim *c = claim_some(f);
        int64_t waited = 0;
        lose(&c);
        end_leases(f);
        for (; stats_of(f, f->org).oldest_due_received_at_ms == TIME_NONE; waited += 500)
            shift(f, 500);
        assert_in_range(waited, last + 1, MINUTE_MS);
        last = waited;
    }
}

static void poison_does_not_take_others_along(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    for (int i = 1; i < STORE_ALONE_AFTER; i++)
        lose_claim(f, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    lose(&c);
    end_leases(f);
    expect_no_claim(f); /* it waits */
    put_members(f, 2, 2, 1);
    c = claim_on(f, 1, 2);
    settle_applied(f, &c);
    shift(f, MINUTE_MS);
    put_member(f, 4, 1);
    c = claim_on(f, 1, 1); /* the oldest, alone */
    assert_string_equal(c->hints[0].record_id, member_id(1));
    assert_true(c->more);
    settle_applied(f, &c);
    assert_int_equal(drain(f), 1);
}

static void a_pass_that_gets_on_is_no_poison(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    put_members(f, 1, 2, 1);
    for (int i = 0; i < 4 * STORE_ALONE_AFTER; i++) {
        struct store_claim *c = claim_some(f);
        assert_false(c->has_echo); /* nothing was left open */
        assert_int_equal(c->count, 2);
        EXPECT_OK(store_write_begin(f->store, c, &e));
        EXPECT_OK(store_write_end(f->store, c, NULL, 0, &e));
        lose(&c);
        shift(f, LEASE_MS);
    }
    expect_counts(f, 0, 2, 0, 0);
}

static void a_settle_ends_the_counting_towards_poison(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 2, 1);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < STORE_ALONE_AFTER - 1; i++)
            lose_claim(f, 2);
        struct store_claim *c = claim_on(f, 1, 2);
        settle_retry(f, &c, 0);
    }
    assert_int_equal(drain(f), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(whoever_lost_the_lease_changes_nothing),
        TEST(past_the_deadline_nothing_may_be_sent_any_more),
        TEST(a_lease_does_not_outlive_its_process),
        TEST(rows_of_an_expired_lease_are_ready_again),
        TEST(a_renewed_lease_lasts_longer),
        TEST(leases_do_not_heed_the_wall_clock),
        TEST(tries_are_counted_but_for_failures_of_the_org),
        TEST(hints_that_never_settled_run_alone_then_fail),
        TEST(a_hint_that_runs_alone_waits_longer_each_time),
        TEST(poison_does_not_take_others_along),
        TEST(a_pass_that_gets_on_is_no_poison),
        TEST(a_settle_ends_the_counting_towards_poison),
    };
    return cmocka_run_group_tests_name("store lease", tests, NULL, NULL);
}
