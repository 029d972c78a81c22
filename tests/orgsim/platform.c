/*
 * Rules of the platform, one function an object and moment, found in a table. A rule sees the
 * record as it is to be stored and may complete it.
 */
#include "platform.h"

#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "mem.h"
#include "zone.h"

static struct value *field_of(struct record *rec, const char *name)
{
    return &rec->v[object_at(rec->object, name)];
}

static const char *text_of(const struct record *rec, const char *name)
{
    const struct value *v = &rec->v[object_at(rec->object, name)];
    return v->kind == VALUE_TEXT ? v->s : NULL;
}

/* ------------------------------------------------------------------ campaign members */

/* Sets the label as the campaign spells it; an unknown one becomes the default. */
static void choose_status(struct sim *sim, struct record *rec)
{
    const char *campaign = text_of(rec, "CampaignId"), *status = text_of(rec, "Status");
    char *label = sdb_text(sim->db,
                           "SELECT Label FROM CampaignMemberStatus WHERE CampaignId = ?1 AND "
                           "IsDeleted = 0 AND (Label = ?2 OR IsDefault = 1) "
                           "ORDER BY ifnull(Label = ?2, 0) DESC, Id LIMIT 1",
                           "tt", campaign, status);
    if (label != NULL)
        value_set_text(field_of(rec, "Status"), label);
    free(label);
}

static void follow_status(struct sim *sim, struct record *rec)
{
    int64_t responded =
        sdb_int(sim->db, 0,
                "SELECT HasResponded FROM CampaignMemberStatus WHERE CampaignId = ? AND Label = ? "
                "AND IsDeleted = 0 LIMIT 1",
                "tt", text_of(rec, "CampaignId"), text_of(rec, "Status"));
    value_set_int(field_of(rec, "HasResponded"), responded);
    struct value *first = field_of(rec, "FirstRespondedDate");
    if (responded && first->kind == VALUE_NULL)
        value_set_int(first, zone_day_at(sim->zone, sim_clock_ms(&sim->clock)));
}

static bool member_is_new(struct sim *sim, const struct record *rec, const char *person)
{
    const char *id = text_of(rec, person);
    if (id == NULL)
        return true;
    const char *sql = strcmp(person, "LeadId") == 0
                          ? "SELECT 1 FROM CampaignMember WHERE LeadId = ? AND CampaignId = ? AND "
                            "IsDeleted = 0"
                          : "SELECT 1 FROM CampaignMember WHERE ContactId = ? AND CampaignId = ? "
                            "AND IsDeleted = 0";
    return sdb_int(sim->db, 0, sql, "tt", id, text_of(rec, "CampaignId")) == 0;
}

static bool before_member(const struct writer *w, struct record *rec, const struct record *old,
                          struct row_result *r)
{
    struct sim *sim = w->sim;
    const size_t status = object_at(rec->object, "Status");
    if (old == NULL) {
        if (text_of(rec, "ContactId") != NULL)
            value_clear(field_of(rec, "LeadId"));
        const char *lead = text_of(rec, "LeadId");
        if (lead == NULL && text_of(rec, "ContactId") == NULL)
            return row_fail(r, "REQUIRED_FIELD_MISSING", "LeadId",
                            "Required fields are missing: [LeadId, ContactId]");
        if (lead != NULL &&
            sdb_int(sim->db, 0, "SELECT IsConverted FROM Lead WHERE Id = ?", "t", lead) == 1)
            return row_fail(r, "CANNOT_UPDATE_CONVERTED_LEAD", NULL,
                            "cannot reference converted lead");
        if (!member_is_new(sim, rec, "LeadId") || !member_is_new(sim, rec, "ContactId"))
            return row_fail(r, "DUPLICATE_VALUE", NULL, "Already a campaign member.");
    } else if (value_equal(&rec->v[status], &old->v[status])) {
        return true;
    }
    choose_status(sim, rec);
    follow_status(sim, rec);
    return true;
}

static bool before_lead(const struct writer *w, struct record *rec, const struct record *old,
                        struct row_result *r)
{
    (void)w;
    if (old != NULL && field_of(rec, "IsConverted")->i == 1)
        return row_fail(r, "CANNOT_UPDATE_CONVERTED_LEAD", NULL, "cannot reference converted lead");
    return true;
}

