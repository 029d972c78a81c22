/*
 * SOQL: what is found, in which order, and how what cannot be read is refused. Hermetic: an org in
 * this process with a handful of records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "soql.h"
#include "test_org.h"
#include "text.h"

static struct test_org *org;
static char campaign[SFID_SIZE], child[SFID_SIZE], contact[SFID_SIZE], lead[SFID_SIZE];

static int setup(void **state)
{
    (void)state;
    char id[SFID_SIZE], account[SFID_SIZE];
    org = test_org_new();
    test_record(org, "Campaign", campaign,
                "{\"Name\":\"Alpha\",\"Type\":\"Trade Show\",\"IsActive\":true,"
                "\"StartDate\":\"2026-01-10\",\"CreatedDate\":\"2026-01-02T03:04:05Z\"}");
    test_record(org, "Campaign", child,
                "{\"Name\":\"be\\u00dfta 100%%\",\"ParentId\":\"%s\","
                "\"CreatedDate\":\"2026-02-02T00:00:00Z\"}",
                campaign);
    test_record(org, "Campaign", id,
                "{\"Name\":\"gamma_x\",\"Type\":\"Webinar\",\"StartDate\":\"2026-03-01\","
                "\"CreatedDate\":\"2026-03-02T00:00:00Z\"}");
    test_record(org, "Account", account, "{\"Name\":\"Acme\"}");
    test_record(org, "Contact", contact,
                "{\"LastName\":\"C\",\"Email\":\"c@x.com\",\"AccountId\":\"%s\"}", account);
    test_record(org, "Lead", lead,
                "{\"LastName\":\"L\",\"Company\":\"K\",\"Email\":\"Lead@X.com\"}");
    test_record(org, "CampaignMember", id, "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\"}", campaign,
                lead);
    test_record(org, "CampaignMember", id,
                "{\"CampaignId\":\"%s\",\"ContactId\":\"%s\",\"Status\":\"Responded\"}", child,
                contact);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_org_free(&org);
    return 0;
}

/* Values of the first selected field, joined by blanks: A, b, … of names. */
static char *values(const json_t *answer, const char *field)
{
    struct buf out;
    buf_init(&out, 65536);
    for (size_t i = 0; i < json_array_size(json_object_get(answer, "records")); i++) {
        const json_t *row = json_array_get(json_object_get(answer, "records"), i);
        const char *s = json_string_value(json_object_get(row, field));
        buf_printf(&out, "%s%.1s", i == 0 ? "" : " ", s == NULL ? "-" : s);
    }
    return buf_take(&out);
}

