/*
 * Putting in on PostgreSQL: what is all new enters without a search, campaigns are shared by those
 * that enter, a second connection helps where much waits. Runs where TP_STORE_URL names a
 * PostgreSQL (cluster.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../receiver/store/postgres_int.h"
#include "postgres_look.h"
#include "timeutil.h"

enum { CROWD = 4, EACH = 200, RACES = 20, RACED = 250 };

/* ------------------------------------------------------------------ new and known */

static void what_is_all_new_enters_without_a_search(void **state)
{
    struct fixture *f = *state;
    PGconn *c = open_session(f);
    const struct store_item items[] = {member_item(1, 1), member_item(2, 2), member_item(3, 0)};
    const struct store_item known_and_new[] = {member_item(4, 1), member_item(2, 2)};
    const struct store_item new_one = member_item(5, 1);
    ask(c, "ALTER FUNCTION tp_put RENAME TO tp_put_away");
    expect_put(f, items, 3, 3);
    ask(c, "ALTER FUNCTION tp_put_away RENAME TO tp_put");
    expect_put(f, known_and_new, 2, 1);
    ask(c, "ALTER FUNCTION tp_put_new RENAME TO tp_put_new_away"); /* nor is it tried for a while */
    expect_put(f, &new_one, 1, 1);
    expect_counts(f, 5, 0, 0, 0);
    PQfinish(c);
}

/* One known id undoes the attempt, which leaves nothing, and the tallies as they were. */
static void a_batch_with_a_known_one_enters_once(void **state)
{
    struct fixture *f = *state;
    struct store_item items[3] = {member_item(1, 1), member_item(2, 2), member_item(3, 3)};
    put_member(f, 2, 2);
    settle_applied(f, &(struct store_claim *){claim_on(f, 2, 1)});
    expect_put(f, items, 3, 2);
    expect_counts(f, 3, 0, 0, 0); /* what was done runs again */
    assert_int_equal(drain(f), 3);
}

static void what_enters_together_keeps_its_order(void **state)
{
    static const unsigned order[] = {5, 2, 9, 1, 7};
    struct fixture *f = *state;
    struct store_item items[5];
    for (size_t i = 0; i < 5; i++)
        items[i] = member_item(order[i], 1);
    expect_put(f, items, 5, 5);
    struct store_claim *c = claim_on(f, 1, 5);
    for (size_t i = 0; i < 5; i++)
        expect_record(c, i, order[i]);
    settle_applied(f, &c);
}

/* Of one batch: each row has its own org's and campaign's number. */
static void each_row_enters_under_its_campaign(void **state)
{
    struct fixture *f = *state;
    struct pending gate, puts[2];
    struct store_item items[2][4];
    gate_shut(f, &gate);
    for (unsigned o = 0; o < 2; o++) {
        for (unsigned k = 0; k < 4; k++)
            items[o][k] = member_item(1 + o * 4 + k, 1 + k % 2);
        pending_init(&puts[o], org_id(1 + o), items[o], 4);
        pending_start(f, &puts[o]);
    }
    gate_open(&gate);
    for (unsigned o = 0; o < 2; o++) {
        pending_wait(&puts[o]);
        assert_int_equal(puts[o].put.stored, 4);
        pending_release(&puts[o]);
    }
    for (unsigned claims = 0; claims < 4; claims++) {
        struct store_claim *c = claim_some(f);
        unsigned o = strcmp(c->org, org_id(2)) == 0, k = strcmp(c->key, campaign_id(2)) == 0;
        assert_int_equal(c->count, 2);
        expect_record(c, 0, 1 + o * 4 + k);
        expect_record(c, 1, 1 + o * 4 + k + 2);
        settle_applied(f, &c);
    }
    expect_no_claim(f);
}

/* ------------------------------------------------------------------ campaigns that are shared */

