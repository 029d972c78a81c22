/*
 * Writing: what a Composite looks like, and what each answer means for each row.
 */
#include "org_composite.h"
#include "../../receiver/org/schema_int.h"

#include <jansson.h>

/* ------------------------------------------------------------------ the request */

static void a_thousand_rows_are_one_call_of_five_collections(void **state)
{
    enum { N = 1000 };
    struct fixture *x = fixture_of(state);
    struct org_row_result *results = mem_array(N, sizeof *results);
    struct buf rows;
    const char *bodies[5];
    static const int ok[5] = {200, 200, 200, 200, 200};

    buf_init(&rows, 1 << 20);
    for (int i = 0; i < ORG_COLLECTION_MAX; i++)
        buf_puts(&rows, i == 0 ? "[" OK_ROW : "," UPDATED_ROW);
    buf_putc(&rows, ']');
    for (int i = 0; i < 5; i++)
        bodies[i] = rows.data;
    char *answer = composite(bodies, ok, 5);
    fake_will(x->fake, 200, answer);
    assert_int_equal(upsert(x, N, results), ERR_NONE);
    assert_int_equal(org_conn_calls(x->conn), 1);

    const struct fake_request *r = fake_request(x->fake, 0);
    assert_string_equal(r->method, "POST");
    assert_string_equal(r->target, "/services/data/v64.0/composite");
    assert_contains(r->headers, "Content-Type: application/json");
    assert_lacks(r->headers, "Expect");
    json_t *root = json_loads(r->body, 0, NULL);
    assert_true(json_is_false(json_object_get(root, "allOrNone")));
    json_t *subs = json_object_get(root, "compositeRequest");
    assert_int_equal(json_array_size(subs), 5);
    for (size_t k = 0; k < 5; k++) {
        json_t *sub = json_array_get(subs, k), *body = json_object_get(sub, "body");
        assert_string_equal(json_string_value(json_object_get(sub, "method")), "PATCH");
        assert_string_equal(json_string_value(json_object_get(sub, "url")),
                            "/services/data/v64.0/composite/sobjects/Buyer_Touchpoint__c/"
                            "Campaign_Member_Id__c");
        assert_true(json_is_false(json_object_get(body, "allOrNone")));
        assert_int_equal(json_array_size(json_object_get(body, "records")), 200);
    }
    json_t *sub = json_object_get(json_array_get(subs, 2), "body");
    json_t *record = json_array_get(json_object_get(sub, "records"), 7);
    assert_string_equal(json_string_value(json_object_get(record, "Campaign_Member_Id__c")),
                        "00v000000000407AAA");
    assert_string_equal(json_string_value(json_object_get(record, "Email__c")), "a\"b@example.com");
    assert_string_equal(json_string_value(json_object_get(record, "Touchpoint_Date__c")),
                        "2026-01-15T09:30:00.000Z");
    assert_true(json_is_null(json_object_get(record, "Lead__c")));
    assert_int_equal(json_object_size(record), TV_COUNT + 1);
    assert_null(json_object_get(record, "Id"));
    json_decref(root);

    assert_int_equal(results[400].class, ORG_ROW_DONE);
    assert_true(results[400].created);
    assert_string_equal(results[400].id, T1);
    assert_false(results[401].created);
    assert_string_equal(results[401].id, "a0X000000000002EAA");
    free(answer);
    buf_release(&rows);
    free(results);
}

static void deletes_name_their_ids_in_the_url(void **state)
{
    enum { N = 201 };
    struct fixture *x = fixture_of(state);
    struct org_row_result results[N];
    static char ids[N][SFID_SIZE];
    struct buf rows;
    static const int ok[2] = {200, 200};

    for (unsigned i = 0; i < N; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "a0X%012u", i);
        assert_true(sfid_normalise(id, 15, ids[i]));
    }
    buf_init(&rows, 1 << 20);
    for (int i = 0; i < ORG_COLLECTION_MAX; i++)
        buf_puts(&rows, i == 0 ? "[{\"success\":true,\"errors\":[]}"
                               : ",{\"id\":\"" T1 "\",\"success\":true,\"errors\":[]}");
    buf_putc(&rows, ']');
    char *answer = composite((const char *[]){rows.data, "[" OK_ROW "]"}, ok, 2);
    fake_will(x->fake, 200, answer);
    assert_int_equal(
        org_delete_touchpoints(x->conn, (const char(*)[SFID_SIZE])ids, N, results, &x->e),
        ERR_NONE);
    json_t *root = json_loads(fake_request(x->fake, 0)->body, 0, NULL);
    json_t *sub = json_array_get(json_object_get(root, "compositeRequest"), 1);
    assert_string_equal(json_string_value(json_object_get(sub, "method")), "DELETE");
    assert_string_equal(
        json_string_value(json_object_get(sub, "url")),
        "/services/data/v64.0/composite/sobjects?ids=a0X000000000200EAA&allOrNone=false");
    assert_null(json_object_get(sub, "body"));
    json_decref(root);
    free(answer);
    buf_release(&rows);
}

