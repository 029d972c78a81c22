/*
 * zone: the start of a day where midnight is missing, double or plain; the day at an instant; case
 * folding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "timeutil.h"
#include "zone.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct zone *open_zone(const char *name)
{
    struct zone *z = NULL;
    struct error e = {0};
    if (zone_open(&z, name, &e) != ERR_NONE)
        fail_msg("%s: %s", name, e.text);
    return z;
}

static int64_t day_of(const char *text)
{
    int64_t day = TIME_NONE;
    assert_true(time_parse_date(text, strlen(text), &day));
    return day;
}

static int64_t at_of(const char *text)
{
    int64_t at = TIME_NONE;
    assert_true(time_parse_datetime(text, strlen(text), &at));
    return at;
}

static void a_name_that_is_not_a_zone_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum err want;
    } rows[] = {
        {"Europe/Berlin", ERR_NONE},
        {"America/Los_Angeles", ERR_NONE},
        {"Asia/Kolkata", ERR_NONE},
        {"UTC", ERR_NONE},
        {"GMT", ERR_NONE},
        {"Europe/Berlim", ERR_CONFIG},
        {"Etc/Unknown", ERR_CONFIG},
        {"GMT+03:00", ERR_CONFIG},
        {"", ERR_CONFIG},
        {" Europe/Berlin", ERR_CONFIG},
        {"Europe/M\xc3\xbcnchen", ERR_CONFIG},
        {"auto", ERR_CONFIG},
        {"A/name/that/is/far/longer/than/any/name/of/a/zone/that/there/ever/was/or/will/be",
         ERR_CONFIG},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct zone *z = NULL;
        struct error e = {0};
        assert_int_equal(zone_open(&z, rows[i].name, &e), rows[i].want);
        assert_int_equal(z != NULL, rows[i].want == ERR_NONE);
        if (z == NULL)
            assert_non_null(strstr(e.text, "is not a time zone; allowed is"));
        else
            assert_string_equal(zone_name(z), rows[i].name);
        zone_close(&z);
        assert_null(z);
        zone_close(&z);
    }
}

/* zone, day, the first instant of the day, the day that the zone's clock shows then */
static const struct {
    const char *zone, *day, *want, *shows;
} STARTS[] = {
    {"UTC", "2026-01-15", "2026-01-15T00:00:00.000Z", "2026-01-15"},
    {"GMT", "1970-01-01", "1970-01-01T00:00:00.000Z", "1970-01-01"},
    {"Europe/Berlin", "2026-01-15", "2026-01-14T23:00:00.000Z", "2026-01-15"},
    {"Europe/Berlin", "2026-07-15", "2026-07-14T22:00:00.000Z", "2026-07-15"},
    {"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z", "2026-03-29"},
    {"Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00.000Z", "2026-03-30"},
    {"Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00.000Z", "2026-10-25"},
    {"Europe/Berlin", "2026-10-26", "2026-10-25T23:00:00.000Z", "2026-10-26"},
    /* double summer time of 1945 */
    {"Europe/Berlin", "1945-06-01", "1945-05-31T21:00:00.000Z", "1945-06-01"},
    {"Europe/Berlin", "1960-02-29", "1960-02-28T23:00:00.000Z", "1960-02-29"},
    /* far ahead, by the last rule known */
    {"Europe/Berlin", "2099-07-01", "2099-06-30T22:00:00.000Z", "2099-07-01"},
    /* midnight does not exist: 23:59:59 is followed by 01:00:00 */
    {"America/Sao_Paulo", "2017-10-15", "2017-10-15T03:00:00.000Z", "2017-10-15"},
    {"America/Sao_Paulo", "2017-10-14", "2017-10-14T03:00:00.000Z", "2017-10-14"},
    {"America/Sao_Paulo", "2017-10-16", "2017-10-16T02:00:00.000Z", "2017-10-16"},
    /* 24:00 is put back to 23:00 of the old day: midnight comes once, an hour later */
    {"America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00.000Z", "2018-02-18"},
    /* midnight comes twice: 01:00 is put back to 00:00 */
    {"America/Havana", "2017-11-05", "2017-11-05T04:00:00.000Z", "2017-11-05"},
    {"America/Havana", "2017-11-06", "2017-11-06T05:00:00.000Z", "2017-11-06"},
    /* 00:01 is put back to 23:01 of the old day: midnight comes twice */
    {"America/St_Johns", "2006-10-29", "2006-10-29T02:30:00.000Z", "2006-10-29"},
    {"Asia/Kolkata", "2026-01-15", "2026-01-14T18:30:00.000Z", "2026-01-15"},
    /* the day was left out when the date line was crossed */
    {"Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00.000Z", "2011-12-29"},
    {"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00.000Z", "2011-12-31"},
    {"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00.000Z", "2011-12-31"},
    {"Pacific/Apia", "2012-01-01", "2011-12-31T10:00:00.000Z", "2012-01-01"},
    {"America/Los_Angeles", "1969-07-20", "1969-07-20T07:00:00.000Z", "1969-07-20"},
    {"America/Los_Angeles", "2018-08-30", "2018-08-30T07:00:00.000Z", "2018-08-30"},
    {"America/Los_Angeles", "1700-01-01", "1700-01-01T07:52:58.000Z", "1700-01-01"},
    {"America/Los_Angeles", "4000-12-31", "4000-12-31T08:00:00.000Z", "4000-12-31"},
};

