/*
 * Putting in: identity, known ids in each state, requests that share a commit and fail alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "metrics.h"
#include "store_fixture.h"

/* ------------------------------------------------------------------ identity */

static void a_message_that_names_two_records_under_one_id_keeps_both(void **state)
{
    struct fixture *f = *state;
    struct store_item items[3] = {member_item(1, 1), member_item(2, 1), member_item(1, 1)};
    memcpy(items[1].notification_id, items[0].notification_id, SFID_SIZE);
    struct put_result got = put_items(f, f->org, items, 3);
    assert_int_equal(got.result, ERR_NONE);
    assert_int_equal(got.stored, 2);
    assert_int_equal(got.duplicates, 1);
    expect_counts(f, 2, 0, 0, 0);
}

static void the_same_id_in_another_org_is_another_notification(void **state)
{
    struct fixture *f = *state;
    const struct store_item item = member_item(1, 1);
    put_member(f, 1, 1);
    struct put_result got = put_items(f, org_id(2), &item, 1);
    assert_int_equal(got.stored, 1);
    got = put_items(f, org_id(2), &item, 1);
    assert_int_equal(got.duplicates, 1);
    assert_int_equal(stats_of(f, org_id(2)).ready, 1);
    expect_counts(f, 1, 0, 0, 0);
}

static void ids_differ_by_case(void **state)
{
    struct fixture *f = *state;
    struct store_item items[2] = {member_item(1, 1), member_item(1, 1)};
    (void)snprintf(items[0].notification_id, SFID_SIZE, "04l0000000000aAAAA");
    (void)snprintf(items[1].notification_id, SFID_SIZE, "04l0000000000AaAAA");
    assert_int_equal(put_items(f, f->org, items, 2).stored, 2);
}

static void an_empty_request_is_done(void **state)
{
    struct fixture *f = *state;
    struct put_result got = put_items(f, f->org, NULL, 0);
    assert_int_equal(got.result, ERR_NONE);
    assert_int_equal(got.stored + got.duplicates, 0);
}

/* ------------------------------------------------------------------ known ids */

static void a_known_id_on_ready_changes_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t received = wall_ms(f);
    put_member(f, 1, 1);
    shift(f, MINUTE_MS);
    resend_member(f, 1, 1);
    expect_counts(f, 1, 0, 0, 0);
    struct store_claim *c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].tries, 1);
    assert_in_range(c->hints[0].received_at_ms, received, received + MINUTE_MS - 1);
    settle_applied(f, &c);
    expect_counts(f, 0, 0, 1, 0);
}

static void a_known_id_that_waits_for_its_retry_keeps_waiting(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_retry(f, &c, HOUR_MS);
    resend_member(f, 1, 1);
    expect_no_claim(f);
    shift(f, HOUR_MS);
    c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].tries, 2);
    lose(&c);
}

static void a_known_id_on_leased_runs_again_whatever_the_verdict(void **state)
{
    static const enum store_verdict verdicts[] = {STORE_APPLIED, STORE_FAIL, STORE_RETRY};
    struct fixture *f = *state;
    put_member(f, 1, 1);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct store_claim *c = claim_on(f, 1, 1);
        resend_member(f, 1, 1);
        resend_member(f, 1, 1);
        expect_counts(f, 0, 1, 0, 0);
        settle_all(
            f, &c,
            (struct store_outcome){.verdict = verdicts[i], .due_at_ms = wall_ms(f) + HOUR_MS});
        expect_counts(f, 1, 0, 0, 0);
    }
    assert_int_equal(drain(f), 1); /* once, though it came twice */
    expect_counts(f, 0, 0, 1, 0);
}

static void a_known_id_on_done_and_on_failed_becomes_ready(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    put_member(f, 2, 2);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_applied(f, &c);
    c = claim_on(f, 2, 1);
    settle_failed(f, &c);
    expect_counts(f, 0, 0, 1, 1);
    resend_member(f, 1, 1);
    resend_member(f, 2, 2);
    expect_counts(f, 2, 0, 0, 0);
    for (unsigned campaign = 1; campaign <= 2; campaign++) {
        c = claim_on(f, campaign, 1);
        assert_int_equal(c->hints[0].tries, 1); /* anew */
        settle_applied(f, &c);
    }
}

static void a_resend_with_another_campaign_runs_there(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 0); /* the message did not tell */
    struct store_claim *c = claim_on(f, 0, 1);
    settle_applied(f, &c);
    resend_member(f, 1, 7);
    c = claim_on(f, 7, 1);
    assert_string_equal(c->hints[0].campaign_id, campaign_id(7));
    settle_applied(f, &c);
}

static void an_ignored_object_is_born_done(void **state)
{
    struct fixture *f = *state;
    struct store_item item = member_item(1, 0);
    item.kind = STORE_IGNORED;
    assert_int_equal(put_items(f, f->org, &item, 1).stored, 1);
    assert_int_equal(put_items(f, f->org, &item, 1).duplicates, 1);
    expect_counts(f, 0, 0, 1, 0);
    expect_no_claim(f);
    resend_member(f, 1, 1); /* the configuration changed meanwhile */
    struct store_claim *c = claim_on(f, 1, 1);
    assert_int_equal(c->hints[0].kind, STORE_MEMBER);
    settle_applied(f, &c);
}

