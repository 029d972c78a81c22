/*
 * Bulk API 2.0 loads: the life of a job, what is refused, limits, counting, faults of jobs.
 * Hermetic: an org in this process, worked off by hand; results are read by libcsv.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bulk_load_fixture.h"
#include "stats.h"

static void a_job_goes_through_its_states(void **state)
{
    (void)state;
    char job[SFID_SIZE];
    create(UPSERT ",\"lineEnding\":\"LF\",\"columnDelimiter\":\"COMMA\",\"contentType\":\"CSV\"",
           job);
    assert_int_equal(strncmp(job, "750", 3), 0);
    json_t *a = info(job);
    char *content = mem_printf("services/data/v64.0/jobs/ingest/%s/batches", job);
    assert_string_equal(test_text(a, "contentUrl"), content);
    assert_true(json_is_real(test_at(a, "apiVersion")));
    assert_string_equal(test_text(a, "externalIdFieldName"), "Campaign_Member_Id__c");
    assert_string_equal(test_text(a, "concurrencyMode"), "Parallel");
    assert_string_equal(test_text(a, "jobType"), "V2Ingest");
    free(content);
    json_decref(a);
    upload(job, "Campaign_Member_Id__c,Medium__c\nk,m\n");
    close_job(job);
    want_state(job, "UploadComplete", 0, 0);
    assert_true(bulk_step(org->sim->bulk) >= 0);
    want_state(job, "InProgress", 0, 0);
    assert_int_equal(live_touchpoints(), 0);
    assert_int_equal(bulk_step(org->sim->bulk), -1);
    want_state(job, "JobComplete", 1, 0);
    assert_int_equal(live_touchpoints(), 1);
    a = call("GET", "ingest", "", "", NULL, 200);
    assert_int_equal(json_array_size(test_at(a, "records")), 1);
    assert_string_equal(test_text(a, "records.0.id"), job);
    json_decref(a);
    json_decref(call("DELETE", "ingest", job, "", NULL, 204));
    json_decref(call("GET", "ingest", job, "", NULL, 404));
    assert_int_equal(live_touchpoints(), 1);
}

static void what_does_not_fit_the_state_is_refused(void **state)
{
    (void)state;
    char job[SFID_SIZE], *target = NULL;
    struct sim_reply reply;
    create(UPSERT, job);
    target = mem_printf(V "/jobs/ingest/%s/batches", job);
    json_decref(call("DELETE", "ingest", job, "", NULL, 400)); /* Open */
    json_decref(call("GET", "ingest", job, "/failedResults", NULL, 400));
    test_send(org, "PUT", target, "application/json", "{}", 415, &reply);
    sim_reply_release(&reply);
    upload(job, "Campaign_Member_Id__c\nk\n");
    test_send(org, "PUT", target, "text/csv", "Campaign_Member_Id__c\nk\n", 400, &reply);
    assert_non_null(strstr(test_text(reply.json, "0.message"), "Found multiple contents"));
    sim_reply_release(&reply);
    json_decref(call("PATCH", "ingest", job, "", "{\"state\":\"JobComplete\"}", 400));
    close_job(job);
    test_send(org, "PUT", target, "text/csv", "x", 400, &reply);
    sim_reply_release(&reply);
    json_t *a = call("PATCH", "ingest", job, "", "{\"state\":\"UploadComplete\"}", 400);
    assert_string_equal(test_code(a), "INVALIDJOBSTATE");
    json_decref(a);
    drain();
    a = call("PATCH", "ingest", job, "", "{\"state\":\"Aborted\"}", 400);
    assert_string_equal(test_code(a), "INVALIDJOBSTATE");
    assert_string_equal(test_text(a, "0.message"), "Aborting already Completed Job not allowed");
    json_decref(a);
    json_decref(call("GET", "query", job, "", NULL, 404)); /* not that kind */
    free(target);
}

