/*
 * Bulk API 2.0 loads: what becomes of each row, formats, locks, faults of rows. Hermetic: an org in
 * this process, worked off by hand; results are read by libcsv.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bulk_load_fixture.h"
#include "locks.h"
#include "timeutil.h"

static void each_row_has_its_own_result(void **state)
{
    (void)state;
    char job[SFID_SIZE],
        *target = mem_printf(V "/sobjects/Buyer_Touchpoint__c/%s/k2", "Campaign_Member_Id__c");
    json_decref(test_call(org, "PATCH", target, "{\"Medium__c\":\"old\",\"Rule__c\":\"r\"}", 201));
    load(UPSERT,
         "Campaign_Member_Id__c,Medium__c,Email__c,Rule__c,Touchpoint_Date__c\n"
         "k1,\"a, \"\"b\"\"\",,,2026-01-15T09:30:00Z\n"
         "k2,new,,#N/A,\n"
         "k3,m,not an email,,\n"
         "k4,m,,,yesterday\n"
         ",m,,,\n"
         "k5,m,,\n"
         "\"k6\" ,m,,,\n"
         "k7,1,,,\nk7,2,,,\n",
         job);
    want_state(job, "JobComplete", 9, 7);
    struct table ok = results(job, "successfulResults"), bad = results(job, "failedResults");
    assert_int_equal(ok.count, 3);
    assert_string_equal(ok.rows[0][0], "sf__Id");
    assert_string_equal(ok.rows[0][1], "sf__Created");
    assert_string_equal(ok.rows[0][2], "Campaign_Member_Id__c");
    char **k1 = row_with(&ok, 2, "k1"), **k2 = row_with(&ok, 2, "k2");
    assert_string_equal(k1[1], "true");
    assert_string_equal(k1[3], "a, \"b\"");
    assert_string_equal(k2[1], "false");
    char *medium = test_field(org, k2[0], "Medium__c"), *rule = test_field(org, k2[0], "Rule__c");
    char *date = test_field(org, k1[0], "Touchpoint_Date__c");
    assert_string_equal(medium, "new");
    assert_string_equal(rule, "null");
    assert_string_equal(date, "2026-01-15T09:30:00.000+0000");
    free(medium);
    free(rule);
    free(date);
    static const struct {
        const char *key, *error;
    } errors[] = {
        {"k3", "INVALID_EMAIL_ADDRESS:Email__c: invalid email address: not an email:Email__c --"},
        {"k4", "INVALID_TYPE_ON_FIELD_IN_RECORD:Touchpoint_Date__c: value not of required type: "
               "yesterday:Touchpoint_Date__c --"},
        {"", "MISSING_ARGUMENT:Campaign_Member_Id__c not specified:--"},
        {"k5", "CLIENT_INPUT_ERROR:the row has not as many values as the header:--"},
        {"\"k6\" ,m,,,", "CLIENT_INPUT_ERROR:a quote is not where a value begins or ends:--"},
        {"k7", "DUPLICATE_VALUE:Duplicate external id specified: k7:Campaign_Member_Id__c --"},
    };
    assert_string_equal(bad.rows[0][1], "sf__Error");
    assert_int_equal(bad.count, 8);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        assert_string_equal(row_with(&bad, 2, errors[i].key)[1], errors[i].error);
    table_free(&ok);
    table_free(&bad);
    free(target);
}

static void results_hold_every_row_once_but_not_in_order(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    char job[SFID_SIZE], *csv = touchpoints(ROWS);
    load(UPSERT, csv, job);
    free(csv);
    want_state(job, "JobComplete", ROWS, 0);
    struct table t = results(job, "successfulResults");
    bool seen[ROWS] = {false}, in_order = true;
    assert_int_equal(t.count, ROWS + 1);
    for (size_t i = 1; i <= ROWS; i++) {
        size_t n = (size_t)strtoul(t.rows[i][2] + 1, NULL, 10);
        assert_false(seen[n]);
        seen[n] = true;
        in_order &= n == i - 1;
        char *medium = test_field(org, t.rows[i][0], "Medium__c");
        assert_string_equal(medium, t.rows[i][4]);
        free(medium);
    }
    assert_false(in_order);
    table_free(&t);
    t = results(job, "unprocessedrecords");
    assert_int_equal(t.count, 1);
    assert_string_equal(t.rows[0][0], "Campaign_Member_Id__c");
    table_free(&t);
}

static void insert_update_and_delete_go_by_id(void **state)
{
    (void)state;
    char job[SFID_SIZE];
    load("\"object\":\"Lead\",\"operation\":\"insert\"",
         "LastName,Company,Title\nA,K,t\nB,K,\n,K,\n", job);
    want_state(job, "JobComplete", 3, 1);
    struct table made = results(job, "successfulResults");
    struct table bad = results(job, "failedResults");
    assert_string_equal(
        bad.rows[1][1],
        "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --");
    table_free(&bad);
    char a[SFID_SIZE], b[SFID_SIZE];
    snprintf(a, sizeof a, "%s", row_with(&made, 2, "A")[0]);
    snprintf(b, sizeof b, "%s", row_with(&made, 2, "B")[0]);
    table_free(&made);
    char *csv =
        mem_printf("Id,Title,Company\n%s,#N/A,\n%.15s,u,L\n00Q000000000zzz,u,L\nx,u,L\n", a, b);
    load("\"object\":\"Lead\",\"operation\":\"update\"", csv, job);
    free(csv);
    want_state(job, "JobComplete", 4, 2);
    bad = results(job, "failedResults");
    assert_string_equal(row_with(&bad, 2, "x")[1], "MALFORMED_ID:malformed id x:Id --");
    table_free(&bad);
    char *title = test_field(org, a, "Title"), *company = test_field(org, a, "Company");
    assert_string_equal(title, "null");
    assert_string_equal(company, "K");
    free(title);
    free(company);
    csv = mem_printf("Id\n%s\n%s\n00Q000000000zzz\n", a, b);
    assert_string_equal(test_remove(org, b), "");
    load("\"object\":\"Lead\",\"operation\":\"delete\"", csv, job);
    free(csv);
    want_state(job, "JobComplete", 3, 2);
    bad = results(job, "failedResults");
    assert_string_equal(row_with(&bad, 2, b)[1], "ENTITY_IS_DELETED:entity is deleted:--");
    assert_string_equal(row_with(&bad, 2, "00Q000000000zzz")[1],
                        "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--");
    table_free(&bad);
    char *deleted = test_field(org, a, "IsDeleted");
    assert_string_equal(deleted, "true");
    free(deleted);
}

static void the_format_is_the_jobs(void **state)
{
    (void)state;
    char job[SFID_SIZE], *target;
    load(UPSERT ",\"lineEnding\":\"CRLF\",\"columnDelimiter\":\"SEMICOLON\"",
         "\"Id\";Campaign_Member_Id__c;Medium__c\r\n\"\";\"k\";\"x;y\"\r\n", job);
    want_state(job, "JobComplete", 1, 0); /* an empty Id column is harmless */
    struct table t = results_with(job, "successfulResults", ';');
    assert_string_equal(t.rows[1][4], "x;y");
    table_free(&t);
    target = mem_printf(V "/jobs/ingest/%s/successfulResults", job);
    struct sim_reply reply;
    test_send(org, "GET", target, NULL, NULL, 200, &reply);
    assert_non_null(strstr(reply.text, "\"Medium__c\"\r\n"));
    sim_reply_release(&reply);
    free(target);
}

