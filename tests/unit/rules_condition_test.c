/*
 * The operators of custom rules: each with a match, no match and null, and each row twice: with the
 * value prepared by policy_from_config, and as it stands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy.h"
#include "timeutil.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct row {
    enum rule_value_type type;
    const char *field; /* NULL: null */
    const char *op, *value;
    bool want;
    const char *zone; /* NULL: UTC */
};

/* Whether an exclude rule with this one condition matches. */
static bool holds(const struct policy *p, const struct row *r)
{
    struct zone *zone = NULL;
    struct error e = {0};
    struct decision d;
    const struct rule_value field = {r->field == NULL ? RULE_NULL : r->type,
                                     r->field == NULL ? "" : r->field};
    const struct campaign c = {.exists = true, .start_day = TIME_NONE, .end_day = TIME_NONE};
    const struct member m = {.exists = true, .fields = &field};

    if (zone_open(&zone, r->zone == NULL ? "UTC" : r->zone, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    decide(&c, &m, p, zone, &d);
    zone_close(&zone);
    assert_true(d.reason == REASON_RULE_EXCLUDED || d.reason == REASON_CAMPAIGN_NOT_ENABLED);
    return d.reason == REASON_RULE_EXCLUDED;
}

static bool holds_prepared(const struct row *r)
{
    struct config_condition condition = {"CampaignMember.F__c", r->op, r->value};
    struct config_group group = {&condition, 1};
    struct config_rule rule = {.name = "R", .action = "exclude", .any = &group, .any_count = 1};
    struct config c = {.file = "x.yaml", .rules = &rule, .rule_count = 1};
    struct policy *p = NULL;
    struct error e = {0};
    c.policy.default_channel = "Other";
    if (policy_from_config(&p, &c, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    assert_non_null(p->rules[0].any[0].conditions[0].compiled);
    bool yes = holds(p, r);
    policy_free(&p);
    return yes;
}

static bool holds_as_it_stands(const struct row *r)
{
    const char *fields[] = {"F__c"};
    struct rule_condition condition = {.on_member = true, .value = r->value};
    struct rule_group group = {&condition, 1};
    struct rule rule = {.name = "R", .any = &group, .any_count = 1};
    const struct policy p = {.default_channel = "Other",
                             .rules = &rule,
                             .rule_count = 1,
                             .member_fields = fields,
                             .member_field_count = 1};
    assert_true(rule_op_parse(r->op, &condition.op));
    return holds(&p, r);
}

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        if (holds_prepared(r) != r->want || holds_as_it_stands(r) != r->want)
            fail_msg("\"%s\" %s \"%s\": want %d", r->field == NULL ? "(null)" : r->field, r->op,
                     r->value, r->want);
    }
}

static void is_compares_without_regard_to_case(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RULE_TEXT, "Trade Show", "is", "trade SHOW", true, NULL},
        {RULE_TEXT, "Trade Show", "is", "Trade", false, NULL},
        {RULE_TEXT, "Trade Show", "is not", "trade show", false, NULL},
        {RULE_TEXT, "Trade Show", "is not", "Webinar", true, NULL},
        {RULE_TEXT,
         "Stra\xc3\x9f"
         "e",
         "is", "STRASSE", true, NULL},
        {RULE_TEXT, "\xce\xa3\xce\x9f\xce\xa6\xce\x9f\xce\xa3", "is",
         "\xcf\x83\xce\xbf\xcf\x86\xce\xbf\xcf\x82", true, NULL},
        {RULE_TEXT, "M\xc3\x9cNCHEN", "is", "m\xc3\xbcnchen", true, NULL},
        {RULE_TEXT, "\xf0\x9f\x8e\x89", "is", "\xf0\x9f\x8e\x89", true, NULL},
        {RULE_TEXT, "\xf0\x9f\x8e\x89", "is", "\xf0\x9f\x8e\x8a", false, NULL},
        {RULE_BOOL, "true", "is", "True", true, NULL},
        {RULE_BOOL, "false", "is", "true", false, NULL},
        {RULE_BOOL, "false", "is not", "true", true, NULL},
        {RULE_TEXT, "5", "is", "5.0", false, NULL},
        {RULE_NUMBER, "5", "is", "5.0", true, NULL},
        {RULE_NUMBER, "5.0", "is", "5", true, NULL},
        {RULE_NUMBER, "1.0E7", "is", "10000000", true, NULL},
        {RULE_NUMBER, "-0", "is", "0", true, NULL},
        {RULE_NUMBER, "5.01", "is", "5", false, NULL},
        {RULE_NUMBER, "5", "is not", "5.0", false, NULL},
        {RULE_NUMBER, "123456789012345678", "is", "123456789012345679", false, NULL},
        {RULE_NUMBER, "5", "is", "five", false, NULL},
    };
    check(rows, COUNT(rows));
}