static void a_lane_that_promises_later_is_moved_by_what_enters(void **state)
{
    struct fixture *f = *state;
    struct store_claim *c;
    put_member(f, 1, 1);
    c = claim_on(f, 1, 1);
    settle_retry(f, &c, HOUR_MS);
    expect_no_claim(f);
    put_member(f, 2, 1);
    c = claim_on(f, 1, 1);
    expect_record(c, 0, 2);
    settle_applied(f, &c);
}

static void what_enters_done_makes_no_lane(void **state)
{
    struct fixture *f = *state;
    struct store_item item = member_item(1, 1);
    PGconn *c = open_session(f);
    item.kind = STORE_IGNORED;
    expect_put(f, &item, 1, 1);
    assert_string_equal(ask(c, "SELECT count(*) FROM lane"), "0");
    PQfinish(c);
}

/* Member n enters, in a transaction that is open. */
static PGconn *enter_without_commit(struct fixture *f, unsigned n, unsigned campaign)
{
    PGconn *c = open_session(f);
    char text[500];
    const struct store_item item = member_item(n, campaign);
    (void)snprintf(text, sizeof text,
                   "BEGIN; SELECT tp_put_new(ARRAY['%s'], ARRAY['%s'], ARRAY['%s'], ARRAY['%s'], "
                   "ARRAY['%s'], ARRAY[''], ARRAY['%s'], ARRAY[%d], ARRAY[1], ARRAY[1], 0)",
                   f->org, item.campaign_id, f->org, item.notification_id, item.record_id,
                   item.object, (int)item.kind);
    assert_string_equal(ask(c, text), "t");
    return c;
}

static void puts_for_one_campaign_do_not_wait_for_each_other(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    const struct store_item item = member_item(3, 1);
    PGconn *c = enter_without_commit(f, 2, 1);
    struct put_result got = put_items(f, f->org, &item, 1);
    int64_t ready = stats_of(f, f->org).ready;
    ask(c, "COMMIT");
    PQfinish(c);
    assert_int_equal(got.stored, 1);
    assert_int_equal(ready, 2);
    expect_counts(f, 3, 0, 0, 0);
}

static void *claim_in_thread(void *arg)
{
    return claim_any(arg);
}

/* It takes the lane away, so whoever is about to commit behind that must be seen first. */
static void a_claim_waits_for_what_is_entering_behind_its_lane(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    void *claimed;
    int64_t give_up = time_boot_ms() + 4000; /* a lock is waited for for 5 s */
    put_member(f, 1, 1);
    PGconn *entering = enter_without_commit(f, 2, 1), *c = open_session(f);
    char text[200];
    (void)snprintf(text, sizeof text,
                   "SELECT count(*) FROM pg_stat_activity WHERE %d = ANY (pg_blocking_pids(pid))",
                   PQbackendPID(entering));
    assert_int_equal(pthread_create(&thread, NULL, claim_in_thread, f), 0);
    bool waits;
    do
        waits = strcmp(ask(c, text), "1") == 0;
    while (!waits && time_boot_ms() < give_up);
    ask(entering, "COMMIT");
    assert_int_equal(pthread_join(thread, &claimed), 0);
    PQfinish(entering);
    PQfinish(c);
    struct store_claim *first = claimed;
    assert_true(waits);
    assert_non_null(first);
    settle_applied(f, &first);
    (void)drain(f);
    expect_counts(f, 0, 0, 2, 0);
}

/* ------------------------------------------------------------------ the second connection */

struct crowd {
    struct store_item items[CROWD][EACH];
    struct pending puts[CROWD];
};

static void start_crowd(struct fixture *f, struct crowd *c, unsigned from)
{
    for (unsigned i = 0; i < CROWD; i++) {
        for (unsigned k = 0; k < EACH; k++)
            c->items[i][k] = member_item(from + i * EACH + k, 1 + k % 7);
        pending_init(&c->puts[i], f->org, c->items[i], EACH);
        pending_start(f, &c->puts[i]);
    }
}