/* ------------------------------------------------------------------ sharing a commit */

static unsigned long metric_number(const char *name)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    metrics_write(&b);
    buf_putc(&b, 0);
    const char *at = strstr(b.data, name);
    unsigned long n = at == NULL ? 0 : strtoul(at + strlen(name), NULL, 10);
    buf_release(&b);
    return n;
}

enum { CROWD = 20 };

/* One put each, handed over by its own thread. */
struct crowd {
    struct fixture *f;
    struct store_item items[CROWD];
    struct pending puts[CROWD];
};
struct one {
    struct crowd *crowd;
    int i;
};

static void *put_one(void *arg)
{
    const struct one *o = arg;
    pending_start(o->crowd->f, &o->crowd->puts[o->i]);
    return NULL;
}

static void puts_that_wait_share_a_commit(void **state)
{
    struct fixture *f = *state;
    struct pending gate;
    struct crowd crowd = {.f = f};
    struct one ones[CROWD];
    pthread_t threads[CROWD];
    gate_shut(f, &gate);
    for (int i = 0; i < CROWD; i++) {
        crowd.items[i] = member_item((unsigned)i + 1, 1);
        pending_init(&crowd.puts[i], f->org, &crowd.items[i], 1);
        ones[i] = (struct one){&crowd, i};
        assert_int_equal(pthread_create(&threads[i], NULL, put_one, &ones[i]), 0);
    }
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    unsigned long batches = metric_number("touchpoint_store_batch_size_count ");
    unsigned long sum = metric_number("touchpoint_store_batch_size_sum ");
    gate_open(&gate);
    for (int i = 0; i < CROWD; i++) {
        pending_wait(&crowd.puts[i]);
        assert_int_equal(crowd.puts[i].put.result, ERR_NONE);
        assert_int_equal(crowd.puts[i].put.stored, 1);
    }
    assert_int_equal(metric_number("touchpoint_store_batch_size_count "), batches + 1);
    assert_int_equal(metric_number("touchpoint_store_batch_size_sum "), sum + CROWD);
    expect_counts(f, CROWD, 0, 0, 0);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(pending_done_count(&crowd.puts[i]), 1);
        pending_release(&crowd.puts[i]);
    }
}

/* Of each message in one commit: how many of its notifications are stored, how many known. */
static void known_new_and_repeated_ones_of_a_commit_are_told_apart(void **state)
{
    enum { MESSAGES = 4, ITEMS = 3 };
    static const struct {
        unsigned members[ITEMS]; /* 1 and 2 are known before, 9 is of an ignored object */
        size_t stored;
    } rows[MESSAGES] = {{{1, 3, 3}, 1}, {{4, 5, 6}, 3}, {{3, 9, 2}, 1}, {{9, 6, 7}, 1}};
    struct fixture *f = *state;
    struct store_item items[MESSAGES][ITEMS];
    struct pending gate, puts[MESSAGES];
    put_member(f, 1, 1);
    put_member(f, 2, 1);
    assert_int_equal(drain(f), 2);
    gate_shut(f, &gate);
    for (unsigned m = 0; m < MESSAGES; m++) {
        for (unsigned i = 0; i < ITEMS; i++) {
            unsigned member = rows[m].members[i];
            items[m][i] = member_item(member, member == 9 ? 0 : 1 + member % 2);
            items[m][i].kind = member == 9 ? STORE_IGNORED : STORE_MEMBER;
        }
        pending_init(&puts[m], f->org, items[m], ITEMS);
        pending_start(f, &puts[m]);
    }
    gate_open(&gate);
    for (unsigned m = 0; m < MESSAGES; m++) {
        pending_wait(&puts[m]);
        assert_int_equal(puts[m].put.result, ERR_NONE);
        if (puts[m].put.stored != rows[m].stored ||
            puts[m].put.duplicates != ITEMS - rows[m].stored)
            fail_msg("message %u: %zu stored, %zu known", m, puts[m].put.stored,
                     puts[m].put.duplicates);
        pending_release(&puts[m]);
    }
    expect_counts(f, 7, 0, 1, 0); /* the known ones were done and run again */
    assert_int_equal(drain(f), 7);
}

static void a_bad_request_fails_alone(void **state)
{
    struct fixture *f = *state;
    struct store_item items[4] = {member_item(1, 1), member_item(2, 1), member_item(3, 1),
                                  member_item(4, 2)};
    memset(items[2].notification_id, 0, SFID_SIZE); /* nothing to know it by */
    struct pending gate, good, bad, later;
    gate_shut(f, &gate);
    pending_init(&good, f->org, items, 1);
    pending_init(&bad, f->org, items + 1, 2); /* its first one would have been right */
    pending_init(&later, f->org, items + 3, 1);
    pending_start(f, &good);
    pending_start(f, &bad);
    pending_start(f, &later);
    gate_open(&gate);
    pending_wait(&later);
    assert_int_equal(good.put.result, ERR_NONE);
    assert_int_equal(bad.put.result, ERR_INVALID);
    assert_int_equal(bad.put.stored + bad.put.duplicates, 0);
    assert_int_equal(later.put.result, ERR_NONE);
    expect_counts(f, 2, 0, 0, 0);
    assert_int_equal(drain(f), 2);
    pending_release(&good);
    pending_release(&bad);
    pending_release(&later);
    put_member(f, 2, 1); /* was not known */
}

