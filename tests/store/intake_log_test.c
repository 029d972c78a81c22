#define _GNU_SOURCE
/*
 * The intake log's file: what was appended is read again after any crash, and nothing else is.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../receiver/store/intake_log.h"

enum { RECORD_HEAD = 24, BIG = 500000, DATABASE = -7 };

static const char TEMPLATE[] = "/tmp/tp-intake-log-XXXXXX";
static char folder[sizeof TEMPLATE];
static char path[64], copy[64];

static int set_up(void **state)
{
    (void)state;
    memcpy(folder, TEMPLATE, sizeof TEMPLATE);
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/log", folder);
    (void)snprintf(copy, sizeof copy, "%s/copy", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)unlink(copy);
    return rmdir(folder);
}

static void expect(enum err err, const struct error *e)
{
    if (err != ERR_NONE)
        fail_msg("%s", e->text);
}

static struct intake_log *make(int64_t first)
{
    struct intake_log *l = NULL;
    struct error e = {0};
    expect(intake_log_create(&l, path, DATABASE, first, &e), &e);
    return l;
}

static char *payload_of(int64_t number, size_t n)
{
    char *p = malloc(n + 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(number * 31 + (int64_t)i);
    return p;
}

static void append(struct intake_log *l, size_t n, int64_t want)
{
    struct error e = {0};
    int64_t number = 0;
    char *p = payload_of(want, n);
    expect(intake_log_append(l, p, n, &number, &e), &e);
    free(p);
    assert_int_equal(number, want);
}

/* ------------------------------------------------------------------ reading */

struct seen {
    int64_t first, last;
    size_t count;
    bool found;
    const char *damage;
};

static enum err see(void *ctx, int64_t number, const char *payload, size_t n, struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    char *want = payload_of(number, n);
    assert_memory_equal(payload, want, n);
    free(want);
    if (s->count++ == 0)
        s->first = number;
    assert_true(number > s->last);
    s->last = number;
    return ERR_NONE;
}

static struct seen read_as(const char *file, int64_t database, int64_t after)
{
    struct seen s = {0};
    struct error e = {0};
    expect(intake_log_read(file, database, after, see, &s, &s.found, &s.damage, &e), &e);
    return s;
}

static struct seen read_from(const char *file, int64_t after)
{
    return read_as(file, DATABASE, after);
}

static void expect_seen(int64_t after, int64_t first, int64_t last)
{
    struct seen s = read_from(path, after);
    assert_true(s.found);
    assert_null(s.damage);
    assert_int_equal(s.first, first);
    assert_int_equal(s.last, last);
    assert_int_equal(s.count, first == 0 ? 0 : last - first + 1);
}

/* The file with some bytes of it changed. */
static struct seen read_changed(off_t at, const char *bytes, size_t n)
{
    static char all[INTAKE_LOG_HEAD + 2 * INTAKE_LOG_HALF];
    FILE *in = fopen(path, "rb"), *out = fopen(copy, "wb");
    assert_true(in != NULL && out != NULL);
    size_t got = fread(all, 1, sizeof all, in);
    memcpy(all + at, bytes, n);
    assert_int_equal(fwrite(all, 1, got, out), got);
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
    return read_from(copy, 0);
}

/* ------------------------------------------------------------------ tests */

