/*
 * Ingest jobs: what is uploaded, the job's life, and which of its calls has an outcome that
 * matters.
 */
#include "org_bulk.h"

#include <jansson.h>

#include "timeutil.h"

static FILE *file_of(const char *text, size_t n)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    return f;
}

/* ------------------------------------------------------------------ the upload's bytes */

static void rows_are_written_as_csv(void **state)
{
    struct fixture *x = fixture_of(state);
    struct touchpoint t = {0};
    struct buf b;
    for (size_t v = 0; v < TV_COUNT; v++)
        t.value[v] = "";
    t.value[TV_KEY] = M1;
    t.value[TV_CAMPAIGN] = CAMPAIGN;
    t.value[TV_LEAD] = NULL;
    t.value[TV_EMAIL] = "a\"b@example.com";
    t.value[TV_DATE] = "2026-01-15T09:30:00.000Z";
    t.value[TV_AD_CAMPAIGN_NAME] = "Fair, 2026\nBerlin";
    buf_init(&b, 10000);
    org_ingest_header(x->org, ORG_INGEST_UPSERT, &b);
    assert_int_equal(org_ingest_upsert_row(x->org, &t, &b, &x->e), ERR_NONE);
    assert_string_equal(
        b.data,
        "Campaign_Member_Id__c,Campaign__c,Lead__c,Contact__c,Email__c,Touchpoint_Date__c,"
        "Channel__c,Subchannel__c,Channel_Path__c,Medium__c,Touchpoint_Source__c,"
        "Touchpoint_Type__c,Ad_Campaign_Id__c,Ad_Campaign_Name__c,Rule__c\n"
        "\"" M1 "\",\"" CAMPAIGN "\",#N/A,#N/A,\"a\"\"b@example.com\",\"2026-01-15T09:30:00.000Z\","
        "#N/A,#N/A,#N/A,#N/A,#N/A,#N/A,#N/A,\"Fair, 2026\nBerlin\",#N/A\n");
    buf_clear(&b);
    org_ingest_header(x->org, ORG_INGEST_DELETE, &b);
    org_ingest_delete_row("a0X000000000001EAA", &b);
    assert_string_equal(b.data, "Id\na0X000000000001EAA\n");
    buf_release(&b);
}

static void a_row_that_csv_cannot_say_is_not_begun(void **state)
{
    static const char *const bad[] = {"#N/A", "a\r\nb", "\xff"};
    struct fixture *x = fixture_of(state);
    struct buf b;
    buf_init(&b, 10000);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct touchpoint t = {0};
        t.value[TV_KEY] = M1;
        t.value[TV_AD_CAMPAIGN_NAME] = bad[i];
        buf_puts(&b, "x\n");
        assert_int_equal(org_ingest_upsert_row(x->org, &t, &b, &x->e), ERR_UNSUPPORTED);
        assert_contains(x->e.text, "Ad_Campaign_Name__c");
        assert_string_equal(b.data, "x\n");
        assert_int_equal(b.len, 2);
        buf_clear(&b);
    }
    buf_release(&b);
}

/* ------------------------------------------------------------------ the life of a job */

