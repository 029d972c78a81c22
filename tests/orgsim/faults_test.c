/*
 * Faults of requests over real HTTP: where and how often they fire, and what was done. Hermetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server_fixture.h"

/* ------------------------------------------------------------------ faults */

static void faults_fire_where_when_and_as_often_as_asked(void **state)
{
    (void)state;
    control("/sim/faults", "{\"match\":{\"operation\":\"query\",\"path\":\"Lead\",\"after\":1,"
                           "\"count\":2},\"kind\":\"status\",\"value\":{\"status\":500,"
                           "\"errorCode\":\"UNKNOWN_EXCEPTION\",\"headers\":{\"X-Fault\":\"1\"}}}");
    static const long statuses[] = {200, 500, 500, 200};
    for (size_t i = 0; i < 4; i++) {
        struct answer a = call("GET", V "/query?q=SELECT+Id+FROM+Lead", NULL);
        assert_int_equal(a.status, statuses[i]);
        assert_int_equal(strstr(a.head.data, "X-Fault") != NULL, statuses[i] == 500);
        done(&a);
        json_decref(want("GET", V "/query?q=SELECT+Id+FROM+User", NULL, 200));
    }
    json_t *a = want("GET", "/sim/faults", NULL, 200);
    const json_t *fault = json_array_get(json_object_get(a, "faults"), 0);
    assert_int_equal(json_integer_value(json_object_get(fault, "fired")), 2);
    json_decref(a);
    json_decref(want("DELETE", "/sim/faults", NULL, 200));
    json_decref(want("POST", "/sim/faults", "{\"kind\":\"nope\"}", 400));
}

static void whether_it_was_done_depends_on_the_kind(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        CURLcode rc;
        long status;
        bool done;
    } rows[] = {
        {"\"kind\":\"reset\"", CURLE_RECV_ERROR, 0, false},
        {"\"kind\":\"lost_reply\"", CURLE_RECV_ERROR, 0, true},
        {"\"kind\":\"silence\"", CURLE_OPERATION_TIMEDOUT, 0, false},
        {"\"kind\":\"silence\",\"value\":true", CURLE_OPERATION_TIMEDOUT, 0, true},
        {"\"kind\":\"status\",\"value\":503", CURLE_OK, 503, false},
        {"\"kind\":\"status\",\"value\":{\"status\":500,\"done\":true}", CURLE_OK, 500, true},
        {"\"kind\":\"html\",\"value\":502", CURLE_OK, 502, false},
        {"\"kind\":\"truncated\"", CURLE_OK, 201, true},
        {"\"kind\":\"truncated\",\"value\":\"connection\"", CURLE_PARTIAL_FILE, 201, true},
        {"\"kind\":\"wrong_json\",\"value\":[]", CURLE_OK, 200, true},
        {"\"kind\":\"limit_daily\"", CURLE_OK, 403, false},
        {"\"kind\":\"limit_concurrent\"", CURLE_OK, 403, false},
        {"\"kind\":\"lock\"", CURLE_OK, 400, false},
        {"\"kind\":\"row_error\",\"value\":{\"statusCode\":\"X\"}", CURLE_OK, 400, false},
        {"\"kind\":\"latency\",\"value\":1", CURLE_OK, 201, true},
        {"\"kind\":\"late\",\"value\":1", CURLE_OK, 201, true},
    };
    int64_t created = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *body = mem_printf("{\"match\":{\"operation\":\"create\"},%s}", rows[i].fault);
        control("/sim/faults", body);
        free(body);
        long timeout = rows[i].rc == CURLE_OPERATION_TIMEDOUT ? 300 : 20000;
        struct answer a =
            call_with("POST", V "/sobjects/Account", "{\"Name\":\"x\"}", NULL, timeout);
        if (a.rc != rows[i].rc || a.status != rows[i].status)
            fail_msg("%s: %s, status %ld", rows[i].fault, curl_easy_strerror(a.rc), a.status);
        done(&a);
        created += rows[i].done;
        assert_int_equal(stat_of("rows", "create"), created);
    }
}

static void what_is_late_is_done_though_the_client_has_gone(void **state)
{
    (void)state;
    control("/sim/faults",
            "{\"match\":{\"operation\":\"create\"},\"kind\":\"late\",\"value\":1000}");
    struct answer a = call_with("POST", V "/sobjects/Account", "{\"Name\":\"x\"}", NULL, 200);
    assert_int_equal(a.rc, CURLE_OPERATION_TIMEDOUT);
    done(&a);
    assert_int_equal(stat_of("rows", "create"), 0);
    while (stat_of("rows", "create") == 0)
        continue;
    assert_int_equal(stat_of("rows", "create"), 1);
}

static void a_fault_takes_the_token_or_the_login(void **state)
{
    (void)state;
    control("/sim/faults", "{\"kind\":\"expire_token\"}");
    json_decref(want("GET", V "/limits", NULL, 401));
    control("/sim/faults", "{\"kind\":\"oauth\",\"value\":\"inactive_user\"}");
    json_t *a = want("POST", "/services/oauth2/token", "x", 400);
    assert_string_equal(json_string_value(json_object_get(a, "error")), "inactive_user");
    json_decref(a);
}

static void a_row_fault_hits_its_row_only(void **state)
{
    (void)state;
    control(
        "/sim/faults",
        "{\"match\":{\"operation\":\"collections_upsert\",\"row\":\"KEY2\",\"count\":-1},"
        "\"kind\":\"row_error\",\"value\":{\"statusCode\":\"STRING_TOO_LONG\",\"message\":\"m\","
        "\"fields\":[\"Email__c\"]}}");
    static const char body[] =
        "{\"records\":[{\"attributes\":{\"type\":\"Buyer_Touchpoint__c\"},"
        "\"Campaign_Member_Id__c\":\"KEY1\"},{\"attributes\":{\"type\":\"Buyer_Touchpoint__c\"},"
        "\"Campaign_Member_Id__c\":\"KEY2\"}]}";
    json_t *a =
        want("PATCH", V "/composite/sobjects/Buyer_Touchpoint__c/Campaign_Member_Id__c", body, 200);
    assert_true(json_is_true(json_object_get(json_array_get(a, 0), "success")));
    const json_t *error = json_array_get(json_object_get(json_array_get(a, 1), "errors"), 0);
    assert_string_equal(json_string_value(json_object_get(error, "statusCode")), "STRING_TOO_LONG");
    assert_int_equal(json_array_size(json_object_get(error, "fields")), 1);
    json_decref(a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(faults_fire_where_when_and_as_often_as_asked),
        T(whether_it_was_done_depends_on_the_kind),
        T(what_is_late_is_done_though_the_client_has_gone),
        T(a_fault_takes_the_token_or_the_login),
        T(a_row_fault_hits_its_row_only),
    };
#undef T
    return run_group("faults", tests, sizeof tests / sizeof tests[0]);
}
