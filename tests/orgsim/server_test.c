/*
 * The org over real HTTP: headers, sizes, latency and locks, bulk jobs, control routes. Hermetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server_fixture.h"

static void record(const char *object, const char *fields, char id[SFID_SIZE])
{
    char *body = mem_printf("{\"object\":\"%s\",\"records\":[%s]}", object, fields);
    json_t *a = want("POST", "/sim/records", body, 200);
    snprintf(id, SFID_SIZE, "%s", json_string_value(json_array_get(json_object_get(a, "ids"), 0)));
    json_decref(a);
    free(body);
}

/* ------------------------------------------------------------------ plain service */

static void each_answer_carries_the_api_usage(void **state)
{
    (void)state;
    struct answer a = call("GET", "//services/data/v64.0/limits", NULL);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.head.data, "Sforce-Limit-Info: api-usage=1/100000"));
    assert_non_null(strstr(a.head.data, "application/json"));
    done(&a);
    a = call("GET", V "/query?q=nonsense", NULL);
    assert_int_equal(a.status, 400);
    assert_non_null(strstr(a.head.data, "Sforce-Limit-Info: api-usage=2/100000"));
    done(&a);
    a = call("GET", "/services/data", NULL);
    assert_true(json_is_array(a.json));
    assert_null(strstr(a.head.data, "Sforce-Limit-Info"));
    done(&a);
}

static void a_request_without_a_living_token_is_refused(void **state)
{
    (void)state;
    control("/sim/tokens/revoke", "{}");
    json_t *a = want("GET", V "/limits", NULL, 401);
    assert_string_equal(test_code(a), "INVALID_SESSION_ID");
    json_decref(a);
    assert_int_equal(stat_of("api", "calls"), 0);
}

static void long_heads_are_refused_by_their_part(void **state)
{
    (void)state;
    struct buf path;
    buf_init(&path, 1 << 20);
    buf_puts(&path, V "/query?q=");
    while (path.len < 16384)
        buf_putc(&path, 'x');
    struct answer a = call("GET", path.data, NULL);
    assert_int_equal(a.status, 431);
    done(&a);
    buf_putc(&path, 'x');
    a = call("GET", path.data, NULL);
    assert_int_equal(a.status, 414);
    done(&a);
    buf_release(&path);
}

static void chunked_bodies_and_other_content_types(void **state)
{
    (void)state;
    struct answer a =
        call_with("POST", V "/sobjects/Lead", "{\"LastName\":\"L\",\"Company\":\"K\"}",
                  "Transfer-Encoding: chunked", 20000);
    assert_int_equal(a.status, 201);
    done(&a);
    a = call_with("POST", V "/sobjects/Lead", NULL, "Content-Type: text/xml", 20000);
    assert_int_equal(a.status, 415);
    done(&a);
}

/* ------------------------------------------------------------------ locks */

struct write {
    const char *campaign, *key;
    struct answer answer;
};

static void *write_touchpoint(void *arg)
{
    struct write *w = arg;
    char *body = mem_printf("{\"Campaign__c\":\"%s\"}", w->campaign);
    char *path = mem_printf(V "/sobjects/Buyer_Touchpoint__c/Campaign_Member_Id__c/%s", w->key);
    w->answer = call("PATCH", path, body);
    free(path);
    free(body);
    return NULL;
}

static void a_write_locks_its_campaign_until_its_answer_has_left(void **state)
{
    (void)state;
    char one[SFID_SIZE], two[SFID_SIZE];
    pthread_t slow;
    record("Campaign", "{\"Name\":\"one\"}", one);
    record("Campaign", "{\"Name\":\"two\"}", two);
    control("/sim/faults",
            "{\"match\":{\"operation\":\"upsert\"},\"kind\":\"latency\",\"value\":2000}");
    struct write w[] = {{.campaign = one, .key = "A"},
                        {.campaign = one, .key = "B"},
                        {.campaign = two, .key = "C"}};
    assert_int_equal(pthread_create(&slow, NULL, write_touchpoint, &w[0]), 0);
    while (stat_of("rows", "upsert_created") == 0) /* the slow one is under way */
        continue;
    write_touchpoint(&w[1]);
    write_touchpoint(&w[2]);
    pthread_join(slow, NULL);
    assert_int_equal(w[0].answer.status, 201);
    assert_string_equal(test_code(w[1].answer.json), "UNABLE_TO_LOCK_ROW");
    assert_int_equal(w[2].answer.status, 201);
    done(&w[1].answer);
    write_touchpoint(&w[1]);
    assert_int_equal(w[1].answer.status, 201);
    for (size_t i = 0; i < 3; i++)
        done(&w[i].answer);
}

