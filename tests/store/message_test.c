/* Messages as admins see them: walked and counted by filter, with their attempts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "message_fixture.h"

static void a_message_tells_all_that_is_known_of_it(void **state)
{
    struct fixture *f = *state;
    struct store_message m;
    struct store_attempt attempts[STORE_ATTEMPTS_MAX];
    struct error e = {0};
    size_t n;
    fail_with(f, 1, 2, "REFUSED");
    EXPECT_OK(store_message_get(f->store, message_of(f, 1).id, &m, attempts, &n, &e));
    assert_string_equal(m.org, f->org);
    assert_string_equal(m.campaign_id, campaign_id(2));
    assert_string_equal(m.record_id, member_id(1));
    assert_int_equal(strlen(m.notification_id), SFID_LEN);
    assert_int_equal(m.kind, STORE_MEMBER);
    assert_int_equal(m.state, STORE_FAILED);
    assert_int_equal(m.tries, 1);
    assert_string_equal(m.code, "REFUSED");
    assert_string_equal(m.message, "mend it");
    assert_true(m.settled_at_ms >= m.received_at_ms && m.received_at_ms > wall_ms(f) - HOUR_MS);
    assert_int_equal(m.replayed_by, 0);
    assert_int_equal(n, 1);
    assert_string_equal(attempts[0].code, "REFUSED");
    assert_int_equal(attempts[0].verdict, STORE_FAIL);
    EXPECT_ERR(store_message_get(f->store, m.id + 1, &m, NULL, NULL, &e), ERR_NOT_FOUND);
}

static void pages_show_each_once_whatever_the_filter(void **state)
{
    struct fixture *f = *state;
    static struct store_message all[100];
    for (unsigned i = 1; i <= 20; i++)
        fail_with(f, i, 1 + i % 2, i % 4 == 0 ? "FOUR" : "OTHER");
    put_members(f, 100, 5, 3);
    struct store_claim *c = claim_on(f, 3, 5);
    settle_applied(f, &c);
    put_members(f, 200, 4, 0);
    struct store_filter code = FAILED_MESSAGES, record = ALL_MESSAGES, campaign = ALL_MESSAGES,
                        org = ALL_MESSAGES, since = ALL_MESSAGES, object = ALL_MESSAGES,
                        both = FAILED_MESSAGES, until = ALL_MESSAGES;
    memcpy(code.code, "FOUR", 5);
    memcpy(record.record_id, member_id(7), SFID_SIZE);
    memcpy(campaign.campaign_id, campaign_id(1), SFID_SIZE);
    memcpy(org.org, org_id(77), SFID_SIZE);
    memcpy(object.object, "CampaignMember", 15);
    memcpy(both.campaign_id, campaign_id(1), SFID_SIZE);
    memcpy(both.code, "FOUR", 5);
    since.since_ms = wall_ms(f) + 1;
    until.until_ms = wall_ms(f) + 1;
    const struct {
        const char *name;
        const struct store_filter *filter;
        size_t want;
    } cases[] = {
        {"all", &ALL_MESSAGES, 29},
        {"failed", &FAILED_MESSAGES, 20},
        {"done", &(struct store_filter){.state = STORE_DONE}, 5},
        {"ready", &(struct store_filter){.state = STORE_READY}, 4},
        {"leased", &(struct store_filter){.state = STORE_LEASED}, 0},
        {"code", &code, 5},
        {"record", &record, 1},
        {"campaign", &campaign, 10},
        {"org", &org, 0},
        {"object", &object, 29},
        {"since", &since, 0},
        {"until", &until, 29},
        {"code and campaign", &both, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = walk_messages(f, cases[i].filter, all, 100);
        if (n != cases[i].want || count_messages(f, cases[i].filter).count != (int64_t)n)
            fail_msg("%s: want %zu, got %zu", cases[i].name, cases[i].want, n);
        for (size_t k = 0; k < n; k++) {
            for (size_t m = 0; m < k; m++)
                assert_true(all[k].id != all[m].id);
        }
    }
}

static void a_count_tells_states_codes_and_objects(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 1; i <= 6; i++)
        fail_with(f, i, 1, i == 1 ? "ONE" : "FIVE");
    put_members(f, 100, 3, 3);
    struct store_count c = count_messages(f, &ALL_MESSAGES);
    assert_int_equal(c.count, 9);
    assert_int_equal(c.by_state[STORE_FAILED], 6);
    assert_int_equal(c.by_state[STORE_READY], 3);
    assert_int_equal(c.code_count, 3);
    assert_int_equal(c.object_count, 1);
    assert_int_equal(c.objects[0].count, 9);
    assert_false(c.is_partial);
    int64_t ids[3] = {message_of(f, 1).id, message_of(f, 100).id, 4711};
    struct error e = {0};
    EXPECT_OK(store_message_count_ids(f->store, ids, 3, STORE_ANY, &c, &e));
    assert_true(c.count == 2 && c.by_state[STORE_FAILED] == 1 && c.by_state[STORE_READY] == 1);
}

/* What a dry run tells is what the job then moves. */
static void a_count_for_a_job_leaves_out_what_the_job_would(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_count c;
    static const struct {
        int how;
        int64_t count, skipped, by_state[4];
    } cases[] = {{STORE_ANY, 4, 0, {1, 1, 1, 1}},
                 {STORE_JOB_REPLAY, 4, 0, {1, 1, 1, 1}},
                 {STORE_JOB_DISCARD, 2, 2, {1, 0, 0, 1}}};
    fail_with(f, 1, 1, "X");
    put_member(f, 2, 2);
    struct store_claim *done = claim_on(f, 2, 1);
    settle_applied(f, &done);
    put_member(f, 3, 3);
    struct store_claim *leased = claim_on(f, 3, 1);
    put_member(f, 4, 4);
    int64_t ids[4];
    for (unsigned i = 0; i < 4; i++)
        ids[i] = message_of(f, i + 1).id;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        size_t k = i / 2;
        if (i % 2 == 0)
            EXPECT_OK(store_message_count(f->store, &ALL_MESSAGES, cases[k].how, &c, &e));
        else
            EXPECT_OK(store_message_count_ids(f->store, ids, 4, cases[k].how, &c, &e));
        assert_int_equal(c.count, cases[k].count);
        assert_int_equal(c.skipped, cases[k].skipped);
        assert_memory_equal(c.by_state, cases[k].by_state, sizeof c.by_state);
    }
    settle_applied(f, &leased);
}