static void hard_delete_leaves_only_the_log(void **state)
{
    (void)state;
    char job[SFID_SIZE], lead[SFID_SIZE], why[200];
    json_t *body = json_pack("{s:b}", "bulk_hard_delete", 1);
    assert_true(permissions_set(org->sim, body, why, sizeof why));
    json_decref(body);
    test_record(org, "Lead", lead, "{\"LastName\":\"L\",\"Company\":\"K\"}");
    char *csv = mem_printf("Id\n%s\n", lead);
    load("\"object\":\"Lead\",\"operation\":\"hardDelete\"", csv, job);
    free(csv);
    want_state(job, "JobComplete", 1, 0);
    json_t *a = test_call(org, "GET", V "/queryAll?q=SELECT+Id+FROM+Lead", NULL, 200);
    assert_int_equal(test_number(a, "totalSize"), 0);
    json_decref(a);
    int64_t now = sim_clock_ms(&org->sim->clock);
    char start[TIME_TEXT_MAX], end[TIME_TEXT_MAX];
    sim_clock_set(&org->sim->clock, now + 120000, false);
    char *target = mem_printf(V "/sobjects/Lead/deleted/?start=%s&end=%s",
                              time_format_datetime(now - 3600000, start),
                              time_format_datetime(now + 60000, end));
    a = test_call(org, "GET", target, NULL, 200);
    assert_string_equal(test_text(a, "deletedRecords.0.id"), lead);
    json_decref(a);
    free(target);
}

