/*
 * The write-back: what is read of a member's status, and how a new one is written.
 */
#include "org_composite.h"
#include "org_records.h"

enum { AT_MS = 1000 };

static void fill_statuses(struct org_status *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "00v%012u", (unsigned)i);
        assert_true(sfid_normalise(id, 15, rows[i].member_id));
        rows[i].text = i % 2 == 0 ? "Touchpoint Created" : "No Touchpoint: \"why\"";
    }
}

static enum err update(struct fixture *x, size_t n, struct org_row_result *results)
{
    struct org_status *rows = mem_array(n, sizeof *rows);
    fill_statuses(rows, n);
    enum err err = org_update_statuses(x->conn, rows, n, AT_MS, results, &x->e);
    free(rows);
    return err;
}

/* ------------------------------------------------------------------ writing */

static void a_thousand_members_are_one_call_of_five_collections(void **state)
{
    enum { N = 1000 };
    struct fixture *x = fixture_of(state);
    struct org_row_result *results = mem_array(N, sizeof *results);
    struct buf rows;
    const char *bodies[5];
    static const int ok[5] = {200, 200, 200, 200, 200};

    buf_init(&rows, 1 << 20);
    for (int i = 0; i < ORG_COLLECTION_MAX; i++)
        buf_puts(&rows, i == 0 ? "[{\"id\":\"" M1 "\",\"success\":true,\"errors\":[]}"
                               : ",{\"id\":\"" M2 "\",\"success\":true,\"errors\":[]}");
    buf_putc(&rows, ']');
    for (int i = 0; i < 5; i++)
        bodies[i] = rows.data;
    char *answer = composite(bodies, ok, 5);
    fake_will(x->fake, 200, answer);
    assert_int_equal(update(x, N, results), ERR_NONE);
    assert_int_equal(org_conn_calls(x->conn), 1);

    json_t *root = json_loads(fake_request(x->fake, 0)->body, 0, NULL);
    json_t *subs = json_object_get(root, "compositeRequest");
    assert_int_equal(json_array_size(subs), 5);
    json_t *sub = json_array_get(subs, 3), *body = json_object_get(sub, "body");
    assert_string_equal(json_string_value(json_object_get(sub, "method")), "PATCH");
    assert_string_equal(json_string_value(json_object_get(sub, "url")),
                        "/services/data/v64.0/composite/sobjects");
    assert_true(json_is_false(json_object_get(body, "allOrNone")));
    json_t *records = json_object_get(body, "records");
    assert_int_equal(json_array_size(records), 200);
    char *record = json_dumps(json_array_get(records, 1), JSON_COMPACT);
    assert_string_equal(record, "{\"attributes\":{\"type\":\"CampaignMember\"},\"Id\":"
                                "\"00v000000000601AAA\",\"Touchpoint_Status__c\":"
                                "\"No Touchpoint: \\\"why\\\"\",\"Touchpoint_Status_Date__c\":"
                                "\"1970-01-01T00:00:01.000Z\"}");
    assert_int_equal(results[999].class, ORG_ROW_DONE);
    free(record);
    json_decref(root);
    free(answer);
    buf_release(&rows);
    free(results);
}

static void the_names_are_the_schemas(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    x->config.schema.name[SCHEMA_STATUS_TEXT] = "Told__c";
    x->config.schema.name[SCHEMA_STATUS_DATE] = "Told_At__c";
    will_compose(x, "[{\"id\":\"" M1 "\",\"success\":true,\"errors\":[]}]", 200);
    assert_int_equal(update(x, 1, &r), ERR_NONE);
    assert_contains(fake_request(x->fake, 0)->body, "\"Told__c\":\"Touchpoint Created\"");
    assert_contains(fake_request(x->fake, 0)->body, "\"Told_At__c\":\"1970-");
}

static void what_a_row_says_of_permissions_is_no_error_of_the_call(void **state)
{
    static const struct {
        const char *code, *message;
        enum org_row_class want;
    } rows[] = {
        {"INSUFFICIENT_ACCESS_OR_READONLY", "no", ORG_ROW_PARK},
        {"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "no", ORG_ROW_PARK},
        {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger", ORG_ROW_PARK},
        {"FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", ORG_ROW_PARK},
        {"INVALID_FIELD_FOR_INSERT_UPDATE", "no", ORG_ROW_PARK},
        {"UNABLE_TO_LOCK_ROW", "busy", ORG_ROW_RETRY},
        {"ENTITY_IS_DELETED", "entity is deleted", ORG_ROW_DONE},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_row_result r[2];
        char *body = mem_printf("[" FAILED("%s", "%s", "") "," FAILED("%s", "%s", "") "]",
                                rows[i].code, rows[i].message, rows[i].code, rows[i].message);
        will_compose(x, body, 200);
        free(body);
        if (update(x, 2, r) != ERR_NONE)
            fail_msg("%s: %s", rows[i].code, x->e.text);
        if (r[0].class != rows[i].want || r[1].class != rows[i].want)
            fail_msg("%s: %d", rows[i].code, (int)r[0].class);
    }
}

static void what_speaks_of_the_org_still_is_the_calls_error(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_row_result r;
    will_compose(x, "[" FAILED("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", "") "]",
                 200);
    assert_int_equal(update(x, 1, &r), ERR_LIMIT);
    will_compose(x,
                 "[{\"errorCode\":\"INVALID_FIELD\",\"message\":\"No such column "
                 "'Touchpoint_Status_Date__c' on sobject of type CampaignMember\"}]",
                 400);
    assert_int_equal(update(x, 1, &r), ERR_CONFIG);
    assert_contains(x->e.text, "Touchpoint_Status_Date__c");
    will_compose(x, "[]", 200);
    assert_int_equal(update(x, 1, &r), ERR_UNKNOWN_OUTCOME);
}

/* ------------------------------------------------------------------ reading */

static enum err see_status(void *ctx, const struct member *m, size_t n, struct error *e)
{
    char *seen = ctx;
    (void)e;
    assert_int_equal(n, 1);
    (void)snprintf(seen, 64, "%s", m->status_text == NULL ? "NULL" : m->status_text);
    return ERR_NONE;
}

static void the_status_is_read_only_where_it_is_written_back(void **state)
{
    static const struct {
        bool write_back;
        const char *changes, *want;
    } rows[] = {
        {false, "{\"Touchpoint_Status__c\":\"Touchpoint Created\"}", "NULL"},
        {true, "{\"Touchpoint_Status__c\":\"Touchpoint Created\"}", "Touchpoint Created"},
        {true, "{\"Touchpoint_Status__c\":null}", "NULL"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char seen[64] = "";
        x->config.write_back = rows[i].write_back;
        char *m = member_json(rows[i].changes);
        will_page(x, 1, NULL, m);
        free(m);
        assert_int_equal(org_read_members(x->conn, NULL, &(const char[SFID_SIZE]){M1}, 1,
                                          see_status, seen, &x->e),
                         ERR_NONE);
        assert_string_equal(seen, rows[i].want);
        if (rows[i].write_back)
            assert_contains(target(x, i), MEMBER_SELECT ",Touchpoint_Status__c FROM");
        else
            assert_lacks(target(x, i), "Touchpoint_Status");
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_thousand_members_are_one_call_of_five_collections),
        T(the_names_are_the_schemas),
        T(what_a_row_says_of_permissions_is_no_error_of_the_call),
        T(what_speaks_of_the_org_still_is_the_calls_error),
        T(the_status_is_read_only_where_it_is_written_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