static void what_was_appended_is_read_in_order(void **state)
{
    struct intake_log *l = make(7);
    struct stat st;
    (void)state;
    expect_seen(6, 0, 0);
    for (int64_t number = 7; number < 27; number++)
        append(l, (size_t)number * 13 % 50, number);
    intake_log_close(&l);
    expect_seen(6, 7, 26);
    expect_seen(9, 10, 26);
    expect_seen(26, 0, 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void no_file_is_no_record(void **state)
{
    struct error e = {0};
    (void)state;
    struct seen s = read_from(path, 0);
    assert_false(s.found);
    assert_null(s.damage);
    expect(intake_log_remove(path, &e), &e);
    struct intake_log *l = make(1);
    intake_log_close(&l);
    expect(intake_log_remove(path, &e), &e);
    assert_false(read_from(path, 0).found);
}

/* Halves are begun again in turn, and only when all that they hold has entered. */
static void what_has_not_entered_is_never_written_over(void **state)
{
    struct intake_log *l = make(1);
    int64_t number = 1, entered = 0;
    (void)state;
    for (; intake_log_has_room(l, BIG, entered); number++)
        append(l, BIG, number);
    expect_seen(entered, 1, number - 1);
    assert_int_equal(number - 1, 2 * (INTAKE_LOG_HALF / BIG));
    for (int lap = 0; lap < 5; lap++) {
        int64_t half = INTAKE_LOG_HALF / BIG;
        assert_false(intake_log_has_room(l, BIG, entered + half - 1));
        assert_true(intake_log_has_room(l, 1000, entered));
        entered += half;
        for (; intake_log_has_room(l, BIG, entered); number++) {
            append(l, BIG, number);
            expect_seen(entered, entered + 1, number);
        }
        assert_int_equal(number - 1, entered + 2 * half);
    }
    intake_log_close(&l);
}

/* Whatever a crash leaves of the last record, those before it are there, and it is there whole or
 * not at all. */
static void a_record_that_was_not_finished_is_none(void **state)
{
    enum { N = 60, WHOLE = 88 };
    struct intake_log *l = make(1);
    (void)state;
    for (int64_t number = 1; number <= 3; number++)
        append(l, N, number);
    intake_log_close(&l);
    static char zeros[WHOLE], ones[WHOLE];
    memset(ones, -1, sizeof ones);
    for (size_t lost = 1; lost <= RECORD_HEAD + N; lost += 3) {
        off_t end = INTAKE_LOG_HEAD + 3 * WHOLE - 4; /* without the padding */
        struct seen s = read_changed(end - (off_t)lost, lost % 2 == 0 ? zeros : ones, lost);
        assert_null(s.damage);
        if (s.last != 2 || s.count != 2)
            fail_msg("with %zu bytes lost the last that is read is %lld", lost, (long long)s.last);
    }
}

static void what_lies_before_whole_records_was_durable(void **state)
{
    enum { N = 104, WHOLE = RECORD_HEAD + N };
    struct intake_log *l = make(1);
    (void)state;
    for (int64_t number = 1; number <= 9; number++)
        append(l, N, number);
    intake_log_close(&l);
    for (off_t at = WHOLE; at < 8 * WHOLE; at += 31) { /* in the second to the eighth */
        struct seen s = read_changed(INTAKE_LOG_HEAD + at, "\xa5\x5a\xa5\x5a", 4);
        if (s.damage == NULL)
            fail_msg("what lies at %lld is wrong and was read", (long long)at);
        assert_true(s.count >= 7); /* it may touch two */
        assert_int_equal(s.last, 9);
    }
    assert_non_null(read_changed(3, "x", 1).damage);
    struct seen s = read_changed(INTAKE_LOG_HEAD + 30, "x", 1); /* in the first */
    assert_non_null(s.damage);
    assert_int_equal(s.first, 2);
}

/* Records of a file that lay there before, byte for byte, are not this file's. */
static void what_another_file_held_is_not_read(void **state)
{
    static char record[RECORD_HEAD + 104];
    struct intake_log *l = make(1);
    (void)state;
    append(l, 100, 1);
    append(l, 100, 2);
    intake_log_close(&l);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fseek(in, INTAKE_LOG_HEAD + (long)sizeof record, SEEK_SET), 0);
    assert_int_equal(fread(record, 1, sizeof record, in), sizeof record);
    (void)fclose(in);
    l = make(1);
    append(l, 100, 1);
    intake_log_close(&l);
    struct seen s = read_changed(INTAKE_LOG_HEAD + sizeof record, record, sizeof record);
    assert_null(s.damage);
    assert_int_equal(s.last, 1);
}

/* The numbers of another database say nothing about this one's. */
static void of_another_database_everything_is_read(void **state)
{
    struct intake_log *l = make(1);
    (void)state;
    for (int64_t number = 1; number <= 5; number++)
        append(l, 10, number);
    intake_log_close(&l);
    struct seen s = read_as(path, DATABASE + 1, 1000);
    assert_null(s.damage);
    assert_int_equal(s.count, 5);
}

static void a_file_that_cannot_be_made_is_an_error(void **state)
{
    struct intake_log *l = NULL;
    struct error e = {0};
    char beside[80];
    (void)state;
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    assert_int_equal(mkdir(beside, 0700), 0);
    assert_int_not_equal(intake_log_create(&l, path, DATABASE, 1, &e), ERR_NONE);
    assert_null(l);
    assert_non_null(strstr(e.text, path));
    assert_int_equal(rmdir(beside), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_appended_is_read_in_order),
        TEST(no_file_is_no_record),
        TEST(what_has_not_entered_is_never_written_over),
        TEST(a_record_that_was_not_finished_is_none),
        TEST(what_lies_before_whole_records_was_durable),
        TEST(what_another_file_held_is_not_read),
        TEST(of_another_database_everything_is_read),
        TEST(a_file_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests_name("store intake log", tests, NULL, NULL);
}
