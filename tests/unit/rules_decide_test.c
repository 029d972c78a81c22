/*
 * decide: every step, boundary and reason; texts of dates are read by timeutil. A row states only
 * what differs from a member that has a touchpoint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules.h"
#include "timeutil.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define ALL       "Include all Campaign Members"
#define RESPONDED "Include only \"Responded\" Campaign Members"
#define EXCLUDE   "Exclude all Campaign Members"

enum { NO_PERSON = 1, LEAD = 2 }; /* 0: a contact */
enum { PICKLIST_FIRST = 1, END_INCLUSIVE = 2, ON_ADDED = 4 };

struct row {
    const char *name;
    const char *sync; /* NULL: Include all; "null": NULL */
    const char *zone; /* NULL: UTC */
    const char *start, *end;
    const char *created;   /* NULL: 2026-01-15T09:30:00Z */
    const char *responded; /* FirstRespondedDate; not NULL: has responded */
    const char *at, *day;  /* Buyer Touchpoint Date: date-time, or date */
    const char *email;     /* NULL: a@example.com; "null": NULL */
    int person, policy;
    enum reason want;
    const char *want_at;    /* NULL: not compared */
    const char *want_field; /* NULL: not compared */
    const char *want_day;   /* the window's; NULL: not compared */
};

static bool seen[REASON_DUPLICATE_EMAIL + 1];

static int64_t day_of(const char *text)
{
    int64_t day = TIME_NONE;
    if (text != NULL)
        assert_true(time_parse_date(text, strlen(text), &day));
    return day;
}

static int64_t at_of(const char *text)
{
    int64_t at = TIME_NONE;
    if (text != NULL)
        assert_true(time_parse_datetime(text, strlen(text), &at));
    return at;
}

static const char *or_null(const char *text, const char *otherwise)
{
    if (text == NULL)
        return otherwise;
    return strcmp(text, "null") == 0 ? NULL : text;
}

static struct campaign campaign_of(const struct row *r)
{
    return (struct campaign){
        .id = "701000000000001AAA",
        .exists = true,
        .name = "Fair",
        .type = "Trade Show",
        .sync_type = or_null(r->sync, ALL),
        .start_day = day_of(r->start),
        .end_day = day_of(r->end),
    };
}

static struct member member_of(const struct row *r)
{
    struct member m = {
        .id = "00v000000000001AAA",
        .exists = true,
        .campaign_id = "701000000000001AAA",
        .person.email = or_null(r->email, "a@example.com"),
        .has_responded = r->responded != NULL,
        .status = "Sent",
        .created_at_ms = at_of(r->created != NULL ? r->created : "2026-01-15T09:30:00Z"),
        .first_responded_day = day_of(r->responded),
        .touchpoint_at_ms = at_of(r->at),
        .touchpoint_day = day_of(r->day),
    };
    if (r->person == 0)
        memcpy(m.person.contact_id, "003000000000001AAA", SFID_SIZE);
    else if (r->person == LEAD)
        memcpy(m.person.lead_id, "00Q000000000001AAA", SFID_SIZE);
    return m;
}

static struct decision run(const struct campaign *c, const struct member *m, const struct policy *p,
                           const char *zone_name)
{
    struct zone *zone = NULL;
    struct error e = {0};
    struct decision d;
    if (zone_open(&zone, zone_name != NULL ? zone_name : "UTC", &e) != ERR_NONE)
        fail_msg("%s", e.text);
    decide(c, m, p, zone, &d);
    zone_close(&zone);
    seen[d.reason] = true;
    return d;
}

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

/* ------------------------------------------------------------------ custom rules */

static const char *const CAMPAIGN_FIELDS[] = {"Type", "StartDate"};
static const char *const MEMBER_FIELDS[] = {"Status", "Visit__c", "CreatedDate"};

/* Booths: two groups; the dates of the visit, of the campaign, of the creation. */
struct rules {
    struct rule_condition booth[2], member[1], staff[1];
    struct rule_group groups[2], staff_group[1];
    struct rule_date dates[3];
    struct rule rules[2];
    const char *campaign_fields[2], *member_fields[3];
    struct policy policy;
};

