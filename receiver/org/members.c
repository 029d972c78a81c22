/*
 * Campaign members with what a decision needs, in one query: their own fields, the lead's or
 * contact's email, and the fields that rules name. Where a lead was converted and the member does
 * not name the contact yet, the contact's email comes by a second query a page.
 */
#include "org_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "json_int.h"
#include "mem.h"
#include "query_int.h"
#include "timeutil.h"

static const char OBJECT[] = "CampaignMember";

/* The contact of a converted lead, for the page at hand. */
struct converted {
    char contact_id[SFID_SIZE];
    bool is_seen;
    char *email;
};

struct member_page {
    struct org_conn *conn;
    const struct org_member_read *read;
    org_member_fn *each;
    void *ctx;
    /* of the page at hand */
    struct member *members;
    struct rule_value *values; /* of the policy's fields, then of the reader's */
    char (*numbers)[JSON_NUMBER_MAX];
    struct converted *converted; /* sorted, each contact once */
    size_t converted_count;
};

static void select_members(struct select *s, const struct org *o,
                           const struct org_member_read *read)
{
    static const char *const fields[] = {
        "CampaignId",
        "LeadId",
        "ContactId",
        "Status",
        "HasResponded",
        "FirstRespondedDate",
        "CreatedDate",
        "Lead.Id",
        "Lead.Email",
        "Lead.IsConverted",
        "Lead.ConvertedContactId",
        "Contact.Id",
        "Contact.Email",
    };
    select_init(s);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        select_add(s, fields[i]);
    select_add(s, o->config->schema.name[SCHEMA_TOUCHPOINT_DATE]);
    if (o->config->write_back)
        select_add(s, o->config->schema.name[SCHEMA_STATUS_TEXT]);
    for (size_t i = 0; i < o->policy->member_field_count; i++)
        select_add(s, o->policy->member_fields[i]);
    for (size_t i = 0; i < read->field_count; i++)
        select_add(s, read->fields[i]);
    if (read->with_names) {
        select_add(s, "Lead.Name");
        select_add(s, "Contact.Name");
    }
}

/* ------------------------------------------------------------------ one record */

/* The Contact where there is one (a converted lead's too), else the Lead. True: the contact's email
 * is still to be looked up. Of who is not shared with the user nothing comes but the member's
 * lookup. */
static bool read_person(struct record *r, struct person *p, const char **name)
{
    char lead_id[SFID_SIZE], converted[SFID_SIZE], seen_lead[SFID_SIZE], seen_contact[SFID_SIZE];
    struct record lead = record_parent(r, "Lead"), contact = record_parent(r, "Contact");

    record_id(r, "LeadId", lead_id);
    record_id(r, "ContactId", p->contact_id);
    record_id(&lead, "Id", seen_lead);
    record_id(&contact, "Id", seen_contact);
    record_id(&lead, "ConvertedContactId", converted);
    const char *lead_email = record_text(&lead, "Email");
    const char *contact_email = record_text(&contact, "Email");
    if (name != NULL) {
        *name = record_text(&contact, "Name");
        if (*name == NULL)
            *name = record_text(&lead, "Name");
    }
    bool is_converted = record_bool(&lead, "IsConverted") && converted[0] != '\0';
    record_join(r, &lead);
    record_join(r, &contact);

    if (p->contact_id[0] != '\0') {
        p->email = contact_email;
        p->is_unseen = seen_contact[0] == '\0';
        return false;
    }
    if (is_converted) {
        memcpy(p->contact_id, converted, SFID_SIZE);
        return true;
    }
    memcpy(p->lead_id, lead_id, SFID_SIZE);
    p->email = lead_email;
    p->is_unseen = lead_id[0] != '\0' && seen_lead[0] == '\0';
    return false;
}

static void read_values(struct record *r, const char *const *names, size_t n,
                        struct rule_value *values, char (*numbers)[JSON_NUMBER_MAX])
{
    for (size_t i = 0; i < n; i++)
        record_value(r, names[i], &values[i], numbers[i]);
}

