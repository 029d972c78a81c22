/*
 * REST without a network: single records, collections, composite, getDeleted, budget.
 * Hermetic: an org in this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "campaign_fixture.h"
#include "composite.h"
#include "mem.h"
#include "service.h"
#include "stats.h"
#include "timeutil.h"

/* ------------------------------------------------------------------ single records */

static void a_record_is_created_read_changed_and_deleted(void **state)
{
    (void)state;
    json_t *a = test_call(org, "POST", V "/sobjects/Lead/",
                          "{\"LastName\":\" L \",\"Company\":\"K\"}", 201);
    char *target = mem_printf("%s/sobjects/lead/%s", V, test_text(a, "id"));
    char *fields = mem_printf("%s?fields=Id,LastName,IsDeleted", target);
    json_decref(test_call(org, "PATCH", target, "{\"Title\":\"T\"}", 204));
    json_t *b = test_call(org, "GET", fields, NULL, 200);
    assert_string_equal(test_text(b, "LastName"), "L");
    assert_int_equal(json_object_size(b), 4);
    json_decref(b);
    b = test_call(org, "GET", target, NULL, 200);
    assert_string_equal(test_text(b, "Title"), "T");
    json_decref(b);
    json_decref(test_call(org, "DELETE", target, NULL, 204));
    static const char *const methods[] = {"DELETE", "GET", "PATCH"};
    for (size_t i = 0; i < 3; i++) {
        b = test_call(org, methods[i], target, i == 2 ? "{}" : NULL, 404);
        assert_string_equal(test_code(b), "ENTITY_IS_DELETED");
        json_decref(b);
    }
    free(target);
    free(fields);
    json_decref(a);
}

static void paths_that_do_not_exist_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *body;
        int status;
        const char *code;
    } rows[] = {
        {"GET", V "/jobs", NULL, 404, "NOT_FOUND"},
        {"GET", V "/sobjects/Nope/x", NULL, 404, "NOT_FOUND"},
        {"GET", V "/sobjects/Lead/00QgK0000000zzz", NULL, 404, "NOT_FOUND"},
        {"GET", V "/sobjects/Nope/describe", NULL, 404, "NOT_FOUND"},
        {"PATCH", V "/sobjects/Lead/00QgK0000000zzz", "{}", 404, "NOT_FOUND"},
        {"DELETE", V "/sobjects/Lead/00QgK0000000zzz", NULL, 404, "INVALID_CROSS_REFERENCE_KEY"},
        {"GET", "/services/data/v99.0/limits", NULL, 404, ""},
        {"GET", "/other", NULL, 404, "NOT_FOUND"},
        {"PUT", V "/sobjects/Lead/00QgK0000000zzz", NULL, 405, "METHOD_NOT_ALLOWED"},
        {"DELETE", V "/query", NULL, 405, "METHOD_NOT_ALLOWED"},
        {"POST", V "/sobjects/Lead", "{", 400, "JSON_PARSER_ERROR"},
        {"POST", V "/sobjects/Lead", "[]", 400, "JSON_PARSER_ERROR"},
        {"GET", V "/query", NULL, 400, "MALFORMED_QUERY"},
        {"GET", V "/query/01ggK0000000001-2000", NULL, 400, "INVALID_QUERY_LOCATOR"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *a = test_call(org, rows[i].method, rows[i].target, rows[i].body, rows[i].status);
        if (*rows[i].code != '\0')
            assert_string_equal(test_code(a), rows[i].code);
        json_decref(a);
    }
}

static void upsert_by_external_id_creates_then_updates(void **state)
{
    (void)state;
    const char *target = V "/sobjects/Buyer_Touchpoint__c/Campaign_Member_Id__c/K%201/2";
    json_t *a = test_call(org, "PATCH", target, "{\"Medium__c\":\"a\"}", 201);
    assert_true(json_is_true(test_at(a, "created")));
    json_t *b = test_call(org, "PATCH", target, "{\"Medium__c\":\"b\"}", 200);
    assert_false(json_is_true(test_at(b, "created")));
    assert_string_equal(test_text(a, "id"), test_text(b, "id"));
    json_decref(a);
    json_decref(b);
    a = test_call(org, "GET", target, NULL, 200);
    assert_string_equal(test_text(a, "Campaign_Member_Id__c"), "K 1/2");
    assert_string_equal(test_text(a, "Medium__c"), "b");
    json_decref(a);
    json_decref(test_call(org, "DELETE", target, NULL, 204));
    json_decref(test_call(org, "DELETE", target, NULL, 404));
    a = test_call(org, "PATCH",
                  V "/sobjects/Buyer_Touchpoint__c/Campaign_Member_Id__c/k?updateOnly=true", "{}",
                  404);
    assert_string_equal(test_code(a), "NOT_FOUND");
    json_decref(a);
    json_decref(test_call(org, "PATCH", V "/sobjects/Lead/Email/x@y.z", "{}", 404));
}

