#define _GNU_SOURCE
/*
 * What is SQLite's own: the file, its lock, its schema, damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../receiver/store/sqlite_int.h"
#include "sqlite_look.h"
#include "store_fixture.h"
#include "timeutil.h"

static void expect_refused(const struct fixture *f, const char *url, enum err want,
                           const char *says)
{
    struct error e = {0};
    struct store *s = NULL;
    struct store_options o = f->options;
    o.url = url;
    EXPECT_ERR(store_open(&s, &o, &e), want);
    assert_null(s);
    if (strstr(e.text, says) == NULL)
        fail_msg("want \"%s\", got \"%s\"", says, e.text);
}

/* ------------------------------------------------------------------ the file */

static void the_files_are_private(void **state)
{
    struct fixture *f = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    put_member(f, 1, 1);
    fixture_close(f);
    assert_int_equal(chmod(fixture_path(f), 0644), 0); /* an old one is narrowed */
    fixture_open(f);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        struct stat st;
        assert_int_equal(stat(beside(f, suffixes[i]), &st), 0);
        if ((st.st_mode & 0777) != 0600)
            fail_msg("%s has mode %o", beside(f, suffixes[i]), st.st_mode & 0777);
    }
}

static void commits_are_synced_and_only_the_committer_checkpoints(void **state)
{
    struct fixture *f = *state;
    char value[32];
    struct error e = {0};
    struct sqlite_store *s = (struct sqlite_store *)(void *)f->store;
    struct pending gate;
    assert_int_equal(sqlite_number(fixture_path(f), "PRAGMA user_version"),
                     store_sqlite_migration_count);
    put_member(f, 1, 1);
    (void)stats_of(f, f->org);
    gate_shut(f, &gate); /* nobody else uses the connections now */
    static const struct {
        const char *pragma, *want;
    } rows[] = {{"PRAGMA journal_mode", "wal"},
                {"PRAGMA synchronous", "2"},
                {"PRAGMA wal_autocheckpoint", "0"},
                {"PRAGMA trusted_schema", "0"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT_OK(sql_value(&s->db, rows[i].pragma, value, sizeof value, &e));
        if (strcmp(value, rows[i].want) != 0)
            fail_msg("%s is %s", rows[i].pragma, value);
    }
    EXPECT_OK(sql_value(&s->reader.db, "PRAGMA wal_autocheckpoint", value, sizeof value, &e));
    assert_string_equal(value, "0");
    EXPECT_OK(sql_value(&s->reader.db, "PRAGMA query_only", value, sizeof value, &e));
    assert_string_equal(value, "1");
    gate_open(&gate);
}

static void an_orderly_stop_leaves_one_file_that_holds_all(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    put_members(f, 1, 50, 1);
    assert_int_equal(sqlite_number(fixture_path(f), "SELECT value FROM meta WHERE name = 'clean'"),
                     0);
    fixture_close(f);
    assert_true(stat(beside(f, "-wal"), &st) != 0 || st.st_size == 0);
    assert_int_equal(sqlite_number(fixture_path(f), "SELECT value FROM meta WHERE name = 'clean'"),
                     1);
    assert_int_equal(sqlite_number(fixture_path(f), "SELECT count(*) FROM notification"), 50);
    sqlite_expect_sound(fixture_path(f));
}

static void a_url_is_checked(void **state)
{
    struct fixture *f = *state;
    expect_refused(f, "sqlite:queue.db", ERR_CONFIG, "absolute");
    expect_refused(f, "mysql://host/db", ERR_CONFIG, "store.url");
    char url[600];
    (void)snprintf(url, sizeof url, "sqlite:%s/missing/queue.db", f->dir);
    expect_refused(f, url, ERR_NOT_FOUND, "missing");
}

static void a_file_that_was_removed_in_use_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    EXPECT_OK(store_probe(f->store, &e));
    assert_int_equal(unlink(fixture_path(f)), 0);
    int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;
    while (store_probe(f->store, &e) != ERR_IO) /* it looks from time to time */
        assert_true(time_boot_ms() < give_up);
    assert_non_null(strstr(e.text, "removed or replaced"));
    /* an Ack would be a lie */
    const struct store_item item = member_item(1, 1);
    struct pending p;
    pending_init(&p, f->org, &item, 1);
    enum err err = store_put(f->store, &p.put, &e);
    if (err == ERR_NONE) {
        pending_wait(&p);
        err = p.put.result;
    }
    assert_int_equal(err, ERR_IO);
    pending_release(&p);
}

/* ------------------------------------------------------------------ one daemon a file */