static void nothing_to_write_is_no_call(void **state)
{
    struct fixture *x = fixture_of(state);
    assert_int_equal(org_upsert(x->conn, NULL, 0, NULL, &x->e), ERR_NONE);
    assert_int_equal(org_delete_helpers(x->conn, NULL, 0, NULL, &x->e), ERR_NONE);
    assert_int_equal(fake_count(x->fake), 0);
}

/* ------------------------------------------------------------------ rows */

enum { FEW = 1 + ORG_ROW_PARK }; /* ORG_ROW_RETRY, and brief */

static int class_of(const struct org_row_result *r)
{
    return r->class == ORG_ROW_RETRY && r->is_brief ? FEW : (int)r->class;
}

static void each_row_code_has_its_class(void **state)
{
    static const struct {
        const char *code, *message;
        int upsert, remove; /* an enum org_row_class, or FEW */
    } rows[] = {
        {"UNABLE_TO_LOCK_ROW", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"SERVER_UNAVAILABLE", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"QUERY_TIMEOUT", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"REQUEST_RUNNING_TOO_LONG", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"TOO_MANY_APEX_REQUESTS", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"UNKNOWN_EXCEPTION", "x", FEW, FEW},
        {"INTERNAL_ERROR", "x", FEW, FEW},
        {"CANNOT_EXECUTE_FLOW_TRIGGER", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"ALL_OR_NONE_OPERATION_ROLLED_BACK", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"PROCESSING_HALTED", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"DUPLICATE_VALUE", "duplicate value found", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"NEVER_HEARD_OF", "x", ORG_ROW_RETRY, ORG_ROW_RETRY},
        {"FIELD_CUSTOM_VALIDATION_EXCEPTION", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"REQUIRED_FIELD_MISSING", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"INVALID_FIELD", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"INVALID_FIELD_FOR_INSERT_UPDATE", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"INVALID_TYPE_ON_FIELD_IN_RECORD", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"STRING_TOO_LONG", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"NUMBER_OUTSIDE_VALID_RANGE", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"MALFORMED_ID", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", FEW, ORG_ROW_DONE},
        {"INVALID_CROSS_REFERENCE_KEY", "other", FEW, ORG_ROW_PARK},
        {"FIELD_INTEGRITY_EXCEPTION", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"FIELD_FILTER_VALIDATION_EXCEPTION", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"DUPLICATES_DETECTED", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"DUPLICATE_EXTERNAL_ID", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"ENTITY_IS_LOCKED", "x", ORG_ROW_PARK, ORG_ROW_PARK},
        {"ENTITY_IS_DELETED", "entity is deleted", ORG_ROW_RETRY, ORG_ROW_DONE},
        {"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "x", FEW, FEW},
        {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "x", FEW, FEW},
        {"INSUFFICIENT_ACCESS_OR_READONLY", "x", FEW, FEW},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_row_result up, down;
        char *body = mem_printf("[" FAILED("%s", "%s", "\"A__c\",\"B__c\"") "]", rows[i].code,
                                rows[i].message);
        will_compose(x, body, 200);
        will_compose(x, body, 200);
        free(body);
        assert_int_equal(upsert(x, 1, &up), ERR_NONE);
        assert_int_equal(delete_one(x, &down), ERR_NONE);
        if (class_of(&up) != rows[i].upsert || class_of(&down) != rows[i].remove)
            fail_msg("%s: %d %d", rows[i].code, class_of(&up), class_of(&down));
        assert_string_equal(up.code, rows[i].code);
        assert_contains(up.message, rows[i].message);
        assert_contains(up.message, "[A__c, B__c]");
        assert_string_equal(down.code, down.class == ORG_ROW_DONE ? "" : rows[i].code);
    }
}

static void access_that_refuses_all_rows_makes_rights_doubtful_until_they_are_checked(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r[2];
    struct org_state known;
    will_compose(x, "[" OK_ROW "," FAILED("INSUFFICIENT_ACCESS_OR_READONLY", "no", "") "]", 200);
    assert_int_equal(upsert(x, 2, r), ERR_NONE);
    org_state_get(x->org, &known);
    assert_false(known.rights_doubted);
    will_compose(x, "[" FAILED("INSUFFICIENT_ACCESS_OR_READONLY", "no", "") "]", 200);
    assert_int_equal(upsert(x, 1, r), ERR_NONE);
    org_state_get(x->org, &known);
    assert_true(known.rights_doubted);
    assert_false(known.stopped);
    org_note_schema(x->org, &(struct org_schema){.is_checked = true}, 0);
    org_state_get(x->org, &known);
    assert_false(known.rights_doubted);
}

static void a_good_row_is_done_beside_a_bad_one(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r[5];
    will_compose(
        x,
        "[" OK_ROW "," FAILED("STRING_TOO_LONG", "data too large", "\"Email__c\"") "," FAILED(
            "UNABLE_TO_LOCK_ROW", "locked",
            "") "," UPDATED_ROW "," FAILED("INSUFFICIENT_ACCESS_OR_READONLY", "no", "") "]",
        200);
    assert_int_equal(upsert(x, 5, r), ERR_NONE);
    assert_int_equal(r[0].class, ORG_ROW_DONE);
    assert_int_equal(r[1].class, ORG_ROW_PARK);
    assert_contains(r[1].message, "data too large");
    assert_contains(r[1].message, "[Email__c]");
    assert_int_equal(r[2].class, ORG_ROW_RETRY);
    assert_int_equal(r[3].class, ORG_ROW_DONE);
    assert_int_equal(r[4].class, ORG_ROW_RETRY);
    assert_true(r[4].is_brief);
    assert_contains(r[4].message, "permission set");
    assert_string_equal(r[0].code, "");
    assert_string_equal(r[0].message, "");
}

static void the_gravest_of_several_errors_of_a_row_decides(void **state)
{
    static const char *const first[] = {"UNABLE_TO_LOCK_ROW", "INSUFFICIENT_ACCESS_OR_READONLY"};
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
        struct org_row_result r;
        char *body = mem_printf("[{\"success\":false,\"errors\":[{\"statusCode\":\"%s\","
                                "\"message\":\"a\"},{\"statusCode\":\"STRING_TOO_LONG\","
                                "\"message\":\"b\"}]}]",
                                first[i]);
        will_compose(x, body, 200);
        free(body);
        assert_int_equal(upsert(x, 1, &r), ERR_NONE);
        assert_int_equal(r.class, ORG_ROW_PARK);
        assert_string_equal(r.code, "STRING_TOO_LONG");
    }
}

static void a_long_message_is_cut_at_a_whole_character(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    struct buf body;
    buf_init(&body, 1 << 16);
    buf_puts(&body, "[{\"success\":false,\"errors\":[{\"statusCode\":\"STRING_TOO_LONG\","
                    "\"message\":\"x");
    for (int i = 0; i < 1000; i++)
        buf_puts(&body, "\xc3\xbc");
    buf_puts(&body, "\",\"fields\":[\"Email__c\"]}]}]");
    will_compose(x, body.data, 200);
    buf_release(&body);
    assert_int_equal(upsert(x, 1, &r), ERR_NONE);
    json_t *text = json_string(r.message); /* NULL when it is not UTF-8 */
    assert_non_null(text);
    assert_contains(r.message, "[Email__c]");
    json_decref(text);
}

/* ------------------------------------------------------------------ the org as a whole */

static void what_all_rows_say_of_the_org_is_the_calls_error(void **state)
{
    static const struct {
        const char *code, *message;
        size_t n;
        enum err want;
        const char *part;
    } rows[] = {
        {"INSUFFICIENT_ACCESS_OR_READONLY", "no", 2, ERR_INVALID, "permission set"},
        {"INSUFFICIENT_ACCESS_OR_READONLY", "no", 3, ERR_INVALID, "Buyer_Touchpoint__c"},
        {"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "no", 3, ERR_INVALID, "lead or contact"},
        {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger", 3, ERR_INVALID, "trigger"},
        {"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "x", 2, ERR_BUSY, "trying again"},
        {"API_CURRENTLY_DISABLED", "x", 1, ERR_BUSY, "trying again"},
        {"STORAGE_LIMIT_EXCEEDED", "full", 1, ERR_CONFIG, "storage"},
        {"INVALID_TYPE", "sObject type 'Buyer_Touchpoint__c' is not supported.", 2, ERR_CONFIG,
         "no object Buyer_Touchpoint__c"},
        {"REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 2, ERR_LIMIT, "24 hours"},
        {"NOT_FOUND", "The requested resource does not exist", 2, ERR_CONFIG, "metadata"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_row_result r[3] = {{.code = "untouched"}};
        struct buf body;
        buf_init(&body, 1 << 16);
        for (size_t k = 0; k < rows[i].n; k++)
            buf_printf(&body, "%s" FAILED("%s", "%s", ""), k == 0 ? "[" : ",", rows[i].code,
                       rows[i].message);
        buf_putc(&body, ']');
        will_compose(x, body.data, 200);
        buf_release(&body);
        assert_int_equal(upsert(x, rows[i].n, r), rows[i].want);
        assert_contains(x->e.text, rows[i].part);
        assert_contains(x->e.text, rows[i].code);
        bool told = rows[i].want == ERR_INVALID; /* of each row */
        assert_string_equal(r[0].code, told ? rows[i].code : "untouched");
        if (told && class_of(&r[rows[i].n - 1]) != FEW)
            fail_msg("%s: %d", rows[i].code, class_of(&r[rows[i].n - 1]));
    }
}

static void a_part_that_failed_as_a_whole_marks_its_rows(void **state)
{
    enum { N = 201 };
    static const struct {
        int status;
        const char *code, *message;
        enum org_row_class want;
    } rows[] = {
        {503, "SERVER_UNAVAILABLE", "x", ORG_ROW_RETRY},
        {500, "NEVER_HEARD_OF", "x", ORG_ROW_RETRY},
        {400, "UNABLE_TO_LOCK_ROW", "x", ORG_ROW_RETRY},
        {401, "INVALID_SESSION_ID", "x", ORG_ROW_RETRY},
        {403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests", ORG_ROW_RETRY},
        {404, "NOT_FOUND", "x", ORG_ROW_RETRY},
        {400, "INVALID_FIELD", "No such column 'X__c' on sobject of type Y", ORG_ROW_RETRY},
        {400, "JSON_PARSER_ERROR", "x", ORG_ROW_PARK},
        {400, "NEVER_HEARD_OF", "x", ORG_ROW_PARK},
    };
    struct fixture *x = fixture_of(state);
    struct org_row_result *r = mem_array(N, sizeof *r);
    struct buf good;
    buf_init(&good, 1 << 20);
    for (int i = 0; i < ORG_COLLECTION_MAX; i++)
        buf_puts(&good, i == 0 ? "[" OK_ROW : "," OK_ROW);
    buf_putc(&good, ']');
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *bad = mem_printf("[{\"errorCode\":\"%s\",\"message\":\"%s\"}]", rows[i].code,
                               rows[i].message);
        char *answer = composite((const char *[]){good.data, bad}, (int[]){200, rows[i].status}, 2);
        fake_will(x->fake, 200, answer);
        assert_int_equal(upsert(x, N, r), ERR_NONE);
        assert_int_equal(r[199].class, ORG_ROW_DONE);
        assert_int_equal(r[200].class, rows[i].want);
        assert_string_equal(r[200].code, rows[i].code);
        free(answer);
        free(bad);
    }
    buf_release(&good);
    free(r);
}

static void a_part_that_fails_for_the_org_alone_is_the_calls_error(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    will_compose(x,
                 "[{\"errorCode\":\"INVALID_FIELD\",\"message\":\"No such column 'Rule__c' on "
                 "sobject of type Buyer_Touchpoint__c\"}]",
                 400);
    assert_int_equal(upsert(x, 1, &r), ERR_CONFIG);
    assert_contains(x->e.text, "the org has no field Rule__c");
    will_compose(x, "[{\"errorCode\":\"SERVER_UNAVAILABLE\",\"message\":\"x\"}]", 503);
    assert_int_equal(upsert(x, 1, &r), ERR_NONE);
    assert_int_equal(r.class, ORG_ROW_RETRY);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_thousand_rows_are_one_call_of_five_collections),
        T(deletes_name_their_ids_in_the_url),
        T(nothing_to_write_is_no_call),
        T(each_row_code_has_its_class),
        T(access_that_refuses_all_rows_makes_rights_doubtful_until_they_are_checked),
        T(a_good_row_is_done_beside_a_bad_one),
        T(the_gravest_of_several_errors_of_a_row_decides),
        T(a_long_message_is_cut_at_a_whole_character),
        T(what_all_rows_say_of_the_org_is_the_calls_error),
        T(a_part_that_failed_as_a_whole_marks_its_rows),
        T(a_part_that_fails_for_the_org_alone_is_the_calls_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
