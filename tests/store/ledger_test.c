/*
 * The ledger as admins see it, forgetting a person, and the pause of an org.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store_admin.h"
#include "store_fixture.h"

static void write_ledger(struct fixture *f, unsigned campaign, unsigned member, const char *after)
{
    struct error e = {0};
    put_member(f, member, campaign);
    struct store_claim *c = claim_on(f, campaign, 1);
    const struct store_ledger_row row = {.campaign_id = campaign_id(campaign),
                                         .member_id = member_id(member),
                                         .action = "created",
                                         .touchpoint_id = "a00000000000001AAA",
                                         .after_json = after,
                                         .cause = "replay:1:2"};
    EXPECT_OK(store_write_begin(f->store, c, &e));
    EXPECT_OK(store_write_end(f->store, c, &row, 1, &e));
    settle_applied(f, &c);
}

static size_t ledger(struct fixture *f, const char *org, const char *campaign, const char *member,
                     struct store_ledger_entry *out, size_t max)
{
    struct error e = {0};
    int64_t before = 0;
    size_t n = 0, got;
    bool more = true;
    while (more) {
        EXPECT_OK(store_ledger_walk(f->store, org, campaign, member, &before, out + n,
                                    max - n < 2 ? max - n : 2, &got, &more, &e));
        n += got;
    }
    return n;
}

static void the_ledger_is_walked_by_member_campaign_and_org(void **state)
{
    struct fixture *f = *state;
    struct store_ledger_entry all[10];
    for (unsigned i = 1; i <= 5; i++)
        write_ledger(f, 1 + i % 2, i, "{\"a\":1}");
    const struct {
        const char *org, *campaign, *member;
        size_t want;
    } cases[] = {{NULL, NULL, NULL, 5},
                 {f->org, NULL, NULL, 5},
                 {org_id(9), NULL, NULL, 0},
                 {NULL, campaign_id(2), NULL, 3},
                 {f->org, campaign_id(1), member_id(4), 1},
                 {NULL, campaign_id(2), member_id(4), 0},
                 {NULL, NULL, member_id(3), 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = ledger(f, cases[i].org, cases[i].campaign, cases[i].member, all, 10);
        store_ledger_release(all, n);
        assert_int_equal(n, cases[i].want);
    }
    size_t n = ledger(f, NULL, NULL, NULL, all, 10);
    assert_string_equal(all[0].member_id, member_id(5));
    assert_string_equal(all[0].cause, "replay:1:2");
    assert_string_equal(all[0].after_json, "{\"a\":1}");
    assert_null(all[0].before_json);
    store_ledger_release(all, n);
}

static void forgetting_erases_what_names_a_record_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct store_ledger_entry all[10];
    struct error e = {0};
    struct store_forgotten x;
    char json[80];
    write_ledger(f, 1, 1, "{\"email\":\"a@example.org\"}");
    (void)snprintf(json, sizeof json, "{\"contact\":\"%s\"}", member_id(1));
    write_ledger(f, 1, 2, json);
    write_ledger(f, 1, 3, "{}");
    for (int dry = 1; dry >= 0; dry--) {
        EXPECT_OK(store_forget(f->store, f->org, member_id(1), "", dry == 1, &x, &e));
        assert_int_equal(x.ledger, 2);
        assert_int_equal(x.messages, 1);
        assert_int_equal(x.documents + x.items, 0);
    }
    EXPECT_OK(store_forget(f->store, f->org, member_id(1), "", false, &x, &e));
    assert_int_equal(x.ledger + x.messages, 0);
    expect_counts(f, 0, 0, 2, 0);
    size_t n = ledger(f, NULL, NULL, NULL, all, 10);
    assert_int_equal(n, 3);
    assert_string_equal(all[0].after_json, "{}");
    assert_null(all[1].after_json);
    assert_null(all[2].after_json);
    store_ledger_release(all, n);
    put_member(f, 1, 1); /* it is new again */
    EXPECT_OK(store_forget(f->store, f->org, member_id(1), "", false, &x, &e));
    assert_int_equal(x.messages, 0); /* what waits stays */
    expect_counts(f, 1, 0, 2, 0);
}

