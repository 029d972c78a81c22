/*
 * What became of the rows of an ingest job: matched by key, judged as the rows of a Composite are.
 */
#include "org_bulk.h"

#define T1 "a0X000000000001EAA"
#define T2 "a0X000000000002EAA"

#define OK_HEADER "\"sf__Id\",\"sf__Created\",\"Campaign_Member_Id__c\",\"Email__c\"\n"
#define OK_LINE(id, created, key)                                                                  \
    "\"" id "\",\"" created "\",\"" key "\",\"a,\n\"\"b\"\"@example.com\"\n"
#define FAILED_HEADER           "\"sf__Id\",\"sf__Error\",\"Campaign_Member_Id__c\",\"Email__c\"\n"
#define FAILED_LINE(key, error) "\"\",\"" error "\",\"" key "\",\"x\"\n"
#define LEFT_HEADER             "\"Campaign_Member_Id__c\",\"Email__c\"\n"
#define LEFT_LINE(key)          "\"" key "\",\"x\"\n"

struct results {
    struct buf text;   /* "key class created id code;" a row */
    char message[400]; /* of the last row */
    size_t rows, batches;
    enum err answer;
    struct org_conn *conn; /* used by the callback, if set */
    enum err used;
};

static enum err see(void *ctx, const struct org_ingest_row *rows, size_t n, struct error *e)
{
    struct results *r = ctx;
    r->batches++;
    r->rows += n;
    for (size_t i = 0; i < n; i++) {
        const struct org_row_result *x = &rows[i].result;
        if (r->rows < 100)
            buf_printf(&r->text, "%s %d %d %s %s;", rows[i].key, (int)x->class, x->created, x->id,
                       x->code);
        memcpy(r->message, x->message, sizeof r->message);
    }
    if (r->conn != NULL) {
        struct org_job job;
        struct error ignored;
        r->used = org_ingest_state(r->conn, JOB, &job, &ignored);
    }
    return r->answer == ERR_NONE ? ERR_NONE : error_set(e, r->answer, "enough");
}

static struct org_job job_of(enum org_job_state state, int64_t processed, int64_t failed)
{
    return (struct org_job){.id = JOB, .state = state, .processed = processed, .failed = failed};
}

static enum err read_results(struct fixture *x, enum org_ingest kind, struct org_job job,
                             int64_t uploaded, struct results *r)
{
    buf_init(&r->text, 100000);
    return org_ingest_results(x->conn, kind, &job, uploaded, see, r, &x->e);
}

/* ------------------------------------------------------------------ the three files */

static void rows_come_with_what_became_of_them(void **state)
{
    struct fixture *x = fixture_of(state);
    struct results r = {0};
    fake_will(x->fake, 200, OK_HEADER OK_LINE(T1, "true", M1) OK_LINE(T2, "false", M2));
    fake_will(x->fake, 200,
              FAILED_HEADER FAILED_LINE(M3, "UNABLE_TO_LOCK_ROW:unable to obtain "
                                            "exclusive access to this record:--"));
    fake_will(x->fake, 200, LEFT_HEADER LEFT_LINE("00v000000000004AAA"));
    assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, 3, 1), 4, &r),
                     ERR_NONE);
    assert_string_equal(r.text.data, M1 " 0 1 " T1 " ;" M2 " 0 0 " T2 " ;" M3
                                        " 1 0  UNABLE_TO_LOCK_ROW;00v000000000004AAA 1 0  "
                                        "UNPROCESSED;");
    assert_request(x, 0, "GET", INGEST "/" JOB "/successfulResults/");
    assert_request(x, 1, "GET", INGEST "/" JOB "/failedResults/");
    assert_request(x, 2, "GET", INGEST "/" JOB "/unprocessedrecords/");
    assert_contains(fake_request(x->fake, 0)->headers, "Accept: text/csv\r\n");
    buf_release(&r.text);
}

static void files_known_to_be_empty_are_not_asked_for(void **state)
{
    struct fixture *x = fixture_of(state);
    struct results r = {0};
    fake_will(x->fake, 200, OK_HEADER OK_LINE(T1, "true", M1));
    assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, 1, 0), 1, &r),
                     ERR_NONE);
    assert_int_equal(fake_count(x->fake), 1);
    buf_release(&r.text);
}

