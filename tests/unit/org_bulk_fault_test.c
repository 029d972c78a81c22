/*
 * Bulk queries when things go wrong: the other way, another try, or an error, but never half a
 * campaign.
 */
#include "org_bulk.h"

#include <pthread.h>

#include "timeutil.h"

/* ------------------------------------------------------------------ the other way */

static void what_the_org_has_no_bulk_for_comes_by_pages(void **state)
{
    static const struct {
        int status;
        const char *code, *message;
    } rows[] = {
        {404, "NOT_FOUND", "The requested resource does not exist"},
        {400, "FEATURENOTENABLED", "Bulk API is not enabled"},
        {400, "EXCEEDEDQUOTA", "x"},
        {400, "ExceededQuota", "x"},
        {400, "INVALIDENTITY", "Entity 'CampaignMember' is not supported by the Bulk API."},
        {400, "API_ERROR", "Selecting compound data not supported in Bulk Query"},
        {400, "INVALIDJOB", "x"},
        {403, "INVALIDUSER", "x"},
        {405, "METHOD_NOT_ALLOWED", "x"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        char *body = mem_printf("[{\"errorCode\":\"%s\",\"message\":\"%s\"}]", rows[i].code,
                                rows[i].message);
        size_t before = fake_count(x->fake);
        will_be_large(x);
        fake_will(x->fake, rows[i].status, body);
        will_page(x, 2, "/services/data/v64.0/query/01g-1", LEAD_ROW(M1));
        will_page(x, 2, NULL, LEAD_ROW(M2));
        enum err got = read_all(x, &s);
        if (got != ERR_NONE || strcmp(s.text.data, SEEN(M1) SEEN(M2)) != 0)
            fail_msg("%s: got %d (%s)", rows[i].code, (int)got, x->e.text);
        assert_int_equal(fake_count(x->fake) - before, 4);
        free(body);
        buf_release(&s.text);
    }
}

static void a_job_that_comes_to_nothing_is_read_by_pages(void **state)
{
    static const struct {
        const char *state, *more;
        bool is_deleted;
    } rows[] = {
        {"Failed", ",\"errorMessage\":\"InvalidBatch : Failed to process query: QUERY_TIMEOUT\"",
         true},
        {"Failed", "", true},
        {"Aborted", "", true},
        {"JobComplete", "", true}, /* tells of no number */
        {"JobComplete", ",\"numberRecordsProcessed\":0", true},
        {"JobComplete", ",\"numberRecordsProcessed\":\"3\"", true},
        {NULL, NULL, false}, /* gone */
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        size_t before = fake_count(x->fake);
        will_be_large(x);
        will_job(x, "UploadComplete", "");
        if (rows[i].state != NULL)
            will_job(x, rows[i].state, rows[i].more);
        else
            will_refuse(x, 404, "NOT_FOUND");
        if (rows[i].is_deleted)
            fake_will(x->fake, 204, "");
        will_page(x, 1, NULL, LEAD_ROW(M1));
        enum err got = read_all(x, &s);
        if (got != ERR_NONE || strcmp(s.text.data, SEEN(M1)) != 0)
            fail_msg("row %zu: got %d (%s)", i, (int)got, x->e.text);
        if (rows[i].is_deleted)
            assert_request(x, before + 3, "DELETE", QUERYS "/" JOB);
        buf_release(&s.text);
    }
}

/* A job would give again what was given. */
static void a_walk_that_has_begun_by_pages_stays_by_pages(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s;
    will_page(x, 20000, "/services/data/v64.0/query/01g-2", LEAD_ROW(M1));
    will_refuse(x, 400, "INVALID_QUERY_LOCATOR");
    will_page(x, LARGE, "/services/data/v64.0/query/01g-3", LEAD_ROW(M2));
    will_refuse(x, 503, "SERVER_UNAVAILABLE");
    assert_int_equal(read_all(x, &s), ERR_BUSY);
    assert_string_equal(s.text.data, SEEN(M1) SEEN(M2));
    assert_request(x, 3, "GET", "/services/data/v64.0/query/01g-3");
    buf_release(&s.text);
}

static void failures_of_the_org_are_none_of_the_way(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err want;
    } rows[] = {
        {503, "[{\"errorCode\":\"SERVER_UNAVAILABLE\",\"message\":\"x\"}]", ERR_BUSY},
        {403, "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"x\"}]", ERR_LIMIT},
        {200, "<html>", ERR_NETWORK},
        {200, "{}", ERR_NETWORK},
        {200, "{\"id\":\"750\",\"state\":\"UploadComplete\"}", ERR_NETWORK},
        {200, "{\"id\":\"" JOB "\",\"state\":\"Sleeping\"}", ERR_NETWORK},
        {200, "{\"id\":\"" JOB "\"}", ERR_NETWORK},
        {404, "<html>", ERR_NETWORK},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        size_t before = fake_count(x->fake);
        will_be_large(x);
        fake_will(x->fake, rows[i].status, rows[i].body);
        enum err got = read_all(x, &s);
        if (got != rows[i].want || x->e.kind != got)
            fail_msg("%s: got %d (%s)", rows[i].body, (int)got, x->e.text);
        assert_int_equal(fake_count(x->fake) - before, 2);
        assert_int_equal(s.rows, 0);
        buf_release(&s.text);
    }
}