static void an_upsert_is_created_uploaded_and_closed(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_job job = {0};
    FILE *csv = file_of("Id\nx\n", 5);
    assert_int_equal(fseek(csv, 3, SEEK_SET), 0); /* wherever it stands */
    fake_will(x->fake, 200,
              "{\"id\":\"" JOB "\",\"state\":\"Open\",\"apiVersion\":64.0,\"contentUrl\":"
              "\"services/data/v64.0/jobs/ingest/" JOB "/batches\"}");
    fake_will(x->fake, 201, "");
    will_job(x, "UploadComplete", "");
    will_job(x, "InProgress", ",\"numberRecordsProcessed\":200,\"numberRecordsFailed\":0");
    will_job(x, "JobComplete", ",\"numberRecordsProcessed\":400,\"numberRecordsFailed\":7");

    assert_int_equal(org_ingest_create(x->conn, ORG_INGEST_UPSERT, &job, &x->e), ERR_NONE);
    assert_string_equal(job.id, JOB);
    assert_int_equal(job.state, ORG_JOB_OPEN);
    assert_int_equal(job.processed, -1);
    assert_int_equal(org_ingest_upload(x->conn, job.id, csv, &x->e), ERR_NONE);
    assert_int_equal(org_ingest_close(x->conn, job.id, &job, &x->e), ERR_NONE);
    assert_int_equal(job.state, ORG_JOB_QUEUED);
    assert_int_equal(org_ingest_state(x->conn, job.id, &job, &x->e), ERR_NONE);
    assert_int_equal(job.state, ORG_JOB_RUNNING);
    assert_int_equal(job.processed, 200);
    assert_false(org_job_has_ended(&job));
    assert_int_equal(org_ingest_state(x->conn, job.id, &job, &x->e), ERR_NONE);
    assert_int_equal(job.state, ORG_JOB_COMPLETE);
    assert_int_equal(job.failed, 7);
    assert_true(org_job_has_ended(&job));
    assert_int_equal(job.failure, ERR_NONE);
    assert_int_equal(org_conn_calls(x->conn), 5);

    assert_request(x, 0, "POST", INGEST);
    json_t *body = json_loads(fake_request(x->fake, 0)->body, 0, NULL);
    json_t *want = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "object", "Buyer_Touchpoint__c",
                             "operation", "upsert", "externalIdFieldName", "Campaign_Member_Id__c",
                             "contentType", "CSV", "lineEnding", "LF", "columnDelimiter", "COMMA");
    assert_true(json_equal(body, want));
    json_decref(want);
    json_decref(body);
    assert_request(x, 1, "PUT", INGEST "/" JOB "/batches");
    assert_string_equal(fake_request(x->fake, 1)->body, "Id\nx\n");
    assert_contains(fake_request(x->fake, 1)->headers, "Content-Type: text/csv\r\n");
    assert_contains(fake_request(x->fake, 1)->headers, "Content-Length: 5\r\n");
    assert_request(x, 2, "PATCH", INGEST "/" JOB);
    assert_string_equal(fake_request(x->fake, 2)->body, "{\"state\":\"UploadComplete\"}");
    assert_request(x, 3, "GET", INGEST "/" JOB);
    fclose(csv);
}

static void a_deletion_names_no_key(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_job job;
    fake_will(x->fake, 201, "{\"id\":\"" JOB "\",\"state\":\"Open\"}");
    assert_int_equal(org_ingest_create(x->conn, ORG_INGEST_DELETE, &job, &x->e), ERR_NONE);
    assert_contains(fake_request(x->fake, 0)->body, "\"operation\":\"delete\"");
    assert_lacks(fake_request(x->fake, 0)->body, "externalIdFieldName");
}

static void an_org_without_bulk_says_so(void **state)
{
    static const struct {
        int status;
        const char *code;
        enum err want;
    } rows[] = {
        {404, "NOT_FOUND", ERR_UNSUPPORTED},      {400, "FEATURENOTENABLED", ERR_UNSUPPORTED},
        {400, "EXCEEDEDQUOTA", ERR_UNSUPPORTED},  {400, "INVALIDENTITY", ERR_UNSUPPORTED},
        {503, "SERVER_UNAVAILABLE", ERR_BUSY},    {403, "REQUEST_LIMIT_EXCEEDED", ERR_LIMIT},
        {403, "INSUFFICIENT_ACCESS", ERR_DENIED}, {400, "INVALID_TYPE", ERR_CONFIG},
        {400, "CLIENTINPUTERROR", ERR_INVALID},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_job job;
        will_refuse(x, rows[i].status, rows[i].code);
        enum err got = org_ingest_create(x->conn, ORG_INGEST_UPSERT, &job, &x->e);
        if (got != rows[i].want || x->e.kind != got)
            fail_msg("%s: got %d (%s)", rows[i].code, (int)got, x->e.text);
    }
}

/* ------------------------------------------------------------------ outcomes */

static void only_the_close_has_an_outcome_that_matters(void **state)
{
    static const struct fake_answer lost[] = {
        {.kind = FAKE_DROP},
        {.status = 500, .body = "[{\"errorCode\":\"UNKNOWN_EXCEPTION\",\"message\":\"x\"}]"},
        {.status = 502, .body = "<html>"},
        {.kind = FAKE_CUT, .status = 200, .body = "{\"id\":\"" JOB "\",\"state\":\"Open\"}"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        struct org_job job = {.processed = 77};
        FILE *csv = file_of("Id\nx\n", 5);
        for (int k = 0; k < 5; k++)
            fake_will_do(x->fake, &lost[i]);
        enum err closed = org_ingest_close(x->conn, JOB, &job, &x->e);
        if (closed != ERR_UNKNOWN_OUTCOME)
            fail_msg("answer %zu: got %d (%s)", i, (int)closed, x->e.text);
        enum err others[] = {
            org_ingest_create(x->conn, ORG_INGEST_UPSERT, &job, &x->e),
            org_ingest_upload(x->conn, JOB, csv, &x->e),
            org_ingest_state(x->conn, JOB, &job, &x->e),
            org_ingest_abort(x->conn, JOB, &job, &x->e),
        };
        for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
            if (others[k] != ERR_NETWORK && others[k] != ERR_BUSY)
                fail_msg("answer %zu, call %zu: got %d", i, k, (int)others[k]);
        }
        assert_int_equal(job.processed, 77); /* untouched on failure */
        fclose(csv);
    }
}

