/*
 * From people to their memberships: which campaigns must be looked at when a lead, contact or
 * account has changed.
 */
#include "org_int.h"

#include <string.h>

#include "ids_int.h"
#include "json_int.h"
#include "query_int.h"

static const char OBJECT[] = "CampaignMember";

enum { MEMBERSHIP_BATCH = 200 };

struct membership_walk {
    enum org_membership_by by;
    struct id_index asked;
    org_membership_fn *each;
    void *ctx;
};

static enum err read_membership(const struct membership_walk *w, json_t *object,
                                struct org_membership *m, struct error *e)
{
    struct record r = {.object = object, .name = OBJECT, .e = e};
    record_id(&r, "Id", m->member_id);
    record_id(&r, "CampaignId", m->campaign_id);
    if (w->by == ORG_BY_MEMBER)
        memcpy(m->person_id, m->member_id, SFID_SIZE);
    if (w->by == ORG_BY_LEAD)
        record_id(&r, "LeadId", m->person_id);
    if (w->by == ORG_BY_CONTACT) {
        struct record lead = record_parent(&r, "Lead");
        char converted[SFID_SIZE];
        record_id(&r, "ContactId", m->person_id);
        record_id(&lead, "ConvertedContactId", converted);
        record_join(&r, &lead);
        if (id_index_find(&w->asked, m->person_id, NULL) == NULL)
            memcpy(m->person_id, converted, SFID_SIZE);
    }
    if (r.err == ERR_NONE && (m->member_id[0] == '\0' || m->campaign_id[0] == '\0'))
        return error_set(e, ERR_NETWORK,
                         "the org's answer can't be understood: a %s without Id or CampaignId",
                         OBJECT);
    return r.err;
}

static enum err on_memberships(void *ctx, json_t *records, struct error *e)
{
    const struct membership_walk *w = ctx;
    struct org_membership batch[MEMBERSHIP_BATCH];
    size_t have = 0, n = json_array_size(records);
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < n; i++) {
        err = read_membership(w, json_array_get(records, i), &batch[have], e);
        have++;
        if (err == ERR_NONE && (have == MEMBERSHIP_BATCH || i + 1 == n)) {
            err = w->each(w->ctx, batch, have, e);
            have = 0;
        }
    }
    return err;
}

enum err org_read_memberships(struct org_conn *c, enum org_membership_by by,
                              const char (*ids)[SFID_SIZE], size_t n, org_membership_fn *each,
                              void *ctx, struct error *e)
{
    static const struct {
        const char *by[2], *field[2];
    } kinds[] = {
        [ORG_BY_LEAD] = {{"LeadId"}, {"LeadId"}},
        [ORG_BY_CONTACT] = {{"ContactId", "Lead.ConvertedContactId"},
                            {"ContactId", "Lead.ConvertedContactId"}},
        [ORG_BY_MEMBER] = {{"Id"}, {NULL}},
    };
    struct membership_walk w = {.by = by, .each = each, .ctx = ctx};
    struct select select;
    id_index_init(&w.asked, ids, n);
    select_init(&select);
    select_add(&select, "CampaignId");
    for (size_t i = 0; i < 2 && kinds[by].field[i] != NULL; i++)
        select_add(&select, kinds[by].field[i]);
    struct query_in in = {
        /* with those in the bin: a deleted person's members went along */
        .query = {.select = &select, .from = OBJECT, .with_deleted = true},
        .by = {kinds[by].by[0], kinds[by].by[1]},
        .ids = ids,
        .n = n,
    };
    enum err err = query_walk_in(c, &in, on_memberships, &w, e);
    select_release(&select);
    id_index_release(&w.asked);
    return err;
}

/* ------------------------------------------------------------------ contacts of others */

struct contact_walk {
    const char *object, *by, *field; /* by: the id asked for; field: the contact's */
    struct id_index asked;
    char (*contact)[SFID_SIZE];
};

static enum err on_contacts(void *ctx, json_t *records, struct error *e)
{
    struct contact_walk *w = ctx;
    for (size_t k = 0; k < json_array_size(records); k++) {
        struct record r = {.object = json_array_get(records, k), .name = w->object, .e = e};
        char asked[SFID_SIZE], contact[SFID_SIZE];
        record_id(&r, w->by, asked);
        record_id(&r, w->field, contact);
        if (r.err != ERR_NONE)
            return r.err;
        const struct id_place *p = NULL;
        while ((p = id_index_find(&w->asked, asked, p)) != NULL)
            memcpy(w->contact[p->at], contact, SFID_SIZE);
    }
    return ERR_NONE;
}

static enum err walk_contacts(struct org_conn *c, struct contact_walk *w, const char *also,
                              const char (*ids)[SFID_SIZE], size_t n, struct error *e)
{
    struct select select;
    id_index_init(&w->asked, ids, n);
    for (size_t i = 0; i < n; i++)
        memset(w->contact[i], 0, SFID_SIZE);
    select_init(&select);
    select_add(&select, w->by);
    select_add(&select, w->field);
    struct query_in in = {
        .query = {.select = &select, .from = w->object},
        .by = {w->by},
        .also = also,
        .ids = ids,
        .n = n,
    };
    enum err err = query_walk_in(c, &in, on_contacts, w, e);
    select_release(&select);
    id_index_release(&w->asked);
    return err;
}

enum err org_read_person_contacts(struct org_conn *c, const char (*accounts)[SFID_SIZE], size_t n,
                                  char (*contact)[SFID_SIZE], struct error *e)
{
    struct contact_walk w = {
        .object = "Contact", .by = "AccountId", .field = "Id", .contact = contact};
    struct error why = {0};
    enum err err = walk_contacts(c, &w, "IsPersonAccount = true", accounts, n, &why);
    /* an org without person accounts does not have the field, nor any person's account */
    if (err == ERR_CONFIG && strstr(why.text, "IsPersonAccount") != NULL)
        return ERR_NONE;
    if (err != ERR_NONE && e != NULL)
        *e = why;
    return err;
}

enum err org_read_converted_contacts(struct org_conn *c, const char (*leads)[SFID_SIZE], size_t n,
                                     char (*contact)[SFID_SIZE], struct error *e)
{
    struct contact_walk w = {
        .object = "Lead", .by = "Id", .field = "ConvertedContactId", .contact = contact};
    return walk_contacts(c, &w, "IsConverted = true", leads, n, e);
}