/* In whatever case; jobs that are open still need it. */
static void forgetting_erases_an_email_in_what_jobs_were_asked(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_forgotten x;
    struct store_job job;
    struct buf params;
    int64_t ids[3];
    static const char *const asked[] = {"{\"value\":\"Ann@Example.org\"}",
                                        "{\"value\":\"joann@example.org.uk\"}",
                                        "{\"value\":\"bob@example.org\"}"};
    for (size_t i = 0; i < 3; i++) {
        const struct store_job_new n = {.kind = STORE_JOB_REPLAY,
                                        .org = i == 0 ? f->org : "",
                                        .campaign_id = "",
                                        .params = asked[i],
                                        .reason = i == 0 ? "for ann@example.ORG" : "r"};
        EXPECT_OK(store_job_create(f->store, &n, &ids[i], &e));
        const struct store_job_step end = {.job = ids[i], .state = STORE_JOB_DONE, .message = "m"};
        enum store_job_state now;
        if (i != 1)
            EXPECT_OK(store_job_step(f->store, NULL, &end, &now, &e));
    }
    for (int dry = 1; dry >= 0; dry--) {
        EXPECT_OK(
            store_forget(f->store, f->org, member_id(1), "ann@EXAMPLE.org", dry == 1, &x, &e));
        assert_int_equal(x.items, 1);
    }
    buf_init(&params, STORE_PARAMS_MAX);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_OK(store_job_get(f->store, ids[i], &job, &params, &e));
        assert_string_equal(i == 0 ? "" : asked[i], params.len == 0 ? "" : params.data);
        assert_string_equal(job.reason, i == 0 ? "" : "r");
    }
    buf_release(&params);
}

/* Its id in what a job was asked, given as its reason, or told. */
static void forgetting_erases_what_jobs_tell_of_a_record(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_forgotten x;
    struct store_job job;
    struct buf params;
    char text[64];
    int64_t ids[2];
    (void)snprintf(text, sizeof text, "{\"members\":[\"%.15s\"]}", member_id(1));
    const struct store_job_new n = {.kind = STORE_JOB_REPLAY,
                                    .org = "",
                                    .campaign_id = "",
                                    .params = text,
                                    .reason = member_id(1)};
    const struct store_job_new open = {
        .kind = STORE_JOB_REPLAY, .org = "", .campaign_id = "", .params = text, .reason = "r"};
    EXPECT_OK(store_job_create(f->store, &n, &ids[0], &e));
    EXPECT_OK(store_job_create(f->store, &open, &ids[1], &e));
    const struct store_job_step end = {.job = ids[0], .state = STORE_JOB_DONE, .message = "m"};
    enum store_job_state now;
    EXPECT_OK(store_job_step(f->store, NULL, &end, &now, &e));
    for (int dry = 1; dry >= 0; dry--) {
        EXPECT_OK(store_forget(f->store, f->org, member_id(1), "", dry == 1, &x, &e));
        assert_int_equal(x.items, 1); /* the other one still needs them */
    }
    buf_init(&params, STORE_PARAMS_MAX);
    EXPECT_OK(store_job_get(f->store, ids[0], &job, &params, &e));
    assert_int_equal(params.len, 0);
    assert_string_equal(job.reason, "");
    assert_string_equal(job.message, "m");
    EXPECT_OK(store_job_get(f->store, ids[1], &job, &params, &e));
    assert_int_equal(params.len, strlen(text));
    buf_release(&params);
}

static void a_paused_org_is_passed_over_until_it_goes_on(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    char reason[STORE_REASON_SIZE];
    bool paused = true;
    EXPECT_OK(store_paused(f->store, f->org, &paused, reason, &e));
    assert_false(paused);
    EXPECT_OK(store_pause(f->store, f->org, "", &e));
    put_member(f, 1, 1);
    expect_no_claim(f);
    EXPECT_OK(store_pause(f->store, f->org, "they deploy", &e));
    fixture_reopen(f);
    expect_no_claim(f);
    EXPECT_OK(store_paused(f->store, f->org, &paused, reason, &e));
    assert_true(paused);
    assert_string_equal(reason, "they deploy");
    const struct store_item other = member_item(2, 2);
    assert_int_equal(put_items(f, org_id(8), &other, 1).result, ERR_NONE);
    struct store_claim *c = claim_some(f);
    assert_string_equal(c->org, org_id(8));
    settle_applied(f, &c);
    EXPECT_OK(store_pause(f->store, f->org, NULL, &e));
    c = claim_on(f, 1, 1);
    settle_applied(f, &c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_ledger_is_walked_by_member_campaign_and_org),
        TEST(forgetting_erases_what_names_a_record_and_nothing_else),
        TEST(forgetting_erases_an_email_in_what_jobs_were_asked),
        TEST(forgetting_erases_what_jobs_tell_of_a_record),
        TEST(a_paused_org_is_passed_over_until_it_goes_on),
    };
    return cmocka_run_group_tests_name("store ledger", tests, NULL, NULL);
}
