#define _GNU_SOURCE
/*
 * Where the intake log can't be had, or the database takes nothing from it; and what is to be
 * forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sqlite_ahead_fixture.h"

/* ------------------------------------------------------------------ without the log */

static void where_the_log_cannot_be_made_messages_enter_directly(void **state)
{
    struct fixture *f = *state;
    struct pending gate, many[6];
    struct store_item items[6];
    assert_int_equal(mkdir(beside(f, "-intake.new"), 0700), 0);
    gate_shut(f, &gate);
    for (unsigned i = 0; i < 6; i++) {
        items[i] = member_item(1 + i, 1);
        pending_init(&many[i], f->org, &items[i], 1);
        pending_start(f, &many[i]);
    }
    gate_open(&gate);
    for (unsigned i = 0; i < 6; i++) {
        pending_wait(&many[i]);
        assert_int_equal(many[i].put.result, ERR_NONE);
        pending_release(&many[i]);
    }
    assert_int_equal(rows_in(f), 6);
    assert_false(is_usable(f));
    assert_int_equal(rmdir(beside(f, "-intake.new")), 0);
}

/* That message is not acknowledged; the next ones enter directly, and later there is a new log. */
static void a_log_that_fails_is_given_up_and_made_anew(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    hold_back(f);
    put_members(f, 2, 10, 1);
    atomic_store(&log_fails, true);
    struct store_item item = member_item(100, 1);
    assert_int_equal(put_items(f, f->org, &item, 1).result, ERR_NONE);
    assert_true(rows_in(f) >= 1); /* it entered at once */
    atomic_store(&log_fails, false);
    assert_false(is_usable(f));
    store_ahead_put_off(queue_of(f), 0);
    put_members(f, 200, 3, 1);
    WAIT_FOR(logged(f) == 0);
    WAIT_FOR(!has_log(f));
    assert_int_equal(rows_in(f), 11 + 1 + 3);
    pthread_mutex_lock(&queue_of(f)->lock);
    queue_of(f)->ahead.open_boot_ms = 0; /* a second later */
    pthread_mutex_unlock(&queue_of(f)->lock);
    go_ahead(f, 300, 2);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 16);
    assert_int_equal(drain(f), 16);
}

/* Someone removes the file: what would be written to it would be gone with the process. */
static void a_log_that_was_removed_is_given_up(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(unlink(beside(f, "-intake")), 0);
    put_members(f, 2, 3, 1);
    assert_int_equal(rows_in(f), 4);
    assert_false(is_usable(f));
}

/* Beyond what may be in memory messages enter directly. */
static void no_more_is_logged_than_may_wait(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    unsigned n = 2;
    for (; n < 2 + AHEAD_LOGGED_MAX; n += 1000)
        put_members(f, n, 1000, 1);
    assert_int_equal(logged(f), AHEAD_LOGGED_MAX);
    assert_int_equal(rows_in(f), 1);
    put_members(f, n, 10, 2);
    assert_int_equal(logged(f), AHEAD_LOGGED_MAX);
    assert_int_equal(rows_in(f), 11);
    expect_counts(f, AHEAD_LOGGED_MAX + 11, 0, 0, 0);
    store_ahead_put_off(queue_of(f), 0);
    WAIT_FOR(logged(f) == 0);
    expect_counts(f, AHEAD_LOGGED_MAX + 11, 0, 0, 0);
}

/* What was acknowledged needs its room, whatever is left; nothing more is. */
static void a_full_disk_keeps_nothing_out_that_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct sqlite_store *s = (struct sqlite_store *)(void *)f->store;
    struct store_item item = member_item(100, 1);
    struct pending p;
    struct error e;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_members(f, 2, 10, 1);
    pthread_mutex_lock(&s->look_lock);
    s->space_low = true;
    s->looked_boot_ms = time_boot_ms() + FAR_MS; /* it stays so */
    pthread_mutex_unlock(&s->look_lock);
    pending_init(&p, f->org, &item, 1);
    enum err err = store_put(f->store, &p.put, &e);
    if (err == ERR_NONE) {
        pending_wait(&p);
        err = p.put.result;
    }
    assert_int_equal(err, ERR_FULL);
    pending_release(&p);
    store_ahead_put_off(queue_of(f), 0);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 11);
}

