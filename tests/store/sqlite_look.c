#define _GNU_SOURCE
#include "sqlite_look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { BUSY_MS = 10000 };

static sqlite3 *look(const char *path, int flags)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        fail_msg("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, BUSY_MS);
    /* else closing would checkpoint, which is the store's to do */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    return db;
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int rc = sqlite3_step(st);
    int64_t n = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(st);
    return n;
}

int64_t sqlite_number(const char *path, const char *sql)
{
    sqlite3 *db = look(path, SQLITE_OPEN_READWRITE);
    int64_t n = number(db, sql);
    sqlite3_close(db);
    return n;
}

void sqlite_change(const char *path, const char *sql)
{
    sqlite3 *db = look(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

void sqlite_expect_sound(const char *path)
{
    static const struct {
        const char *name, *sql; /* counts what is wrong */
    } rules[] = {
        {"the file is whole",
         "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
        {"each ready row is led to by a lane that is due no later",
         "SELECT count(*) FROM notification n WHERE state = 0 AND NOT EXISTS (SELECT 1 FROM lane l "
         "WHERE l.org = n.org AND l.key = n.key AND l.background = n.background "
         "AND l.due_at <= n.due_at)"},
        {"each row has the number of its key",
         "SELECT count(*) FROM notification n WHERE claim_key IS NOT (SELECT id FROM claim_key k "
         "WHERE k.org = n.org AND k.key = n.key)"},
        {"each leased row has a lease",
         "SELECT count(*) FROM notification n WHERE state = 1 AND NOT EXISTS (SELECT 1 FROM lease "
         "l WHERE l.org = n.org AND l.key = n.key)"},
        {"the tallies are the counts",
         "SELECT count(*) FROM tally t WHERE (ready, leased, done, failed) IS NOT "
         "(SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1), "
         "count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3) "
         "FROM notification n WHERE n.org = t.org)"},
        {"each org has a tally",
         "SELECT count(DISTINCT org) FROM notification WHERE org NOT IN (SELECT org FROM tally)"},
        {"only leased rows are marked to run again",
         "SELECT count(*) FROM notification WHERE rerun_at <> 0 AND state <> 1"},
        {"ended rows know when",
         "SELECT count(*) FROM notification WHERE (state >= 2) <> (settled_at IS NOT NULL)"},
        {"ready and leased rows have a number of their own",
         "SELECT count(*) - count(DISTINCT seq) FROM notification WHERE state < 2"},
        {"numbers were reserved",
         "SELECT count(*) FROM notification WHERE seq > (SELECT value FROM meta WHERE name = "
         "'seq')"},
        {"the quarantine's totals are its sums",
         "SELECT ((SELECT value FROM meta WHERE name = 'quarantine_bytes') <> "
         "(SELECT coalesce(sum(length(body)), 0) FROM quarantine)) + "
         "((SELECT value FROM meta WHERE name = 'quarantine_count') <> "
         "(SELECT count(*) FROM quarantine))"},
    };
    sqlite3 *db = look(path, SQLITE_OPEN_READWRITE);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        int64_t wrong = number(db, rules[i].sql);
        if (wrong != 0)
            fail_msg("%s: %lld times not", rules[i].name, (long long)wrong);
    }
    sqlite3_close(db);
}

const char *beside(const struct fixture *f, const char *suffix)
{
    static char slots[4][600];
    static unsigned next;
    char *slot = slots[next++ % 4];
    (void)snprintf(slot, sizeof slots[0], "%s%s", fixture_path(f), suffix);
    return slot;
}

void copy_file(const char *from, const char *to)
{
    static char buffer[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, in)) > 0;)
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

void pause_a_little(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}
