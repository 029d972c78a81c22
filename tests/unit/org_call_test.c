/*
 * One request: how its answer is classified, the gate, time-outs, aborts, limits, metrics, and how
 * long an org is left alone. A read of the time zone stands for all reads.
 */
#include "org_fixture.h"

#include <pthread.h>

#include "buf.h"
#include "metrics.h"
#include "timeutil.h"

#define ONE_RECORD                                                                                 \
    "{\"totalSize\":1,\"done\":true,\"records\":[{\"attributes\":{\"type\":\"Organization\"},"     \
    "\"Id\":\"00D000000000001EAA\",\"TimeZoneSidKey\":\"Europe/Berlin\"}]}"

static enum err read_something(struct fixture *x)
{
    char zone[64];
    return org_time_zone(x->conn, zone, &x->e);
}

static char *refusal(const char *code, const char *message)
{
    return mem_printf("[{\"message\":\"%s\",\"errorCode\":\"%s\"}]", message, code);
}

/* ------------------------------------------------------------------ classification */

static void each_error_code_has_its_kind(void **state)
{
    static const struct {
        int status;
        const char *code, *message;
        enum err want;
        const char *part;
    } rows[] = {
        {400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", ERR_BUSY,
         "exclusive access"},
        {503, "SERVER_UNAVAILABLE", "down", ERR_BUSY, "down"},
        {400, "QUERY_TIMEOUT", "too slow", ERR_INVALID, "trying again"},
        {400, "REQUEST_RUNNING_TOO_LONG", "too slow", ERR_INVALID, "trying again"},
        {403, "TOO_MANY_APEX_REQUESTS", "x", ERR_BUSY, "trying again"},
        {403, "API_CURRENTLY_DISABLED", "x", ERR_BUSY, "trying again"},
        {400, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "x", ERR_BUSY, "trying again"},
        {500, "UNKNOWN_EXCEPTION", "An unexpected error occurred", ERR_BUSY, "unexpected"},
        {500, "INTERNAL_ERROR", "x", ERR_BUSY, "trying again"},
        {500, "SOMETHING_NEW", "x", ERR_BUSY, "SOMETHING_NEW"},
        {420, "EDGE", "x", ERR_BUSY, "EDGE"},
        {429, "TOO_MANY", "x", ERR_BUSY, "TOO_MANY"},
        {403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", ERR_LIMIT, "24 hours"},
        {403, "REQUEST_LIMIT_EXCEEDED",
         "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", ERR_LIMIT,
         "max_concurrent"},
        {400, "MALFORMED_ID", "bad id", ERR_INVALID, "bad id"},
        {400, "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x", ERR_INVALID, "invalid ID"},
        {400, "SOMETHING_NEW", "what?", ERR_INVALID, "what?"},
        {414, "URI_TOO_LONG", "x", ERR_INVALID, "fewer fields"},
        {431, "HEADERS_TOO_LONG", "x", ERR_INVALID, "fewer fields"},
        {403, "INSUFFICIENT_ACCESS", "no", ERR_DENIED, "permission set"},
        {403, "INSUFFICIENT_ACCESS_OR_READONLY", "no", ERR_DENIED, "permission set"},
        {403, "API_DISABLED_FOR_ORG", "no", ERR_DENIED, "API Enabled"},
        {403, "ORG_LOCKED", "no", ERR_DENIED, "unlock"},
        {403, "TXN_SECURITY_NO_ACCESS", "no", ERR_DENIED, "transaction security"},
        {403, "SOMETHING_NEW", "no", ERR_DENIED, "SOMETHING_NEW"},
        {400, "INVALID_TYPE", "sObject type 'Buyer_Touchpoint__c' is not supported.", ERR_CONFIG,
         "the org has no object Buyer_Touchpoint__c"},
        {400, "INVALID_FIELD",
         "\\nSELECT Id, X__c FROM Campaign\\n           ^\\nERROR at Row:1:Column:12\\nNo such "
         "column 'X__c' on entity 'Campaign'. If you are attempting to use a custom field, be sure",
         ERR_CONFIG, "the org has no field X__c on Campaign, or the integration user"},
        {400, "INVALID_FIELD", "other", ERR_CONFIG, "other"},
        {400, "MALFORMED_QUERY", "unexpected token", ERR_CONFIG, "unexpected token"},
        {404, "NOT_FOUND", "The requested resource does not exist", ERR_CONFIG, "metadata"},
        {400, "FUNCTIONALITY_NOT_ENABLED", "x", ERR_CONFIG, "enable"},
        {410, "GONE", "retired", ERR_CONFIG, "api_version"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *body = refusal(rows[i].code, rows[i].message);
        fake_will(x->fake, rows[i].status, body);
        free(body);
        enum err got = read_something(x);
        if (got != rows[i].want || x->e.kind != got)
            fail_msg("%s: got %d (%s), want %d", rows[i].code, (int)got, x->e.text,
                     (int)rows[i].want);
        assert_contains(x->e.text, rows[i].part);
        assert_contains(x->e.text, rows[i].code);
        assert_lacks(x->e.text, "SELECT");
        assert_null(strchr(x->e.text, '\n'));
    }
    assert_int_equal(fake_tokens(x->fake), 1);
}

static void an_answer_that_is_not_understood_is_never_success(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err want;
    } rows[] = {
        {200, "<html>maintenance</html>", ERR_NETWORK},
        {200, "", ERR_NETWORK},
        {200, "{\"totalSize\":1,\"done\":true,\"records\":[{\"Id\":\"00D", ERR_NETWORK},
        {200, "[]", ERR_NETWORK},
        {200, "{}", ERR_NETWORK},
        {200, "null", ERR_NETWORK},
        {200, "{\"totalSize\":0,\"done\":true,\"records\":{}}", ERR_NETWORK},
        {200, "{\"totalSize\":\"0\",\"done\":true,\"records\":[]}", ERR_NETWORK},
        {200, "{\"totalSize\":0,\"done\":\"true\",\"records\":[]}", ERR_NETWORK},
        {200, "{\"totalSize\":1,\"done\":true,\"records\":[7]}", ERR_NETWORK},
        {200, "{\"totalSize\":1,\"done\":true,\"records\":[{\"Id\":7}]}", ERR_NETWORK},
        {200, "{\"totalSize\":1,\"done\":true,\"records\":[{\"Id\":\"x\"}]}", ERR_NETWORK},
        {200, "{\"totalSize\":1,\"done\":true,\"records\":[{\"Id\":null}]}", ERR_NETWORK},
        {200, "{\"totalSize\":1,\"done\":true,\"records\":[{\"Id\":\"00D000000000001EAA\"}]}",
         ERR_NETWORK},
        {200,
         "{\"totalSize\":1,\"done\":true,\"records\":[{\"Id\":\"00D000000000001EAA\","
         "\"TimeZoneSidKey\":5}]}",
         ERR_NETWORK},
        {200, "{\"totalSize\":3,\"done\":true,\"records\":[]}", ERR_NETWORK},
        {200, "{\"totalSize\":0,\"totalSize\":0,\"done\":true,\"records\":[]}", ERR_NETWORK},
        {200, ONE_RECORD "x", ERR_NETWORK},
        {201, ONE_RECORD, ERR_NETWORK},
        {302, "", ERR_NETWORK},
        {404, "<html>", ERR_NETWORK},
        {400, "[]", ERR_NETWORK},
        {400, "[{\"errorCode\":5}]", ERR_NETWORK},
        {500, "<html>", ERR_BUSY},
        {502, "", ERR_BUSY},
        {503, ONE_RECORD, ERR_BUSY},
        {420, "<html>", ERR_BUSY},
        {429, "", ERR_BUSY},
        {414, "", ERR_INVALID},
        {431, "", ERR_INVALID},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_will(x->fake, rows[i].status, rows[i].body);
        enum err got = read_something(x);
        if (got != rows[i].want)
            fail_msg("%d %s: got %d (%s)", rows[i].status, rows[i].body, (int)got, x->e.text);
    }
    fake_will(x->fake, 200, ONE_RECORD);
    assert_int_equal(read_something(x), ERR_NONE);
}

static void a_broken_connection_is_a_network_error(void **state)
{
    struct fixture *x = fixture_of(state);
    fake_will_do(x->fake,
                 &(struct fake_answer){.kind = FAKE_CUT, .status = 200, .body = ONE_RECORD});
    assert_int_equal(read_something(x), ERR_NETWORK);
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_DROP});
    assert_int_equal(read_something(x), ERR_NETWORK);
}