/* … and while it does not enter, no more is taken, which readiness tells. */
static void while_nothing_enters_for_long_messages_are_refused(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_members(f, 2, 10, 1);
    EXPECT_OK(store_probe(f->store, &e));
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    q->ahead.first->logged_boot_ms -= STORE_PUT_WAIT_MAX_MS;
    pthread_mutex_unlock(&q->lock);
    EXPECT_ERR(store_probe(f->store, &e), ERR_BUSY);
    struct store_item item = member_item(100, 1);
    struct pending p;
    pending_init(&p, f->org, &item, 1);
    EXPECT_ERR(store_put(f->store, &p.put, &e), ERR_BUSY);
    pending_release(&p);
    store_ahead_put_off(q, 0);
    WAIT_FOR(logged(f) == 0);
    put_member(f, 100, 1);
}

static void refuse_member(const struct fixture *f, unsigned n)
{
    char text[200];
    (void)snprintf(text, sizeof text,
                   "CREATE TRIGGER no BEFORE INSERT ON notification WHEN NEW.record_id = '%s' "
                   "BEGIN SELECT RAISE(ABORT, 'no'); END",
                   member_id(n));
    sqlite_change(fixture_path(f), text);
}

/* An acknowledged message that the database refuses is kept for people. */
static void what_the_database_refuses_is_put_aside(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_member(f, 2, 1);
    put_member(f, 3, 1);
    refuse_member(f, 2);
    store_ahead_put_off(queue_of(f), 0);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 2);
    WAIT_FOR(!has_log(f)); /* at once, before its place is written over */
    assert_int_equal(access(beside(f, "-intake.damaged"), F_OK), 0);
    go_ahead(f, 10, 1);
    WAIT_FOR(logged(f) == 0);
    sqlite_change(fixture_path(f), "DROP TRIGGER no");
    fixture_close(f);
    assert_false(has_log(f));
    assert_int_not_equal(access(beside(f, "-intake.damaged.1"), F_OK), 0);
    fixture_open(f);
}

/* … also when it is met at the start. */
static void what_the_database_refuses_at_the_start_is_put_aside(void **state)
{
    struct fixture *f = *state, crashed;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    refuse_member(f, 3);
    hold_back(f);
    put_members(f, 2, 3, 1);
    put_member(f, 5, 1);
    copy_all(f, &crashed);
    fixture_open(&crashed);
    assert_int_equal(rows_in(&crashed), 2); /* the message of three is kept out as one */
    assert_false(has_log(&crashed));
    fixture_close(&crashed);
    char aside[650];
    (void)snprintf(aside, sizeof aside, "%s-intake.damaged", fixture_path(&crashed));
    assert_int_equal(access(aside, F_OK), 0);
    sqlite_change(fixture_path(f), "DROP TRIGGER no");
}

/* Given back by a log that fails, it was not acknowledged, nor is it if the database refuses it. */
static void what_is_given_back_and_refused_is_not_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct store_item item = member_item(2, 1);
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    refuse_member(f, 2);
    atomic_store(&log_fails, true);
    assert_int_equal(put_items(f, f->org, &item, 1).result, ERR_INVALID);
    atomic_store(&log_fails, false);
    assert_int_equal(rows_in(f), 1);
    WAIT_FOR(!has_log(f));
    assert_int_not_equal(access(beside(f, "-intake.damaged"), F_OK), 0);
}

