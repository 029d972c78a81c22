/*
 * Claims on PostgreSQL, on the backend's own connections: one whose answer was lost is found again
 * by its nonce, and none reads what grows with the history.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/store/postgres_int.h"
#include "store_fixture.h"

enum { HISTORY = 150000, HISTORY_SLICE = 500000, HISTORY_CAMPAIGNS = 300, READS_MAX = 200 };

static struct pg_store *backend(struct fixture *f)
{
    return (struct pg_store *)f->store;
}

/* A claim as pg_submit asks for it, on that connection. */
static struct store_request claim_request(const struct store_claim_options *o)
{
    return (struct store_request){.op = STORE_OP_CLAIM, .u.claim.options = o};
}

static void a_claim_whose_answer_was_lost_is_found_by_its_nonce(void **state)
{
    struct fixture *f = *state;
    struct pg_store *s = backend(f);
    struct error e = {0};
    const struct store_claim_options any = {0};
    struct store_request r = claim_request(&any);
    put_members(f, 1, 3, 7);
    struct pg_db *db = pg_take(s, &e);
    EXPECT_OK(pg_claim(s, db, &r, &e));
    struct store_claim *lost = r.u.claim.out;
    assert_non_null(lost);
    shift(f, LEASE_MS / 2);
    r.u.claim.out = NULL; /* the answer never came; the nonce is known */
    EXPECT_OK(pg_claim_again(s, db, &r, &e));
    struct store_claim *found = r.u.claim.out;
    assert_non_null(found);
    assert_string_equal(found->key, lost->key);
    assert_int_equal(found->fence, lost->fence);
    assert_int_equal(found->watermark, lost->watermark);
    assert_int_equal(found->count, 3);
    for (size_t i = 0; i < found->count; i++)
        assert_memory_equal(&found->hints[i], &lost->hints[i], sizeof found->hints[i]);
    assert_true(found->deadline_boot_ms > lost->deadline_boot_ms); /* renewed as it was found */
    shift(f, LEASE_MS / 2 + 1);
    EXPECT_OK(store_write_begin(f->store, found, &e));
    pg_give(s, db);
    lose(&lost);
    settle_applied(f, &found);
}

static void a_claim_that_was_never_made_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct pg_store *s = backend(f);
    struct error e = {0};
    const struct store_claim_options any = {0};
    struct store_request r = claim_request(&any);
    put_member(f, 1, 7);
    struct store_claim *anothers = claim_some(f);
    struct pg_db *db = pg_take(s, &e);
    r.u.claim.nonce = 4711;
    EXPECT_OK(pg_claim_again(s, db, &r, &e));
    assert_null(r.u.claim.out);
    pg_give(s, db);
    settle_applied(f, &anothers);
}

static void a_claim_that_ran_out_before_it_was_looked_for_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct pg_store *s = backend(f);
    struct error e = {0};
    const struct store_claim_options any = {0};
    struct store_request r = claim_request(&any);
    put_member(f, 1, 7);
    struct pg_db *db = pg_take(s, &e);
    EXPECT_OK(pg_claim(s, db, &r, &e));
    lose(&r.u.claim.out);
    shift(f, LEASE_MS + 1);
    struct store_claim *next = claim_some(f); /* another's now, under another nonce */
    EXPECT_OK(pg_claim_again(s, db, &r, &e));
    assert_null(r.u.claim.out);
    pg_give(s, db);
    settle_applied(f, &next);
}

static void a_claim_whose_connection_breaks_is_made_once(void **state)
{
    struct fixture *f = *state;
    struct pg_store *s = backend(f);
    struct error e = {0};
    put_member(f, 1, 7);
    struct pg_db *db = pg_take(s, &e); /* the pool gives it first */
    char end[80];
    (void)snprintf(end, sizeof end, "SELECT pg_terminate_backend(%d)", PQbackendPID(db->conn));
    struct pg_db *other = pg_take(s, &e);
    pg_give(s, db);
    EXPECT_OK(pg_exec(other, end, &e));
    struct store_claim *c = NULL;
    for (int i = 0; i < 10 && c == NULL; i++) /* not made: asked for again at once */
        c = claim_any(f);
    assert_non_null(c);
    expect_no_claim(f);
    pg_give(s, other);
    settle_applied(f, &c);
}

/* ------------------------------------------------------------------ with much history */

/* TP_HISTORY: so many rows instead; 10,000,000 of them take some minutes and 5 GB. */
static int history(void)
{
    const char *rows = getenv("TP_HISTORY");
    return rows == NULL ? HISTORY : (int)strtol(rows, NULL, 10);
}

