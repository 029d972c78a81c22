/*
 * Touchpoints whose member did not come in a complete read: it may be in another campaign, deleted,
 * or hidden from us. Only who is known to be gone is deleted (protocol rules 10, 11).
 */
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

/* Ids of the touchpoints' members that were not read; keys that are no ids are left alone, with
 * their touchpoint. */
static char (*absent_ids(const struct pass *p, size_t *count))[SFID_SIZE]
{
    char(*ids)[SFID_SIZE] = mem_array(p->existing.count, sizeof *ids);
    size_t n = 0;
    for (size_t i = 0; i < p->existing.count; i++) {
        const struct existing_row *row = &p->existing.rows[i];
        if (!row->seen && sfid_normalise(row->key, strlen(row->key), ids[n]) &&
            strcmp(ids[n], row->key) == 0)
            n++;
    }
    *count = n;
    return ids;
}

/* A member that is there after all: of another campaign (someone edited the touchpoint's lookup),
 * or new since the read. Of a campaign that does not come its members may be seen all the same
 * (where their sharing follows the lead or contact): it is hidden, and nothing can be decided. */
static enum err on_member_elsewhere(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct pass *p = ctx;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        struct existing_row *row = existing_find(&p->existing, m[i].id);
        if (row == NULL || row->seen)
            continue;
        row->seen = true;
        if (!p->campaign->campaign.exists && strcmp(m[i].campaign_id, p->claim->key) == 0)
            p->of_hidden_campaign++;
        else
            pass_move(p, STORE_MEMBER, m[i].campaign_id, m[i].id, "", pass_received(p));
    }
    return ERR_NONE;
}

/* A campaign that is there again vouches for nothing: its helper record is of a deletion that was
 * undone. */
static bool hint_confirms(const struct pass *p, const char *member_id)
{
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        if (h->kind == STORE_CAMPAIGN_GONE && !p->campaign->campaign.exists)
            return true;
        if (h->kind == STORE_DELETION && strcmp(h->subject_id, member_id) == 0)
            return true;
    }
    return false;
}

/* Members that do not come although the org does not confirm that they are deleted: where the user
 * sees every record they do not exist, and the delete guard still looks at how many these are. */
static enum err doom_unseen(struct pass *p, const char (*ids)[SFID_SIZE], size_t n, struct error *e)
{
    bool sees_all;
    enum err err = org_sees_all(p->conn, &sees_all, e);
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; sees_all && i < n; i++)
        write_doom(p, ids[i], existing_find(&p->existing, ids[i])->id, REASON_MEMBER_DELETED,
                   false);
    if (sees_all) {
        p->unseen += n;
        return ERR_NONE;
    }
    p->asks_again = true;
    log_warn("touchpoints were left in place: their members can't be seen, yet the org does not "
             "confirm that they are deleted; check that the integration user sees all campaign "
             "members",
             "org", p->claim->org, "campaign", p->claim->key, "touchpoints", log_num((long long)n),
             NULL);
    return ERR_NONE;
}

/* Asks the org about those that no helper record vouches for, then dooms what is confirmed. */
static enum err doom_absent(struct pass *p, const char (*ids)[SFID_SIZE], size_t n, struct error *e)
{
    enum err err = ERR_NONE;
    bool *confirmed = mem_array(n, sizeof *confirmed);
    char(*ask)[SFID_SIZE] = mem_array(n, sizeof *ask);
    size_t asked = 0, left = 0;
    bool campaign_gone = !p->campaign->campaign.exists && p->campaign->deleted_confirmed;

    for (size_t i = 0; i < n; i++) {
        const struct existing_row *row = existing_find(&p->existing, ids[i]);
        if (row->seen)
            continue;
        if (campaign_gone || hint_confirms(p, ids[i]))
            write_doom(p, ids[i], row->id,
                       campaign_gone ? REASON_CAMPAIGN_DELETED : REASON_MEMBER_DELETED, true);
        else
            memcpy(ask[asked++], ids[i], SFID_SIZE);
    }
    if (asked > 0)
        err = org_confirm_deleted(p->conn, "CampaignMember", (const char(*)[SFID_SIZE])ask, asked,
                                  confirmed, e);
    for (size_t i = 0; err == ERR_NONE && i < asked; i++) {
        if (confirmed[i])
            write_doom(p, ask[i], existing_find(&p->existing, ask[i])->id, REASON_MEMBER_DELETED,
                       true);
        else
            memmove(ask[left++], ask[i], SFID_SIZE);
    }
    if (err == ERR_NONE && left > 0)
        err = doom_unseen(p, (const char(*)[SFID_SIZE])ask, left, e);
    free(ask);
    free(confirmed);
    return err;
}

enum err absent_settle(struct pass *p, bool look_elsewhere, struct error *e)
{
    size_t n;
    char(*ids)[SFID_SIZE] = absent_ids(p, &n);
    enum err err = ERR_NONE;
    if (n > 0 && look_elsewhere)
        err = org_read_members(p->conn, NULL, (const char(*)[SFID_SIZE])ids, n, on_member_elsewhere,
                               p, e);
    if (p->of_hidden_campaign > 0)
        log_warn("touchpoints were left in place: their campaign can't be seen, yet its members "
                 "can; check that the integration user sees all campaigns",
                 "org", p->claim->org, "campaign", p->claim->key, "touchpoints",
                 log_num((long long)p->of_hidden_campaign), NULL);
    if (n > 0 && err == ERR_NONE)
        err = doom_absent(p, (const char(*)[SFID_SIZE])ids, n, e);
    free(ids);
    return err;
}