/* What is to be forgotten must not stay in the log either. */
static void what_is_forgotten_goes_from_the_log(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_forgotten forgotten;
    go_ahead(f, 1, 1);
    put_members(f, 2, 20, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(drain(f), 21);
    assert_true(has_log(f));
    EXPECT_OK(store_forget(f->store, f->org, member_id(5), "", false, &forgotten, &e));
    assert_int_equal(forgotten.messages, 1);
    WAIT_FOR(!has_log(f));
    go_ahead(f, 100, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(drain(f), 1);
    /* also where the tables have nothing of it any more */
    EXPECT_OK(store_forget(f->store, f->org, member_id(5), "", true, &forgotten, &e));
    assert_true(has_log(f));
    EXPECT_OK(store_forget(f->store, f->org, member_id(5), "", false, &forgotten, &e));
    assert_int_equal(forgotten.messages, 0);
    WAIT_FOR(!has_log(f));
}

/* While it has yet to enter it can't be forgotten; the file stays, and no other is made. */
static void what_has_yet_to_enter_is_not_forgotten(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_forgotten forgotten;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_members(f, 2, 5, 1);
    EXPECT_ERR(store_forget(f->store, f->org, member_id(3), "", false, &forgotten, &e), ERR_BUSY);
    store_ahead_reset(queue_of(f));
    struct pending gate;
    struct store_item item = member_item(100, 1);
    struct pending p;
    gate_shut(f, &gate);
    pending_init(&p, f->org, &item, 1);
    pending_start(f, &p);
    for (int i = 0; i < 20; i++)
        pause_a_little(); /* in which a log would be made */
    assert_false(is_usable(f));
    assert_true(has_log(f));
    gate_open(&gate);
    pending_wait(&p);
    pending_release(&p);
    store_ahead_put_off(queue_of(f), 0);
    WAIT_FOR(!has_log(f));
    assert_int_equal(rows_in(f), 7);
}

/* A forget while the file is being made: it is removed, and made anew when it is needed. */
static void a_log_that_is_not_wanted_any_more_as_it_is_made_is_removed(void **state)
{
    struct fixture *f = *state;
    struct pending gate, many[2];
    struct store_item items[2] = {member_item(1, 1), member_item(2, 1)};
    atomic_store(&fills_slowly, true);
    set_crowd(f, 1);
    gate_shut(f, &gate);
    pending_init(&many[0], f->org, &items[0], 1);
    pending_start(f, &many[0]);
    WAIT_FOR(access(beside(f, "-intake.new"), F_OK) == 0);
    store_ahead_reset(queue_of(f));
    atomic_store(&fills_slowly, false);
    gate_open(&gate);
    pending_wait(&many[0]);
    pending_release(&many[0]);
    WAIT_FOR(!has_log(f) && access(beside(f, "-intake.new"), F_OK) != 0);
    assert_false(is_usable(f));
    go_ahead(f, 2, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 2);
}

/* What people had is not in the file for ever. */
static void a_log_that_is_not_needed_for_a_while_is_removed(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    assert_true(has_log(f));
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    q->ahead.added_boot_ms -= AHEAD_IDLE_MS;
    pthread_cond_signal(&q->ahead.work);
    pthread_mutex_unlock(&q->lock);
    WAIT_FOR(!has_log(f));
    go_ahead(f, 2, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(where_the_log_cannot_be_made_messages_enter_directly),
        TEST(a_log_that_fails_is_given_up_and_made_anew),
        TEST(a_log_that_was_removed_is_given_up),
        TEST(no_more_is_logged_than_may_wait),
        TEST(a_full_disk_keeps_nothing_out_that_was_acknowledged),
        TEST(while_nothing_enters_for_long_messages_are_refused),
        TEST(what_the_database_refuses_is_put_aside),
        TEST(what_the_database_refuses_at_the_start_is_put_aside),
        TEST(what_is_given_back_and_refused_is_not_acknowledged),
        TEST(what_is_forgotten_goes_from_the_log),
        TEST(what_has_yet_to_enter_is_not_forgotten),
        TEST(a_log_that_is_not_wanted_any_more_as_it_is_made_is_removed),
        TEST(a_log_that_is_not_needed_for_a_while_is_removed),
    };
    (void)unsetenv("TP_STORE_URL"); /* for SQLite alone */
    fixture_may_go_ahead = true;
    return cmocka_run_group_tests_name("store sqlite ahead fault", tests, NULL, NULL);
}
