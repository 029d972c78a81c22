/*
 * soap - Salesforce outbound messages: read one, answer one, write one
 *
 * No sockets, files, clocks or logs. What may come in and what must be refused: the message is
 * SOAP 1.1, Envelope / Body / notifications {http://soap.sforce.com/2005/09/outbound} with 1 to 100
 * Notification elements. Source of the format: Salesforce SOAP API guide, "Understanding the
 * Outbound Messaging WSDL", and captured messages.
 *
 * Reading keeps only which record changed and the few ids that group work; everything else, the
 * session id first of all, is dropped while parsing (a notification is a hint, the org is the
 * truth).
 *
 * Ownership: a reader owns what soap_read returns until the next soap_read or soap_reader_free.
 * Threads:   one reader a thread; everything else is pure. soap_global_init once, before threads.
 * Memory:    bounded by the body's size times a small constant.
 */
#ifndef TP_SOAP_H
#define TP_SOAP_H

#include "buf.h"
#include "error.h"
#include "sfid.h"

enum {
    SOAP_NOTIFICATIONS_MAX = 100, /* WSDL: maxOccurs="100" */
    SOAP_DEPTH_MAX = 32,
    SOAP_OBJECT_MAX = 80, /* API names: 40 + namespace 15 + suffixes, rounded up */
};

/* code, text; the code is what logs and metrics show */
#define SOAP_PROBLEMS(X)                                                                           \
    X(SOAP_EMPTY_BODY, "empty_body", "the body is empty")                                          \
    X(SOAP_NOT_WELL_FORMED, "not_well_formed", "the XML is not well-formed")                       \
    X(SOAP_ENCODING, "encoding", "the document is in another encoding than UTF-8")                 \
    X(SOAP_UTF8, "utf8", "the document has bytes that are not UTF-8")                              \
    X(SOAP_NUL, "nul", "the document holds a NUL byte")                                            \
    X(SOAP_DOCTYPE, "doctype", "a document type declaration is not allowed")                       \
    X(SOAP_ENTITY, "entity", "an entity beyond the five built-in ones is not allowed")             \
    X(SOAP_TOO_DEEP, "too_deep", "elements are nested deeper than 32")                             \
    X(SOAP_NOT_ENVELOPE, "not_envelope", "the root is not a SOAP 1.1 Envelope")                    \
    X(SOAP_NO_BODY, "no_body", "the Envelope has no single Body")                                  \
    X(SOAP_NOT_NOTIFICATIONS, "not_notifications",                                                 \
      "the Body does not hold exactly one notifications element of outbound messaging")            \
    X(SOAP_NO_NOTIFICATION, "no_notification", "the message holds no Notification")                \
    X(SOAP_TOO_MANY, "too_many", "the message holds more than 100 Notifications")                  \
    X(SOAP_BAD_ORG_ID, "bad_org_id", "OrganizationId is missing, repeated or not an id")           \
    X(SOAP_BAD_NOTIFICATION_ID, "bad_notification_id",                                             \
      "a Notification's Id is missing, repeated or not an id")                                     \
    X(SOAP_BAD_OBJECT, "bad_object", "an sObject has no usable xsi:type, or comes twice")          \
    X(SOAP_BAD_RECORD_ID, "bad_record_id", "a record id is repeated or not an id")                 \
    X(SOAP_TOO_LARGE, "too_large", "the parser's own limits were reached")

enum soap_problem {
    SOAP_OK = 0,
#define X(id, code, text) id,
    SOAP_PROBLEMS(X)
#undef X
};

const char *soap_problem_code(enum soap_problem p);
const char *soap_problem_text(enum soap_problem p);

/* Every id is normalised to 18 characters; "" where the message has none. */
struct soap_notification {
    char id[SFID_SIZE]; /* the notification's own id (04l…): the identity, not the record */
    char object[SOAP_OBJECT_MAX + 1]; /* local part of xsi:type, e.g. CampaignMember, ns__Thing__c;
                                         "" if no sObject */
    char record_id[SFID_SIZE];   /* sObject/Id; "" if the sObject is missing, empty or nil: deleted
                                    before it was sent */
    char campaign_id[SFID_SIZE]; /* CampaignId; on the deletion record (Campaign_Member_Deletion__c,
                                    with any namespace prefix) Campaign_Id__c, likewise */
    char member_id[SFID_SIZE];   /* Campaign_Member_Id__c of the deletion record */
    char person_contact_id[SFID_SIZE]; /* PersonContactId of an Account */
};

struct soap_message {
    char org_id[SFID_SIZE];
    size_t count; /* 1..100, in document order, same id twice kept */
    const struct soap_notification *notifications;
};

struct soap_reader;

void soap_global_init(void);
struct soap_reader *soap_reader_new(void);
void soap_reader_free(struct soap_reader **r);

/* Reads one whole document. On SOAP_OK *out is filled (valid until the next call); else *line
 * (1-based, 0 if not known) says where, *out is empty. The body is borrowed, not changed, and has a
 * NUL behind its n bytes; the caller wipes it. */
MUST_USE enum soap_problem soap_read(struct soap_reader *r, const char *body, size_t n,
                                     struct soap_message *out, unsigned *line);

/* Replaces, in place, the text content of every element whose local name is SessionId with 'x', by
 * a scan that needs no well-formedness, and whatever else looks like a session id ("00D…!…"): for
 * the quarantine of refused bodies. One that never ends takes the rest along; a body in UTF-16 or
 * UTF-32 is replaced as a whole. */
void soap_redact(char *body, size_t n);

/* The acknowledgement, byte for byte as Salesforce's documentation shows
 * it. Static, never freed. */
extern const char SOAP_ACK_TRUE[];
extern const size_t SOAP_ACK_TRUE_LEN;

/* A SOAP 1.1 Fault; who is "Client" or "Server"; text is escaped. Appends to out. */
void soap_write_fault(struct buf *out, const char *who, const char *text);

/* ------------------------------------------------------------------ writing messages */
/* for orgsim, bench and tests */

struct soap_field {
    const char *name;  /* API name */
    const char *value; /* NULL: null, so the element is absent */
};

struct soap_out_notification {
    const char *id;
    const char *object;
    const char *record_id; /* NULL: the sObject is empty (record deleted before it was sent) */
    const struct soap_field *fields;
    size_t field_count;
};

struct soap_out_message {
    const char *org_id, *action_id;
    const char *enterprise_url, *partner_url;
    const struct soap_out_notification *notifications;
    size_t count;
};

/* Appends the message as Salesforce writes it (prefix soapenv, SessionId nil, one notifications
 * element). */
void soap_write_message(struct buf *out, const struct soap_out_message *m);

/* True if a reply body is a valid acknowledgement: Envelope/Body/notificationsResponse/Ack with
 * true or 1 (orgsim's side). The body has a NUL behind its n bytes. */
bool soap_is_ack_true(const char *body, size_t n);

#endif
