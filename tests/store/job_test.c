/*
 * Jobs of admins: made, moved on in steps, cancelled, undone once, kept over a restart, removed
 * after their time; and the delete guard's holds under the same numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "mem.h"
#include "store_admin.h"
#include "store_fixture.h"

static const struct store_job_filter EVERY = {.kind = STORE_ANY, .state = STORE_ANY};
static const struct store_job_filter OPEN = {.kind = STORE_ANY, .state = STORE_ANY, .open = true};

static int64_t create(struct fixture *f, struct store_job_new n)
{
    struct error e = {0};
    int64_t id = 0;
    n.org = n.org == NULL ? f->org : n.org;
    n.campaign_id = n.campaign_id == NULL ? "" : n.campaign_id;
    n.params = n.params == NULL ? "{}" : n.params;
    n.reason = n.reason == NULL ? "" : n.reason;
    EXPECT_OK(store_job_create(f->store, &n, &id, &e));
    return id;
}

static int64_t replay_job(struct fixture *f)
{
    return create(f, (struct store_job_new){.kind = STORE_JOB_REPLAY});
}

static int64_t dates_job(struct fixture *f, unsigned campaign)
{
    return create(f, (struct store_job_new){.kind = STORE_JOB_DATES,
                                            .campaign_id = campaign_id(campaign),
                                            .queues = true});
}

static struct store_job get(struct fixture *f, int64_t id)
{
    struct error e = {0};
    struct store_job job;
    EXPECT_OK(store_job_get(f->store, id, &job, NULL, &e));
    return job;
}

static size_t walk(struct fixture *f, const struct store_job_filter *filter, struct store_job *out,
                   size_t max)
{
    struct error e = {0};
    size_t n = 0;
    EXPECT_OK(store_job_walk(f->store, filter, 0, out, max, &n, &e));
    return n;
}

static enum store_job_state step(struct fixture *f, struct store_job_step x)
{
    struct error e = {0};
    enum store_job_state now;
    EXPECT_OK(store_job_step(f->store, NULL, &x, &now, &e));
    return now;
}

static enum store_job_state end(struct fixture *f, int64_t id)
{
    return step(f, (struct store_job_step){.job = id, .state = STORE_JOB_DONE, .total = STORE_ANY});
}

static struct store_job_item item(unsigned member, const char *before, const char *after, int state)
{
    struct store_job_item x = {.state = state};
    memcpy(x.record_id, member_id(member), sizeof x.record_id);
    (void)snprintf(x.before, sizeof x.before, "%s", before);
    (void)snprintf(x.after, sizeof x.after, "%s", after);
    return x;
}

/* ------------------------------------------------------------------ making and reading */

static void a_job_comes_out_as_it_went_in(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_job job;
    struct buf params;
    buf_init(&params, STORE_PARAMS_MAX);
    buf_puts(&params, "before");
    int64_t id = create(f, (struct store_job_new){.kind = STORE_JOB_DISCARD,
                                                  .params = "{\"ids\": [1]}",
                                                  .reason = "they are of a test"});
    EXPECT_OK(store_job_get(f->store, id, &job, &params, &e));
    assert_int_equal(job.kind, STORE_JOB_DISCARD);
    assert_int_equal(job.state, STORE_JOB_QUEUED);
    assert_string_equal(job.org, f->org);
    assert_string_equal(job.campaign_id, "");
    assert_string_equal(job.reason, "they are of a test");
    assert_int_equal(job.total, -1);
    assert_int_equal(job.done + job.changed + job.skipped + job.failed, 0);
    assert_true(job.created_at_ms <= wall_ms(f) && job.created_at_ms > wall_ms(f) - HOUR_MS);
    assert_int_equal(job.started_at_ms + job.ended_at_ms + job.undo_of + job.undone_by, 0);
    assert_int_equal(params.len, strlen("{\"ids\": [1]}"));
    assert_memory_equal(params.data, "{\"ids\": [1]}", params.len);
    EXPECT_ERR(store_job_get(f->store, id + 1, &job, NULL, &e), ERR_NOT_FOUND);
    buf_release(&params);
}

