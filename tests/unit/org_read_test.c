/*
 * Reading: which SOQL is sent, how pages, dead cursors and long lists of ids are handled, and how
 * records become the rules' structs.
 */
#include "org_fixture.h"

#include <jansson.h>

#include "buf.h"
#include "timeutil.h"

#define CAMPAIGN "701000000000001AAA"
#define QUERY    "/services/data/v64.0/query?q="
#define QUERYALL "/services/data/v64.0/queryAll?q="
#define MEMBER_SELECT                                                                              \
    "SELECT Id,CampaignId,LeadId,ContactId,Status,HasResponded,FirstRespondedDate,CreatedDate,"    \
    "Lead.Email,Lead.IsConverted,Lead.ConvertedContactId,Contact.Email,Buyer_Touchpoint_Date__c"
#define LEAD_MEMBER(id, lead)                                                                      \
    "{\"attributes\":{\"type\":\"CampaignMember\"},\"Id\":\"" id "\",\"CampaignId\":\"" CAMPAIGN   \
    "\",\"LeadId\":\"" lead "\",\"ContactId\":null,\"Status\":\"Sent\",\"HasResponded\":false,"    \
    "\"FirstRespondedDate\":null,\"CreatedDate\":\"2026-01-15T09:30:00.000+0000\",\"Lead\":{"      \
    "\"attributes\":{},\"Email\":\"lead@example.com\",\"IsConverted\":false,"                      \
    "\"ConvertedContactId\":null},\"Contact\":null,\"Buyer_Touchpoint_Date__c\":null}"
#define M1          "00v000000000001AAA"
#define M2          "00v000000000002AAA"
#define M3          "00v000000000003AAA"
#define L1          "00Q000000000001EAA"
#define LEAD_ROW(m) LEAD_MEMBER(m, L1)

static void will_page(struct fixture *x, int total, const char *next, const char *records)
{
    char *body =
        next == NULL
            ? mem_printf("{\"totalSize\":%d,\"done\":true,\"records\":[%s]}", total, records)
            : mem_printf("{\"totalSize\":%d,\"done\":false,\"nextRecordsUrl\":\"%s\",\"records\":"
                         "[%s]}",
                         total, next, records);
    fake_will(x->fake, 200, body);
    free(body);
}

static void will_refuse(struct fixture *x, int status, const char *code)
{
    char *body = mem_printf("[{\"errorCode\":\"%s\",\"message\":\"no\"}]", code);
    fake_will(x->fake, status, body);
    free(body);
}

static const char *target(struct fixture *x, size_t i)
{
    const struct fake_request *r = fake_request(x->fake, i);
    assert_non_null(r);
    return r->target;
}

/* What came, as text: the structs are gone when the call returns. */
struct seen {
    struct buf text;
    size_t batches, rows;
    enum err answer;
};

static enum err see_members(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct seen *s = ctx;
    s->batches++;
    s->rows += n;
    for (size_t i = 0; i < n; i++) {
        buf_printf(&s->text, "%s campaign=%s contact=%s lead=%s email=%s responded=%d status=%s",
                   m[i].id, m[i].campaign_id, m[i].person.contact_id, m[i].person.lead_id,
                   m[i].person.email == NULL ? "NULL" : m[i].person.email, m[i].has_responded,
                   m[i].status == NULL ? "NULL" : m[i].status);
        assert_true(m[i].exists);
        for (size_t f = 0; m[i].fields != NULL && f < 3; f++)
            buf_printf(&s->text, " %d:%s", (int)m[i].fields[f].type, m[i].fields[f].text);
        buf_putc(&s->text, '\n');
    }
    return s->answer == ERR_NONE ? ERR_NONE : error_set(e, s->answer, "enough");
}

static struct seen seen_new(void)
{
    struct seen s = {0};
    buf_init(&s.text, 1 << 20);
    return s;
}

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