/* ------------------------------------------------------------------ bulk jobs */

static void a_job_is_uploaded_in_chunks_and_runs_by_itself(void **state)
{
    (void)state;
    char path[120];
    json_t *a =
        want("POST", V "/jobs/ingest", "{\"object\":\"Lead\",\"operation\":\"insert\"}", 200);
    snprintf(path, sizeof path, "/%s", test_text(a, "contentUrl"));
    json_decref(a);
    struct answer up = call_as("PUT", path, "LastName,Company\nA,K\nB,K\n", "text/csv",
                               "Transfer-Encoding: chunked", 20000);
    assert_int_equal(up.status, 201);
    assert_int_equal(up.body.len, 0);
    done(&up);
    *strstr(path, "/batches") = '\0';
    json_decref(want("PATCH", path, "{\"state\":\"UploadComplete\"}", 200));
    bool over = false;
    while (!over) {
        a = want("GET", path, NULL, 200);
        over = strcmp(test_text(a, "state"), "JobComplete") == 0;
        json_decref(a);
    }
    snprintf(path + strlen(path), sizeof path - strlen(path), "/successfulResults/");
    struct answer got = call("GET", path, NULL);
    assert_int_equal(got.status, 200);
    assert_non_null(strstr(got.head.data, "Content-Type: text/csv"));
    assert_non_null(strstr(got.body.data, "\"sf__Id\",\"sf__Created\",\"LastName\""));
    done(&got);
    assert_int_equal(stat_of("rows", "create"), 2);
}

/* ------------------------------------------------------------------ control routes */

static void generated_data_follow_from_the_seed(void **state)
{
    (void)state;
    static const char body[] =
        "{\"campaigns\":2,\"members\":50,\"seed\":7,\"contacts\":0.5,"
        "\"emails\":0.9,\"responded\":0.4,\"dated\":0.2,"
        "\"sync_type\":\"Include all Campaign Members\",\"type\":\"Webinar\","
        "\"created\":\"2026-01-15T09:00:00Z\"}";
    json_t *a = want("POST", "/sim/load", body, 200);
    assert_int_equal(json_integer_value(json_object_get(a, "members")), 100);
    assert_int_equal(json_array_size(json_object_get(a, "campaigns")), 2);
    json_t *b =
        want("GET", "/sim/records?object=CampaignMember&where=HasResponded+%3D+true", NULL, 200);
    int64_t responded = json_integer_value(json_object_get(b, "totalSize"));
    assert_true(responded > 10 && responded < 70);
    const json_t *row = json_array_get(json_object_get(b, "records"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "Status")), "Responded");
    assert_string_equal(json_string_value(json_object_get(row, "FirstRespondedDate")),
                        "2026-01-15");
    assert_string_equal(json_string_value(json_object_get(row, "CreatedDate")),
                        "2026-01-15T09:00:00.000+0000");
    json_decref(b);
    json_t *again = want("POST", "/sim/load", body, 200);
    assert_int_equal(json_integer_value(json_object_get(a, "leads")),
                     json_integer_value(json_object_get(again, "leads")));
    json_decref(a);
    json_decref(again);
    json_decref(want("POST", "/sim/load", "{\"emails\":7}", 400));
}

