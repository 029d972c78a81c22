/*
 * Large campaigns: read as a bulk query job, page by page; complete or an error; by pages where
 * bulk is not to be had.
 */
#include "org_bulk.h"

/* ------------------------------------------------------------------ the life of a job */

static void a_large_campaign_comes_as_a_job(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s;
    will_be_large(x);
    will_job(x, "UploadComplete", "");
    will_job(x, "InProgress", ",\"numberRecordsProcessed\":1");
    will_complete(x, 3);
    will_csv(x, 2, "MTAw+/=", MEMBER_HEADER MEMBER_ROW(M1) MEMBER_ROW(M2));
    will_csv(x, 1, "null", MEMBER_HEADER MEMBER_ROW(M3));
    fake_will(x->fake, 204, "");
    assert_int_equal(read_all(x, &s), ERR_NONE);
    assert_string_equal(s.text.data, SEEN(M1) SEEN(M2) SEEN(M3));
    assert_int_equal(s.batches, 2);

    assert_request(x, 0, "GET",
                   QUERY MEMBER_SELECT " FROM CampaignMember WHERE CampaignId = '" CAMPAIGN
                                       "' ORDER BY Id");
    assert_request(x, 1, "POST", QUERYS);
    assert_string_equal(fake_request(x->fake, 1)->body,
                        "{\"operation\":\"query\",\"query\":\"" MEMBER_SELECT
                        " FROM CampaignMember WHERE CampaignId = '" CAMPAIGN "'\"}");
    assert_contains(fake_request(x->fake, 1)->headers, "Content-Type: application/json");
    assert_request(x, 2, "GET", QUERYS "/" JOB);
    assert_request(x, 3, "GET", QUERYS "/" JOB);
    assert_request(x, 4, "GET", QUERYS "/" JOB "/results?maxRecords=20000");
    assert_contains(fake_request(x->fake, 4)->headers, "Accept: text/csv\r\n");
    assert_request(x, 5, "GET", QUERYS "/" JOB "/results?maxRecords=20000&locator=MTAw+/=");
    assert_contains(fake_request(x->fake, 5)->raw_target, "locator=MTAw%2B%2F%3D");
    assert_request(x, 6, "DELETE", QUERYS "/" JOB);
    assert_int_equal(fake_count(x->fake), 7);
    buf_release(&s.text);
}

static enum err see_touchpoints(void *ctx, const struct org_touchpoint *t, size_t n,
                                struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    s->rows += n;
    for (size_t i = 0; i < n; i++) {
        buf_printf(&s->text, "%s %s", t[i].id, t[i].key);
        for (size_t v = 0; v < TV_COUNT; v++)
            buf_printf(&s->text, " %s", t[i].value[v]);
        buf_putc(&s->text, '\n');
    }
    return ERR_NONE;
}

static void touchpoints_come_as_a_job_too(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    will_page(x, LARGE, "/services/data/v64.0/query/01g-2000", "{\"Id\":\"" M1 "\"}");
    will_job(x, "UploadComplete", "");
    will_complete(x, 2);
    will_csv(x, 2, "null",
             "Id,Campaign_Member_Id__c,Campaign__c,Lead__c,Contact__c,Email__c,Touchpoint_Date__c,"
             "Channel__c,Subchannel__c,Channel_Path__c,Medium__c,Touchpoint_Source__c,"
             "Touchpoint_Type__c,Ad_Campaign_Id__c,Ad_Campaign_Name__c,Rule__c\n"
             "a0X000000000001EAA," M1 "," CAMPAIGN "," L1 ",,a@b.c,2026-01-15T09:30:00.000Z,Events,"
             ",Events,Other,CRM,CRM," CAMPAIGN ",\"Fair, \"\"2026\"\"\",\n"
             "a0X000000000002EAA," M2 ",,,,,,,,,,,,,,\n");
    fake_will(x->fake, 204, "");
    assert_int_equal(org_read_touchpoints(x->conn, CAMPAIGN, NULL, 0, see_touchpoints, &s, &x->e),
                     ERR_NONE);
    assert_string_equal(s.text.data,
                        "a0X000000000001EAA " M1 " " M1 " " CAMPAIGN " " L1 "  a@b.c "
                        "2026-01-15T09:30:00.000Z Events  Events Other CRM CRM " CAMPAIGN
                        " Fair, \"2026\" \n"
                        "a0X000000000002EAA " M2 " " M2 "              \n");
    assert_contains(fake_request(x->fake, 1)->body,
                    " FROM Buyer_Touchpoint__c WHERE (Campaign__c = '" CAMPAIGN
                    "' OR Ad_Campaign_Id__c = '" CAMPAIGN "') AND Campaign_Member_Id__c != null\"");
    assert_lacks(fake_request(x->fake, 1)->body, "ORDER BY");
    buf_release(&s.text);
}