/* ------------------------------------------------------------------ another try */

static void polls_and_pages_bear_two_failures(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s;
    will_be_large(x);
    will_job(x, "UploadComplete", "");
    for (int i = 0; i < 2; i++)
        will_refuse(x, 503, "SERVER_UNAVAILABLE");
    will_complete(x, 1);
    will_refuse(x, 500, "UNKNOWN_EXCEPTION");
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_CUT,
                                                .status = 200,
                                                .body = MEMBER_HEADER MEMBER_ROW(M1)});
    will_csv(x, 1, "null", MEMBER_HEADER MEMBER_ROW(M1));
    fake_will(x->fake, 204, "");
    assert_int_equal(read_all(x, &s), ERR_NONE);
    assert_string_equal(s.text.data, SEEN(M1));
    buf_release(&s.text);
}

static void a_third_failure_of_a_poll_is_the_walks_and_the_job_is_ended(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s;
    will_be_large(x);
    will_job(x, "InProgress", "");
    for (int i = 0; i < 3; i++)
        will_refuse(x, 503, "SERVER_UNAVAILABLE");
    will_job(x, "Aborted", "");
    fake_will(x->fake, 204, "");
    assert_int_equal(read_all(x, &s), ERR_BUSY);
    assert_request(x, 5, "PATCH", QUERYS "/" JOB);
    assert_string_equal(fake_request(x->fake, 5)->body, "{\"state\":\"Aborted\"}");
    assert_request(x, 6, "DELETE", QUERYS "/" JOB);
    buf_release(&s.text);
}

static void a_refused_token_costs_one_more_request(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s;
    will_run(x, 1);
    will_refuse(x, 401, "INVALID_SESSION_ID");
    will_csv(x, 1, "null", MEMBER_HEADER MEMBER_ROW(M1));
    fake_will(x->fake, 204, "");
    assert_int_equal(read_all(x, &s), ERR_NONE);
    assert_string_equal(s.text.data, SEEN(M1));
    assert_int_equal(fake_tokens(x->fake), 2);
    buf_release(&s.text);
}

/* ------------------------------------------------------------------ an error */

