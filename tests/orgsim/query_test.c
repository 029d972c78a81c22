/*
 * Records and pages of a query, without a network. Hermetic: an org in this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "campaign_fixture.h"
#include "mem.h"
#include "service.h"

static void add_members(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char lead[SFID_SIZE], id[SFID_SIZE];
        test_record(org, "Lead", lead, "{\"LastName\":\"L%zu\",\"Company\":\"K\"}", i % 10);
        test_record(org, "CampaignMember", id, "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\"}",
                    campaign, lead);
    }
}

/* Walks all pages of 200; gives how many rows and pages there were. */
static size_t walk(const char *soql, size_t *pages, char *second_url, size_t size)
{
    struct sim_request r;
    size_t rows = 0;
    char *q = test_escape(soql), *target = mem_printf("%s/query?q=%s", V, q);
    json_t *page = NULL;
    *pages = 0;
    do {
        struct sim_reply reply = {.status = 0};
        json_decref(page);
        sim_request_parse(&r, HTTP_GET, target);
        r.authorization = org->token;
        r.query_options = "batchSize=200";
        service_execute(org->sim, &r, &reply);
        sim_reply_parse(&reply);
        assert_int_equal(reply.status, 200);
        page = json_incref(reply.json);
        rows += json_array_size(test_at(page, "records"));
        (*pages)++;
        free(target);
        target = mem_strdup(json_string_value(test_at(page, "nextRecordsUrl")));
        if (*pages == 1 && target != NULL)
            snprintf(second_url, size, "%s", target);
        sim_reply_release(&reply);
        sim_request_release(&r);
    } while (target != NULL);
    assert_true(json_is_true(test_at(page, "done")));
    json_decref(page);
    free(q);
    return rows;
}

static void pages_hold_each_row_once_and_can_be_fetched_again(void **state)
{
    (void)state;
    static const char *const orders[] = {"", " ORDER BY Id", " ORDER BY Lead.LastName DESC"};
    add_members(450);
    for (size_t i = 0; i < 3; i++) {
        char soql[200], second[200] = "";
        size_t pages;
        snprintf(soql, sizeof soql, "SELECT Id FROM CampaignMember WHERE CampaignId = '%s'%s",
                 campaign, orders[i]);
        assert_int_equal(walk(soql, &pages, second, sizeof second), 450);
        assert_int_equal(pages, 3);
        json_t *a = test_call(org, "GET", second, NULL, 200),
               *b = test_call(org, "GET", second, NULL, 200);
        assert_true(json_equal(a, b));
        assert_int_equal(test_number(a, "totalSize"), 450);
        json_decref(a);
        json_decref(b);
        char *unknown = mem_printf("%s1", second); /* an offset that was never announced */
        json_decref(test_call(org, "GET", unknown, NULL, 400));
        free(unknown);
    }
}

static void a_limit_bounds_the_pages_and_an_old_locator_expires(void **state)
{
    (void)state;
    char soql[200], second[200] = "";
    size_t pages;
    add_members(450);
    snprintf(soql, sizeof soql, "SELECT Id FROM CampaignMember WHERE CampaignId = '%s' LIMIT 300",
             campaign);
    assert_int_equal(walk(soql, &pages, second, sizeof second), 300);
    assert_int_equal(pages, 2);
    sim_clock_set(&org->sim->clock, sim_clock_ms(&org->sim->clock) + 3 * 86400000LL, false);
    json_t *a = test_call(org, "GET", second, NULL, 401); /* the token has expired, too */
    assert_string_equal(test_code(a), "INVALID_SESSION_ID");
    json_decref(a);
    test_login(org);
    a = test_call(org, "GET", second, NULL, 400);
    assert_string_equal(test_code(a), "QUERY_LOCATOR_EXPIRED");
    json_decref(a);
}

static void text_of_any_kind_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char text[] = "a \"quoted\" \\ back\tslash \xe2\x82\xac\n\x7f end";
    char lead[SFID_SIZE];
    json_t *fields = json_pack("{s:s, s:s, s:s}", "LastName", text, "Company", "K", "Title", "t");
    char *body = json_dumps(fields, 0);
    json_t *made = test_call(org, "POST", V "/sobjects/Lead", body, 201);
    snprintf(lead, sizeof lead, "%s", test_text(made, "id"));
    char *soql = mem_printf("SELECT Title, LastName, Owner.Name, IsConverted, Id, Owner.Username "
                            "FROM Lead WHERE Id = '%s'",
                            lead);
    json_t *a = test_query(org, soql, 200);
    static const char *const names[] = {"attributes", "Title",       "LastName",
                                        "Owner",      "IsConverted", "Id"};
    const char *name;
    json_t *value, *row = json_array_get(json_object_get(a, "records"), 0);
    size_t i = 0;
    json_object_foreach(row, name, value)
    {
        assert_true(i < 6);
        assert_string_equal(name, names[i++]);
    }
    assert_int_equal(i, 6);
    assert_string_equal(test_text(row, "LastName"), text);
    assert_string_equal(test_text(row, "Owner.Username"), "integration@example.com");
    assert_string_equal(test_text(row, "Owner.attributes.type"), "User");
    assert_true(json_is_false(test_at(row, "IsConverted")));
    json_decref(a);
    free(soql);
    json_decref(made);
    free(body);
    json_decref(fields);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(text_of_any_kind_comes_back_as_it_was),
        T(pages_hold_each_row_once_and_can_be_fetched_again),
        T(a_limit_bounds_the_pages_and_an_old_locator_expires),
    };
#undef T
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