/* ------------------------------------------------------------------ collections */

#define UPSERT V "/composite/sobjects/Buyer_Touchpoint__c/Campaign_Member_Id__c"
#define TP     "{\"attributes\":{\"type\":\"Buyer_Touchpoint__c\"},"

static void each_row_has_its_own_result_in_order(void **state)
{
    (void)state;
    json_t *a = test_call(org, "PATCH", UPSERT,
                          "{\"allOrNone\":false,\"records\":[" TP
                          "\"Campaign_Member_Id__c\":\"A\",\"Email__c\":\"a@b.c\"}," TP
                          "\"Campaign_Member_Id__c\":\"B\",\"Email__c\":\"bad\"}," TP
                          "\"Email__c\":\"a@b.c\"}," TP "\"Campaign_Member_Id__c\":\"D\"}," TP
                          "\"Campaign_Member_Id__c\":\"D\"},{\"attributes\":{\"type\":\"Nope\"},"
                          "\"Campaign_Member_Id__c\":\"E\"}," TP
                          "\"Campaign_Member_Id__c\":\"0123456789012345678\"}]}",
                          200);
    static const char *const want[] = {"",
                                       "INVALID_EMAIL_ADDRESS",
                                       "MISSING_ARGUMENT",
                                       "DUPLICATE_VALUE",
                                       "DUPLICATE_VALUE",
                                       "INVALID_TYPE",
                                       "STRING_TOO_LONG"};
    assert_int_equal(json_array_size(a), 7);
    for (size_t i = 0; i < 7; i++) {
        const json_t *row = json_array_get(a, i);
        assert_int_equal(json_is_true(test_at(row, "success")), *want[i] == '\0');
        assert_string_equal(test_text(row, "errors.0.statusCode"), want[i]);
    }
    assert_true(json_is_true(test_at(a, "0.created")));
    assert_string_equal(test_text(a, "1.errors.0.fields.0"), "Email__c");
    json_decref(a);
    assert_int_equal(org->sim->stats->rows.upsert_created, 1);
    assert_int_equal(org->sim->stats->rows.failed, 6);
}

