/*
 * Many new notifications on PostgreSQL, which come by COPY: they stand as if each had entered by
 * itself, or none does. Runs where TP_STORE_URL names a PostgreSQL (cluster.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/store/postgres_int.h"
#include "postgres_look.h"
#include "timeutil.h"

enum { MANY = 150, CAMPAIGNS = 3 };

static void fill(struct store_item *items, size_t count, unsigned from)
{
    for (unsigned i = 0; i < count; i++)
        items[i] = member_item(from + i, 1 + i % CAMPAIGNS);
}

/* Puts that form one batch. */
static void start_together(struct fixture *f, struct pending *puts,
                           struct store_item (*items)[MANY], size_t count)
{
    struct pending gate;
    gate_shut(f, &gate);
    for (size_t i = 0; i < count; i++) {
        pending_init(&puts[i], org_id(1 + (unsigned)i), items[i], MANY / 2);
        pending_start(f, &puts[i]); /* too few for the helper */
    }
    gate_open(&gate);
    for (size_t i = 0; i < count; i++)
        pending_wait(&puts[i]);
}

/* ------------------------------------------------------------------ what stands there */

static void many_that_are_new_come_by_copy(void **state)
{
    struct fixture *f = *state;
    struct store_item items[MANY];
    PGconn *c = open_session(f);
    fill(items, MANY, 1);
    items[7].kind = STORE_IGNORED;
    ask(c, "ALTER FUNCTION tp_put RENAME TO tp_put_away");
    ask(c, "ALTER FUNCTION tp_put_new RENAME TO tp_put_new_away");
    expect_put(f, items, MANY, MANY);
    expect_counts(f, MANY - 1, 0, 1, 0);
    expect_sound(c);
    assert_string_equal(ask(c, "SELECT count(*) FROM notification WHERE settled_at IS NULL "
                               "AND state = 0 AND received_at = due_at AND tries = 0 "
                               "AND object = 'CampaignMember' AND subject_id = ''"),
                        "149");
    assert_string_equal(ask(c, "SELECT record_id FROM notification WHERE state = 2 AND kind = 10 "
                               "AND settled_at = received_at"),
                        items[7].record_id);
    assert_string_equal(ask(c, "SELECT min(id) > 0 AND min(seq) > 0 FROM notification"), "t");
    assert_int_equal(drain(f), MANY - 1);
    expect_sound(c);
    PQfinish(c);
}

/* Neither a lane nor a claim follows. */
static void many_that_enter_done_make_no_lane(void **state)
{
    struct fixture *f = *state;
    struct store_item items[MANY];
    PGconn *c = open_session(f);
    fill(items, MANY, 1);
    for (size_t i = 0; i < MANY; i++)
        items[i].kind = STORE_IGNORED;
    expect_put(f, items, MANY, MANY);
    expect_counts(f, 0, 0, MANY, 0);
    assert_string_equal(ask(c, "SELECT count(*) FROM lane"), "0");
    PQfinish(c);
}

static void they_keep_the_order_in_which_they_came(void **state)
{
    struct fixture *f = *state;
    struct store_item items[MANY];
    for (unsigned i = 0; i < MANY; i++)
        items[i] = member_item(1 + i * 7 % MANY, 1);
    expect_put(f, items, MANY, MANY);
    struct store_claim *c = claim_on(f, 1, MANY);
    for (unsigned i = 0; i < MANY; i++)
        expect_record(c, i, 1 + i * 7 % MANY);
    settle_applied(f, &c);
}

/* Of one batch: each row has its own org's and campaign's number. */
static void each_has_its_org_and_campaign(void **state)
{
    struct fixture *f = *state;
    struct pending puts[2];
    struct store_item items[2][MANY];
    PGconn *c = open_session(f);
    fill(items[0], MANY / 2, 1);
    fill(items[1], MANY / 2, 1); /* the same ids, which are others in another org */
    start_together(f, puts, items, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(puts[i].put.stored, MANY / 2);
        pending_release(&puts[i]);
        assert_int_equal(stats_of(f, org_id(1 + (unsigned)i)).ready, MANY / 2);
    }
    expect_sound(c);
    for (unsigned n = 0; n < 2 * CAMPAIGNS; n++) {
        struct store_claim *claim = claim_some(f);
        assert_int_equal(claim->count, MANY / 2 / CAMPAIGNS);
        for (size_t i = 0; i < claim->count; i++) {
            unsigned member = 0;
            assert_int_equal(sscanf(claim->hints[i].record_id, "00v000000%6u", &member), 1);
            assert_string_equal(claim->key, campaign_id(1 + (member - 1) % CAMPAIGNS));
        }
        settle_applied(f, &claim);
    }
    expect_no_claim(f);
    PQfinish(c);
}

