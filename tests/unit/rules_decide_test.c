/*
 * decide without custom rules: every step and boundary. A row states only what differs from a
 * member that has a touchpoint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules_fixture.h"

static void check(const struct row *r)
{
    const struct campaign c = campaign_of(r);
    const struct member m = member_of(r);
    const struct policy p = {
        .default_channel = "Other",
        .picklist_first = r->policy & PICKLIST_FIRST,
        .end_inclusive = r->policy & END_INCLUSIVE,
        .window_on_added = r->policy & ON_ADDED,
    };
    char text[TIME_TEXT_MAX];
    const struct decision d = run(&c, &m, &p, r->zone);

    if (d.reason != r->want)
        fail_msg("%s: want %s, got %s", r->name, reason_code(r->want), reason_code(d.reason));
    if (r->want_at != NULL)
        assert_string_equal(time_format_datetime(d.touchpoint_at_ms, text), r->want_at);
    if (r->want_field != NULL)
        assert_string_equal(d.date_field, r->want_field);
    if (r->want_day != NULL)
        assert_string_equal(time_format_date(d.window_day, text), r->want_day);
    assert_null(d.rule);
}

static void the_picklist_decides_who_is_included(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.name = "all", .sync = ALL},
        {.name = "all, other case", .sync = "INCLUDE ALL CAMPAIGN MEMBERS"},
        {.name = "all, white space around", .sync = " \tInclude all Campaign Members\xc2\xa0\n"},
        {.name = "all, quoted", .sync = "\"" ALL "\"", .want = REASON_UNKNOWN_SYNC_TYPE},
        {.name = "responded, yes", .sync = RESPONDED, .responded = "2026-01-16"},
        {.name = "responded, no", .sync = RESPONDED, .want = REASON_NOT_RESPONDED},
        {.name = "responded, short spelling",
         .sync = "Include \"Responded\" Campaign Members",
         .responded = "2026-01-16"},
        {.name = "responded, short spelling, no",
         .sync = "include \"responded\" campaign members",
         .want = REASON_NOT_RESPONDED},
        {.name = "responded without quotes",
         .sync = "Include only Responded Campaign Members",
         .responded = "2026-01-16",
         .want = REASON_UNKNOWN_SYNC_TYPE},
        {.name = "exclude", .sync = EXCLUDE, .want = REASON_CAMPAIGN_EXCLUDED},
        {.name = "exclude, other case, responded",
         .sync = "exclude ALL campaign members",
         .responded = "2026-01-16",
         .want = REASON_CAMPAIGN_EXCLUDED},
        {.name = "null", .sync = "null", .want = REASON_CAMPAIGN_NOT_ENABLED},
        {.name = "empty", .sync = "", .want = REASON_CAMPAIGN_NOT_ENABLED},
        {.name = "white space", .sync = " \xc2\xa0", .want = REASON_CAMPAIGN_NOT_ENABLED},
        {.name = "something else", .sync = "Include some", .want = REASON_UNKNOWN_SYNC_TYPE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        check(&rows[i]);
        struct row picklist_first = rows[i]; /* without rules, precedence makes no difference */
        picklist_first.policy = PICKLIST_FIRST;
        check(&picklist_first);
    }
}

