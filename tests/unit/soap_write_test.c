/*
 * The writers: the acknowledgement, faults and messages; and the sender's side of an
 * acknowledgement. Hermetic.
 */
#include "soap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"

enum { OUT_MAX = 1 << 20 };

#define ENV "xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'"
#define OUT "xmlns='http://soap.sforce.com/2005/09/outbound'"

static void the_acknowledgement_is_byte_for_byte_the_documented_one(void **state)
{
    (void)state;
    static const char want[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">"
        "<soapenv:Body><notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\">"
        "<Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>";
    assert_string_equal(SOAP_ACK_TRUE, want);
    assert_int_equal(SOAP_ACK_TRUE_LEN, strlen(want));
}

static void a_fault_escapes_its_text(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, OUT_MAX);
    soap_write_fault(&b, "Client", "line 3: <a> & \"b\"\x01\x1b[0m\n\xC3\xBC");
    assert_string_equal(
        b.data, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">"
                "<soapenv:Body><soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>"
                "line 3: &lt;a&gt; &amp; &quot;b&quot;??[0m\n\xC3\xBC</faultstring></soapenv:Fault>"
                "</soapenv:Body></soapenv:Envelope>");
    assert_false(soap_is_ack_true(b.data, b.len));
    buf_release(&b);
}

static void a_message_is_written_as_salesforce_writes_it(void **state)
{
    (void)state;
    static const struct soap_field fields[] = {
        {"CampaignId", "701Tp0000000Cc1IAE"}, {"Email", NULL}, {"Status", "R&D <x>"}};
    static const struct soap_out_notification notes[] = {
        {"04lTp0000000aB1IAI", "CampaignMember", "00vTp0000000Mm1IAE", fields, 3},
        {"04lTp0000000aB2IAI", "Campaign", NULL, fields, 3}};
    static const struct soap_out_message m = {"00DTp0000000Qr1MAE",
                                              "04kTp0000000Kk1IAE",
                                              "https://e.example/c/60.0/00DTp0000000Qr1",
                                              "https://e.example/u/60.0/00DTp0000000Qr1",
                                              notes,
                                              2};
    struct buf b;
    buf_init(&b, OUT_MAX);
    soap_write_message(&b, &m);
    assert_string_equal(
        b.data, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\""
                " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
                " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n"
                " <soapenv:Body>\n"
                "  <notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\">\n"
                "   <OrganizationId>00DTp0000000Qr1MAE</OrganizationId>\n"
                "   <ActionId>04kTp0000000Kk1IAE</ActionId>\n"
                "   <SessionId xsi:nil=\"true\"/>\n"
                "   <EnterpriseUrl>https://e.example/c/60.0/00DTp0000000Qr1</EnterpriseUrl>\n"
                "   <PartnerUrl>https://e.example/u/60.0/00DTp0000000Qr1</PartnerUrl>\n"
                "   <Notification>\n"
                "    <Id>04lTp0000000aB1IAI</Id>\n"
                "    <sObject xsi:type=\"sf:CampaignMember\""
                " xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">\n"
                "     <sf:Id>00vTp0000000Mm1IAE</sf:Id>\n"
                "     <sf:CampaignId>701Tp0000000Cc1IAE</sf:CampaignId>\n"
                "     <sf:Status>R&amp;D &lt;x&gt;</sf:Status>\n"
                "    </sObject>\n"
                "   </Notification>\n"
                "   <Notification>\n"
                "    <Id>04lTp0000000aB2IAI</Id>\n"
                "    <sObject xsi:type=\"sf:Campaign\" "
                "xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\"/>\n"
                "   </Notification>\n"
                "  </notifications>\n"
                " </soapenv:Body>\n"
                "</soapenv:Envelope>\n");
    buf_release(&b);
}