static void a_second_daemon_is_refused_by_whatever_path(void **state)
{
    struct fixture *f = *state;
    char url[600], link[600];
    expect_refused(f, f->url, ERR_BUSY, "another daemon");
    (void)snprintf(link, sizeof link, "%s/link", f->dir);
    assert_int_equal(symlink(f->dir, link), 0);
    (void)snprintf(url, sizeof url, "sqlite:%s/link/queue.db", f->dir);
    expect_refused(f, url, ERR_BUSY, "another daemon");
    (void)snprintf(link, sizeof link, "%s/other.db", f->dir);
    assert_int_equal(symlink("queue.db", link), 0);
    (void)snprintf(url, sizeof url, "sqlite:%s/other.db", f->dir);
    expect_refused(f, url, ERR_BUSY, "another daemon");
    put_member(f, 1, 1); /* the first one is not disturbed */
    fixture_reopen(f);   /* and the lock goes with it */
    expect_counts(f, 1, 0, 0, 0);
}

/* ------------------------------------------------------------------ whose file, which schema */

static void another_programs_database_is_left_alone(void **state)
{
    struct fixture *f = *state;
    char url[600];
    sqlite_change(beside(f, "2"), "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (7)");
    (void)snprintf(url, sizeof url, "sqlite:%s", beside(f, "2"));
    expect_refused(f, url, ERR_CONFIG, "another program");
    assert_int_equal(sqlite_number(beside(f, "2"), "SELECT x FROM theirs"), 7);
    assert_int_equal(sqlite_number(beside(f, "2"), "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(sqlite_number(beside(f, "2"), "SELECT count(*) FROM pragma_journal_mode WHERE "
                                                   "journal_mode = 'delete'"),
                     1);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    char url[600];
    FILE *out = fopen(beside(f, "2"), "w");
    for (int i = 0; i < 1000; i++)
        (void)fprintf(out, "this is a letter, not a database\n");
    assert_int_equal(fclose(out), 0);
    (void)snprintf(url, sizeof url, "sqlite:%s", beside(f, "2"));
    expect_refused(f, url, ERR_CORRUPT, "not a SQLite database");
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    fixture_close(f);
    sqlite_change(fixture_path(f), "PRAGMA user_version = 99");
    expect_refused(f, f->url, ERR_CONFIG, "newer version");
    assert_int_equal(sqlite_number(fixture_path(f), "PRAGMA user_version"), 99);
    char back[64];
    (void)snprintf(back, sizeof back, "PRAGMA user_version = %d", store_sqlite_migration_count);
    sqlite_change(fixture_path(f), back);
    fixture_open(f);
    expect_counts(f, 1, 0, 0, 0);
}

/* From each number that a file may have. */
static void an_older_schema_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;
    for (int from = 0; from < store_sqlite_migration_count; from++) {
        char path[600], text[100];
        struct fixture old = *f;
        (void)snprintf(path, sizeof path, "%s/from%d.db", f->dir, from);
        for (int i = 0; i < from; i++)
            sqlite_change(path, store_sqlite_migrations[i].sql);
        (void)snprintf(text, sizeof text,
                       "PRAGMA user_version = %d; PRAGMA application_id = 0x54505131", from);
        sqlite_change(path, text);
        (void)snprintf(old.url, sizeof old.url, "sqlite:%s", path);
        old.options.url = old.url;
        fixture_open(&old);
        put_member(&old, 1, 1);
        assert_int_equal(drain(&old), 1);
        fixture_close(&old);
        assert_int_equal(sqlite_number(path, "PRAGMA user_version"), store_sqlite_migration_count);
        sqlite_expect_sound(path);
    }
}

/* Makes the file one of schema 4, from before claim_key. */
static const char WITHOUT_CLAIM_KEYS[] =
    "DROP INDEX notification_ready; DROP INDEX notification_leased;"
    "ALTER TABLE notification DROP COLUMN claim_key; DROP TABLE claim_key;"
    "CREATE INDEX notification_ready ON notification (org, key, background, due_at) WHERE state = "
    "0;"
    "CREATE INDEX notification_leased ON notification (org, key) WHERE state = 1;"
    "DELETE FROM meta WHERE name IN ('logged', 'log_of');"
    "PRAGMA user_version = 4;";

static void rows_from_before_claim_keys_keep_their_states_and_are_claimed(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_applied(f, &c);
    put_member(f, 2, 1);
    c = claim_on(f, 1, 1);
    settle_failed(f, &c);
    put_member(f, 3, 2);
    c = claim_on(f, 2, 1); /* leased when the process ends */
    lose(&c);
    put_members(f, 4, 2, 1);
    put_member(f, 6, 0);
    fixture_close(f);
    sqlite_change(fixture_path(f), WITHOUT_CLAIM_KEYS);
    fixture_open(f);
    sqlite_expect_sound(fixture_path(f));
    expect_counts(f, 4, 0, 1, 1);
    resend_member(f, 1, 1);
    resend_member(f, 2, 1);
    expect_counts(f, 6, 0, 0, 0);
    assert_int_equal(drain(f), 6);
    expect_counts(f, 0, 0, 6, 0);
}

