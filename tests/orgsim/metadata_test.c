/*
 * The shipped metadata becomes the org's schema and messages; what can't is refused with the file's
 * name. Hermetic but for the source tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mem.h"
#include "objects_int.h"
#include "options.h"

#define FLOW(start)                                                                                \
    "<Flow><actionCalls><actionName>Campaign.M</actionName>"                                       \
    "<actionType>outboundMessage</actionType></actionCalls><status>Active</status><start>" start   \
    "<object>Campaign</object><triggerType>RecordAfterSave</triggerType></start></Flow>"
#define UPDATE "<recordTriggerType>Update</recordTriggerType>"
#define HEAD                                                                                       \
    "<?xml version=\"1.0\"?><CustomField xmlns=\"http://soap.sforce.com/2006/04/metadata\">"

static char folder[] = "/tmp/orgsim-metadata-XXXXXX";

static void put(const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", folder, name);
    for (char *slash = path + sizeof folder; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    free(path);
}

static void drop(const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    (void)remove(path);
    free(path);
}

static void drop_all(const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        drop(names[i]);
}

/* First, since what was loaded stays. */
static void a_project_that_cannot_be_simulated_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const up[] = {"p/main/default/objects/Campaign/fields",
                                     "p/main/default/objects/Campaign",
                                     "p/main/default/objects",
                                     "p/main/default",
                                     "p/main",
                                     "p",
                                     "sfdx-project.json"};
    static const char *const field = "p/main/default/objects/Campaign/fields/X__c.field-meta.xml";
    static const struct {
        const char *project, *field, *want;
    } rows[] = {
        {NULL, NULL, "sfdx-project.json is no sfdx project"},
        {"{}", NULL, "it has no packageDirectories"},
        {"{\"packageDirectories\":[{\"path\":\"p\"}]}", NULL,
         "the project has no Buyer_Touchpoint__c"},
        {NULL, "<Custom", "X__c.field-meta.xml can't be read, or is no XML"},
        {NULL, HEAD "<fullName>X__c</fullName><type>Location</type></CustomField>",
         "X__c.field-meta.xml: its type is not simulated: X__c"},
        {NULL, HEAD "<fullName>Name</fullName><type>Text</type></CustomField>",
         "or it is there already: Name"},
    };
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error e = {.kind = ERR_NONE};
        if (rows[i].project != NULL)
            put("sfdx-project.json", rows[i].project);
        if (rows[i].field != NULL)
            put(field, rows[i].field);
        assert_int_equal(objects_load(folder, &e), ERR_CONFIG);
        if (strstr(e.text, rows[i].want) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", e.text, rows[i].want);
    }
    drop(field);
    drop_all(up, sizeof up / sizeof up[0]);
    drop("");
}

/* As before anything was loaded. */
static void forget_message(void)
{
    struct object *o = &objects_table[CAMPAIGN];
    for (size_t i = 0; i < FIELDS_MAX; i++) {
        free((char *)(uintptr_t)o->message[i]);
        o->message[i] = NULL;
    }
    free((char *)(uintptr_t)o->message_name);
    o->message_name = NULL;
    o->sends = (struct sends){.created = false};
}

static void a_message_whose_sending_cannot_be_simulated_is_refused(void **state)
{
    (void)state;
    static const char *const up[] = {"p/main/default/workflows/Campaign.workflow-meta.xml",
                                     "p/main/default/flows/F.flow-meta.xml",
                                     "p/main/default/workflows",
                                     "p/main/default/flows",
                                     "p/main/default",
                                     "p/main",
                                     "p",
                                     "sfdx-project.json",
                                     ""};
    static const struct {
        const char *flow, *want;
    } rows[] = {
        {FLOW("<recordTriggerType>Delete</recordTriggerType>"), "recordTriggerType is not"},
        {FLOW(UPDATE "<filters/>"), "the flow's start has what is not simulated: filters"},
        {FLOW(UPDATE "<filterFormula>ISCHANGED({!$Record.Nothing})</filterFormula>"),
         "not simulated, from here on: )"},
        {FLOW(UPDATE "<filterFormula>NOT(ISCHANGED({!$Record.Name}))</filterFormula>"),
         "not simulated, from here on: NOT("},
        {FLOW(UPDATE "<filterFormula>ISCHANGED({!$Record.Name}) || TRUE</filterFormula>"),
         "not simulated, from here on: || TRUE"},
        {FLOW("<recordTriggerType>Create</recordTriggerType><filterFormula>TRUE</filterFormula>"),
         "a condition on new records is not simulated"},
        {"<Flow/>", "no active flow sends the message Campaign.M"},
    };
    static const char message[] =
        "<Workflow><outboundMessages><fullName>M</fullName><fields>Id</fields></outboundMessages>"
        "</Workflow>";
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(folder));
    put("sfdx-project.json", "{\"packageDirectories\":[{\"path\":\"p\"}]}");
    put(up[0], message);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error e = {.kind = ERR_NONE};
        put(up[1], rows[i].flow);
        forget_message();
        assert_int_equal(objects_load(folder, &e), ERR_CONFIG);
        if (strstr(e.text, rows[i].want) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", e.text, rows[i].want);
    }
    forget_message();
    drop_all(up, sizeof up / sizeof up[0]);
}

