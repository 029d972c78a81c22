/*
 * What the org must have: each need that is not met is one sentence, stops the org, and is asked
 * again alone.
 */
#include "org_records.h"

#include "timeutil.h"

/* name:type, then length, target, or the attributes of the key */
static const char *const OBJECTS[][20] = {
    {"Campaign", "Name:string", "Type:picklist", "Enable_Buyer_Touchpoints__c:picklist",
     "Touchpoint_Start_Date__c:date", "Touchpoint_End_Date__c:date", "Region__c:picklist",
     "HQ__c:address"},
    {"CampaignMember", "CampaignId:reference:Campaign", "LeadId:reference:Lead",
     "ContactId:reference:Contact", "Status:picklist", "HasResponded:boolean",
     "FirstRespondedDate:date", "CreatedDate:datetime", "Buyer_Touchpoint_Date__c:datetime",
     "Touchpoint_Status__c:string", "Touchpoint_Status_Date__c:datetime"},
    {"Lead", "Email:email", "IsConverted:boolean", "ConvertedContactId:reference:Contact"},
    {"Contact", "Email:email"},
    {"Buyer_Touchpoint__c", "Campaign_Member_Id__c:string", "Campaign__c:reference:Campaign",
     "Lead__c:reference:Lead", "Contact__c:reference:Contact", "Email__c:email",
     "Touchpoint_Date__c:datetime", "Channel__c:string", "Subchannel__c:string",
     "Channel_Path__c:string", "Medium__c:string", "Touchpoint_Source__c:string",
     "Touchpoint_Type__c:string", "Ad_Campaign_Id__c:string", "Ad_Campaign_Name__c:string",
     "Rule__c:string"},
    {"Campaign_Member_Deletion__c", "Campaign_Member_Id__c:string", "Campaign_Id__c:string"},
};
enum { OBJECTS_COUNT = sizeof OBJECTS / sizeof OBJECTS[0] };

#define EVERYTHING                                                                                 \
    "{\"Id\":\"0Pa000000000001\",\"PermissionSetId\":\"0PS000000000001\",\"PermissionSet\":{"      \
    "\"PermissionsViewAllData\":false,\"PermissionsAllowViewEditConvertedLeads\":true}}"
#define VIEW_ALL(object, all)                                                                      \
    "{\"Id\":\"110000000000001\",\"SobjectType\":\"" object "\",\"PermissionsRead\":true,"         \
    "\"PermissionsViewAllRecords\":" all "}"

/* One difference from an org that has all: an attribute of "Object" or "Object.Field". */
struct change {
    const char *where, *attribute, *value; /* value as JSON; attribute NULL: it is not there */
};

static json_t *field_json(const char *text)
{
    char name[64], type[32], target[32] = "";
    assert_true(sscanf(text, "%63[^:]:%31[^:]:%31s", name, type, target) >= 2);
    json_t *field =
        json_pack("{s:s, s:s, s:i, s:[s], s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "name", name, "type",
                  type, "length", 255, "referenceTo", target, "createable", 1, "updateable", 1,
                  "filterable", 1, "sortable", 1, "externalId", 1, "unique", 1, "caseSensitive", 1);
    assert_non_null(field);
    return field;
}

static void apply(json_t *json, const struct change *c)
{
    json_object_set_new(json, c->attribute, json_loads(c->value, JSON_DECODE_ANY, NULL));
}

/* NULL: the object is not there. */
static json_t *describe_json(const char *const *object, const struct change *c)
{
    json_t *fields = json_array();
    json_t *json = json_pack("{s:s, s:b, s:b, s:b, s:b, s:o}", "name", object[0], "queryable", 1,
                             "createable", 1, "updateable", 1, "deletable", 1, "fields", fields);
    size_t n = strlen(object[0]);
    bool is_here = c != NULL && strncmp(c->where, object[0], n) == 0;
    if (is_here && c->where[n] == '\0') {
        if (c->attribute == NULL) {
            json_decref(json);
            return NULL;
        }
        apply(json, c);
    }
    for (size_t i = 1; object[i] != NULL; i++) {
        json_t *field = field_json(object[i]);
        const char *name = json_string_value(json_object_get(field, "name"));
        bool is_it = is_here && c->where[n] == '.' && strcmp(c->where + n + 1, name) == 0;
        if (is_it && c->attribute != NULL)
            apply(field, c);
        if (is_it && c->attribute == NULL)
            json_decref(field);
        else
            json_array_append_new(fields, field);
    }
    return json;
}