static void a_job_that_failed_may_have_written_rows(void **state)
{
    static const enum org_job_state states[] = {ORG_JOB_FAILED, ORG_JOB_ABORTED};
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < 2; i++) {
        struct results r = {0};
        fake_will(x->fake, 200, OK_HEADER OK_LINE(T1, "true", M1));
        fake_will(x->fake, 200, ""); /* nothing, or a header alone */
        fake_will(x->fake, 200, LEFT_HEADER LEFT_LINE(M2) LEFT_LINE(M3));
        assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(states[i], 0, 0), 3, &r),
                         ERR_NONE);
        assert_string_equal(r.text.data,
                            M1 " 0 1 " T1 " ;" M2 " 1 0  UNPROCESSED;" M3 " 1 0  UNPROCESSED;");
        buf_release(&r.text);
    }
}

static void deletions_are_matched_by_id(void **state)
{
    struct fixture *x = fixture_of(state);
    struct results r = {0};
    fake_will(x->fake, 200, "\"sf__Id\",\"sf__Created\",\"Id\"\n\"" T1 "\",\"false\",\"" T1 "\"\n");
    fake_will(x->fake, 200,
              "\"sf__Id\",\"sf__Error\",\"Id\"\n\"" T2 "\",\"ENTITY_IS_DELETED:entity is "
              "deleted:--\",\"" T2 "\"\n"
              "\"\",\"INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--\","
              "\"a0X000000000003\"\n");
    assert_int_equal(read_results(x, ORG_INGEST_DELETE, job_of(ORG_JOB_COMPLETE, 3, 2), 3, &r),
                     ERR_NONE);
    assert_string_equal(r.text.data,
                        T1 " 0 0 " T1 " ;" T2 " 0 0 " T2 " ;a0X000000000003EAA 0 0  ;");
    buf_release(&r.text);
}

/* ------------------------------------------------------------------ judgements */

static void errors_of_rows_are_judged_by_the_one_table(void **state)
{
    static const struct {
        const char *error;
        enum org_row_class class;
        const char *code, *message;
    } rows[] = {
        {"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--", ORG_ROW_RETRY,
         "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access: trying again"},
        {"DUPLICATE_VALUE:duplicate value found: X__c duplicates value on record with id: "
         "a0X000000000001:--",
         ORG_ROW_RETRY, "DUPLICATE_VALUE", "with id: a0X000000000001: trying"},
        {"FIELD_CUSTOM_VALIDATION_EXCEPTION:No: this, it says:Email__c --", ORG_ROW_PARK,
         "FIELD_CUSTOM_VALIDATION_EXCEPTION", "No: this, it says: correct the record"},
        {"REQUIRED_FIELD_MISSING:Required fields are missing: [A__c, B__c]:A__c, B__c --",
         ORG_ROW_PARK, "REQUIRED_FIELD_MISSING", " [A__c, B__c]"},
        {"STRING_TOO_LONG:Email: data value too large:Email__c--", ORG_ROW_PARK, "STRING_TOO_LONG",
         " [Email__c]"},
        {"DUPLICATE_EXTERNAL_ID:more than one record found:Campaign_Member_Id__c --", ORG_ROW_PARK,
         "DUPLICATE_EXTERNAL_ID", "unique"},
        {"DUPLICATES_DETECTED:no dashes: at all", ORG_ROW_PARK, "DUPLICATES_DETECTED",
         "no dashes: at all"},
        {"INVALID_FIELD:a\nline:--", ORG_ROW_PARK, "INVALID_FIELD", "a line"},
        {"SOMETHING_NEW:x:--", ORG_ROW_RETRY, "SOMETHING_NEW", "x"},
        {"no code at all", ORG_ROW_RETRY, "UNKNOWN", "no code at all"},
        {"Lower:x:--", ORG_ROW_RETRY, "UNKNOWN", "Lower"},
        {":--", ORG_ROW_RETRY, "UNKNOWN", ""},
        {"--", ORG_ROW_RETRY, "UNKNOWN", ""},
        {"", ORG_ROW_RETRY, "UNKNOWN", "no message"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct results r = {0};
        struct buf csv;
        buf_init(&csv, 10000);
        buf_printf(&csv, FAILED_HEADER "\"\",\"%s\",\"" M2 "\",\"x\"\n", rows[i].error);
        fake_will(x->fake, 200, OK_HEADER OK_LINE(T1, "true", M1));
        fake_will(x->fake, 200, csv.data);
        assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, 2, 1), 2, &r),
                         ERR_NONE);
        char *want =
            mem_printf(M1 " 0 1 " T1 " ;" M2 " %d 0  %s;", (int)rows[i].class, rows[i].code);
        if (strcmp(r.text.data, want) != 0 || strstr(r.message, rows[i].message) == NULL)
            fail_msg("%s: got \"%s\" \"%s\"", rows[i].error, r.text.data, r.message);
        free(want);
        buf_release(&csv);
        buf_release(&r.text);
    }
}

