/*
 * Queries: the SOQL that is sent, pages, dead cursors, and long lists of ids.
 */
#include "org_records.h"

/* ------------------------------------------------------------------ pages */

static void members_of_a_campaign_come_page_by_page(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    will_page(x, 3, "/services/data/v64.0/query/01gRO0000016PIAYA2-2000",
              LEAD_ROW(M1) "," LEAD_ROW(M2));
    will_page(x, 3, NULL, LEAD_ROW(M3));
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                     ERR_NONE);
    assert_string_equal(target(x, 0), QUERY MEMBER_SELECT " FROM CampaignMember WHERE CampaignId = "
                                                          "'" CAMPAIGN "' ORDER BY Id");
    assert_string_equal(target(x, 1), "/services/data/v64.0/query/01gRO0000016PIAYA2-2000");
    assert_contains(fake_request(x->fake, 0)->headers, "Sforce-Query-Options: batchSize=2000\r\n");
    assert_null(strchr(fake_request(x->fake, 0)->raw_target, ' '));
    assert_int_equal(s.batches, 2);
    assert_string_equal(s.text.data, M1 " campaign=" CAMPAIGN " contact= lead=" L1
                                        " email=lead@example.com responded=0 status=Sent\n" M2
                                        " campaign=" CAMPAIGN " contact= lead=" L1
                                        " email=lead@example.com responded=0 status=Sent\n" M3
                                        " campaign=" CAMPAIGN " contact= lead=" L1
                                        " email=lead@example.com responded=0 status=Sent\n");
    buf_release(&s.text);
}

static void a_dead_cursor_goes_on_after_the_last_id(void **state)
{
    static const struct {
        int status;
        const char *code;
    } rows[] = {
        {400, "INVALID_QUERY_LOCATOR"},        {400, "QUERY_LOCATOR_EXPIRED"},
        {400, "QUERY_LOCATOR_NOT_FOUND"},      {404, "NOT_FOUND"},
        {400, "TEMPORARY_QUERY_MORE_FAILURE"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s = seen_new();
        will_page(x, 3, "/services/data/v64.0/query/01g-2", LEAD_ROW(M1) "," LEAD_ROW(M2));
        will_refuse(x, rows[i].status, rows[i].code);
        will_page(x, 1, NULL, LEAD_ROW(M3));
        assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                         ERR_NONE);
        assert_string_equal(target(x, 3 * i + 2),
                            QUERY MEMBER_SELECT " FROM CampaignMember WHERE CampaignId = '" CAMPAIGN
                                                "' AND Id > '" M2 "' ORDER BY Id");
        assert_int_equal(s.rows, 3);
        buf_release(&s.text);
    }
}

static void other_failures_of_a_page_end_the_walk(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    will_page(x, 3, "/services/data/v64.0/query/01g-2", LEAD_ROW(M1));
    will_refuse(x, 503, "SERVER_UNAVAILABLE");
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                     ERR_BUSY);
    assert_int_equal(fake_count(x->fake), 2);
    /* a locator's code on a first page is no dead cursor */
    will_refuse(x, 400, "INVALID_QUERY_LOCATOR");
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                     ERR_BUSY);
    assert_int_equal(fake_count(x->fake), 3);
    buf_release(&s.text);
}

static void a_walk_with_fewer_records_than_announced_is_no_success(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    will_page(x, 3, "/services/data/v64.0/query/01g-2", LEAD_ROW(M1));
    will_page(x, 3, NULL, LEAD_ROW(M2));
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                     ERR_NETWORK);
    assert_contains(x->e.text, "fewer");
    buf_release(&s.text);
}

static void a_next_page_elsewhere_is_not_asked_for(void **state)
{
    static const char *const bad[] = {
        "https://evil.example/services/data/x",
        "//evil.example/services/data/x",
        "/other",
        "/services/data/../../x",
        "/services/data/a b",
        "/services/data/a\\u000d\\u000aX: y",
        "",
    };
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        will_page(x, 3, bad[i], LEAD_ROW(M1));
        assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                         ERR_NETWORK);
        assert_contains(x->e.text, "nextRecordsUrl");
    }
    will_page(x, 3, "/services/data/v64.0/query/01g-0", "");
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                     ERR_NETWORK);
    assert_int_equal(fake_count(x->fake), sizeof bad / sizeof bad[0] + 1);
    buf_release(&s.text);
}

