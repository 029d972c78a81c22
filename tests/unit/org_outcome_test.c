/*
 * Writing when things go wrong: when it is known that nothing was done, and when it is not known.
 */
#include "org_composite.h"

#include <pthread.h>

#include "timeutil.h"

static void an_answer_without_one_understood_result_a_row_is_unknown(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "null",
        "{\"compositeResponse\":[]}",
        "{\"compositeResponse\":{}}",
        "{\"compositeResponse\":[5]}",
        "{\"compositeResponse\":[{\"body\":[" OK_ROW "]}]}",
        "{\"compositeResponse\":[{\"body\":[" OK_ROW "],\"httpStatusCode\":\"200\"}]}",
        "{\"compositeResponse\":[{\"body\":[],\"httpStatusCode\":200}]}",
        "{\"compositeResponse\":[{\"body\":[" OK_ROW "," OK_ROW "],\"httpStatusCode\":200}]}",
        "{\"compositeResponse\":[{\"body\":[" OK_ROW "],\"httpStatusCode\":200,\"referenceId\":"
        "\"part1\"}]}",
        "{\"compositeResponse\":[{\"body\":[" OK_ROW "],\"httpStatusCode\":500}]}",
        "{\"compositeResponse\":[{\"body\":null,\"httpStatusCode\":200}]}",
        "{\"compositeResponse\":[{\"body\":[{}],\"httpStatusCode\":200}]}",
        "{\"compositeResponse\":[{\"body\":[{\"success\":\"true\",\"id\":\"" T1
        "\"}],\"httpStatusCode\":200}]}",
        "{\"compositeResponse\":[{\"body\":[{\"success\":true}],\"httpStatusCode\":200}]}",
        "{\"compositeResponse\":[{\"body\":[{\"success\":true,\"id\":5}],\"httpStatusCode\":200}]}",
        "{\"compositeResponse\":[{\"body\":[{\"success\":false}],\"httpStatusCode\":200}]}",
        "{\"compositeResponse\":[{\"body\":[{\"success\":false,\"errors\":[]}],\"httpStatusCode\":"
        "200}]}",
        "{\"compositeResponse\":[{\"body\":[{\"success\":false,\"errors\":[{\"message\":\"x\"}]}],"
        "\"httpStatusCode\":200}]}",
        "<html>",
        "",
        "{\"compositeResponse\":[{\"body\":[" OK_ROW,
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct org_row_result r = {.code = "untouched"};
        fake_will(x->fake, 200, bad[i]);
        enum err got = upsert(x, 1, &r);
        if (got != ERR_UNKNOWN_OUTCOME || x->e.kind != got)
            fail_msg("%s: got %d (%s)", bad[i], (int)got, x->e.text);
        assert_string_equal(r.code, "untouched");
    }
}

static void refusals_before_anything_is_done_are_known(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err want;
    } rows[] = {
        {400, "[{\"errorCode\":\"JSON_PARSER_ERROR\",\"message\":\"x\"}]", ERR_INVALID},
        {400, "[{\"errorCode\":\"UNABLE_TO_LOCK_ROW\",\"message\":\"x\"}]", ERR_BUSY},
        {403, "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"x\"}]", ERR_LIMIT},
        {403, "[{\"errorCode\":\"INSUFFICIENT_ACCESS\",\"message\":\"x\"}]", ERR_DENIED},
        {404, "[{\"errorCode\":\"NOT_FOUND\",\"message\":\"x\"}]", ERR_CONFIG},
        {414, "", ERR_INVALID},
        {420, "<html>", ERR_BUSY},
        {429, "", ERR_BUSY},
        {400, "<html>", ERR_UNKNOWN_OUTCOME},
        {404, "", ERR_UNKNOWN_OUTCOME},
        {302, "", ERR_UNKNOWN_OUTCOME},
        {500, "[{\"errorCode\":\"UNKNOWN_EXCEPTION\",\"message\":\"x\"}]", ERR_UNKNOWN_OUTCOME},
        {503, "[{\"errorCode\":\"SERVER_UNAVAILABLE\",\"message\":\"x\"}]", ERR_UNKNOWN_OUTCOME},
        {502, "<html>", ERR_UNKNOWN_OUTCOME},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_row_result r;
        fake_will(x->fake, rows[i].status, rows[i].body);
        enum err got = upsert(x, 1, &r);
        if (got != rows[i].want)
            fail_msg("%d %s: got %d", rows[i].status, rows[i].body, (int)got);
    }
}