/* A pass settles what had come before it was claimed, all of it, and nothing that came later. */
static void a_whole_pass_ends_what_had_come_and_no_more(void **state)
{
    enum { BEFORE = STORE_SLICE_MAX + MANY };
    struct fixture *f = *state;
    put_members(f, 1, BEFORE, 1);
    struct store_claim *c = claim_on(f, 1, STORE_SLICE_MAX);
    put_members(f, 1 + BEFORE, MANY, 1);
    (void)settle_whole(f, &c);
    expect_counts(f, MANY, 0, BEFORE, 0);
    c = claim_on(f, 1, MANY);
    expect_record(c, 0, 1 + BEFORE);
    settle_applied(f, &c);
}

static void a_lane_that_promises_later_is_moved_by_them(void **state)
{
    struct fixture *f = *state;
    struct store_item items[MANY];
    PGconn *c = open_session(f);
    put_member(f, 1, 1);
    struct store_claim *claim = claim_on(f, 1, 1);
    settle_retry(f, &claim, HOUR_MS);
    fill(items, MANY, 2);
    expect_put(f, items, MANY, MANY);
    expect_sound(c);
    assert_int_equal(drain(f), MANY);
    PQfinish(c);
}

/* ------------------------------------------------------------------ what does not enter */

/* One known id undoes the attempt, which leaves nothing, and the tallies as they were. */
static void many_with_a_known_one_enter_once(void **state)
{
    struct fixture *f = *state;
    struct store_item items[MANY];
    PGconn *c = open_session(f);
    fill(items, MANY, 1);
    put_member(f, 2, 2);
    settle_applied(f, &(struct store_claim *){claim_on(f, 2, 1)});
    expect_put(f, items, MANY, MANY - 1);
    expect_counts(f, MANY, 0, 0, 0); /* what was done runs again */
    expect_sound(c);
    assert_int_equal(drain(f), MANY);
    PQfinish(c);
}

/* Its data are refused, those of its neighbour are not. */
static void what_the_server_refuses_concerns_its_put_alone(void **state)
{
    struct fixture *f = *state;
    struct pending puts[2];
    struct store_item items[2][MANY];
    PGconn *c = open_session(f);
    fill(items[0], MANY / 2, 1);
    fill(items[1], MANY / 2, 1);
    memcpy(items[1][5].object, "\xff", 2);
    start_together(f, puts, items, 2);
    assert_int_equal(puts[0].put.result, ERR_NONE);
    assert_int_equal(puts[0].put.stored, MANY / 2);
    assert_int_equal(puts[1].put.result, ERR_INVALID);
    pending_release(&puts[0]);
    pending_release(&puts[1]);
    expect_counts(f, MANY / 2, 0, 0, 0);
    expect_sound(c);
    PQfinish(c);
}

/* The result of a put whose session is ended while it waits for what another one holds; the same
 * messages enter afterwards, once. */
static enum err put_in_session_that_ends(struct fixture *f, const char *hold)
{
    struct pg_store *s = (struct pg_store *)f->store;
    struct pending p;
    struct store_item items[MANY];
    char text[80];
    PGconn *c = open_session(f), *holder = open_session(f);
    fill(items, MANY, 1);
    put_members(f, 1001, CAMPAIGNS, 1); /* so that there is a lane */
    ask(holder, "BEGIN");
    ask(holder, hold);
    pending_init(&p, f->org, items, MANY);
    pending_start(f, &p);
    expect_waiting(c, holder, "1");
    (void)snprintf(text, sizeof text, "SELECT pg_terminate_backend(%d, 10000)",
                   PQbackendPID(s->committer.db.conn));
    ask(c, text);
    pending_wait(&p);
    enum err result = p.put.result;
    pending_release(&p);
    PQfinish(holder);
    expect_counts(f, CAMPAIGNS, 0, 0, 0);
    expect_put(f, items, MANY, MANY);
    expect_counts(f, MANY + CAMPAIGNS, 0, 0, 0);
    expect_sound(c);
    PQfinish(c);
    return result;
}

static void a_session_that_ends_before_the_rows_have_come_leaves_nothing(void **state)
{
    assert_int_equal(
        put_in_session_that_ends(*state, "LOCK TABLE notification IN SHARE ROW EXCLUSIVE MODE"),
        ERR_IO);
}

/* Whether they were committed cannot be known from here. */
static void a_session_that_ends_behind_the_rows_is_no_acknowledgement(void **state)
{
    assert_int_equal(put_in_session_that_ends(*state, "SELECT * FROM lane FOR UPDATE"),
                     ERR_UNKNOWN_OUTCOME);
}

/* A lane that is not there is waited for before a later campaign's is shared: as everybody takes
 * them, one campaign after the other, so that two do not meet head on. */