static void the_caller_may_end_the_walk(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    s.answer = ERR_STALE;
    will_page(x, 3, "/services/data/v64.0/query/01g-2", LEAD_ROW(M1));
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                     ERR_STALE);
    assert_string_equal(x->e.text, "enough");
    assert_int_equal(fake_count(x->fake), 1);
    buf_release(&s.text);
}

/* ------------------------------------------------------------------ ids in lists */

static void make_ids(char (*ids)[SFID_SIZE], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "00v%012u", (unsigned)i);
        assert_true(sfid_normalise(id, 15, ids[i]));
    }
}

/* One answer to a Composite; each part is a status and a body. */
static void will_compose(struct fixture *x, const char *const (*parts)[2], size_t n)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, "{\"compositeResponse\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s{\"httpStatusCode\":%s,\"body\":%s,\"referenceId\":\"part%zu\"}",
                   i == 0 ? "" : ",", parts[i][0], parts[i][1], i);
    buf_puts(&b, "]}");
    fake_will(x->fake, 200, b.data);
    buf_release(&b);
}

#define NOTHING "{\"totalSize\":0,\"done\":true,\"records\":[]}"

static enum err read_by_ids(struct fixture *x, size_t n, struct seen *s)
{
    char(*ids)[SFID_SIZE] = mem_array(n, sizeof *ids);
    make_ids(ids, n);
    enum err err =
        org_read_members(x->conn, NULL, (const char(*)[SFID_SIZE])ids, n, see_members, s, &x->e);
    free(ids);
    return err;
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

static void two_thousand_ids_cost_one_call(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char *const five[][2] = {
        {"200", NOTHING}, {"200", NOTHING}, {"200", NOTHING}, {"200", NOTHING}, {"200", NOTHING}};
    struct seen s = seen_new();
    will_compose(x, five, 5);
    will_page(x, 0, NULL, ""); /* what is left fits one query: no Composite */
    assert_int_equal(read_by_ids(x, 2001, &s), ERR_NONE);
    assert_int_equal(fake_count(x->fake), 2);
    const struct fake_request *r = fake_request(x->fake, 0);
    assert_string_equal(r->method, "POST");
    assert_string_equal(r->target, "/services/data/v64.0/composite");
    assert_int_equal(count_of(r->body, "\"method\":\"GET\""), 5);
    assert_int_equal(count_of(r->body, "%2700v"), 2000);
    assert_string_equal(fake_request(x->fake, 1)->method, "GET");
    assert_int_equal(org_conn_calls(x->conn), 2);
    buf_release(&s.text);
}

static void a_part_with_more_pages_is_read_to_its_end(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char *const parts[][2] = {
        {"200", "{\"totalSize\":2,\"done\":false,\"nextRecordsUrl\":\"/services/data/v64.0/query/"
                "01g-1\",\"records\":[" LEAD_ROW(M1) "]}"},
        {"200", "{\"totalSize\":1,\"done\":true,\"records\":[" LEAD_ROW(M3) "]}"}};
    struct seen s = seen_new();
    will_compose(x, parts, 2);
    will_page(x, 2, NULL, LEAD_ROW(M2));
    assert_int_equal(read_by_ids(x, 500, &s), ERR_NONE);
    assert_string_equal(target(x, 1), "/services/data/v64.0/query/01g-1");
    assert_int_equal(s.rows, 3);
    buf_release(&s.text);
}

static void a_part_that_is_refused_ends_the_walk_as_a_request_would(void **state)
{
    static const struct {
        const char *status, *body;
        enum err want;
    } rows[] = {
        {"503", "[{\"errorCode\":\"SERVER_UNAVAILABLE\",\"message\":\"m\"}]", ERR_BUSY},
        {"403", "[{\"errorCode\":\"REQUEST_LIMIT_EXCEEDED\",\"message\":\"m\"}]", ERR_LIMIT},
        {"400", "[{\"errorCode\":\"INVALID_FIELD\",\"message\":\"No such column\"}]", ERR_CONFIG},
        {"500", "null", ERR_BUSY},
        {"404", "{}", ERR_NETWORK},
        {"200", "{\"records\":[]}", ERR_NETWORK},
        {"200", "{\"totalSize\":2,\"done\":true,\"records\":[]}", ERR_NETWORK},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const parts[][2] = {{"200", NOTHING}, {rows[i].status, rows[i].body}};
        struct seen s = seen_new();
        will_compose(x, parts, 2);
        assert_int_equal(read_by_ids(x, 500, &s), rows[i].want);
        assert_contains(x->e.text, "query");
        buf_release(&s.text);
    }
}

static void queries_that_are_refused_inside_a_composite_go_one_by_one(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char *const parts[][2] = {
        {"404", "[{\"errorCode\":\"NOT_FOUND\",\"message\":\"m\"}]"}, {"200", NOTHING}};
    struct seen s = seen_new();
    will_compose(x, parts, 2);
    will_page(x, 1, NULL, LEAD_ROW(M1));
    will_page(x, 1, NULL, LEAD_ROW(M2));
    assert_int_equal(read_by_ids(x, 500, &s), ERR_NONE);
    assert_int_equal(s.rows, 2);
    assert_int_equal(fake_count(x->fake), 3);
    will_refuse(x, 400, "INVALID_FIELD"); /* the whole; then each part as it is */
    will_refuse(x, 400, "INVALID_FIELD");
    assert_int_equal(read_by_ids(x, 500, &s), ERR_CONFIG);
    buf_release(&s.text);
}

static void an_answer_without_one_result_a_part_is_not_understood(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"compositeResponse\":[]}",
        "{\"compositeResponse\":[{\"httpStatusCode\":200,\"body\":" NOTHING
        ",\"referenceId\":\"part0\"}]}",
        "{\"compositeResponse\":[{\"httpStatusCode\":200,\"body\":" NOTHING
        ",\"referenceId\":\"part1\"},{\"httpStatusCode\":200,\"body\":" NOTHING
        ",\"referenceId\":\"part0\"}]}",
        "{\"compositeResponse\":[{\"body\":" NOTHING
        ",\"referenceId\":\"part0\"},{\"httpStatusCode\":200,\"referenceId\":\"part1\"}]}",
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct seen s = seen_new();
        fake_will(x->fake, 200, bad[i]);
        assert_int_equal(read_by_ids(x, 500, &s), ERR_NETWORK);
        buf_release(&s.text);
    }
}

