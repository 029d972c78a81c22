/*
 * Bulk API 2.0 query jobs: their life, their CSV, the parts of a result, and what they refuse.
 * Hermetic: an org in this process, worked off by hand; results are read by libcsv.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bulk_fixture.h"
#include "stats.h"

static void create(const char *operation, const char *soql, char job[SFID_SIZE])
{
    json_t *body = json_pack("{s:s, s:s}", "operation", operation, "query", soql);
    char *text = json_dumps(body, 0);
    json_t *a = call("POST", "query", "", "", text, 200);
    snprintf(job, SFID_SIZE, "%s", test_text(a, "id"));
    assert_string_equal(test_text(a, "state"), "UploadComplete");
    json_decref(a);
    json_decref(body);
    free(text);
}

/* One part of a result. */
struct part {
    struct table table;
    char locator[64];
    size_t count;
};

static struct part part_of(const char *job, const char *params)
{
    struct part p = {.count = 0};
    struct sim_reply reply;
    char *target = mem_printf(V "/jobs/query/%s/results%s", job, params);
    test_send(org, "GET", target, NULL, NULL, 200, &reply);
    for (size_t i = 0; i < reply.header_count; i++) {
        const struct sim_header *h = &reply.headers[i];
        if (strcmp(h->name, "Sforce-Locator") == 0)
            snprintf(p.locator, sizeof p.locator, "%s", h->value);
        if (strcmp(h->name, "Sforce-NumberOfRecords") == 0)
            p.count = (size_t)strtoul(h->value, NULL, 10);
    }
    p.table = read_csv(reply.text, ',');
    assert_int_equal(p.table.count, p.count + 1);
    sim_reply_release(&reply);
    free(target);
    return p;
}

static void add_leads(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char id[SFID_SIZE];
        test_record(org, "Lead", id, "{\"LastName\":\"L%zu\",\"Company\":\"K\"}", i);
    }
}

static void a_query_job_goes_through_its_states(void **state)
{
    (void)state;
    char job[SFID_SIZE], *results;
    add_leads(3);
    create("query", "SELECT Id, LastName FROM Lead", job);
    results = mem_printf(V "/jobs/query/%s/results", job);
    json_t *a = test_call(org, "GET", results, NULL, 412);
    assert_string_equal(test_code(a), "JOB_NOT_COMPLETE");
    json_decref(a);
    bulk_step(org->sim->bulk);
    a = call("GET", "query", job, "", NULL, 200);
    assert_string_equal(test_text(a, "state"), "InProgress");
    assert_string_equal(test_text(a, "jobType"), "V2Query");
    assert_string_equal(test_text(a, "object"), "Lead");
    json_decref(a);
    json_decref(call("DELETE", "query", job, "", NULL, 400));
    drain();
    a = call("GET", "query", job, "", NULL, 200);
    assert_string_equal(test_text(a, "state"), "JobComplete");
    assert_int_equal(test_number(a, "numberRecordsProcessed"), 3);
    json_decref(a);
    struct part p = part_of(job, "");
    assert_int_equal(p.count, 3);
    assert_string_equal(p.locator, "null");
    table_free(&p.table);
    char *other = mem_printf("/services/data/v63.0/jobs/query/%s/results", job);
    json_decref(test_call(org, "GET", other, NULL, 409));
    a = call("GET", "query", "", "?jobType=V2Query", NULL, 200);
    assert_int_equal(json_array_size(test_at(a, "records")), 1);
    json_decref(a);
    json_decref(call("DELETE", "query", job, "", NULL, 204));
    json_decref(test_call(org, "GET", results, NULL, 404));
    free(other);
    free(results);
}

static void values_are_written_as_csv(void **state)
{
    (void)state;
    char job[SFID_SIZE], lead[SFID_SIZE], id[SFID_SIZE];
    test_record(org, "Lead", lead, "{\"LastName\":\"a, \\\"b\\\"\",\"Company\":\"K\"}");
    test_record(org, "CampaignMember", id,
                "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\",\"Buyer_Touchpoint_Date__c\":"
                "\"2026-01-15T09:30:00Z\",\"Status\":\"Responded\"}",
                campaign, lead);
    create("query",
           "SELECT Id, campaign.name, Lead.LastName, Lead.Owner.Username, Contact.Email, "
           "HasResponded, Buyer_Touchpoint_Date__c FROM CampaignMember",
           job);
    drain();
    struct part p = part_of(job, "");
    static const char *const head[] = {"Id",
                                       "Campaign.Name",
                                       "Lead.LastName",
                                       "Lead.Owner.Username",
                                       "Contact.Email",
                                       "HasResponded",
                                       "Buyer_Touchpoint_Date__c"};
    const char *row[] = {
        id, "Expo", "a, \"b\"", "admin@example.com", "", "true", "2026-01-15T09:30:00.000Z"};
    assert_int_equal(p.count, 1);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(p.table.rows[0][i], head[i]);
        assert_string_equal(p.table.rows[1][i], row[i]);
    }
    table_free(&p.table);
}