static void what_is_too_long_to_keep_is_refused_before_it_is_kept(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_job all[2];
    int64_t id;
    char *params = mem_alloc(STORE_PARAMS_MAX + 2);
    memset(params, ' ', STORE_PARAMS_MAX + 1);
    const struct store_job_new n = {
        .kind = STORE_JOB_REPLAY, .org = "", .campaign_id = "", .params = params, .reason = ""};
    EXPECT_ERR(store_job_create(f->store, &n, &id, &e), ERR_INVALID);
    assert_int_equal(walk(f, &EVERY, all, 2), 0);
    params[STORE_PARAMS_MAX] = '\0';
    EXPECT_OK(store_job_create(f->store, &n, &id, &e));
    free(params);
}

static void jobs_are_walked_newest_first_and_by_filter(void **state)
{
    struct fixture *f = *state;
    static struct store_job all[8];
    struct error e = {0};
    int64_t a = replay_job(f), b = create(f, (struct store_job_new){.kind = STORE_JOB_DISCARD}),
            c = create(f, (struct store_job_new){.kind = STORE_JOB_REPLAY, .org = org_id(9)});
    size_t n;
    end(f, b);
    assert_int_equal(walk(f, &EVERY, all, 8), 3);
    assert_true(all[0].id == c && all[1].id == b && all[2].id == a);
    EXPECT_OK(store_job_walk(f->store, &EVERY, b, all, 8, &n, &e));
    assert_true(n == 1 && all[0].id == a);
    const struct {
        struct store_job_filter filter;
        size_t want;
    } cases[] = {
        {{.kind = STORE_JOB_REPLAY, .state = STORE_ANY}, 2},
        {{.kind = STORE_ANY, .state = STORE_JOB_DONE}, 1},
        {{.kind = STORE_ANY, .state = STORE_ANY, .org = f->org}, 2},
        {{.kind = STORE_ANY, .state = STORE_ANY, .open = true}, 2},
        {{.kind = STORE_JOB_REPLAY, .state = STORE_ANY, .open = true, .org = org_id(9)}, 1},
        {{.kind = STORE_JOB_UNDO, .state = STORE_ANY}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(walk(f, &cases[i].filter, all, 8), cases[i].want);
}

static void a_job_that_is_queued_is_claimed_with_its_campaign(void **state)
{
    struct fixture *f = *state;
    char number[SFID_SIZE];
    int64_t id = dates_job(f, 3);
    struct store_claim *c = claim_on(f, 3, 1);
    (void)snprintf(number, sizeof number, "%lld", (long long)id);
    assert_int_equal(c->hints[0].kind, STORE_JOB);
    assert_string_equal(c->hints[0].record_id, number);
    settle_applied(f, &c);
}

static void a_whole_pass_leaves_a_job_that_it_did_not_claim(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c;
    put_member(f, 1, 3);
    c = claim_on(f, 3, 1);
    int64_t first = dates_job(f, 3);
    settle_whole(f, &c);
    c = claim_on(f, 3, 1); /* the job came after the watermark */
    int64_t second = dates_job(f, 3);
    lose(&c);
    assert_true(second > first);
    shift(f, LEASE_MS);
    c = claim_on(f, 3, 2);
    lose(&c);
}

static void a_job_whose_row_fails_has_failed_too(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    bool more;
    int64_t id = dates_job(f, 3), other = dates_job(f, 4);
    struct store_claim *c = claim_on(f, 3, 1);
    const struct store_outcome o = {
        .row = c->hints[0].row, .verdict = STORE_FAIL, .code = "X", .message = "look here"};
    const struct store_settle x = {.outcomes = &o, .count = 1, .release = true};
    EXPECT_OK(store_settle(f->store, c, &x, &more, &e));
    store_claim_free(&c);
    struct store_job job = get(f, id);
    assert_int_equal(job.state, STORE_JOB_FAILED);
    assert_string_equal(job.message, "look here");
    assert_true(job.ended_at_ms != 0 && job.ended_at_ms <= wall_ms(f));
    assert_int_equal(get(f, other).state, STORE_JOB_QUEUED);
}

/* ------------------------------------------------------------------ steps */

static void steps_add_up_and_survive_a_restart(void **state)
{
    struct fixture *f = *state;
    struct store_job all[2];
    int64_t id = replay_job(f);
    assert_int_equal(step(f, (struct store_job_step){.job = id,
                                                     .state = STORE_JOB_RUNNING,
                                                     .total = 30,
                                                     .done = 10,
                                                     .changed = 7,
                                                     .skipped = 2,
                                                     .failed = 1,
                                                     .cursor = "10"}),
                     STORE_JOB_RUNNING);
    fixture_reopen(f);
    assert_int_equal(walk(f, &OPEN, all, 2), 1);
    step(f,
         (struct store_job_step){
             .job = id, .state = STORE_JOB_RUNNING, .total = STORE_ANY, .done = 5, .changed = 5});
    struct store_job job = get(f, id);
    assert_int_equal(job.state, STORE_JOB_RUNNING);
    assert_true(job.total == 30 && job.done == 15 && job.changed == 12 && job.skipped == 2 &&
                job.failed == 1);
    assert_string_equal(job.cursor, "10");
    assert_true(job.started_at_ms > 0 && job.ended_at_ms == 0);
    assert_int_equal(step(f, (struct store_job_step){.job = id,
                                                     .state = STORE_JOB_FAILED,
                                                     .total = STORE_ANY,
                                                     .message = "no way"}),
                     STORE_JOB_FAILED);
    job = get(f, id);
    assert_true(job.ended_at_ms > 0);
    assert_string_equal(job.message, "no way");
    assert_int_equal(walk(f, &OPEN, all, 2), 0);
}

/* Of daemons that share the store each decides upon the same step; one does it. */
static void a_step_from_where_the_job_stood_is_done_once(void **state)
{
    struct fixture *f = *state;
    int64_t id = replay_job(f);
    const struct store_job_step first = {
        .job = id, .from = "", .state = STORE_JOB_RUNNING, .total = 3, .done = 1, .cursor = "1"};
    for (int i = 0; i < 2; i++)
        assert_int_equal(step(f, first), STORE_JOB_RUNNING);
    assert_int_equal(get(f, id).done, 1);
    struct store_job_step last = first;
    last.from = last.cursor = "1";
    last.state = STORE_JOB_DONE;
    last.cursor = "3";
    last.done = 2;
    (void)step(f, last);
    (void)step(f, last);
    struct store_job job = get(f, id);
    assert_true(job.state == STORE_JOB_DONE && job.done == 3 && job.total == 3);
}

static void a_step_wants_the_fence_of_its_claim_and_renews_it(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    enum store_job_state now;
    int64_t id = dates_job(f, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    const struct store_job_step x = {
        .job = id, .state = STORE_JOB_RUNNING, .total = STORE_ANY, .done = 1};
    shift(f, LEASE_MS / 2);
    int64_t deadline = c->deadline_boot_ms;
    EXPECT_OK(store_job_step(f->store, c, &x, &now, &e));
    assert_true(c->deadline_boot_ms > deadline);
    shift(f, LEASE_MS);
    struct store_claim *next = claim_on(f, 1, 1);
    EXPECT_ERR(store_job_step(f->store, c, &x, &now, &e), ERR_STALE);
    assert_int_equal(get(f, id).done, 1);
    lose(&c);
    settle_applied(f, &next);
}

static void a_step_can_queue_a_pass_over_the_campaign(void **state)
{
    struct fixture *f = *state;
    int64_t id = dates_job(f, 2);
    struct store_claim *c = claim_on(f, 2, 1);
    settle_applied(f, &c);
    step(f, (struct store_job_step){
                .job = id, .state = STORE_JOB_DONE, .total = STORE_ANY, .hints = true});
    c = claim_on(f, 2, 1);
    assert_int_equal(c->hints[0].kind, STORE_CAMPAIGN);
    assert_string_equal(c->hints[0].record_id, campaign_id(2));
    settle_applied(f, &c);
}

static void the_first_value_before_stays(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_job_item items[3] = {item(2, "old", "", 0), item(1, "", "", 0),
                                      item(3, "x", "", 0)},
                          got[4];
    size_t n;
    int64_t id = dates_job(f, 1);
    step(f, (struct store_job_step){.job = id,
                                    .state = STORE_JOB_RUNNING,
                                    .total = STORE_ANY,
                                    .items = items,
                                    .item_count = 3});
    items[0] = item(2, "new", "new", 1);
    (void)snprintf(items[0].code, sizeof items[0].code, "REFUSED");
    step(f, (struct store_job_step){.job = id,
                                    .state = STORE_JOB_RUNNING,
                                    .total = STORE_ANY,
                                    .items = items,
                                    .item_count = 1});
    EXPECT_OK(store_job_item_walk(f->store, id, "", STORE_ANY, got, 2, &n, &e));
    assert_int_equal(n, 2);
    assert_string_equal(got[0].record_id, member_id(1));
    assert_string_equal(got[1].before, "old");
    assert_string_equal(got[1].after, "new");
    assert_string_equal(got[1].code, "REFUSED");
    assert_int_equal(got[1].state, 1);
    EXPECT_OK(store_job_item_walk(f->store, id, got[1].record_id, STORE_ANY, got, 4, &n, &e));
    assert_int_equal(n, 1);
    EXPECT_OK(store_job_item_walk(f->store, id, "", 1, got, 4, &n, &e));
    assert_int_equal(n, 1);
}

/* ------------------------------------------------------------------ cancel, undo */

static void a_cancelled_job_stays_so_but_what_was_done_is_counted(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    int64_t id = replay_job(f);
    EXPECT_OK(store_job_cancel(f->store, id, &e));
    assert_int_equal(step(f, (struct store_job_step){.job = id,
                                                     .state = STORE_JOB_RUNNING,
                                                     .total = STORE_ANY,
                                                     .done = 3,
                                                     .message = "x"}),
                     STORE_JOB_CANCELLED);
    assert_int_equal(end(f, id), STORE_JOB_CANCELLED);
    struct store_job job = get(f, id);
    assert_int_equal(job.done, 3);
    assert_string_equal(job.message, "");
    assert_true(job.ended_at_ms > 0);
    EXPECT_ERR(store_job_cancel(f->store, id, &e), ERR_INVALID);
    EXPECT_ERR(store_job_cancel(f->store, id + 1, &e), ERR_NOT_FOUND);
}

static void a_job_is_undone_once(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    int64_t id = dates_job(f, 1), undo = 0;
    const struct store_job_new n = {.kind = STORE_JOB_UNDO,
                                    .org = f->org,
                                    .campaign_id = campaign_id(1),
                                    .params = "{}",
                                    .reason = "",
                                    .undo_of = id,
                                    .queues = true};
    EXPECT_ERR(store_job_create(f->store, &n, &undo, &e), ERR_INVALID); /* under way */
    end(f, id);
    EXPECT_OK(store_job_create(f->store, &n, &undo, &e));
    assert_int_equal(get(f, id).undone_by, undo);
    assert_int_equal(get(f, undo).undo_of, id);
    EXPECT_ERR(store_job_create(f->store, &n, &undo, &e), ERR_INVALID);
    EXPECT_OK(store_job_cancel(f->store, undo, &e));
    EXPECT_OK(store_job_create(f->store, &n, &undo, &e)); /* that one did not end well */
    assert_int_equal(get(f, id).undone_by, undo);
}

static void holds_are_jobs_under_the_same_numbers(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_job all[4];
    int64_t first = replay_job(f);
    put_member(f, 1, 5);
    struct store_claim *c = claim_on(f, 5, 1);
    EXPECT_OK(store_hold_put(f->store, c, 40, 100, &e));
    EXPECT_OK(store_hold_put(f->store, c, 41, 100, &e));
    settle_applied(f, &c);
    assert_int_equal(walk(f, &EVERY, all, 4), 2);
    assert_true(all[0].id > first);
    assert_int_equal(all[0].kind, STORE_JOB_HELD);
    assert_int_equal(all[0].state, STORE_JOB_IS_HELD);
    assert_int_equal(all[0].would_delete, 41);
    assert_string_equal(all[0].campaign_id, campaign_id(5));
    EXPECT_ERR(store_job_cancel(f->store, all[0].id, &e), ERR_INVALID);
    EXPECT_ERR(store_hold_approve(f->store, first, &e), ERR_NOT_FOUND);
    EXPECT_OK(store_hold_approve(f->store, all[0].id, &e));
    assert_int_equal(get(f, all[0].id).state, STORE_JOB_APPROVED);
    assert_int_equal(walk(f, &OPEN, all, 4), 1);
}

static void a_job_goes_after_its_time_with_its_items(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    static struct store_job_item items[STORE_SLICE_MAX], got[2];
    struct store_job job;
    bool more = true;
    size_t n;
    int64_t old = dates_job(f, 1), open = dates_job(f, 2);
    for (unsigned k = 0; k < 3; k++) {
        for (unsigned i = 0; i < STORE_SLICE_MAX; i++)
            items[i] = item(k * STORE_SLICE_MAX + i + 1, "a", "b", 1);
        step(f, (struct store_job_step){.job = old,
                                        .state = STORE_JOB_RUNNING,
                                        .total = STORE_ANY,
                                        .items = items,
                                        .item_count = STORE_SLICE_MAX});
    }
    end(f, old);
    shift(f, f->options.keep_ledger_ms + DAY_MS);
    int64_t young = replay_job(f);
    end(f, young);
    for (unsigned turns = 0; more; turns++) {
        EXPECT_OK(store_retain(f->store, &more, &e));
        assert_true(turns < 10);
    }
    EXPECT_ERR(store_job_get(f->store, old, &job, NULL, &e), ERR_NOT_FOUND);
    EXPECT_OK(store_job_item_walk(f->store, old, "", STORE_ANY, got, 2, &n, &e));
    assert_int_equal(n, 0);
    (void)get(f, open);
    (void)get(f, young);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_comes_out_as_it_went_in),
        TEST(what_is_too_long_to_keep_is_refused_before_it_is_kept),
        TEST(jobs_are_walked_newest_first_and_by_filter),
        TEST(a_job_that_is_queued_is_claimed_with_its_campaign),
        TEST(a_job_whose_row_fails_has_failed_too),
        TEST(a_whole_pass_leaves_a_job_that_it_did_not_claim),
        TEST(steps_add_up_and_survive_a_restart),
        TEST(a_step_from_where_the_job_stood_is_done_once),
        TEST(a_step_wants_the_fence_of_its_claim_and_renews_it),
        TEST(a_step_can_queue_a_pass_over_the_campaign),
        TEST(the_first_value_before_stays),
        TEST(a_cancelled_job_stays_so_but_what_was_done_is_counted),
        TEST(a_job_is_undone_once),
        TEST(holds_are_jobs_under_the_same_numbers),
        TEST(a_job_goes_after_its_time_with_its_items),
    };
    return cmocka_run_group_tests_name("store jobs", tests, NULL, NULL);
}