static void a_migration_that_fails_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char url[600];
    sqlite_change(beside(f, "2"),
                  "CREATE TABLE job (x); PRAGMA application_id = 0x54505131"); /* in the way */
    (void)snprintf(url, sizeof url, "sqlite:%s", beside(f, "2"));
    expect_refused(f, url, ERR_INTERNAL, "migration 0001_queue");
    assert_int_equal(sqlite_number(beside(f, "2"), "PRAGMA user_version"), 0);
    assert_int_equal(sqlite_number(beside(f, "2"), "SELECT count(*) FROM sqlite_schema"), 1);
}

/* ------------------------------------------------------------------ damage */

/* As a crash leaves it: a copy of the open database. */
static void open_copy(const struct fixture *f, struct fixture *out)
{
    *out = *f;
    out->store = NULL;
    (void)snprintf(out->url, sizeof out->url, "sqlite:%s", beside(f, "2"));
    out->options.url = out->url;
}

static void after_an_unclean_stop_the_database_is_checked(void **state)
{
    struct fixture *f = *state, crashed;
    put_members(f, 1, 300, 1);
    copy_file(fixture_path(f), beside(f, "2"));
    copy_file(beside(f, "-wal"), beside(f, "2-wal"));
    open_copy(f, &crashed);
    fixture_open(&crashed);
    struct sqlite_store *s = (struct sqlite_store *)(void *)crashed.store;
    int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;
    while (!atomic_load(&s->check_passed)) {
        assert_true(time_boot_ms() < give_up);
        pause_a_little();
    }
    expect_counts(&crashed, 300, 0, 0, 0);
    fixture_close(&crashed);
    assert_int_equal(sqlite_number(beside(f, "2"), "SELECT value FROM meta WHERE name = 'clean'"),
                     1);
}

/* Zeroes in the middle: pages that opening does not read. */
static void damage_is_found_and_ends_the_taking_of_puts(void **state)
{
    struct fixture *f = *state, crashed;
    struct error e = {0};
    static const char zeroes[4096];
    put_members(f, 1, STORE_SLICE_MAX, 1);
    fixture_close(f);
    sqlite_change(fixture_path(f), "UPDATE meta SET value = 0 WHERE name = 'clean'");
    int64_t pages = sqlite_number(fixture_path(f), "PRAGMA page_count");
    copy_file(fixture_path(f), beside(f, "2"));
    copy_file(beside(f, "-wal"), beside(f, "2-wal"));
    FILE *out = fopen(beside(f, "2"), "rb+");
    assert_non_null(out);
    for (int64_t page = pages / 2; page < pages / 2 + 8; page++) {
        assert_int_equal(fseek(out, (long)(page * 4096), SEEK_SET), 0);
        assert_int_equal(fwrite(zeroes, 1, sizeof zeroes, out), sizeof zeroes);
    }
    assert_int_equal(fclose(out), 0);
    open_copy(f, &crashed);
    fixture_open(&crashed);
    int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;
    while (store_probe(crashed.store, &e) != ERR_CORRUPT) {
        assert_true(time_boot_ms() < give_up);
        pause_a_little();
    }
    const struct store_item item = member_item(5000, 1);
    struct pending p;
    pending_init(&p, f->org, &item, 1);
    enum err err = store_put(crashed.store, &p.put, &e);
    if (err == ERR_NONE) { /* it was let in before the committer heard of it */
        pending_wait(&p);
        err = p.put.result;
    }
    assert_int_equal(err, ERR_CORRUPT);
    pending_release(&p);
    fixture_close(&crashed);
    /* it is not called clean, so the next start checks again */
    assert_int_equal(sqlite_number(beside(f, "2"), "SELECT value FROM meta WHERE name = 'clean'"),
                     0);
    fixture_open(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_files_are_private),
        TEST(commits_are_synced_and_only_the_committer_checkpoints),
        TEST(an_orderly_stop_leaves_one_file_that_holds_all),
        TEST(a_url_is_checked),
        TEST(a_file_that_was_removed_in_use_is_noticed),
        TEST(a_second_daemon_is_refused_by_whatever_path),
        TEST(another_programs_database_is_left_alone),
        TEST(a_file_that_is_no_database_is_refused),
        TEST(a_newer_schema_is_refused),
        TEST(an_older_schema_is_brought_up_to_date),
        TEST(rows_from_before_claim_keys_keep_their_states_and_are_claimed),
        TEST(a_migration_that_fails_changes_nothing),
        TEST(after_an_unclean_stop_the_database_is_checked),
        TEST(damage_is_found_and_ends_the_taking_of_puts),
    };
    (void)unsetenv("TP_STORE_URL"); /* for SQLite alone */
    return cmocka_run_group_tests_name("store sqlite", tests, NULL, NULL);
}