static void what_the_writer_writes_the_reader_reads(void **state)
{
    (void)state;
    enum { COUNT = SOAP_NOTIFICATIONS_MAX };
    static char ids[COUNT][SFID_SIZE], records[COUNT][SFID_SIZE];
    static struct soap_out_notification notes[COUNT];
    static const struct soap_field fields[] = {{"CampaignId", "701Tp0000000Cc1IAE"},
                                               {"Name", "]]> <!-- \xF0\x9F\x98\x80 & \x02"}};
    struct soap_out_message out = {.org_id = "00DTp0000000Qr1MAE",
                                   .action_id = "",
                                   .enterprise_url = "https://x/?a=1&b=2",
                                   .partner_url = "",
                                   .notifications = notes};
    for (unsigned i = 0; i < COUNT; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "04lTp0000%06u", i);
        assert_true(sfid_normalise(text, 15, ids[i]));
        (void)snprintf(text, sizeof text, "00vTP0000%06u", i);
        assert_true(sfid_normalise(text, 15, records[i]));
        const char *record = i % 3 == 0 ? NULL : records[i];
        notes[i] = (struct soap_out_notification){ids[i], "CampaignMember", record, fields, 2};
    }
    struct soap_reader *r = soap_reader_new();
    for (out.count = 1; out.count <= COUNT; out.count += 33) {
        struct buf b;
        struct soap_message in;
        unsigned line;
        buf_init(&b, OUT_MAX);
        soap_write_message(&b, &out);
        assert_int_equal(soap_read(r, b.data, b.len, &in, &line), SOAP_OK);
        assert_string_equal(in.org_id, out.org_id);
        assert_int_equal(in.count, out.count);
        for (size_t i = 0; i < in.count; i++) {
            const struct soap_notification *n = &in.notifications[i];
            assert_string_equal(n->id, ids[i]);
            assert_string_equal(n->object, "CampaignMember");
            assert_string_equal(n->record_id, i % 3 == 0 ? "" : records[i]);
            assert_string_equal(n->campaign_id, i % 3 == 0 ? "" : "701Tp0000000Cc1IAE");
        }
        buf_release(&b);
    }
    soap_reader_free(&r);
}

static void an_acknowledgement_is_known_in_all_its_forms(void **state)
{
    (void)state;
    static const struct {
        const char *name, *body;
        bool want;
    } rows[] = {
        {"ours", SOAP_ACK_TRUE, true},
        {"prefixed, with a header",
         "<e:Envelope " ENV "><e:Header/><e:Body><o:notificationsResponse "
         "xmlns:o='http://soap.sforce.com/2005/09/outbound'><o:Ack> 1 </o:Ack>"
         "</o:notificationsResponse></e:Body></e:Envelope>",
         true},
        {"a byte order mark",
         "\xEF\xBB\xBF<e:Envelope " ENV "><e:Body><notificationsResponse " OUT
         "><Ack>true</Ack></notificationsResponse></e:Body></e:Envelope>",
         true},
        {"false",
         "<e:Envelope " ENV "><e:Body><notificationsResponse " OUT
         "><Ack>false</Ack></notificationsResponse></e:Body></e:Envelope>",
         false},
        {"TRUE",
         "<e:Envelope " ENV "><e:Body><notificationsResponse " OUT
         "><Ack>TRUE</Ack></notificationsResponse></e:Body></e:Envelope>",
         false},
        {"no namespace",
         "<e:Envelope " ENV "><e:Body><notificationsResponse>"
         "<Ack>true</Ack></notificationsResponse></e:Body></e:Envelope>",
         false},
        {"the wrong wrapper",
         "<e:Envelope " ENV "><e:Body><notifications " OUT
         "><Ack>true</Ack></notifications></e:Body></e:Envelope>",
         false},
        {"two",
         "<e:Envelope " ENV "><e:Body><notificationsResponse " OUT
         "><Ack>true</Ack><Ack>true</Ack></notificationsResponse></e:Body></e:Envelope>",
         false},
        {"outside", "<e:Envelope " ENV "><e:Body><Ack " OUT ">true</Ack></e:Body></e:Envelope>",
         false},
        {"not an envelope", "<Ack>true</Ack>", false},
        {"cut", "<e:Envelope " ENV "><e:Body><notificationsResponse " OUT "><Ack>true</Ack>",
         false},
        {"JSON", "{\"Ack\":true}", false},
        {"nothing", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (soap_is_ack_true(rows[i].body, strlen(rows[i].body)) != rows[i].want)
            fail_msg("%s: want %s", rows[i].name, rows[i].want ? "true" : "false");
    }
}

static void every_problem_has_a_code_and_a_sentence(void **state)
{
    (void)state;
    for (int p = SOAP_OK; p <= SOAP_TOO_LARGE; p++) {
        assert_true(strlen(soap_problem_code((enum soap_problem)p)) > 0);
        assert_true(strlen(soap_problem_text((enum soap_problem)p)) > 0);
    }
    assert_string_equal(soap_problem_code(SOAP_BAD_ORG_ID), "bad_org_id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_acknowledgement_is_byte_for_byte_the_documented_one),
        cmocka_unit_test(a_fault_escapes_its_text),
        cmocka_unit_test(a_message_is_written_as_salesforce_writes_it),
        cmocka_unit_test(what_the_writer_writes_the_reader_reads),
        cmocka_unit_test(an_acknowledgement_is_known_in_all_its_forms),
        cmocka_unit_test(every_problem_has_a_code_and_a_sentence),
    };
    soap_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