static void long_lists_are_cut_at_400_ids_and_15000_bytes(void **state)
{
    enum { N = 1000, FIELDS = 60 };
    struct fixture *x = fixture_of(state);
    static const char *fields[FIELDS];
    static char names[FIELDS][90];
    char(*ids)[SFID_SIZE] = mem_array(N, sizeof *ids);
    struct seen s = seen_new();

    make_ids(ids, N);
    for (int i = 0; i < 3; i++)
        will_page(x, 0, NULL, "");
    assert_int_equal(
        org_read_members(x->conn, NULL, (const char(*)[SFID_SIZE])ids, N, see_members, &s, &x->e),
        ERR_NONE);
    assert_int_equal(fake_count(x->fake), 3);

    for (unsigned i = 0; i < FIELDS; i++) {
        (void)snprintf(names[i], sizeof names[i], "A_field_with_quite_a_long_name_%040u__c", i);
        fields[i] = names[i];
    }
    x->policy.member_fields = fields;
    x->policy.member_field_count = FIELDS;
    for (int i = 0; i < 10; i++)
        will_page(x, 0, NULL, "");
    assert_int_equal(
        org_read_members(x->conn, NULL, (const char(*)[SFID_SIZE])ids, N, see_members, &s, &x->e),
        ERR_NONE);
    size_t asked = 0;
    for (size_t i = 0; i < fake_count(x->fake); i++) {
        const struct fake_request *r = fake_request(x->fake, i);
        assert_true(strlen(r->raw_target) < 15000);
        for (const char *at = r->target; (at = strstr(at, "'00v")) != NULL; at++)
            asked++;
    }
    assert_int_equal(asked, 2 * N); /* each once a call */
    free(ids);
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

/* ------------------------------------------------------------------ members */

static char *member_json(const char *changes)
{
    json_t *m = json_loads(LEAD_ROW(M1), 0, NULL);
    json_t *c = json_loads(changes, 0, NULL);
    assert_non_null(m);
    assert_non_null(c);
    json_object_update(m, c);
    char *text = json_dumps(m, JSON_COMPACT);
    json_decref(c);
    json_decref(m);
    return text;
}

static void a_member_is_its_contact_where_it_has_one(void **state)
{
    static const struct {
        const char *changes, *want;
        bool asks_contact;
    } rows[] = {
        {"{\"ContactId\":\"003000000000001\",\"Contact\":{\"Email\":\"c@example.com\"}}",
         "contact=003000000000001AAA lead= email=c@example.com", false},
        {"{\"ContactId\":\"003000000000001AAA\",\"Contact\":{\"Email\":null}}",
         "contact=003000000000001AAA lead= email=NULL", false},
        {"{\"ContactId\":\"003000000000001AAA\",\"Contact\":null,\"LeadId\":null,\"Lead\":null}",
         "contact=003000000000001AAA lead= email=NULL", false},
        {"{\"ContactId\":null,\"Contact\":null,\"LeadId\":null,\"Lead\":null}",
         "contact= lead= email=NULL", false},
        {"{\"Lead\":null}", "contact= lead=" L1 " email=NULL", false},
        {"{\"Lead\":{\"Email\":\"old@example.com\",\"IsConverted\":true,\"ConvertedContactId\":"
         "\"003000000000009\"}}",
         "contact=003000000000009AAA lead= email=new@example.com", true},
        {"{\"Lead\":{\"Email\":\"old@example.com\",\"IsConverted\":true,\"ConvertedContactId\":"
         "null}}",
         "contact= lead=" L1 " email=old@example.com", false},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s = seen_new();
        size_t before = fake_count(x->fake);
        char *m = member_json(rows[i].changes);
        will_page(x, 1, NULL, m);
        free(m);
        if (rows[i].asks_contact)
            will_page(x, 1, NULL, "{\"Id\":\"003000000000009AAA\",\"Email\":\"new@example.com\"}");
        assert_int_equal(org_read_members(x->conn, NULL, &(const char[SFID_SIZE]){M1}, 1,
                                          see_members, &s, &x->e),
                         ERR_NONE);
        assert_contains(s.text.data, rows[i].want);
        assert_int_equal(fake_count(x->fake) - before, rows[i].asks_contact ? 2 : 1);
        if (rows[i].asks_contact)
            assert_string_equal(
                target(x, before + 1), QUERY
                "SELECT Id,Email FROM Contact WHERE Id IN ('003000000000009AAA') ORDER BY Id");
        buf_release(&s.text);
    }
}

struct dates {
    int64_t created, responded, at, day;
};

static enum err see_dates(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct dates *d = ctx;
    (void)e;
    assert_int_equal(n, 1);
    *d = (struct dates){m->created_at_ms, m->first_responded_day, m->touchpoint_at_ms,
                        m->touchpoint_day};
    return ERR_NONE;
}

static void dates_come_as_days_or_instants(void **state)
{
    static const struct {
        const char *changes;
        struct dates want;
    } rows[] = {
        {"{}", {1768469400000, TIME_NONE, TIME_NONE, TIME_NONE}},
        {"{\"FirstRespondedDate\":\"1970-01-02\"}", {1768469400000, 1, TIME_NONE, TIME_NONE}},
        {"{\"Buyer_Touchpoint_Date__c\":\"1970-01-01T00:00:01.000+0000\"}",
         {1768469400000, TIME_NONE, 1000, TIME_NONE}},
        {"{\"Buyer_Touchpoint_Date__c\":\"1970-01-03\"}", {1768469400000, TIME_NONE, TIME_NONE, 2}},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dates got;
        char *m = member_json(rows[i].changes);
        will_page(x, 1, NULL, m);
        free(m);
        assert_int_equal(org_read_members(x->conn, NULL, &(const char[SFID_SIZE]){M1}, 1, see_dates,
                                          &got, &x->e),
                         ERR_NONE);
        assert_memory_equal(&got, &rows[i].want, sizeof got);
    }
}

static void fields_of_rules_are_selected_once_and_come_as_text(void **state)
{
    static const char *fields[] = {"Status", "Score__c", "HASRESPONDED"};
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    x->policy.member_fields = fields;
    x->policy.member_field_count = 3;
    const char *scores[] = {"7", "2.5", "1e20", "0.1", "null", "\"text\""};
    const char *want[] = {" 2:7", " 2:2.5", " 2:1e+20", " 2:0.1", " 0:", " 1:text"};
    for (size_t i = 0; i < sizeof scores / sizeof scores[0]; i++) {
        char *changes = mem_printf("{\"score__C\":%s}", scores[i]); /* the org's own spelling */
        char *m = member_json(changes);
        will_page(x, 1, NULL, m);
        free(m);
        free(changes);
        buf_clear(&s.text);
        assert_int_equal(org_read_members(x->conn, NULL, &(const char[SFID_SIZE]){M1}, 1,
                                          see_members, &s, &x->e),
                         ERR_NONE);
        assert_contains(s.text.data, want[i]);
        assert_contains(s.text.data, "1:Sent");
        assert_contains(s.text.data, "3:false");
    }
    assert_contains(target(x, 0), "Buyer_Touchpoint_Date__c,Score__c FROM");
    char *m = member_json("{\"Score__c\":{\"city\":\"x\"}}");
    will_page(x, 1, NULL, m);
    free(m);
    assert_int_equal(
        org_read_members(x->conn, NULL, &(const char[SFID_SIZE]){M1}, 1, see_members, &s, &x->e),
        ERR_CONFIG);
    assert_contains(x->e.text, "CampaignMember.Score__c");
    buf_release(&s.text);
}

static void a_member_with_wrong_types_is_not_taken(void **state)
{
    static const char *const bad[] = {
        "{\"HasResponded\":\"true\"}",
        "{\"Status\":5}",
        "{\"CampaignId\":null}",
        "{\"CampaignId\":\"xyz\"}",
        "{\"CreatedDate\":null}",
        "{\"CreatedDate\":\"yesterday\"}",
        "{\"FirstRespondedDate\":17}",
        "{\"Lead\":[]}",
        "{\"Lead\":{\"Email\":5,\"IsConverted\":false,\"ConvertedContactId\":null}}",
        "{\"Lead\":{\"Email\":null}}",
        "{\"Contact\":\"x\"}",
    };
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *m = member_json(bad[i]);
        will_page(x, 1, NULL, m);
        free(m);
        enum err got = org_read_members(x->conn, NULL, &(const char[SFID_SIZE]){M1}, 1, see_members,
                                        &s, &x->e);
        if (got != ERR_NETWORK)
            fail_msg("%s: got %d", bad[i], (int)got);
        assert_contains(x->e.text, "can't be understood");
    }
    assert_int_equal(s.rows, 0);
    buf_release(&s.text);
}