static void where_no_row_was_written_the_org_as_a_whole_may_be_wrong(void **state)
{
    static const struct {
        const char *errors[2];
        enum err want; /* ERR_NONE: only the rows are */
    } rows[] = {
        {{"INSUFFICIENT_ACCESS_OR_READONLY:no:--", "INSUFFICIENT_ACCESS_OR_READONLY:no:--"},
         ERR_INVALID},
        {{"STORAGE_LIMIT_EXCEEDED:full:--", "UNABLE_TO_LOCK_ROW:x:--"}, ERR_CONFIG},
        {{"REQUEST_LIMIT_EXCEEDED:TotalRequests Limit exceeded.:--", "UNABLE_TO_LOCK_ROW:x:--"},
         ERR_LIMIT},
        {{"INSUFFICIENT_ACCESS_OR_READONLY:no:--", "UNABLE_TO_LOCK_ROW:x:--"}, ERR_NONE},
        {{"UNABLE_TO_LOCK_ROW:x:--", "UNABLE_TO_LOCK_ROW:x:--"}, ERR_NONE},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct results r = {0};
        char *csv =
            mem_printf(FAILED_HEADER "\"\",\"%s\",\"" M1 "\",\"x\"\n\"\",\"%s\",\"" M2 "\",\"x\"\n",
                       rows[i].errors[0], rows[i].errors[1]);
        size_t before = fake_count(x->fake);
        fake_will(x->fake, 200, csv);
        if (rows[i].want == ERR_NONE)
            fake_will(x->fake, 200, csv);
        enum err got = read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, 2, 2), 2, &r);
        if (got != rows[i].want || r.rows != (got == ERR_NONE ? 2 : 0))
            fail_msg("row %zu: got %d (%s), %zu rows", i, (int)got, x->e.text, r.rows);
        assert_int_equal(fake_count(x->fake) - before, got == ERR_NONE ? 2 : 1);
        free(csv);
        buf_release(&r.text);
    }
}

static void beside_rows_that_were_written_each_row_stands_for_itself(void **state)
{
    struct fixture *x = fixture_of(state);
    struct results r = {0};
    fake_will(x->fake, 200, OK_HEADER OK_LINE(T1, "true", M1));
    fake_will(x->fake, 200,
              FAILED_HEADER FAILED_LINE(M2, "STORAGE_LIMIT_EXCEEDED:full:--")
                  FAILED_LINE(M3, "INSUFFICIENT_ACCESS_OR_READONLY:no:--"));
    assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, 3, 2), 3, &r),
                     ERR_NONE);
    assert_string_equal(r.text.data, M1 " 0 1 " T1 " ;" M2 " 1 0  STORAGE_LIMIT_EXCEEDED;" M3
                                        " 1 0  INSUFFICIENT_ACCESS_OR_READONLY;");
    buf_release(&r.text);
}

/* ------------------------------------------------------------------ completeness */

static void results_that_do_not_add_up_are_an_error(void **state)
{
    static const struct {
        const char *name, *csv;
        int processed;
    } rows[] = {
        {"fewer rows", OK_HEADER OK_LINE(T1, "true", M1), 2},
        {"more rows", OK_HEADER OK_LINE(T1, "true", M1) OK_LINE(T2, "true", M2), 1},
        {"nothing", "", 1},
        {"a page", "<html>\n", 1},
        {"JSON", "[]\n", 1},
        {"no key", "\"sf__Id\",\"sf__Created\"\n\"" T1 "\",\"true\"\n", 1},
        {"a key that is none of ours", OK_HEADER OK_LINE(T1, "true", "x"), 1},
        {"no id", OK_HEADER OK_LINE("", "true", M1), 1},
        {"created is no boolean", OK_HEADER OK_LINE(T1, "yes", M1), 1},
        {"not UTF-8", OK_HEADER OK_LINE(T1, "true", "\xff"), 1},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct results r = {0};
        fake_will(x->fake, 200, rows[i].csv);
        enum err got =
            read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, rows[i].processed, 0),
                         rows[i].processed, &r);
        if (got != ERR_CORRUPT || x->e.kind != got)
            fail_msg("%s: got %d (%s)", rows[i].name, (int)got, x->e.text);
        buf_release(&r.text);
    }
}

