/*
 * Hints without a campaign: a person changed, a member whose campaign the message did not name, a
 * helper record, an empty sObject. They write nothing to the org; they become member hints of the
 * campaigns concerned, in the transaction that settles them (protocol rule 7). All kinds of one org
 * are claimed together, so that ten thousand changed people cost a few calls.
 */
#include "expand_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

enum {
    DAY_MS = 24 * 60 * 60 * 1000,
    DELETED_BACK_DAYS = 15, /* getDeleted looks back 15 days at most (REST API guide) */
    DELETED_FIRST_DAYS = 1, /* the window when there was none before */
    CURSOR_SIZE = TIME_TEXT_MAX,
};

void expand_ids_add(struct expand_ids *x, const char *id)
{
    if (x->count == x->room) {
        x->room = x->room == 0 ? 64 : x->room * 2;
        x->id = mem_resize(x->id, x->room, sizeof *x->id);
    }
    memset(x->id[x->count], 0, SFID_SIZE);
    memcpy(x->id[x->count++], id, strnlen(id, SFID_LEN));
}

void expand_ids_release(struct expand_ids *x)
{
    free(x->id);
    *x = (struct expand_ids){0};
}

const char (*expand_ids(const struct expand_ids *x))[SFID_SIZE]
{
    return (const char(*)[SFID_SIZE])x->id;
}

/* Received time of the hint that asked for this record; the oldest of the
 * claim when none matches. */
int64_t expand_received(const struct pass *p, const char *record)
{
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        if (strcmp(h->record_id, record) == 0 || strcmp(h->subject_id, record) == 0)
            return h->received_at_ms;
    }
    return pass_received(p);
}

/* ------------------------------------------------------------------ people */

static enum err on_memberships(void *ctx, const struct org_membership *m, size_t n, struct error *e)
{
    struct pass *p = ctx;
    for (size_t i = 0; i < n; i++)
        pass_move(p, STORE_MEMBER, m[i].campaign_id, m[i].member_id, "",
                  expand_received(p, m[i].person_id));
    return settle_many_moves(p, e);
}

static enum err expand_people(struct pass *p, enum org_membership_by by,
                              const struct expand_ids *people, struct error *e)
{
    if (people->count == 0)
        return ERR_NONE;
    return org_read_memberships(p->conn, by, expand_ids(people), people->count, on_memberships, p,
                                e);
}

typedef enum err read_contacts_fn(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                                  char (*contact)[SFID_SIZE], struct error *e);

/* Person accounts: their edits fire Account, and the member hangs on the account's contact.
 * Converted leads: the member may hang on the contact alone. */
static enum err add_contacts(struct pass *p, read_contacts_fn *read, const struct expand_ids *of,
                             struct expand_ids *contacts, struct error *e)
{
    if (of->count == 0)
        return ERR_NONE;
    char(*contact)[SFID_SIZE] = mem_array(of->count, sizeof *contact);
    enum err err = read(p->conn, expand_ids(of), of->count, contact, e);
    for (size_t i = 0; err == ERR_NONE && i < of->count; i++) {
        if (contact[i][0] != '\0')
            expand_ids_add(contacts, contact[i]);
    }
    free(contact);
    return err;
}

/* ------------------------------------------------------------------ members without a campaign */

static enum err on_own_memberships(void *ctx, const struct org_membership *m, size_t n,
                                   struct error *e)
{
    struct pass *p = ctx;
    for (size_t i = 0; i < n; i++)
        pass_move(p, STORE_MEMBER, m[i].campaign_id, m[i].member_id, "",
                  expand_received(p, m[i].member_id));
    return settle_many_moves(p, e);
}

/* The stored campaign, or where that was lost the lookup. */
bool expand_campaign_of(const struct org_touchpoint *t, char out[SFID_SIZE])
{
    const char *stored = t->value[TV_AD_CAMPAIGN_ID], *lookup = t->value[TV_CAMPAIGN];
    return sfid_normalise(stored, strlen(stored), out) ||
           sfid_normalise(lookup, strlen(lookup), out);
}