/* ------------------------------------------------------------------ campaigns */

static void a_campaign_comes_with_its_settings_and_rule_fields(void **state)
{
    static const char *fields[] = {"Region__c", "Type"};
    struct fixture *x = fixture_of(state);
    struct org_campaign *c = NULL;
    x->policy.campaign_fields = fields;
    x->policy.campaign_field_count = 2;
    will_page(x, 1, NULL,
              "{\"Id\":\"" CAMPAIGN
              "\",\"Name\":\"Expo\",\"Type\":\"Trade Show\",\"Enable_Buyer_Touchpoints__c\":"
              "\"Include all Campaign Members\",\"Touchpoint_Start_Date__c\":\"1970-01-02\","
              "\"Touchpoint_End_Date__c\":null,\"Region__c\":12}");
    assert_int_equal(org_read_campaign(x->conn, "701000000000001", &c, &x->e), ERR_NONE);
    assert_string_equal(target(x, 0), QUERY
                        "SELECT Id,Name,Type,Enable_Buyer_Touchpoints__c,Touchpoint_Start_Date__c,"
                        "Touchpoint_End_Date__c,Region__c FROM Campaign WHERE Id IN ('" CAMPAIGN
                        "') ORDER BY Id");
    assert_true(c->campaign.exists);
    assert_false(c->deleted_confirmed);
    assert_string_equal(c->campaign.id, CAMPAIGN);
    assert_string_equal(c->campaign.name, "Expo");
    assert_string_equal(c->campaign.type, "Trade Show");
    assert_string_equal(c->campaign.sync_type, "Include all Campaign Members");
    assert_int_equal(c->campaign.start_day, 1);
    assert_int_equal(c->campaign.end_day, TIME_NONE);
    assert_int_equal(c->campaign.fields[0].type, RULE_NUMBER);
    assert_string_equal(c->campaign.fields[0].text, "12");
    assert_string_equal(c->campaign.fields[1].text, "Trade Show");
    org_campaign_free(&c);
    assert_null(c);
}