static void null_is_only_null(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RULE_NULL, NULL, "is", "", true, NULL},
        {RULE_TEXT, "x", "is", "", false, NULL},
        {RULE_TEXT, "", "is", "", true, NULL},
        {RULE_NULL, NULL, "is not", "", false, NULL},
        {RULE_TEXT, "x", "is not", "", true, NULL},
        {RULE_NULL, NULL, "is", "x", false, NULL},
        {RULE_NULL, NULL, "is not", "x", true, NULL},
        {RULE_NULL, NULL, "is", "null", false, NULL},
        {RULE_NUMBER, "0", "is", "", false, NULL},
        {RULE_BOOL, "false", "is", "", false, NULL},
        {RULE_NULL, NULL, "contains", "x", false, NULL},
        {RULE_NULL, NULL, "not contains", "x", true, NULL},
        {RULE_NULL, NULL, "starts with", "x", false, NULL},
        {RULE_NULL, NULL, "not starts with", "x", true, NULL},
        {RULE_NULL, NULL, "ends with", "x", false, NULL},
        {RULE_NULL, NULL, "not ends with", "x", true, NULL},
        {RULE_NULL, NULL, "matches any", "*", false, NULL},
        {RULE_NULL, NULL, "not matches any", "*", true, NULL},
        {RULE_NULL, NULL, "<", "5", false, NULL},
        {RULE_NULL, NULL, "<=", "5", false, NULL},
        {RULE_NULL, NULL, ">", "5", false, NULL},
        {RULE_NULL, NULL, ">=", "5", false, NULL},
        {RULE_NULL, NULL, "<", "2026-01-15", false, NULL},
    };
    check(rows, COUNT(rows));
}

static void parts_of_texts_are_found(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RULE_TEXT, "Visited Booth", "contains", "TED b", true, NULL},
        {RULE_TEXT, "Visited Booth", "contains", "tent", false, NULL},
        {RULE_TEXT, "Visited Booth", "not contains", "ted", false, NULL},
        {RULE_TEXT, "Visited Booth", "does not contain", "tent", true, NULL},
        {RULE_TEXT, "ab", "contains", "abc", false, NULL},
        {RULE_TEXT, "Visited Booth", "starts with", "visited", true, NULL},
        {RULE_TEXT, "Visited Booth", "starts with", "Booth", false, NULL},
        {RULE_TEXT, "Visited Booth", "does not start with", "visited", false, NULL},
        {RULE_TEXT, "Visited Booth", "not starts with", "Booth", true, NULL},
        {RULE_TEXT, "ab", "starts with", "abc", false, NULL},
        {RULE_TEXT, "Visited Booth", "ends with", "BOOTH", true, NULL},
        {RULE_TEXT, "Visited Booth", "ends with", "Visited", false, NULL},
        {RULE_TEXT, "Visited Booth", "does not end with", "booth", false, NULL},
        {RULE_TEXT, "Visited Booth", "not ends with", "Visited", true, NULL},
        {RULE_TEXT, "ab", "ends with", "zab", false, NULL},
        {RULE_TEXT,
         "stra\xc3\x9f"
         "e",
         "ends with", "SSE", true, NULL},
        {RULE_NUMBER, "2026", "starts with", "20", true, NULL},
    };
    check(rows, COUNT(rows));
}

static void a_list_matches_by_any_of_its_items(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RULE_TEXT, "Visited Booth", "matches any", "Visited*, Attended", true, NULL},
        {RULE_TEXT, "attended", "matches any", "Visited*, Attended", true, NULL},
        {RULE_TEXT, "Attended late", "matches any", "Visited*, Attended", false, NULL},
        {RULE_TEXT, "Attended", "does not match any", "Visited*, Attended", false, NULL},
        {RULE_TEXT, "Sent", "not matches any", "Visited*, Attended", true, NULL},
        {RULE_TEXT, "Sent", "matches any", ", ,Sent ,", true, NULL},
        {RULE_TEXT, "x", "matches any", "*", true, NULL},
        {RULE_TEXT, "abcbc", "matches any", "a*bc", true, NULL},
        {RULE_TEXT, "abcbd", "matches any", "a*bc", false, NULL},
        {RULE_TEXT, "a*b", "matches any", "a*b", true, NULL},
        {RULE_TEXT, "M\xc3\xbcller", "matches any", "M\xc3\x9c*", true, NULL},
        {RULE_NUMBER, "5.0", "matches any", "4, 5", true, NULL},
        {RULE_NUMBER, "6", "matches any", "4, 5", false, NULL},
        {RULE_TEXT, "5.0", "matches any", "4, 5", false, NULL},
        {RULE_TEXT, "2026-01-15", "matches any", "2026-01-*", true, NULL},
    };
    check(rows, COUNT(rows));
}