static void lanes_are_taken_one_campaign_after_the_other(void **state)
{
    struct fixture *f = *state;
    struct pending p;
    struct store_item items[MANY];
    PGconn *c = open_session(f), *holder = open_session(f);
    put_member(f, 1001, 1);
    settle_applied(f, &(struct store_claim *){claim_on(f, 1, 1)}); /* it has no lane now */
    put_member(f, 1002, 2);
    fill(items, MANY, 1);
    ask(holder, "BEGIN");
    ask(holder, "INSERT INTO lane SELECT min(id), 0, min(org), 1 FROM campaign");
    pending_init(&p, f->org, items, MANY);
    pending_start(f, &p);
    expect_waiting(c, holder, "1");
    ask(holder, "SELECT * FROM lane FOR UPDATE NOWAIT");
    ask(holder, "COMMIT");
    pending_wait(&p);
    assert_int_equal(p.put.stored, MANY);
    pending_release(&p);
    expect_sound(c);
    PQfinish(holder);
    PQfinish(c);
}

/* Who waits first is the one that the server ends. */
static void what_met_another_head_on_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct pending p;
    struct store_item items[MANY];
    char text[500];
    PGresult *r;
    PGconn *c = open_session(f), *other = open_session(f);
    put_members(f, 1001, CAMPAIGNS, 1);
    fill(items, MANY, 1);
    (void)snprintf(text, sizeof text,
                   "INSERT INTO notification (org, notification_id, record_id, subject_id, "
                   "campaign, kind, object, state, background, seq, due_at, received_at) "
                   "VALUES ('%s', '%s', '%s', '', 1, 1, '', 0, 0, 0, 0, 0)",
                   f->org, items[0].notification_id, items[0].record_id);
    ask(other, "BEGIN");
    ask(other, "SELECT * FROM lane FOR UPDATE");
    pending_init(&p, f->org, items, MANY);
    pending_start(f, &p);
    expect_waiting(c, other, "1");
    assert_int_equal(PQsendQuery(other, text), 1);
    while ((r = PQgetResult(other)) != NULL) {
        assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
        PQclear(r);
    }
    ask(other, "ROLLBACK");
    pending_wait(&p);
    assert_int_equal(p.put.result, ERR_NONE);
    assert_int_equal(p.put.stored, MANY);
    pending_release(&p);
    expect_sound(c);
    PQfinish(other);
    PQfinish(c);
}

static void set_standbys(PGconn *c, const char *how, const char *shown)
{
    char text[100];
    (void)snprintf(text, sizeof text, "ALTER SYSTEM %s", how);
    ask(c, text);
    ask(c, "SELECT pg_reload_conf()");
    int64_t give_up = time_boot_ms() + PATIENCE_S * SECOND_MS;
    while (strcmp(ask(c, "SHOW synchronous_standby_names"), shown) != 0) {
        if (time_boot_ms() > give_up)
            fail_msg("the server does not take its settings");
    }
}

/* The server warns, since it has committed without its standby: that is no acknowledgement. */
static void a_warning_at_the_commit_is_no_acknowledgement(void **state)
{
    struct fixture *f = *state;
    struct pg_store *s = (struct pg_store *)f->store;
    struct pending p;
    struct store_item items[MANY];
    char text[200];
    PGconn *c = open_session(f);
    fill(items, MANY, 1);
    ask(c, "SET synchronous_commit = local");
    set_standbys(c, "SET synchronous_standby_names = 'nobody'", "nobody");
    (void)snprintf(text, sizeof text,
                   "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %d "
                   "AND wait_event = 'SyncRep'",
                   PQbackendPID(s->committer.db.conn));
    pending_init(&p, f->org, items, MANY);
    pending_start(f, &p);
    while (pending_done_count(&p) == 0) /* it ends by itself after the daemon's patience */
        (void)ask(c, text);
    enum err result = p.put.result;
    pending_release(&p);
    set_standbys(c, "RESET synchronous_standby_names", "");
    assert_int_equal(result, ERR_UNKNOWN_OUTCOME);
    expect_put(f, items, MANY, 0);
    expect_sound(c);
    PQfinish(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(many_that_are_new_come_by_copy),
        TEST(many_that_enter_done_make_no_lane),
        TEST(they_keep_the_order_in_which_they_came),
        TEST(each_has_its_org_and_campaign),
        TEST(a_whole_pass_ends_what_had_come_and_no_more),
        TEST(a_lane_that_promises_later_is_moved_by_them),
        TEST(many_with_a_known_one_enter_once),
        TEST(what_the_server_refuses_concerns_its_put_alone),
        TEST(a_session_that_ends_before_the_rows_have_come_leaves_nothing),
        TEST(a_session_that_ends_behind_the_rows_is_no_acknowledgement),
        TEST(lanes_are_taken_one_campaign_after_the_other),
        TEST(what_met_another_head_on_is_tried_again),
        TEST(a_warning_at_the_commit_is_no_acknowledgement),
    };
    return cmocka_run_group_tests_name("store postgres copy", tests, NULL, NULL);
}