#define DELETED(rows)                                                                              \
    "{\"deletedRecords\":[" rows "],\"earliestDateAvailable\":\"2026-01-01T00:00:00.000+0000\","   \
    "\"latestDateCovered\":\"2099-01-15T09:30:00.000+0000\"}"

static void a_campaign_that_does_not_come_is_gone_only_if_the_org_says_so(void **state)
{
    static const struct {
        const char *shown, *deleted;
        bool want;
    } rows[] = {
        {"{\"Id\":\"" CAMPAIGN "\",\"IsDeleted\":true}", NULL, true},
        {"{\"Id\":\"" CAMPAIGN "\",\"IsDeleted\":false}", NULL, false},
        {"", DELETED("{\"id\":\"701000000000001\",\"deletedDate\":\"2026-01-15T09:30:00Z\"}"),
         true},
        {"", DELETED("{\"id\":\"701000000000002\",\"deletedDate\":\"2026-01-15T09:30:00Z\"}"),
         false},
        {"", DELETED(""), false},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_campaign *c = NULL;
        size_t at = fake_count(x->fake);
        will_page(x, 0, NULL, "");
        will_page(x, rows[i].shown[0] == '\0' ? 0 : 1, NULL, rows[i].shown);
        if (rows[i].deleted != NULL)
            fake_will(x->fake, 200, rows[i].deleted);
        assert_int_equal(org_read_campaign(x->conn, CAMPAIGN, &c, &x->e), ERR_NONE);
        assert_false(c->campaign.exists);
        assert_int_equal(c->deleted_confirmed, rows[i].want);
        org_campaign_free(&c);
        assert_string_equal(target(x, at + 1),
                            QUERYALL "SELECT Id,IsDeleted FROM Campaign WHERE Id IN ('" CAMPAIGN
                                     "') ORDER BY Id");
        assert_int_equal(fake_count(x->fake) - at, rows[i].deleted == NULL ? 2 : 3);
    }
    struct org_campaign *c = NULL;
    will_refuse(x, 503, "SERVER_UNAVAILABLE");
    assert_int_equal(org_read_campaign(x->conn, CAMPAIGN, &c, &x->e), ERR_BUSY);
    assert_null(c);
    assert_int_equal(org_read_campaign(x->conn, "no id", &c, &x->e), ERR_INVALID);
}