static void a_close_that_is_not_understood_is_unknown(void **state)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "null",
                                      "[]",
                                      "<html>",
                                      "{\"id\":\"750R0000000zlh8IAA\",\"state\":\"Open\"}",
                                      "{\"id\":\"" JOB "\",\"state\":5}"};
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct org_job job;
        fake_will(x->fake, 200, bad[i]);
        enum err got = org_ingest_close(x->conn, JOB, &job, &x->e);
        if (got != ERR_UNKNOWN_OUTCOME)
            fail_msg("%s: got %d (%s)", bad[i], (int)got, x->e.text);
    }
    struct org_job job;
    will_refuse(x, 400, "INVALIDJOBSTATE"); /* refused is known */
    assert_int_equal(org_ingest_close(x->conn, JOB, &job, &x->e), ERR_INVALID);
    will_refuse(x, 404, "NOT_FOUND");
    assert_int_equal(org_ingest_close(x->conn, JOB, &job, &x->e), ERR_NOT_FOUND);
}

static void a_close_leaves_whole_within_the_lease_or_not_at_all(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_job job;
    int64_t deadline = time_boot_ms() - 1;
    struct org_gate gate = {NULL, NULL, &deadline};
    org_conn_gate(x->conn, &gate);
    assert_int_equal(org_ingest_close(x->conn, JOB, &job, &x->e), ERR_STALE);
    org_conn_gate(x->conn, NULL);
}

/* ------------------------------------------------------------------ states */