static void all_or_none_takes_the_good_rows_back(void **state)
{
    (void)state;
    json_t *a =
        test_call(org, "PATCH", UPSERT,
                  "{\"allOrNone\":true,\"records\":[" TP "\"Campaign_Member_Id__c\":\"A\"}," TP
                  "\"Campaign_Member_Id__c\":\"B\",\"Email__c\":\"bad\"}]}",
                  200);
    assert_string_equal(test_text(a, "0.errors.0.statusCode"), "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_string_equal(test_text(a, "1.errors.0.statusCode"), "INVALID_EMAIL_ADDRESS");
    json_decref(a);
    a = test_query(org, "SELECT COUNT() FROM Buyer_Touchpoint__c", 200);
    assert_int_equal(test_number(a, "totalSize"), 0);
    json_decref(a);
}

static void update_takes_ids_of_any_case_of_name_and_delete_reports_each(void **state)
{
    (void)state;
    char id[SFID_SIZE], body[400];
    test_record(org, "Buyer_Touchpoint__c", id, "{\"Campaign_Member_Id__c\":\"A\"}");
    snprintf(body, sizeof body,
             "{\"records\":[" TP "\"id\":\"%s\",\"Medium__c\":\"m\"}," TP "\"Id\":\"x\"}," TP
             "\"Medium__c\":\"m\"}," TP "\"Id\":\"a0XgK0000000zzzUAA\"}]}",
             id);
    json_t *a = test_call(org, "PATCH", V "/composite/sobjects", body, 200);
    assert_true(json_is_true(test_at(a, "0.success")));
    assert_string_equal(test_text(a, "1.errors.0.statusCode"), "MALFORMED_ID");
    assert_string_equal(test_text(a, "2.errors.0.statusCode"), "MISSING_ARGUMENT");
    assert_string_equal(test_text(a, "3.errors.0.statusCode"), "INVALID_CROSS_REFERENCE_KEY");
    json_decref(a);
    snprintf(body, sizeof body,
             V "/composite/sobjects?allOrNone=false&ids=%s,%s,zz,a0XgK0000000zzz", id, id);
    a = test_call(org, "DELETE", body, NULL, 200);
    assert_true(json_is_true(test_at(a, "0.success")));
    assert_string_equal(test_text(a, "1.errors.0.statusCode"), "ENTITY_IS_DELETED");
    assert_string_equal(test_text(a, "2.errors.0.statusCode"), "MALFORMED_ID");
    assert_string_equal(test_text(a, "3.errors.0.statusCode"), "INVALID_CROSS_REFERENCE_KEY");
    json_decref(a);
}

static void sizes_of_collections_are_bounded(void **state)
{
    (void)state;
    static const struct {
        size_t rows;
        bool alternate;
        int status;
        const char *code;
    } cases[] = {
        {0, false, 400, "INVALID_INPUT"},       {200, false, 200, ""},
        {201, false, 400, "EXCEEDED_ID_LIMIT"}, {10, true, 200, ""},
        {11, true, 400, "LIMIT_EXCEEDED"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf body;
        buf_init(&body, 1 << 20);
        buf_puts(&body, "{\"records\":[");
        for (size_t k = 0; k < cases[i].rows; k++)
            buf_printf(&body, "%s{\"attributes\":{\"type\":\"%s\"},\"Name\":\"x\"}",
                       k == 0 ? "" : ",",
                       cases[i].alternate && k % 2 == 0 ? "Account" : "Campaign");
        buf_puts(&body, "]}");
        json_t *a = test_call(org, "POST", V "/composite/sobjects", body.data, cases[i].status);
        assert_string_equal(test_code(a), cases[i].code);
        json_decref(a);
        buf_release(&body);
    }
}

static void reading_by_ids_gives_null_for_what_is_not_there(void **state)
{
    (void)state;
    char body[300];
    snprintf(body, sizeof body,
             "{\"ids\":[\"%s\",\"701gK0000000zzz\",\"%.15s\"],\"fields\":[\"Name\"]}", campaign,
             campaign);
    json_t *a = test_call(org, "POST", V "/composite/sobjects/Campaign", body, 200);
    assert_string_equal(test_text(a, "0.Name"), "Expo");
    assert_true(json_is_null(test_at(a, "1")));
    assert_string_equal(test_text(a, "2.Name"), "Expo");
    json_decref(a);
    a = test_call(org, "POST", V "/composite/sobjects/Campaign",
                  "{\"ids\":[\"x\"],\"fields\":[\"Parent.Name\"]}", 400);
    assert_string_equal(test_code(a), "INVALID_FIELD");
    json_decref(a);
}

/* ------------------------------------------------------------------ composite */

static void references_reach_into_earlier_answers(void **state)
{
    (void)state;
    json_t *a = test_call(
        org, "POST", V "/composite",
        "{\"compositeRequest\":["
        "{\"method\":\"POST\",\"url\":\"" V "/sobjects/Lead\",\"referenceId\":\"lead\","
        "\"body\":{\"LastName\":\"L\",\"Company\":\"K\"}},"
        "{\"method\":\"GET\",\"url\":\"" V "/query?q=SELECT+Id+FROM+Lead+WHERE+Id='@{lead.id}'\","
        "\"referenceId\":\"found\"},"
        "{\"method\":\"PATCH\",\"url\":\"" V "/sobjects/Lead/@{found.records[0].Id}\","
        "\"referenceId\":\"patch\",\"body\":{\"Title\":\"id is @{lead.id}\"}},"
        "{\"method\":\"GET\",\"url\":\"" V "/sobjects/Lead/@{nope.id}\",\"referenceId\":\"bad\"}]}",
        200);
    assert_int_equal(test_number(a, "compositeResponse.0.httpStatusCode"), 201);
    assert_int_equal(test_number(a, "compositeResponse.1.body.totalSize"), 1);
    assert_int_equal(test_number(a, "compositeResponse.2.httpStatusCode"), 204);
    assert_int_equal(test_number(a, "compositeResponse.3.httpStatusCode"), 400);
    assert_string_equal(test_text(a, "compositeResponse.3.body.0.errorCode"), "PROCESSING_HALTED");
    char *title = test_field(org, test_text(a, "compositeResponse.0.body.id"), "Title");
    assert_string_equal(title + 6, test_text(a, "compositeResponse.0.body.id"));
    free(title);
    json_decref(a);
    assert_int_equal(org->sim->stats->calls, 1);
}

static void a_failed_subrequest_takes_all_back_if_asked_to(void **state)
{
    (void)state;
    static const char *const flags[] = {"false", "true"};
    for (int i = 0; i < 2; i++) {
        char body[800];
        snprintf(body, sizeof body,
                 "{\"allOrNone\":%s,\"compositeRequest\":["
                 "{\"method\":\"POST\",\"url\":\"" V "/sobjects/Account\",\"referenceId\":\"a\","
                 "\"body\":{\"Name\":\"A\"}},"
                 "{\"method\":\"POST\",\"url\":\"" V "/sobjects/Account\",\"referenceId\":\"b\","
                 "\"body\":{}}]}",
                 flags[i]);
        json_t *a = test_call(org, "POST", V "/composite", body, 200);
        assert_int_equal(test_number(a, "compositeResponse.0.httpStatusCode"), i == 0 ? 201 : 400);
        assert_string_equal(test_text(a, "compositeResponse.0.body.0.errorCode"),
                            i == 0 ? "" : "PROCESSING_HALTED");
        assert_string_equal(test_text(a, "compositeResponse.1.body.0.errorCode"),
                            "REQUIRED_FIELD_MISSING");
        json_decref(a);
        a = test_query(org, "SELECT COUNT() FROM Account", 200);
        assert_int_equal(test_number(a, "totalSize"), 1);
        json_decref(a);
    }
}

static void a_composite_is_bounded(void **state)
{
    (void)state;
    static const struct {
        size_t light, heavy;
        bool same;
        int status;
    } cases[] = {{25, 0, false, 200}, {26, 0, false, 400}, {0, 5, false, 200},
                 {0, 6, false, 400},  {2, 0, true, 400},   {0, 0, false, 400}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf body;
        buf_init(&body, 1 << 20);
        buf_puts(&body, "{\"compositeRequest\":[");
        for (size_t k = 0; k < cases[i].light + cases[i].heavy; k++)
            buf_printf(
                &body, "%s{\"method\":\"GET\",\"url\":\"" V "/%s\",\"referenceId\":\"r%zu\"}",
                k == 0 ? "" : ",", k < cases[i].light ? "limits" : "query?q=SELECT+Id+FROM+User",
                cases[i].same ? (size_t)0 : k);
        buf_puts(&body, "]}");
        json_decref(test_call(org, "POST", V "/composite", body.data, cases[i].status));
        buf_release(&body);
    }
}

/* ------------------------------------------------------------------ the rest */

static void deleted_rows_are_seen_by_query_all_and_get_deleted(void **state)
{
    (void)state;
    char lead[SFID_SIZE], gone[SFID_SIZE];
    int64_t noon;
    assert_true(time_parse_datetime("2026-05-05T12:00:30Z", 20, &noon));
    sim_clock_set(&org->sim->clock, noon, true);
    test_record(org, "Lead", lead, "{\"LastName\":\"L\",\"Company\":\"K\"}");
    test_record(org, "CampaignMember", gone, "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\"}", campaign,
                lead);
    assert_string_equal(test_remove(org, gone), "");
    json_t *a = test_query(org, "SELECT Id FROM CampaignMember", 200);
    assert_int_equal(test_number(a, "totalSize"), 0);
    json_decref(a);
    a = test_call(org, "GET",
                  V "/queryAll?q=SELECT+Id,IsDeleted+FROM+CampaignMember+WHERE+IsDeleted=true",
                  NULL, 200);
    assert_string_equal(test_text(a, "records.0.Id"), gone);
    json_decref(a);
    const char *window = V "/sobjects/CampaignMember/deleted/?start=2026-05-05T12:00:00%2B00:00"
                           "&end=2026-05-05T13:00:00Z";
    a = test_call(org, "GET", window, NULL, 200); /* the present minute is not covered yet */
    assert_int_equal(json_array_size(test_at(a, "deletedRecords")), 0);
    assert_string_equal(test_text(a, "latestDateCovered"), "2026-05-05T12:00:00.000+0000");
    json_decref(a);
    sim_clock_set(&org->sim->clock, noon + 60000, true);
    a = test_call(org, "GET", window, NULL, 200);
    assert_string_equal(test_text(a, "deletedRecords.0.id"), gone);
    assert_string_equal(test_text(a, "deletedRecords.0.deletedDate"),
                        "2026-05-05T12:00:30.000+0000");
    assert_string_equal(test_text(a, "latestDateCovered"), "2026-05-05T12:01:00.000+0000");
    json_decref(a);
    a = test_call(org, "GET",
                  V "/sobjects/Lead/updated?start=2026-05-05T12:00:00Z&end=2026-05-05T12:01:00Z",
                  NULL, 200);
    assert_string_equal(test_text(a, "ids.0"), lead);
    json_decref(a);
    a = test_call(org, "GET",
                  V "/sobjects/Lead/deleted?start=2026-01-05T12:00:00Z&end=2026-05-05T12:01:00Z",
                  NULL, 400);
    assert_string_equal(test_code(a), "INVALID_REPLICATION_DATE");
    json_decref(a);
}

static void the_api_budget_is_counted_and_enforced(void **state)
{
    (void)state;
    org->sim->stats->api.limit = 3;
    for (int i = 0; i < 3; i++)
        json_decref(test_call(org, "GET", V "/limits", NULL, 200));
    json_t *a = test_call(org, "GET", V "/limits", NULL, 403);
    assert_string_equal(test_code(a), "REQUEST_LIMIT_EXCEEDED");
    json_decref(a);
    sim_clock_set(&org->sim->clock, sim_clock_ms(&org->sim->clock) + 3600000, false);
    assert_int_equal(stats_used(org->sim->stats, sim_clock_ms(&org->sim->clock)), 3);
    sim_clock_set(&org->sim->clock, sim_clock_ms(&org->sim->clock) + 23 * 3600000LL, false);
    assert_int_equal(stats_used(org->sim->stats, sim_clock_ms(&org->sim->clock)), 0);
}

static void lost_sharing_hides_members_without_an_error(void **state)
{
    (void)state;
    char id[SFID_SIZE], lead[SFID_SIZE], target[100];
    test_record(org, "Lead", lead, "{\"LastName\":\"L\",\"Company\":\"K\"}");
    test_record(org, "CampaignMember", id, "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\"}", campaign,
                lead);
    snprintf(target, sizeof target, V "/sobjects/CampaignMember/%s", id);
    org->sim->access.hide[CAMPAIGN_MEMBER] = true;
    json_t *a = test_query(org, "SELECT Id FROM CampaignMember", 200);
    assert_int_equal(test_number(a, "totalSize"), 0);
    json_decref(a);
    json_decref(test_call(org, "GET", target, NULL, 404));
    json_decref(test_call(org, "PATCH", target, "{}", 403));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_record_is_created_read_changed_and_deleted),
        T(paths_that_do_not_exist_are_told_apart),
        T(upsert_by_external_id_creates_then_updates),
        T(each_row_has_its_own_result_in_order),
        T(all_or_none_takes_the_good_rows_back),
        T(update_takes_ids_of_any_case_of_name_and_delete_reports_each),
        T(sizes_of_collections_are_bounded),
        T(reading_by_ids_gives_null_for_what_is_not_there),
        T(references_reach_into_earlier_answers),
        T(a_failed_subrequest_takes_all_back_if_asked_to),
        T(a_composite_is_bounded),
        T(deleted_rows_are_seen_by_query_all_and_get_deleted),
        T(the_api_budget_is_counted_and_enforced),
        T(lost_sharing_hides_members_without_an_error),
    };
#undef T
    return cmocka_run_group_tests_name("rest", tests, NULL, NULL);
}
