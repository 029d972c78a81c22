/*
 * The org over real HTTP: headers, sizes, faults, latency and locks, control routes. Hermetic: the
 * server runs on loopback in a thread of this process; libcurl is the client.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <pthread.h>

#include "mem.h"
#include "soap.h"
#include "test_org.h"
#include "timeutil.h"

#define V "/services/data/v64.0"

static struct test_org *org;
static struct event_base *base;
static struct server *server;
static struct event *stop;
static int stop_pipe[2];
static pthread_t thread;
static char address[64], token_header[200];

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(arg);
}

static void *serve(void *arg)
{
    event_base_dispatch(arg);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    struct error e;
    uint16_t port = 0;
    org = test_org_new();
    sim_close(&org->sim);
    base = event_base_new();
    assert_int_equal(sim_open(&org->sim, &org->options, base, &e), ERR_NONE);
    assert_int_equal(server_start(&server, org->sim, &port, &e), ERR_NONE);
    snprintf(address, sizeof address, "http://127.0.0.1:%u", (unsigned)port);
    memcpy(org->sim->address, address, sizeof address);
    test_login(org);
    snprintf(token_header, sizeof token_header, "Authorization: %s", org->token);
    assert_int_equal(pipe(stop_pipe), 0);
    stop = event_new(base, stop_pipe[0], EV_READ, on_stop, base);
    event_add(stop, NULL);
    assert_int_equal(pthread_create(&thread, NULL, serve, base), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(write(stop_pipe[1], "s", 1), 1);
    pthread_join(thread, NULL);
    event_free(stop);
    close(stop_pipe[0]);
    close(stop_pipe[1]);
    server_stop(&server);
    test_org_free(&org);
    event_base_free(base);
    return 0;
}

/* ------------------------------------------------------------------ a client */

struct answer {
    CURLcode rc;
    long status;
    struct buf head, body;
    json_t *json; /* or NULL */
};

static size_t take(char *bytes, size_t size, size_t n, void *arg)
{
    buf_put(arg, bytes, size * n);
    return size * n;
}

static struct answer call_with(const char *method, const char *path, const char *body,
                               const char *extra, long timeout_ms)
{
    struct answer a = {.status = 0};
    CURL *curl = curl_easy_init();
    char *target = mem_printf("%s%s", address, path);
    struct curl_slist *headers = curl_slist_append(NULL, token_header);
    if (body != NULL)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    if (extra != NULL)
        headers = curl_slist_append(headers, extra);
    buf_init(&a.head, 1 << 20);
    buf_init(&a.body, 64 << 20);
    curl_easy_setopt(curl, CURLOPT_URL, target);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &a.body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &a.head);
    a.rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a.status);
    a.json = json_loadb(a.body.data, a.body.len, JSON_DECODE_ANY, NULL);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(target);
    return a;
}

static struct answer call(const char *method, const char *path, const char *body)
{
    return call_with(method, path, body, NULL, 20000);
}

static void done(struct answer *a)
{
    buf_release(&a->head);
    buf_release(&a->body);
    json_decref(a->json);
}

/* The call must answer with the status; gives the JSON. */
static json_t *want(const char *method, const char *path, const char *body, long status)
{
    struct answer a = call(method, path, body);
    if (a.rc != CURLE_OK || a.status != status)
        fail_msg("%s %s: %s, status %ld, not %ld: %s", method, path, curl_easy_strerror(a.rc),
                 a.status, status, a.body.data);
    json_t *json = json_incref(a.json);
    done(&a);
    return json;
}

static void control(const char *path, const char *body)
{
    json_decref(want("POST", path, body, 200));
}

static void record(const char *object, const char *fields, char id[SFID_SIZE])
{
    char *body = mem_printf("{\"object\":\"%s\",\"records\":[%s]}", object, fields);
    json_t *a = want("POST", "/sim/records", body, 200);
    snprintf(id, SFID_SIZE, "%s", json_string_value(json_array_get(json_object_get(a, "ids"), 0)));
    json_decref(a);
    free(body);
}

static int64_t stat_of(const char *group, const char *name)
{
    json_t *a = want("GET", "/sim/stats", NULL, 200);
    int64_t n = json_integer_value(json_object_get(json_object_get(a, group), name));
    json_decref(a);
    return n;
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
        T(faults_fire_where_when_and_as_often_as_asked),
        T(whether_it_was_done_depends_on_the_kind),
        T(what_is_late_is_done_though_the_client_has_gone),
        T(a_fault_takes_the_token_or_the_login),
        T(a_row_fault_hits_its_row_only),
        T(a_write_locks_its_campaign_until_its_answer_has_left),
        T(generated_data_follow_from_the_seed),
        T(control_routes_do_what_the_readme_says),
        T(touchpoints_are_shown_with_who_wrote_them),
    };
#undef T
    curl_global_init(CURL_GLOBAL_DEFAULT);
    soap_global_init();
    int failed = cmocka_run_group_tests_name("server", tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