static void check_start(struct zone *z, size_t i)
{
    char text[TIME_TEXT_MAX];
    int64_t start = zone_start_of_day(z, day_of(STARTS[i].day));
    assert_string_equal(time_format_datetime(start, text), STARTS[i].want);
    assert_string_equal(time_format_date(zone_day_at(z, start), text), STARTS[i].shows);
    assert_true(zone_day_at(z, start - 1) < day_of(STARTS[i].day));
}

static void a_day_starts_at_its_first_instant(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(STARTS); i++) {
        struct zone *z = open_zone(STARTS[i].zone);
        check_start(z, i);
        check_start(z, i);
        zone_close(&z);
    }
}

static void what_is_remembered_never_changes_an_answer(void **state)
{
    (void)state;
    struct zone *kept = open_zone("Europe/Berlin");
    uint64_t x = 88172645463325252u; /* xorshift: the same days on each run */
    for (int i = 0; i < 4000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        int64_t day = (int64_t)(x % 110000) - 40000;
        int64_t at = day * 86400000 + (int64_t)(x >> 40) % 86400000;
        struct zone *fresh = NULL;
        if (i % 40 == 0)
            fresh = open_zone("Europe/Berlin");
        int64_t start = zone_start_of_day(kept, day), shown = zone_day_at(kept, at);
        assert_int_equal(zone_day_at(kept, start), day);
        assert_true(zone_start_of_day(kept, shown) <= at);
        assert_true(at < zone_start_of_day(kept, shown + 1));
        if (fresh != NULL) {
            assert_int_equal(zone_start_of_day(fresh, day), start);
            assert_int_equal(zone_day_at(fresh, at), shown);
        }
        zone_close(&fresh);
    }
    zone_close(&kept);
}

static void the_day_changes_at_local_midnight(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *at, *want;
    } rows[] = {
        {"Europe/Berlin", "2026-01-14T22:59:59.999Z", "2026-01-14"},
        {"Europe/Berlin", "2026-01-14T23:00:00.000Z", "2026-01-15"},
        {"America/Los_Angeles", "2026-01-15T07:59:59.999Z", "2026-01-14"},
        {"America/Los_Angeles", "2026-01-15T08:00:00.000Z", "2026-01-15"},
        {"Asia/Kolkata", "2026-01-15T18:29:59.999Z", "2026-01-15"},
        {"Asia/Kolkata", "2026-01-15T18:30:00.000Z", "2026-01-16"},
        {"UTC", "1969-12-31T23:59:59.999Z", "1969-12-31"},
        {"Pacific/Apia", "2011-12-30T09:59:59.999Z", "2011-12-29"},
        {"Pacific/Apia", "2011-12-30T10:00:00.000Z", "2011-12-31"},
        /* the second 23:30 of the 17th */
        {"America/Sao_Paulo", "2018-02-18T02:30:00.000Z", "2018-02-17"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[TIME_TEXT_MAX];
        struct zone *z = open_zone(rows[i].zone);
        assert_string_equal(time_format_date(zone_day_at(z, at_of(rows[i].at)), text),
                            rows[i].want);
        zone_close(&z);
    }
}