static void will_describe(struct fixture *x, size_t object, const struct change *c)
{
    json_t *json = describe_json(OBJECTS[object], c);
    if (json == NULL) {
        will_refuse(x, 404, "NOT_FOUND");
        return;
    }
    char *text = json_dumps(json, 0);
    fake_will(x->fake, 200, text);
    free(text);
    json_decref(json);
}

static void will_describe_all(struct fixture *x, const struct change *c)
{
    for (size_t i = 0; i < OBJECTS_COUNT; i++)
        will_describe(x, i, c);
}

static void will_see_all(struct fixture *x)
{
    will_page(x, 1, NULL, EVERYTHING);
    will_page(
        x, 3, NULL,
        VIEW_ALL("Campaign", "true") "," VIEW_ALL("Lead", "true") "," VIEW_ALL("Contact", "true"));
}

static void check(struct fixture *x, struct org_schema *out)
{
    assert_int_equal(org_check_schema(x->conn, &x->e), ERR_NONE);
    org_schema_get(x->org, out);
}

/* A rule names a field. As the org counts, the channel has 14 characters, and its path 19. */
static int setup_with_rules(void **state)
{
    static const char *fields[] = {"Region__c"};
    static struct channel_map channels[] = {
        {.type = "*", .channel = "Events+ Más 😀", .subchannel = "Four"}};
    setup(state);
    struct policy *p = &fixture_of(state)->policy;
    p->default_channel = "Other";
    p->channels = channels;
    p->channel_count = 1;
    p->campaign_fields = fields;
    p->campaign_field_count = 1;
    return 0;
}

/* ------------------------------------------------------------------ the tests */

static void an_org_that_has_all_is_left_at_work(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_schema found;
    struct org_state s;
    org_schema_get(x->org, &found);
    assert_false(found.is_checked);
    will_describe_all(x, NULL);
    will_see_all(x);
    check(x, &found);
    assert_true(found.is_checked);
    assert_string_equal(found.problems, "");
    assert_string_equal(found.warnings, "");
    org_state_get(x->org, &s);
    assert_false(s.stopped);
    assert_true(s.sees_all);
    assert_int_equal(fake_count(x->fake), 8);
    assert_string_equal(target(x, 4), "/services/data/v64.0/sobjects/Buyer_Touchpoint__c/describe");
    assert_contains(target(x, 6), "AssigneeId = '005");
    assert_contains(target(x, 7), "ParentId IN ('0PS000000000001GAA')");
}

