/*
 * Conditions as people write them: what filter they become, and what is said of those that can't be
 * read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "../../receiver/ctl/where.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "FIELD|op|value & FIELD|op|value / …": groups apart by "/". */
static void print(struct buf *out, json_t *filter)
{
    size_t g, i;
    json_t *group, *c;
    json_array_foreach(json_object_get(filter, "any"), g, group)
    {
        buf_puts(out, g > 0 ? " / " : "");
        json_array_foreach(json_object_get(group, "all"), i, c)
        {
            buf_printf(out, "%s%s|%s|%s", i > 0 ? " & " : "",
                       json_string_value(json_object_get(c, "field")),
                       json_string_value(json_object_get(c, "op")),
                       json_string_value(json_object_get(c, "value")));
        }
    }
}

static void a_condition_becomes_groups_of_the_api(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"Status is Sent", "Status|is|Sent"},
        {"  Status\tIS\nNot  Sent ", "Status|is not|Sent"},
        {"Status = Sent", "Status|is|Sent"},
        {"Status!=Sent", "Status|is not|Sent"},
        {"a<=1", "a|<=|1"},
        {"a < 2026-01-01T00:00:00Z", "a|<|2026-01-01T00:00:00Z"},
        {"a is ''", "a|is|"},
        {"a is 'it''s'", "a|is|it's"},
        {"a is \"say \"\"no\"\"\"", "a|is|say \"no\""},
        {"a is \"it's\"", "a|is|it's"},
        {"a is 'x and (y) or z'", "a|is|x and (y) or z"},
        {"a does not start with b", "a|does not start with|b"},
        {"a not matches any 'b,c'", "a|not matches any|b,c"},
        {"CampaignMember.Status contains t", "CampaignMember.Status|contains|t"},
        {"a is and", "a|is|and"},
        {"and is or", "and|is|or"},
        {"a is 1 and b is 2 or c is 3", "a|is|1 & b|is|2 / c|is|3"},
        {"a is 1 or b is 2 and c is 3", "a|is|1 / b|is|2 & c|is|3"},
        {"(a is 1 or b is 2) and c is 3", "a|is|1 & c|is|3 / b|is|2 & c|is|3"},
        {"a is 1 AND (b is 2 OR(c is 3))", "a|is|1 & b|is|2 / a|is|1 & c|is|3"},
        {"(a is 1 or b is 2) and (c is 3 or d is 4)",
         "a|is|1 & c|is|3 / a|is|1 & d|is|4 / b|is|2 & c|is|3 / b|is|2 & d|is|4"},
        {"((((a is 1))))", "a|is|1"},
        {"a is 1 andb", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error e = {0};
        struct buf got;
        json_t *filter = NULL;
        buf_init(&got, 1000);
        enum err err = where_parse(cases[i].text, &filter, &e);
        print(&got, filter);
        if ((err == ERR_NONE) != (cases[i].want != NULL) ||
            (err == ERR_NONE && strcmp(got.data, cases[i].want) != 0))
            fail_msg("%s: want %s, got %s%s", cases[i].text, cases[i].want, e.text,
                     err == ERR_NONE ? got.data : "");
        json_decref(filter);
        buf_release(&got);
    }
}

static void what_can_not_be_read_is_told_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "ends where a field's API name"},
        {"   ", "ends where a field's API name"},
        {"Status", "ends where an operator"},
        {"Status Sent", "at \"Sent\": an operator"},
        {"Status isSent", "at \"isSent\": an operator"},
        {"Status is", "ends where a value"},
        {"Status is 'Sent", "a value, in quotes"},
        {"Status is 'it''", "a value, in quotes"},
        {"Status is ()", "at \"()\": a value"},
        {"Status is a b", "at \"b\": `and`, `or` or nothing"},
        {"Status is O'Neil", "at \"'Neil\": `and`"},
        {"Status is a)", "at \")\": `and`"},
        {"(Status is a", "a closing parenthesis"},
        {"()", "at \")\": a field's API name"},
        {"Status is a or", "ends where a field's API name"},
        {"Status is a and and b is c", "an operator"},
        {"'Status' is a", "a field's API name"},
        {"Status is '\xff'", "is not UTF-8"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error e = {0};
        json_t *filter = NULL;
        assert_int_equal(where_parse(cases[i].text, &filter, &e), ERR_INVALID);
        if (strstr(e.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].text, e.text);
    }
}

/* Depth, and alternatives that multiply, are refused before they cost anything. */
static void what_would_grow_without_bound_is_refused(void **state)
{
    (void)state;
    struct error e = {0};
    struct buf text;
    json_t *filter = NULL;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 10000; i++)
        buf_putc(&text, '(');
    assert_int_equal(where_parse(text.data, &filter, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "no further parenthesis"));
    buf_clear(&text);
    for (int side = 0; side < 2; side++) {
        buf_puts(&text, side == 0 ? "(a is 0" : " and (a is 0");
        for (int i = 1; i < 5000; i++)
            buf_printf(&text, " or a is %d", i);
        buf_putc(&text, ')');
    }
    assert_int_equal(where_parse(text.data, &filter, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "too many alternatives: at most 64"));
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_becomes_groups_of_the_api),
        cmocka_unit_test(what_can_not_be_read_is_told_where),
        cmocka_unit_test(what_would_grow_without_bound_is_refused),
    };
    return cmocka_run_group_tests_name("where", tests, NULL, NULL);
}
