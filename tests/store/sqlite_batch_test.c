#define _GNU_SOURCE
/*
 * What SQLite's committer does with a batch, its numbers, and what its rows look like in the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/store/sqlite_int.h"
#include "sqlite_look.h"
#include "store_fixture.h"

/* ------------------------------------------------------------------ a batch */

struct worker {
    struct fixture *f;
    enum err result;
};

static void *set_cursor(void *arg)
{
    struct worker *w = arg;
    struct error e;
    w->result = store_cursor_set(w->f->store, w->f->org, "test", "kept", &e);
    return NULL;
}

static bool has_request(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool has = q->request_first != NULL;
    pthread_mutex_unlock(&q->lock);
    return has;
}

/* Puts that come with a worker's request are undone without it. */
static void a_bad_put_takes_no_request_along(void **state)
{
    struct fixture *f = *state;
    struct sqlite_store *s = (struct sqlite_store *)f->store;
    struct store_item items[2] = {member_item(1, 1), member_item(2, 1)};
    struct worker worker = {.f = f};
    struct pending gate, good, bad;
    pthread_t thread;
    memset(items[1].notification_id, 0, SFID_SIZE);
    pending_init(&good, f->org, items, 1);
    pending_init(&bad, f->org, items + 1, 1);
    gate_shut(f, &gate);
    assert_int_equal(pthread_create(&thread, NULL, set_cursor, &worker), 0);
    while (!has_request(&s->queue))
        sched_yield();
    pending_start(f, &good);
    pending_start(f, &bad);
    gate_open(&gate);
    pending_wait(&bad);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(worker.result, ERR_NONE);
    assert_int_equal(good.put.result, ERR_NONE);
    assert_int_equal(bad.put.result, ERR_INVALID);
    assert_int_equal(
        sqlite_number(fixture_path(f), "SELECT count(*) FROM org_cursor WHERE value = 'kept'"), 1);
    expect_counts(f, 1, 0, 0, 0);
    pending_release(&good);
    pending_release(&bad);
}

/* Nor are the counts of the puts that came with it undone with a document. */
static void a_refused_document_takes_no_count_along(void **state)
{
    struct fixture *f = *state;
    struct store_item item = member_item(1, 1);
    struct store_document *d = store_document_new("abc", 3);
    struct pending gate, put;
    store_set_quarantine(f->store, 1000);
    sqlite_change(fixture_path(f), "CREATE TRIGGER refuse BEFORE INSERT ON quarantine "
                                   "BEGIN SELECT RAISE(ABORT, 'a document'); END");
    pending_init(&put, f->org, &item, 1);
    gate_shut(f, &gate);
    store_quarantine(f->store, &d);
    pending_start(f, &put);
    gate_open(&gate);
    pending_wait(&put);
    assert_int_equal(put.put.result, ERR_NONE);
    expect_counts(f, 1, 0, 0, 0);
    sqlite_expect_sound(fixture_path(f));
    pending_release(&put);
}

/* Stands for a lack of memory just then. */
static int deny_undoing(void *arg, int action, const char *operation, const char *b, const char *c,
                        const char *d)
{
    (void)arg;
    (void)b;
    (void)c;
    (void)d;
    bool is_undoing = (action == SQLITE_TRANSACTION || action == SQLITE_SAVEPOINT) &&
                      strcmp(operation, "ROLLBACK") == 0;
    return is_undoing ? SQLITE_DENY : SQLITE_OK;
}

/* Then the batch fails by that, and not by the bad put's data. */
static void a_bad_put_that_cannot_be_undone_makes_no_other_invalid(void **state)
{
    struct fixture *f = *state;
    struct sqlite_store *s = (struct sqlite_store *)f->store;
    for (unsigned with_request = 0; with_request < 2; with_request++) {
        struct store_item items[2] = {member_item(1, 1), member_item(2, 1)};
        struct worker worker = {.f = f};
        struct pending gate, good, bad;
        pthread_t thread;
        memset(items[1].notification_id, 0, SFID_SIZE);
        pending_init(&good, f->org, items, 1);
        pending_init(&bad, f->org, items + 1, 1);
        gate_shut(f, &gate);
        assert_int_equal(sqlite3_set_authorizer(s->db.handle, deny_undoing, NULL), SQLITE_OK);
        if (with_request == 1)
            assert_int_equal(pthread_create(&thread, NULL, set_cursor, &worker), 0);
        while (with_request == 1 && !has_request(&s->queue))
            sched_yield();
        pending_start(f, &good);
        pending_start(f, &bad);
        gate_open(&gate);
        pending_wait(&good);
        pending_wait(&bad);
        if (with_request == 1)
            assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(good.put.result, ERR_DENIED);
        assert_int_equal(worker.result, with_request == 1 ? ERR_DENIED : ERR_NONE);
        expect_counts(f, 0, 0, 0, 0);
        pending_release(&good);
        pending_release(&bad);
    }
    put_member(f, 1, 1); /* on a connection of its own */
    sqlite_expect_sound(fixture_path(f));
}

/* ------------------------------------------------------------------ numbers */