static void each_need_that_is_not_met_is_a_sentence(void **state)
{
    struct fixture *x = fixture_of(state);
    static const struct {
        struct change change;
        const char *want;
    } rows[] = {
        {{"Campaign", NULL, NULL}, "Campaign does not exist, or this user can't see it"},
        {{"Campaign", "queryable", "false"}, "Campaign: its records can't be queried"},
        {{"Campaign.Touchpoint_Start_Date__c", NULL, NULL},
         "Campaign.Touchpoint_Start_Date__c does not exist, or this user can't see it: create it "
         "or grant Read on the field, or correct its name (schema: campaign.start_date)"},
        {{"Campaign.Touchpoint_End_Date__c", "type", "\"datetime\""},
         "Campaign.Touchpoint_End_Date__c is of type datetime: it must be Date"},
        {{"Campaign.Enable_Buyer_Touchpoints__c", "filterable", "false"},
         "Campaign.Enable_Buyer_Touchpoints__c can't be used to find records"},
        {{"Campaign.Enable_Buyer_Touchpoints__c", "type", "\"boolean\""},
         "it must be Text or Picklist"},
        {{"Campaign.Region__c", NULL, NULL}, "correct its name (the rules)"},
        {{"Campaign.Region__c", "type", "\"location\""},
         "Campaign.Region__c is of type location: it must be a single value"},
        {{"CampaignMember.Buyer_Touchpoint_Date__c", "type", "\"string\""},
         "it must be Date/Time or Date"},
        {{"Lead.Email", NULL, NULL}, "Lead.Email does not exist"},
        {{"Contact", NULL, NULL}, "Contact does not exist"},
        {{"Buyer_Touchpoint__c", NULL, NULL}, "correct its name (schema: touchpoint)"},
        {{"Buyer_Touchpoint__c", "createable", "false"},
         "Buyer_Touchpoint__c: its records can't be created by this user: grant Create on the "
         "object"},
        {{"Buyer_Touchpoint__c", "updateable", "false"}, "grant Edit on the object"},
        {{"Buyer_Touchpoint__c", "deletable", "false"}, "grant Delete on the object"},
        {{"Buyer_Touchpoint__c.Channel__c", "updateable", "false"},
         "Buyer_Touchpoint__c.Channel__c can't be written by this user: grant Edit on the field"},
        {{"Buyer_Touchpoint__c.Channel__c", "createable", "false"},
         "Buyer_Touchpoint__c.Channel__c can't be written by this user"},
        {{"Buyer_Touchpoint__c.Rule__c", "calculated", "true"}, "the org computes it"},
        {{"Buyer_Touchpoint__c.Email__c", "length", "79"},
         "Buyer_Touchpoint__c.Email__c holds 79 characters, but up to 80 are written"},
        {{"Buyer_Touchpoint__c.Channel__c", "length", "13"}, "up to 14 are written"},
        {{"Buyer_Touchpoint__c.Channel_Path__c", "length", "18"}, "up to 19 are written"},
        {{"Buyer_Touchpoint__c.Rule__c", "length", "17"}, "up to 18 are written"},
        {{"Buyer_Touchpoint__c.Touchpoint_Date__c", "type", "\"date\""}, "it must be Date/Time"},
        {{"Buyer_Touchpoint__c.Lead__c", "referenceTo", "[\"Contact\"]"},
         "it must be Lookup to Lead"},
        {{"Buyer_Touchpoint__c.Lead__c", "type", "\"string\""}, "it must be Lookup to Lead"},
        {{"Buyer_Touchpoint__c.Campaign_Member_Id__c", "externalId", "false"},
         "Buyer_Touchpoint__c.Campaign_Member_Id__c is no external id: mark the field as External "
         "ID"},
        {{"Buyer_Touchpoint__c.Campaign_Member_Id__c", "unique", "false"},
         "is not unique: mark the field as Unique"},
        {{"Buyer_Touchpoint__c.Campaign_Member_Id__c", "length", "15"}, "up to 18 are written"},
        {{"Buyer_Touchpoint__c.Ad_Campaign_Id__c", "sortable", "false"}, "can't be used to sort"},
        {{"Campaign_Member_Deletion__c.Campaign_Id__c", NULL, NULL},
         "Campaign_Member_Deletion__c.Campaign_Id__c does not exist"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_schema found;
        struct org_state s;
        will_describe_all(x, &rows[i].change);
        will_see_all(x);
        check(x, &found);
        if (strstr(found.problems, rows[i].want) == NULL)
            fail_msg("\"%s\" does not contain \"%s\"", found.problems, rows[i].want);
        const char *end = strchr(found.problems, '\n');
        if (end == NULL || end[1] != '\0')
            fail_msg("more than one sentence: %s", found.problems);
        org_state_get(x->org, &s);
        assert_true(s.stopped);
        assert_true(s.held_until_boot_ms > time_boot_ms());
        assert_int_equal(strncmp(s.problem, found.problems, strlen(s.problem)), 0);
        /* repaired: the wrong object alone, then all of them */
        for (size_t k = 0; k < OBJECTS_COUNT; k++) {
            size_t n = strlen(OBJECTS[k][0]);
            if (strncmp(rows[i].change.where, OBJECTS[k][0], n) == 0 &&
                strchr(".", rows[i].change.where[n]) != NULL)
                will_describe(x, k, NULL);
        }
        will_describe_all(x, NULL);
        will_see_all(x);
        check(x, &found);
        assert_string_equal(found.problems, "");
    }
}

static void what_is_optional_is_a_warning(void **state)
{
    struct fixture *x = fixture_of(state);
    static const struct {
        struct change change;
        const char *want;
    } rows[] = {
        {{"Campaign_Member_Deletion__c", NULL, NULL}, "deletions of members are noticed later"},
        {{"Campaign_Member_Deletion__c", "deletable", "false"}, "grant Delete on the object"},
        {{"Buyer_Touchpoint__c.Campaign_Member_Id__c", "caseSensitive", "false"},
         "is not case-sensitive"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_schema found;
        struct org_state s;
        will_describe_all(x, &rows[i].change);
        will_see_all(x);
        check(x, &found);
        assert_string_equal(found.problems, "");
        assert_contains(found.warnings, rows[i].want);
        org_state_get(x->org, &s);
        assert_false(s.stopped);
    }
    assert_int_equal(fake_count(x->fake), 8 * sizeof rows / sizeof rows[0]);
}

/* A member that can't be told fails no pass; a field that is not there does. */
static void the_status_fields_are_looked_at_where_they_are_written_back(void **state)
{
    struct fixture *x = fixture_of(state);
    static const struct change change = {"CampaignMember.Touchpoint_Status__c", "updateable",
                                         "false"};
    struct org_schema found;
    will_describe_all(x, &change);
    will_see_all(x);
    check(x, &found);
    assert_string_equal(found.problems, "");
    assert_string_equal(found.warnings, "");
    x->config.write_back = true;
    will_describe_all(x, &change);
    will_see_all(x);
    check(x, &found);
    assert_string_equal(found.problems, "");
    assert_contains(found.warnings,
                    "CampaignMember.Touchpoint_Status__c can't be written by this user");
    static const struct change gone = {"CampaignMember.Touchpoint_Status__c", NULL, NULL};
    will_describe_all(x, &gone);
    will_see_all(x);
    check(x, &found);
    assert_contains(found.problems, "CampaignMember.Touchpoint_Status__c does not exist");
}

static void only_a_check_ends_the_stop_and_asks_what_was_wrong_first(void **state)
{
    struct fixture *x = fixture_of(state);
    static const struct change change = {"Lead.Email", NULL, NULL};
    struct org_schema found;
    struct org_state s;
    will_describe_all(x, &change);
    will_see_all(x);
    check(x, &found);
    org_report(x->org, ERR_NONE, NULL); /* a pass that was under way ends well */
    org_state_get(x->org, &s);
    assert_true(s.stopped);
    assert_contains(s.problem, "Lead.Email");

    size_t asked = fake_count(x->fake);
    will_describe(x, 2, &change);
    check(x, &found);
    assert_int_equal(fake_count(x->fake), asked + 1);
    assert_contains(target(x, asked), "/sobjects/Lead/describe");
    assert_contains(found.problems, "Lead.Email");

    will_describe(x, 2, NULL);
    will_describe_all(x, NULL);
    will_see_all(x);
    check(x, &found);
    org_state_get(x->org, &s);
    assert_false(s.stopped);
    assert_int_equal(s.held_until_boot_ms, 0);
    assert_string_equal(s.problem, "");
}

static void a_pass_that_met_the_same_says_nothing_over_it(void **state)
{
    struct fixture *x = fixture_of(state);
    struct change change = {.where = "Campaign.Touchpoint_Start_Date__c"};
    struct org_schema found;
    struct org_state s;
    will_describe_all(x, &change);
    will_see_all(x);
    check(x, &found);
    assert_contains(found.problems, "Campaign.Touchpoint_Start_Date__c does not exist");
    (void)error_set(&x->e, ERR_CONFIG, "query: no such column");
    org_report(x->org, ERR_CONFIG, &x->e);
    org_state_get(x->org, &s);
    assert_true(s.stopped);
    assert_contains(s.problem, "Campaign.Touchpoint_Start_Date__c does not exist");
}

static void a_check_that_finds_nothing_ends_no_other_stop(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_schema found;
    struct org_state s;
    struct error e = {.kind = ERR_CONFIG, .text = "the storage is full"};
    org_report(x->org, ERR_CONFIG, &e);
    will_describe_all(x, NULL);
    will_see_all(x);
    check(x, &found);
    org_state_get(x->org, &s);
    assert_true(s.stopped);
    assert_string_equal(s.problem, "the storage is full");
}

static void a_failure_keeps_what_was_known(void **state)
{
    struct fixture *x = fixture_of(state);
    static const struct change change = {"Lead.Email", NULL, NULL};
    struct org_schema found;
    will_describe_all(x, &change);
    will_see_all(x);
    check(x, &found);
    will_refuse(x, 503, "SERVER_UNAVAILABLE");
    assert_int_equal(org_check_schema(x->conn, &x->e), ERR_BUSY);
    fake_will(x->fake, 200, "{\"fields\":5}");
    assert_int_equal(org_check_schema(x->conn, &x->e), ERR_NETWORK);
    org_schema_get(x->org, &found);
    assert_contains(found.problems, "Lead.Email");
}

static void seeing_all_takes_every_right(void **state)
{
    static const struct {
        const char *assignments, *permissions;
        bool want;
        const char *warning;
    } rows[] = {
        {EVERYTHING,
         VIEW_ALL("Campaign", "false") "," VIEW_ALL("Lead", "true") "," VIEW_ALL("Contact", "true"),
         false, "grant Read and View All on Campaign"},
        {EVERYTHING, "", false, "Read and View All on Lead, Read and View All on Contact"},
        {EVERYTHING,
         VIEW_ALL("Campaign", "false") "," VIEW_ALL("Campaign", "true") "," VIEW_ALL(
             "Lead", "true") "," VIEW_ALL("Contact", "true"),
         true, ""},
        {"{\"Id\":\"0Pa000000000001\",\"PermissionSetId\":\"0PS000000000001\",\"PermissionSet\":{"
         "\"PermissionsViewAllData\":true,\"PermissionsAllowViewEditConvertedLeads\":false}}",
         "", false, "grant View and Edit Converted Leads"},
        {"{\"Id\":\"0Pa000000000001\",\"PermissionSetId\":\"0PS000000000001\",\"PermissionSet\":{"
         "\"PermissionsViewAllData\":true,\"PermissionsAllowViewEditConvertedLeads\":true}}",
         "", true, ""},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct org_schema found;
        struct org_state s;
        will_describe_all(x, NULL);
        will_page(x, 1, NULL, rows[i].assignments);
        will_page(x, rows[i].permissions[0] == '\0' ? 0 : 3, NULL, rows[i].permissions);
        check(x, &found);
        org_state_get(x->org, &s);
        if (s.sees_all != rows[i].want)
            fail_msg("row %zu: %s", i, found.warnings);
        assert_contains(found.warnings, rows[i].warning);
    }
}

static void what_cannot_be_asked_is_not_assumed(void **state)
{
    struct fixture *x = fixture_of(state);
    bool sees_all = true;
    struct org_schema found;
    will_describe_all(x, NULL);
    will_refuse(x, 400, "INVALID_TYPE");
    check(x, &found);
    assert_contains(found.warnings, "grant View Setup and Configuration");
    size_t asked = fake_count(x->fake);
    will_page(x, 0, NULL, "");
    assert_int_equal(org_sees_all(x->conn, &sees_all, &x->e), ERR_NONE);
    assert_false(sees_all);
    assert_int_equal(fake_count(x->fake), asked + 1); /* no assignment: nothing more to ask */
    will_refuse(x, 503, "SERVER_UNAVAILABLE");
    assert_int_equal(org_sees_all(x->conn, &sees_all, &x->e), ERR_BUSY);
}

static void an_org_that_cannot_describe_is_left_at_work(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_schema found;
    struct org_state s;
    for (size_t i = 0; i < OBJECTS_COUNT; i++)
        will_refuse(x, 404, "NOT_FOUND");
    will_refuse(x, 400, "INVALID_TYPE");
    check(x, &found);
    assert_string_equal(found.problems, "");
    assert_contains(found.warnings, "no object can be described");
    org_state_get(x->org, &s);
    assert_false(s.stopped);
}

/* Fields by name alone. */
static void what_a_describe_does_not_tell_is_not_held_against_the_org(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_schema found;
    for (size_t i = 0; i < OBJECTS_COUNT; i++) {
        json_t *whole = describe_json(OBJECTS[i], NULL), *fields = json_array();
        for (size_t k = 0; k < json_array_size(json_object_get(whole, "fields")); k++) {
            json_t *field = json_array_get(json_object_get(whole, "fields"), k);
            json_array_append_new(fields,
                                  json_pack("{s:O}", "name", json_object_get(field, "name")));
        }
        json_t *bare = json_pack("{s:o}", "fields", fields);
        char *text = json_dumps(bare, 0);
        fake_will(x->fake, 200, text);
        free(text);
        json_decref(bare);
        json_decref(whole);
    }
    will_see_all(x);
    check(x, &found);
    assert_string_equal(found.problems, "");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_with_rules, teardown)
    const struct CMUnitTest tests[] = {
        T(an_org_that_has_all_is_left_at_work),
        T(each_need_that_is_not_met_is_a_sentence),
        T(what_is_optional_is_a_warning),
        T(the_status_fields_are_looked_at_where_they_are_written_back),
        T(only_a_check_ends_the_stop_and_asks_what_was_wrong_first),
        T(a_pass_that_met_the_same_says_nothing_over_it),
        T(a_check_that_finds_nothing_ends_no_other_stop),
        T(a_failure_keeps_what_was_known),
        T(seeing_all_takes_every_right),
        T(what_cannot_be_asked_is_not_assumed),
        T(an_org_that_cannot_describe_is_left_at_work),
        T(what_a_describe_does_not_tell_is_not_held_against_the_org),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
