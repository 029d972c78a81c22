/*
 * Everything that soap/ writes: the acknowledgement, faults, and messages as Salesforce sends them
 * (one space of indentation a level, a null field absent, the session id nil).
 */
#include "soap_int.h"

#include <string.h>

#define XML_DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
#define ENVELOPE_OPEN                                                                              \
    XML_DECLARATION "<soapenv:Envelope xmlns:soapenv=\"" SOAP_NS_ENVELOPE "\"><soapenv:Body>"
#define ENVELOPE_CLOSE "</soapenv:Body></soapenv:Envelope>"

#define ACK_TRUE                                                                                   \
    ENVELOPE_OPEN "<notificationsResponse xmlns=\"" SOAP_NS_OUTBOUND                               \
                  "\"><Ack>true</Ack></notificationsResponse>" ENVELOPE_CLOSE

const char SOAP_ACK_TRUE[] = ACK_TRUE;
const size_t SOAP_ACK_TRUE_LEN = sizeof ACK_TRUE - 1;

/* Escaped; control characters, which XML cannot hold at all, become '?'. */
static void put_text(struct buf *out, const char *s)
{
    size_t from = 0, i = 0;
    for (; s[i] != '\0'; i++) {
        if ((unsigned char)s[i] >= 0x20 || s[i] == '\t' || s[i] == '\n' || s[i] == '\r')
            continue;
        buf_put_xml(out, s + from, i - from);
        buf_putc(out, '?');
        from = i + 1;
    }
    buf_put_xml(out, s + from, i - from);
}

static void put_element(struct buf *out, const char *indent, const char *name, const char *value)
{
    buf_printf(out, "%s<%s>", indent, name);
    put_text(out, value);
    buf_printf(out, "</%s>\n", name);
}

void soap_write_fault(struct buf *out, const char *who, const char *text)
{
    buf_puts(out, ENVELOPE_OPEN "<soapenv:Fault><faultcode>soapenv:");
    put_text(out, who);
    buf_puts(out, "</faultcode><faultstring>");
    put_text(out, text);
    buf_puts(out, "</faultstring></soapenv:Fault>" ENVELOPE_CLOSE);
}

static void put_field(struct buf *out, const struct soap_field *f)
{
    if (f->value == NULL)
        return;
    buf_printf(out, "     <sf:%s>", f->name);
    put_text(out, f->value);
    buf_printf(out, "</sf:%s>\n", f->name);
}

static void put_notification(struct buf *out, const struct soap_out_notification *n)
{
    buf_puts(out, "   <Notification>\n");
    put_element(out, "    ", "Id", n->id);
    buf_printf(out, "    <sObject xsi:type=\"sf:%s\" xmlns:sf=\"" SOAP_NS_SOBJECT "\"", n->object);
    if (n->record_id == NULL) {
        buf_puts(out, "/>\n");
    } else {
        buf_puts(out, ">\n");
        put_field(out, &(struct soap_field){"Id", n->record_id});
        for (size_t i = 0; i < n->field_count; i++)
            put_field(out, &n->fields[i]);
        buf_puts(out, "    </sObject>\n");
    }
    buf_puts(out, "   </Notification>\n");
}

void soap_write_message(struct buf *out, const struct soap_out_message *m)
{
    buf_puts(out, XML_DECLARATION "\n<soapenv:Envelope xmlns:soapenv=\"" SOAP_NS_ENVELOPE
                                  "\" xmlns:xsd=\"" SOAP_NS_XSD "\" xmlns:xsi=\"" SOAP_NS_XSI
                                  "\">\n <soapenv:Body>\n  <notifications xmlns=\"" SOAP_NS_OUTBOUND
                                  "\">\n");
    put_element(out, "   ", "OrganizationId", m->org_id);
    put_element(out, "   ", "ActionId", m->action_id);
    buf_puts(out, "   <SessionId xsi:nil=\"true\"/>\n");
    put_element(out, "   ", "EnterpriseUrl", m->enterprise_url);
    put_element(out, "   ", "PartnerUrl", m->partner_url);
    for (size_t i = 0; i < m->count; i++)
        put_notification(out, &m->notifications[i]);
    buf_puts(out, "  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>\n");
}
