/*
 * Generated data: campaigns with members from a seed. Records are inserted directly, with what the
 * platform's rules would have given them, so a million members take seconds. The same seed gives
 * the same names, emails, statuses and dates.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "db.h"
#include "mem.h"
#include "platform.h"
#include "records.h"
#include "timeutil.h"
#include "zone.h"

struct plan {
    int64_t campaigns, members, seed;
    double contacts, emails, responded, dated;
    const char *sync_type, *type; /* NULL: blank */
    int64_t created_ms;           /* TIME_NONE: now */
};

struct loader {
    struct sim *sim;
    struct writer w;
    struct plan plan;
    uint64_t dice;
    int64_t person; /* number of the last one */
    int64_t leads, contacts;
    char account[SFID_SIZE];
};

/* splitmix64: 0 ≤ x < 1 */
static double roll(struct loader *l)
{
    uint64_t z = l->dice += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

static void set_text(struct record *rec, const char *name, const char *text)
{
    value_set_text(&rec->v[object_at(rec->object, name)], text);
}

static void set_int(struct record *rec, const char *name, int64_t n)
{
    value_set_int(&rec->v[object_at(rec->object, name)], n);
}

static void insert(struct loader *l, struct record *rec, char id[SFID_SIZE])
{
    if (l->plan.created_ms != TIME_NONE)
        value_set_int(&rec->v[FIELD_CREATED_DATE], l->plan.created_ms);
    record_insert(&l->w, rec, id);
}

static void add_campaign(struct loader *l, int64_t number, char id[SFID_SIZE])
{
    struct record rec = {.object = &OBJECTS[CAMPAIGN]};
    char name[64];
    snprintf(name, sizeof name, "Load %lld-%lld", (long long)l->plan.seed, (long long)number);
    set_text(&rec, "Name", name);
    set_text(&rec, "Type", l->plan.type);
    set_text(&rec, "Enable_Buyer_Touchpoints__c", l->plan.sync_type);
    insert(l, &rec, id);
    platform_after(&l->w, &rec, true);
    record_release(&rec);
}

static void add_person(struct loader *l, bool contact, char id[SFID_SIZE])
{
    struct record rec = {.object = &OBJECTS[contact ? CONTACT : LEAD]};
    char text[80];
    long long number = (long long)++l->person;
    snprintf(text, sizeof text, "Person %lld", number);
    set_text(&rec, "LastName", text);
    set_text(&rec, "FirstName", "Load");
    if (contact)
        set_text(&rec, "AccountId", l->account);
    else
        set_text(&rec, "Company", "Load Ltd");
    if (roll(l) < l->plan.emails) {
        snprintf(text, sizeof text, "load-%lld-%lld@example.com", (long long)l->plan.seed, number);
        set_text(&rec, "Email", text);
    }
    insert(l, &rec, id);
    record_release(&rec);
    l->contacts += contact;
    l->leads += !contact;
}

static void add_member(struct loader *l, const char *campaign)
{
    struct record rec = {.object = &OBJECTS[CAMPAIGN_MEMBER]};
    char person[SFID_SIZE], id[SFID_SIZE];
    int64_t added =
        l->plan.created_ms != TIME_NONE ? l->plan.created_ms : sim_clock_second_ms(&l->sim->clock);
    bool contact = roll(l) < l->plan.contacts, responded = roll(l) < l->plan.responded;
    bool dated = roll(l) < l->plan.dated;
    int64_t days_before = (int64_t)(roll(l) * 60);
    add_person(l, contact, person);
    set_text(&rec, "CampaignId", campaign);
    set_text(&rec, contact ? "ContactId" : "LeadId", person);
    set_text(&rec, "Status", responded ? "Responded" : "Sent");
    set_int(&rec, "HasResponded", responded);
    if (responded)
        set_int(&rec, "FirstRespondedDate", zone_day_at(l->sim->zone, added));
    if (dated)
        set_int(&rec, "Buyer_Touchpoint_Date__c", added - days_before * 86400000);
    insert(l, &rec, id);
    record_release(&rec);
}

/* ------------------------------------------------------------------ the request */

static bool number(const json_t *body, const char *name, int64_t most, int64_t *out,
                   struct sim_reply *reply)
{
    const json_t *n = json_object_get(body, name);
    if (n == NULL)
        return true;
    if (!json_is_integer(n) || json_integer_value(n) < 0 || json_integer_value(n) > most)
        return control_fail(reply, "%s: a number from 0 to %lld", name, (long long)most);
    *out = json_integer_value(n);
    return true;
}

static bool share(const json_t *body, const char *name, double *out, struct sim_reply *reply)
{
    const json_t *n = json_object_get(body, name);
    if (n == NULL)
        return true;
    if (!json_is_number(n) || json_number_value(n) < 0 || json_number_value(n) > 1)
        return control_fail(reply, "%s: a number from 0 to 1", name);
    *out = json_number_value(n);
    return true;
}

static bool created(const json_t *body, int64_t *out, struct sim_reply *reply)
{
    const json_t *text = json_object_get(body, "created");
    if (text == NULL)
        return true;
    if (!json_is_string(text) ||
        !time_parse_datetime(json_string_value(text), json_string_length(text), out))
        return control_fail(reply, "created: not a date-time");
    return true;
}

static bool sync_type(const json_t *body, const char **out, struct sim_reply *reply)
{
    const json_t *text = json_object_get(body, "sync_type");
    const struct field *f = object_field(&OBJECTS[CAMPAIGN], "Enable_Buyer_Touchpoints__c");
    *out = json_string_value(text);
    for (size_t i = 0; *out != NULL && f->values[i] != NULL; i++) {
        if (strcmp(f->values[i], *out) == 0)
            return true;
    }
    return *out == NULL || control_fail(reply, "sync_type: not a value of the picklist");
}

static bool read_plan(const json_t *body, struct plan *p, struct sim_reply *reply)
{
    *p = (struct plan){.campaigns = 1,
                       .members = 10,
                       .seed = 1,
                       .emails = 1,
                       .contacts = 0.5,
                       .responded = 0.5,
                       .created_ms = TIME_NONE};
    p->type = json_string_value(json_object_get(body, "type"));
    return number(body, "campaigns", 1000000, &p->campaigns, reply) &&
           number(body, "members", 5000000, &p->members, reply) &&
           number(body, "seed", INT32_MAX, &p->seed, reply) &&
           share(body, "contacts", &p->contacts, reply) &&
           share(body, "emails", &p->emails, reply) &&
           share(body, "responded", &p->responded, reply) &&
           share(body, "dated", &p->dated, reply) && created(body, &p->created_ms, reply) &&
           sync_type(body, &p->sync_type, reply);
}

static json_t *run(struct loader *l)
{
    json_t *ids = json_array();
    struct record account = {.object = &OBJECTS[ACCOUNT]};
    set_text(&account, "Name", "Load Ltd");
    insert(l, &account, l->account);
    record_release(&account);
    for (int64_t c = 1; c <= l->plan.campaigns; c++) {
        char campaign[SFID_SIZE];
        add_campaign(l, c, campaign);
        json_array_append_new(ids, json_string(campaign));
        for (int64_t m = 0; m < l->plan.members; m++)
            add_member(l, campaign);
    }
    return ids;
}

void control_load(struct sim *sim, const struct sim_request *r, json_t *body,
                  struct sim_reply *reply)
{
    (void)r;
    struct loader l = {.sim = sim};
    if (!read_plan(body, &l.plan, reply))
        return;
    l.w = (struct writer){.sim = sim,
                          .admin = true,
                          .operation = "",
                          .target = "",
                          .quiet = !json_is_true(json_object_get(body, "fire"))};
    l.dice = (uint64_t)l.plan.seed * 0x2545f4914f6cdd1du;
    tx_begin(sim);
    json_t *ids = run(&l);
    tx_commit(sim);
    sim_reply_json(reply, 200,
                   json_pack("{s:o, s:I, s:I, s:I}", "campaigns", ids, "members",
                             (json_int_t)(l.leads + l.contacts), "leads", (json_int_t)l.leads,
                             "contacts", (json_int_t)l.contacts));
}
