/*
 * Members go with their campaign, lead or contact; lookups on touchpoints are cleared. Cascades are
 * single statements over an index, so that a campaign of 100,000 members is deleted in one go.
 */
#include "cascade.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "mem.h"
#include "zone.h"

static int64_t now_of(const struct writer *w)
{
    return sim_clock_second_ms(&w->sim->clock);
}

/* ------------------------------------------------------------------ helper records */

static void helper(const struct writer *w, const char *member, const char *campaign)
{
    struct record rec = {.object = &OBJECTS[DELETION]};
    char id[SFID_SIZE];
    value_set_text(&rec.v[object_at(rec.object, "Campaign_Member_Id__c")], member);
    value_set_text(&rec.v[object_at(rec.object, "Campaign_Id__c")], campaign);
    record_insert(w, &rec, id);
    record_release(&rec);
}

/* One for each membership of a lead or contact; `sql` gives member and campaign. */
static void helpers(const struct writer *w, const char *sql, const char *id)
{
    struct sdb *db = w->sim->db;
    if (!w->sim->behaviour.helper_trigger)
        return;
    size_t count = 0;
    char(*pairs)[2][SFID_SIZE] = NULL;
    sqlite3_stmt *st = sdb_prepare(db, sql);
    sdb_bind_text(st, 1, id);
    while (sdb_step(db, st)) {
        pairs = mem_resize(pairs, count + 1, sizeof *pairs);
        for (int i = 0; i < 2; i++)
            snprintf(pairs[count][i], SFID_SIZE, "%s", (const char *)sqlite3_column_text(st, i));
        count++;
    }
    sdb_done(db, st);
    for (size_t i = 0; i < count; i++)
        helper(w, pairs[i][0], pairs[i][1]);
    free(pairs);
}

/* ------------------------------------------------------------------ deletion */

static void mark_deleted(const struct writer *w, const struct object *o, const char *id)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "UPDATE %s SET IsDeleted = 1, SystemModstamp = ? WHERE Id = ? AND IsDeleted = 0",
             o->name);
    sdb_exec(w->sim->db, sql, "it", now_of(w), id);
}

/* Dependants whose `column` names the record. */
static void cascade_rows(const struct writer *w, const struct object *o, const char *column,
                         const char *id)
{
    char sql[192];
    if (w->sim->behaviour.cascade_leaves_trace) {
        snprintf(sql, sizeof sql,
                 "UPDATE %s SET IsDeleted = 1, SystemModstamp = ? WHERE %s = ? AND IsDeleted = 0",
                 o->name, column);
        sdb_exec(w->sim->db, sql, "it", now_of(w), id);
    } else {
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE %s = ? AND IsDeleted = 0", o->name, column);
        sdb_exec(w->sim->db, sql, "t", id);
    }
}

static void clear_lookup(const struct writer *w, const struct object *o, const char *column,
                         const char *id)
{
    char sql[160];
    snprintf(sql, sizeof sql, "UPDATE %s SET %s = NULL, SystemModstamp = ? WHERE %s = ?", o->name,
             column, column);
    sdb_exec(w->sim->db, sql, "it", now_of(w), id);
}

static void delete_member(const struct writer *w, const char *id)
{
    helpers(w, "SELECT Id, CampaignId FROM CampaignMember WHERE Id = ?", id);
}

static void delete_campaign(const struct writer *w, const char *id)
{
    if (w->sim->behaviour.helper_trigger)
        helper(w, NULL, id);
    cascade_rows(w, &OBJECTS[CAMPAIGN_MEMBER], "CampaignId", id);
    cascade_rows(w, &OBJECTS[CAMPAIGN_MEMBER_STATUS], "CampaignId", id);
    clear_lookup(w, &OBJECTS[TOUCHPOINT], "Campaign__c", id);
    clear_lookup(w, &OBJECTS[CAMPAIGN], "ParentId", id);
}

static void delete_lead(const struct writer *w, const char *id)
{
    helpers(w, "SELECT Id, CampaignId FROM CampaignMember WHERE LeadId = ? AND IsDeleted = 0", id);
    cascade_rows(w, &OBJECTS[CAMPAIGN_MEMBER], "LeadId", id);
    clear_lookup(w, &OBJECTS[TOUCHPOINT], "Lead__c", id);
}

static void contact_dependants(const struct writer *w, const char *id)
{
    cascade_rows(w, &OBJECTS[CAMPAIGN_MEMBER], "ContactId", id);
    clear_lookup(w, &OBJECTS[TOUCHPOINT], "Contact__c", id);
}

static void delete_contact(const struct writer *w, const char *id)
{
    helpers(w, "SELECT Id, CampaignId FROM CampaignMember WHERE ContactId = ? AND IsDeleted = 0",
            id);
    contact_dependants(w, id);
}

