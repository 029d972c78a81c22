/*
 * The grammar of an outbound message: which elements stand where, and which few of them are kept.
 *
 *     Envelope / Body / notifications / OrganizationId
 *                                     / Notification / Id
 *                                                    / sObject xsi:type / Id, CampaignId, …
 *
 * Header, ActionId, SessionId, the two URLs, all other fields and every unknown element are
 * ignored, at any depth. The names of the elements down to sObject count with their namespace. The
 * fields count by local name, since both of Salesforce's sobject namespaces occur and
 * intermediaries have made up more.
 */
#include "message_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static const struct soap_step STEPS[] = {
    {SOAP_PLACE_DOCUMENT, SOAP_NS_ENVELOPE, "Envelope", IN_ENVELOPE},
    {IN_ENVELOPE, SOAP_NS_ENVELOPE, "Body", IN_BODY},
    {IN_BODY, SOAP_NS_OUTBOUND, "notifications", IN_NOTIFICATIONS},
    {IN_NOTIFICATIONS, SOAP_NS_OUTBOUND, "OrganizationId", IN_ORG_ID},
    {IN_NOTIFICATIONS, SOAP_NS_OUTBOUND, "Notification", IN_NOTIFICATION},
    {IN_NOTIFICATION, SOAP_NS_OUTBOUND, "Id", IN_NOTIFICATION_ID},
    {IN_NOTIFICATION, SOAP_NS_OUTBOUND, "sObject", IN_OBJECT},
};

/* ------------------------------------------------------------------ opening */

static void count_once(struct soap_xml *x, unsigned *count, enum soap_problem repeated)
{
    if (++*count > 1)
        soap_xml_fail(x, repeated);
}

static void open_notification(struct soap_xml *x, struct soap_reader *r)
{
    if (r->count == SOAP_NOTIFICATIONS_MAX) {
        soap_xml_fail(x, SOAP_TOO_MANY);
        return;
    }
    r->now = &r->list[r->count++];
    *r->now = (struct soap_notification){0};
    memset(&r->seen.here, 0, sizeof r->seen.here);
    memset(r->places, 0, sizeof r->places);
}

static int open_object(struct soap_xml *x, struct soap_reader *r, const struct soap_element *e)
{
    count_once(x, &r->seen.here.object, SOAP_BAD_OBJECT);
    if (!soap_object_name(x, e, r->now->object))
        soap_xml_fail(x, SOAP_BAD_OBJECT);
    r->seen.here.deletion_record = soap_is_deletion_record(r->now->object);
    return e->nil ? SOAP_PLACE_IGNORED : IN_OBJECT; /* whatever a nil one holds is not data */
}

static int open_field(struct soap_reader *r, const struct soap_element *e)
{
    r->seen.here.children = true;
    if (strcmp(e->ns, SOAP_NS_ENVELOPE) == 0)
        return SOAP_PLACE_IGNORED;
    return soap_field_place(r->seen.here.deletion_record, e->local);
}

static int on_open(struct soap_xml *x, int parent, const struct soap_element *e)
{
    struct soap_reader *r = x->user;
    if (parent == IN_OBJECT)
        return open_field(r, e);
    int place = soap_xml_step(STEPS, sizeof STEPS / sizeof STEPS[0], parent, e);
    switch (place) {
    case IN_BODY:
        count_once(x, &r->seen.body, SOAP_NO_BODY);
        break;
    case IN_NOTIFICATIONS:
        count_once(x, &r->seen.notifications, SOAP_NOT_NOTIFICATIONS);
        break;
    case IN_ORG_ID:
        count_once(x, &r->seen.org_id, SOAP_BAD_ORG_ID);
        break;
    case IN_NOTIFICATION:
        open_notification(x, r);
        break;
    case IN_NOTIFICATION_ID:
        count_once(x, &r->seen.here.id, SOAP_BAD_NOTIFICATION_ID);
        break;
    case IN_OBJECT:
        return open_object(x, r, e);
    default:
        if (parent == SOAP_PLACE_DOCUMENT && place == SOAP_PLACE_IGNORED)
            soap_xml_fail(x, SOAP_NOT_ENVELOPE);
        break;
    }
    return place;
}

/* ------------------------------------------------------------------ closing */

static void close_id(struct soap_xml *x, const struct soap_text *text, char out[SFID_SIZE],
                     enum soap_problem wrong)
{
    if (text->bad || !sfid_normalise(text->bytes, text->len, out))
        soap_xml_fail(x, wrong);
}

static char *id_at(struct soap_notification *n, int place)
{
    return place == IN_NOTIFICATION_ID ? n->id : soap_field_of(n, place);
}

/* What comes again may have another one there. Of two fields that go to the same place, which a
 * deletion record may have, the later one counts. */