static enum err read_member(struct member_page *p, json_t *object, size_t i, struct error *e)
{
    const struct org *o = p->conn->org;
    size_t own = o->policy->member_field_count, fields = own + p->read->field_count;
    struct record r = {.object = object, .name = OBJECT, .e = e};
    struct member *m = &p->members[i];
    int64_t ignored, created_day;

    *m = (struct member){.exists = true};
    record_id(&r, "Id", m->id);
    record_id(&r, "CampaignId", m->campaign_id);
    m->status = record_text(&r, "Status");
    m->has_responded = record_bool(&r, "HasResponded");
    record_when(&r, "FirstRespondedDate", &m->first_responded_day, &ignored);
    record_when(&r, "CreatedDate", &created_day, &m->created_at_ms);
    record_when(&r, o->config->schema.name[SCHEMA_TOUCHPOINT_DATE], &m->touchpoint_day,
                &m->touchpoint_at_ms);
    if (o->config->write_back)
        m->status_text = record_text(&r, o->config->schema.name[SCHEMA_STATUS_TEXT]);
    if (read_person(&r, &m->person, p->read->with_names ? &m->name : NULL)) {
        struct converted *c = &p->converted[p->converted_count++];
        memcpy(c->contact_id, m->person.contact_id, SFID_SIZE);
    }
    if (fields > 0) {
        m->fields = &p->values[i * fields];
        m->extra = &p->values[i * fields + own];
        read_values(&r, (const char *const *)o->policy->member_fields, own, &p->values[i * fields],
                    &p->numbers[i * fields]);
        read_values(&r, p->read->fields, p->read->field_count, &p->values[i * fields + own],
                    &p->numbers[i * fields + own]);
    }
    bool is_whole = m->id[0] != '\0' && m->campaign_id[0] != '\0' && m->created_at_ms != TIME_NONE;
    if (r.err == ERR_NONE && !is_whole)
        return error_set(e, ERR_NETWORK,
                         "the org's answer can't be understood: a %s without Id, CampaignId or "
                         "CreatedDate",
                         OBJECT);
    return r.err;
}

/* ------------------------------------------------------------------ converted leads */

static int by_contact(const void *a, const void *b)
{
    const struct converted *x = a, *y = b;
    return strcmp(x->contact_id, y->contact_id);
}

static void sort_converted(struct member_page *p)
{
    size_t kept = 0;
    qsort(p->converted, p->converted_count, sizeof *p->converted, by_contact);
    for (size_t i = 0; i < p->converted_count; i++) {
        if (kept == 0 || by_contact(&p->converted[i], &p->converted[kept - 1]) != 0)
            p->converted[kept++] = p->converted[i];
    }
    p->converted_count = kept;
}

static struct converted *find_converted(const struct member_page *p, const char *contact_id)
{
    struct converted key = {0};
    memcpy(key.contact_id, contact_id, SFID_SIZE);
    return bsearch(&key, p->converted, p->converted_count, sizeof key, by_contact);
}

static enum err on_contacts(void *ctx, json_t *records, struct error *e)
{
    struct member_page *p = ctx;
    for (size_t i = 0; i < json_array_size(records); i++) {
        struct record r = {.object = json_array_get(records, i), .name = "Contact", .e = e};
        char id[SFID_SIZE];
        record_id(&r, "Id", id);
        const char *email = record_text(&r, "Email");
        if (r.err != ERR_NONE)
            return r.err;
        struct converted *c = find_converted(p, id);
        if (c == NULL || c->is_seen)
            continue;
        c->is_seen = true;
        c->email = mem_strdup(email);
    }
    return ERR_NONE;
}

static enum err read_converted(struct member_page *p, size_t members, struct error *e)
{
    struct select select;
    sort_converted(p);
    char(*ids)[SFID_SIZE] = mem_array(p->converted_count, sizeof *ids);
    for (size_t i = 0; i < p->converted_count; i++)
        memcpy(ids[i], p->converted[i].contact_id, SFID_SIZE);
    select_init(&select);
    select_add(&select, "Email");
    struct query_in in = {
        .query = {.select = &select, .from = "Contact"},
        .by = {"Id"},
        .ids = (const char(*)[SFID_SIZE])ids,
        .n = p->converted_count,
    };
    enum err err = query_walk_in(p->conn, &in, on_contacts, p, e);
    for (size_t i = 0; err == ERR_NONE && i < members; i++) {
        struct person *person = &p->members[i].person;
        struct converted *c = person->email == NULL ? find_converted(p, person->contact_id) : NULL;
        if (c != NULL) {
            person->email = c->email;
            person->is_unseen = !c->is_seen;
        }
    }
    select_release(&select);
    free(ids);
    return err;
}

