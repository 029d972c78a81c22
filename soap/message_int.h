/*
 * message_int - the reader's state, shared by the grammar (message.c) and the fields (field.c)
 */
#ifndef TP_SOAP_MESSAGE_INT_H
#define TP_SOAP_MESSAGE_INT_H

#include "soap_int.h"

enum {
    IN_ENVELOPE = 1,
    IN_BODY,
    IN_NOTIFICATIONS,
    IN_ORG_ID,
    IN_NOTIFICATION,
    IN_NOTIFICATION_ID,
    IN_OBJECT,
    IN_FIELDS, /* IN_FIELDS + row of the table in field.c */
};

enum { SOAP_FIELD_KINDS = 5 };

/* How often each thing came, so that a second one is noticed. */
struct soap_seen {
    unsigned body, notifications, org_id;
    struct { /* in the Notification that is open */
        unsigned id, object;
        unsigned fields[SOAP_FIELD_KINDS];
        bool children;        /* the sObject holds elements */
        bool deletion_record; /* the sObject is one */
    } here;
};

struct soap_reader {
    struct soap_xml xml;
    struct soap_seen seen;
    /* Of the Notification that is open: where the id goes that stands in an element, by the
     * element's number (struct soap_twin_id); 0: nowhere. */
    int places[SOAP_TWIN_ELEMENTS_MAX];
    bool wants_whole; /* what comes again is not a Notification */
    char org_id[SFID_SIZE];
    size_t count;
    struct soap_notification *now; /* the Notification that is open: last of list */
    struct soap_notification list[SOAP_NOTIFICATIONS_MAX];
};

/* Resolves xsi:type into the object's name; "" if the element has none. False if it is unusable. */
bool soap_object_name(const struct soap_xml *x, const struct soap_element *e,
                      char out[SOAP_OBJECT_MAX + 1]);

bool soap_is_deletion_record(const char *object);
/* The place of a field, of a deletion record or of another object, or SOAP_PLACE_IGNORED. */
int soap_field_place(bool deletion_record, const char *local);

/* True of fields that have no place on any object. */
bool soap_is_ignored_field(const char *local, size_t n);

/* Where the id of a field goes. */
char *soap_field_of(struct soap_notification *n, int place);

#endif
