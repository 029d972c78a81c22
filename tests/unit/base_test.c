/*
 * base: errors, buffers, ids, dates, metrics. Hermetic; no clock but where a clock is the subject.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"
#include "error.h"
#include "metrics.h"
#include "secret.h"
#include "sfid.h"
#include "timeutil.h"

static void an_id_of_15_gets_its_checksum(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want; /* want NULL: refused */
    } rows[] = {
        {"001A0000006Vm9r", "001A0000006Vm9rIAC"},
        {"001A0000006Vm9rIAC", "001A0000006Vm9rIAC"},
        {"001A0000006Vm9riac", "001A0000006Vm9rIAC"},
        {"001A0000006Vm9rIAB", NULL},
        {"000000000000000", "000000000000000AAA"},
        {"ZZZZZZZZZZZZZZZ", "ZZZZZZZZZZZZZZZ555"},
        {"001A0000006Vm9", NULL},
        {"001A0000006Vm9r1", NULL},
        {"001A0000006Vm9r-", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char got[SFID_SIZE] = "untouched";
        bool ok = sfid_normalise(rows[i].in, strlen(rows[i].in), got);
        assert_int_equal(ok, rows[i].want != NULL);
        assert_string_equal(got, rows[i].want != NULL ? rows[i].want : "untouched");
    }
}

/* Letters and digits of ASCII, at each place. */
static void each_byte_of_an_id_is_looked_at(void **state)
{
    (void)state;
    for (size_t at = 0; at < 15; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char id[] = "000000000000000", got[SFID_SIZE];
            bool is_good = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                           (byte >= 'a' && byte <= 'z');
            id[at] = (char)byte;
            assert_int_equal(sfid_normalise(id, 15, got), is_good);
            if (is_good)
                assert_int_equal(got[15 + at / 5],
                                 byte >= 'A' && byte <= 'Z' ? "BCEIQ"[at % 5] : 'A');
        }
    }
}

static void date_times_of_every_form_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        int64_t want; /* TIME_NONE: refused */
    } rows[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"2026-01-15T09:30:00.000+0000", 1768469400000},
        {"2026-01-15T10:30:00.5+01:00", 1768469400500},
        {"2026-01-15T09:30:00.123456Z", 1768469400123},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2023-02-29T00:00:00Z", TIME_NONE},
        {"2026-01-15T24:00:00Z", TIME_NONE},
        {"2026-01-15T09:30:00", TIME_NONE},
        {"2026-01-15T09:30:00.Z", TIME_NONE},
        {"2026-01-15 09:30:00Z", TIME_NONE},
        {"1699-01-01T00:00:00Z", TIME_NONE},
        {"4001-01-01T00:00:00Z", TIME_NONE},
        {"2026-01-15T09:30:00Zx", TIME_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t got = TIME_NONE;
        (void)time_parse_datetime(rows[i].in, strlen(rows[i].in), &got);
        assert_int_equal(got, rows[i].want);
    }
}

static void days_and_dates_go_back_and_forth(void **state)
{
    (void)state;
    for (int64_t day = -98000; day < 740000; day += 37) {
        char text[TIME_TEXT_MAX];
        int64_t got = TIME_NONE;
        assert_true(time_parse_date(time_format_date(day, text), 10, &got));
        assert_int_equal(got, day);
    }
    char text[TIME_TEXT_MAX];
    assert_string_equal(time_format_datetime(-1, text), "1969-12-31T23:59:59.999Z");
    assert_string_equal(time_format_datetime(1768469400123, text), "2026-01-15T09:30:00.123Z");
}

static void a_buffer_never_grows_past_its_maximum(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_string_equal(b.data, "");
    buf_puts(&b, "12345");
    buf_puts(&b, "678901");
    assert_true(b.overflow);
    assert_string_equal(b.data, "12345");
    buf_clear(&b);
    buf_put_xml(&b, "<&", 2);
    assert_string_equal(b.data, "&lt;&amp;");
    buf_clear(&b);
    buf_put_url(&b, "a '");
    assert_string_equal(b.data, "a%20%27");
    char *taken = buf_take(&b);
    assert_string_equal(taken, "a%20%27");
    free(taken);
    assert_int_equal(b.len, 0);
    buf_release(&b);
}

static void an_error_says_what_and_to_what(void **state)
{
    (void)state;
    struct error e;
    assert_int_equal(error_set(&e, ERR_FULL, "cannot write %s", "x"), ERR_FULL);
    assert_int_equal(error_wrap(&e, "queue %d", 7), ERR_FULL);
    assert_string_equal(e.text, "queue 7: cannot write x");
    assert_string_equal(err_name(ERR_UNKNOWN_OUTCOME), "unknown_outcome");
    assert_int_equal(error_set(NULL, ERR_IO, "nobody asks"), ERR_IO);
}

static void secrets_compare_by_content_only(void **state)
{
    (void)state;
    struct secret s = {0};
    assert_false(secret_equal(&s, "", 0));
    secret_set(&s, "token", 5);
    assert_true(secret_equal(&s, "token", 5));
    assert_false(secret_equal(&s, "tokem", 5));
    assert_false(secret_equal(&s, "toke", 4));
    secret_release(&s);
    assert_null(s.secret_bytes);
}