/* ------------------------------------------------------------------ campaigns and statuses */

static void add_status(const struct writer *w, const char *campaign, const char *label,
                       bool responded, int64_t order)
{
    struct record rec = {.object = &OBJECTS[CAMPAIGN_MEMBER_STATUS]};
    char id[SFID_SIZE];
    value_set_text(field_of(&rec, "CampaignId"), campaign);
    value_set_text(field_of(&rec, "Label"), label);
    value_set_int(field_of(&rec, "HasResponded"), responded);
    value_set_int(field_of(&rec, "IsDefault"), !responded);
    value_set_int(field_of(&rec, "SortOrder"), order);
    record_insert(w, &rec, id);
    record_release(&rec);
}

static void after_campaign(const struct writer *w, const struct record *rec, bool created)
{
    if (!created)
        return;
    add_status(w, rec->v[FIELD_ID].s, "Sent", false, 1);
    add_status(w, rec->v[FIELD_ID].s, "Responded", true, 2);
}

/* One default a campaign; members with this status follow it. Tells nobody, as on the platform. */
static void after_status(const struct writer *w, const struct record *rec, bool created)
{
    struct sim *sim = w->sim;
    const char *id = rec->v[FIELD_ID].s, *campaign = text_of(rec, "CampaignId");
    if (rec->v[object_at(rec->object, "IsDefault")].i == 1)
        sdb_exec(sim->db,
                 "UPDATE CampaignMemberStatus SET IsDefault = 0 WHERE CampaignId = ? AND Id <> ?",
                 "tt", campaign, id);
    if (created)
        return;
    int64_t responded = rec->v[object_at(rec->object, "HasResponded")].i;
    int64_t now = sim_clock_second_ms(&sim->clock);
    sdb_exec(sim->db,
             "UPDATE CampaignMember SET HasResponded = ?1, SystemModstamp = ?2, "
             "FirstRespondedDate = CASE WHEN ?1 THEN coalesce(FirstRespondedDate, ?3) "
             "ELSE FirstRespondedDate END "
             "WHERE CampaignId = ?4 AND IsDeleted = 0 AND Status = ?5 AND HasResponded <> ?1",
             "iiitt", responded, now, zone_day_at(sim->zone, now), campaign, text_of(rec, "Label"));
}

/* A person account's email is its contact's; the contact itself tells nobody. */
static void after_account(const struct writer *w, const struct record *rec, bool created)
{
    (void)created;
    if (rec->v[object_at(rec->object, "IsPersonAccount")].i == 1 &&
        text_of(rec, "PersonEmail") != NULL)
        sdb_exec(w->sim->db, "UPDATE Contact SET Email = ?, SystemModstamp = ? WHERE Id = ?", "tit",
                 text_of(rec, "PersonEmail"), sim_clock_second_ms(&w->sim->clock),
                 text_of(rec, "PersonContactId"));
}

/* ------------------------------------------------------------------ the table */

static const struct rule {
    enum object_id object;
    bool (*before)(const struct writer *, struct record *, const struct record *,
                   struct row_result *);
    void (*after)(const struct writer *, const struct record *, bool);
} RULES[] = {
    {CAMPAIGN, NULL, after_campaign},
    {CAMPAIGN_MEMBER, before_member, NULL},
    {CAMPAIGN_MEMBER_STATUS, NULL, after_status},
    {LEAD, before_lead, NULL},
    {ACCOUNT, NULL, after_account},
};

static const struct rule *rule_of(const struct object *o)
{
    for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++) {
        if (RULES[i].object == o->id)
            return &RULES[i];
    }
    return NULL;
}

bool platform_before(const struct writer *w, struct record *rec, const struct record *old,
                     struct row_result *r)
{
    const struct rule *rule = rule_of(rec->object);
    return rule == NULL || rule->before == NULL || rule->before(w, rec, old, r);
}

void platform_after(const struct writer *w, const struct record *rec, bool created)
{
    const struct rule *rule = rule_of(rec->object);
    if (rule != NULL && rule->after != NULL)
        rule->after(w, rec, created);
}

const char *platform_campaign_of(const struct record *rec)
{
    if (rec->object->id == CAMPAIGN_MEMBER)
        return text_of(rec, "CampaignId");
    return rec->object->id == TOUCHPOINT ? text_of(rec, "Campaign__c") : NULL;
}