/* A touchpoint whose member may be gone: its campaign is asked to look at it. */
static enum err on_their_touchpoints(void *ctx, const struct org_touchpoint *t, size_t n,
                                     struct error *e)
{
    struct pass *p = ctx;
    for (size_t i = 0; i < n; i++) {
        char campaign[SFID_SIZE], member[SFID_SIZE];
        if (sfid_normalise(t[i].key, strlen(t[i].key), member) &&
            expand_campaign_of(&t[i], campaign))
            pass_move(p, STORE_MEMBER, campaign, member, "", expand_received(p, member));
    }
    return settle_many_moves(p, e);
}

static enum err expand_members(struct pass *p, const struct expand_ids *members, struct error *e)
{
    if (members->count == 0)
        return ERR_NONE;
    enum err err = org_read_memberships(p->conn, ORG_BY_MEMBER, expand_ids(members), members->count,
                                        on_own_memberships, p, e);
    if (err == ERR_NONE)
        err = org_read_touchpoints(p->conn, NULL, expand_ids(members), members->count,
                                   on_their_touchpoints, p, e);
    return err;
}

/* ------------------------------------------------------------------ empty sObjects */

static enum err on_deleted(void *ctx, const char *id, struct error *e)
{
    (void)e;
    expand_ids_add(ctx, id);
    return ERR_NONE;
}

static int64_t window_start(const char *cursor, int64_t now)
{
    int64_t from = now - (int64_t)DELETED_FIRST_DAYS * DAY_MS, stored;
    if (time_parse_datetime(cursor, strlen(cursor), &stored))
        from = stored;
    int64_t oldest = now - (int64_t)DELETED_BACK_DAYS * DAY_MS + 60000;
    return from < oldest ? oldest : from;
}

/* One object's window; *next is the cursor to store once the hints are. */
static enum err read_window(struct pass *p, const char *object, const char *cursor_name,
                            struct expand_ids *deleted, char next[CURSOR_SIZE], struct error *e)
{
    char cursor[CURSOR_SIZE];
    enum err err =
        store_cursor_get(p->options->store, p->claim->org, cursor_name, cursor, sizeof cursor, e);
    if (err != ERR_NONE)
        return err;
    int64_t now = time_wall_ms(), from = window_start(cursor, now), covered = from;
    /* the API wants start and end at least a minute apart */
    if (now - from < 2 * 60000)
        from = now - 2 * 60000;
    err = org_read_deleted(p->conn, object, from, now, on_deleted, deleted, &covered, e);
    if (err == ERR_NONE)
        err = org_read_bin(p->conn, object, covered, on_deleted, deleted, e);
    if (err == ERR_NONE) {
        (void)time_format_datetime(covered, next);
        if (covered < p->gap_covered_ms)
            p->gap_covered_ms = covered;
    }
    return err;
}

static enum err expand_gap(struct pass *p, struct error *e)
{
    struct store *store = p->options->store;
    struct expand_ids members = {0}, campaigns = {0};
    char next_members[CURSOR_SIZE], next_campaigns[CURSOR_SIZE];
    p->gap_covered_ms = INT64_MAX;
    enum err err =
        read_window(p, "CampaignMember", "deleted.CampaignMember", &members, next_members, e);
    if (err == ERR_NONE)
        err = read_window(p, "Campaign", "deleted.Campaign", &campaigns, next_campaigns, e);
    if (err == ERR_NONE && members.count > 0)
        err = org_read_touchpoints(p->conn, NULL, expand_ids(&members), members.count,
                                   on_their_touchpoints, p, e);
    for (size_t i = 0; err == ERR_NONE && i < campaigns.count; i++)
        pass_move(p, STORE_CAMPAIGN, campaigns.id[i], campaigns.id[i], "", 0);
    if (err == ERR_NONE)
        err = settle_moves(p, e);
    if (err == ERR_NONE)
        err = store_cursor_set(store, p->claim->org, "deleted.CampaignMember", next_members, e);
    if (err == ERR_NONE)
        err = store_cursor_set(store, p->claim->org, "deleted.Campaign", next_campaigns, e);
    expand_ids_release(&members);
    expand_ids_release(&campaigns);
    return err;
}