static void the_shipped_fields_are_the_orgs(void **state)
{
    (void)state;
    struct sim_options options;
    struct error e = {.kind = ERR_NONE};
    static const struct {
        const char *object, *field;
        enum field_type type;
        unsigned length, flags;
        const char *target, *relationship, *value;
    } rows[] = {
        {"Campaign", "Enable_Buyer_Touchpoints__c", FIELD_PICKLIST, 255,
         FIELD_CREATE | FIELD_UPDATE | FIELD_RESTRICTED, NULL, NULL,
         "Include all Campaign Members"},
        {"Campaign", "Touchpoint_End_Date__c", FIELD_DATE, 0, FIELD_CREATE | FIELD_UPDATE, NULL,
         NULL, NULL},
        {"CampaignMember", "Buyer_Touchpoint_Date__c", FIELD_DATETIME, 0,
         FIELD_CREATE | FIELD_UPDATE, NULL, NULL, NULL},
        {"Buyer_Touchpoint__c", "Campaign_Member_Id__c", FIELD_TEXT, 18,
         FIELD_CREATE | FIELD_UPDATE | FIELD_EXTERNAL | FIELD_UNIQUE | FIELD_CASE, NULL, NULL,
         NULL},
        {"Buyer_Touchpoint__c", "Lead__c", FIELD_REFERENCE, 18, FIELD_CREATE | FIELD_UPDATE, "Lead",
         "Lead__r", NULL},
        {"Buyer_Touchpoint__c", "Email__c", FIELD_EMAIL, 80, FIELD_CREATE | FIELD_UPDATE, NULL,
         NULL, NULL},
    };
    sim_options_defaults(&options);
    assert_int_equal(objects_load(options.metadata, &e), ERR_NONE);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct field *f = object_field(object_find(rows[i].object), rows[i].field);
        assert_non_null(f);
        assert_int_equal(f->type, rows[i].type);
        assert_int_equal(f->length, rows[i].length);
        assert_int_equal(f->flags, rows[i].flags);
        if (rows[i].target != NULL) {
            assert_string_equal(f->target, rows[i].target);
            assert_string_equal(f->relationship, rows[i].relationship);
        }
        if (rows[i].value != NULL)
            assert_string_equal(f->values[0], rows[i].value);
    }
    assert_string_equal(OBJECTS[TOUCHPOINT].auto_name, "BT-");
}

static void the_shipped_messages_are_sent(void **state)
{
    (void)state;
    static const struct {
        enum object_id object;
        const char *first; /* NULL: no message */
    } rows[] = {
        {CAMPAIGN, "Enable_Buyer_Touchpoints__c"},
        {CAMPAIGN_MEMBER, "Buyer_Touchpoint_Date__c"},
        {LEAD, "Id"},
        {CONTACT, "Id"},
        {ACCOUNT, "Id"},
        {DELETION, "Campaign_Id__c"},
        {TOUCHPOINT, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *first = OBJECTS[rows[i].object].message[0];
        assert_int_equal(first == NULL, rows[i].first == NULL);
        if (first != NULL)
            assert_string_equal(first, rows[i].first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_project_that_cannot_be_simulated_is_refused_by_name),
        cmocka_unit_test(a_message_whose_sending_cannot_be_simulated_is_refused),
        cmocka_unit_test(the_shipped_fields_are_the_orgs),
        cmocka_unit_test(the_shipped_messages_are_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