static void the_time_zone_is_read_once_or_configured(void **state)
{
    struct fixture *x = fixture_of(state);
    char zone[64];
    will_page(x, 1, NULL, "{\"Id\":\"00D000000000001\",\"TimeZoneSidKey\":\"Europe/Berlin\"}");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(org_time_zone(x->conn, zone, &x->e), ERR_NONE);
        assert_string_equal(zone, "Europe/Berlin");
    }
    assert_int_equal(fake_count(x->fake), 1);
    assert_string_equal(target(x, 0),
                        QUERY "SELECT Id,TimeZoneSidKey FROM Organization ORDER BY Id");
    x->config.time_zone = "Asia/Tokyo";
    assert_int_equal(org_time_zone(x->conn, zone, &x->e), ERR_NONE);
    assert_string_equal(zone, "Asia/Tokyo");
    assert_int_equal(fake_count(x->fake), 1);
}

/* ------------------------------------------------------------------ touchpoints */

static enum err see_touchpoints(void *ctx, const struct org_touchpoint *t, size_t n,
                                struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        buf_printf(&s->text, "%s %s:", t[i].id, t[i].key);
        for (size_t v = 0; v < TV_COUNT; v++)
            buf_printf(&s->text, " %s", t[i].value[v][0] == '\0' ? "-" : t[i].value[v]);
        buf_putc(&s->text, '\n');
    }
    s->rows += n;
    return ERR_NONE;
}

#define TOUCHPOINT(id, key)                                                                        \
    "{\"Id\":\"" id "\",\"Campaign_Member_Id__c\":\"" key                                          \
    "\",\"Campaign__c\":\"701000000000001\",\"Lead__c\":null,\"Contact__c\":"                      \
    "\"003000000000001\",\"Email__c\":\"a@example.com\",\"Touchpoint_Date__c\":"                   \
    "\"2026-01-15T09:30:00.000+0000\",\"Channel__c\":\"Events\",\"Subchannel__c\":null,"           \
    "\"Channel_Path__c\":\"Events\",\"Medium__c\":null,\"Touchpoint_Source__c\":\"CRM\","          \
    "\"Touchpoint_Type__c\":\"CRM\",\"Ad_Campaign_Id__c\":\"701000000000001AAA\","                 \
    "\"Ad_Campaign_Name__c\":\"Expo\",\"Rule__c\":\"picklist:all\"}"
#define TOUCHPOINT_SELECT                                                                          \
    "SELECT Id,Campaign_Member_Id__c,Campaign__c,Lead__c,Contact__c,Email__c,Touchpoint_Date__c,"  \
    "Channel__c,Subchannel__c,Channel_Path__c,Medium__c,Touchpoint_Source__c,Touchpoint_Type__c,"  \
    "Ad_Campaign_Id__c,Ad_Campaign_Name__c,Rule__c FROM Buyer_Touchpoint__c WHERE "

static void touchpoints_come_by_lookup_or_stored_campaign(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    will_page(x, 3, NULL,
              TOUCHPOINT("a0X000000000001", "00v000000000001") "," TOUCHPOINT(
                  "a0X000000000002EAA", "imported") "," TOUCHPOINT("a0X000000000003EAA",
                                                                   "longer than any member id"));
    assert_int_equal(org_read_touchpoints(x->conn, CAMPAIGN, NULL, 0, see_touchpoints, &s, &x->e),
                     ERR_NONE);
    assert_string_equal(target(x, 0), QUERY TOUCHPOINT_SELECT
                        "(Campaign__c = '" CAMPAIGN "' OR Ad_Campaign_Id__c = '" CAMPAIGN
                        "') AND Campaign_Member_Id__c != null ORDER BY Id");
#define VALUES                                                                                     \
    " 701000000000001AAA - 003000000000001AAA a@example.com 2026-01-15T09:30:00.000Z Events - "    \
    "Events - CRM CRM 701000000000001AAA Expo picklist:all\n"
    assert_string_equal(s.text.data, "a0X000000000001EAA 00v000000000001AAA: 00v000000000001" VALUES
                                     "a0X000000000002EAA imported: imported" VALUES);
    buf_release(&s.text);
}