static void results_that_are_gone_are_read_again_later(void **state)
{
    static const struct {
        int status;
        const char *code;
    } rows[] = {
        {404, "NOT_FOUND"},        {400, "INVALIDJOB"},
        {400, "INVALIDJOBSTATE"},  {400, "INVALID_QUERY_LOCATOR"},
        {400, "INVALIDLOCATOR"},   {409, "CONFLICT"},
        {412, "JOB_NOT_COMPLETE"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        will_run(x, 2);
        will_csv(x, 1, "abc", MEMBER_HEADER MEMBER_ROW(M1));
        for (int tries = 0; tries < 3; tries++)
            will_refuse(x, rows[i].status, rows[i].code);
        fake_will(x->fake, 204, ""); /* where not all tries were needed, these are left over */
        enum err got = read_all(x, &s);
        if (got != ERR_BUSY)
            fail_msg("%s: got %d (%s)", rows[i].code, (int)got, x->e.text);
        assert_string_equal(s.text.data, SEEN(M1));
        buf_release(&s.text);
        teardown(state);
        setup_fast(state);
        x = fixture_of(state);
    }
}

static void the_caller_may_end_it_and_the_job_is_deleted(void **state)
{
    static const enum err answers[] = {ERR_IO, ERR_UNSUPPORTED};
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct seen s = seen_new();
        s.answer = answers[i];
        will_run(x, 2);
        will_csv(x, 1, "abc", MEMBER_HEADER MEMBER_ROW(M1));
        fake_will(x->fake, 204, "");
        assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                         answers[i]);
        assert_string_equal(x->e.text, "enough");
        assert_request(x, 5 * i + 4, "DELETE", QUERYS "/" JOB);
        assert_int_equal(s.rows, 1);
        buf_release(&s.text);
    }
}

static void a_job_that_cannot_be_deleted_is_no_failure(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s;
    will_run(x, 1);
    will_csv(x, 1, "null", MEMBER_HEADER MEMBER_ROW(M1));
    will_refuse(x, 500, "UNKNOWN_EXCEPTION");
    assert_int_equal(read_all(x, &s), ERR_NONE);
    assert_int_equal(s.rows, 1);
    buf_release(&s.text);
}

/* ------------------------------------------------------------------ the lease */

struct lease {
    int64_t deadline;
    int passes, refuse_at;
};

static enum err pass(void *ctx, struct error *e)
{
    struct lease *l = ctx;
    if (++l->passes == l->refuse_at)
        return error_set(e, ERR_STALE, "another has it");
    l->deadline = time_boot_ms() + 100;
    return ERR_NONE;
}

static void waits_are_bounded_by_the_lease(void **state)
{
    struct fixture *x = fixture_of(state);
    struct lease l = {0};
    struct org_gate gate = {pass, &l, &l.deadline};
    struct seen s;
    x->org->poll_base_ms = 3600 * 1000; /* without the bound the test would never end */
    org_conn_gate(x->conn, &gate);
    will_be_large(x);
    will_job(x, "UploadComplete", "");
    will_job(x, "InProgress", "");
    will_complete(x, 1);
    will_csv(x, 1, "null", MEMBER_HEADER MEMBER_ROW(M1));
    fake_will(x->fake, 204, "");
    assert_int_equal(read_all(x, &s), ERR_NONE);
    assert_int_equal(l.passes, 6); /* one a call */
    buf_release(&s.text);
}

static void a_lost_lease_ends_it_without_another_call(void **state)
{
    struct fixture *x = fixture_of(state);
    struct lease l = {.refuse_at = 4};
    struct org_gate gate = {pass, &l, &l.deadline};
    struct seen s;
    org_conn_gate(x->conn, &gate);
    will_run(x, 1);
    assert_int_equal(read_all(x, &s), ERR_STALE);
    assert_string_equal(x->e.text, "another has it");
    assert_int_equal(fake_count(x->fake), 3);
    buf_release(&s.text);
}

static void *abort_when_polled(void *ctx)
{
    struct fixture *x = ctx;
    fake_wait(x->fake, 3);
    org_conn_abort(x->conn);
    return NULL;
}

static void an_abort_ends_the_waiting(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s;
    pthread_t thread;
    will_be_large(x);
    will_job(x, "UploadComplete", "");
    will_job(x, "InProgress", "");
    x->org->poll_base_ms = 20;
    pthread_create(&thread, NULL, abort_when_polled, x);
    for (int i = 0; i < 100; i++)
        will_job(x, "InProgress", "");
    assert_int_equal(read_all(x, &s), ERR_STOPPED);
    pthread_join(thread, NULL);
    assert_int_equal(s.rows, 0);
    buf_release(&s.text);
}

/* ------------------------------------------------------------------ bounds */