static void rules_init(struct rules *r, int policy)
{
    *r = (struct rules){
        .booth = {{.field = 0, .op = RULE_IS, .value = "trade show"},
                  {.on_member = true, .field = 0, .op = RULE_MATCHES, .value = "Visited*, Met"}},
        .member = {{.on_member = true, .field = 0, .op = RULE_IS, .value = "VIP"}},
        .staff = {{.on_member = true, .field = 0, .op = RULE_IS, .value = "Staff"}},
        .dates = {{.on_member = true, .field = 1},
                  {.field = 1, .name = "Campaign.StartDate"},
                  {.on_member = true, .field = 2}},
        .campaign_fields = {CAMPAIGN_FIELDS[0], CAMPAIGN_FIELDS[1]},
        .member_fields = {MEMBER_FIELDS[0], MEMBER_FIELDS[1], MEMBER_FIELDS[2]},
    };
    r->groups[0] = (struct rule_group){r->booth, 2};
    r->groups[1] = (struct rule_group){r->member, 1};
    r->staff_group[0] = (struct rule_group){r->staff, 1};
    r->rules[0] = (struct rule){"Booth visitors", true, r->groups, 2, r->dates, 2};
    r->rules[1] = (struct rule){"No staff", false, r->staff_group, 1, NULL, 0};
    r->policy = (struct policy){
        .default_channel = "Other",
        .rules = r->rules,
        .rule_count = 2,
        .campaign_fields = r->campaign_fields,
        .campaign_field_count = 2,
        .member_fields = r->member_fields,
        .member_field_count = 3,
        .picklist_first = policy & PICKLIST_FIRST,
        .end_inclusive = policy & END_INCLUSIVE,
        .window_on_added = policy & ON_ADDED,
    };
}

static struct rule_value value_of(const char *text)
{
    return text == NULL ? (struct rule_value){RULE_NULL, ""} : (struct rule_value){RULE_TEXT, text};
}

struct rule_row {
    struct row row;
    const char *type, *status, *visit, *campaign_start;
    const char *want_rule;
};

