/*
 * The WSDLs in soap/wsdl: well-formed, complete, in Salesforce's order, and in step with what the
 * reader takes from a message. Hermetic; reads the source tree (TP_SOURCE, else the current
 * directory).
 */
#include "soap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "buf.h"
#include "mem.h"

static const struct {
    const char *file, *object, *fields; /* in ASCII order, behind the inherited Id */
} WSDLS[] = {
    {"campaign", "Campaign",
     "Enable_Buyer_Touchpoints__c Name Touchpoint_End_Date__c Touchpoint_Start_Date__c Type "},
    {"campaign-member", "CampaignMember", "Buyer_Touchpoint_Date__c CampaignId Status "},
    {"lead", "Lead", "IsConverted "},
    {"contact", "Contact", ""},
    {"account", "Account", "PersonContactId "},
    {"campaign-member-deletion", "Campaign_Member_Deletion__c",
     "Campaign_Id__c Campaign_Member_Id__c "},
};

static xmlDocPtr open_wsdl(const char *file)
{
    const char *root = getenv("TP_SOURCE");
    char *path = mem_printf("%s/soap/wsdl/%s.wsdl", root == NULL ? "." : root, file);
    xmlDocPtr doc = xmlReadFile(path, NULL, XML_PARSE_NONET);
    if (doc == NULL)
        fail_msg("%s is missing or not well-formed", path);
    free(path);
    return doc;
}

/* What the expression selects: the values of attributes, each followed by a space. */
static void select_values(xmlDocPtr doc, const char *expression, struct buf *out)
{
    xmlXPathContextPtr context = xmlXPathNewContext(doc);
    xmlXPathRegisterNs(context, (const xmlChar *)"x",
                       (const xmlChar *)"http://www.w3.org/2001/XMLSchema");
    xmlXPathRegisterNs(context, (const xmlChar *)"w",
                       (const xmlChar *)"http://schemas.xmlsoap.org/wsdl/");
    xmlXPathRegisterNs(context, (const xmlChar *)"s",
                       (const xmlChar *)"http://schemas.xmlsoap.org/wsdl/soap/");
    xmlXPathObjectPtr found = xmlXPathEvalExpression((const xmlChar *)expression, context);
    assert_non_null(found);
    buf_init(out, 4096);
    for (int i = 0; found->nodesetval != NULL && i < found->nodesetval->nodeNr; i++) {
        xmlChar *value = xmlNodeGetContent(found->nodesetval->nodeTab[i]);
        buf_printf(out, "%s ", (const char *)value);
        xmlFree(value);
    }
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
}

static void expect_values(xmlDocPtr doc, const char *expression, const char *want)
{
    struct buf got;
    select_values(doc, expression, &got);
    assert_string_equal(got.data, want);
    buf_release(&got);
}

static void each_wsdl_lists_the_recommended_fields_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WSDLS / sizeof WSDLS[0]; i++) {
        xmlDocPtr doc = open_wsdl(WSDLS[i].file);
        char *fields = mem_printf("//x:complexType[@name='%s']//x:element/@name", WSDLS[i].object);
        expect_values(doc, fields, WSDLS[i].fields);
        expect_values(doc, "//x:complexType[@name='sObject']//x:element/@name", "fieldsToNull Id ");
        free(fields);
        xmlFreeDoc(doc);
    }
}

static void each_wsdl_describes_one_outbound_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WSDLS / sizeof WSDLS[0]; i++) {
        xmlDocPtr doc = open_wsdl(WSDLS[i].file);
        char *type = mem_printf("ens:%s ", WSDLS[i].object);
        char *note = mem_printf("tns:%sNotification ", WSDLS[i].object);
        expect_values(doc, "/w:definitions/@targetNamespace",
                      "http://soap.sforce.com/2005/09/outbound ");
        expect_values(doc, "//x:element[@name='notifications']//x:element/@name",
                      "OrganizationId ActionId SessionId EnterpriseUrl PartnerUrl Notification ");
        expect_values(doc, "//x:element[@name='Notification']/@maxOccurs", "100 ");
        expect_values(doc, "//x:element[@name='Notification']/@type", note);
        expect_values(doc, "//x:element[@name='sObject']/@type", type);
        expect_values(doc, "//x:element[@name='notificationsResponse']//x:element/@name", "Ack ");
        expect_values(doc, "//s:operation/@soapAction", " ");
        free(type);
        free(note);
        xmlFreeDoc(doc);
    }
}

/* A message with every field of the WSDL goes through the reader. */
static void the_reader_reads_what_each_wsdl_describes(void **state)
{
    (void)state;
    struct soap_reader *r = soap_reader_new();
    for (size_t i = 0; i < sizeof WSDLS / sizeof WSDLS[0]; i++) {
        char *names = mem_strdup(WSDLS[i].fields), *rest = NULL;
        struct soap_field fields[8];
        struct soap_out_notification note = {"04lTp0000000aB1IAI", WSDLS[i].object,
                                             "00QTp0000000Ld1MAE", fields, 0};
        struct soap_out_message out = {"00DTp0000000Qr1MAE", "", "", "", &note, 1};
        for (char *name = strtok_r(names, " ", &rest); name != NULL;
             name = strtok_r(NULL, " ", &rest))
            fields[note.field_count++] = (struct soap_field){name, "701Tp0000000Cc1IAE"};
        struct buf b;
        struct soap_message in;
        unsigned line;
        buf_init(&b, 1 << 16);
        soap_write_message(&b, &out);
        assert_int_equal(soap_read(r, b.data, b.len, &in, &line), SOAP_OK);
        const struct soap_notification *n = &in.notifications[0];
        assert_string_equal(n->object, WSDLS[i].object);
        assert_int_equal(n->campaign_id[0] != '\0', strstr(WSDLS[i].fields, "Campaign_Id__c") ||
                                                        strstr(WSDLS[i].fields, "CampaignId"));
        assert_int_equal(n->member_id[0] != '\0',
                         strstr(WSDLS[i].fields, "Campaign_Member_Id__c") != NULL);
        assert_int_equal(n->person_contact_id[0] != '\0',
                         strstr(WSDLS[i].fields, "PersonContactId") != NULL);
        buf_release(&b);
        free(names);
    }
    soap_reader_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wsdl_lists_the_recommended_fields_in_order),
        cmocka_unit_test(each_wsdl_describes_one_outbound_message),
        cmocka_unit_test(the_reader_reads_what_each_wsdl_describes),
    };
    soap_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