static void a_redirect_is_not_followed(void **state)
{
    struct fixture *x = fixture_of(state);
    char *location = mem_printf("Location: %s/elsewhere\r\n", fake_url(x->fake));
    fake_will_do(x->fake, &(struct fake_answer){.status = 302, .headers = location});
    free(location);
    assert_int_equal(read_something(x), ERR_NETWORK);
    assert_int_equal(fake_count(x->fake), 1);
}

static void an_answer_larger_than_64_mib_is_refused(void **state)
{
    struct fixture *x = fixture_of(state);
    size_t n = ((size_t)64 << 20) + 1;
    char *body = mem_alloc(n + 1);
    memset(body, ' ', n);
    fake_will(x->fake, 200, body);
    free(body);
    assert_int_equal(read_something(x), ERR_NETWORK);
    assert_contains(x->e.text, "64 MiB");
}

/* ------------------------------------------------------------------ no answer */

static void an_org_that_is_not_there_cannot_be_reached(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_state s;
    fake_will(x->fake, 200, ONE_RECORD);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    org_state_get(x->org, &s);
    assert_true(s.reachable);
    fake_stop(&x->fake);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NETWORK);
    org_state_get(x->org, &s);
    assert_false(s.reachable);
    assert_string_equal(s.problem, x->e.text);
}