static void conditions_find_what_salesforce_would_find(void **state)
{
    (void)state;
    static const struct {
        const char *where, *want; /* first letters of the names */
    } rows[] = {
        {"Name = 'ALPHA'", "A"},
        {"Name = 'BESSTA 100%'", "b"},
        {"Name != 'alpha'", "b g"},
        {"Name <> 'alpha' AND Type = 'webinar'", "g"},
        {"Type = null", "b"},
        {"Type = ''", "b"},
        {"Type != null", "A g"},
        {"Type != 'Webinar'", "A b"},
        {"Type IN ('trade show', 'x')", "A"},
        {"Type IN (null, 'Webinar')", "b g"},
        {"Type NOT IN ('Webinar')", "A b"},
        {"Type NOT IN (null, 'Webinar')", "A"},
        {"Name LIKE 'a%'", "A"},
        {"Name LIKE '%\\%'", "b"},
        {"Name LIKE 'gamma\\_x'", "g"},
        {"Name LIKE 'gamma\\_'", ""},
        {"Name LIKE '_eta%'", ""},
        {"Name LIKE 'be_ta%'", ""},
        {"Name LIKE 'be__ta%'", "b"},
        {"NOT Name LIKE '%a%'", ""},
        {"NOT Type = 'Webinar'", "A b"},
        {"NOT (Type = 'Webinar' OR Type = null)", "A"},
        {"IsActive = true", "A"},
        {"IsActive != TRUE", "b g"},
        {"StartDate = 2026-01-10", "A"},
        {"StartDate > 2026-01-10", "g"},
        {"StartDate <= 2026-03-01", "A g"},
        {"NOT StartDate > 2026-01-10", "A b"},
        {"CreatedDate >= 2026-02-02T01:00:00+01:00", "b g"},
        {"CreatedDate < 2026-01-02T03:04:06.000Z", "A"},
        {"Parent.Name = 'alpha'", "b"},
        {"Parent.Parent.Name = null", "A b g"},
        {"Name = 'alpha' AND (Type = 'x' OR IsActive = true)", "A"},
        {"(Name = 'alpha' AND Type = 'x') OR (Type = 'Webinar')", "g"},
        {"Owner.Username = 'ADMIN@example.com'", "A b g"},
        {"Id > '' AND Name > 'b'", "b g"},
        {"Name = 'it\\'s \\\"so\\\" \\\\ \\u0041'", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *soql = mem_printf("SELECT Name FROM Campaign WHERE %s ORDER BY Id", rows[i].where);
        json_t *answer = test_query(org, soql, 200);
        char *got = values(answer, "Name");
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", rows[i].where, got, rows[i].want);
        free(got);
        json_decref(answer);
        free(soql);
    }
}

static void order_limit_and_offset_are_obeyed(void **state)
{
    (void)state;
    static const struct {
        const char *tail, *want;
    } rows[] = {
        {"ORDER BY Name", "A b g"},
        {"ORDER BY Name DESC", "g b A"},
        {"ORDER BY Type", "b A g"},
        {"ORDER BY Type NULLS LAST", "A g b"},
        {"ORDER BY Type DESC", "b g A"},
        {"ORDER BY Type DESC NULLS LAST", "g A b"},
        {"ORDER BY Parent.Name ASC NULLS FIRST, Name DESC", "g A b"},
        {"ORDER BY Name LIMIT 2", "A b"},
        {"ORDER BY Name LIMIT 1 OFFSET 1", "b"},
        {"LIMIT 0", ""},
        {"LIMIT 2", "A b"},
        {"OFFSET 2", "g"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *soql = mem_printf("select name from campaign %s", rows[i].tail);
        json_t *answer = test_query(org, soql, 200);
        char *got = values(answer, "Name");
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: got \"%s\", want \"%s\"", rows[i].tail, got, rows[i].want);
        free(got);
        json_decref(answer);
        free(soql);
    }
}

static void what_cannot_be_read_is_refused_with_the_right_code(void **state)
{
    (void)state;
    static const struct {
        const char *soql, *code;
    } rows[] = {
        {"SELECT", "MALFORMED_QUERY"},
        {"SELECT Id", "MALFORMED_QUERY"},
        {"SELECT Id FROM", "MALFORMED_QUERY"},
        {"SELECT Id, FROM Lead", "MALFORMED_QUERY"},
        {"SELECT * FROM Lead", "MALFORMED_QUERY"},
        {"UPDATE Lead", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Email", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Email = ", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Email = 'x", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Email = x", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Email = 'a\\q'", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Email = 'a' OR Email = 'b' AND Title = 'c'", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Email = 'a' AND NOT Title = 'c'", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE (Email = 'a'", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Id IN ()", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE Id IN (SELECT LeadId FROM CampaignMember)", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE CreatedDate = TODAY", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead WHERE CreatedDate > 2026-01-01T00:00:00", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead GROUP BY Id", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead LIMIT x", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead LIMIT -1", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead FOR UPDATE", "MALFORMED_QUERY"},
        {"SELECT COUNT(Id) FROM Lead", "MALFORMED_QUERY"},
        {"SELECT Lead..Email FROM CampaignMember", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead; DROP TABLE Lead", "MALFORMED_QUERY"},
        {"SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"},
        {"SELECT Nope FROM Lead", "INVALID_FIELD"},
        {"SELECT Id, id FROM Lead", "INVALID_FIELD"},
        {"SELECT Nope.Id FROM Lead", "INVALID_FIELD"},
        {"SELECT Owner FROM Lead", "INVALID_FIELD"},
        {"SELECT Parent.Parent.Parent.Parent.Parent.Parent.Id FROM Campaign", "INVALID_FIELD"},
        {"SELECT IsDeleted FROM User", "INVALID_FIELD"},
        {"SELECT Id FROM Campaign WHERE Description = 'x'", "INVALID_FIELD"},
        {"SELECT Id FROM Campaign WHERE StartDate = '2026-01-01'", "INVALID_FIELD"},
        {"SELECT Id FROM Campaign WHERE StartDate = 2026-01-01T00:00:00Z", "INVALID_FIELD"},
        {"SELECT Id FROM Campaign WHERE CreatedDate = 2026-01-01", "INVALID_FIELD"},
        {"SELECT Id FROM Campaign WHERE Name = 5", "INVALID_FIELD"},
        {"SELECT Id FROM Campaign WHERE IsActive = 'true'", "INVALID_FIELD"},
        {"SELECT Id FROM Campaign ORDER BY Nope", "INVALID_FIELD"},
        {"SELECT Id FROM Campaign WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR"},
        {"SELECT Id FROM Campaign WHERE Id LIKE '701%'", "INVALID_QUERY_FILTER_OPERATOR"},
        {"SELECT Id FROM Campaign WHERE Name > null", "INVALID_QUERY_FILTER_OPERATOR"},
        {"SELECT Id FROM Nope", "INVALID_TYPE"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *answer = test_query(org, rows[i].soql, 400);
        if (strcmp(test_code(answer), rows[i].code) != 0)
            fail_msg("%s: got %s, want %s", rows[i].soql, test_code(answer), rows[i].code);
        json_decref(answer);
    }
}

static void ids_match_in_both_lengths_and_by_case(void **state)
{
    (void)state;
    char *soql = mem_printf("SELECT COUNT() FROM Campaign WHERE Id = '%.15s'", campaign);
    json_t *answer = test_query(org, soql, 200);
    assert_int_equal(json_integer_value(json_object_get(answer, "totalSize")), 1);
    assert_int_equal(json_array_size(json_object_get(answer, "records")), 0);
    json_decref(answer);
    free(soql);
    soql = mem_printf("SELECT Id FROM Campaign WHERE Id IN ('701Gk0000000001', '%s')", child);
    answer = test_query(org, soql, 200);
    assert_int_equal(json_integer_value(json_object_get(answer, "totalSize")), 1);
    json_decref(answer);
    free(soql);
}

static void parents_come_as_nested_records_or_null(void **state)
{
    (void)state;
    json_t *answer = test_query(org,
                                "SELECT Campaign.Parent.Name, Lead.Email, Contact.Account.Name, "
                                "Email FROM CampaignMember ORDER BY Email",
                                200);
    const json_t *rows = json_object_get(answer, "records");
    const json_t *first = json_array_get(rows, 0), *second = json_array_get(rows, 1);
    assert_string_equal(json_string_value(json_object_get(first, "Email")), "c@x.com");
    assert_true(json_is_null(json_object_get(first, "Lead")));
    const json_t *parent = json_object_get(json_object_get(first, "Campaign"), "Parent");
    assert_string_equal(json_string_value(json_object_get(parent, "Name")), "Alpha");
    const json_t *account = json_object_get(json_object_get(first, "Contact"), "Account");
    assert_string_equal(json_string_value(json_object_get(account, "Name")), "Acme");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(account, "attributes"), "type")),
        "Account");
    assert_true(json_is_null(json_object_get(second, "Contact")));
    assert_true(json_is_null(json_object_get(json_object_get(second, "Campaign"), "Parent")));
    json_decref(answer);
}

static void like_patterns_backtrack(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool want;
    } rows[] = {
        {"%", "", true},          {"", "", true},
        {"", "a", false},         {"%a", "bca", true},
        {"a%a", "a", false},      {"%ab%ab", "abxab", true},
        {"_", "\xc3\xa4", true},  {"__", "\xc3\xa4", false},
        {"\\%", "%", true},       {"\\%", "x", false},
        {"a\\\\b", "a\\b", true}, {"%\\_%", "a_b", true},
        {"\\", "\\", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(text_like(rows[i].pattern, rows[i].text), rows[i].want);
}

static void nesting_and_length_are_bounded(void **state)
{
    (void)state;
    struct buf text;
    struct soql_error error;
    buf_init(&text, 1 << 20);
    buf_puts(&text, "SELECT Id FROM Lead WHERE ");
    for (int i = 0; i < 100; i++)
        buf_putc(&text, '(');
    assert_null(soql_parse(text.data, &error));
    assert_string_equal(error.code, "MALFORMED_QUERY");
    buf_clear(&text);
    buf_puts(&text, "SELECT Id FROM Lead WHERE Email = ''");
    while (text.len <= SOQL_TEXT_MAX)
        buf_puts(&text, " OR Email = 'x'");
    assert_null(soql_parse(text.data, &error));
    assert_string_equal(error.code, "MALFORMED_QUERY");
    buf_clear(&text);
    buf_puts(&text, "SELECT Id FROM Lead WHERE Email = ''");
    for (int i = 0; i < 3000; i++)
        buf_puts(&text, " OR Email = 'x'");
    json_t *answer = test_query(org, text.data, 400);
    assert_string_equal(test_code(answer), "QUERY_TOO_COMPLICATED");
    json_decref(answer);
    buf_release(&text);
}

static void a_hidden_object_field_or_row_is_not_seen(void **state)
{
    (void)state;
    struct access *a = &org->sim->access;
    a->hide[LEAD] = a->none[ACCOUNT] = true;
    a->no_field[CAMPAIGN][object_at(&OBJECTS[CAMPAIGN], "Type")] = true;
    json_t *answer = test_query(org, "SELECT Id FROM Lead", 200);
    assert_int_equal(json_integer_value(json_object_get(answer, "totalSize")), 0);
    json_decref(answer);
    answer = test_query(org, "SELECT Lead.Email FROM CampaignMember WHERE LeadId != null", 200);
    const json_t *row = json_array_get(json_object_get(answer, "records"), 0);
    assert_true(json_is_null(json_object_get(row, "Lead")));
    json_decref(answer);
    answer = test_query(org, "SELECT Id FROM Account", 400);
    assert_string_equal(test_code(answer), "INVALID_TYPE");
    json_decref(answer);
    answer = test_query(org, "SELECT Contact.Account.Name FROM CampaignMember", 400);
    assert_string_equal(test_code(answer), "INVALID_FIELD");
    json_decref(answer);
    answer = test_query(org, "SELECT Type FROM Campaign", 400);
    assert_string_equal(test_code(answer), "INVALID_FIELD");
    json_decref(answer);
    permissions_init(org->sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_find_what_salesforce_would_find),
        cmocka_unit_test(order_limit_and_offset_are_obeyed),
        cmocka_unit_test(what_cannot_be_read_is_refused_with_the_right_code),
        cmocka_unit_test(ids_match_in_both_lengths_and_by_case),
        cmocka_unit_test(parents_come_as_nested_records_or_null),
        cmocka_unit_test(like_patterns_backtrack),
        cmocka_unit_test(nesting_and_length_are_bounded),
        cmocka_unit_test(a_hidden_object_field_or_row_is_not_seen),
    };
    return cmocka_run_group_tests_name("soql", tests, setup, teardown);
}