static void beyond_its_bound_the_queue_says_busy(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    const struct store_item item = member_item(1, 1);
    struct pending gate, waiting[3], surplus;
    fixture_close(f);
    f->options.put_queue_max = 3;
    fixture_open(f);
    gate_shut(f, &gate);
    for (int i = 0; i < 3; i++) {
        pending_init(&waiting[i], f->org, &item, 1);
        pending_start(f, &waiting[i]);
    }
    pending_init(&surplus, f->org, &item, 1);
    EXPECT_ERR(store_put(f->store, &surplus.put, &e), ERR_BUSY);
    gate_open(&gate);
    for (int i = 0; i < 3; i++) {
        pending_wait(&waiting[i]);
        pending_release(&waiting[i]);
    }
    assert_int_equal(pending_done_count(&surplus), 0);
    pending_start(f, &surplus); /* there is room again */
    pending_wait(&surplus);
    pending_release(&surplus);
}

static void while_one_waits_for_long_the_queue_says_busy(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    const struct store_item item = member_item(1, 1);
    struct pending gate, waiting, surplus;
    gate_shut(f, &gate);
    pending_init(&waiting, f->org, &item, 1);
    pending_init(&surplus, f->org, &item, 1);
    pending_start(f, &waiting);
    shift(f, STORE_PUT_WAIT_MAX_MS - SECOND_MS);
    pending_start(f, &surplus);
    shift(f, 2 * SECOND_MS);
    struct pending late;
    pending_init(&late, f->org, &item, 1);
    EXPECT_ERR(store_put(f->store, &late.put, &e), ERR_BUSY);
    EXPECT_ERR(store_probe(f->store, &e), ERR_BUSY); /* readiness tells */
    gate_open(&gate);
    pending_wait(&waiting);
    pending_wait(&surplus);
    assert_int_equal(store_probe(f->store, &e), ERR_NONE);
    assert_int_equal(pending_done_count(&late), 0);
    pending_start(f, &late); /* the disk goes on */
    pending_wait(&late);
    pending_release(&waiting);
    pending_release(&surplus);
    pending_release(&late);
}

/* ------------------------------------------------------------------ over a restart */

static void *close_in_thread(void *arg)
{
    fixture_close(arg);
    return NULL;
}

static void closing_finishes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    const struct store_item item = member_item(1, 1);
    struct pending gate, queued;
    pthread_t closer;
    gate_shut(f, &gate);
    pending_init(&queued, f->org, &item, 1);
    pending_start(f, &queued);
    assert_int_equal(pthread_create(&closer, NULL, close_in_thread, f), 0);
    gate_open(&gate);
    pthread_join(closer, NULL);
    assert_int_equal(pending_done_count(&queued), 1);
    assert_int_equal(queued.put.result, ERR_NONE);
    pending_release(&queued);
    fixture_open(f);
    expect_counts(f, 1, 0, 0, 0);
}

static void what_was_accepted_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    put_members(f, 1, 3, 1);
    put_member(f, 4, 2);
    put_member(f, 5, 3);
    struct store_claim *c = claim_on(f, 1, 3);
    settle_applied(f, &c);
    c = claim_on(f, 2, 1);
    settle_failed(f, &c);
    expect_counts(f, 1, 0, 3, 1);
    fixture_reopen(f);
    expect_counts(f, 1, 0, 3, 1);
    resend_member(f, 1, 1);
    resend_member(f, 4, 2);
    expect_counts(f, 3, 0, 2, 0);
    assert_int_equal(drain(f), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_message_that_names_two_records_under_one_id_keeps_both),
        TEST(the_same_id_in_another_org_is_another_notification),
        TEST(ids_differ_by_case),
        TEST(an_empty_request_is_done),
        TEST(a_known_id_on_ready_changes_nothing),
        TEST(a_known_id_that_waits_for_its_retry_keeps_waiting),
        TEST(a_known_id_on_leased_runs_again_whatever_the_verdict),
        TEST(a_known_id_on_done_and_on_failed_becomes_ready),
        TEST(a_resend_with_another_campaign_runs_there),
        TEST(an_ignored_object_is_born_done),
        TEST(puts_that_wait_share_a_commit),
        TEST(known_new_and_repeated_ones_of_a_commit_are_told_apart),
        TEST(a_bad_request_fails_alone),
        TEST(beyond_its_bound_the_queue_says_busy),
        TEST(while_one_waits_for_long_the_queue_says_busy),
        TEST(closing_finishes_what_is_queued),
        TEST(what_was_accepted_is_there_after_a_restart),
    };
    return cmocka_run_group_tests_name("store put", tests, NULL, NULL);
}