static void silence_ends_with_the_time_out(void **state)
{
    struct fixture *x = fixture_of(state);
    fixture_start(x, 150);
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_SILENT});
    int64_t from = time_boot_ms();
    assert_int_equal(read_something(x), ERR_TIMEOUT);
    assert_true(time_boot_ms() - from >= 140);
}

static void *read_in_thread(void *arg)
{
    struct fixture *x = arg;
    return (void *)(uintptr_t)read_something(x);
}

static void an_abort_ends_the_request_in_flight_and_all_later_ones(void **state)
{
    struct fixture *x = fixture_of(state);
    pthread_t thread;
    void *got;
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_SILENT});
    assert_int_equal(pthread_create(&thread, NULL, read_in_thread, x), 0);
    fake_wait(x->fake, 1);
    int64_t from = time_boot_ms();
    org_conn_abort(x->conn);
    pthread_join(thread, &got);
    assert_int_equal((uintptr_t)got, ERR_STOPPED);
    assert_true(time_boot_ms() - from < 10000); /* the time-out would be 30 s */
    assert_int_equal(read_something(x), ERR_STOPPED);
    assert_int_equal(fake_count(x->fake), 1);
}

/* ------------------------------------------------------------------ the gate */

struct counting_gate {
    unsigned asked;
    enum err answer;
    struct fixture *x;
    size_t requests_when_asked;
};

static enum err ask_gate(void *ctx, struct error *e)
{
    struct counting_gate *g = ctx;
    g->asked++;
    g->requests_when_asked = fake_count(g->x->fake);
    return g->answer == ERR_NONE ? ERR_NONE : error_set(e, g->answer, "the lease is lost");
}

static void the_gate_is_asked_before_each_request(void **state)
{
    struct fixture *x = fixture_of(state);
    struct counting_gate g = {.x = x};
    org_conn_gate(x->conn, &(struct org_gate){.before = ask_gate, .ctx = &g});
    fake_will(x->fake, 401, "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"expired\"}]");
    fake_will(x->fake, 200, ONE_RECORD);
    assert_int_equal(read_something(x), ERR_NONE);
    assert_int_equal(g.asked, 2); /* the repetition after the refresh is a request too */
    assert_int_equal(g.requests_when_asked, 1);

    g.answer = ERR_STALE;
    assert_int_equal(org_probe(x->conn, &x->e), ERR_STALE);
    assert_string_equal(x->e.text, "the lease is lost");
    assert_int_equal(fake_count(x->fake), 2);
}

/* ------------------------------------------------------------------ what is told */