static void touchpoints_come_by_key(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    static const char keys[2][SFID_SIZE] = {M1, "it's \\ odd"};
    will_page(x, 0, NULL, "");
    assert_int_equal(org_read_touchpoints(x->conn, NULL, keys, 2, see_touchpoints, &s, &x->e),
                     ERR_NONE);
    assert_string_equal(target(x, 0), QUERY TOUCHPOINT_SELECT "Campaign_Member_Id__c IN ('" M1
                                                              "','it\\'s \\\\ odd') ORDER BY Id");
    assert_int_equal(s.rows, 0);
    buf_release(&s.text);
}

/* ------------------------------------------------------------------ people */

static enum err see_memberships(void *ctx, const struct org_membership *m, size_t n,
                                struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    s->batches++;
    for (size_t i = 0; i < n; i++)
        buf_printf(&s->text, "%s %s %s\n", m[i].member_id, m[i].campaign_id, m[i].person_id);
    return ERR_NONE;
}

static void memberships_name_the_person_that_was_asked_for(void **state)
{
#define C1 "003000000000001AAA"
#define C2 "003000000000002AAA"
    static const struct {
        enum org_membership_by by;
        const char *id, *records, *want, *soql;
        int n;
    } rows[] = {
        {ORG_BY_LEAD, L1,
         "{\"Id\":\"" M1 "\",\"CampaignId\":\"701000000000001\",\"LeadId\":\"00Q000000000001\"}",
         M1 " " CAMPAIGN " " L1 "\n",
         "SELECT Id,CampaignId,LeadId FROM CampaignMember WHERE LeadId IN ('" L1 "') ORDER BY Id",
         1},
        {ORG_BY_MEMBER, M1, "{\"Id\":\"" M1 "\",\"CampaignId\":\"" CAMPAIGN "\"}",
         M1 " " CAMPAIGN " " M1 "\n",
         "SELECT Id,CampaignId FROM CampaignMember WHERE Id IN ('" M1 "') ORDER BY Id", 1},
        {ORG_BY_CONTACT, C1,
         "{\"Id\":\"" M1 "\",\"CampaignId\":\"" CAMPAIGN "\",\"ContactId\":\"" C1
         "\",\"Lead\":null},{\"Id\":\"" M2 "\",\"CampaignId\":\"" CAMPAIGN
         "\",\"ContactId\":null,\"Lead\":{\"ConvertedContactId\":\"" C1 "\"}},{\"Id\":\"" M3
         "\",\"CampaignId\":\"" CAMPAIGN "\",\"ContactId\":\"" C2
         "\",\"Lead\":{\"ConvertedContactId\":\"" C1 "\"}}",
         M1 " " CAMPAIGN " " C1 "\n" M2 " " CAMPAIGN " " C1 "\n" M3 " " CAMPAIGN " " C1 "\n",
         "SELECT Id,CampaignId,ContactId,Lead.ConvertedContactId FROM CampaignMember WHERE "
         "(ContactId IN ('" C1 "') OR Lead.ConvertedContactId IN ('" C1 "')) ORDER BY Id",
         3},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s = seen_new();
        char id[1][SFID_SIZE];
        memcpy(id[0], rows[i].id, SFID_SIZE);
        will_page(x, rows[i].n, NULL, rows[i].records);
        assert_int_equal(org_read_memberships(x->conn, rows[i].by, (const char(*)[SFID_SIZE])id, 1,
                                              see_memberships, &s, &x->e),
                         ERR_NONE);
        assert_string_equal(s.text.data, rows[i].want);
        assert_string_equal(target(x, i) + strlen(QUERY), rows[i].soql);
        buf_release(&s.text);
    }
}

