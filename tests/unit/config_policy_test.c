/*
 * From the file to the decision: what an admin writes under policy, channels and rules decides
 * about members. The parts have tests of their own; this one joins them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_fixture.h"
#include "policy.h"
#include "timeutil.h"
#include "zone.h"

#define ALL       "Include all Campaign Members"
#define RESPONDED "Include only \"Responded\" Campaign Members"
#define EXCLUDE   "Exclude all Campaign Members"

/* The fields of one campaign and one member; NULL: null. */
struct row {
    const char *sync, *type, *status;
    const char *visit;      /* CampaignMember.Visit__c, which a rule names */
    const char *start_date; /* Campaign.StartDate, likewise */
    const char *end_day;    /* Touchpoint End Date */
    bool responded;
    enum reason want;
    const char *want_rule, *want_at; /* NULL: no rule; not compared */
};

static struct policy *policy_of(const char *yaml)
{
    struct policy *p = NULL;
    struct error e = {0};
    struct config *c = load(yaml);
    if (policy_from_config(&p, c, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    config_free(&c); /* the policy lives on without it */
    return p;
}

static struct rule_value value_of(const char *text)
{
    return (struct rule_value){text == NULL ? RULE_NULL : RULE_TEXT, text == NULL ? "" : text};
}

/* By the names that the policy lists, as the org client reads them. */
static void fill_fields(const char *const *names, size_t n, const struct row *r,
                        struct rule_value *out)
{
    const struct {
        const char *name, *text;
    } known[] = {
        {"Type", r->type},
        {"StartDate", r->start_date},
        {"Status", r->status},
        {"Visit__c", r->visit},
    };
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < COUNT(known) && strcmp(known[k].name, names[i]) != 0)
            k++;
        assert_true(k < COUNT(known));
        out[i] = value_of(known[k].text);
    }
}

static void check(const struct policy *p, const struct row *r)
{
    enum { FIELDS_MAX = 8 };
    struct rule_value on_campaign[FIELDS_MAX], on_member[FIELDS_MAX];
    struct campaign c = {.exists = true,
                         .type = r->type,
                         .sync_type = r->sync,
                         .start_day = TIME_NONE,
                         .end_day = TIME_NONE,
                         .fields = on_campaign};
    struct member m = {.exists = true,
                       .person = {.contact_id = "003000000000001AAA", .email = "a@example.com"},
                       .has_responded = r->responded,
                       .status = r->status,
                       .first_responded_day = TIME_NONE,
                       .touchpoint_at_ms = TIME_NONE,
                       .touchpoint_day = TIME_NONE,
                       .fields = on_member};
    struct zone *zone = NULL;
    struct error e = {0};
    struct decision d;
    char at[TIME_TEXT_MAX];

    assert_true(p->campaign_field_count <= FIELDS_MAX && p->member_field_count <= FIELDS_MAX);
    fill_fields(p->campaign_fields, p->campaign_field_count, r, on_campaign);
    fill_fields(p->member_fields, p->member_field_count, r, on_member);
    assert_true(time_parse_datetime("2026-01-15T09:30:00Z", 20, &m.created_at_ms));
    if (r->end_day != NULL)
        assert_true(time_parse_date(r->end_day, strlen(r->end_day), &c.end_day));
    assert_int_equal(zone_open(&zone, "Europe/Berlin", &e), ERR_NONE);
    decide(&c, &m, p, zone, &d);
    zone_close(&zone);
    if (d.reason != r->want)
        fail_msg("want \"%s\", got \"%s\"", reason_code(r->want), reason_code(d.reason));
    assert_int_equal(d.rule != NULL, r->want_rule != NULL);
    if (r->want_rule != NULL)
        assert_string_equal(d.rule->name, r->want_rule);
    if (r->want_at != NULL)
        assert_string_equal(time_format_datetime(d.touchpoint_at_ms, at), r->want_at);
}

static void check_all(const char *yaml, const struct row *rows, size_t n)
{
    struct policy *p = policy_of(yaml);
    for (size_t i = 0; i < n; i++)
        check(p, &rows[i]);
    policy_free(&p);
}

