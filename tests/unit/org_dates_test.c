/*
 * Dates of members: the request that sets them reads first what it overwrites, and what of that can
 * be believed.
 */
#include "org_fixture.h"
#include "org_records.h"

#include <jansson.h>

#include "mem.h"
#include "timeutil.h"

#define DATE "Buyer_Touchpoint_Date__c"

static enum err update(struct fixture *x, struct org_date_was was[2],
                       struct org_row_result results[2])
{
    const struct org_date rows[2] = {{M1, "2026-07-07T07:07:07.000Z"}, {M2, ""}};
    return org_update_dates(x->conn, rows, 2, was, results, &x->e);
}

static void will_answer(struct fixture *x, const char *before, int status)
{
    char *text =
        mem_printf("{\"compositeResponse\":[{\"body\":%s,\"httpStatusCode\":%d,\"referenceId\":"
                   "\"before\"},{\"body\":[{\"id\":\"" M1 "\",\"success\":true,\"errors\":[]},"
                   "{\"id\":\"" M2 "\",\"success\":true,\"errors\":[]}],\"httpStatusCode\":200,"
                   "\"referenceId\":\"part0\"}]}",
                   before, status);
    fake_will(x->fake, 200, text);
    free(text);
}

static void the_first_part_reads_what_the_others_overwrite(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_date_was was[2];
    struct org_row_result results[2];
    will_answer(x,
                "[{\"Id\":\"" M1 "\",\"" DATE "\":\"2026-01-02T03:04:05.000+0000\"},"
                "{\"Id\":\"" M2 "\",\"" DATE "\":null}]",
                200);
    assert_int_equal(update(x, was, results), ERR_NONE);
    assert_int_equal(org_conn_calls(x->conn), 1);
    json_t *root = json_loads(fake_request(x->fake, 0)->body, 0, NULL);
    json_t *subs = json_object_get(root, "compositeRequest"), *look = json_array_get(subs, 0);
    assert_int_equal(json_array_size(subs), 2);
    assert_string_equal(json_string_value(json_object_get(look, "method")), "POST");
    assert_non_null(strstr(json_string_value(json_object_get(look, "url")),
                           "/composite/sobjects/CampaignMember"));
    json_t *body = json_object_get(look, "body");
    assert_int_equal(json_array_size(json_object_get(body, "ids")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(body, "fields"), 1)),
                        DATE);
    json_decref(root);
    assert_true(was[0].is_known && was[1].is_known);
    assert_true(was[0].at_ms == INT64_C(1767323045000) && was[0].day == TIME_NONE);
    assert_true(was[1].at_ms == TIME_NONE && was[1].day == TIME_NONE);
    assert_true(results[0].class == ORG_ROW_DONE && results[1].class == ORG_ROW_DONE);
}

static void what_can_not_be_believed_is_not_known_and_the_rows_count_all_the_same(void **state)
{
    struct fixture *x = fixture_of(state);
    static const struct {
        const char *name, *before;
        int status;
        bool known[2];
    } cases[] = {
        {"a date", "[{\"Id\":\"" M1 "\",\"" DATE "\":\"2026-01-02\"},null]", 200, {true, false}},
        {"another record",
         "[{\"Id\":\"" M2 "\",\"" DATE "\":null},{\"Id\":\"" M2 "\"}]",
         200,
         {false, false}},
        {"no date",
         "[{\"Id\":\"" M1 "\",\"" DATE "\":\"soon\"},{\"Id\":\"" M2 "\",\"" DATE "\":null}]",
         200,
         {false, true}},
        {"too few", "[{\"Id\":\"" M1 "\",\"" DATE "\":null}]", 200, {false, false}},
        {"a refusal", "[{\"errorCode\":\"INVALID_TYPE\",\"message\":\"no\"}]", 400, {false, false}},
        {"nothing", "null", 200, {false, false}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct org_date_was was[2];
        struct org_row_result results[2];
        will_answer(x, cases[i].before, cases[i].status);
        assert_int_equal(update(x, was, results), ERR_NONE);
        if (was[0].is_known != cases[i].known[0] || was[1].is_known != cases[i].known[1] ||
            results[0].class != ORG_ROW_DONE || results[1].class != ORG_ROW_DONE)
            fail_msg("%s", cases[i].name);
    }
}

static void an_answer_without_the_first_part_tells_nothing(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_date_was was[2];
    struct org_row_result results[2];
    fake_will(x->fake, 200,
              "{\"compositeResponse\":[{\"body\":[],\"httpStatusCode\":200,\"referenceId\":"
              "\"part0\"}]}");
    assert_int_equal(update(x, was, results), ERR_UNKNOWN_OUTCOME);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_first_part_reads_what_the_others_overwrite),
        T(what_can_not_be_believed_is_not_known_and_the_rows_count_all_the_same),
        T(an_answer_without_the_first_part_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