static void control_routes_do_what_the_readme_says(void **state)
{
    (void)state;
    char campaign[SFID_SIZE], lead[SFID_SIZE], member[SFID_SIZE], path[200];
    static const struct {
        const char *path, *body;
        long status;
    } rows[] = {
        {"/sim/clock", "{\"now\":\"2026-03-01T10:00:00Z\",\"frozen\":true}", 200},
        {"/sim/clock", "{\"now\":\"soon\"}", 400},
        {"/sim/permissions", "{\"hide_members\":true}", 200},
        {"/sim/permissions", "{\"no_field\":[\"Campaign.Nope\"]}", 400},
        {"/sim/permissions", "{\"hide\":[\"Nope\"]}", 400},
        {"/sim/permissions", "{}", 200},
        {"/sim/user", "{\"org_id\":\"00D000000000099\"}", 200},
        {"/sim/user", "{\"org_id\":\"x\"}", 400},
        {"/sim/user", "{\"org_id\":null}", 200},
        {"/sim/organization", "{\"time_zone\":\"America/New_York\"}", 200},
        {"/sim/organization", "{\"time_zone\":\"Mars/Base\"}", 400},
        {"/sim/behaviour", "{\"convert_keeps_lead\":false}", 200},
        {"/sim/limits", "{\"used\":5,\"limit\":10}", 200},
        {"/sim/latency", "{\"ms\":-1}", 400},
        {"/sim/outbound", "{\"duplicate\":0.5}", 200},
        {"/sim/outbound", "{\"duplicate\":5}", 400},
        {"/sim/outbound/flush", "{\"timeout_ms\":10}", 200},
        {"/sim/stats/reset", "{}", 200},
        {"/sim/records", "{\"object\":\"Nope\",\"records\":[]}", 400},
        {"/sim/records", "{\"object\":\"Lead\",\"records\":[{}]}", 400},
        {"/sim/records", "[", 400},
        {"/sim/faults", "{\"kind\":\"status\",\"value\":5}", 400},
        {"/sim/nope", "{}", 404},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        json_decref(want("POST", rows[i].path, rows[i].body, rows[i].status));
    record("Campaign", "{\"Name\":\"x\",\"CreatedDate\":\"2025-01-02T03:04:05Z\"}", campaign);
    record("Lead", "{\"LastName\":\"L\",\"Company\":\"K\"}", lead);
    char *fields = mem_printf("{\"CampaignId\":\"%s\",\"LeadId\":\"%s\"}", campaign, lead);
    record("CampaignMember", fields, member);
    free(fields);
    snprintf(path, sizeof path, "/sim/records?object=CampaignMember&ids=%s", member);
    json_decref(want("DELETE", path, NULL, 200));
    json_decref(want("DELETE", path, NULL, 400));
    json_t *a = want("GET", "/sim/records?object=CampaignMember&all=1", NULL, 200);
    assert_int_equal(json_integer_value(json_object_get(a, "totalSize")), 1);
    json_decref(a);
    snprintf(path, sizeof path, "{\"lead\":\"%s\"}", lead);
    json_decref(want("POST", "/sim/convert", path, 200));
    json_decref(want("POST", "/sim/convert", path, 400));
}

static void touchpoints_are_shown_with_who_wrote_them(void **state)
{
    (void)state;
    char campaign[SFID_SIZE], path[100];
    record("Campaign", "{\"Name\":\"x\"}", campaign);
    struct write w = {.campaign = campaign, .key = "KEY"};
    write_touchpoint(&w);
    assert_int_equal(w.answer.status, 201);
    done(&w.answer);
    snprintf(path, sizeof path, "/sim/touchpoints?campaign=%s", campaign);
    json_t *a = want("GET", path, NULL, 200);
    const json_t *row = json_array_get(json_object_get(a, "records"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "Campaign_Member_Id__c")), "KEY");
    assert_string_equal(json_string_value(json_object_get(row, "LastModifiedBy")),
                        "integration@example.com");
    json_decref(a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_answer_carries_the_api_usage),
        T(a_request_without_a_living_token_is_refused),
        T(long_heads_are_refused_by_their_part),
        T(chunked_bodies_and_other_content_types),
        T(a_write_locks_its_campaign_until_its_answer_has_left),
        T(a_job_is_uploaded_in_chunks_and_runs_by_itself),
        T(generated_data_follow_from_the_seed),
        T(control_routes_do_what_the_readme_says),
        T(touchpoints_are_shown_with_who_wrote_them),
    };
#undef T
    return run_group("server", tests, sizeof tests / sizeof tests[0]);
}
