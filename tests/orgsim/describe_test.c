/*
 * Describe and permissions: what the user sees of the schema, what it may do with it, and where
 * an org says so. Hermetic: an org in this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "describe.h"
#include "mem.h"
#include "test_org.h"

#define V "/services/data/v64.0"

static struct test_org *org;

static int setup(void **state)
{
    (void)state;
    org = test_org_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_org_free(&org);
    return 0;
}

static void permit(const char *json)
{
    char why[200] = "";
    json_t *body = json_loads(json, 0, NULL);
    if (!permissions_set(org->sim, body, why, sizeof why))
        fail_msg("%s: %s", json, why);
    json_decref(body);
}

/* The attributes of one field out of a fresh describe (a new reference), or NULL. */
static json_t *field(const char *object, const char *name)
{
    char *target = mem_printf(V "/sobjects/%s/describe", object);
    json_t *a = test_call(org, "GET", target, NULL, 200), *found = NULL, *one;
    size_t i;
    json_array_foreach(json_object_get(a, "fields"), i, one)
    {
        if (strcmp(test_text(one, "name"), name) == 0)
            found = json_incref(one);
    }
    json_decref(a);
    free(target);
    return found;
}

static bool is_true(const json_t *json, const char *path)
{
    return json_is_true(test_at(json, path));
}

/* ------------------------------------------------------------------ describe */

