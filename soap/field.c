/*
 * What is kept of an sObject: its type and a few ids. The two custom fields belong to the deletion
 * record, whose package may have a namespace; fields of the same name on other objects may hold
 * anything and are none of ours.
 */
#include "message_int.h"

#include <string.h>

#define DELETION_RECORD "Campaign_Member_Deletion__c"

#define NAME(text) .name = (text), .len = sizeof(text) - 1

static const struct field {
    const char *name;
    size_t len;
    size_t at;          /* in struct soap_notification */
    bool deletion_only; /* counts on the deletion record alone */
} FIELDS[SOAP_FIELD_KINDS] = {
    {NAME("Id"), offsetof(struct soap_notification, record_id), false},
    {NAME("CampaignId"), offsetof(struct soap_notification, campaign_id), false},
    {NAME("PersonContactId"), offsetof(struct soap_notification, person_contact_id), false},
    {NAME("Campaign_Id__c"), offsetof(struct soap_notification, campaign_id), true},
    {NAME("Campaign_Member_Id__c"), offsetof(struct soap_notification, member_id), true},
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* API names are ASCII: a letter, then letters, digits and underscores. */
static bool is_api_name(const char *s, size_t n)
{
    if (n == 0 || !is_letter(s[0]))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (!is_letter(s[i]) && !(s[i] >= '0' && s[i] <= '9') && s[i] != '_')
            return false;
    }
    return true;
}

/* True for name and for ns__name, where ns is a package's namespace. */
static bool is_name_in_any_package(const char *s, const char *name)
{
    size_t n = strlen(s), want = strlen(name);
    if (n < want || strcmp(s + n - want, name) != 0)
        return false;
    size_t prefix = n - want;
    return prefix == 0 || (prefix > 2 && memcmp(s + prefix - 2, "__", 2) == 0);
}

static void trim(const char **s, size_t *n)
{
    while (*n > 0 && strchr(" \t\r\n", **s) != NULL) {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && strchr(" \t\r\n", (*s)[*n - 1]) != NULL)
        (*n)--;
}

/* Namespaces whose types are certainly not records. */
static bool is_foreign(const char *uri)
{
    return strcmp(uri, SOAP_NS_XSD) == 0 || strcmp(uri, SOAP_NS_XSI) == 0 ||
           strcmp(uri, SOAP_NS_ENVELOPE) == 0;
}

bool soap_object_name(const struct soap_xml *x, const struct soap_element *e,
                      char out[SOAP_OBJECT_MAX + 1])
{
    const char *local = e->type;
    size_t n = e->type_len, prefix = 0;

    out[0] = '\0';
    if (e->type == NULL)
        return true;
    trim(&local, &n);
    const char *colon = memchr(local, ':', n);
    const char *name = local;
    if (colon != NULL) {
        prefix = (size_t)(colon - local);
        name = colon + 1;
        n -= prefix + 1;
    }
    const char *uri = soap_xml_namespace(x, local, prefix);
    bool is_resolved = colon == NULL || (prefix > 0 && uri != NULL);
    if (!is_resolved || (uri != NULL && is_foreign(uri)))
        return false;
    if (n > SOAP_OBJECT_MAX || !is_api_name(name, n))
        return false;
    memcpy(out, name, n);
    out[n] = '\0';
    return true;
}

bool soap_is_deletion_record(const char *object)
{
    return is_name_in_any_package(object, DELETION_RECORD);
}

int soap_field_place(bool deletion_record, const char *local)
{
    for (int i = 0; i < SOAP_FIELD_KINDS; i++) {
        const struct field *f = &FIELDS[i];
        bool is_it = f->deletion_only ? deletion_record && is_name_in_any_package(local, f->name)
                                      : local[0] == f->name[0] && strcmp(local, f->name) == 0;
        if (is_it)
            return IN_FIELDS + i;
    }
    return SOAP_PLACE_IGNORED;
}

bool soap_is_ignored_field(const char *local, size_t n)
{
    for (int i = 0; i < SOAP_FIELD_KINDS; i++) {
        const struct field *f = &FIELDS[i];
        bool has_len =
            f->deletion_only ? n >= f->len : n == f->len; /* a package's name before it */
        if (has_len && local[n - 1] == f->name[f->len - 1] &&
            memcmp(local + n - f->len, f->name, f->len) == 0)
            return false;
    }
    return true;
}

char *soap_field_of(struct soap_notification *n, int place)
{
    return (char *)n + FIELDS[place - IN_FIELDS].at;
}