static void a_job_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *code;
    } rows[] = {
        {"{}", "INVALIDJOB"},
        {"{\"object\":\"Lead\",\"operation\":\"query\"}", "INVALIDJOB"},
        {"{\"object\":\"Nope\",\"operation\":\"insert\"}", "INVALIDJOB"},
        {"{\"object\":\"Lead\",\"operation\":\"upsert\"}", "INVALIDJOB"},
        {"{\"object\":\"Lead\",\"operation\":\"upsert\",\"externalIdFieldName\":\"Email\"}",
         "INVALIDJOB"},
        {"{\"object\":\"Lead\",\"operation\":\"insert\",\"lineEnding\":\"CR\"}", "INVALIDJOB"},
        {"{\"object\":\"Lead\",\"operation\":\"insert\",\"columnDelimiter\":\",\"}", "INVALIDJOB"},
        {"{\"object\":\"Lead\",\"operation\":\"insert\",\"contentType\":\"XML\"}", "INVALIDJOB"},
        {"{\"object\":\"Lead\",\"operation\":\"hardDelete\"}", "FEATURENOTENABLED"},
        {"{", "JSON_PARSER_ERROR"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *a = call("POST", "ingest", "", "", rows[i].body, 400);
        if (strcmp(test_code(a), rows[i].code) != 0)
            fail_msg("%s: %s, not %s", rows[i].body, test_code(a), rows[i].code);
        json_decref(a);
    }
}

static void job_and_content_can_come_in_one_request(void **state)
{
    (void)state;
    static const char *const type = "multipart/form-data; boundary=\"B1\"";
    struct sim_reply reply;
    test_send(org, "POST", V "/jobs/ingest", type,
              "--B1\r\nContent-Type: application/json\r\nContent-Disposition: form-data; "
              "name=\"job\"\r\n\r\n{" UPSERT "}\r\n--B1\r\nContent-Type: text/csv\r\n"
              "Content-Disposition: form-data; name=\"content\"; filename=\"c\"\r\n\r\n"
              "Campaign_Member_Id__c,Medium__c\nk,m\n\r\n--B1--\r\n",
              200, &reply);
    char job[SFID_SIZE];
    snprintf(job, sizeof job, "%s", test_text(reply.json, "id"));
    assert_string_equal(test_text(reply.json, "state"), "UploadComplete");
    sim_reply_release(&reply);
    drain();
    want_state(job, "JobComplete", 1, 0);
    static const char *const bad[] = {"", "--B1\r\n\r\n{}\r\n--B1--", "--B1--", "--B1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        test_send(org, "POST", V "/jobs/ingest", type, bad[i], 400, &reply);
        sim_reply_release(&reply);
    }
}

static void files_that_cannot_be_read_fail_the_whole_job(void **state)
{
    (void)state;
    static const struct {
        const char *members, *csv, *error;
    } rows[] = {
        {UPSERT, "", "ClientInputError"},
        {UPSERT, "Campaign_Member_Id__c,Nope__c\nk,1\n",
         "InvalidBatch : Field name not found : Nope__c"},
        {UPSERT, "Medium__c,medium__c\nk,1\n", "InvalidBatch : Duplicate field name"},
        {UPSERT, "Campaign_Member_Id__c\r\nk\r\n",
         "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF"},
        {UPSERT ",\"lineEnding\":\"CRLF\"", "Campaign_Member_Id__c\nk\n", "setting is CRLF"},
        {UPSERT, "Campaign_Member_Id__c\n\xff\n", "ClientInputError : the data are not UTF-8"},
        {"\"object\":\"Lead\",\"operation\":\"delete\"", "Id,Email\nx,y\n",
         "InvalidBatch : delete batches must contain only ids"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char job[SFID_SIZE];
        load(rows[i].members, rows[i].csv, job);
        want_state(job, "Failed", 0, 0);
        json_t *a = info(job);
        if (strstr(test_text(a, "errorMessage"), rows[i].error) == NULL)
            fail_msg("%s: %s", rows[i].csv, test_text(a, "errorMessage"));
        json_decref(a);
        struct table t = results(job, "successfulResults");
        assert_true(t.count <= 1);
        table_free(&t);
    }
    assert_int_equal(live_touchpoints(), 0);
}

static void a_job_without_data_fails_and_one_left_open_too(void **state)
{
    (void)state;
    char job[SFID_SIZE], left[SFID_SIZE];
    create(UPSERT, job);
    close_job(job);
    drain();
    want_state(job, "Failed", 0, 0);
    create(UPSERT, left);
    int64_t now = sim_clock_ms(&org->sim->clock);
    sim_clock_set(&org->sim->clock, now + 25 * 3600000LL, false);
    test_login(org);
    want_state(left, "Failed", 0, 0);
    sim_clock_set(&org->sim->clock, now + 8 * 24 * 3600000LL, false);
    test_login(org);
    json_decref(call("GET", "ingest", left, "", NULL, 404));
}

static void daily_limits_are_kept(void **state)
{
    (void)state;
    char job[SFID_SIZE];
    load(UPSERT, "Campaign_Member_Id__c\nk\n", job);
    json_t *a = test_call(org, "GET", V "/limits", NULL, 200);
    assert_int_equal(test_number(a, "DailyBulkApiBatches.Remaining"), 14999);
    json_decref(a);
    org->sim->stats->batches.limit = 1;
    a = call("POST", "ingest", "", "", "{" UPSERT "}", 400);
    assert_string_equal(test_code(a), "EXCEEDEDQUOTA");
    json_decref(a);
}

static void each_request_of_a_job_is_one_api_call(void **state)
{
    (void)state;
    static const char *const names[] = {"bulk_create",     "bulk_upload", "bulk_state",
                                        "bulk_successful", "bulk_failed", "bulk_unprocessed"};
    char job[SFID_SIZE];
    load(UPSERT, "Campaign_Member_Id__c\nk1\nk2\n", job);
    struct table t = results(job, "successfulResults");
    table_free(&t);
    t = results(job, "failedResults");
    table_free(&t);
    t = results(job, "unprocessedrecords");
    table_free(&t);
    json_t *a = stats_json(org->sim->stats, sim_clock_ms(&org->sim->clock));
    assert_int_equal(test_number(a, "api.calls"), 6);
    assert_int_equal(test_number(a, "rows.upsert_created"), 2);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = mem_printf("api.by_operation.%s", names[i]);
        assert_int_equal(test_number(a, path), 1);
        free(path);
    }
    json_decref(a);
    a = bulk_stats(org->sim->bulk);
    assert_int_equal(test_number(a, "ingest.complete"), 1);
    assert_int_equal(test_number(a, "ingest.rows"), 2);
    json_decref(a);
}

