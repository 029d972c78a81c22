/*
 * Messages as admins see them: walked and counted by filter, with their attempts; replayed and
 * discarded by jobs, each exactly once and counted exactly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/store/store_int.h"
#include "mem.h"
#include "store_fixture.h"

enum { PAGE = 7 };

static const struct store_filter ALL = {.state = STORE_ANY};
static const struct store_filter FAILED = {.state = STORE_FAILED};

/* Fails the claimed member with that code. */
static void fail_with(struct fixture *f, unsigned member, unsigned campaign, const char *code)
{
    put_member(f, member, campaign);
    struct store_claim *c = claim_on(f, campaign, 1);
    settle_all(f, &c,
               (struct store_outcome){.verdict = STORE_FAIL, .code = code, .message = "mend it"});
}

/* All there are, by pages. */
static size_t walk(struct fixture *f, const struct store_filter *filter, struct store_message *out,
                   size_t max)
{
    struct store_message page[PAGE];
    struct store_position at = {0};
    struct error e = {0};
    size_t n = 0, got;
    bool more = true;
    while (more) {
        EXPECT_OK(store_message_walk(f->store, filter, &at, page, PAGE, &got, &more, &e));
        assert_true(got <= PAGE && n + got <= max);
        memcpy(out + n, page, got * sizeof page[0]);
        n += got;
    }
    return n;
}

static struct store_message message_of(struct fixture *f, unsigned member)
{
    static struct store_message all[100];
    struct store_filter filter = ALL;
    memcpy(filter.record_id, member_id(member), SFID_SIZE);
    assert_int_equal(walk(f, &filter, all, 100), 1);
    return all[0];
}

static struct store_count count(struct fixture *f, const struct store_filter *filter)
{
    struct error e = {0};
    struct store_count c;
    EXPECT_OK(store_message_count(f->store, filter, STORE_ANY, &c, &e));
    return c;
}

static int64_t new_job(struct fixture *f, enum store_job_kind kind)
{
    struct error e = {0};
    int64_t id;
    const struct store_job_new n = {
        .kind = kind, .org = f->org, .campaign_id = "", .params = "{}", .reason = ""};
    EXPECT_OK(store_job_create(f->store, &n, &id, &e));
    return id;
}

static struct store_job job_of(struct fixture *f, int64_t id)
{
    struct error e = {0};
    struct store_job job;
    EXPECT_OK(store_job_get(f->store, id, &job, NULL, &e));
    return job;
}

static struct store_job move(struct fixture *f, struct store_move m)
{
    struct error e = {0};
    enum store_job_state now;
    EXPECT_OK(store_message_move(f->store, &m, &now, &e));
    struct store_job job = job_of(f, m.job);
    assert_int_equal(job.state, now);
    return job;
}

static struct store_job move_one(struct fixture *f, enum store_job_kind kind, int64_t id)
{
    return move(f,
                (struct store_move){.job = new_job(f, kind), .ids = &id, .count = 1, .last = true});
}

/* ------------------------------------------------------------------ looking */

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
    struct store_filter code = FAILED, record = ALL, campaign = ALL, org = ALL, since = ALL,
                        object = ALL, both = FAILED, until = ALL;
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
        {"all", &ALL, 29},
        {"failed", &FAILED, 20},
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
        size_t n = walk(f, cases[i].filter, all, 100);
        if (n != cases[i].want || count(f, cases[i].filter).count != (int64_t)n)
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
    struct store_count c = count(f, &ALL);
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
            EXPECT_OK(store_message_count(f->store, &ALL, cases[k].how, &c, &e));
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

/* ------------------------------------------------------------------ replay and discard */