static void lists_are_cut_at_15000_bytes_too(void **state)
{
    enum { N = 1000, FIELDS = 60 };
    struct fixture *x = fixture_of(state);
    static const char *fields[FIELDS];
    static char names[FIELDS][90];
    static const char *const five[][2] = {
        {"200", NOTHING}, {"200", NOTHING}, {"200", NOTHING}, {"200", NOTHING}, {"200", NOTHING}};
    struct seen s = seen_new();
    for (unsigned i = 0; i < FIELDS; i++) {
        (void)snprintf(names[i], sizeof names[i], "A_field_with_quite_a_long_name_%040u__c", i);
        fields[i] = names[i];
    }
    x->policy.member_fields = fields;
    x->policy.member_field_count = FIELDS;
    will_compose(x, five, 5);
    assert_int_equal(read_by_ids(x, N, &s), ERR_NONE);
    const char *body = fake_request(x->fake, 0)->body;
    assert_int_equal(count_of(body, "%2700v"), N);
    for (const char *at = body; (at = strstr(at, "\"url\":\"")) != NULL; at++)
        assert_in_range(strcspn(at + 7, "\""), 1, 15000);
    buf_release(&s.text);
}

static void rules_with_more_fields_than_a_url_takes_are_a_wrong_configuration(void **state)
{
    enum { FIELDS = 300 };
    struct fixture *x = fixture_of(state);
    static const char *fields[FIELDS];
    static char names[FIELDS][90];
    struct seen s = seen_new();
    for (unsigned i = 0; i < FIELDS; i++) {
        (void)snprintf(names[i], sizeof names[i], "A_field_with_quite_a_long_name_%040u__c", i);
        fields[i] = names[i];
    }
    x->policy.member_fields = fields;
    x->policy.member_field_count = FIELDS;
    assert_int_equal(org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, &s, &x->e),
                     ERR_CONFIG);
    assert_contains(x->e.text, "fewer fields");
    assert_int_equal(fake_count(x->fake), 0);
    buf_release(&s.text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(members_of_a_campaign_come_page_by_page),
        T(a_dead_cursor_goes_on_after_the_last_id),
        T(other_failures_of_a_page_end_the_walk),
        T(a_walk_with_fewer_records_than_announced_is_no_success),
        T(a_next_page_elsewhere_is_not_asked_for),
        T(the_caller_may_end_the_walk),
        T(two_thousand_ids_cost_one_call),
        T(a_part_with_more_pages_is_read_to_its_end),
        T(a_part_that_is_refused_ends_the_walk_as_a_request_would),
        T(queries_that_are_refused_inside_a_composite_go_one_by_one),
        T(an_answer_without_one_result_a_part_is_not_understood),
        T(lists_are_cut_at_15000_bytes_too),
        T(rules_with_more_fields_than_a_url_takes_are_a_wrong_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
