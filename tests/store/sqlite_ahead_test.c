#define _GNU_SOURCE
/*
 * Messages that are acknowledged ahead of the committer: when they are, and that no crash loses
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sqlite_ahead_fixture.h"

/* ------------------------------------------------------------------ when */

static void while_the_committer_is_at_work_messages_are_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct store_item items[3] = {member_item(1, 1), member_item(2, 1), member_item(3, 2)};
    struct pending gate, p;
    gate_shut(f, &gate);
    pending_init(&p, f->org, items, 3);
    pending_start(f, &p);
    pending_wait(&p); /* the committer still stands at the gate */
    assert_int_equal(p.put.result, ERR_NONE);
    assert_int_equal(p.put.stored, 3);
    pending_release(&p);
    assert_int_equal(rows_in(f), 0);
    assert_int_equal(logged(f), 3);
    gate_open(&gate);
    WAIT_FOR(rows_in(f) == 3);
    expect_counts(f, 3, 0, 0, 0);
    assert_int_equal(drain(f), 3);
    sqlite_expect_sound(fixture_path(f));
}

static bool is_committing(const struct fixture *f)
{
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    bool committing = q->is_committing;
    pthread_mutex_unlock(&q->lock);
    return committing;
}

static void few_messages_enter_directly(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 1; n <= 20; n++) {
        WAIT_FOR(!is_committing(f));
        put_member(f, n, n);
        assert_int_equal(rows_in(f), n);
    }
    assert_false(has_log(f));
}

/* The answer to an admin's document says what was known. */
static void who_wants_to_know_what_was_known_waits_for_the_database(void **state)
{
    struct fixture *f = *state;
    struct store_item items[2] = {member_item(1, 1), member_item(2, 1)};
    struct pending p;
    go_ahead(f, 1, 1);
    pending_init(&p, f->org, items, 2);
    p.put.wants_counts = true;
    pending_start(f, &p);
    pending_wait(&p);
    assert_int_equal(p.put.stored + p.put.duplicates, 2);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 2);
    pending_release(&p);
    pending_init(&p, f->org, items, 2);
    p.put.wants_counts = true;
    pending_start(f, &p);
    pending_wait(&p);
    assert_int_equal(p.put.duplicates, 2);
    pending_release(&p);
}

/* A known one is seen later than its Ack leaves; it makes work again, and is counted. */
static void a_known_id_makes_work_again(void **state)
{
    struct fixture *f = *state;
    uint64_t before = metric_value(metric_series(METRIC_NOTIFICATIONS_DUPLICATE, f->org));
    put_member(f, 1, 1);
    assert_int_equal(drain(f), 1);
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    expect_counts(f, 1, 0, 0, 0);
    assert_int_equal(metric_value(metric_series(METRIC_NOTIFICATIONS_DUPLICATE, f->org)),
                     before + 1);
    assert_int_equal(drain(f), 1);
}

/* Who looks for what was just acknowledged finds it. */
static void who_looks_on_sees_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    go_ahead(f, 1, 1);
    for (unsigned n = 2; n < 40; n++) {
        struct store_message found[64];
        struct store_position at = {0};
        size_t count = 0;
        bool more;
        struct store_item item = member_item(n, 1);
        assert_int_equal(put_items(f, f->org, &item, 1).result, ERR_NONE);
        struct store_filter filter = {.state = STORE_ANY};
        EXPECT_OK(store_message_walk(f->store, &filter, &at, found, 64, &count, &more, &e));
        assert_int_equal(count, n);
    }
}

/* ------------------------------------------------------------------ crashes */

static void what_was_acknowledged_survives_a_crash(void **state)
{
    struct fixture *f = *state, crashed;
    unsigned synced = atomic_load(&folders_synced);
    go_ahead(f, 1, 1);
    assert_true(atomic_load(&folders_synced) > synced); /* else its name might be lost */
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    int64_t from = wall_ms(f);
    put_members(f, 2, 299, 7);
    put_members(f, 301, 5, 8);
    assert_int_equal(rows_in(f), 1);
    expect_counts(f, 305, 0, 0, 0);
    int64_t to = wall_ms(f);
    copy_all(f, &crashed);
    fixture_open(&crashed);
    assert_int_equal(rows_in(&crashed), 305);
    expect_counts(&crashed, 305, 0, 0, 0);
    assert_false(has_log(&crashed));
    int64_t received = sqlite_number(fixture_path(&crashed),
                                     "SELECT received_at FROM notification ORDER BY id DESC");
    assert_true(received >= from && received <= to);
    sqlite_expect_sound(fixture_path(&crashed));
    assert_int_equal(drain(&crashed), 305);
    fixture_close(&crashed);
}

/* What entered is not entered again, though the file has it still. */
static void what_has_entered_enters_once(void **state)
{
    struct fixture *f = *state, crashed;
    go_ahead(f, 1, 1);
    put_members(f, 2, 50, 2);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(drain(f), 51);
    assert_true(has_log(f));
    copy_all(f, &crashed);
    fixture_open(&crashed);
    expect_counts(&crashed, 0, 0, 51, 0);
    expect_no_claim(&crashed);
    fixture_close(&crashed);
}

