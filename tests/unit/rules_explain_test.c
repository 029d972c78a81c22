/*
 * explain: over random cases it says what decide says, its steps fit the reason, and its sentences
 * name what was seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "explain.h"
#include "rules_fixture.h"

/* ------------------------------------------------------------------ random cases */

static uint64_t state_of_dice = 20261126;

static unsigned dice(unsigned sides)
{
    state_of_dice = state_of_dice * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((state_of_dice >> 33) % sides);
}

static const char *one_of(const char *const *texts, size_t n)
{
    return texts[dice((unsigned)n)];
}

static int64_t some_day(void)
{
    return dice(3) == 0 ? TIME_NONE : 20400 + (int64_t)dice(20);
}

static struct rule_value some_value(void)
{
    static const char *const texts[] = {"Trade Show", "Visited Booth", "2026-01-20", "7", "x"};
    return dice(3) == 0 ? (struct rule_value){RULE_NULL, ""}
                        : (struct rule_value){RULE_TEXT, one_of(texts, COUNT(texts))};
}

struct random_case {
    struct campaign c;
    struct member m;
    struct policy p;
    struct rule rules[3];
    struct rule_group groups[3][2];
    struct rule_condition conditions[3][2][2];
    struct rule_date dates[3][2];
    struct rule_value campaign_values[2], member_values[2];
};

static const char *CAMPAIGN_FIELDS[] = {"Type", "Region__c"};
static const char *MEMBER_FIELDS[] = {"Status", "Seen_On__c"};

static void make_rules(struct random_case *x)
{
    static const char *const values[] = {"", "Trade Show", "Visited*", "7"};
    static const enum rule_op ops[] = {RULE_IS, RULE_IS_NOT, RULE_MATCHES, RULE_CONTAINS, RULE_GE};
    x->p.rules = x->rules;
    x->p.rule_count = dice(4);
    for (size_t r = 0; r < x->p.rule_count; r++) {
        x->rules[r] = (struct rule){.name = "a rule",
                                    .include = dice(2) == 0,
                                    .any = x->groups[r],
                                    .any_count = 1 + dice(2),
                                    .dates = x->dates[r],
                                    .date_count = 1 + dice(2)};
        for (size_t g = 0; g < 2; g++) {
            x->groups[r][g] = (struct rule_group){x->conditions[r][g], 1 + dice(2)};
            for (size_t i = 0; i < 2; i++)
                x->conditions[r][g][i] = (struct rule_condition){
                    .on_member = dice(2) == 0,
                    .field = dice(2),
                    .op = ops[dice(COUNT(ops))],
                    .value = one_of(values, COUNT(values)),
                };
        }
        for (size_t i = 0; i < 2; i++)
            x->dates[r][i] = (struct rule_date){.on_member = dice(2) == 0, .field = dice(2)};
    }
}

static void make_case(struct random_case *x)
{
    static const char *const types[] = {NULL, "", ALL, ALL, RESPONDED, RESPONDED, EXCLUDE, "Some"};
    static const char *const emails[] = {NULL, " ", "a@example.com", "b@example.com"};
    const struct row plain = {.person = (int)dice(3)};
    *x = (struct random_case){.c = campaign_of(&plain), .m = member_of(&plain)};
    x->c.exists = dice(20) != 0;
    x->m.exists = dice(20) != 0;
    x->c.sync_type = one_of(types, COUNT(types));
    x->c.type = dice(3) == 0 ? NULL : "Trade Show";
    x->c.start_day = some_day();
    x->c.end_day = some_day();
    x->m.has_responded = dice(2) == 0;
    x->m.person.email = one_of(emails, COUNT(emails));
    x->m.person.is_unseen = dice(10) == 0;
    x->m.created_at_ms = (20400 + (int64_t)dice(20)) * 86400000 + dice(86400000);
    x->m.first_responded_day = some_day();
    x->m.touchpoint_day = some_day();
    for (size_t i = 0; i < 2; i++) {
        x->campaign_values[i] = some_value();
        x->member_values[i] = some_value();
    }
    x->c.fields = x->campaign_values;
    x->m.fields = x->member_values;
    x->p = (struct policy){.default_channel = "Other",
                           .picklist_first = dice(2) == 0,
                           .end_inclusive = dice(2) == 0,
                           .window_on_added = dice(2) == 0,
                           .dedupe_email = dice(2) == 0,
                           .campaign_fields = CAMPAIGN_FIELDS,
                           .member_fields = MEMBER_FIELDS,
                           .campaign_field_count = 2,
                           .member_field_count = 2};
    make_rules(x);
}

static void check_steps(const struct explanation *x)
{
    size_t stops = 0;
    for (size_t i = 0; i < EXPLAIN_STEP_COUNT; i++) {
        const struct explain_step *s = &x->steps[i];
        assert_true(s->name != NULL && s->sentence != NULL && s->sentence[0] != '\0');
        assert_int_equal(s->outcome == EXPLAIN_SKIPPED, stops > 0);
        stops += s->outcome == EXPLAIN_STOP;
    }
    assert_int_equal(stops, x->decision.reason != REASON_NONE);
}