static void person_accounts_have_contacts_where_the_org_knows_them(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char accounts[2][SFID_SIZE] = {"001000000000001AAA", "001000000000002AAA"};
    char contact[2][SFID_SIZE];
    will_page(x, 1, NULL, "{\"Id\":\"003000000000001\",\"AccountId\":\"001000000000002AAA\"}");
    assert_int_equal(org_read_person_contacts(x->conn, accounts, 2, contact, &x->e), ERR_NONE);
    assert_string_equal(contact[0], "");
    assert_string_equal(contact[1], "003000000000001AAA");
    assert_string_equal(target(x, 0),
                        QUERY "SELECT Id,AccountId FROM Contact WHERE AccountId IN "
                              "('001000000000001AAA','001000000000002AAA') AND IsPersonAccount = "
                              "true ORDER BY Id");
    fake_will(x->fake, 400,
              "[{\"errorCode\":\"INVALID_FIELD\",\"message\":\"No such column 'IsPersonAccount' on "
              "entity 'Contact'.\"}]");
    assert_int_equal(org_read_person_contacts(x->conn, accounts, 2, contact, &x->e), ERR_NONE);
    assert_string_equal(contact[1], "");
    fake_will(x->fake, 400,
              "[{\"errorCode\":\"INVALID_FIELD\",\"message\":\"No such column 'AccountId' on "
              "entity 'Contact'.\"}]");
    assert_int_equal(org_read_person_contacts(x->conn, accounts, 2, contact, &x->e), ERR_CONFIG);
    assert_contains(x->e.text, "AccountId");
}

/* ------------------------------------------------------------------ deletions */

static enum err see_ids(void *ctx, const char *id, struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    buf_printf(&s->text, "%s\n", id);
    return ERR_NONE;
}

static void deleted_ids_come_with_the_time_they_cover(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t to = time_wall_ms(), from = to - 3600 * 1000, covered = 0;
    char now[TIME_TEXT_MAX];
    char *body = mem_printf("{\"deletedRecords\":[{\"id\":\"00v000000000001\"}],\"latestDateCovered"
                            "\":\"%s\"}",
                            time_format_datetime(to - 120000, now));
    fake_will(x->fake, 200, body);
    free(body);
    assert_int_equal(
        org_read_deleted(x->conn, "CampaignMember", from, to, see_ids, &s, &covered, &x->e),
        ERR_NONE);
    assert_string_equal(s.text.data, M1 "\n");
    assert_int_equal(covered, to - 120000); /* the next window begins there, not at `to` */
    assert_contains(target(x, 0), "/services/data/v64.0/sobjects/CampaignMember/deleted/?start=20");
    assert_contains(fake_request(x->fake, 0)->raw_target, "%2B00%3A00&end=20");
    buf_release(&s.text);
}

static void an_empty_window_is_widened_and_too_old_ones_are_moved_up(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t to = time_wall_ms(), covered, start, end;
    static const int64_t back[] = {0, 1000, (int64_t)40 * 86400 * 1000};
    for (size_t i = 0; i < 3; i++) {
        fake_will(x->fake, 200, DELETED(""));
        assert_int_equal(
            org_read_deleted(x->conn, "Campaign", to - back[i], to, see_ids, &s, &covered, &x->e),
            ERR_NONE);
        const char *at = strstr(target(x, i), "start=") + 6;
        assert_true(time_parse_datetime(at, 25, &start));
        assert_true(time_parse_datetime(strstr(at, "end=") + 4, 25, &end));
        assert_true(end - start >= 60000);
        assert_true(end - start < (int64_t)15 * 86400 * 1000);
        assert_int_equal(covered, to);
    }
    buf_release(&s.text);
}

static void too_many_deleted_ids_are_asked_for_in_halves(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t to = time_wall_ms(), covered;
    will_refuse(x, 400, "EXCEEDED_ID_LIMIT");
    fake_will(x->fake, 200, DELETED("{\"id\":\"" M1 "\"}"));
    fake_will(x->fake, 200, DELETED("{\"id\":\"" M2 "\"}"));
    assert_int_equal(
        org_read_deleted(x->conn, "CampaignMember", to - 7200000, to, see_ids, &s, &covered, &x->e),
        ERR_NONE);
    assert_string_equal(s.text.data, M1 "\n" M2 "\n");
    assert_int_equal(covered, to);
    assert_int_equal(fake_count(x->fake), 3);
    buf_release(&s.text);
}