static void a_campaign_in_use_fails_the_rows_of_the_other(void **state)
{
    (void)state;
    char job[SFID_SIZE], *csv = touchpoints(300);
    assert_true(locks_take(org->sim->locks, campaign, 4711));
    load(UPSERT, csv, job);
    want_state(job, "JobComplete", 300, 300);
    struct table bad = results(job, "failedResults");
    assert_int_equal(strncmp(bad.rows[1][1], "UNABLE_TO_LOCK_ROW:", 19), 0);
    table_free(&bad);
    locks_release(org->sim->locks, 4711);
    create(UPSERT, job);
    upload(job, csv);
    close_job(job);
    bulk_step(org->sim->bulk);
    bulk_step(org->sim->bulk); /* one of two chunks: the job holds the campaign */
    want_state(job, "InProgress", live_touchpoints(), 0);
    assert_false(locks_take(org->sim->locks, campaign, 4711));
    drain();
    assert_true(locks_take(org->sim->locks, campaign, 4711));
    assert_int_equal(live_touchpoints(), 300);
    free(csv);
}

static void single_rows_can_be_hit(void **state)
{
    (void)state;
    char job[SFID_SIZE], *csv = touchpoints(10);
    add_fault("{\"match\":{\"operation\":\"bulk_upsert\",\"row\":\"k3\"},\"kind\":\"lock\"}");
    add_fault("{\"match\":{\"operation\":\"bulk_upsert\",\"row\":\"k5\"},\"kind\":\"row_error\","
              "\"value\":{\"statusCode\":\"FIELD_CUSTOM_VALIDATION_EXCEPTION\",\"message\":\"no: "
              "never\",\"fields\":[\"Email__c\"]}}");
    load(UPSERT, csv, job);
    free(csv);
    want_state(job, "JobComplete", 10, 2);
    struct table bad = results(job, "failedResults");
    assert_string_equal(row_with(&bad, 2, "k3")[1],
                        "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--");
    assert_string_equal(row_with(&bad, 2, "k5")[1],
                        "FIELD_CUSTOM_VALIDATION_EXCEPTION:no: never:Email__c --");
    table_free(&bad);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_row_has_its_own_result),
        T(results_hold_every_row_once_but_not_in_order),
        T(insert_update_and_delete_go_by_id),
        T(the_format_is_the_jobs),
        T(hard_delete_leaves_only_the_log),
        T(a_campaign_in_use_fails_the_rows_of_the_other),
        T(single_rows_can_be_hit),
    };
#undef T
    return cmocka_run_group_tests_name("bulk_rows", tests, NULL, NULL);
}