static void a_replay_makes_any_state_run_again_and_the_hint_tells_the_job(void **state)
{
    struct fixture *f = *state;
    fail_with(f, 1, 1, "X");
    put_member(f, 2, 2);
    struct store_claim *c = claim_on(f, 2, 1);
    settle_applied(f, &c);
    put_member(f, 3, 3);
    c = claim_on(f, 3, 1);
    settle_retry(f, &c, HOUR_MS);
    for (unsigned i = 1; i <= 3; i++) {
        int64_t id = message_of(f, i).id;
        struct store_job job = move_one(f, STORE_JOB_REPLAY, id);
        assert_true(job.state == STORE_JOB_DONE && job.done == 1 && job.changed == 1);
        assert_int_equal(message_of(f, i).replayed_by, job.id);
        c = claim_on(f, i, 1);
        assert_int_equal(c->hints[0].replayed_by, job.id);
        assert_int_equal(c->hints[0].tries, 1);
        settle_applied(f, &c);
    }
    expect_counts(f, 0, 0, 3, 0);
}

static void a_replay_of_a_leased_one_runs_it_after_its_pass(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].replayed_by, 0);
    struct store_job job = move_one(f, STORE_JOB_REPLAY, message_of(f, 1).id);
    assert_int_equal(job.changed, 1);
    settle_applied(f, &c);
    c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].replayed_by, job.id);
    settle_applied(f, &c);
    expect_no_claim(f);
}

static void a_pass_under_way_does_not_settle_what_is_replayed_meanwhile(void **state)
{
    struct fixture *f = *state;
    fail_with(f, 1, 1, "X");
    put_member(f, 2, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    (void)move_one(f, STORE_JOB_REPLAY, message_of(f, 1).id);
    settle_whole(f, &c);
    c = claim_on(f, 1, 1); /* the new sequence number is above the watermark */
    expect_record(c, 0, 1);
    settle_applied(f, &c);
}

static void a_resend_after_a_replay_is_not_the_jobs(void **state)
{
    struct fixture *f = *state;
    fail_with(f, 1, 1, "X");
    (void)move_one(f, STORE_JOB_REPLAY, message_of(f, 1).id);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_applied(f, &c);
    resend_member(f, 1, 1);
    c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].replayed_by, 0);
    settle_applied(f, &c);
}

static void a_discard_ends_what_waits_or_failed_and_skips_the_rest(void **state)
{
    struct fixture *f = *state;
    fail_with(f, 1, 1, "X");
    put_member(f, 2, 2);
    struct store_claim *c = claim_on(f, 2, 1);
    settle_applied(f, &c);
    put_member(f, 4, 4);
    c = claim_on(f, 4, 1);
    put_member(f, 3, 3);
    int64_t ids[5] = {message_of(f, 1).id, message_of(f, 2).id, message_of(f, 3).id,
                      message_of(f, 4).id, 4711};
    struct store_job job = move(f, (struct store_move){.job = new_job(f, STORE_JOB_DISCARD),
                                                       .ids = ids,
                                                       .count = 5,
                                                       .cursor = "x",
                                                       .last = true});
    assert_true(job.done == 5 && job.changed == 2 && job.skipped == 3);
    assert_string_equal(message_of(f, 1).code, "discarded");
    assert_string_equal(message_of(f, 3).code, "discarded");
    expect_counts(f, 0, 1, 3, 0);
    settle_applied(f, &c);
    expect_no_claim(f);
}

static void an_echo_that_waits_is_left_alone(void **state)
{
    struct fixture *f = *state;
    static struct store_message all[10];
    struct error e = {0};
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    EXPECT_OK(store_write_begin(f->store, c, &e));
    settle_applied(f, &c); /* the mark becomes an echo */
    const struct store_filter ready = {.state = STORE_READY};
    assert_int_equal(walk(f, &ready, all, 10), 1);
    assert_int_equal(all[0].kind, STORE_ECHO);
    assert_string_equal(all[0].notification_id, "");
    assert_int_equal(move_one(f, STORE_JOB_REPLAY, all[0].id).skipped, 1);
    assert_int_equal(move_one(f, STORE_JOB_DISCARD, all[0].id).skipped, 1);
    expect_no_claim(f);
}