static void parts_hold_each_row_once_and_can_be_read_again(void **state)
{
    (void)state;
    enum { ROWS = 4500 };
    static const char *const orders[] = {"", " ORDER BY LastName DESC", " LIMIT 4500"};
    add_leads(ROWS);
    for (size_t o = 0; o < 3; o++) {
        char job[SFID_SIZE], params[100] = "?maxRecords=1000";
        size_t total = 0, parts = 0;
        char *soql = mem_printf("SELECT LastName, Id FROM Lead%s", orders[o]);
        bool *seen = mem_array(ROWS, sizeof *seen);
        create("query", soql, job);
        drain();
        for (bool more = true; more; parts++) {
            struct part p = part_of(job, params), again = part_of(job, params);
            assert_string_equal(p.table.rows[1][1], again.table.rows[1][1]);
            assert_string_equal(p.locator, again.locator);
            for (size_t i = 1; i < p.table.count; i++) {
                size_t n = (size_t)strtoul(p.table.rows[i][0] + 1, NULL, 10);
                assert_false(seen[n]);
                seen[n] = true;
            }
            total += p.count;
            more = strcmp(p.locator, "null") != 0;
            snprintf(params, sizeof params, "?maxRecords=1000&locator=%s", p.locator);
            table_free(&p.table);
            table_free(&again.table);
        }
        assert_int_equal(parts, 5);
        assert_int_equal(total, ROWS);
        free(seen);
        free(soql);
        char *bad = mem_printf(V "/jobs/query/%s/results?locator=Lffff", job);
        json_decref(test_call(org, "GET", bad, NULL, 400));
        free(bad);
        org->sim->behaviour.query_job_page = 1000 + (int64_t)o; /* without maxRecords */
        struct part p = part_of(job, "");
        assert_int_equal(p.count, 1000 + o);
        table_free(&p.table);
    }
}

static void deleted_rows_come_with_query_all(void **state)
{
    (void)state;
    char job[SFID_SIZE], lead[SFID_SIZE];
    test_record(org, "Lead", lead, "{\"LastName\":\"L\",\"Company\":\"K\"}");
    assert_string_equal(test_remove(org, lead), "");
    for (size_t all = 0; all < 2; all++) {
        create(all ? "queryAll" : "query", "SELECT Id FROM Lead WHERE LastName = 'L'", job);
        drain();
        struct part p = part_of(job, "");
        assert_int_equal(p.count, all);
        table_free(&p.table);
    }
}

static void what_bulk_cannot_query_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *code;
    } rows[] = {
        {"{\"operation\":\"query\"}", "INVALIDJOB"},
        {"{\"operation\":\"insert\",\"query\":\"SELECT Id FROM Lead\"}", "INVALIDJOB"},
        {"{\"operation\":\"query\",\"query\":\"SELECT COUNT() FROM Lead\"}", "MALFORMED_QUERY"},
        {"{\"operation\":\"query\",\"query\":\"SELECT Id FROM Lead OFFSET 1\"}", "MALFORMED_QUERY"},
        {"{\"operation\":\"query\",\"query\":\"SELECT Nope FROM Lead\"}", "INVALID_FIELD"},
        {"{\"operation\":\"query\",\"query\":\"SELECT Id FROM Nope\"}", "INVALID_TYPE"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *a = call("POST", "query", "", "", rows[i].body, 400);
        if (strcmp(test_code(a), rows[i].code) != 0)
            fail_msg("%s: %s, not %s", rows[i].body, test_code(a), rows[i].code);
        json_decref(a);
    }
    org->sim->stats->query_jobs.limit = 0;
    json_t *a = call("POST", "query", "", "",
                     "{\"operation\":\"query\",\"query\":\"SELECT Id FROM Lead\"}", 400);
    assert_string_equal(test_code(a), "EXCEEDEDQUOTA");
    json_decref(a);
}

static void a_query_job_can_fail_or_be_aborted(void **state)
{
    (void)state;
    char job[SFID_SIZE];
    add_leads(3);
    add_fault("{\"match\":{\"operation\":\"query_job\"},\"kind\":\"bulk_fail\"}");
    create("query", "SELECT Id FROM Lead", job);
    drain();
    json_t *a = call("GET", "query", job, "", NULL, 200);
    assert_string_equal(test_text(a, "state"), "Failed");
    json_decref(a);
    create("query", "SELECT Id FROM Lead", job);
    json_decref(call("PATCH", "query", job, "", "{\"state\":\"UploadComplete\"}", 400));
    a = call("PATCH", "query", job, "", "{\"state\":\"Aborted\"}", 200);
    assert_string_equal(test_text(a, "state"), "Aborted");
    json_decref(a);
    char *results = mem_printf(V "/jobs/query/%s/results", job);
    json_decref(test_call(org, "GET", results, NULL, 412));
    free(results);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_query_job_goes_through_its_states),
        T(values_are_written_as_csv),
        T(parts_hold_each_row_once_and_can_be_read_again),
        T(deleted_rows_come_with_query_all),
        T(what_bulk_cannot_query_is_refused),
        T(a_query_job_can_fail_or_be_aborted),
    };
#undef T
    return cmocka_run_group_tests_name("bulk_query", tests, NULL, NULL);
}