/* ------------------------------------------------------------------ pages */

static void page_release(struct member_page *p)
{
    for (size_t i = 0; i < p->converted_count; i++)
        free(p->converted[i].email);
    free(p->converted);
    free(p->numbers);
    free(p->values);
    free(p->members);
}

static enum err on_members(void *ctx, json_t *records, struct error *e)
{
    const struct member_page *walk = ctx;
    struct member_page p = {
        .conn = walk->conn, .read = walk->read, .each = walk->each, .ctx = walk->ctx};
    size_t n = json_array_size(records);
    size_t fields = p.conn->org->policy->member_field_count + p.read->field_count;
    enum err err = ERR_NONE;

    p.members = mem_array(n, sizeof *p.members);
    p.converted = mem_array(n, sizeof *p.converted);
    if (fields > 0) {
        p.values = mem_array(n * fields, sizeof *p.values);
        p.numbers = mem_array(n * fields, sizeof *p.numbers);
    }
    for (size_t i = 0; err == ERR_NONE && i < n; i++)
        err = read_member(&p, json_array_get(records, i), i, e);
    if (err == ERR_NONE && p.converted_count > 0)
        err = read_converted(&p, n, e);
    if (err == ERR_NONE)
        err = p.each(p.ctx, p.members, n, e);
    page_release(&p);
    return err;
}

/* WHERE of a campaign's members, or of those behind an id. */
static void put_where(struct buf *where, const struct org_member_read *r)
{
    buf_puts(where, "CampaignId = ");
    soql_put_text(where, r->campaign);
    if (r->after != NULL && r->after[0] != '\0') {
        buf_puts(where, " AND Id > ");
        soql_put_text(where, r->after);
    }
}

static enum err read_campaign(struct member_page *p, struct query *q, struct error *e)
{
    static const char *const bools[] = {"HasResponded", "Lead.IsConverted"};
    const struct org_member_read *r = p->read;
    const struct policy *policy = p->conn->org->policy;
    size_t own = policy->member_field_count;
    const char **described = mem_array(own + r->field_count, sizeof *described);
    struct buf where;
    for (size_t i = 0; i < own + r->field_count; i++)
        described[i] = i < own ? policy->member_fields[i] : r->fields[i - own];
    struct query_bulk bulk = {
        .bools = bools,
        .bool_count = sizeof bools / sizeof bools[0],
        .described = described,
        .described_count = own + r->field_count,
    };
    buf_init(&where, SELECT_MAX_BYTES);
    put_where(&where, r);
    q->where = where.data;
    q->limit = r->limit;
    q->bulk = r->limit == 0 ? &bulk : NULL;
    enum err err = query_walk(p->conn, q, on_members, p, e);
    buf_release(&where);
    free(described);
    return err;
}

enum err org_read_members_as(struct org_conn *c, const struct org_member_read *r,
                             org_member_fn *each, void *ctx, struct error *e)
{
    struct member_page p = {.conn = c, .read = r, .each = each, .ctx = ctx};
    struct select select;
    enum err err;

    assert(r->ids != NULL || r->campaign != NULL);
    select_members(&select, c->org, r);
    struct query q = {.select = &select, .from = OBJECT};
    if (r->ids == NULL) {
        err = read_campaign(&p, &q, e);
    } else {
        struct query_in in = {.query = q, .by = {"Id"}, .ids = r->ids, .n = r->n};
        err = query_walk_in(c, &in, on_members, &p, e);
    }
    select_release(&select);
    return err;
}

enum err org_read_members(struct org_conn *c, const char *campaign, const char (*ids)[SFID_SIZE],
                          size_t n, org_member_fn *each, void *ctx, struct error *e)
{
    struct org_member_read r = {.campaign = campaign, .ids = ids, .n = n};
    return org_read_members_as(c, &r, each, ctx, e);
}