static void a_job_that_did_not_end_well_tells_what_it_means(void **state)
{
    static const struct {
        const char *state, *message;
        enum err want;
        const char *part;
    } rows[] = {
        {"Failed", "InvalidBatch : Field name not found : ContactId__c", ERR_CONFIG, "metadata"},
        {"Failed", "null:InvalidBatch : InvalidBatch : Field name not found : Name. Batch will ...",
         ERR_CONFIG, "metadata"},
        {"Failed", "InvalidBatch : Failed to parse CSV. Found unescaped quote", ERR_INVALID, "CSV"},
        {"Failed", "ClientInputError : LineEnding is invalid on user data", ERR_INVALID, "LineEnd"},
        {"Failed", "ExceededQuota : ApiBatchItems Limit exceeded", ERR_UNSUPPORTED, "used up"},
        {"Failed", "TooManyLockFailure : Too many lock failure 7. Trying again later.", ERR_BUSY,
         "lock"},
        {"Failed", "InvalidBatch : Failed to process query: INVALID_FIELD: \\nSELECT x", ERR_CONFIG,
         "SELECT"},
        {"Failed", "INSUFFICIENT_ACCESS: no", ERR_DENIED, "permission set"},
        {"Failed", "Something new : and unheard of", ERR_BUSY, "unheard"},
        {"Failed", "", ERR_BUSY, "no message"},
        {"Aborted", "", ERR_BUSY, "aborted"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_job job;
        char *more = mem_printf(",\"errorMessage\":\"%s\"", rows[i].message);
        will_job(x, rows[i].state, more);
        assert_int_equal(org_ingest_state(x->conn, JOB, &job, &x->e), ERR_NONE);
        if (job.failure != rows[i].want || job.why.kind != rows[i].want ||
            strstr(job.why.text, rows[i].part) == NULL || strstr(job.why.text, JOB) == NULL)
            fail_msg("%s: got %d (%s)", rows[i].message, (int)job.failure, job.why.text);
        assert_true(org_job_has_ended(&job));
        free(more);
    }
}

static void a_job_that_is_gone_is_known(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_job job;
    will_refuse(x, 404, "NOT_FOUND");
    assert_int_equal(org_ingest_state(x->conn, JOB, &job, &x->e), ERR_NONE);
    assert_int_equal(job.state, ORG_JOB_GONE);
    assert_string_equal(job.id, JOB);
    assert_int_equal(job.failure, ERR_BUSY);
    assert_true(org_job_has_ended(&job));
    /* someone else's page, not the org's word */
    fake_will(x->fake, 404, "<html>");
    assert_int_equal(org_ingest_state(x->conn, JOB, &job, &x->e), ERR_NETWORK);
    /* the org's word, and none that could be understood: the job's trouble alone */
    fake_will(x->fake, 200, "{\"id\":\"" JOB "\",\"state\":\"Sleeping\"}");
    assert_int_equal(org_ingest_state(x->conn, JOB, &job, &x->e), ERR_CORRUPT);
}

static void an_abort_tells_the_job_as_it_then_is(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_job job;
    will_job(x, "Aborted", "");
    assert_int_equal(org_ingest_abort(x->conn, JOB, &job, &x->e), ERR_NONE);
    assert_int_equal(job.state, ORG_JOB_ABORTED);
    assert_request(x, 0, "PATCH", INGEST "/" JOB);
    assert_string_equal(fake_request(x->fake, 0)->body, "{\"state\":\"Aborted\"}");

    fake_will(
        x->fake, 400,
        "[{\"errorCode\":\"INVALIDJOBSTATE\",\"message\":\"Aborting already Completed Job not "
        "allowed\"}]");
    will_job(x, "JobComplete", ",\"numberRecordsProcessed\":5,\"numberRecordsFailed\":0");
    assert_int_equal(org_ingest_abort(x->conn, JOB, &job, &x->e), ERR_NONE);
    assert_int_equal(job.state, ORG_JOB_COMPLETE);
    assert_request(x, 2, "GET", INGEST "/" JOB);

    will_refuse(x, 404, "NOT_FOUND");
    will_refuse(x, 404, "NOT_FOUND");
    assert_int_equal(org_ingest_abort(x->conn, JOB, &job, &x->e), ERR_NONE);
    assert_int_equal(job.state, ORG_JOB_GONE);
}

static void what_is_no_job_is_not_asked_for(void **state)
{
    static const char *const bad[] = {
        "", "750", "750R0000000zlh9", "../../x", "750R0000000zlh9IAA/", "750R0000000zlh9iaa"};
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct org_job job;
        assert_int_equal(org_ingest_state(x->conn, bad[i], &job, &x->e), ERR_INVALID);
        assert_int_equal(org_ingest_close(x->conn, bad[i], &job, &x->e), ERR_INVALID);
    }
    assert_int_equal(fake_count(x->fake), 0);
}

/* ------------------------------------------------------------------ large uploads */

static void a_refused_token_sends_the_file_again_from_its_start(void **state)
{
    enum { N = 300000 };
    struct fixture *x = fixture_of(state);
    char *text = mem_alloc(N + 1);
    for (size_t i = 0; i < N; i++)
        text[i] = (char)('a' + i % 23);
    FILE *csv = file_of(text, N);
    will_refuse(x, 401, "INVALID_SESSION_ID");
    fake_will(x->fake, 201, "");
    assert_int_equal(org_ingest_upload(x->conn, JOB, csv, &x->e), ERR_NONE);
    assert_int_equal(fake_count(x->fake), 2);
    assert_string_equal(fake_request(x->fake, 0)->body, text);
    assert_string_equal(fake_request(x->fake, 1)->body, text);
    fclose(csv);
    free(text);
}

static void a_file_that_is_empty_too_large_or_unreadable_is_not_sent(void **state)
{
    struct fixture *x = fixture_of(state);
    FILE *empty = tmpfile(), *large = tmpfile(), *closed = fopen(x->secret_file, "a");
    assert_int_equal(ftruncate(fileno(large), ORG_UPLOAD_MAX_BYTES + 1), 0);
    assert_int_equal(org_ingest_upload(x->conn, JOB, empty, &x->e), ERR_INTERNAL);
    assert_int_equal(org_ingest_upload(x->conn, JOB, large, &x->e), ERR_INTERNAL);
    assert_int_equal(fake_count(x->fake), 0);
    assert_int_equal(org_ingest_upload(x->conn, JOB, closed, &x->e), ERR_IO); /* for writing only */
    assert_contains(x->e.text, "can't be read");
    fclose(closed);
    fclose(large);
    fclose(empty);
}

