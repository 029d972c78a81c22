/*
 * How SQLite carries out each prepared statement: through an index, without reading or sorting what
 * grows with the queue. SQLite says "SCAN" where it reads a whole table and "TEMP B-TREE" where it
 * sorts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "../../receiver/store/sqlite_incoming.h"
#include "../../receiver/store/sqlite_statements.h"
#include "../../receiver/store/store_int.h"

static const struct {
    const char *name, *text;
} STATEMENTS[] = {
#define X(id, text) {#id, text},
    SQL_STATEMENTS(X)
#undef X
};
enum { STATEMENT_COUNT = sizeof STATEMENTS / sizeof STATEMENTS[0] };

/* What may be read or sorted as a whole, and why that is no matter. */
static const struct {
    const char *name, *step, *why;
} ALLOWED[] = {
    {"SQL_LEASE_ALL", "SCAN lease", "at the start; no more than workers"},
    {"SQL_LEASE_ALL", "USE TEMP B-TREE FOR ORDER BY", "likewise"},
    {"SQL_TALLIES", "SCAN tally", "one row an org"},
    {"SQL_HOLD_LIST", "USE TEMP B-TREE FOR ORDER BY", "open holds, which people work off"},
    {"SQL_HOLD_LIST", "SCAN job USING INDEX job_held", "likewise"},
    {"SQL_ATTEMPT_AGAIN", "SCALAR SUBQUERY 1", "one message's attempts"},
    {"SQL_ATTEMPT_PUT", "SCAN CONSTANT ROW", "one row"},
    {"SQL_ATTEMPT_PUT", "SCALAR SUBQUERY 1", "one message's attempts"},
    {"SQL_ATTEMPT_TRIM", "SCALAR SUBQUERY 1", "one message's attempts"},
    {"SQL_FAILURES", "SCAN notification USING COVERING INDEX notification_failed",
     "failed rows only, without their rows: 100,000 take some ms"},
    {"SQL_FAILURES", "USE TEMP B-TREE FOR ORDER BY", "the groups"},
    {"SQL_FIND_IN_JOBS", "CORRELATED SCALAR SUBQUERY 1", "by key"},
    {"SQL_JOB_LOST", "SCALAR SUBQUERY 1", "one row"},
    {"SQL_JOB_WALK_OPEN", "USE TEMP B-TREE FOR ORDER BY", "open jobs"},
    {"SQL_ITEM_TRIM", "LIST SUBQUERY 1", "up to its limit"},
    {"SQL_BULK_LIST", "USE TEMP B-TREE FOR ORDER BY", "one campaign's jobs in the org"},
    {"SQL_LEDGER_TRIM", "SCAN ledger", "in the order of its key, up to its limit"},
    {"SQL_LEDGER_TRIM", "LIST SUBQUERY 1", "likewise"},
    {"SQL_CLAMP", "LIST SUBQUERY 2", "up to its limit"},
    {"SQL_TAKE", "SCAN json_each VIRTUAL TABLE INDEX 1:", "one claim"},
    {"SQL_TAKE", "LIST SUBQUERY 1", "likewise"},
    {"SQL_APPLY", "SCAN json_each VIRTUAL TABLE INDEX 1:", "one settle"},
    {"SQL_APPLY", "LIST SUBQUERY 1", "likewise"},
    {"SQL_INSERT_ALL", "SCAN incoming VIRTUAL TABLE INDEX 0:", "one batch"},
    {"SQL_QUARANTINE_DROP", "SCAN quarantine", "up to the first one"},
    {"SQL_QUARANTINE_TRIM", "SCAN quarantine", "in the order of its key, up to its limit"},
    {"SQL_QUARANTINE_TRIM", "LIST SUBQUERY 1", "likewise"},
};

