/* Messages replayed and discarded by jobs, each exactly once and counted exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "message_fixture.h"

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
    assert_int_equal(walk_messages(f, &ready, all, 10), 1);
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
    struct store_job job = move(f, (struct store_move){.job = new_job(f, STORE_JOB_REPLAY),
                                                       .ids = &id,
                                                       .count = 1,
                                                       .filter = &FAILED_MESSAGES});
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
    struct store_position at = count_messages(f, &FAILED_MESSAGES).newest;
    size_t n, seen = 0;
    bool more = true;
    while (more) {
        EXPECT_OK(store_message_walk(f->store, &FAILED_MESSAGES, &at, page, 2, &n, &more, &e));
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
    return cmocka_run_group_tests_name("store moves", tests, NULL, NULL);
}