/* Contacts go with their account, and no trigger on Contact runs for that. */
static void delete_account(const struct writer *w, const char *id)
{
    struct sdb *db = w->sim->db;
    char *contact;
    while ((contact = sdb_text(db,
                               "SELECT Id FROM Contact WHERE AccountId = ? AND IsDeleted = 0 "
                               "LIMIT 1",
                               "t", id)) != NULL) {
        contact_dependants(w, contact);
        mark_deleted(w, &OBJECTS[CONTACT], contact);
        free(contact);
    }
}

static const struct {
    enum object_id object;
    void (*dependants)(const struct writer *, const char *);
} DELETIONS[] = {
    {CAMPAIGN, delete_campaign}, {CAMPAIGN_MEMBER, delete_member}, {LEAD, delete_lead},
    {CONTACT, delete_contact},   {ACCOUNT, delete_account},
};

void cascade_delete(const struct writer *w, const struct object *o, const char *id)
{
    for (size_t i = 0; i < sizeof DELETIONS / sizeof DELETIONS[0]; i++) {
        if (DELETIONS[i].object == o->id)
            DELETIONS[i].dependants(w, id);
    }
    mark_deleted(w, o, id);
}

/* ------------------------------------------------------------------ conversion */

static char *lead_text(const struct writer *w, const char *lead, const char *column)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT %s FROM Lead WHERE Id = ?", column);
    return sdb_text(w->sim->db, sql, "t", lead);
}

static void new_from_lead(const struct writer *w, const char *lead, const struct object *o,
                          const char *const (*columns)[2], size_t count, const char *account,
                          char id[SFID_SIZE])
{
    struct record rec = {.object = o};
    for (size_t i = 0; i < count; i++) {
        char *text = lead_text(w, lead, columns[i][0]);
        value_set_text(&rec.v[object_at(o, columns[i][1])], text);
        free(text);
    }
    if (account != NULL)
        value_set_text(&rec.v[object_at(o, "AccountId")], account);
    record_insert(w, &rec, id);
    record_release(&rec);
}

static void make_contact(const struct writer *w, const char *lead, struct moved *out)
{
    static const char *const account[][2] = {{"Company", "Name"}};
    static const char *const contact[][2] = {{"FirstName", "FirstName"},
                                             {"LastName", "LastName"},
                                             {"Email", "Email"},
                                             {"Title", "Title"},
                                             {"Phone", "Phone"}};
    new_from_lead(w, lead, &OBJECTS[ACCOUNT], account, 1, NULL, out->account);
    new_from_lead(w, lead, &OBJECTS[CONTACT], contact, 5, out->account, out->contact);
}

/* Members of the lead become the contact's, but where the contact is a member already. */
static void move_members(const struct writer *w, const char *lead, struct moved *out)
{
    struct sdb *db = w->sim->db;
    int64_t now = now_of(w);
    out->removed = sdb_exec(db,
                            "UPDATE CampaignMember SET IsDeleted = 1, SystemModstamp = ?1 "
                            "WHERE LeadId = ?2 AND IsDeleted = 0 AND ContactId IS NULL "
                            "AND EXISTS (SELECT 1 FROM CampaignMember c WHERE c.ContactId = ?3 "
                            "AND c.CampaignId = CampaignMember.CampaignId AND c.IsDeleted = 0)",
                            "itt", now, lead, out->contact);
    out->moved = sdb_exec(db,
                          w->sim->behaviour.convert_keeps_lead
                              ? "UPDATE CampaignMember SET ContactId = ?1, SystemModstamp = ?2, "
                                "LastModifiedDate = ?2 WHERE LeadId = ?3 AND IsDeleted = 0"
                              : "UPDATE CampaignMember SET ContactId = ?1, LeadId = NULL, "
                                "SystemModstamp = ?2, LastModifiedDate = ?2 "
                                "WHERE LeadId = ?3 AND IsDeleted = 0",
                          "tit", out->contact, now, lead);
}

static bool may_convert(struct sim *sim, const char *lead, const char *contact,
                        struct row_result *r)
{
    if (record_state(sim, &OBJECTS[LEAD], lead) != RECORD_LIVE)
        return row_fail(r, "INVALID_CROSS_REFERENCE_KEY", NULL, "no such lead: %s", lead);
    if (sdb_int(sim->db, 0, "SELECT IsConverted FROM Lead WHERE Id = ?", "t", lead) == 1)
        return row_fail(r, "CANNOT_UPDATE_CONVERTED_LEAD", NULL, "the lead is converted already");
    if (contact != NULL && record_state(sim, &OBJECTS[CONTACT], contact) != RECORD_LIVE)
        return row_fail(r, "INVALID_CROSS_REFERENCE_KEY", NULL, "no such contact: %s", contact);
    return true;
}

