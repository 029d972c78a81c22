/*
 * Bulk API 2.0 loads: the life of a job, what its rows do, its results, and the faults. Hermetic:
 * an org in this process, worked off by hand; results are read by libcsv.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bulk_fixture.h"
#include "db.h"
#include "locks.h"
#include "stats.h"
#include "timeutil.h"

/* ------------------------------------------------------------------ a client */

/* Creates a job from these members of its JSON. */
static void create(const char *members, char job[SFID_SIZE])
{
    char *body = mem_printf("{%s}", members);
    json_t *a = call("POST", "ingest", "", "", body, 200);
    snprintf(job, SFID_SIZE, "%s", test_text(a, "id"));
    assert_string_equal(test_text(a, "state"), "Open");
    json_decref(a);
    free(body);
}

static void upload(const char *job, const char *csv)
{
    char *target = mem_printf(V "/jobs/ingest/%s/batches", job);
    struct sim_reply reply;
    test_send(org, "PUT", target, "text/csv", csv, 201, &reply);
    assert_null(reply.json);
    sim_reply_release(&reply);
    free(target);
}

static void close_job(const char *job)
{
    json_t *a = call("PATCH", "ingest", job, "", "{\"state\":\"UploadComplete\"}", 200);
    assert_string_equal(test_text(a, "state"), "UploadComplete");
    json_decref(a);
}

/* Creates, uploads, closes and works off. */
static void load(const char *members, const char *csv, char job[SFID_SIZE])
{
    create(members, job);
    upload(job, csv);
    close_job(job);
    drain();
}

static json_t *info(const char *job)
{
    return call("GET", "ingest", job, "", NULL, 200);
}

static void want_state(const char *job, const char *state, int64_t processed, int64_t failed)
{
    json_t *a = info(job);
    if (strcmp(test_text(a, "state"), state) != 0)
        fail_msg("state %s, not %s: %s", test_text(a, "state"), state,
                 test_text(a, "errorMessage"));
    assert_int_equal(test_number(a, "numberRecordsProcessed"), processed);
    assert_int_equal(test_number(a, "numberRecordsFailed"), failed);
    json_decref(a);
}

static struct table results_with(const char *job, const char *which, char delimiter)
{
    char *target = mem_printf(V "/jobs/ingest/%s/%s/", job, which);
    struct sim_reply reply;
    test_send(org, "GET", target, NULL, NULL, 200, &reply);
    assert_string_equal(reply.content_type, "text/csv");
    struct table t = read_csv(reply.text, delimiter);
    sim_reply_release(&reply);
    free(target);
    return t;
}

static struct table results(const char *job, const char *which)
{
    return results_with(job, which, ',');
}

/* The row whose cell in this column is the text, or NULL. */
static char **row_with(const struct table *t, size_t column, const char *text)
{
    for (size_t i = 1; i < t->count; i++) {
        if (t->rows[i][column] != NULL && strcmp(t->rows[i][column], text) == 0)
            return t->rows[i];
    }
    return NULL;
}

#define UPSERT                                                                                     \
    "\"object\":\"Buyer_Touchpoint__c\",\"operation\":\"upsert\","                                 \
    "\"externalIdFieldName\":\"Campaign_Member_Id__c\""

/* "key,medium" rows k0 … of touchpoints of the campaign. */
static char *touchpoints(size_t count)
{
    struct buf csv;
    buf_init(&csv, 1 << 24);
    buf_puts(&csv, "Campaign_Member_Id__c,Campaign__c,Medium__c\n");
    for (size_t i = 0; i < count; i++)
        buf_printf(&csv, "k%zu,%s,m%zu\n", i, campaign, i);
    return buf_take(&csv);
}

static int64_t live_touchpoints(void)
{
    return sdb_int(org->sim->db, -1, "SELECT count(*) FROM Buyer_Touchpoint__c WHERE IsDeleted = 0",
                   "");
}

/* ------------------------------------------------------------------ the life of a job */

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

/* ------------------------------------------------------------------ rows */

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

/* ------------------------------------------------------------------ locks, limits, counting */

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

/* ------------------------------------------------------------------ faults */

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
        T(files_that_cannot_be_read_fail_the_whole_job),
        T(a_job_without_data_fails_and_one_left_open_too),
        T(each_row_has_its_own_result),
        T(results_hold_every_row_once_but_not_in_order),
        T(insert_update_and_delete_go_by_id),
        T(the_format_is_the_jobs),
        T(hard_delete_leaves_only_the_log),
        T(a_campaign_in_use_fails_the_rows_of_the_other),
        T(daily_limits_are_kept),
        T(each_request_of_a_job_is_one_api_call),
        T(a_job_ends_as_the_fault_demands),
        T(single_rows_can_be_hit),
        T(a_job_can_start_late_and_run_slowly),
    };
#undef T
    return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