static void ids_never_come_as_a_job(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    static const char ids[1][SFID_SIZE] = {M1};
    will_page(x, LARGE, "/services/data/v64.0/query/01g-2000", LEAD_ROW(M1));
    will_page(x, LARGE, NULL, "");
    assert_int_equal(org_read_members(x->conn, NULL, ids, 1, see_members, &s, &x->e), ERR_NETWORK);
    assert_contains(x->e.text, "fewer");
    assert_int_equal(fake_count(x->fake), 2);
    buf_release(&s.text);
}

/* ------------------------------------------------------------------ values */

static void cells_become_what_the_json_of_pages_gives(void **state)
{
    static const char *fields[] = {"Score__c", "Vip__c", "Note__c"};
    struct fixture *x = fixture_of(state);
    struct seen s;
    x->policy.member_fields = fields;
    x->policy.member_field_count = 3;
    will_be_large(x);
    fake_will(x->fake, 200,
              "{\"name\":\"CampaignMember\",\"fields\":[{\"name\":\"Id\",\"type\":\"id\"},"
              "{\"name\":\"score__C\",\"type\":\"double\"},{\"name\":\"Vip__c\",\"type\":"
              "\"boolean\"},{\"name\":\"Note__c\",\"type\":\"string\"}]}");
    will_job(x, "UploadComplete", "");
    will_complete(x, 3);
    will_csv(
        x, 3, "null",
        "\"Note__c\",\"Id\",\"CampaignId\",\"LeadId\",\"ContactId\",\"Status\","
        "\"HasResponded\",\"FirstRespondedDate\",\"CreatedDate\",\"Lead.Id\",\"Lead.Email\","
        "\"Lead.IsConverted\",\"Lead.ConvertedContactId\",\"Contact.Id\",\"Contact.Email\","
        "\"Buyer_Touchpoint_Date__c\",\"SCORE__C\",\"Vip__c\"\n"
        "\"5\n\"\"x\"\",\",\"" M1 "\",\"" CAMPAIGN "\",\"\",\"003000000000001AAA\",\"\","
        "\"true\",\"2026-02-01\",\"2026-01-15T09:30:00.000Z\",\"\",\"\",\"\",\"\","
        "\"003000000000001AAA\",\"c@example.com\","
        "\"2026-03-01T00:00:00.000Z\",\"1.50\",\"true\"\n"
        "\"\",\"" M2 "\",\"" CAMPAIGN "\",\"" L1 "\",\"\",\"Sent\",\"false\",\"\","
        "\"2026-01-15T09:30:00.000Z\",\"" L1
        "\",\"l@example.com\",\"false\",\"\",\"\",\"\",\"\",\"\",\"\"\n"
        "\"7\",\"" M3 "\",\"" CAMPAIGN "\",\"\",\"\",\"Sent\",\"false\",\"\","
        "\"2026-01-15T09:30:00.000Z\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"1.0E7\",\"false\"\n");
    fake_will(x->fake, 204, "");
    enum err got = read_all(x, &s);
    if (got != ERR_NONE)
        fail_msg("got %d (%s)", (int)got, x->e.text);
    assert_request(x, 1, "GET", "/services/data/v64.0/sobjects/CampaignMember/describe");
    assert_string_equal(
        s.text.data,
        M1 " campaign=" CAMPAIGN " contact=003000000000001AAA lead= email=c@example.com "
           "responded=1 status=NULL 2:1.5 3:true 1:5\n\"x\",\n" M2 " campaign=" CAMPAIGN
           " contact= lead=" L1 " email=l@example.com responded=0 status=Sent 0: 0: 0:\n" M3
           " campaign=" CAMPAIGN " contact= lead= email=NULL responded=0 status=Sent 2:10000000 "
           "3:false 1:7\n");
    buf_release(&s.text);
}