/* ------------------------------------------------------------------ the picklist */

static void without_rules_the_picklist_decides(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.sync = ALL, .want_at = "2026-01-15T09:30:00.000Z"},
        {.sync = RESPONDED, .want = REASON_NOT_RESPONDED},
        {.sync = RESPONDED, .responded = true},
        {.sync = EXCLUDE, .responded = true, .want = REASON_CAMPAIGN_EXCLUDED},
        {.sync = NULL, .want = REASON_CAMPAIGN_NOT_ENABLED},
        {.sync = "Some", .want = REASON_UNKNOWN_SYNC_TYPE},
        {.sync = ALL, .end_day = "2026-01-15", .want = REASON_AFTER_END},
    };
    check_all(ORG, rows, COUNT(rows));
}

static void an_inclusive_end_date_takes_its_day(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.sync = ALL, .end_day = "2026-01-15"},
        {.sync = ALL, .end_day = "2026-01-14", .want = REASON_AFTER_END},
    };
    check_all("policy: { end_date: inclusive }\n" ORG, rows, COUNT(rows));
}

/* ------------------------------------------------------------------ custom rules */

#define RULES                                                                                      \
    "rules:\n"                                                                                     \
    "  - name: Booth visitors\n"                                                                   \
    "    action: include\n"                                                                        \
    "    any:\n"                                                                                   \
    "      - all:\n"                                                                               \
    "          - { field: Campaign.Type, op: is, value: Trade Show }\n"                            \
    "          - { field: CampaignMember.Status, op: matches any, value: \"Visited*, Met\" }\n"    \
    "      - all:\n"                                                                               \
    "          - { field: campaignmember.Visit__c, op: \">=\", value: 2026-01-01 }\n"              \
    "    dates: [CampaignMember.Visit__c, Campaign.StartDate]\n"                                   \
    "  - name: No employees\n"                                                                     \
    "    action: exclude\n"                                                                        \
    "    any: [ { all: [ { field: CampaignMember.Status, op: is, value: Employee } ] } ]\n"

static void custom_rules_come_before_the_picklist(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.type = "trade show",
         .status = "Visited booth",
         .visit = "2025-11-03",
         .want_rule = "Booth visitors",
         .want_at = "2025-11-02T23:00:00.000Z"},
        {.type = "Trade Show",
         .status = "met",
         .start_date = "2026-07-01",
         .want_rule = "Booth visitors",
         .want_at = "2026-06-30T22:00:00.000Z"},
        {.type = "Trade Show",
         .status = "Met",
         .want = REASON_NO_DATE,
         .want_rule = "Booth visitors"},
        {.type = "Trade Show", .status = "Sent", .want = REASON_CAMPAIGN_NOT_ENABLED},
        {.type = "Webinar",
         .status = "Sent",
         .visit = "2026-02-03T10:00:00Z",
         .want_rule = "Booth visitors",
         .want_at = "2026-02-03T10:00:00.000Z"},
        {.sync = ALL,
         .status = "employee",
         .want = REASON_RULE_EXCLUDED,
         .want_rule = "No employees"},
        {.sync = ALL, .status = "Sent", .want_at = "2026-01-15T09:30:00.000Z"},
        {.sync = EXCLUDE, .type = "Trade Show", .status = "Met", .want = REASON_CAMPAIGN_EXCLUDED},
    };
    check_all(ORG RULES, rows, COUNT(rows));
}

static void the_picklist_comes_first_where_the_policy_says_so(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {.sync = ALL, .status = "Employee", .want_at = "2026-01-15T09:30:00.000Z"},
        {.sync = RESPONDED,
         .type = "Trade Show",
         .status = "Met",
         .visit = "2026-02-03",
         .want = REASON_NOT_RESPONDED},
        {.type = "Trade Show",
         .status = "Met",
         .visit = "2026-02-03",
         .want_rule = "Booth visitors"},
    };
    check_all("policy: { precedence: picklist }\n" ORG RULES, rows, COUNT(rows));
}

