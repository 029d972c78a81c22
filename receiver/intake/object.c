/*
 * What a notification asks for, by the type of its record. A table of the objects that the worker
 * understands; anything else is kept as ignored, since refusing it would only have it sent again
 * for a day. A record id whose prefix contradicts its type is stored as it is: the org is the
 * truth, and the worker asks it.
 */
#include "intake_int.h"

#include <string.h>

static void copy_id(char to[SFID_SIZE], const char *from)
{
    memcpy(to, from, SFID_SIZE);
}

static void as_campaign(struct store_item *item, const struct soap_notification *n)
{
    item->kind = STORE_CAMPAIGN;
    copy_id(item->campaign_id, n->record_id);
}

static void as_member(struct store_item *item, const struct soap_notification *n)
{
    item->kind = STORE_MEMBER;
    copy_id(item->campaign_id, n->campaign_id);
}

static void as_lead(struct store_item *item, const struct soap_notification *n)
{
    (void)n;
    item->kind = STORE_LEAD;
}

static void as_contact(struct store_item *item, const struct soap_notification *n)
{
    (void)n;
    item->kind = STORE_CONTACT;
}

static void as_account(struct store_item *item, const struct soap_notification *n)
{
    item->kind = STORE_ACCOUNT;
    copy_id(item->subject_id, n->person_contact_id);
}

/* Member and campaign: one member is gone. Campaign alone: the whole campaign is. Without the
 * campaign the record has to be read first. */
static void as_deletion(struct store_item *item, const struct soap_notification *n)
{
    if (n->campaign_id[0] == '\0') {
        item->kind = STORE_HELPER;
        return;
    }
    item->kind = n->member_id[0] == '\0' ? STORE_CAMPAIGN_GONE : STORE_DELETION;
    copy_id(item->subject_id, n->member_id);
    copy_id(item->campaign_id, n->campaign_id);
}

static const struct {
    const char *name; /* NULL: the schema's name of the deletion record */
    void (*fill)(struct store_item *item, const struct soap_notification *n);
} OBJECTS[] = {
    {"CampaignMember", as_member}, {"Campaign", as_campaign},
    {"Contact", as_contact},       {"Lead", as_lead},
    {"Account", as_account},       {NULL, as_deletion},
};
_Static_assert(sizeof OBJECTS / sizeof OBJECTS[0] == OBJECTS_KNOWN, "one series an object");

const char *intake_object_label(size_t row, const struct schema *schema)
{
    return OBJECTS[row].name != NULL ? OBJECTS[row].name : schema->name[SCHEMA_DELETION];
}

/* Equal, or with a namespace before it: "ns__Thing__c" is a "Thing__c". */
static bool is_deletion(const char *object, const char *name)
{
    size_t n = strlen(object), want = strlen(name);
    if (n < want || strcmp(object + n - want, name) != 0)
        return false;
    return n == want || (n > want + 2 && memcmp(object + n - want - 2, "__", 2) == 0);
}

static size_t row_of(const char *object, const struct schema *schema)
{
    for (size_t row = 0; row < OBJECTS_KNOWN; row++) {
        if (OBJECTS[row].name != NULL ? strcmp(object, OBJECTS[row].name) == 0
                                      : is_deletion(object, schema->name[SCHEMA_DELETION]))
            return row;
    }
    return OBJECTS_KNOWN;
}

size_t intake_map(struct store_item *item, const struct soap_notification *n,
                  const struct schema *schema)
{
    size_t row = row_of(n->object, schema);
    copy_id(item->notification_id, n->id);
    memcpy(item->object, n->object, sizeof n->object);
    copy_id(item->record_id, n->record_id);
    if (row == OBJECTS_KNOWN && n->object[0] != '\0')
        item->kind = STORE_IGNORED;
    else if (n->record_id[0] == '\0')
        item->kind = STORE_GAP;
    else
        OBJECTS[row].fill(item, n);
    return row;
}