/* n rows with an email of so many bytes, told apart by their number. */
static char *many_rows(size_t n, size_t email)
{
    struct buf b;
    char *x = mem_alloc(email + 1);
    memset(x, 'x', email);
    buf_init(&b, 64 << 20);
    buf_puts(&b, MEMBER_HEADER);
    for (size_t i = 0; i < n; i++) {
        char id[16], member[SFID_SIZE];
        (void)snprintf(id, sizeof id, "00v%012u", (unsigned)i);
        assert_true(sfid_normalise(id, 15, member));
        buf_printf(&b, "%s,%s,%s,,Sent,false,,2026-01-15T09:30:00.000Z,%s,", member, CAMPAIGN, L1,
                   L1);
        buf_put(&b, x, email);
        buf_puts(&b, ",false,,,,\n");
    }
    free(x);
    return buf_take(&b);
}

static enum err count_rows(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct seen *s = ctx;
    (void)m;
    (void)e;
    s->batches++;
    s->rows += n;
    return n > ORG_PAGE ? ERR_INTERNAL : ERR_NONE;
}

static void rows_come_in_slices(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = {0};
    char *csv = many_rows(4500, 10);
    will_run(x, 4500);
    will_csv(x, 4500, "null", csv);
    fake_will(x->fake, 204, "");
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, count_rows, &s, &x->e), ERR_NONE);
    assert_int_equal(s.rows, 4500);
    assert_int_equal(s.batches, 3);
    free(csv);
}

static void a_page_too_large_is_asked_for_in_halves(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = {0};
    char *large = many_rows(180, 100000), *first = many_rows(90, 100000);
    will_run(x, 180);
    will_csv(x, 180, "null", large);
    will_csv(x, 90, "abc", first);
    will_csv(x, 90, "null", first);
    fake_will(x->fake, 204, "");
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, count_rows, &s, &x->e), ERR_NONE);
    assert_int_equal(s.rows, 180);
    assert_request(x, 3, "GET", QUERYS "/" JOB "/results?maxRecords=20000");
    assert_request(x, 4, "GET", QUERYS "/" JOB "/results?maxRecords=10000");
    assert_request(x, 5, "GET", QUERYS "/" JOB "/results?maxRecords=10000&locator=abc");
    free(first);
    free(large);
}

static enum err look_away(void *ctx, const struct member *m, size_t n, struct error *e)
{
    (void)ctx;
    (void)m;
    (void)n;
    (void)e;
    return ERR_NONE;
}

static enum err call_back(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct fixture *x = ctx;
    (void)n;
    return org_read_members(x->conn, CAMPAIGN, &m->id, 1, look_away, NULL, e);
}

static void who_is_given_rows_may_use_the_connection(void **state)
{
    struct fixture *x = fixture_of(state);
    will_run(x, 1);
    will_csv(x, 1, "null", MEMBER_HEADER MEMBER_ROW(M1));
    fake_will(x->fake, 200, "{\"totalSize\":0,\"done\":true,\"records\":[]}");
    fake_will(x->fake, 204, "");
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, call_back, x, &x->e), ERR_NONE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_fast, teardown)
    const struct CMUnitTest tests[] = {
        T(what_the_org_has_no_bulk_for_comes_by_pages),
        T(a_job_that_comes_to_nothing_is_read_by_pages),
        T(a_walk_that_has_begun_by_pages_stays_by_pages),
        T(failures_of_the_org_are_none_of_the_way),
        T(polls_and_pages_bear_two_failures),
        T(a_third_failure_of_a_poll_is_the_walks_and_the_job_is_ended),
        T(a_refused_token_costs_one_more_request),
        T(results_that_are_gone_are_read_again_later),
        T(the_caller_may_end_it_and_the_job_is_deleted),
        T(a_job_that_cannot_be_deleted_is_no_failure),
        T(waits_are_bounded_by_the_lease),
        T(a_lost_lease_ends_it_without_another_call),
        T(an_abort_ends_the_waiting),
        T(rows_come_in_slices),
        T(a_page_too_large_is_asked_for_in_halves),
        T(who_is_given_rows_may_use_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