static void a_damaged_log_gives_what_can_be_read_and_is_kept(void **state)
{
    struct fixture *f = *state, crashed;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    for (unsigned n = 2; n <= 9; n++)
        put_members(f, n, 1, 1);
    copy_all(f, &crashed);
    char log[600];
    (void)snprintf(log, sizeof log, "%s-intake", fixture_path(&crashed));
    FILE *file = fopen(log, "rb+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096 + 500, SEEK_SET), 0);
    assert_int_equal(fwrite("damage", 1, 6, file), 6);
    assert_int_equal(fclose(file), 0);
    fixture_open(&crashed);
    int64_t rows = rows_in(&crashed);
    assert_true(rows == 7 || rows == 8);
    fixture_close(&crashed);
    char aside[620];
    (void)snprintf(aside, sizeof aside, "%s.damaged", log);
    assert_int_equal(access(aside, F_OK), 0);
}

static void an_orderly_end_leaves_no_log(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    put_members(f, 2, 500, 2);
    assert_true(has_log(f));
    fixture_close(f);
    assert_false(has_log(f));
    assert_int_equal(rows_in(f), 501);
    fixture_open(f);
    go_ahead(f, 1000, 3);
    fixture_close(f);
    assert_int_equal(rows_in(f), 502);
    fixture_open(f);
}

/* Should the database fail for good, what was acknowledged waits in the log for the next start. */
static void what_cannot_enter_stays_in_the_log(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(sqlite3_open(fixture_path(f), &other), SQLITE_OK);
    hold_back(f);
    put_members(f, 2, 10, 1);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    fixture_close(f);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_true(has_log(f));
    assert_int_equal(rows_in(f), 1);
    fixture_open(f);
    assert_int_equal(rows_in(f), 11);
}

/* The orderly end tries once more what failed a moment before. */
static void an_orderly_end_waits_for_no_retry(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_members(f, 2, 10, 1);
    fixture_close(f);
    assert_false(has_log(f));
    assert_int_equal(rows_in(f), 11);
    fixture_open(f);
}

/* ------------------------------------------------------------------ many at once */

enum { SENDERS = 8, ROUNDS = 120, ITEMS = 5, SENT = SENDERS * ROUNDS * ITEMS };

struct sender {
    struct fixture *f;
    unsigned first;
    pthread_t thread;
};

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct store_item items[ITEMS];
        unsigned n = s->first + round * ITEMS;
        for (unsigned i = 0; i < ITEMS; i++)
            items[i] = member_item(n + i, 1 + (n + i) % 40);
        if (put_items(s->f, s->f->org, items, ITEMS).result != ERR_NONE)
            abort();
    }
    return NULL;
}

/* Senders and a worker at once: each notification is worked on, and none is in two states. */
static void nothing_is_lost_between_senders_and_a_worker(void **state)
{
    struct fixture *f = *state;
    struct sender senders[SENDERS];
    size_t worked = 0;
    go_ahead(f, SENT + 1, 1);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.f = f, .first = 1 + i * ROUNDS * ITEMS};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    for (int64_t give_up = time_boot_ms() + PATIENCE_S * 1000; worked < SENT + 1;) {
        worked += drain(f);
        assert_true(time_boot_ms() < give_up);
        pause_a_little();
    }
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
    assert_int_equal(worked, SENT + 1);
    expect_counts(f, 0, 0, SENT + 1, 0);
    sqlite_expect_sound(fixture_path(f));
}

/* Several times round the file. */
static void more_than_the_file_holds(void **state)
{
    enum { PUTS = 160, EACH = 1000 };
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    for (unsigned i = 0; i < PUTS; i++) {
        struct store_item *items = calloc(EACH, sizeof *items);
        assert_non_null(items);
        for (unsigned k = 0; k < EACH; k++)
            items[k] = member_item(2 + i * EACH + k, 1 + i);
        assert_int_equal(put_items(f, f->org, items, EACH).result, ERR_NONE);
        free(items);
    }
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 1 + PUTS * EACH);
    struct stat st;
    assert_int_equal(stat(beside(f, "-intake"), &st), 0);
    assert_true(st.st_size < 9 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(while_the_committer_is_at_work_messages_are_acknowledged),
        TEST(few_messages_enter_directly),
        TEST(who_wants_to_know_what_was_known_waits_for_the_database),
        TEST(a_known_id_makes_work_again),
        TEST(who_looks_on_sees_what_was_acknowledged),
        TEST(what_was_acknowledged_survives_a_crash),
        TEST(what_has_entered_enters_once),
        TEST(a_damaged_log_gives_what_can_be_read_and_is_kept),
        TEST(an_orderly_end_leaves_no_log),
        TEST(what_cannot_enter_stays_in_the_log),
        TEST(an_orderly_end_waits_for_no_retry),
        TEST(nothing_is_lost_between_senders_and_a_worker),
        TEST(more_than_the_file_holds),
    };
    (void)unsetenv("TP_STORE_URL"); /* for SQLite alone */
    fixture_may_go_ahead = true;
    return cmocka_run_group_tests_name("store sqlite ahead", tests, NULL, NULL);
}