/* The index that a statement must go by, where the wrong one would do for SQLite, not for us. */
static const struct {
    const char *name, *step;
} WANTED[] = {
    {"SQL_CLAIM_LIVE", "notification_ready (claim_key=? AND background=? AND due_at<?)"},
    {"SQL_CLAIM_BACKGROUND", "notification_ready (claim_key=? AND background=? AND due_at<?)"},
    {"SQL_WHOLE_ROWS", "notification_ready (claim_key=? AND background=? AND due_at<?)"},
    {"SQL_LANE_FIRST_DUE", "notification_ready (claim_key=? AND background=?)"},
    {"SQL_LANE_FRONT", "lane_due (org=? AND background=?)"},
    {"SQL_LEASED_ROWS", "notification_leased (claim_key=?)"},
    {"SQL_PROGRESS", "notification_leased (claim_key=?)"},
    {"SQL_KEY_GET", "COVERING INDEX sqlite_autoindex_claim_key_1 (org=? AND key=?)"},
    {"SQL_FIND", "notification_identity (org=? AND notification_id=? AND record_id=?)"},
    {"SQL_ENDED_OLD", "notification_ended (state=? AND settled_at<?)"},
    {"SQL_OLDEST_DUE", "notification_ready (claim_key=? AND background=? AND due_at<?)"},
    {"SQL_OLDEST_LEASED", "notification_leased (claim_key=?)"},
    {"SQL_MESSAGES_ENDED", "notification_ended (state=? AND settled_at<?)"},
    {"SQL_LEDGER_OF_MEMBER", "ledger_member (member_id=? AND rowid<?)"},
    {"SQL_LEDGER_OF_CAMPAIGN", "ledger_campaign (campaign_id=? AND rowid<?)"},
    {"SQL_JOB_WALK_OPEN", "job_open (state<?)"},
    {"SQL_JOB_OLD", "job_ended (ended_at>? AND ended_at<?)"},
    {"SQL_TAKE", "notification USING INTEGER PRIMARY KEY (rowid=?)"},
    {"SQL_APPLY", "notification USING INTEGER PRIMARY KEY (rowid=?)"},
    {"SQL_CLAMP", "notification_ready (claim_key=? AND background=? AND due_at>?)"},
};

static int open_schema(void **state)
{
    sqlite3 *db = NULL;
    static const struct sqlite_incoming none;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite_incoming_install(db, &none), SQLITE_OK);
    for (int i = 0; i < store_sqlite_migration_count; i++) {
        if (sqlite3_exec(db, store_sqlite_migrations[i].sql, NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s: %s", store_sqlite_migrations[i].name, sqlite3_errmsg(db));
    }
    *state = db;
    return 0;
}

static int close_schema(void **state)
{
    sqlite3_close(*state);
    return 0;
}

/* All steps of a statement's plan, a line each. */
static void plan_of(sqlite3 *db, const char *text, char *out, size_t size)
{
    char explain[4096];
    sqlite3_stmt *st = NULL;
    size_t n = 0;
    (void)snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", text);
    if (sqlite3_prepare_v2(db, explain, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    out[0] = '\0';
    while (sqlite3_step(st) == SQLITE_ROW && n < size)
        n += (size_t)snprintf(out + n, size - n, "%s\n", (const char *)sqlite3_column_text(st, 3));
    sqlite3_finalize(st);
    assert_true(n < size);
}

static bool is_allowed(const char *name, const char *step, size_t n)
{
    for (size_t i = 0; i < sizeof ALLOWED / sizeof ALLOWED[0]; i++) {
        if (strcmp(ALLOWED[i].name, name) == 0 && strlen(ALLOWED[i].step) == n &&
            strncmp(ALLOWED[i].step, step, n) == 0)
            return true;
    }
    return false;
}

static void no_statement_reads_or_sorts_what_grows(void **state)
{
    char plan[4096];
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        if (strncmp(STATEMENTS[i].text, "BEGIN", 5) == 0)
            continue;
        plan_of(*state, STATEMENTS[i].text, plan, sizeof plan);
        for (char *step = plan, *end; (end = strchr(step, '\n')) != NULL; step = end + 1) {
            size_t n = (size_t)(end - step);
            bool is_title = strncmp(step, "SCALAR SUBQUERY ", 16) == 0; /* its steps follow */
            if (!is_title && strncmp(step, "SEARCH ", 7) != 0 &&
                !is_allowed(STATEMENTS[i].name, step, n))
                fail_msg("%s: %.*s", STATEMENTS[i].name, (int)n, step);
        }
    }
}

static void the_hot_statements_go_by_their_index(void **state)
{
    char plan[4096];
    for (size_t i = 0; i < sizeof WANTED / sizeof WANTED[0]; i++) {
        size_t k = 0;
        while (k < STATEMENT_COUNT && strcmp(STATEMENTS[k].name, WANTED[i].name) != 0)
            k++;
        assert_true(k < STATEMENT_COUNT);
        plan_of(*state, STATEMENTS[k].text, plan, sizeof plan);
        if (strstr(plan, WANTED[i].step) == NULL)
            fail_msg("%s: want %s, got %s", WANTED[i].name, WANTED[i].step, plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_statement_reads_or_sorts_what_grows),
        cmocka_unit_test(the_hot_statements_go_by_their_index),
    };
    return cmocka_run_group_tests_name("store sqlite plans", tests, open_schema, close_schema);
}