static void results_cut_anywhere_are_never_complete(void **state)
{
    static const char whole[] = OK_HEADER OK_LINE(T1, "true", M1) OK_LINE(T2, "false", M2);
    struct fixture *x = fixture_of(state);
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct results r = {0};
        char *cut = mem_strndup(whole, n);
        fake_will(x->fake, 200, cut);
        enum err got = read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, 2, 0), 2, &r);
        if (got != ERR_CORRUPT)
            fail_msg("cut after %zu bytes: got %d", n, (int)got);
        free(cut);
        buf_release(&r.text);
    }
}

/* Whatever the job tells: half a line is no line. */
static void half_a_line_of_a_failed_job_is_an_error(void **state)
{
    struct fixture *x = fixture_of(state);
    struct results r = {0};
    fake_will(x->fake, 200, "\"sf__Id\",\"sf__Crea");
    assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_FAILED, 5, 0), 5, &r),
                     ERR_CORRUPT);
    buf_release(&r.text);
}

static void failures_of_the_call_are_the_callers(void **state)
{
    static const struct {
        struct fake_answer answer;
        enum err want;
    } rows[] = {
        {{.status = 404, .body = "[{\"errorCode\":\"NOT_FOUND\",\"message\":\"x\"}]"},
         ERR_NOT_FOUND},
        {{.status = 503, .body = "[{\"errorCode\":\"SERVER_UNAVAILABLE\",\"message\":\"x\"}]"},
         ERR_BUSY},
        {{.kind = FAKE_CUT, .status = 200, .body = OK_HEADER OK_LINE(T1, "true", M1)}, ERR_NETWORK},
        {{.kind = FAKE_DROP}, ERR_NETWORK},
        {{.status = 204, .body = ""}, ERR_NETWORK},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct results r = {0};
        fake_will_do(x->fake, &rows[i].answer);
        enum err got = read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, 1, 0), 1, &r);
        if (got != rows[i].want)
            fail_msg("row %zu: got %d (%s)", i, (int)got, x->e.text);
        buf_release(&r.text);
    }
}

/* ------------------------------------------------------------------ the callback */

static void rows_come_in_batches_and_the_caller_may_end_them(void **state)
{
    enum { N = 2500 };
    struct fixture *x = fixture_of(state);
    struct buf csv;
    buf_init(&csv, 1 << 20);
    buf_puts(&csv, OK_HEADER);
    for (unsigned i = 0; i < N; i++)
        buf_printf(&csv, T1 ",true,00v%012u,\"x\"\n", i);
    struct results r = {0};
    fake_will(x->fake, 200, csv.data);
    assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, N, 0), N, &r),
                     ERR_NONE);
    assert_int_equal(r.rows, N);
    assert_int_equal(r.batches, 3);
    buf_release(&r.text);

    r = (struct results){.answer = ERR_STALE};
    fake_will(x->fake, 200, csv.data);
    assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, N, 0), N, &r),
                     ERR_STALE);
    assert_string_equal(x->e.text, "enough");
    assert_int_equal(r.batches, 1);
    buf_release(&r.text);
    buf_release(&csv);
}

static void who_is_given_results_cannot_call_the_org(void **state)
{
    enum { N = 1000 };
    struct fixture *x = fixture_of(state);
    struct buf csv;
    struct results r = {.conn = x->conn};
    buf_init(&csv, 1 << 20);
    buf_puts(&csv, OK_HEADER);
    for (unsigned i = 0; i < N; i++)
        buf_printf(&csv, T1 ",true,00v%012u,\"x\"\n", i);
    fake_will(x->fake, 200, csv.data);
    assert_int_equal(read_results(x, ORG_INGEST_UPSERT, job_of(ORG_JOB_COMPLETE, N, 0), N, &r),
                     ERR_NONE);
    assert_int_equal(r.used, ERR_INTERNAL);
    assert_int_equal(fake_count(x->fake), 1);
    buf_release(&r.text);
    buf_release(&csv);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_fast, teardown)
    const struct CMUnitTest tests[] = {
        T(rows_come_with_what_became_of_them),
        T(files_known_to_be_empty_are_not_asked_for),
        T(a_job_that_failed_may_have_written_rows),
        T(deletions_are_matched_by_id),
        T(errors_of_rows_are_judged_by_the_one_table),
        T(where_no_row_was_written_the_org_as_a_whole_may_be_wrong),
        T(beside_rows_that_were_written_each_row_stands_for_itself),
        T(results_that_do_not_add_up_are_an_error),
        T(results_cut_anywhere_are_never_complete),
        T(half_a_line_of_a_failed_job_is_an_error),
        T(failures_of_the_call_are_the_callers),
        T(rows_come_in_batches_and_the_caller_may_end_them),
        T(who_is_given_results_cannot_call_the_org),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