static void a_job_ends_as_the_fault_demands(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *state;
    } rows[] = {
        {"bulk_fail", "Failed"}, {"bulk_abort", "Aborted"}, {"bulk_unprocessed", "JobComplete"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char job[SFID_SIZE], fault[200], *csv = touchpoints(500);
        snprintf(fault, sizeof fault,
                 "{\"match\":{\"operation\":\"bulk_upsert\"},\"kind\":\"%s\",\"value\":"
                 "{\"after_rows\":250,\"errorMessage\":\"InternalServerError : x\"}}",
                 rows[i].kind);
        add_fault(fault);
        load(UPSERT, csv, job);
        want_state(job, rows[i].state, 250, 0);
        struct table done = results(job, "successfulResults");
        struct table left = results(job, "unprocessedRecords");
        assert_int_equal(done.count - 1, 250);
        assert_int_equal(left.count - 1, 250);
        assert_null(row_with(&done, 2, left.rows[1][0]));
        table_free(&done);
        table_free(&left);
        json_t *a = info(job);
        assert_string_equal(test_text(a, "errorMessage"), i == 0 ? "InternalServerError : x" : "");
        json_decref(a);
        load(UPSERT, csv, job); /* it fires once */
        want_state(job, "JobComplete", 500, 0);
        free(csv);
    }
}

static void a_job_can_start_late_and_run_slowly(void **state)
{
    (void)state;
    char job[SFID_SIZE], *csv = touchpoints(300);
    add_fault("{\"kind\":\"bulk_delay\",\"value\":3600000}");
    create(UPSERT, job);
    upload(job, csv);
    close_job(job);
    int64_t wait = bulk_step(org->sim->bulk);
    assert_true(wait > 3500000 && wait <= 3600000);
    want_state(job, "UploadComplete", 0, 0);
    json_decref(call("PATCH", "ingest", job, "", "{\"state\":\"Aborted\"}", 200));
    want_state(job, "Aborted", 0, 0);
    assert_int_equal(bulk_step(org->sim->bulk), -1);
    add_fault("{\"kind\":\"bulk_slow\",\"value\":3600000}");
    create(UPSERT, job);
    upload(job, csv);
    close_job(job);
    assert_true(bulk_step(org->sim->bulk) > 3500000);
    want_state(job, "InProgress", 0, 0);
    json_decref(call("DELETE", "ingest", job, "", NULL, 400));
    json_decref(call("PATCH", "ingest", job, "", "{\"state\":\"Aborted\"}", 200));
    free(csv);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_job_goes_through_its_states),
        T(what_does_not_fit_the_state_is_refused),
        T(a_job_that_makes_no_sense_is_refused),
        T(job_and_content_can_come_in_one_request),
        T(files_that_cannot_be_read_fail_the_whole_job),
        T(a_job_without_data_fails_and_one_left_open_too),
        T(daily_limits_are_kept),
        T(each_request_of_a_job_is_one_api_call),
        T(a_job_ends_as_the_fault_demands),
        T(a_job_can_start_late_and_run_slowly),
    };
#undef T
    return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