static void a_deleted_answer_that_is_not_understood_covers_nothing(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"deletedRecords\":[]}",
        "{\"latestDateCovered\":\"2026-01-15T09:30:00Z\"}",
        "{\"deletedRecords\":[{\"id\":5}],\"latestDateCovered\":\"2026-01-15T09:30:00Z\"}",
        "{\"deletedRecords\":[],\"latestDateCovered\":null}",
    };
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t to = time_wall_ms(), covered = -7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fake_will(x->fake, 200, bad[i]);
        assert_int_equal(org_read_deleted(x->conn, "CampaignMember", to - 7200000, to, see_ids, &s,
                                          &covered, &x->e),
                         ERR_NETWORK);
    }
    assert_int_equal(covered, -7);
    buf_release(&s.text);
}

static void deletions_are_confirmed_one_by_one(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char ids[4][SFID_SIZE] = {M3, M1, M2, "00v000000000004AAA"};
    bool confirmed[4];
    will_page(x, 2, NULL,
              "{\"Id\":\"" M1 "\",\"IsDeleted\":true},{\"Id\":\"" M2 "\",\"IsDeleted\":false}");
    /* getDeleted also names M2, which was restored since: queryAll has the last word */
    fake_will(x->fake, 200, DELETED("{\"id\":\"" M2 "\"},{\"id\":\"" M3 "\"}"));
    assert_int_equal(org_confirm_deleted(x->conn, "CampaignMember", ids, 4, confirmed, &x->e),
                     ERR_NONE);
    assert_true(confirmed[0]);
    assert_true(confirmed[1]);
    assert_false(confirmed[2]);
    assert_false(confirmed[3]);
    assert_int_equal(fake_count(x->fake), 2);
}

static void helper_records_tell_member_and_campaign(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char ids[2][SFID_SIZE] = {"a0Y000000000001EAA", "a0Y000000000002EAA"};
    struct org_helper h[2];
    will_page(x, 1, NULL,
              "{\"Id\":\"a0Y000000000002\",\"Campaign_Member_Id__c\":\"00v000000000001\","
              "\"Campaign_Id__c\":\"typed by hand\"}");
    assert_int_equal(org_read_helpers(x->conn, ids, 2, h, &x->e), ERR_NONE);
    assert_false(h[0].found);
    assert_true(h[1].found);
    assert_string_equal(h[1].member_id, M1);
    assert_string_equal(h[1].campaign_id, "");
    assert_contains(target(x, 0), "SELECT Id,Campaign_Member_Id__c,Campaign_Id__c FROM "
                                  "Campaign_Member_Deletion__c WHERE Id IN (");
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
        T(long_lists_are_cut_at_400_ids_and_15000_bytes),
        T(rules_with_more_fields_than_a_url_takes_are_a_wrong_configuration),
        T(a_member_is_its_contact_where_it_has_one),
        T(dates_come_as_days_or_instants),
        T(fields_of_rules_are_selected_once_and_come_as_text),
        T(a_member_with_wrong_types_is_not_taken),
        T(a_campaign_comes_with_its_settings_and_rule_fields),
        T(a_campaign_that_does_not_come_is_gone_only_if_the_org_says_so),
        T(the_time_zone_is_read_once_or_configured),
        T(touchpoints_come_by_lookup_or_stored_campaign),
        T(touchpoints_come_by_key),
        T(memberships_name_the_person_that_was_asked_for),
        T(person_accounts_have_contacts_where_the_org_knows_them),
        T(deleted_ids_come_with_the_time_they_cover),
        T(an_empty_window_is_widened_and_too_old_ones_are_moved_up),
        T(too_many_deleted_ids_are_asked_for_in_halves),
        T(a_deleted_answer_that_is_not_understood_covers_nothing),
        T(deletions_are_confirmed_one_by_one),
        T(helper_records_tell_member_and_campaign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
