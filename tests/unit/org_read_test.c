/*
 * How records become the rules' structs: members, campaigns, touchpoints.
 */
#include "org_records.h"

#include "timeutil.h"

/* ------------------------------------------------------------------ members */

static void a_member_is_its_contact_where_it_has_one(void **state)
{
    static const struct {
        const char *changes, *want;
        bool asks_contact;
    } rows[] = {
        {"{\"ContactId\":\"003000000000001\",\"Contact\":{\"Id\":\"003000000000001\",\"Email\":\"c@"
         "example.com\"}}",
         "contact=003000000000001AAA lead= email=c@example.com responded", false},
        {"{\"ContactId\":\"003000000000001AAA\",\"Contact\":{\"Id\":\"003000000000001\",\"Email\":"
         "null}}",
         "contact=003000000000001AAA lead= email=NULL responded", false},
        {"{\"ContactId\":\"003000000000001AAA\",\"Contact\":null,\"LeadId\":null,\"Lead\":null}",
         "contact=003000000000001AAA lead= email=NULL unseen responded", false},
        {"{\"ContactId\":null,\"Contact\":null,\"LeadId\":null,\"Lead\":null}",
         "contact= lead= email=NULL responded", false},
        {"{\"Lead\":null}", "contact= lead=" L1 " email=NULL unseen responded", false},
        {"{\"Lead\":{\"Id\":\"" L1
         "\",\"Email\":\"old@example.com\",\"IsConverted\":true,\"ConvertedContactId\":"
         "\"003000000000009\"}}",
         "contact=003000000000009AAA lead= email=new@example.com responded", true},
        {"{\"Lead\":{\"Id\":\"" L1
         "\",\"Email\":\"old@example.com\",\"IsConverted\":true,\"ConvertedContactId\":"
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
        "{\"Lead\":{\"Id\":\"" L1
        "\",\"Email\":5,\"IsConverted\":false,\"ConvertedContactId\":null}}",
        "{\"Lead\":{\"Id\":\"" L1 "\",\"Email\":null}}",
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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_member_is_its_contact_where_it_has_one),
        T(dates_come_as_days_or_instants),
        T(fields_of_rules_are_selected_once_and_come_as_text),
        T(a_member_with_wrong_types_is_not_taken),
        T(a_campaign_comes_with_its_settings_and_rule_fields),
        T(a_campaign_that_does_not_come_is_gone_only_if_the_org_says_so),
        T(the_time_zone_is_read_once_or_configured),
        T(touchpoints_come_by_lookup_or_stored_campaign),
        T(touchpoints_come_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