static void numbers_are_ordered_as_numbers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RULE_NUMBER, "9", "<", "10", true, NULL},
        {RULE_TEXT, "9", "<", "10", true, NULL},
        {RULE_NUMBER, "10", "<", "10", false, NULL},
        {RULE_NUMBER, "10", "<=", "10.0", true, NULL},
        {RULE_NUMBER, "11", "<=", "10", false, NULL},
        {RULE_NUMBER, "10.5", ">", "10", true, NULL},
        {RULE_NUMBER, "10", ">", "10", false, NULL},
        {RULE_NUMBER, "10", ">=", "10", true, NULL},
        {RULE_NUMBER, "-3", ">=", "-2", false, NULL},
        {RULE_NUMBER, "1.5e3", ">", "1499", true, NULL},
        {RULE_TEXT, "nan", "<", "10", false, NULL},
        {RULE_TEXT, "inf", ">", "10", false, NULL},
        {RULE_TEXT, "0x20", ">", "10", false, NULL},
        {RULE_TEXT, "Trade Show", ">", "10", false, NULL},
        {RULE_TEXT, "Trade Show", "<=", "10", false, NULL},
        {RULE_BOOL, "true", ">=", "0", false, NULL},
        {RULE_TEXT, "1.", ">", "0", true, NULL},
        {RULE_TEXT, ".", ">=", "0", false, NULL},
        {RULE_TEXT, "1e", ">=", "0", false, NULL},
    };
    check(rows, COUNT(rows));
}

static void dates_and_date_times_are_ordered_as_instants(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RULE_TEXT, "2026-01-14", "<", "2026-01-15", true, NULL},
        {RULE_TEXT, "2026-01-15", "<", "2026-01-15", false, NULL},
        {RULE_TEXT, "2026-01-15", "<=", "2026-01-15", true, NULL},
        {RULE_TEXT, "2026-01-16", ">", "2026-01-15", true, NULL},
        {RULE_TEXT, "2026-01-15", ">=", "2026-01-16", false, NULL},
        {RULE_TEXT, "2026-01-15T09:30:00.000+0000", "is", "2026-01-15T10:30:00+01:00", true, NULL},
        {RULE_TEXT, "2026-01-15T09:30:00.000+0000", "is not", "2026-01-15T09:30:01Z", true, NULL},
        {RULE_TEXT, "2026-01-15T09:30:00.000+0000", ">", "2026-01-15T09:30:00Z", false, NULL},
        {RULE_TEXT, "2026-01-15", "is", "2026-01-15T00:00:00Z", true, NULL},
        {RULE_TEXT, "2026-01-15T09:30:00.000+0000", "is", "2026-01-15", false, NULL},
        /* a date against a date-time is midnight in the zone */
        {RULE_TEXT, "2026-01-14T23:00:00.000+0000", ">=", "2026-01-15", true, "Europe/Berlin"},
        {RULE_TEXT, "2026-01-14T22:59:59.999+0000", ">=", "2026-01-15", false, "Europe/Berlin"},
        {RULE_TEXT, "2026-01-14T23:00:00.000+0000", ">=", "2026-01-15", false, NULL},
        {RULE_TEXT, "2026-01-15", "<=", "2026-01-14T23:00:00Z", true, "Europe/Berlin"},
        {RULE_TEXT, "2026-01-15", "<", "2026-01-14T23:00:00Z", false, "Europe/Berlin"},
        /* two dates are compared as days, even where the zone left one out */
        {RULE_TEXT, "2011-12-30", "is", "2011-12-31", false, "Pacific/Apia"},
        {RULE_TEXT, "2011-12-30", "<", "2011-12-31", true, "Pacific/Apia"},
        {RULE_TEXT, "Trade Show", "<", "2026-01-15", false, NULL},
        {RULE_NUMBER, "5", "<", "2026-01-15", false, NULL},
    };
    check(rows, COUNT(rows));
}

static void operators_are_known_by_their_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want; /* -1: refused */
    } rows[] = {
        {"is", RULE_IS},
        {"IS NOT", RULE_IS_NOT},
        {" contains ", RULE_CONTAINS},
        {"not contains", RULE_NOT_CONTAINS},
        {"not contain", RULE_NOT_CONTAINS},
        {"does not contain", RULE_NOT_CONTAINS},
        {"starts with", RULE_STARTS},
        {"not starts with", RULE_NOT_STARTS},
        {"not start with", RULE_NOT_STARTS},
        {"Does not start with", RULE_NOT_STARTS},
        {"ends with", RULE_ENDS},
        {"not ends with", RULE_NOT_ENDS},
        {"not end with", RULE_NOT_ENDS},
        {"does not end with", RULE_NOT_ENDS},
        {"matches any", RULE_MATCHES},
        {"not matches any", RULE_NOT_MATCHES},
        {"does not match any", RULE_NOT_MATCHES},
        {"not match any", RULE_NOT_MATCHES},
        {"<", RULE_LT},
        {"<=", RULE_LE},
        {">", RULE_GT},
        {">=", RULE_GE},
        {"in last N days", -1},
        {"in last 7 days", -1},
        {"=", -1},
        {"", -1},
        {"is  not", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum rule_op op = RULE_GE;
        assert_int_equal(rule_op_parse(rows[i].text, &op), rows[i].want >= 0);
        if (rows[i].want >= 0)
            assert_int_equal(op, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_compares_without_regard_to_case),
        cmocka_unit_test(null_is_only_null),
        cmocka_unit_test(parts_of_texts_are_found),
        cmocka_unit_test(a_list_matches_by_any_of_its_items),
        cmocka_unit_test(numbers_are_ordered_as_numbers),
        cmocka_unit_test(dates_and_date_times_are_ordered_as_instants),
        cmocka_unit_test(operators_are_known_by_their_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