/* How many have entered, each answered once. Nothing is judged while the gate is shut. */
static unsigned end_crowd(struct crowd *c)
{
    unsigned entered = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        struct pending *p = &c->puts[i];
        pending_wait(p);
        entered += p->put.result == ERR_NONE && p->put.stored == EACH && pending_done_count(p) == 1;
        pending_release(p);
    }
    return entered;
}

/* All of them while the committer is held up. */
static void where_much_waits_for_the_committer_a_second_connection_helps(void **state)
{
    static struct crowd crowd;
    struct fixture *f = *state;
    struct pending gate;
    gate_shut(f, &gate);
    start_crowd(f, &crowd, 1);
    unsigned entered = end_crowd(&crowd);
    gate_open(&gate);
    assert_int_equal(entered, CROWD);
    expect_counts(f, CROWD * EACH, 0, 0, 0);
}

static void a_second_connection_that_was_closed_is_made_anew(void **state)
{
    static struct crowd crowd;
    struct fixture *f = *state;
    struct pg_store *s = (struct pg_store *)f->store;
    struct pending gate;
    unsigned entered = 0;
    PGconn *c = open_session(f);
    gate_shut(f, &gate);
    start_crowd(f, &crowd, 1);
    entered += end_crowd(&crowd);
    for (unsigned i = 1; i <= 3; i++) {
        char text[80];
        (void)snprintf(text, sizeof text, "SELECT pg_terminate_backend(%d, 10000)",
                       PQbackendPID(s->helper.db.conn)); /* idle now: nobody else looks at it */
        (void)ask(c, text);
        start_crowd(f, &crowd, 1 + i * CROWD * EACH);
        entered += end_crowd(&crowd);
    }
    gate_open(&gate);
    assert_int_equal(entered, 4 * CROWD);
    expect_counts(f, 4 * CROWD * EACH, 0, 0, 0);
    PQfinish(c);
}

static void allow_connections(PGconn *c, bool yes)
{
    ask(c, yes ? "UPDATE pg_database SET datallowconn = true WHERE datname = current_database()"
               : "UPDATE pg_database SET datallowconn = false WHERE datname = current_database()");
}

/* Its connection gone and no other to be had, the helper has to fail what it took. */
static void what_is_acknowledged_is_there_though_the_second_connection_is_not(void **state)
{
    static struct crowd crowd;
    struct fixture *f = *state;
    struct pg_store *s = (struct pg_store *)f->store;
    struct pending gate, last;
    struct store_item *items = crowd.items[0];
    char text[80];
    PGconn *c = open_session(f);
    gate_shut(f, &gate);
    start_crowd(f, &crowd, 1); /* so that the helper has its connection */
    unsigned entered = end_crowd(&crowd);
    for (unsigned k = 0; k < EACH; k++)
        items[k] = member_item(1 + CROWD * EACH + k, 1);
    allow_connections(c, false);
    (void)snprintf(text, sizeof text, "SELECT pg_terminate_backend(%d, 10000)",
                   PQbackendPID(s->helper.db.conn));
    ask(c, text);
    pending_init(&last, f->org, items, EACH);
    pending_start(f, &last);
    for (int64_t end = time_boot_ms() + 3000; pending_done_count(&last) == 0;) {
        if (time_boot_ms() > end) /* it had found out already, and leaves it to the committer */
            break;
    }
    gate_open(&gate);
    pending_wait(&last);
    bool is_acknowledged = last.put.result == ERR_NONE;
    pending_release(&last);
    allow_connections(c, true);
    PQfinish(c);
    assert_int_equal(entered, CROWD);
    expect_counts(f, (CROWD + is_acknowledged) * EACH, 0, 0, 0);
}

/* ------------------------------------------------------------------ racing */

static const char DEADLOCKS[] =
    "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