static void a_refused_token_does_not_make_a_write_unknown(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    fake_will(x->fake, 401, "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"x\"}]");
    will_compose(x, "[" OK_ROW "]", 200);
    assert_int_equal(upsert(x, 1, &r), ERR_NONE);
    assert_int_equal(fake_count(x->fake), 2);
    assert_string_equal(fake_request(x->fake, 0)->body, fake_request(x->fake, 1)->body);
    for (int i = 0; i < 2; i++)
        fake_will(x->fake, 401, "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"x\"}]");
    assert_int_equal(upsert(x, 1, &r), ERR_AUTH);
}

static void a_lost_reply_is_unknown_and_not_sent_again(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    /* the first write leaves a connection that is kept alive: libcurl likes to repeat on those */
    will_compose(x, "[" OK_ROW "]", 200);
    assert_int_equal(upsert(x, 1, &r), ERR_NONE);
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_DROP});
    assert_int_equal(upsert(x, 1, &r), ERR_UNKNOWN_OUTCOME);
    assert_int_equal(fake_count(x->fake), 2);
    fake_will_do(x->fake,
                 &(struct fake_answer){.kind = FAKE_CUT, .status = 200, .body = OK_ROW OK_ROW});
    assert_int_equal(upsert(x, 1, &r), ERR_UNKNOWN_OUTCOME);
    assert_int_equal(fake_count(x->fake), 3);
}

static void a_write_without_an_answer_in_time_is_unknown(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    fixture_start(x, 150);
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_SILENT});
    assert_int_equal(upsert(x, 1, &r), ERR_UNKNOWN_OUTCOME);
    assert_contains(x->e.text, "did not answer in time");
}

static void a_write_that_finds_no_org_is_known_not_to_be_done(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    fake_will(x->fake, 200, "{}");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    fake_stop(&x->fake);
    assert_int_equal(upsert(x, 1, &r), ERR_NETWORK);
}

static void *upsert_in_thread(void *arg)
{
    struct org_row_result r;
    return (void *)(uintptr_t)upsert(arg, 1, &r);
}

static void an_abort_after_the_request_has_left_is_unknown(void **state)
{
    struct fixture *x = fixture_of(state);
    pthread_t thread;
    void *got;
    fake_will_do(x->fake, &(struct fake_answer){.kind = FAKE_SILENT});
    assert_int_equal(pthread_create(&thread, NULL, upsert_in_thread, x), 0);
    fake_wait(x->fake, 1);
    org_conn_abort(x->conn);
    pthread_join(thread, &got);
    assert_int_equal((uintptr_t)got, ERR_UNKNOWN_OUTCOME);
    struct org_row_result r;
    assert_int_equal(upsert(x, 1, &r), ERR_STOPPED);
    assert_int_equal(fake_count(x->fake), 1);
}

/* ------------------------------------------------------------------ the lease's deadline */

static void a_write_past_its_deadline_never_leaves_whole(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    int64_t deadline = time_boot_ms() - 1;
    org_conn_gate(x->conn, &(struct org_gate){.deadline_boot_ms = &deadline});
    assert_int_equal(upsert(x, 1, &r), ERR_STALE);
    assert_contains(x->e.text, "lease");
    fake_wait(x->fake, 1); /* it is remembered when its connection ends */
    assert_false(fake_request(x->fake, 0)->is_whole);

    deadline = time_boot_ms() + 60000;
    will_compose(x, "[" OK_ROW "]", 200);
    assert_int_equal(upsert(x, 1, &r), ERR_NONE);
    assert_true(fake_request(x->fake, 1)->is_whole);
}

static void a_value_that_is_not_utf8_is_not_sent(void **state)
{
    struct fixture *x = fixture_of(state);
    struct touchpoint row;
    char key[1][SFID_SIZE];
    struct org_row_result r;
    fill_rows(&row, 1, key);
    row.value[TV_EMAIL] = "\xff";
    assert_int_equal(org_upsert(x->conn, &row, 1, &r, &x->e), ERR_INTERNAL);
    assert_int_equal(fake_count(x->fake), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_answer_without_one_understood_result_a_row_is_unknown),
        T(refusals_before_anything_is_done_are_known),
        T(a_refused_token_does_not_make_a_write_unknown),
        T(a_lost_reply_is_unknown_and_not_sent_again),
        T(a_write_that_finds_no_org_is_known_not_to_be_done),
        T(an_abort_after_the_request_has_left_is_unknown),
        T(a_write_past_its_deadline_never_leaves_whole),
        T(a_value_that_is_not_utf8_is_not_sent),
        cmocka_unit_test_setup_teardown(a_write_without_an_answer_in_time_is_unknown,
                                        setup_unstarted, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