static void a_secret_file_is_private_to_its_owner_or_to_a_group_that_root_chose(void **state)
{
    (void)state;
    bool is_root = geteuid() == 0; /* only root can make files of root, or of another */
    static const struct {
        mode_t mode;
        uid_t owner;
        bool want;
    } rows[] = {
        {0600, 1, true}, {0400, 1, true}, {0640, 1, false}, {0604, 1, false}, {0600, 0, true},
        {0640, 0, true}, {0440, 0, true}, {0660, 0, false}, {0650, 0, false}, {0644, 0, false},
    };
    char path[] = "/tmp/touchpointd-secret-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].owner == 0 && !is_root)
            continue;
        assert_int_equal(fchown(fd, is_root ? rows[i].owner : geteuid(), getegid()), 0);
        assert_int_equal(fchmod(fd, rows[i].mode), 0);
        if (secret_file_is_private(path) != rows[i].want)
            fail_msg("mode %o of user %u", (unsigned)rows[i].mode, (unsigned)rows[i].owner);
    }
    close(fd);
    unlink(path);
    assert_false(secret_file_is_private(path));
}

static void metrics_are_written_as_prometheus_reads_them(void **state)
{
    (void)state;
    metric_inc(METRIC_MESSAGES_RECEIVED, "00D\"x", "ok");
    metric_add(metric_series(METRIC_MESSAGES_RECEIVED, "00D\"x", "ok"), 2);
    metric_observe(metric_series(METRIC_INTAKE_SECONDS), 0.002);
    metric_observe(metric_series(METRIC_INTAKE_SECONDS), 1000);
    metric_set(metric_series(METRIC_QUEUE_OLDEST, "o"), 1.5);
    struct buf b;
    buf_init(&b, 1 << 20);
    metrics_write(&b);
    assert_non_null(
        strstr(b.data, "touchpoint_messages_received_total{org=\"00D\\\"x\",result=\"ok\"} 3\n"));
    assert_non_null(strstr(b.data, "touchpoint_intake_seconds_bucket{le=\"0.0025\"} 1\n"));
    assert_non_null(strstr(b.data, "touchpoint_intake_seconds_bucket{le=\"120\"} 1\n"));
    assert_non_null(strstr(b.data, "touchpoint_intake_seconds_bucket{le=\"+Inf\"} 2\n"));
    assert_non_null(strstr(b.data, "touchpoint_queue_oldest_seconds{org=\"o\"} 1.5\n"));
    buf_release(&b);
}

static void label_values_without_end_are_folded_into_one_series(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        char org[32];
        (void)snprintf(org, sizeof org, "org%d", i);
        metric_inc(METRIC_NOTIFICATIONS_DUPLICATE, org);
    }
    assert_ptr_equal(metric_series(METRIC_NOTIFICATIONS_DUPLICATE, "org4999"),
                     metric_series(METRIC_NOTIFICATIONS_DUPLICATE, "other"));
    assert_int_equal(metric_value(metric_series(METRIC_NOTIFICATIONS_DUPLICATE, "org1")), 1);
}

static void ids_are_sorted_and_kept_once(void **state)
{
    static const struct {
        const char *in[4];
        size_t n;
        const char *want;
    } rows[] = {
        {{NULL}, 0, ""},           {{"b"}, 1, "b"},
        {{"b", "a"}, 2, "ab"},     {{"b", "a", "b", "a"}, 4, "ab"},
        {{"a", "a", "a"}, 3, "a"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char ids[4][SFID_SIZE] = {{0}}, got[5] = "";
        for (size_t k = 0; k < rows[i].n; k++)
            memcpy(ids[k], rows[i].in[k], 2);
        size_t kept = sfid_sort_unique(ids, rows[i].n);
        for (size_t k = 0; k < kept; k++)
            memcpy(got + k, ids[k], 2);
        assert_string_equal(got, rows[i].want);
    }
}

static void a_timed_wait_ends_by_the_clock_that_nobody_sets(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    struct timespec now, until = time_cond_after(1999);
    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left_ms = (until.tv_sec - now.tv_sec) * 1000 + (until.tv_nsec - now.tv_nsec) / 1000000;
    assert_in_range(left_ms, 0, 1999);
    assert_in_range(until.tv_nsec, 0, 999999999);
    time_cond_init(&cond);
    until = time_cond_after(1);
    pthread_mutex_lock(&lock);
    /* by the wall clock that moment would be decades ago */
    assert_int_equal(pthread_cond_timedwait(&cond, &lock, &until), ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_true(now.tv_sec > until.tv_sec ||
                (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
    pthread_cond_destroy(&cond);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_of_15_gets_its_checksum),
        cmocka_unit_test(each_byte_of_an_id_is_looked_at),
        cmocka_unit_test(ids_are_sorted_and_kept_once),
        cmocka_unit_test(a_timed_wait_ends_by_the_clock_that_nobody_sets),
        cmocka_unit_test(date_times_of_every_form_are_read),
        cmocka_unit_test(days_and_dates_go_back_and_forth),
        cmocka_unit_test(a_buffer_never_grows_past_its_maximum),
        cmocka_unit_test(an_error_says_what_and_to_what),
        cmocka_unit_test(secrets_compare_by_content_only),
        cmocka_unit_test(a_secret_file_is_private_to_its_owner_or_to_a_group_that_root_chose),
        cmocka_unit_test(metrics_are_written_as_prometheus_reads_them),
        cmocka_unit_test(label_values_without_end_are_folded_into_one_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
