/*
 * The grammar of an acknowledgement, for the sending side of tests: Envelope / Body /
 * notificationsResponse / Ack, with any prefixes, exactly once each.
 */
#include "soap_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { IN_ENVELOPE = 1, IN_BODY, IN_RESPONSE, IN_ACK };

struct ack {
    struct soap_xml xml;
    unsigned seen[IN_ACK + 1]; /* how often each place was opened */
    bool is_true;
};

static const struct soap_step STEPS[] = {
    {SOAP_PLACE_DOCUMENT, SOAP_NS_ENVELOPE, "Envelope", IN_ENVELOPE},
    {IN_ENVELOPE, SOAP_NS_ENVELOPE, "Body", IN_BODY},
    {IN_BODY, SOAP_NS_OUTBOUND, "notificationsResponse", IN_RESPONSE},
    {IN_RESPONSE, SOAP_NS_OUTBOUND, "Ack", IN_ACK},
};

static int on_open(struct soap_xml *x, int parent, const struct soap_element *e)
{
    struct ack *a = x->user;
    int place = soap_xml_step(STEPS, sizeof STEPS / sizeof STEPS[0], parent, e);
    if (place != SOAP_PLACE_IGNORED)
        a->seen[place]++;
    return place;
}

static void on_close(struct soap_xml *x, int place, const struct soap_text *text)
{
    struct ack *a = x->user;
    if (place == IN_ACK)
        a->is_true =
            !text->bad && (strcmp(text->bytes, "true") == 0 || strcmp(text->bytes, "1") == 0);
}

static void on_end(struct soap_xml *x)
{
    struct ack *a = x->user;
    for (int i = IN_ENVELOPE; i <= IN_ACK; i++)
        a->is_true = a->is_true && a->seen[i] == 1;
}

static const struct soap_grammar GRAMMAR = {on_open, on_close, on_end, NULL, NULL};

bool soap_is_ack_true(const char *body, size_t n)
{
    struct ack *a = mem_alloc(sizeof *a);
    soap_xml_init(&a->xml, &GRAMMAR, a);
    bool is_true = soap_xml_read(&a->xml, body, n) == SOAP_OK && a->is_true;
    soap_xml_release(&a->xml);
    free(a);
    return is_true;
}