/* The first draw of a process reserves a block; here the request that drew first is undone. */
static void numbers_reserved_by_a_request_that_failed_are_reserved_again(void **state)
{
    struct fixture *f = *state;
    struct store_item items[2] = {member_item(1, 1), member_item(2, 1)};
    memset(items[1].notification_id, 0, SFID_SIZE);
    fixture_reopen(f);
    assert_int_equal(put_items(f, f->org, items, 2).result, ERR_INVALID);
    put_member(f, 3, 1);
    sqlite_expect_sound(fixture_path(f));
}

static void numbers_are_never_used_twice(void **state)
{
    struct fixture *f = *state;
    int64_t fence = 0, watermark = 0;
    for (unsigned i = 1; i <= 5; i++) {
        put_member(f, i, i);
        struct store_claim *c = claim_on(f, i, 1);
        assert_true(c->fence > fence && c->watermark > watermark);
        fence = c->fence;
        watermark = c->watermark;
        settle_applied(f, &c);
        fixture_reopen(f);
    }
}

/* ------------------------------------------------------------------ ledger */

static void the_ledger_is_written_and_trimmed(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    static const char count[] = "SELECT count(*) FROM ledger";
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    const struct store_ledger_row rows[2] = {{.campaign_id = c->key,
                                              .member_id = member_id(1),
                                              .action = "created",
                                              .touchpoint_id = "a0X000000000001AAA",
                                              .after_json = "{\"x\":1}",
                                              .cause = "04l"},
                                             {.campaign_id = c->key,
                                              .member_id = member_id(2),
                                              .action = "deleted",
                                              .touchpoint_id = "",
                                              .before_json = "{}",
                                              .cause = "echo",
                                              .reason = "no_email"}};
    EXPECT_OK(store_write_begin(f->store, c, &e));
    EXPECT_OK(store_write_end(f->store, c, rows, 2, &e));
    assert_int_equal(sqlite_number(fixture_path(f), count), 2);
    assert_int_equal(
        sqlite_number(fixture_path(f),
                      "SELECT count(*) FROM ledger WHERE action = 'created' AND cause = '04l' AND "
                      "after_json = '{\"x\":1}' AND before_json IS NULL AND at > 0"),
        1);
    assert_int_equal(sqlite_number(fixture_path(f), "SELECT count(*) FROM ledger WHERE reason = "
                                                    "'no_email' AND action = 'deleted'"),
                     1);
    EXPECT_OK(store_write_begin(f->store, c, &e));
    shift(f, LEASE_MS);
    struct store_claim *next = claim_on(f, 1, 1);
    /* the lease is lost, but what was written was written */
    EXPECT_ERR(store_write_end(f->store, c, rows, 1, &e), ERR_STALE);
    assert_int_equal(sqlite_number(fixture_path(f), count), 3);
    lose(&c);
    settle_applied(f, &next);
    bool more;
    shift(f, f->options.keep_ledger_ms - HOUR_MS);
    EXPECT_OK(store_retain(f->store, &more, &e));
    assert_int_equal(sqlite_number(fixture_path(f), count), 3);
    shift(f, 2 * HOUR_MS);
    EXPECT_OK(store_retain(f->store, &more, &e));
    assert_int_equal(sqlite_number(fixture_path(f), count), 0);
}

static void the_quarantine_is_bounded_in_documents(void **state)
{
    struct fixture *f = *state;
    char fill[400];
    fixture_close(f);
    f->options.quarantine_max_bytes = 1 << 20;
    (void)snprintf(fill, sizeof fill,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                   "INSERT INTO quarantine (at, org, peer, reason, message, size, kept, body) "
                   "SELECT 4102444800000, '', '', 'x', 'x', 1, 1, x'00' FROM n",
                   STORE_DOCUMENTS_MAX);
    sqlite_change(fixture_path(f), fill);
    sqlite_expect_sound(fixture_path(f));
    fixture_open(f);
    struct store_document *d = store_document_new("abc", 3);
    store_quarantine(f->store, &d);
    fixture_close(f); /* writes what waits */
    assert_int_equal(sqlite_number(fixture_path(f), "SELECT count(*) FROM quarantine"),
                     STORE_DOCUMENTS_MAX);
    assert_int_equal(sqlite_number(fixture_path(f), "SELECT min(id) FROM quarantine"), 2);
    assert_int_equal(sqlite_number(fixture_path(f), "SELECT sum(kept) FROM quarantine"),
                     STORE_DOCUMENTS_MAX + 2);
    sqlite_expect_sound(fixture_path(f));
    fixture_open(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_bad_put_takes_no_request_along),
        TEST(a_refused_document_takes_no_count_along),
        TEST(a_bad_put_that_cannot_be_undone_makes_no_other_invalid),
        TEST(numbers_reserved_by_a_request_that_failed_are_reserved_again),
        TEST(numbers_are_never_used_twice),
        TEST(the_ledger_is_written_and_trimmed),
        TEST(the_quarantine_is_bounded_in_documents),
    };
    (void)unsetenv("TP_STORE_URL"); /* for SQLite alone */
    return cmocka_run_group_tests_name("store sqlite batch", tests, NULL, NULL);
}
