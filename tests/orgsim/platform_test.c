/*
 * The platform's rules: members and their statuses, uniqueness, required and read-only fields,
 * cascades, conversion, merge, helper records. Hermetic: an org in this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cascade.h"
#include "db.h"
#include "ids.h"
#include "mem.h"
#include "test_org.h"
#include "timeutil.h"

static struct test_org *org;
static char campaign[SFID_SIZE], lead[SFID_SIZE], contact[SFID_SIZE];

static int setup(void **state)
{
    (void)state;
    org = test_org_new();
    test_record(org, "Campaign", campaign, "{\"Name\":\"Expo\"}");
    test_record(org, "Lead", lead, "{\"LastName\":\"L\",\"Company\":\"K\",\"Email\":\"l@x.com\"}");
    test_record(org, "Contact", contact, "{\"LastName\":\"C\",\"Email\":\"c@x.com\"}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_org_free(&org);
    return 0;
}

static void want_field(const char *id, const char *field, const char *want)
{
    char *got = test_field(org, id, field);
    if (strcmp(got, want) != 0)
        fail_msg("%s: got %s, want %s", field, got, want);
    free(got);
}

static void add_member(char id[SFID_SIZE], const char *person_field, const char *person)
{
    test_record(org, "CampaignMember", id, "{\"CampaignId\":\"%s\",\"%s\":\"%s\"}", campaign,
                person_field, person);
}

static int64_t count(const char *sql)
{
    return sdb_int(org->sim->db, -1, sql, "");
}

static void a_member_starts_with_the_default_status(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    add_member(id, "LeadId", lead);
    want_field(id, "Status", "Sent");
    want_field(id, "HasResponded", "false");
    want_field(id, "FirstRespondedDate", "null");
    want_field(id, "Email", "l@x.com");
    want_field(id, "Type", "Lead");
}

static void the_first_responded_status_sets_the_date_for_good(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    int64_t at_ms;
    add_member(id, "LeadId", lead);
    assert_true(time_parse_datetime("2026-03-01T23:30:00Z", 20, &at_ms));
    sim_clock_set(&org->sim->clock, at_ms, true);
    assert_string_equal(test_change(org, id, "{\"Status\":\"responded\"}"), "");
    want_field(id, "Status", "Responded");
    want_field(id, "HasResponded", "true");
    want_field(id, "FirstRespondedDate", "2026-03-02"); /* Berlin's day */
    sim_clock_set(&org->sim->clock, at_ms + 86400000, true);
    assert_string_equal(test_change(org, id, "{\"Status\":\"Sent\"}"), "");
    want_field(id, "HasResponded", "false");
    assert_string_equal(test_change(org, id, "{\"Status\":\"Responded\"}"), "");
    want_field(id, "FirstRespondedDate", "2026-03-02");
}

static void an_unknown_status_becomes_the_default(void **state)
{
    (void)state;
    char id[SFID_SIZE], status[SFID_SIZE];
    test_record(org, "CampaignMemberStatus", status,
                "{\"CampaignId\":\"%s\",\"Label\":\"Visited\",\"HasResponded\":true,"
                "\"IsDefault\":true}",
                campaign);
    test_record(org, "CampaignMember", id,
                "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\",\"Status\":\"nonsense\"}", campaign,
                lead);
    want_field(id, "Status", "Visited");
    want_field(id, "HasResponded", "true");
    assert_int_equal(count("SELECT count(*) FROM CampaignMemberStatus WHERE IsDefault = 1"), 1);
    assert_string_equal(test_change(org, status, "{\"HasResponded\":false}"), "");
    want_field(id, "HasResponded", "false");
}