static void a_cell_of_another_kind_is_not_understood(void **state)
{
    static const struct {
        const char *from, *to, *part;
    } rows[] = {
        {"\"Sent\",\"false\"", "\"Sent\",\"no\"", "HasResponded"},
        {"\"" CAMPAIGN "\"", "\"701\"", "CampaignId"},
        {"\"2026-01-15T09:30:00.000Z\"", "\"yesterday\"", "CreatedDate"},
        {"\"" M1 "\"", "\"\"", "without Id"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static const char csv[] = MEMBER_HEADER MEMBER_ROW(M1);
        struct seen s;
        const char *at = strstr(csv, rows[i].from);
        char *bad =
            mem_printf("%.*s%s%s", (int)(at - csv), csv, rows[i].to, at + strlen(rows[i].from));
        will_run(x, 1);
        will_csv(x, 1, "null", bad);
        enum err got = read_all(x, &s);
        if (got != ERR_NETWORK || strstr(x->e.text, rows[i].part) == NULL)
            fail_msg("%s: got %d (%s)", rows[i].to, (int)got, x->e.text);
        assert_int_equal(s.rows, 0);
        free(bad);
        buf_release(&s.text);
    }
}

static void a_field_that_rules_cannot_compare_is_a_wrong_configuration(void **state)
{
    static const char *fields[] = {"Where__c"};
    struct fixture *x = fixture_of(state);
    struct seen s;
    x->policy.member_fields = fields;
    x->policy.member_field_count = 1;
    will_be_large(x);
    fake_will(x->fake, 200, "{\"fields\":[{\"name\":\"Where__c\",\"type\":\"location\"}]}");
    /* pages have the last word */
    char *member = member_json("{\"Where__c\":{\"latitude\":1.5,\"longitude\":2.5}}");
    will_page(x, 1, NULL, member);
    assert_int_equal(read_all(x, &s), ERR_CONFIG);
    assert_contains(x->e.text, "compound");
    assert_int_equal(fake_count(x->fake), 3);
    free(member);
    buf_release(&s.text);
}

/* ------------------------------------------------------------------ completeness */

static void what_does_not_add_up_is_an_error(void **state)
{
    static const struct {
        const char *name;
        int processed, records;
        const char *locator, *csv, *part;
    } rows[] = {
        {"fewer than the job has", 3, 2, "null", MEMBER_HEADER MEMBER_ROW(M1) MEMBER_ROW(M2),
         "fewer"},
        {"more than the job has", 1, 2, "null", MEMBER_HEADER MEMBER_ROW(M1) MEMBER_ROW(M2),
         "more"},
        {"none where the job has some", 1, 0, "null", MEMBER_HEADER, "fewer"},
        {"no locator is the end", 3, 2, NULL, MEMBER_HEADER MEMBER_ROW(M1) MEMBER_ROW(M2), "fewer"},
        {"a page without rows that is not the last", 3, 0, "abc", MEMBER_HEADER, "nowhere"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        will_run(x, rows[i].processed);
        will_csv(x, rows[i].records, rows[i].locator, rows[i].csv);
        size_t before = fake_count(x->fake);
        enum err got = read_all(x, &s);
        if (got != ERR_NETWORK || strstr(x->e.text, rows[i].part) == NULL)
            fail_msg("%s: got %d (%s)", rows[i].name, (int)got, x->e.text);
        assert_int_equal(fake_count(x->fake) - before, 4); /* first page, create, state, results */
        buf_release(&s.text);
    }
}

static void a_page_may_be_asked_for_again_and_is_given_once(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s;
    will_run(x, 2);
    will_csv(x, 2, "null", MEMBER_HEADER MEMBER_ROW(M1)); /* a row is lost */
    will_csv(x, 2, "null", MEMBER_HEADER MEMBER_ROW(M1) "\"" M2 "\",\"" CAMPAIGN); /* cut */
    will_csv(x, 2, "null", MEMBER_HEADER MEMBER_ROW(M1) MEMBER_ROW(M2));
    fake_will(x->fake, 204, "");
    assert_int_equal(read_all(x, &s), ERR_NONE);
    assert_string_equal(s.text.data, SEEN(M1) SEEN(M2));
    buf_release(&s.text);
}

static void a_page_cut_anywhere_never_counts(void **state)
{
    static const char whole[] = MEMBER_HEADER MEMBER_ROW(M1) MEMBER_ROW(M2);
    struct fixture *x = fixture_of(state);
    for (size_t n = 0; n < sizeof whole - 1; n += n < sizeof MEMBER_HEADER ? 37 : 1) {
        struct seen s;
        char *cut = mem_strndup(whole, n);
        will_be_large(x);
        will_complete(x, 2);
        for (int tries = 0; tries < 3; tries++)
            will_csv(x, n % 2 == 0 ? 2 : -1, "null", cut);
        enum err got = read_all(x, &s);
        if (got != ERR_NETWORK)
            fail_msg("cut after %zu bytes: got %d (%s)", n, (int)got, x->e.text);
        free(cut);
        buf_release(&s.text);
        teardown(state);
        setup_fast(state);
        x = fixture_of(state);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_fast, teardown)
    const struct CMUnitTest tests[] = {
        T(a_large_campaign_comes_as_a_job),
        T(touchpoints_come_as_a_job_too),
        T(ids_never_come_as_a_job),
        T(cells_become_what_the_json_of_pages_gives),
        T(a_cell_of_another_kind_is_not_understood),
        T(a_field_that_rules_cannot_compare_is_a_wrong_configuration),
        T(what_does_not_add_up_is_an_error),
        T(a_page_may_be_asked_for_again_and_is_given_once),
        T(a_page_cut_anywhere_never_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