static void absurd_times_are_taken_for_the_nearest_known(void **state)
{
    (void)state;
    struct zone *z = open_zone("Europe/Berlin");
    char text[TIME_TEXT_MAX];
    assert_string_equal(time_format_date(zone_day_at(z, INT64_MIN), text), "0001-01-01");
    assert_true(zone_day_at(z, INT64_MAX) >= time_day_from_civil(9999, 12, 31));
    assert_true(zone_start_of_day(z, INT64_MIN) <= at_of("1700-01-01T00:00:00Z"));
    assert_true(zone_start_of_day(z, INT64_MAX) >= at_of("4000-01-01T00:00:00Z"));
    zone_close(&z);
}

static void texts_that_differ_in_case_alone_fold_to_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"", ""},
        {"Trade SHOW @[`{ 09", "trade show @[`{ 09"},
        {"stra\xc3\x9f"
         "e",
         "strasse"},
        {"STRASSE", "strasse"},
        {"\xe1\xba\x9e", "ss"},                                   /* capital sharp s */
        {"\xc3\x84\xc3\x96\xc3\x9c", "\xc3\xa4\xc3\xb6\xc3\xbc"}, /* ÄÖÜ */
        {"\xc4\xb0", "i\xcc\x87"},                            /* Turkish İ: i and a dot above */
        {"I", "i"},                                           /* never the Turkic ı */
        {"\xc4\xb1", "\xc4\xb1"},                             /* ı stays */
        {"\xce\xa3", "\xcf\x83"},                             /* Σ */
        {"\xcf\x82", "\xcf\x83"},                             /* final ς */
        {"\xef\xac\x83", "ffi"},                              /* one letter becomes three */
        {"\xf0\x9f\x8e\x89 Party", "\xf0\x9f\x8e\x89 party"}, /* emoji */
        {"\xf0\x90\x90\x80", "\xf0\x90\x90\xa8"},             /* Deseret, outside the BMP */
        {"A\xff", "a\xef\xbf\xbd"},                           /* not UTF-8 */
        {"A\xc3", "a\xef\xbf\xbd"},                           /* cut short */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xc1\x81", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong A */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *got = text_fold(rows[i].in, strlen(rows[i].in));
        assert_string_equal(got, rows[i].want);
        free(got);
    }
    char *got = text_fold("a\0B", 3);
    assert_string_equal(got, "a\xef\xbf\xbd"
                             "b");
    free(got);
}

static void a_buffer_that_is_too_small_is_said_to_be(void **state)
{
    (void)state;
    char out[8];
    assert_int_equal(text_fold_into("ABCDEFG", 7, out, sizeof out), 7);
    assert_string_equal(out, "abcdefg");
    assert_int_equal(text_fold_into("ABCDEFGH", 8, out, sizeof out), 8);
    assert_int_equal(text_fold_into("\xef\xac\x83\xef\xac\x83", 6, out, sizeof out), 6);
    assert_string_equal(out, "ffiffi");
    assert_int_equal(text_fold_into("\xef\xac\x83\xef\xac\x83\xef\xac\x83", 9, out, 0), 9);
    assert_int_equal(text_fold_into("AB", 2, NULL, 0), 2);
}

static void a_long_text_folds_like_a_short_one(void **state)
{
    (void)state;
    enum { REPEATS = 1000 };
    char in[2 * REPEATS];
    for (size_t i = 0; i < REPEATS; i++)
        memcpy(in + 2 * i, "\xc3\x84", 2);
    char *got = text_fold(in, sizeof in);
    assert_int_equal(strlen(got), sizeof in);
    for (size_t i = 0; i < REPEATS; i++)
        assert_memory_equal(got + 2 * i, "\xc3\xa4", 2);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_is_not_a_zone_is_refused),
        cmocka_unit_test(a_day_starts_at_its_first_instant),
        cmocka_unit_test(what_is_remembered_never_changes_an_answer),
        cmocka_unit_test(the_day_changes_at_local_midnight),
        cmocka_unit_test(absurd_times_are_taken_for_the_nearest_known),
        cmocka_unit_test(texts_that_differ_in_case_alone_fold_to_the_same),
        cmocka_unit_test(a_buffer_that_is_too_small_is_said_to_be),
        cmocka_unit_test(a_long_text_folds_like_a_short_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
