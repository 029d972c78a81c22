/*
 * One campaign: read it, read its touchpoints and members, decide each member, write only what
 * differs.
 *
 * A pass is either whole (a campaign hint, an echo, a policy that compares members, or more member
 * hints than one claim takes) or for the members that were claimed. In both, upserts stream out
 * while pages come in; deletions are computed only when the read was complete (protocol rule 10),
 * and a touchpoint whose member did not come is deleted only where the org or a helper record
 * confirms that the member is gone, or where the user is known to see every record (rules 10, 11).
 */
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

static bool asks_for_whole(const struct pass *p)
{
    if (p->reconciles || p->claim->more || p->claim->has_echo || p->options->policy->dedupe_email)
        return true;
    for (size_t i = 0; i < p->claim->count; i++) {
        enum store_kind kind = p->claim->hints[i].kind;
        if (kind != STORE_MEMBER && kind != STORE_DELETION && kind != STORE_JOB)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ reading what exists */

static enum err on_touchpoints(void *ctx, const struct org_touchpoint *t, size_t n, struct error *e)
{
    struct pass *p = ctx;
    (void)e;
    for (size_t i = 0; i < n; i++)
        existing_add(&p->existing, &t[i]);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ deciding */

static enum err apply_decision(struct pass *p, const struct member *m, const struct decision *d,
                               const struct existing_row *old, struct error *e)
{
    enum err err = ERR_NONE;
    struct touchpoint t;
    enum reason reason = d->reason;
    if (reason == REASON_NONE && duplicates_has(p, m->id))
        reason = REASON_DUPLICATE_EMAIL;

    if (p->look != NULL)
        return look_decided(p, m, d, reason, old, e);
    if (reason == REASON_NO_EMAIL && m->person.is_unseen) { /* whatever is there stays */
        p->unseen_people++;
        return ERR_NONE;
    }
    status_want(p, m, reason);
    if (reason != REASON_NONE) {
        if (old != NULL)
            write_doom(p, m->id, old->id, reason, false);
        return ERR_NONE;
    }
    touchpoint_values(&p->campaign->campaign, m, p->options->policy, d, &t);
    if (old == NULL || old->hash != values_hash(t.value))
        err = write_want(p, &t, m->id, old, e);
    touchpoint_release(&t);
    return err;
}

static enum err on_members(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct pass *p = ctx;
    for (size_t i = 0; i < n; i++) {
        struct existing_row *old = existing_find(&p->existing, m[i].id);
        if (old != NULL)
            old->seen = true;
        p->members++;
        if (strcmp(m[i].campaign_id, p->claim->key) != 0) {
            pass_move(p, STORE_MEMBER, m[i].campaign_id, m[i].id, "", pass_received(p));
            continue;
        }
        struct decision d;
        decide(&p->campaign->campaign, &m[i], p->options->policy, p->zone, &d);
        enum err err = apply_decision(p, &m[i], &d, old, e);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ the delete guard */

int64_t sync_unconfirmed(const struct pass *p)
{
    int64_t n = 0;
    for (size_t i = 0; i < p->doomed_count; i++)
        n += !p->doomed[i].confirmed;
    return n;
}

/* Keeps only the confirmed deletions. */
static void drop_unconfirmed(struct pass *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->doomed_count; i++) {
        if (p->doomed[i].confirmed)
            p->doomed[kept++] = p->doomed[i];
        else
            status_unsure(p, p->doomed[i].member_id);
    }
    p->doomed_count = kept;
}

enum err sync_ask_guard(const struct pass *p, struct store *store, int64_t would_delete,
                        bool *holds, bool *found, struct error *e)
{
    struct store_hold hold;
    char last[STORE_FINGERPRINT_SIZE];
    enum err err = store_hold_get(store, p->claim->org, p->claim->key, &hold, found, e);
    if (err == ERR_NONE)
        err = store_fingerprint(store, p->claim->org, p->claim->key, last, e);
    if (err != ERR_NONE)
        return err;
    const struct guard_input g = {
        .would_delete = would_delete,
        .existing = (int64_t)p->existing.count,
        .max_percent = p->options->max_delete_percent,
        .last_fingerprint = last,
        .fingerprint = p->fingerprint,
        .sync_type = sync_type_of(p->campaign->campaign.sync_type),
        .approved = *found && hold.approved,
    };
    *holds = guard_holds(&g);
    return ERR_NONE;
}

static enum err guard_deletes(struct pass *p, struct error *e)
{
    struct store *store = p->options->store;
    int64_t would_delete = sync_unconfirmed(p), existing = (int64_t)p->existing.count;
    bool holds, found;
    enum err err = sync_ask_guard(p, store, would_delete, &holds, &found, e);
    if (err != ERR_NONE)
        return err;
    if (!holds)
        return found ? store_hold_end(store, p->claim, e) : ERR_NONE;
    p->held = true;
    p->asks_again = p->asks_again || p->unseen > 0;
    drop_unconfirmed(p);
    log_warn("deletions are held: they would remove an unusual part of a campaign's touchpoints "
             "although no setting changed; "
             "look at the campaign, then approve the job",
             "org", p->claim->org, "campaign", p->claim->key, "would_delete", log_num(would_delete),
             "existing", log_num(existing), NULL);
    return store_hold_put(store, p->claim, would_delete, existing, e);
}

/* ------------------------------------------------------------------ the two kinds of pass */

void sync_note_type(const struct pass *p)
{
    const struct campaign *c = &p->campaign->campaign;
    if (c->exists && sync_type_of(c->sync_type) == SYNC_UNKNOWN)
        p->unknown_sync_type(p->ctx, c->sync_type);
}

static void warn_of_unseen(const struct pass *p)
{
    if (p->unseen_people > 0)
        log_warn("members were left as they are: their lead or contact is not shared with the "
                 "integration user, so that nothing is known of an email; grant it Read and View "
                 "All on Lead and Contact",
                 "org", p->claim->org, "campaign", p->claim->key, "members",
                 log_num((long long)p->unseen_people), NULL);
}

static enum err finish(struct pass *p, struct error *e)
{
    warn_of_unseen(p);
    enum err err = write_flush(p, e);
    if (err == ERR_NONE && p->spool.count > 0)
        err = bulk_upserts(p, e);
    if (err == ERR_NONE && p->whole)
        err = guard_deletes(p, e);
    if (err == ERR_NONE)
        err = write_deletes(p, e);
    if (err == ERR_NONE)
        err = status_write(p, e);
    return err == ERR_NONE ? write_delete_helpers(p, e) : err;
}

bool sync_needs_members(const struct pass *p)
{
    return org_config(p->org)->write_back ||
           campaign_can_include(&p->campaign->campaign, p->options->policy);
}

/* A campaign that is not enabled and has no touchpoints: whoever its members are, nothing is to be
 * done. */
static bool has_nothing_to_do(const struct pass *p)
{
    return p->look == NULL && p->campaign->campaign.exists && p->existing.count == 0 &&
           !sync_needs_members(p);
}

static enum err read_whole(struct pass *p, struct error *e)
{
    if (!p->campaign->campaign.exists || has_nothing_to_do(p))
        return ERR_NONE;
    struct org_member_read read = {.campaign = p->claim->key, .with_names = p->look != NULL};
    return org_read_members_as(p->conn, &read, on_members, p, e);
}

static enum err start_whole(struct pass *p, struct error *e)
{
    p->whole = true;
    existing_release(&p->existing);
    p->doomed_count = 0;
    p->unseen = p->unseen_people = p->of_hidden_campaign = 0;
    status_clear(p);
    guard_fingerprint(&p->campaign->campaign, p->options->policy_fingerprint, p->fingerprint);
    enum err err = ERR_NONE;
    /* before the touchpoints, so that the memory of both is not needed at once */
    if (p->options->policy->dedupe_email && p->campaign->campaign.exists && sync_needs_members(p))
        err = duplicates_find(p, e);
    if (err == ERR_NONE)
        err = org_read_touchpoints(p->conn, p->claim->key, NULL, 0, on_touchpoints, p, e);
    if (err == ERR_NONE)
        err = read_whole(p, e);
    if (err == ERR_NONE)
        err = absent_settle(p, true, e);
    if (err != ERR_NONE)
        return err;
    return p->look != NULL ? look_absent(p, e) : finish(p, e);
}

enum err sync_look(struct pass *p, struct error *e)
{
    return start_whole(p, e);
}

/* The members that the hints name, each once. */
static char (*claimed_members(const struct pass *p, size_t *count))[SFID_SIZE]
{
    char(*ids)[SFID_SIZE] = mem_array(p->claim->count, sizeof *ids);
    size_t n = 0;
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        const char *id = h->kind == STORE_DELETION ? h->subject_id : h->record_id;
        if (id[0] != '\0' && h->kind != STORE_JOB)
            memcpy(ids[n++], id, SFID_SIZE);
    }
    *count = sfid_sort_unique(ids, n);
    return ids;
}

static enum err start_members(struct pass *p, struct error *e)
{
    size_t n;
    char(*ids)[SFID_SIZE] = claimed_members(p, &n);
    enum err err = ERR_NONE;
    if (n > 0)
        err = org_read_touchpoints(p->conn, NULL, (const char(*)[SFID_SIZE])ids, n, on_touchpoints,
                                   p, e);
    if (n > 0 && err == ERR_NONE && !has_nothing_to_do(p))
        err = org_read_members(p->conn, NULL, (const char(*)[SFID_SIZE])ids, n, on_members, p, e);
    if (err == ERR_NONE)
        err = absent_settle(p, false, e);
    free(ids);
    if (err != ERR_NONE)
        return err;
    if (sync_unconfirmed(p) <= GUARD_DELETES_MIN)
        return finish(p, e);
    /* so many deletions are the delete guard's business, and it needs the
     * whole campaign's numbers */
    err = write_flush(p, e);
    return err == ERR_NONE ? start_whole(p, e) : err;
}

bool claim_has_job(const struct store_claim *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->hints[i].kind == STORE_JOB)
            return true;
    }
    return false;
}

/* The jobs queue a pass over the campaign themselves. */
static bool is_for_jobs_alone(const struct pass *p)
{
    bool all = !p->claim->more && !p->reconciles;
    for (size_t i = 0; all && i < p->claim->count; i++)
        all = p->claim->hints[i].kind == STORE_JOB;
    return all;
}

/* Nothing but what waits for the budget: there is nothing to delete, or it was deleted before. To
 * read a large campaign every quarter of an hour only to put it off would keep the budget used
 * up. */
static bool waits_for_budget(const struct pass *p)
{
    bool all = p->deletes_only && p->claim->count > 0 && !p->claim->more;
    for (size_t i = 0; all && i < p->claim->count; i++)
        all = p->claim->hints[i].withheld;
    return all;
}

enum err sync_run(struct pass *p, struct error *e)
{
    enum err err = bulk_resume(p, e);
    if (err == ERR_NONE && waits_for_budget(p)) {
        p->withheld = true;
        return ERR_NONE;
    }
    if (err == ERR_NONE && claim_has_job(p->claim)) {
        err = dates_run(p, e);
        if (err == ERR_NONE && is_for_jobs_alone(p))
            return ERR_NONE;
    }
    if (err == ERR_NONE && p->campaign == NULL)
        err = org_read_campaign(p->conn, p->claim->key, &p->campaign, e);
    if (err != ERR_NONE)
        return err;
    sync_note_type(p);
    if (!p->campaign->campaign.exists || asks_for_whole(p))
        return start_whole(p, e);
    return start_members(p, e);
}