struct lease {
    int64_t deadline;
    int passes, refuse_at;
};

static enum err renew(void *ctx, struct error *e)
{
    struct lease *l = ctx;
    if (++l->passes == l->refuse_at)
        return error_set(e, ERR_STALE, "another has it");
    l->deadline = time_boot_ms() + 200;
    return ERR_NONE;
}

/* The org takes its time: the lease is renewed while it does, until it can't be. */
static void the_lease_is_renewed_during_an_upload(void **state)
{
    struct fixture *x = fixture_of(state);
    struct lease l = {.refuse_at = 3};
    struct org_gate gate = {renew, &l, &l.deadline};
    FILE *csv = file_of("Id\nx\n", 5);
    org_conn_gate(x->conn, &gate);
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_SILENT});
    assert_int_equal(org_ingest_upload(x->conn, JOB, csv, &x->e), ERR_STALE);
    assert_contains(x->e.text, "another has it");
    assert_int_equal(l.passes, 3);
    fclose(csv);
}

static void an_upload_without_an_answer_ends_by_silence(void **state)
{
    struct fixture *x = fixture_of(state);
    FILE *csv = file_of("Id\nx\n", 5);
    fixture_start(x, 1000);
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_SILENT});
    assert_int_equal(org_ingest_upload(x->conn, JOB, csv, &x->e), ERR_TIMEOUT);
    fclose(csv);
}

/* ------------------------------------------------------------------ waiting */

static void waits_grow_with_jitter_up_to_a_bound(void **state)
{
    struct fixture *x = fixture_of(state);
    x->org->poll_base_ms = 1000;
    int64_t ceiling = 1000;
    for (unsigned polls = 0; polls < 40; polls++) {
        for (int i = 0; i < 50; i++) {
            int64_t ms = org_poll_delay_ms(x->org, polls);
            if (ms < ceiling / 2 || ms > ceiling)
                fail_msg("after %u polls: %lld of %lld ms", polls, (long long)ms,
                         (long long)ceiling);
        }
        ceiling = ceiling * 3 / 2 + 1 < 30000 ? ceiling + ceiling / 2 + 1 : 30000;
    }
}

static void a_wait_lasts_and_ends(void **state)
{
    struct fixture *x = fixture_of(state);
    int64_t deadline, started = time_boot_ms();
    assert_int_equal(org_wait(x->conn, 20, &x->e), ERR_NONE);
    assert_true(time_boot_ms() - started >= 19); /* two clocks */
    assert_int_equal(org_wait(x->conn, 0, &x->e), ERR_NONE);
    struct org_gate gate = {NULL, NULL, &deadline};
    deadline = time_boot_ms() - 1000;
    org_conn_gate(x->conn, &gate);
    assert_int_equal(org_wait(x->conn, 3600 * 1000, &x->e), ERR_NONE);
    deadline = time_boot_ms() + 40;
    assert_int_equal(org_wait(x->conn, 3600 * 1000, &x->e), ERR_NONE);
    org_conn_gate(x->conn, NULL);
    org_conn_abort(x->conn);
    assert_int_equal(org_wait(x->conn, 3600 * 1000, &x->e), ERR_STOPPED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_fast, teardown)
    const struct CMUnitTest tests[] = {
        T(rows_are_written_as_csv),
        T(a_row_that_csv_cannot_say_is_not_begun),
        T(an_upsert_is_created_uploaded_and_closed),
        T(a_deletion_names_no_key),
        T(an_org_without_bulk_says_so),
        T(only_the_close_has_an_outcome_that_matters),
        T(a_close_that_is_not_understood_is_unknown),
        T(a_close_leaves_whole_within_the_lease_or_not_at_all),
        T(a_job_that_did_not_end_well_tells_what_it_means),
        T(a_job_that_is_gone_is_known),
        T(an_abort_tells_the_job_as_it_then_is),
        T(what_is_no_job_is_not_asked_for),
        T(a_refused_token_sends_the_file_again_from_its_start),
        T(a_file_that_is_empty_too_large_or_unreadable_is_not_sent),
        T(the_lease_is_renewed_during_an_upload),
        cmocka_unit_test_setup_teardown(an_upload_without_an_answer_ends_by_silence,
                                        setup_unstarted, teardown),
        T(waits_grow_with_jitter_up_to_a_bound),
        T(a_wait_lasts_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