/* Where the lead's data go: a given contact and its account, or new ones. */
static void choose_contact(const struct writer *w, const char *lead, const char *contact,
                           struct moved *out)
{
    if (contact == NULL) {
        make_contact(w, lead, out);
        return;
    }
    snprintf(out->contact, sizeof out->contact, "%s", contact);
    char *account =
        sdb_text(w->sim->db, "SELECT AccountId FROM Contact WHERE Id = ?", "t", contact);
    snprintf(out->account, sizeof out->account, "%s", account == NULL ? "" : account);
    free(account);
}

bool convert_lead(const struct writer *w, const char *lead, const char *contact, struct moved *out,
                  struct row_result *r)
{
    struct sim *sim = w->sim;
    *r = (struct row_result){.created = false};
    *out = (struct moved){0};
    if (!may_convert(sim, lead, contact, r))
        return false;
    tx_begin(sim);
    choose_contact(w, lead, contact, out);
    move_members(w, lead, out);
    sdb_exec(sim->db,
             "UPDATE Lead SET IsConverted = 1, Status = 'Closed - Converted', "
             "ConvertedContactId = ?, ConvertedAccountId = ?, ConvertedDate = ? WHERE Id = ?",
             "ttit", out->contact, out->account[0] == '\0' ? NULL : out->account,
             zone_day_at(sim->zone, sim_clock_ms(&sim->clock)), lead);
    record_touch(w, &OBJECTS[LEAD], lead);
    const size_t converted = object_at(&OBJECTS[LEAD], "IsConverted");
    record_announce(w, &OBJECTS[LEAD], lead, (struct change){.changed = (uint32_t)1 << converted});
    tx_commit(sim);
    r->success = true;
    return true;
}

/* ------------------------------------------------------------------ merge */

struct merge_sql {
    enum object_id object;
    const char *memberships, *remove, *move, *lookups;
};

#define MERGE(object, id, lookup)                                                                  \
    {                                                                                              \
        object, "SELECT Id, CampaignId FROM CampaignMember WHERE " id " = ? AND IsDeleted = 0",    \
            "UPDATE CampaignMember SET IsDeleted = 1, SystemModstamp = ?1 WHERE " id               \
            " = ?2 AND IsDeleted = 0 AND EXISTS (SELECT 1 FROM CampaignMember c WHERE c." id       \
            " = ?3 AND c.CampaignId = CampaignMember.CampaignId AND c.IsDeleted = 0)",             \
            "UPDATE CampaignMember SET " id " = ?1, SystemModstamp = ?2, LastModifiedDate = ?2 "   \
            "WHERE " id " = ?3 AND IsDeleted = 0",                                                 \
            "UPDATE Buyer_Touchpoint__c SET " lookup " = ?1, SystemModstamp = ?2 WHERE " lookup    \
            " = ?3"                                                                                \
    }

static const struct merge_sql MERGES[] = {
    MERGE(LEAD, "LeadId", "Lead__c"),
    MERGE(CONTACT, "ContactId", "Contact__c"),
};

bool merge_records(const struct writer *w, const struct object *o, const char *winner,
                   const char *loser, struct moved *out, struct row_result *r)
{
    struct sim *sim = w->sim;
    const struct merge_sql *m = &MERGES[o->id == CONTACT];
    *r = (struct row_result){.created = false};
    *out = (struct moved){0};
    if (o->id != LEAD && o->id != CONTACT)
        return row_fail(r, "INVALID_TYPE", NULL, "only Lead and Contact can be merged here");
    if (strcmp(winner, loser) == 0 || record_state(sim, o, winner) != RECORD_LIVE ||
        record_state(sim, o, loser) != RECORD_LIVE)
        return row_fail(r, "INVALID_CROSS_REFERENCE_KEY", NULL,
                        "winner and loser must be two live records");
    int64_t now = now_of(w);
    char sql[96];
    tx_begin(sim);
    helpers(w, m->memberships, loser); /* the before-delete trigger on the loser */
    out->removed = sdb_exec(sim->db, m->remove, "itt", now, loser, winner);
    out->moved = sdb_exec(sim->db, m->move, "tit", winner, now, loser);
    sdb_exec(sim->db, m->lookups, "tit", winner, now, loser);
    snprintf(sql, sizeof sql, "UPDATE %s SET MasterRecordId = ? WHERE Id = ?", o->name);
    sdb_exec(sim->db, sql, "tt", winner, loser);
    mark_deleted(w, o, loser);
    record_touch(w, o, winner);
    record_announce(w, o, winner, (struct change){.created = false});
    tx_commit(sim);
    r->success = true;
    return true;
}