static void a_field_that_several_rules_name_is_read_once(void **state)
{
    (void)state;
    struct policy *p = policy_of(ORG RULES);
    assert_int_equal(p->campaign_field_count, 2);
    assert_string_equal(p->campaign_fields[0], "Type");
    assert_string_equal(p->campaign_fields[1], "StartDate");
    assert_int_equal(p->member_field_count, 2);
    assert_string_equal(p->member_fields[0], "Status");
    assert_string_equal(p->member_fields[1], "Visit__c");
    policy_free(&p);
}

/* ------------------------------------------------------------------ channels and duplicates */

static void channels_are_taken_in_their_order(void **state)
{
    (void)state;
    static const struct {
        const char *type, *status, *channel, *subchannel;
        bool is_default, null_channel;
    } rows[] = {
        {"TRADE SHOW", "Sent", "Events", "Trade Show", false, false},
        {"Webinar in spring", "attended", "Events", "Webinar", false, false},
        {"Webinar in spring", "Registered", "Else", NULL, true, false},
        {"Online ad", "Sent", "NULL", NULL, false, true},
        {NULL, "Sent", "Else", NULL, true, false},
    };
    struct policy *p =
        policy_of("policy: { default_channel: Else }\n" ORG "channels:\n"
                  "  - { type: Trade Show, channel: Events, subchannel: Trade Show }\n"
                  "  - { type: \"Webinar*\", status: Attended, channel: Events, subchannel: "
                  "Webinar }\n"
                  "  - { type: \"Online*\", channel: \"NULL\", null_channel: true }\n"
                  "  - { type: \"Online ad\", channel: Late }\n");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct channel got;
        channel_of(p, rows[i].type, rows[i].status, &got);
        assert_string_equal(got.channel, rows[i].channel);
        assert_int_equal(got.subchannel != NULL, rows[i].subchannel != NULL);
        if (got.subchannel != NULL)
            assert_string_equal(got.subchannel, rows[i].subchannel);
        assert_int_equal(got.is_default, rows[i].is_default);
        assert_int_equal(got.null_channel, rows[i].null_channel);
    }
    policy_free(&p);
}

static void the_other_settings_of_the_policy_arrive(void **state)
{
    (void)state;
    struct policy *p = policy_of(ORG);
    assert_false(p->dedupe_email);
    assert_false(p->window_on_added);
    assert_string_equal(p->default_channel, "Other");
    policy_free(&p);
    p = policy_of("policy: { dedupe: email, window_applies_to: added_date }\n" ORG);
    assert_true(p->dedupe_email);
    assert_true(p->window_on_added);
    policy_free(&p);
}

/* ------------------------------------------------------------------ what is refused */

#define RULE(name, action, condition, more)                                                        \
    ORG "rules:\n- name: " name "\n  action: " action "\n  any: [ { all: [ " condition             \
        " ] } ]\n" more
#define IS "{ field: Campaign.Type, op: is, value: x }"