static void failures_are_counted_by_org_and_code(void **state)
{
    struct fixture *f = *state;
    struct store_failure all[4];
    struct error e = {0};
    size_t n;
    for (unsigned i = 1; i <= 6; i++)
        fail_with(f, i, 1, i == 1 ? "ONE" : "FIVE");
    EXPECT_OK(store_failures(f->store, all, 4, &n, &e));
    assert_int_equal(n, 2);
    assert_string_equal(all[0].code, "FIVE");
    assert_int_equal(all[0].count, 5);
    assert_string_equal(all[1].code, "ONE");
    assert_string_equal(all[1].org, f->org);
    EXPECT_OK(store_failures(f->store, all, 1, &n, &e));
    assert_int_equal(n, 1);
}

static void equal_attempts_count_and_the_last_twenty_stay(void **state)
{
    struct fixture *f = *state;
    struct store_attempt attempts[STORE_ATTEMPTS_MAX];
    struct store_message m;
    struct error e = {0};
    size_t n;
    put_member(f, 1, 1);
    for (int i = 0; i < 25; i++) {
        char code[8];
        (void)snprintf(code, sizeof code, "C%d", i < 3 ? 0 : i);
        struct store_claim *c = claim_on(f, 1, 1);
        settle_all(f, &c,
                   (struct store_outcome){
                       .verdict = STORE_RETRY, .due_at_ms = wall_ms(f) + SECOND_MS, .code = code});
        shift(f, SECOND_MS);
    }
    EXPECT_OK(store_message_get(f->store, message_of(f, 1).id, &m, attempts, &n, &e));
    assert_int_equal(n, 20);
    assert_string_equal(attempts[0].code, "C24");
    assert_string_equal(attempts[19].code, "C5");
    struct store_claim *last = claim_on(f, 1, 1);
    settle_applied(f, &last);
    put_member(f, 2, 2);
    for (int i = 0; i < 3; i++) {
        struct store_claim *c = claim_on(f, 2, 1);
        settle_all(f, &c,
                   (struct store_outcome){.verdict = STORE_RETRY,
                                          .due_at_ms = wall_ms(f) + SECOND_MS,
                                          .code = "SAME"});
        shift(f, SECOND_MS);
    }
    EXPECT_OK(store_message_get(f->store, message_of(f, 2).id, &m, attempts, &n, &e));
    assert_int_equal(n, 1);
    assert_int_equal(attempts[0].times, 3);
    assert_true(attempts[0].at_ms >= attempts[0].first_at_ms + 2 * SECOND_MS);
}

static void what_ended_well_leaves_no_attempt(void **state)
{
    struct fixture *f = *state;
    struct store_attempt attempts[STORE_ATTEMPTS_MAX];
    struct store_message m;
    struct error e = {0};
    size_t n = 9;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_applied(f, &c);
    EXPECT_OK(store_message_get(f->store, message_of(f, 1).id, &m, attempts, &n, &e));
    assert_int_equal(n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_message_tells_all_that_is_known_of_it),
        TEST(pages_show_each_once_whatever_the_filter),
        TEST(a_count_tells_states_codes_and_objects),
        TEST(a_count_for_a_job_leaves_out_what_the_job_would),
        TEST(failures_are_counted_by_org_and_code),
        TEST(equal_attempts_count_and_the_last_twenty_stay),
        TEST(what_ended_well_leaves_no_attempt),
    };
    return cmocka_run_group_tests_name("store messages", tests, NULL, NULL);
}