static void note_place(const struct soap_xml *x, struct soap_reader *r, int place)
{
    unsigned element = x->elements[x->depth];
    for (size_t i = 0; i < SOAP_TWIN_ELEMENTS_MAX; i++) {
        if (r->places[i] != 0 && id_at(r->now, r->places[i]) == id_at(r->now, place))
            r->places[i] = 0;
    }
    if (element < SOAP_TWIN_ELEMENTS_MAX)
        r->places[element] = place;
}

static void close_field(struct soap_xml *x, struct soap_reader *r, int place,
                        const struct soap_text *text)
{
    count_once(x, &r->seen.here.fields[place - IN_FIELDS], SOAP_BAD_RECORD_ID);
    if (text->bad || text->len > 0) {
        close_id(x, text, soap_field_of(r->now, place), SOAP_BAD_RECORD_ID);
        note_place(x, r, place);
    }
}

static void close_notification_id(struct soap_xml *x, struct soap_reader *r,
                                  const struct soap_text *text)
{
    close_id(x, text, r->now->id, SOAP_BAD_NOTIFICATION_ID);
    note_place(x, r, IN_NOTIFICATION_ID);
}

static void on_close(struct soap_xml *x, int place, const struct soap_text *text)
{
    struct soap_reader *r = x->user;
    if (place >= IN_FIELDS)
        close_field(x, r, place, text);
    else if (place == IN_ORG_ID)
        close_id(x, text, r->org_id, SOAP_BAD_ORG_ID);
    else if (place == IN_NOTIFICATION_ID)
        close_notification_id(x, r, text);
    else if (place == IN_OBJECT && r->seen.here.children && r->now->object[0] == '\0')
        soap_xml_fail(x, SOAP_BAD_OBJECT); /* data, but of what? */
    else if (place == IN_NOTIFICATION && r->seen.here.id == 0)
        soap_xml_fail(x, SOAP_BAD_NOTIFICATION_ID);
    else if (place == IN_NOTIFICATIONS && r->count == 0)
        soap_xml_fail(x, SOAP_NO_NOTIFICATION);
    else if (place == IN_NOTIFICATIONS && r->seen.org_id == 0)
        soap_xml_fail(x, SOAP_BAD_ORG_ID);
}

/* The Notification that was just closed, with other ids. */
static void on_again(struct soap_xml *x, int place, const struct soap_twin *twin)
{
    struct soap_reader *r = x->user;
    if (place != IN_NOTIFICATION || r->count == SOAP_NOTIFICATIONS_MAX) {
        r->wants_whole = true;
        soap_xml_fail(x, SOAP_TOO_MANY); /* nobody gets to know */
        return;
    }
    struct soap_notification *n = &r->list[r->count++];
    *n = *r->now;
    for (size_t i = 0; i < twin->count; i++) {
        const struct soap_twin_id *id = &twin->ids[i];
        int to = r->places[id->element];
        if (to != 0)
            memcpy(id_at(n, to), id->id, SFID_SIZE);
    }
}

static void on_end(struct soap_xml *x)
{
    const struct soap_reader *r = x->user;
    if (r->seen.body == 0)
        soap_xml_fail(x, SOAP_NO_BODY);
    else if (r->seen.notifications == 0)
        soap_xml_fail(x, SOAP_NOT_NOTIFICATIONS);
}

/* ------------------------------------------------------------------ the reader */

static const struct soap_grammar GRAMMAR = {on_open, on_close, on_end, soap_is_ignored_field,
                                            on_again};

void soap_global_init(void)
{
    soap_xml_setup_memory();
    xmlInitParser();
}

struct soap_reader *soap_reader_new(void)
{
    struct soap_reader *r = mem_alloc(sizeof *r);
    soap_xml_init(&r->xml, &GRAMMAR, r);
    return r;
}

void soap_reader_free(struct soap_reader **r)
{
    if (*r == NULL)
        return;
    soap_xml_release(&(*r)->xml);
    free(*r);
    *r = NULL;
}

static enum soap_problem read_once(struct soap_reader *r, const char *body, size_t n, bool whole)
{
    r->count = 0;
    r->now = NULL;
    r->seen = (struct soap_seen){0};
    r->wants_whole = false;
    r->xml.whole = whole;
    memset(r->org_id, 0, sizeof r->org_id);
    return soap_xml_read(&r->xml, body, n);
}

enum soap_problem soap_read(struct soap_reader *r, const char *body, size_t n,
                            struct soap_message *out, unsigned *line)
{
    *out = (struct soap_message){0};
    *line = 0;
    enum soap_problem p = read_once(r, body, n, false);
    if (r->wants_whole)
        p = read_once(r, body, n, true);
    if (p != SOAP_OK) {
        *line = r->xml.line;
        return p;
    }
    memcpy(out->org_id, r->org_id, sizeof out->org_id);
    out->count = r->count;
    out->notifications = r->list;
    return SOAP_OK;
}