struct racer {
    struct fixture f;
    pthread_barrier_t *start; /* of each round */
    unsigned side;            /* 0 or 1 */
    void (*fill)(unsigned side, unsigned round, struct store_item items[RACED]);
    size_t stored;
    bool failed;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct pg_store *s = (struct pg_store *)r->f.store;
    static _Thread_local struct store_item items[RACED];
    for (unsigned round = 0; round < RACES; round++) {
        r->fill(r->side, round, items);
        (void)pthread_barrier_wait(r->start);
        atomic_store(&s->known_until_boot_ms, 0); /* each is tried as new first */
        struct put_result got = put_items(&r->f, r->f.org, items, RACED);
        r->failed = r->failed || got.result != ERR_NONE;
        r->stored += got.stored;
    }
    return NULL;
}

/* Two daemons, which must not meet head on: each time would cost a second. */
static size_t stored_by_two(struct fixture *f, void (*fill)(unsigned side, unsigned round,
                                                            struct store_item items[RACED]))
{
    struct error e = {0};
    pthread_t threads[2];
    pthread_barrier_t start;
    struct racer racers[2];
    char before[20];
    PGconn *c = open_session(f);
    (void)snprintf(before, sizeof before, "%s", ask(c, DEADLOCKS));
    assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
    for (unsigned i = 0; i < 2; i++)
        racers[i] = (struct racer){.f = *f, .start = &start, .side = i, .fill = fill};
    EXPECT_OK(store_open(&racers[1].f.store, &f->options, &e));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    (void)pthread_barrier_destroy(&start);
    store_close(&racers[1].f.store);
    fixture_reopen(f); /* sessions tell their numbers as they end */
    assert_false(racers[0].failed || racers[1].failed);
    assert_string_equal(ask(c, DEADLOCKS), before);
    PQfinish(c);
    return racers[0].stored + racers[1].stored;
}

static void fill_with_the_same(unsigned side, unsigned round, struct store_item items[RACED])
{
    for (unsigned i = 0; i < RACED; i++) {
        unsigned n = side == 0 ? i : RACED - 1 - i;
        items[i] = member_item(1 + round * RACED + n, 1 + n % 5);
    }
}

static void two_daemons_that_are_sent_the_same_store_each_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(stored_by_two(f, fill_with_the_same), RACES * RACED);
    expect_counts(f, RACES * RACED, 0, 0, 0);
}

/* Half is known, of one's own campaign; half is new, of the other's. */
static void fill_with_known_and_new(unsigned side, unsigned round, struct store_item items[RACED])
{
    for (unsigned i = 0; i < RACED; i++)
        items[i] = i % 2 == 0 ? member_item(1 + side * RACED + i, 1 + side)
                              : member_item(1 + (2 + side + 2 * round) * RACED + i, 2 - side);
}

static void two_daemons_that_are_sent_known_and_new_store_the_new(void **state)
{
    struct fixture *f = *state;
    for (unsigned side = 0; side < 2; side++)
        put_members(f, 1 + side * RACED, RACED, 1 + side);
    assert_int_equal(stored_by_two(f, fill_with_known_and_new), RACES * RACED);
    expect_counts(f, (RACES + 2) * RACED, 0, 0, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_all_new_enters_without_a_search),
        TEST(a_batch_with_a_known_one_enters_once),
        TEST(what_enters_together_keeps_its_order),
        TEST(each_row_enters_under_its_campaign),
        TEST(a_lane_that_promises_later_is_moved_by_what_enters),
        TEST(what_enters_done_makes_no_lane),
        TEST(puts_for_one_campaign_do_not_wait_for_each_other),
        TEST(a_claim_waits_for_what_is_entering_behind_its_lane),
        TEST(where_much_waits_for_the_committer_a_second_connection_helps),
        TEST(a_second_connection_that_was_closed_is_made_anew),
        TEST(what_is_acknowledged_is_there_though_the_second_connection_is_not),
        TEST(two_daemons_that_are_sent_the_same_store_each_once),
        TEST(two_daemons_that_are_sent_known_and_new_store_the_new),
    };
    return cmocka_run_group_tests_name("store postgres puts", tests, NULL, NULL);
}