static void it_says_what_decide_says(void **state)
{
    static const char *const zones[] = {"UTC", "Asia/Tokyo", "America/Los_Angeles"};
    size_t with_touchpoint = 0;
    (void)state;
    for (size_t i = 0; i < 20000; i++) {
        struct random_case x;
        struct zone *zone = NULL;
        struct error e;
        struct decision d;
        struct explanation told;
        make_case(&x);
        if (zone_open(&zone, one_of(zones, COUNT(zones)), &e) != ERR_NONE)
            fail_msg("%s", e.text);
        decide(&x.c, &x.m, &x.p, zone, &d);
        explain(&x.c, &x.m, &x.p, zone, NULL, &told);
        assert_string_equal(reason_code(told.decision.reason), reason_code(d.reason));
        assert_ptr_equal(told.decision.rule, d.rule);
        assert_int_equal(told.decision.touchpoint_at_ms, d.touchpoint_at_ms);
        assert_int_equal(told.decision.window_day, d.window_day);
        assert_int_equal(told.decision.sync_type, d.sync_type);
        assert_true(told.decision.date_field == d.date_field ||
                    strcmp(told.decision.date_field, d.date_field) == 0);
        check_steps(&told);
        explanation_release(&told);
        zone_close(&zone);
        seen[d.reason] = true;
        with_touchpoint += d.reason == REASON_NONE;
    }
    for (size_t r = 0; r < REASON_DUPLICATE_EMAIL; r++)
        assert_true(seen[r]); /* every reason of decide was met */
    assert_true(with_touchpoint > 500);
}

/* ------------------------------------------------------------------ sentences */

static void says(const struct explanation *x, enum explain_step_id step, const char *part)
{
    if (strstr(x->steps[step].sentence, part) == NULL)
        fail_msg("want \"%s\" in \"%s\"", part, x->steps[step].sentence);
}

static struct explanation told(const struct row *r, const struct policy *p,
                               const struct explain_duplicates *dup)
{
    struct campaign c = campaign_of(r);
    struct member m = member_of(r);
    struct zone *zone = NULL;
    struct error e;
    struct explanation x;
    if (zone_open(&zone, "UTC", &e) != ERR_NONE)
        fail_msg("%s", e.text);
    explain(&c, &m, p, zone, dup, &x);
    zone_close(&zone);
    return x;
}

static void each_step_tells_what_it_saw(void **state)
{
    static const struct policy p = {.default_channel = "Other"};
    static const struct {
        struct row row;
        enum explain_step_id step;
        const char *part;
    } rows[] = {
        {{.sync = ALL}, EXPLAIN_ENABLED, "includes all its members"},
        {{.sync = RESPONDED}, EXPLAIN_ENABLED, "status \"Sent\" does not count as responded"},
        {{.sync = "Some"}, EXPLAIN_ENABLED, "the value \"Some\""},
        {{.email = "null", .person = LEAD}, EXPLAIN_EMAIL, "the lead has no email address"},
        {{.at = "2026-01-20T08:00:00Z"}, EXPLAIN_DATE, "from Buyer Touchpoint Date"},
        {{.sync = ALL}, EXPLAIN_DATE, "2026-01-15T09:30:00.000Z, from CreatedDate"},
        {{.start = "2026-02-01"},
         EXPLAIN_WINDOW,
         "2026-01-15 is before the Touchpoint Start Date, 2026-02-01"},
        {{.end = "2026-01-15"}, EXPLAIN_WINDOW, "is not before the Touchpoint End Date"},
        {{.start = "2026-03-01", .end = "2026-01-10"}, EXPLAIN_WINDOW, "start is after its end"},
        {{.sync = ALL},
         EXPLAIN_CHANNEL,
         "in no row of `channels`, so the channel is the default one, Other"},
        {{.sync = EXCLUDE}, EXPLAIN_CHANNEL, "not looked at"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct explanation x = told(&rows[i].row, &p, NULL);
        says(&x, rows[i].step, rows[i].part);
        explanation_release(&x);
    }
}

static void who_shares_an_email_learns_who_keeps_the_touchpoint(void **state)
{
    static const struct policy p = {.default_channel = "Other", .dedupe_email = true};
    static const struct row row = {.sync = ALL};
    (void)state;
    struct explanation x = told(&row, &p, &(struct explain_duplicates){1, "00v000000000009AAA"});
    assert_int_equal(x.decision.reason, REASON_DUPLICATE_EMAIL);
    assert_int_equal(x.steps[EXPLAIN_DUPLICATES].outcome, EXPLAIN_STOP);
    says(&x, EXPLAIN_DUPLICATES,
         "2 members of the campaign share this email, and 00v000000000009AAA");
    explanation_release(&x);
    x = told(&row, &p, &(struct explain_duplicates){1, ""});
    assert_int_equal(x.decision.reason, REASON_NONE);
    says(&x, EXPLAIN_DUPLICATES, "this one has the earliest");
    explanation_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_decide_says),
        cmocka_unit_test(each_step_tells_what_it_saw),
        cmocka_unit_test(who_shares_an_email_learns_who_keeps_the_touchpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