static void fill(struct pg_db *db, int from, int to)
{
    char text[900];
    struct error e = {0};
    db->patience_ms = 10 * 60 * 1000;
    (void)snprintf(
        text, sizeof text,
        "SET statement_timeout = 0; INSERT INTO campaign (org, key) SELECT '00D0', 'h' || i FROM "
        "generate_series(1, %d) i ON CONFLICT DO NOTHING; INSERT INTO notification (org, "
        "notification_id, record_id, subject_id, campaign, kind, object, state, background, seq, "
        "due_at, received_at, settled_at) SELECT '00D0', 'n' || i, 'r', '', (SELECT min(id) FROM "
        "campaign) + i %% (SELECT count(*) FROM campaign), 1, 'CampaignMember', 2 + (i %% 50 = 0)"
        "::integer, 0, nextval('queue_seq'), i, i, i FROM generate_series(%d, %d) i",
        HISTORY_CAMPAIGNS, from, to);
    EXPECT_OK(pg_exec(db, text, &e));
}

/* Rows that this transaction has read of `notification` and `lane`, by whatever way. */
static int64_t reads(struct pg_db *db, bool in_order)
{
    struct error e = {0};
    PGresult *r = pg_query(db, &e,
                           in_order ? "SELECT coalesce(sum(seq_tup_read), 0) FROM "
                                      "pg_stat_xact_user_tables WHERE relname IN ('notification', "
                                      "'lane') AND schemaname = current_schema()"
                                    : "SELECT coalesce(sum(idx_tup_fetch), 0) FROM "
                                      "pg_stat_xact_user_tables WHERE relname IN ('notification', "
                                      "'lane') AND schemaname = current_schema()",
                           "");
    assert_non_null(r);
    int64_t n = pg_i64(r, 0, 0);
    PQclear(r);
    return n;
}

/* One claim of one row and its verdict, in one transaction so that the server counts them. */
static void claim_and_count(struct fixture *f, struct pg_db *db, unsigned n)
{
    struct pg_store *s = backend(f);
    struct error e = {0};
    const struct store_claim_options any = {0};
    struct store_request r = claim_request(&any);
    put_member(f, n, n);
    EXPECT_OK(pg_exec(db, "BEGIN", &e));
    EXPECT_OK(pg_claim(s, db, &r, &e));
    struct store_claim *c = r.u.claim.out;
    assert_non_null(c);
    const struct store_outcome o = {.row = c->hints[0].row, .verdict = STORE_APPLIED};
    const struct store_settle x = {.outcomes = &o, .count = 1, .whole = true, .release = true};
    struct store_request settle = {.op = STORE_OP_SETTLE, .lease = c, .u.settle.what = &x};
    EXPECT_OK(pg_settle(s, db, &settle, &e));
    int64_t in_order = reads(db, true), by_index = reads(db, false);
    EXPECT_OK(pg_exec(db, "COMMIT", &e));
    if (in_order > 0 || by_index > READS_MAX)
        fail_msg("a claim and its settling read %lld rows one after the other, %lld by index",
                 (long long)in_order, (long long)by_index);
    store_claim_free(&c);
}

static void a_claim_reads_a_handful_of_rows_whatever_the_history(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct pg_db *db = pg_take(backend(f), &e);
    claim_and_count(f, db, 1);
    for (int from = 1, all = history(); from <= all;
         from += HISTORY_SLICE) { /* the planner has not heard of them */
        int to = all - from < HISTORY_SLICE ? all : from + HISTORY_SLICE - 1;
        fill(db, from, to);
    }
    for (unsigned i = 2; i < 6; i++)
        claim_and_count(f, db, i);
    EXPECT_OK(pg_exec(db, "ANALYZE notification; ANALYZE lane; ANALYZE campaign", &e));
    for (unsigned i = 6; i < 10; i++)
        claim_and_count(f, db, i);
    pg_give(backend(f), db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_claim_whose_answer_was_lost_is_found_by_its_nonce),
        TEST(a_claim_that_was_never_made_is_not_found),
        TEST(a_claim_that_ran_out_before_it_was_looked_for_is_not_found),
        TEST(a_claim_whose_connection_breaks_is_made_once),
        TEST(a_claim_reads_a_handful_of_rows_whatever_the_history),
    };
    return cmocka_run_group_tests_name("store postgres claims", tests, NULL, NULL);
}