static void both_ids_keep_only_the_contact_and_persons_are_unique(void **state)
{
    (void)state;
    static const struct {
        bool lead, contact;
        const char *want; /* NULL: created */
    } rows[] = {
        {true, true, NULL},
        {true, true, "DUPLICATE_VALUE"},
        {true, false, NULL},
        {true, false, "DUPLICATE_VALUE"},
        {false, false, "REQUIRED_FIELD_MISSING"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *body = json_pack("{s:s}", "CampaignId", campaign);
        if (rows[i].lead)
            json_object_set_new(body, "LeadId", json_string(lead));
        if (rows[i].contact)
            json_object_set_new(body, "ContactId", json_string(contact));
        char *text = json_dumps(body, 0);
        json_t *answer = test_call(org, "POST", "/services/data/v64.0/sobjects/CampaignMember",
                                   text, rows[i].want == NULL ? 201 : 400);
        assert_string_equal(test_code(answer), rows[i].want == NULL ? "" : rows[i].want);
        if (i == 0)
            want_field(json_string_value(json_object_get(answer, "id")), "LeadId", "null");
        json_decref(answer);
        json_decref(body);
        free(text);
    }
}

static void fields_are_checked_as_the_platform_does(void **state)
{
    (void)state;
    static const struct {
        const char *object, *body, *want;
    } rows[] = {
        {"Campaign", "{}", "REQUIRED_FIELD_MISSING"},
        {"Campaign", "{\"Name\":\"  \"}", "REQUIRED_FIELD_MISSING"},
        {"Campaign", "{\"Name\":\"x\",\"Nope\":1}", "INVALID_FIELD"},
        {"Campaign", "{\"Name\":\"x\",\"Enable_Buyer_Touchpoints__c\":\"Other\"}",
         "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"},
        {"Campaign", "{\"Name\":\"x\",\"StartDate\":\"yesterday\"}", "JSON_PARSER_ERROR"},
        {"Campaign", "{\"Name\":\"x\",\"IsActive\":7}", "JSON_PARSER_ERROR"},
        {"Campaign", "{\"Name\":[]}", "JSON_PARSER_ERROR"},
        {"Campaign", "{\"Name\":\"x\",\"CreatedDate\":\"2026-01-01T00:00:00Z\"}",
         "INVALID_FIELD_FOR_INSERT_UPDATE"},
        {"Campaign", "{\"Name\":\"x\",\"ParentId\":\"701\"}", "MALFORMED_ID"},
        {"Campaign", "{\"Name\":\"x\",\"ParentId\":\"00QgK0000000001\"}",
         "FIELD_INTEGRITY_EXCEPTION"},
        {"Campaign", "{\"Name\":\"x\",\"ParentId\":\"701gK0000000zzz\"}",
         "INVALID_CROSS_REFERENCE_KEY"},
        {"Lead", "{\"LastName\":\"x\",\"Company\":\"y\",\"Email\":\"no\"}",
         "INVALID_EMAIL_ADDRESS"},
        {"Lead",
         "{\"Company\":\"y\",\"LastName\":\"0123456789012345678901234567890123456789012345678"
         "90123456789012345678901234567890x\"}",
         "STRING_TOO_LONG"},
        {"CampaignMember", "{\"HasResponded\":true}", "INVALID_FIELD_FOR_INSERT_UPDATE"},
        {"CampaignMember", "{\"FirstRespondedDate\":\"2026-01-01\"}",
         "INVALID_FIELD_FOR_INSERT_UPDATE"},
        {"User", "{\"Name\":\"x\"}", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *target = mem_printf("/services/data/v64.0/sobjects/%s", rows[i].object);
        json_t *answer = test_call(org, "POST", target, rows[i].body, 400);
        if (strcmp(test_code(answer), rows[i].want) != 0)
            fail_msg("%s %s: got %s, want %s", rows[i].object, rows[i].body, test_code(answer),
                     rows[i].want);
        json_decref(answer);
        free(target);
    }
}

static void campaign_and_person_of_a_member_cannot_be_changed(void **state)
{
    (void)state;
    char id[SFID_SIZE], other[SFID_SIZE];
    add_member(id, "LeadId", lead);
    test_record(org, "Campaign", other, "{\"Name\":\"Other\"}");
    assert_string_equal(test_change(org, id, "{\"CampaignId\":\"%s\"}", other),
                        "INVALID_FIELD_FOR_INSERT_UPDATE");
    assert_string_equal(test_change(org, id, "{\"ContactId\":\"%s\"}", contact),
                        "INVALID_FIELD_FOR_INSERT_UPDATE");
}

static void add_touchpoint(char id[SFID_SIZE], const char *member)
{
    test_record(org, "Buyer_Touchpoint__c", id,
                "{\"Campaign_Member_Id__c\":\"%s\",\"Campaign__c\":\"%s\",\"Lead__c\":\"%s\","
                "\"Ad_Campaign_Id__c\":\"%s\"}",
                member, campaign, lead, campaign);
}

static void the_touchpoint_key_is_unique_and_case_sensitive(void **state)
{
    (void)state;
    char id[SFID_SIZE], other[SFID_SIZE];
    add_touchpoint(id, "00vgK000000000aAAA");
    add_touchpoint(other, "00vgK000000000AAAA");
    assert_string_equal(
        test_change(org, other, "{\"Campaign_Member_Id__c\":\"00vgK000000000aAAA\"}"),
        "DUPLICATE_VALUE");
    assert_string_equal(test_remove(org, id), "");
    assert_string_equal(
        test_change(org, other, "{\"Campaign_Member_Id__c\":\"00vgK000000000aAAA\"}"), "");
}

static void deleting_a_campaign_takes_members_and_clears_lookups(void **state)
{
    (void)state;
    char id[SFID_SIZE], touchpoint[SFID_SIZE];
    add_member(id, "LeadId", lead);
    add_touchpoint(touchpoint, id);
    assert_string_equal(test_remove(org, campaign), "");
    want_field(id, "IsDeleted", "true");
    want_field(touchpoint, "IsDeleted", "false");
    want_field(touchpoint, "Campaign__c", "null");
    want_field(touchpoint, "Ad_Campaign_Id__c", campaign);
    assert_int_equal(count("SELECT count(*) FROM Campaign_Member_Deletion__c WHERE "
                           "Campaign_Member_Id__c IS NULL AND Campaign_Id__c IS NOT NULL"),
                     1);
    assert_int_equal(count("SELECT count(*) FROM Campaign_Member_Deletion__c"), 1);
    assert_string_equal(test_remove(org, campaign), "ENTITY_IS_DELETED");
    assert_string_equal(test_remove(org, "701gK0000000zzzQAA"), "INVALID_CROSS_REFERENCE_KEY");
}

static void deleting_members_and_persons_leaves_a_helper_for_each_membership(void **state)
{
    (void)state;
    char id[SFID_SIZE], second[SFID_SIZE], touchpoint[SFID_SIZE];
    add_member(id, "LeadId", lead);
    add_touchpoint(touchpoint, id);
    add_member(second, "ContactId", contact);
    assert_string_equal(test_remove(org, second), "");
    assert_int_equal(count("SELECT count(*) FROM Campaign_Member_Deletion__c"), 1);
    assert_string_equal(test_remove(org, lead), "");
    want_field(id, "IsDeleted", "true");
    want_field(touchpoint, "Lead__c", "null");
    assert_int_equal(count("SELECT count(*) FROM Campaign_Member_Deletion__c d JOIN CampaignMember "
                           "m ON m.Id = d.Campaign_Member_Id__c AND m.CampaignId = "
                           "d.Campaign_Id__c"),
                     2);
    org->sim->behaviour.helper_trigger = false;
    assert_string_equal(test_remove(org, contact), "");
    assert_int_equal(count("SELECT count(*) FROM Campaign_Member_Deletion__c"), 2);
}

static void cascaded_members_can_vanish_without_a_trace(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    add_member(id, "LeadId", lead);
    org->sim->behaviour.cascade_leaves_trace = false;
    assert_string_equal(test_remove(org, campaign), "");
    assert_int_equal(count("SELECT count(*) FROM CampaignMember"), 0);
}

static struct writer admin(void)
{
    return (struct writer){.sim = org->sim, .admin = true, .operation = "", .target = ""};
}

static void a_converted_lead_gives_its_members_to_the_contact(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    struct moved moved;
    struct row_result r;
    struct writer w = admin();
    add_member(id, "LeadId", lead);
    assert_true(convert_lead(&w, lead, NULL, &moved, &r));
    assert_int_equal(moved.moved, 1);
    want_field(id, "ContactId", moved.contact);
    want_field(id, "LeadId", lead);
    want_field(id, "Email", "l@x.com");
    want_field(lead, "IsConverted", "true");
    want_field(lead, "ConvertedContactId", moved.contact);
    assert_string_equal(test_change(org, lead, "{\"Title\":\"x\"}"),
                        "CANNOT_UPDATE_CONVERTED_LEAD");
    assert_false(convert_lead(&w, lead, NULL, &moved, &r));
    row_result_release(&r);
}

static void conversion_to_a_contact_that_is_a_member_keeps_one(void **state)
{
    (void)state;
    char of_lead[SFID_SIZE], of_contact[SFID_SIZE];
    struct moved moved;
    struct row_result r;
    struct writer w = admin();
    add_member(of_lead, "LeadId", lead);
    add_member(of_contact, "ContactId", contact);
    org->sim->behaviour.convert_keeps_lead = false;
    assert_true(convert_lead(&w, lead, contact, &moved, &r));
    assert_int_equal(moved.moved, 0);
    assert_int_equal(moved.removed, 1);
    want_field(of_lead, "IsDeleted", "true");
    want_field(of_contact, "IsDeleted", "false");
}

static void merged_leads_leave_one_member_a_campaign(void **state)
{
    (void)state;
    char loser[SFID_SIZE], other[SFID_SIZE], ids[3][SFID_SIZE];
    struct moved moved;
    struct row_result r;
    struct writer w = admin();
    test_record(org, "Lead", loser, "{\"LastName\":\"M\",\"Company\":\"K\"}");
    test_record(org, "Campaign", other, "{\"Name\":\"Other\"}");
    add_member(ids[0], "LeadId", lead);
    add_member(ids[1], "LeadId", loser);
    test_record(org, "CampaignMember", ids[2], "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\"}", other,
                loser);
    assert_true(merge_records(&w, &OBJECTS[LEAD], lead, loser, &moved, &r));
    assert_int_equal(moved.moved, 1);
    assert_int_equal(moved.removed, 1);
    want_field(ids[1], "IsDeleted", "true");
    want_field(ids[2], "LeadId", lead);
    want_field(loser, "MasterRecordId", lead);
    want_field(loser, "IsDeleted", "true");
    assert_false(merge_records(&w, &OBJECTS[LEAD], lead, loser, &moved, &r));
    row_result_release(&r);
}

static void ids_have_prefix_and_checksum_and_sort_as_made(void **state)
{
    (void)state;
    char id[SFID_SIZE], normal[SFID_SIZE], last[SFID_SIZE] = "";
    for (uint64_t i = 0; i < 300000; i += 37) {
        sim_id_make("00v", i, id);
        assert_true(sfid_normalise(id, 18, normal));
        assert_string_equal(id, normal);
        assert_true(strcmp(last, id) < 0);
        assert_ptr_equal(object_by_id(id), &OBJECTS[CAMPAIGN_MEMBER]);
        memcpy(last, id, sizeof id);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_member_starts_with_the_default_status),
        T(the_first_responded_status_sets_the_date_for_good),
        T(an_unknown_status_becomes_the_default),
        T(both_ids_keep_only_the_contact_and_persons_are_unique),
        T(fields_are_checked_as_the_platform_does),
        T(campaign_and_person_of_a_member_cannot_be_changed),
        T(the_touchpoint_key_is_unique_and_case_sensitive),
        T(deleting_a_campaign_takes_members_and_clears_lookups),
        T(deleting_members_and_persons_leaves_a_helper_for_each_membership),
        T(cascaded_members_can_vanish_without_a_trace),
        T(a_converted_lead_gives_its_members_to_the_contact),
        T(conversion_to_a_contact_that_is_a_member_keeps_one),
        T(merged_leads_leave_one_member_a_campaign),
        cmocka_unit_test(ids_have_prefix_and_checksum_and_sort_as_made),
    };
#undef T
    return cmocka_run_group_tests_name("platform", tests, NULL, NULL);
}
