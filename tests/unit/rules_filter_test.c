/*
 * Filters of members: groups and conditions put together, what is refused, and whom they hold for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "filter.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct condition {
    const char *field, *op, *value; /* field "|": a new group */
};

static struct filter *filter_of(const struct condition *list, size_t n)
{
    struct error e = {0};
    struct filter *f = filter_new();
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].field, "|") == 0)
            filter_add_group(f);
        else if (filter_add(f, list[i].field, list[i].op, list[i].value, &e) != ERR_NONE)
            fail_msg("%s", e.text);
    }
    if (filter_check(f, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    return f;
}

static void groups_are_alternatives_and_their_conditions_must_all_hold(void **state)
{
    (void)state;
    static const struct condition list[] = {{"Status", "is", "Attended"},
                                            {"CampaignMember.City", "is", ""},
                                            {"|", NULL, NULL},
                                            {"status", "starts with", "Reg"}};
    static const struct {
        const char *status, *city; /* NULL: null */
        bool want;
    } cases[] = {{"attended", NULL, true},     {"Attended", "Oslo", false},
                 {"Registered", "Oslo", true}, {"Registered", NULL, true},
                 {NULL, NULL, false},          {"Sent", NULL, false}};
    struct zone *zone = NULL;
    struct error e = {0};
    assert_int_equal(zone_open(&zone, "UTC", &e), ERR_NONE);
    struct filter *f = filter_of(list, COUNT(list));
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *text[] = {cases[i].status, cases[i].city};
        struct rule_value values[2];
        for (size_t k = 0; k < 2; k++)
            values[k] = (struct rule_value){text[k] == NULL ? RULE_NULL : RULE_TEXT,
                                            text[k] == NULL ? "" : text[k]};
        if (filter_holds(f, values, zone) != cases[i].want)
            fail_msg("case %zu", i);
    }
    filter_free(&f);
    assert_null(f);
    zone_close(&zone);
}

static void a_filter_without_groups_holds_for_everybody(void **state)
{
    (void)state;
    struct error e = {0};
    size_t n = 9;
    struct filter *f = filter_new();
    assert_int_equal(filter_check(f, &e), ERR_NONE);
    assert_true(filter_holds(f, NULL, NULL));
    (void)filter_fields(f, &n);
    assert_int_equal(n, 0);
    filter_free(&f);
    filter_free(&f);
}

static void each_field_is_read_once_in_whatever_case_it_is_named(void **state)
{
    (void)state;
    static const struct condition list[] = {{"Status", "is", "a"},
                                            {"CAMPAIGNMEMBER.STATUS", "is not", "b"},
                                            {"My_Field__c", ">", "1"},
                                            {"|", NULL, NULL},
                                            {"my_field__C", "<", "9"}};
    size_t n;
    struct filter *f = filter_of(list, COUNT(list));
    const char *const *fields = filter_fields(f, &n);
    assert_int_equal(n, 2);
    assert_string_equal(fields[0], "Status");
    assert_string_equal(fields[1], "My_Field__c");
    filter_free(&f);
}

static void what_is_no_field_or_operator_is_named(void **state)
{
    (void)state;
    static const char long_name[] =
        "A23456789012345678901234567890123456789012345678901234567890123456"
        "78901234567890x";
    static const struct {
        struct condition condition;
        const char *names;
    } cases[] = {
        {{"", "is", ""}, "\"\" is not a field"},
        {{"1a", "is", ""}, "\"1a\" is not a field"},
        {{"a b", "is", ""}, "\"a b\" is not a field"},
        {{"a'b", "is", ""}, "is not a field"},
        {{"Lead.Email", "is", ""}, "\"Lead.Email\" is not a field"},
        {{"CampaignMember.", "is", ""}, "is not a field"},
        {{"Status) OR (Id", "is", ""}, "is not a field"},
        {{long_name, "is", ""}, "is not a field"},
        {{"Status", "", ""}, "\"\" is not an operator"},
        {{"Status", "likes", ""}, "\"likes\" is not an operator"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct condition *c = &cases[i].condition;
        struct error e = {0};
        struct filter *f = filter_new();
        assert_int_equal(filter_add(f, c->field, c->op, c->value, &e), ERR_INVALID);
        if (strstr(e.text, cases[i].names) == NULL)
            fail_msg("case %zu: %s", i, e.text);
        filter_free(&f);
    }
}

static void groups_without_conditions_and_values_that_do_not_compare_are_refused(void **state)
{
    (void)state;
    struct error e = {0};
    struct filter *f = filter_new();
    filter_add_group(f);
    assert_int_equal(filter_check(f, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "no condition"));
    filter_free(&f);
    f = filter_new();
    assert_int_equal(filter_add(f, "Amount__c", "<", "soon", &e), ERR_NONE);
    assert_int_equal(filter_check(f, &e), ERR_INVALID);
    filter_free(&f);
}

static void a_filter_has_at_most_a_hundred_conditions(void **state)
{
    (void)state;
    struct error e = {0};
    struct filter *f = filter_new();
    for (int i = 0; i < 100; i++)
        assert_int_equal(filter_add(f, "Status", "is", "a", &e), ERR_NONE);
    assert_int_equal(filter_add(f, "Status", "is", "a", &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "at most 100"));
    filter_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_alternatives_and_their_conditions_must_all_hold),
        cmocka_unit_test(a_filter_without_groups_holds_for_everybody),
        cmocka_unit_test(each_field_is_read_once_in_whatever_case_it_is_named),
        cmocka_unit_test(what_is_no_field_or_operator_is_named),
        cmocka_unit_test(groups_without_conditions_and_values_that_do_not_compare_are_refused),
        cmocka_unit_test(a_filter_has_at_most_a_hundred_conditions),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