static void the_api_usage_is_read_from_every_answer(void **state)
{
    static const struct {
        const char *header;
        int64_t used, limit;
    } rows[] = {
        {"Sforce-Limit-Info: api-usage=18/5000\r\n", 18, 5000},
        {"sforce-limit-info: api-usage=19/5000; per-app-api-usage=17/250(appName=x)\r\n", 19, 5000},
        {"Sforce-Limit-Info: api-usage=/5000\r\n", 19, 5000},
        {"Sforce-Limit-Info: api-usage=20\r\n", 19, 5000},
        {"Sforce-Limit-Info: nonsense\r\n", 19, 5000},
        {"Sforce-Limit-Info:\r\n", 19, 5000},
        {NULL, 19, 5000},
    };
    struct fixture *x = fixture_of(state);
    struct org_state s;
    org_state_get(x->org, &s);
    assert_int_equal(s.api_used, -1);
    assert_int_equal(s.api_limit, -1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_will_do(x->fake, &(struct fake_answer){.status = i % 2 == 0 ? 403 : 200,
                                                    .headers = rows[i].header,
                                                    .body = "{}"});
        (void)!org_probe(x->conn, &x->e);
        org_state_get(x->org, &s);
        assert_int_equal(s.api_used, rows[i].used);
        assert_int_equal(s.api_limit, rows[i].limit);
    }
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_write(&text);
    assert_contains(text.data, "touchpoint_org_api_used{org=\"00D000000000001EAA\"} 19\n");
    assert_contains(text.data, "touchpoint_org_api_limit{org=\"00D000000000001EAA\"} 5000\n");
    buf_release(&text);
}

static void requests_are_counted_by_operation_and_result(void **state)
{
    struct fixture *x = fixture_of(state);
    const char *org = x->config.id;
    uint64_t ok = metric_value(metric_series(METRIC_ORG_REQUESTS, org, "query", "ok"));
    uint64_t busy = metric_value(metric_series(METRIC_ORG_REQUESTS, org, "query", "busy"));
    uint64_t token = metric_value(metric_series(METRIC_ORG_REQUESTS, org, "token", "ok"));
    fake_will(x->fake, 503, "<html>");
    fake_will(x->fake, 200, ONE_RECORD);
    assert_int_equal(read_something(x), ERR_BUSY);
    assert_int_equal(read_something(x), ERR_NONE);
    assert_int_equal(metric_value(metric_series(METRIC_ORG_REQUESTS, org, "query", "ok")), ok + 1);
    assert_int_equal(metric_value(metric_series(METRIC_ORG_REQUESTS, org, "query", "busy")),
                     busy + 1);
    assert_int_equal(metric_value(metric_series(METRIC_ORG_REQUESTS, org, "token", "ok")),
                     token + 1);
}

static void a_user_who_may_not_see_the_limits_has_still_reached_the_org(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_state s;
    fake_will(x->fake, 403, "[{\"errorCode\":\"INSUFFICIENT_ACCESS\",\"message\":\"no\"}]");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    fake_will(x->fake, 404, "[{\"errorCode\":\"NOT_FOUND\",\"message\":\"no\"}]");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    org_state_get(x->org, &s);
    assert_true(s.reachable);
    assert_true(s.authenticated);
    fake_will(x->fake, 403, "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"Total\"}]");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_LIMIT);
    fake_will(x->fake, 403, "[{\"errorCode\":\"API_DISABLED_FOR_ORG\",\"message\":\"no\"}]");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_DENIED);
}

/* ------------------------------------------------------------------ holds */

static int64_t hold_of(struct fixture *x)
{
    struct org_state s;
    org_state_get(x->org, &s);
    return s.held_until_boot_ms == 0 ? 0 : s.held_until_boot_ms - time_boot_ms();
}

static void failures_hold_the_org_and_success_ends_it(void **state)
{
    static const enum err failures[] = {ERR_NETWORK, ERR_TIMEOUT, ERR_BUSY, ERR_LIMIT,
                                        ERR_UNKNOWN_OUTCOME};
    struct fixture *x = fixture_of(state);
    struct org_state s;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        (void)error_set(&x->e, failures[i], "why");
        org_report(x->org, failures[i], &x->e);
        int64_t first = hold_of(x);
        assert_in_range(first, 500, 2000);
        org_report(x->org, failures[i], &x->e); /* of another worker, about the same trouble */
        assert_true(hold_of(x) <= first);
        org_state_get(x->org, &s);
        assert_false(s.stopped);
        assert_string_equal(s.problem, "why");
        org_report(x->org, ERR_NONE, NULL);
        assert_int_equal(hold_of(x), 0);
        org_state_get(x->org, &s);
        assert_string_equal(s.problem, "");
    }
}