static void fields_are_described_as_an_org_does(void **state)
{
    (void)state;
    static const struct {
        const char *object, *field, *type;
        int64_t length;
        const char *on, *off; /* attributes that are true, that are false */
    } rows[] = {
        {"Campaign", "Id", "id", 18, "idLookup", "createable updateable nillable custom"},
        {"campaign", "Name", "string", 80, "createable nameField", "nillable"},
        {"Campaign", "Description", "textarea", 32000, "createable", "filterable"},
        {"Campaign", "StartDate", "date", 0, "createable updateable nillable", "custom"},
        {"Campaign", "IsActive", "boolean", 0, "createable defaultedOnCreate", "nillable"},
        {"Campaign", "Enable_Buyer_Touchpoints__c", "picklist", 255, "restrictedPicklist custom",
         "externalId"},
        {"CampaignMember", "CampaignId", "reference", 18, "createable cascadeDelete", "updateable"},
        {"CampaignMember", "HasResponded", "boolean", 0, "", "createable updateable"},
        {"CampaignMember", "Email", "string", 255, "calculated", "createable updateable"},
        {"CampaignMember", "Buyer_Touchpoint_Date__c", "datetime", 0, "createable updateable", ""},
        {"Lead", "Email", "email", 80, "idLookup nillable", "unique"},
        {"Lead", "Phone", "phone", 40, "createable", ""},
        {"CampaignMemberStatus", "SortOrder", "int", 0, "createable", ""},
        {"Buyer_Touchpoint__c", "Campaign_Member_Id__c", "string", 18,
         "externalId unique caseSensitive idLookup createable updateable", "nameField"},
        {"Buyer_Touchpoint__c", "Name", "string", 80, "autoNumber nameField", "createable"},
        {"Buyer_Touchpoint__c", "Campaign__c", "reference", 18, "createable", "cascadeDelete"},
        {"User", "Username", "string", 80, "", "createable updateable"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *f = field(rows[i].object, rows[i].field);
        assert_string_equal(test_text(f, "type"), rows[i].type);
        assert_int_equal(test_number(f, "length"), rows[i].length);
        for (int want = 0; want < 2; want++) {
            const char *names = want ? rows[i].on : rows[i].off;
            while (*names != '\0') {
                size_t n = strcspn(names, " ");
                char *name = mem_strndup(names, n);
                const json_t *got = test_at(f, name);
                if (!json_is_boolean(got) || json_is_true(got) != (want == 1))
                    fail_msg("%s.%s: %s is not %d", rows[i].object, rows[i].field, name, want);
                free(name);
                names += n + (names[n] == ' ');
            }
        }
        json_decref(f);
    }
}

static void references_choices_and_children_are_named(void **state)
{
    (void)state;
    json_t *f = field("Buyer_Touchpoint__c", "Campaign__c");
    assert_string_equal(test_text(f, "referenceTo.0"), "Campaign");
    assert_string_equal(test_text(f, "relationshipName"), "Campaign__r");
    json_decref(f);
    f = field("Campaign", "Enable_Buyer_Touchpoints__c");
    assert_int_equal(json_array_size(test_at(f, "picklistValues")), 3);
    assert_string_equal(test_text(f, "picklistValues.0.value"), "Include all Campaign Members");
    json_decref(f);
    json_t *a = test_call(org, "GET", V "/sobjects/Lead/describe/", NULL, 200), *child;
    assert_string_equal(test_text(a, "keyPrefix"), "00Q");
    assert_string_equal(test_text(a, "urls.sobject"), V "/sobjects/Lead");
    size_t i, members = 0;
    json_array_foreach(json_object_get(a, "childRelationships"), i, child)
    {
        if (strcmp(test_text(child, "childSObject"), "CampaignMember") == 0) {
            members++;
            assert_true(is_true(child, "cascadeDelete"));
        }
    }
    assert_int_equal(members, 1);
    json_decref(a);
}

static void the_global_list_holds_what_the_user_sees(void **state)
{
    (void)state;
    permit("{\"no_access\":[\"Account\"],\"no_delete\":[\"Lead\"]}");
    json_t *a = test_call(org, "GET", V "/sobjects", NULL, 200), *one;
    size_t i, leads = 0;
    assert_int_equal(json_array_size(json_object_get(a, "sobjects")), OBJECT_COUNT - 1);
    json_array_foreach(json_object_get(a, "sobjects"), i, one)
    {
        assert_string_not_equal(test_text(one, "name"), "Account");
        if (strcmp(test_text(one, "name"), "Lead") == 0) {
            leads++;
            assert_true(is_true(one, "createable") && !is_true(one, "deletable"));
        }
    }
    assert_int_equal(leads, 1);
    json_decref(a);
    a = test_call(org, "GET", V "/sobjects/Lead", NULL, 200);
    assert_string_equal(test_text(a, "objectDescribe.name"), "Lead");
    json_decref(a);
    json_decref(test_call(org, "GET", V "/sobjects/Account/describe", NULL, 404));
}

/* ------------------------------------------------------------------ rights */

static void a_field_can_be_hidden_or_made_read_only(void **state)
{
    (void)state;
    permit("{\"no_field\":[\"Buyer_Touchpoint__c.Medium__c\"],"
           "\"read_only_field\":[\"buyer_touchpoint__c.rule__c\"]}");
    assert_null(field("Buyer_Touchpoint__c", "Medium__c"));
    json_t *f = field("Buyer_Touchpoint__c", "Rule__c");
    assert_false(is_true(f, "createable") || is_true(f, "updateable"));
    json_decref(f);
    json_t *a =
        test_call(org, "POST", V "/sobjects/Buyer_Touchpoint__c", "{\"Medium__c\":\"x\"}", 400);
    assert_string_equal(test_code(a), "INVALID_FIELD");
    json_decref(a);
    a = test_call(org, "POST", V "/sobjects/Buyer_Touchpoint__c", "{\"Rule__c\":\"x\"}", 400);
    assert_string_equal(test_code(a), "INVALID_FIELD_FOR_INSERT_UPDATE");
    assert_string_equal(test_text(a, "0.fields.0"), "Rule__c");
    json_decref(a);
    json_decref(test_query(org, "SELECT Rule__c FROM Buyer_Touchpoint__c", 200));
    json_decref(test_query(org, "SELECT Medium__c FROM Buyer_Touchpoint__c", 400));
}

static void rights_on_an_object_are_taken_one_by_one(void **state)
{
    (void)state;
    static const struct {
        const char *permissions;
        bool create, update, delete;
    } rows[] = {
        {"{}", true, true, true},
        {"{\"no_create\":[\"Lead\"]}", false, true, true},
        {"{\"no_update\":[\"Lead\"]}", true, false, true},
        {"{\"no_delete\":[\"Lead\"]}", true, true, false},
        {"{\"read_only\":[\"Lead\"]}", false, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char id[SFID_SIZE], target[100];
        permit(rows[i].permissions);
        test_record(org, "Lead", id, "{\"LastName\":\"L\",\"Company\":\"K\"}");
        snprintf(target, sizeof target, V "/sobjects/Lead/%s", id);
        json_decref(test_call(org, "POST", V "/sobjects/Lead",
                              "{\"LastName\":\"L\",\"Company\":\"K\"}",
                              rows[i].create ? 201 : 403));
        json_decref(test_call(org, "PATCH", target, "{}", rows[i].update ? 204 : 403));
        json_decref(test_call(org, "DELETE", target, NULL, rows[i].delete ? 204 : 403));
        json_t *a = test_call(org, "GET", V "/sobjects/Lead/describe", NULL, 200);
        assert_int_equal(is_true(a, "createable"), rows[i].create);
        assert_int_equal(is_true(a, "updateable"), rows[i].update);
        assert_int_equal(is_true(a, "deletable"), rows[i].delete);
        json_decref(a);
    }
}

/* Whether any permission set of the integration user gives a right on an object. */
static bool is_granted(const char *object, const char *right)
{
    char *soql = mem_printf("SELECT PermissionSetId FROM PermissionSetAssignment WHERE "
                            "Assignee.Username = 'integration@example.com'");
    json_t *sets = test_query(org, soql, 200);
    free(soql);
    assert_int_equal(test_number(sets, "totalSize"), 2);
    soql = mem_printf("SELECT %s, Parent.Name FROM ObjectPermissions WHERE SobjectType = '%s' AND "
                      "ParentId IN ('%s', '%s')",
                      right, object, test_text(sets, "records.0.PermissionSetId"),
                      test_text(sets, "records.1.PermissionSetId"));
    json_t *a = test_query(org, soql, 200), *row;
    bool granted = false;
    size_t i;
    json_array_foreach(json_object_get(a, "records"), i, row) granted |= is_true(row, right);
    free(soql);
    json_decref(sets);
    json_decref(a);
    return granted;
}

static void the_permission_objects_say_what_the_user_may_do(void **state)
{
    (void)state;
    assert_true(is_granted("Campaign", "PermissionsViewAllRecords"));
    assert_true(is_granted("Buyer_Touchpoint__c", "PermissionsDelete"));
    assert_false(is_granted("Lead", "PermissionsModifyAllRecords"));
    permit("{\"no_view_all\":[\"Campaign\"],\"no_delete\":[\"Buyer_Touchpoint__c\"],"
           "\"no_access\":[\"Contact\"]}");
    assert_false(is_granted("Campaign", "PermissionsViewAllRecords"));
    assert_true(is_granted("Campaign", "PermissionsRead"));
    assert_true(is_granted("Lead", "PermissionsViewAllRecords"));
    assert_false(is_granted("Buyer_Touchpoint__c", "PermissionsDelete"));
    assert_false(is_granted("Contact", "PermissionsRead"));
}

static void rights_over_all_data_stand_in_the_permission_set(void **state)
{
    (void)state;
    static const struct {
        const char *permissions, *field;
        bool want;
    } rows[] = {
        {"{}", "PermissionsAllowViewEditConvertedLeads", true},
        {"{\"converted_leads\":false}", "PermissionsAllowViewEditConvertedLeads", false},
        {"{}", "PermissionsViewAllData", false},
        {"{\"view_all_data\":true}", "PermissionsViewAllData", true},
        {"{\"bulk_hard_delete\":true}", "PermissionsBulkApiHardDelete", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        permit(rows[i].permissions);
        char *soql = mem_printf("SELECT PermissionSet.%s FROM PermissionSetAssignment WHERE "
                                "PermissionSet.Name = 'Touchpoint_Integration'",
                                rows[i].field);
        char *path = mem_printf("records.0.PermissionSet.%s", rows[i].field);
        json_t *a = test_query(org, soql, 200);
        assert_int_equal(is_true(a, path), rows[i].want);
        json_decref(a);
        free(path);
        free(soql);
    }
}

static void without_view_setup_neither_permissions_nor_limits_are_seen(void **state)
{
    (void)state;
    permit("{\"view_setup\":false}");
    json_t *a = test_query(org, "SELECT Id FROM ObjectPermissions", 400);
    assert_string_equal(test_code(a), "INVALID_TYPE");
    json_decref(a);
    json_decref(test_call(org, "GET", V "/limits", NULL, 403));
    json_decref(test_query(org, "SELECT Id FROM Campaign", 200));
}

static void unknown_keys_and_names_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"no_acces\":[\"Lead\"]}",
        "{\"no_access\":[\"Lead\"],\"hide\":[\"Nope\"]}",
        "{\"no_access\":\"Lead\"}",
        "{\"no_access\":[\"Lead\"],\"no_field\":[\"Lead\"]}",
        "{\"no_access\":[\"Lead\"],\"read_only_field\":[\"Lead.Nope\"]}",
        "{\"no_access\":[\"Lead\"],\"view_setup\":1}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        char why[200] = "";
        json_t *body = json_loads(bodies[i], 0, NULL);
        assert_false(permissions_set(org->sim, body, why, sizeof why));
        assert_string_not_equal(why, "");
        assert_false(org->sim->access.none[LEAD]);
        json_decref(body);
    }
}

/* ------------------------------------------------------------------ a schema gone wrong */

static void a_field_can_be_described_otherwise(void **state)
{
    (void)state;
    char why[200] = "";
    const char *key = V "/sobjects/Buyer_Touchpoint__c/Campaign_Member_Id__c/k";
    json_t *changes = json_loads("{\"buyer_touchpoint__c.campaign_member_id__c\":"
                                 "{\"externalId\":false,\"length\":15}}",
                                 0, NULL);
    assert_true(describe_set_changes(org->sim, changes, why, sizeof why));
    json_decref(changes);
    json_t *f = field("Buyer_Touchpoint__c", "Campaign_Member_Id__c");
    assert_false(is_true(f, "externalId"));
    assert_true(is_true(f, "unique"));
    assert_int_equal(test_number(f, "length"), 15);
    json_decref(f);
    json_decref(test_call(org, "PATCH", key, "{}", 404));
    changes = json_loads("{\"Lead.Nope\":{}}", 0, NULL);
    assert_false(describe_set_changes(org->sim, changes, why, sizeof why));
    json_decref(changes);
    changes = json_object();
    assert_true(describe_set_changes(org->sim, changes, why, sizeof why));
    json_decref(changes);
    json_decref(test_call(org, "PATCH", key, "{}", 201));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(fields_are_described_as_an_org_does),
        T(references_choices_and_children_are_named),
        T(the_global_list_holds_what_the_user_sees),
        T(a_field_can_be_hidden_or_made_read_only),
        T(rights_on_an_object_are_taken_one_by_one),
        T(the_permission_objects_say_what_the_user_may_do),
        T(rights_over_all_data_stand_in_the_permission_set),
        T(without_view_setup_neither_permissions_nor_limits_are_seen),
        T(unknown_keys_and_names_are_refused_and_change_nothing),
        T(a_field_can_be_described_otherwise),
    };
#undef T
    return cmocka_run_group_tests_name("describe", tests, NULL, NULL);
}