static void a_person_needs_an_email(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.name = "contact with email"},
        {.name = "lead with email", .person = LEAD},
        {.name = "contact, null", .email = "null", .want = REASON_NO_EMAIL},
        {.name = "lead, null", .person = LEAD, .email = "null", .want = REASON_NO_EMAIL},
        {.name = "empty", .email = "", .want = REASON_NO_EMAIL},
        {.name = "white space", .email = " \t\r\n\v\f", .want = REASON_NO_EMAIL},
        {.name = "no-break space", .email = " \xc2\xa0 \xc2\xa0", .want = REASON_NO_EMAIL},
        {.name = "white space around", .email = "\xc2\xa0 a@example.com "},
        {.name = "account", .person = NO_PERSON, .want = REASON_NOT_A_PERSON},
        {.name = "account without email",
         .person = NO_PERSON,
         .email = "null",
         .want = REASON_NOT_A_PERSON},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void the_date_comes_from_the_first_field_that_has_one(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.name = "all: created",
         .want_at = "2026-01-15T09:30:00.000Z",
         .want_field = "CreatedDate"},
        {.name = "all: the first response does not count",
         .responded = "2026-01-16",
         .want_at = "2026-01-15T09:30:00.000Z",
         .want_field = "CreatedDate"},
        {.name = "all: touchpoint date",
         .at = "2025-11-03T17:45:00Z",
         .want_at = "2025-11-03T17:45:00.000Z",
         .want_field = "Buyer Touchpoint Date"},
        {.name = "responded: touchpoint date",
         .sync = RESPONDED,
         .responded = "2026-01-16",
         .at = "2025-11-03T17:45:00Z",
         .want_at = "2025-11-03T17:45:00.000Z",
         .want_field = "Buyer Touchpoint Date"},
        {.name = "responded: first response",
         .sync = RESPONDED,
         .responded = "2026-01-16",
         .want_at = "2026-01-16T00:00:00.000Z",
         .want_field = "FirstRespondedDate"},
        {.name = "a date without time is midnight in the zone",
         .sync = RESPONDED,
         .zone = "America/Los_Angeles",
         .responded = "2018-08-30",
         .want_at = "2018-08-30T07:00:00.000Z",
         .want_day = "2018-08-30"},
        {.name = "touchpoint date where the field is a date",
         .zone = "Europe/Berlin",
         .day = "2026-07-15",
         .want_at = "2026-07-14T22:00:00.000Z",
         .want_field = "Buyer Touchpoint Date",
         .want_day = "2026-07-15"},
        {.name = "midnight does not exist",
         .zone = "America/Sao_Paulo",
         .day = "2017-10-15",
         .want_at = "2017-10-15T03:00:00.000Z",
         .want_day = "2017-10-15"},
        {.name = "midnight is twice",
         .zone = "America/Havana",
         .day = "2017-11-05",
         .want_at = "2017-11-05T04:00:00.000Z",
         .want_day = "2017-11-05"},
        {.name = "the day does not exist",
         .zone = "Pacific/Apia",
         .day = "2011-12-30",
         .want_at = "2011-12-30T10:00:00.000Z",
         .want_day = "2011-12-31"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void a_responded_member_without_a_response_date_has_the_created_date(void **state)
{
    (void)state;
    const struct row r = {.sync = RESPONDED};
    const struct campaign c = campaign_of(&r);
    struct member m = member_of(&r);
    m.has_responded = true;
    const struct policy p = {.default_channel = "Other"};
    const struct decision d = run(&c, &m, &p, NULL);
    assert_int_equal(d.reason, REASON_NONE);
    assert_string_equal(d.date_field, "CreatedDate");
    assert_int_equal(d.touchpoint_at_ms, at_of("2026-01-15T09:30:00Z"));
}

static void the_window_takes_the_start_day_and_leaves_the_end_day(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.name = "on the start day", .start = "2026-01-15", .want_day = "2026-01-15"},
        {.name = "the day before", .start = "2026-01-16", .want = REASON_BEFORE_START},
        {.name = "the day after", .start = "2026-01-14"},
        {.name = "on the end day", .end = "2026-01-15", .want = REASON_AFTER_END},
        {.name = "before the end day", .end = "2026-01-16"},
        {.name = "after the end day", .end = "2026-01-14", .want = REASON_AFTER_END},
        {.name = "inclusive: on the end day", .end = "2026-01-15", .policy = END_INCLUSIVE},
        {.name = "inclusive: after it",
         .end = "2026-01-14",
         .policy = END_INCLUSIVE,
         .want = REASON_AFTER_END},
        {.name = "between", .start = "2026-01-15", .end = "2026-01-16"},
        {.name = "start after end: nothing qualifies",
         .start = "2026-01-16",
         .end = "2026-01-10",
         .want = REASON_BEFORE_START},
        {.name = "start after end, late date",
         .start = "2026-01-14",
         .end = "2026-01-10",
         .want = REASON_AFTER_END},
        {.name = "start is end",
         .start = "2026-01-15",
         .end = "2026-01-15",
         .want = REASON_AFTER_END},
        {.name = "start is end, inclusive",
         .start = "2026-01-15",
         .end = "2026-01-15",
         .policy = END_INCLUSIVE},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void the_window_is_compared_with_the_day_in_the_zone(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* 09:30 in UTC is still the 14th in Honolulu, and 23:30 already the 16th in Berlin */
        {.name = "day in a western zone",
         .zone = "Pacific/Honolulu",
         .created = "2026-01-15T09:30:00Z",
         .start = "2026-01-15",
         .want = REASON_BEFORE_START,
         .want_day = "2026-01-14"},
        {.name = "day in an eastern zone",
         .zone = "Europe/Berlin",
         .created = "2026-01-15T23:30:00Z",
         .end = "2026-01-16",
         .want = REASON_AFTER_END,
         .want_day = "2026-01-16"},
        {.name = "last millisecond before the end day",
         .zone = "Europe/Berlin",
         .created = "2026-01-15T22:59:59.999Z",
         .end = "2026-01-16"},
        {.name = "first millisecond of the start day",
         .zone = "Europe/Berlin",
         .created = "2026-01-14T23:00:00Z",
         .start = "2026-01-15"},
        {.name = "a date field's day is not moved by the zone",
         .zone = "Pacific/Apia",
         .day = "2026-01-15",
         .start = "2026-01-15",
         .end = "2026-01-16"},
        {.name = "the day the clocks go forward",
         .zone = "Europe/Berlin",
         .created = "2026-03-29T21:59:59Z",
         .start = "2026-03-29",
         .end = "2026-03-30"},
        {.name = "an hour earlier than in winter the day is over",
         .zone = "Europe/Berlin",
         .created = "2026-03-29T22:00:00Z",
         .end = "2026-03-30",
         .want = REASON_AFTER_END},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void the_policy_says_which_date_the_window_is_for(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.name = "touchpoint date is compared, not the added date",
         .at = "2026-03-01T00:00:00Z",
         .start = "2026-02-01",
         .want_day = "2026-03-01"},
        {.name = "added date is compared where the policy says so",
         .at = "2026-03-01T00:00:00Z",
         .start = "2026-02-01",
         .policy = ON_ADDED,
         .want = REASON_BEFORE_START,
         .want_at = "2026-03-01T00:00:00.000Z",
         .want_day = "2026-01-15"},
        {.name = "added date in the window, touchpoint date not",
         .at = "2026-03-01T00:00:00Z",
         .end = "2026-02-01",
         .policy = ON_ADDED},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picklist_decides_who_is_included),
        cmocka_unit_test(a_person_needs_an_email),
        cmocka_unit_test(the_date_comes_from_the_first_field_that_has_one),
        cmocka_unit_test(a_responded_member_without_a_response_date_has_the_created_date),
        cmocka_unit_test(the_window_takes_the_start_day_and_leaves_the_end_day),
        cmocka_unit_test(the_window_is_compared_with_the_day_in_the_zone),
        cmocka_unit_test(the_policy_says_which_date_the_window_is_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