static void what_a_person_must_put_right_stops_the_org(void **state)
{
    static const enum err failures[] = {ERR_AUTH, ERR_CONFIG, ERR_DENIED};
    struct fixture *x = fixture_of(state);
    struct org_state s;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        (void)error_set(&x->e, failures[i], "put this right");
        org_report(x->org, failures[i], &x->e);
        assert_in_range(hold_of(x), 5 * 60 * 1000 - 2000, 5 * 60 * 1000);
        (void)error_set(&x->e, ERR_NETWORK, "less telling");
        org_report(x->org, ERR_NETWORK, &x->e);
        org_state_get(x->org, &s);
        assert_true(s.stopped);
        assert_string_equal(s.problem, "put this right");
        org_report(x->org, ERR_NONE, NULL);
        org_state_get(x->org, &s);
        assert_false(s.stopped);
        assert_int_equal(s.held_until_boot_ms, 0);
    }
}

static void what_says_nothing_about_the_org_changes_nothing(void **state)
{
    static const enum err others[] = {ERR_STALE, ERR_STOPPED, ERR_INVALID, ERR_IO, ERR_INTERNAL};
    struct fixture *x = fixture_of(state);
    struct org_state s;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        org_report(x->org, others[i], &x->e);
        assert_int_equal(hold_of(x), 0);
    }
    org_report(x->org, ERR_NETWORK, &x->e);
    int64_t held = hold_of(x);
    org_report(x->org, ERR_INVALID, &x->e);
    org_state_get(x->org, &s);
    assert_true(held > 0 && s.held_until_boot_ms > 0);
}

static void a_daily_limit_holds_longer_than_a_concurrent_one(void **state)
{
    struct fixture *x = fixture_of(state);
    fake_will(x->fake, 403,
              "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"ConcurrentRequests "
              "(Concurrent API Requests) Limit exceeded.\"}]");
    fake_will(x->fake, 403,
              "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"TotalRequests Limit "
              "exceeded.\"}]");
    org_report(x->org, read_something(x), &x->e);
    assert_in_range(hold_of(x), 500, 2000);
    org_report(x->org, ERR_NONE, NULL);
    org_report(x->org, read_something(x), &x->e);
    assert_in_range(hold_of(x), 28000, 60000);
}

static void three_failures_in_a_row_open_the_breaker_and_an_answer_closes_it(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_state s;
    for (int i = 1; i <= 3; i++) {
        while (hold_of(x) > 0) /* about 3 s in all */
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        org_report(x->org, ERR_NETWORK, &x->e);
        org_report(x->org, ERR_NETWORK, &x->e); /* another pass that was under way: not counted */
        org_state_get(x->org, &s);
        assert_int_equal(s.breaker_open, i == 3);
    }
    fake_will(x->fake, 200, "{}");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    org_state_get(x->org, &s);
    assert_false(s.breaker_open);
}

static void a_probe_ends_a_hold_but_not_a_wrong_configuration(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_state s;
    (void)error_set(&x->e, ERR_NETWORK, "away");
    org_report(x->org, ERR_NETWORK, &x->e);
    fake_will(x->fake, 200, "{}");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    assert_int_equal(hold_of(x), 0);
    (void)error_set(&x->e, ERR_CONFIG, "no field X");
    org_report(x->org, ERR_CONFIG, &x->e);
    fake_will(x->fake, 200, "{}");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    org_state_get(x->org, &s);
    assert_true(s.stopped);
    assert_string_equal(s.problem, "no field X");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_error_code_has_its_kind),
        T(an_answer_that_is_not_understood_is_never_success),
        T(a_broken_connection_is_a_network_error),
        T(a_redirect_is_not_followed),
        T(an_answer_larger_than_64_mib_is_refused),
        T(an_org_that_is_not_there_cannot_be_reached),
        cmocka_unit_test_setup_teardown(silence_ends_with_the_time_out, setup_unstarted, teardown),
        T(an_abort_ends_the_request_in_flight_and_all_later_ones),
        T(the_gate_is_asked_before_each_request),
        T(the_api_usage_is_read_from_every_answer),
        T(requests_are_counted_by_operation_and_result),
        T(a_user_who_may_not_see_the_limits_has_still_reached_the_org),
        T(failures_hold_the_org_and_success_ends_it),
        T(what_a_person_must_put_right_stops_the_org),
        T(what_says_nothing_about_the_org_changes_nothing),
        T(a_daily_limit_holds_longer_than_a_concurrent_one),
        T(three_failures_in_a_row_open_the_breaker_and_an_answer_closes_it),
        T(a_probe_ends_a_hold_but_not_a_wrong_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
