/*
 * decide with custom rules, the order of its steps, and that every reason has been given.
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
        {.row = {.name = "rules need an email too", .email = "null", .want = REASON_NO_EMAIL},
         .status = "VIP",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_rule(&rows[i]);
}

static void the_policy_says_whether_picklist_or_rule_comes_first(void **state)
{
    (void)state;
    static const struct rule_row rows[] = {
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
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(the_policy_says_whether_picklist_or_rule_comes_first),
        cmocka_unit_test(a_rule_uses_only_its_own_dates),
        cmocka_unit_test(a_policy_with_fields_that_were_not_read_takes_them_for_null),
        cmocka_unit_test(each_reason_stands_before_the_next),
        cmocka_unit_test(a_decision_shows_how_far_it_came),
        cmocka_unit_test(every_reason_was_given_by_some_test_and_has_its_own_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