static void rules_and_channels_are_checked_with_file_and_line(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {RULE("a", "allow", IS, ""),
         ":6: rules[0]: rule \"a\": action: \"allow\" is unknown; allowed is include or exclude"},
        {RULE("a", "include", IS, ""), ":6: rules[0]: rule \"a\" includes but names no date"},
        {RULE("a", "exclude", IS, "  dates: [Campaign.StartDate]\n"),
         ":6: rules[0]: rule \"a\" excludes, so `dates` has no meaning"},
        {RULE("a", "include", IS, "  dates: [StartDate]\n"),
         ":6: rules[0]: rule \"a\": dates[0]: \"StartDate\" is not a field; allowed is "
         "Campaign.FIELD or CampaignMember.FIELD"},
        {RULE("a", "exclude", "{ field: Lead.Name, op: is, value: x }", ""),
         ":6: rules[0]: rule \"a\": any[0].all[0]: field: \"Lead.Name\" is not a field"},
        {ORG_AND(
             "write_back: true") "rules:\n  - name: a\n    action: exclude\n    any: [ { all: [ { "
                                 "field: CampaignMember.TOUCHPOINT_Status__c, op: is, value: x "
                                 "} ] } ]\n",
         ":7: rules[0]: rule \"a\": any[0].all[0]: field: CampaignMember.TOUCHPOINT_Status__c is "
         "what "
         "write_back writes after the decision; allowed is any other field, or write_back: false"},
        {RULE("a", "exclude", "{ field: Campaign.CreatedDate, op: in last 30 days, value: x }", ""),
         ":6: rules[0]: rule \"a\": any[0].all[0]: op: \"in last 30 days\" is not an operator"},
        {RULE("a", "exclude", "{ field: Campaign.Cost, op: <, value: cheap }", ""),
         ":6: rules[0]: rule \"a\": \"cheap\" is no value for `<`; allowed is a number, a date"},
        {RULE("a", "exclude", "{ field: Campaign.Type, op: contains, value: '' }", ""),
         ":6: rules[0]: rule \"a\": \"\" is no value for `contains`"},
        {RULE("''", "exclude", IS, ""), ":6: rules[0]: rule \"\" is empty"},
        {RULE("picklist:all", "exclude", IS, ""), ":6: rules[0]: rule \"picklist:all\" has a name"},
        {RULE("a", "exclude", IS, "- name: a\n  action: exclude\n  any: [ { all: [ " IS " ] } ]\n"),
         ":9: rules[1]: rule \"a\" is there twice, first in line 6"},
        {ORG "channels:\n- { type: '', channel: b }\n", ":6: channels[0]: type is empty"},
        {ORG "channels:\n- { type: a, channel: b }\n- { type: a, status: ' ', channel: b }\n",
         ":7: channels[1]: status is empty; leave it out"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy *p = NULL;
        struct error e = {0};
        struct config *c = load(rows[i].yaml);
        assert_int_equal(policy_from_config(&p, c, &e), ERR_CONFIG);
        assert_null(p);
        config_free(&c);
        assert_memory_equal(e.text, file, strlen(file));
        const char *got = e.text + strlen(file);
        if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("want \"%s\"\ngot  \"%s\"", rows[i].want, got);
    }
}

/* A changed fingerprint makes every campaign be looked at again: it must follow what decides, and
 * nothing else. */
static void the_fingerprint_follows_the_decisions_alone(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        bool same;
    } rows[] = {
        {"# a comment\n" ORG RULES, true},
        {"worker: { threads: 9 }\npolicy: { max_delete_percent: 3 }\n" ORG RULES, true},
        {"policy: { end_date: exclusive, default_channel: Other }\n" ORG RULES, true},
        {ORG, false},
        {"policy: { end_date: inclusive }\n" ORG RULES, false},
        {"policy: { precedence: picklist }\n" ORG RULES, false},
        {"policy: { window_applies_to: added_date }\n" ORG RULES, false},
        {"policy: { dedupe: email }\n" ORG RULES, false},
        {"policy: { default_channel: Else }\n" ORG RULES, false},
        {ORG RULES "channels: [ { type: a, channel: b } ]\n", false},
        {ORG RULES "channels: [ { type: a, channel: b, null_channel: true } ]\n", false},
    };
    char first[POLICY_FINGERPRINT_SIZE], other[POLICY_FINGERPRINT_SIZE];
    struct config *c = load(ORG RULES);
    policy_fingerprint(c, first);
    config_free(&c);
    for (size_t i = 0; i < COUNT(rows); i++) {
        c = load(rows[i].yaml);
        policy_fingerprint(c, other);
        config_free(&c);
        if ((strcmp(first, other) == 0) != rows[i].same)
            fail_msg("%s", rows[i].yaml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_rules_the_picklist_decides),
        cmocka_unit_test(an_inclusive_end_date_takes_its_day),
        cmocka_unit_test(custom_rules_come_before_the_picklist),
        cmocka_unit_test(the_picklist_comes_first_where_the_policy_says_so),
        cmocka_unit_test(a_field_that_several_rules_name_is_read_once),
        cmocka_unit_test(channels_are_taken_in_their_order),
        cmocka_unit_test(the_other_settings_of_the_policy_arrive),
        cmocka_unit_test(rules_and_channels_are_checked_with_file_and_line),
        cmocka_unit_test(the_fingerprint_follows_the_decisions_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