/* ------------------------------------------------------------------ all kinds together */

struct groups {
    struct expand_ids leads, contacts, accounts, members, helpers;
    struct deletions deletions;
    bool gap, reconcile;
};

static void sort_hint(struct groups *g, const struct store_hint *h)
{
    switch (h->kind) {
    case STORE_LEAD:
        expand_ids_add(&g->leads, h->record_id);
        break;
    case STORE_CONTACT:
        expand_ids_add(&g->contacts, h->record_id);
        break;
    case STORE_ACCOUNT:
        if (h->subject_id[0] != '\0')
            expand_ids_add(&g->contacts, h->subject_id);
        else
            expand_ids_add(&g->accounts, h->record_id);
        break;
    case STORE_MEMBER:
        expand_ids_add(&g->members, h->record_id);
        break;
    case STORE_DELETION:
        deletions_add(&g->deletions, h->subject_id, h->record_id);
        break;
    case STORE_HELPER:
        expand_ids_add(&g->helpers, h->record_id);
        break;
    case STORE_GAP:
        g->gap = true;
        break;
    case STORE_RECONCILE:
        g->gap = g->reconcile = true;
        break;
    case STORE_CAMPAIGN:
    case STORE_CAMPAIGN_GONE:
    case STORE_ECHO:
    case STORE_IGNORED:
    case STORE_JOB:
        break; /* they always have a campaign, or are never claimed */
    }
}

static void release_groups(struct groups *g)
{
    expand_ids_release(&g->leads);
    expand_ids_release(&g->contacts);
    expand_ids_release(&g->accounts);
    expand_ids_release(&g->members);
    expand_ids_release(&g->helpers);
    deletions_release(&g->deletions);
}

static bool asks_for_deletions(const struct pass *p)
{
    for (size_t i = 0; i < p->claim->count; i++) {
        enum store_kind k = p->claim->hints[i].kind;
        if (k == STORE_DELETION || k == STORE_HELPER || k == STORE_GAP)
            return true;
    }
    return false;
}

enum err expand_run(struct pass *p, struct error *e)
{
    struct groups g = {.deletions = {.pass = p}};
    if (p->deletes_only && !asks_for_deletions(p)) {
        p->withheld = true;
        return ERR_NONE;
    }
    p->moves_in_background = reconcile_is_cause(p);
    for (size_t i = 0; i < p->claim->count; i++)
        sort_hint(&g, &p->claim->hints[i]);
    enum err err = helpers_expand(p, &g.helpers, &g.deletions, e);
    if (err == ERR_NONE)
        err = deletions_expand(&g.deletions, e);
    if (err == ERR_NONE)
        err = add_contacts(p, org_read_person_contacts, &g.accounts, &g.contacts, e);
    if (err == ERR_NONE)
        err = add_contacts(p, org_read_converted_contacts, &g.leads, &g.contacts, e);
    if (err == ERR_NONE)
        err = expand_people(p, ORG_BY_LEAD, &g.leads, e);
    if (err == ERR_NONE)
        err = expand_people(p, ORG_BY_CONTACT, &g.contacts, e);
    if (err == ERR_NONE)
        err = expand_members(p, &g.members, e);
    if (err == ERR_NONE && g.gap)
        err = expand_gap(p, e);
    if (err == ERR_NONE && g.reconcile)
        err = reconcile_expand(p, e);
    release_groups(&g);
    return err;
}