static void what_no_longer_fits_the_filter_is_skipped(void **state)
{
    struct fixture *f = *state;
    fail_with(f, 1, 1, "X");
    int64_t id = message_of(f, 1).id;
    resend_member(f, 1, 1);
    struct store_job job = move(
        f, (struct store_move){
               .job = new_job(f, STORE_JOB_REPLAY), .ids = &id, .count = 1, .filter = &FAILED});
    assert_true(job.state == STORE_JOB_RUNNING && job.done == 1 && job.skipped == 1);
    assert_int_equal(message_of(f, 1).replayed_by, 0);
}

static void a_cancelled_job_moves_nothing(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    fail_with(f, 1, 1, "X");
    int64_t id = message_of(f, 1).id, job = new_job(f, STORE_JOB_REPLAY);
    EXPECT_OK(store_job_cancel(f->store, job, &e));
    struct store_job after = move(f, (struct store_move){.job = job, .ids = &id, .count = 1});
    assert_true(after.state == STORE_JOB_CANCELLED && after.done == 0);
    expect_counts(f, 0, 0, 0, 1);
    enum store_job_state now;
    const struct store_move other = {.job = new_job(f, STORE_JOB_DATES), .ids = &id, .count = 1};
    EXPECT_ERR(store_message_move(f->store, &other, &now, &e), ERR_INVALID);
}

/* Several daemons may take up the same job. */
static void a_slice_that_another_daemon_did_is_not_done_again(void **state)
{
    struct fixture *f = *state;
    fail_with(f, 1, 1, "X");
    int64_t id = message_of(f, 1).id, job = new_job(f, STORE_JOB_REPLAY);
    const struct store_move begin = {
        .job = job, .from = "", .begins = true, .total = 7, .cursor = "1"};
    const struct store_move slice = {
        .job = job, .from = "1", .ids = &id, .count = 1, .cursor = "2"};
    for (int i = 0; i < 2; i++) {
        struct store_job after = move(f, begin);
        assert_true(after.total == 7 && after.done == 0);
        assert_string_equal(after.cursor, "1");
    }
    assert_int_equal(move(f, slice).changed, 1);
    (void)drain(f);
    for (int i = 0; i < 2; i++) {
        struct store_job after = move(f, i == 0 ? slice : begin);
        assert_true(after.state == STORE_JOB_RUNNING && after.done == 1 && after.changed == 1);
        assert_string_equal(after.cursor, "2");
    }
    expect_counts(f, 0, 0, 1, 0);
}

static void a_walk_of_failed_ones_does_not_meet_those_that_fail_again(void **state)
{
    struct fixture *f = *state;
    struct store_message page[4];
    struct error e = {0};
    for (unsigned i = 1; i <= 6; i++) {
        fail_with(f, i, 1, "X");
        shift(f, SECOND_MS);
    }
    struct store_position at = count(f, &FAILED).newest;
    size_t n, seen = 0;
    bool more = true;
    while (more) {
        EXPECT_OK(store_message_walk(f->store, &FAILED, &at, page, 2, &n, &more, &e));
        seen += n;
        for (size_t i = 0; i < n; i++)
            (void)move_one(f, STORE_JOB_REPLAY, page[i].id);
        struct store_claim *c = claim_any(f);
        if (c != NULL)
            settle_failed(f, &c);
        shift(f, SECOND_MS);
    }
    assert_int_equal(seen, 6);
    expect_counts(f, 0, 0, 0, 6);
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
        TEST(a_replay_makes_any_state_run_again_and_the_hint_tells_the_job),
        TEST(a_replay_of_a_leased_one_runs_it_after_its_pass),
        TEST(a_pass_under_way_does_not_settle_what_is_replayed_meanwhile),
        TEST(a_resend_after_a_replay_is_not_the_jobs),
        TEST(a_discard_ends_what_waits_or_failed_and_skips_the_rest),
        TEST(an_echo_that_waits_is_left_alone),
        TEST(what_no_longer_fits_the_filter_is_skipped),
        TEST(a_cancelled_job_moves_nothing),
        TEST(a_slice_that_another_daemon_did_is_not_done_again),
        TEST(a_walk_of_failed_ones_does_not_meet_those_that_fail_again),
    };
    return cmocka_run_group_tests_name("store messages", tests, NULL, NULL);
}