static void check_rule(const struct rule_row *r)
{
    struct rules rules;
    rules_init(&rules, r->row.policy);
    struct error e = {0};
    if (policy_check(&rules.policy, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    struct campaign c = campaign_of(&r->row);
    struct member m = member_of(&r->row);
    const struct rule_value on_campaign[] = {value_of(r->type), value_of(r->campaign_start)};
    const struct rule_value on_member[] = {value_of(r->status), value_of(r->visit),
                                           value_of("2026-01-15T09:30:00.000+0000")};
    c.fields = on_campaign;
    m.fields = on_member;
    const struct decision d = run(&c, &m, &rules.policy, r->row.zone);
    char text[TIME_TEXT_MAX];

    if (d.reason != r->row.want)
        fail_msg("%s: want %s, got %s", r->row.name, reason_code(r->row.want),
                 reason_code(d.reason));
    assert_int_equal(d.rule != NULL, r->want_rule != NULL);
    if (r->want_rule != NULL)
        assert_string_equal(d.rule->name, r->want_rule);
    if (r->row.want_at != NULL)
        assert_string_equal(time_format_datetime(d.touchpoint_at_ms, text), r->row.want_at);
    if (r->row.want_field != NULL)
        assert_string_equal(d.date_field, r->row.want_field);
}

static void the_first_rule_that_matches_decides(void **state)
{
    (void)state;
    static const struct rule_row rows[] = {
        {.row = {.name = "first group",
                 .sync = "null",
                 .want_at = "2026-02-03T10:00:00.000Z",
                 .want_field = "Visit__c"},
         .type = "Trade Show",
         .status = "visited booth",
         .visit = "2026-02-03T10:00:00.000+0000",
         .want_rule = "Booth visitors"},
        {.row = {.name = "half of the first group",
                 .sync = "null",
                 .want = REASON_CAMPAIGN_NOT_ENABLED},
         .type = "Webinar",
         .status = "Visited Booth",
         .visit = "2026-02-03T10:00:00.000+0000"},
        {.row = {.name = "second group", .sync = "null"},
         .type = "Webinar",
         .status = "vip",
         .visit = "2026-02-03T10:00:00.000+0000",
         .want_rule = "Booth visitors"},
        {.row = {.name = "rule wins over an unknown picklist value", .sync = "whatever"},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
        {.row = {.name = "rule includes one who has not responded", .sync = RESPONDED},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
        {.row = {.name = "exclude rule wins over include all", .want = REASON_RULE_EXCLUDED},
         .status = "Staff",
         .want_rule = "No staff"},
        {.row = {.name = "no rule matches: the picklist", .want_field = "CreatedDate"},
         .status = "Sent"},
        {.row = {.name = "no rule matches: the picklist says no",
                 .sync = RESPONDED,
                 .want = REASON_NOT_RESPONDED},
         .status = "Sent"},
        {.row = {.name = "exclude all is final over rules",
                 .sync = EXCLUDE,
                 .want = REASON_CAMPAIGN_EXCLUDED},
         .status = "VIP",
         .visit = "2026-02-03"},
        {.row = {.name = "exclude all is final, picklist first",
                 .sync = EXCLUDE,
                 .policy = PICKLIST_FIRST,
                 .want = REASON_CAMPAIGN_EXCLUDED},
         .status = "VIP",
         .visit = "2026-02-03"},
        {.row = {.name = "picklist first: include all wins",
                 .policy = PICKLIST_FIRST,
                 .want_field = "CreatedDate"},
         .status = "Staff"},
        {.row = {.name = "picklist first: responded wins",
                 .sync = RESPONDED,
                 .policy = PICKLIST_FIRST,
                 .want = REASON_NOT_RESPONDED},
         .status = "VIP",
         .visit = "2026-02-03"},
        {.row = {.name = "picklist first: an unknown value is not blank",
                 .sync = "whatever",
                 .policy = PICKLIST_FIRST,
                 .want = REASON_UNKNOWN_SYNC_TYPE},
         .status = "VIP",
         .visit = "2026-02-03"},
        {.row = {.name = "picklist first: blank leaves it to the rules",
                 .sync = "",
                 .policy = PICKLIST_FIRST},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
        {.row = {.name = "picklist first: blank, no rule",
                 .sync = "",
                 .policy = PICKLIST_FIRST,
                 .want = REASON_CAMPAIGN_NOT_ENABLED},
         .status = "Sent"},
        {.row = {.name = "rules need an email too", .email = "null", .want = REASON_NO_EMAIL},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_rule(&rows[i]);
}

static void a_rule_uses_only_its_own_dates(void **state)
{
    (void)state;
    static const struct rule_row rows[] = {
        {.row = {.name = "a date is midnight in the zone",
                 .zone = "Asia/Kolkata",
                 .want_at = "2026-02-02T18:30:00.000Z",
                 .want_field = "Visit__c"},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
        {.row = {.name = "the next field when the first is empty",
                 .want_at = "2026-01-20T00:00:00.000Z",
                 .want_field = "Campaign.StartDate"},
         .status = "VIP",
         .campaign_start = "2026-01-20",
         .want_rule = "Booth visitors"},
        {.row = {.name = "a text that is no date counts as empty",
                 .want_at = "2026-01-20T00:00:00.000Z"},
         .status = "VIP",
         .visit = "tomorrow",
         .campaign_start = "2026-01-20",
         .want_rule = "Booth visitors"},
        {.row = {.name = "neither touchpoint date nor created date step in",
                 .at = "2025-11-03T17:45:00Z",
                 .responded = "2026-01-16",
                 .want = REASON_NO_DATE},
         .status = "VIP",
         .want_rule = "Booth visitors"},
        {.row = {.name = "the window applies", .start = "2026-02-04", .want = REASON_BEFORE_START},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
        {.row = {.name = "its end too", .end = "2026-02-03", .want = REASON_AFTER_END},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
        {.row = {.name = "on the added date where the policy says so",
                 .start = "2026-01-15",
                 .end = "2026-01-16",
                 .policy = ON_ADDED},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_rule(&rows[i]);
}

static void a_policy_with_fields_that_were_not_read_takes_them_for_null(void **state)
{
    (void)state;
    struct rules rules;
    rules_init(&rules, 0);
    const struct row r = {.name = ""};
    const struct campaign c = campaign_of(&r);
    const struct member m = member_of(&r);
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_NONE);
}

/* ------------------------------------------------------------------ the order of the steps */

/* Everything is wrong with the first; each next repairs one thing. */
static void each_reason_stands_before_the_next(void **state)
{
    (void)state;
    struct rules rules;
    rules_init(&rules, 0);
    const struct row wrong = {.sync = EXCLUDE, .email = "null", .person = NO_PERSON};
    struct campaign c = campaign_of(&wrong);
    struct member m = member_of(&wrong);
    struct rule_value on_member[] = {value_of("Staff"), value_of(NULL), value_of(NULL)};
    struct rule_value on_campaign[] = {value_of(NULL), value_of(NULL)};
    m.fields = on_member;
    c.fields = on_campaign;
    m.exists = c.exists = false;
    c.start_day = day_of("2026-03-01");
    c.end_day = day_of("2026-02-01");

    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_MEMBER_DELETED);
    m.exists = true;
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_CAMPAIGN_DELETED);
    c.exists = true;
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_CAMPAIGN_EXCLUDED);
    c.sync_type = "whatever";
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_RULE_EXCLUDED);
    on_member[0] = value_of("Sent");
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_UNKNOWN_SYNC_TYPE);
    c.sync_type = NULL;
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_CAMPAIGN_NOT_ENABLED);
    c.sync_type = RESPONDED;
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_NOT_RESPONDED);
    on_member[0] = value_of("VIP");
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_NOT_A_PERSON);
    memcpy(m.person.lead_id, "00Q000000000001AAA", SFID_SIZE);
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_NO_EMAIL);
    m.person.email = "a@example.com";
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_NO_DATE);
    on_member[1] = value_of("2026-02-10");
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_BEFORE_START);
    c.start_day = day_of("2026-02-10");
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_AFTER_END);
    c.end_day = TIME_NONE;
    assert_int_equal(run(&c, &m, &rules.policy, NULL).reason, REASON_NONE);
}

