/*
 * soap_fixture - the parts of a message around what a test puts in, and reading it once
 *
 * HEAD OPEN … CLOSE TAIL is a message with one notification of a Lead. After cmocka.h.
 */
#ifndef TP_TEST_SOAP_FIXTURE_H
#define TP_TEST_SOAP_FIXTURE_H

#include "soap.h"

enum { BODY_MAX = 64 << 20 };

static const char HEAD[] = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'\n"
                           " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><e:Body>\n"
                           "<notifications xmlns='http://soap.sforce.com/2005/09/outbound'>\n"
                           "<OrganizationId>00DTp0000000Qr1</OrganizationId>\n";
static const char OPEN[] = "<Notification><Id>04lTp0000000aB1</Id>\n"
                           "<sObject xsi:type='sf:Lead' xmlns:sf='urn:s'>\n"
                           "<sf:Id>00QTp0000000Ld1</sf:Id>";
static const char CLOSE[] = "</sObject></Notification>\n";
static const char TAIL[] = "</notifications></e:Body></e:Envelope>";

static inline enum soap_problem read_text(const char *body, size_t n, size_t *count, unsigned *line)
{
    struct soap_message m;
    struct soap_reader *r = soap_reader_new();
    enum soap_problem p = soap_read(r, body, n, &m, line);
    *count = m.count;
    soap_reader_free(&r);
    return p;
}

#endif