static void a_decision_shows_how_far_it_came(void **state)
{
    (void)state;
    const struct policy p = {.default_channel = "Other"};
    struct row r = {.sync = EXCLUDE};
    struct campaign c = campaign_of(&r);
    struct member m = member_of(&r);
    struct decision d = run(&c, &m, &p, NULL);
    assert_int_equal(d.sync_type, SYNC_EXCLUDE);
    assert_int_equal(d.touchpoint_at_ms, TIME_NONE);
    assert_int_equal(d.window_day, TIME_NONE);
    assert_null(d.date_field);
    c.sync_type = ALL;
    c.end_day = day_of("2026-01-01");
    d = run(&c, &m, &p, NULL);
    assert_int_equal(d.reason, REASON_AFTER_END);
    assert_int_equal(d.touchpoint_at_ms, m.created_at_ms);
    assert_int_equal(d.window_day, day_of("2026-01-15"));
}

/* The one reason that decide does not give: the worker does, for the entries that do not keep. */
static void every_reason_was_given_by_some_test_and_has_its_own_code(void **state)
{
    (void)state;
    struct dedupe_entry twins[] = {
        {.member_id = "00v000000000001AAA", .email = "a@example.com", .touchpoint_at_ms = 1},
        {.member_id = "00v000000000002AAA", .email = "a@example.com", .touchpoint_at_ms = 2},
    };
    dedupe_by_email(twins, COUNT(twins));
    if (!twins[1].keeps)
        seen[REASON_DUPLICATE_EMAIL] = true;
    for (size_t i = 0; i < COUNT(seen); i++) {
        if (!seen[i])
            fail_msg("no row gives %s", reason_code((enum reason)i));
        assert_true(strlen(reason_text((enum reason)i)) > 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(reason_code((enum reason)i), reason_code((enum reason)k));
    }
    assert_string_equal(reason_code(REASON_NONE), "");
    assert_string_equal(reason_code(REASON_AFTER_END), "after_end_date");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picklist_decides_who_is_included),
        cmocka_unit_test(a_person_needs_an_email),
        cmocka_unit_test(the_date_comes_from_the_first_field_that_has_one),
        cmocka_unit_test(a_responded_member_without_a_response_date_has_the_created_date),
        cmocka_unit_test(the_window_takes_the_start_day_and_leaves_the_end_day),
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(a_rule_uses_only_its_own_dates),
        cmocka_unit_test(a_policy_with_fields_that_were_not_read_takes_them_for_null),
        cmocka_unit_test(each_reason_stands_before_the_next),
        cmocka_unit_test(a_decision_shows_how_far_it_came),
        cmocka_unit_test(every_reason_was_given_by_some_test_and_has_its_own_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
