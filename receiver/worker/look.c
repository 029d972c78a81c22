/*
 * Looking without touching: a pass that has neither claim nor store. sync.c runs it as any other
 * and, where it would write, tells the sink instead.
 */
#include "look_int.h"

#include <stdlib.h>
#include <string.h>

#include "timeutil.h"

enum err look_may_ask(struct org *o, bool whole, struct error *e)
{
    struct org_state state;
    org_state_get(o, &state);
    if (state.held_until_boot_ms > time_boot_ms() || state.breaker_open)
        return error_set(e, ERR_BUSY,
                         "the org is left alone after a failure, and so is its work: %s",
                         state.problem);
    return look_has_calls(o, whole, e);
}

enum err look_has_calls(struct org *o, bool whole, struct error *e)
{
    struct org_state state;
    org_state_get(o, &state);
    enum budget budget =
        budget_of(state.api_used, state.api_limit, org_config(o)->api_reserve_percent);
    if (budget == BUDGET_DELETES_ONLY)
        return error_set(e, ERR_LIMIT,
                         "nine tenths of the org's API calls of 24 hours are used (%lld of %lld): "
                         "what is left is for deletions",
                         (long long)state.api_used, (long long)state.api_limit);
    if (whole && budget != BUDGET_FREE)
        return error_set(e, ERR_LIMIT,
                         "%lld of the org's %lld API calls of 24 hours are used: the rest is kept "
                         "for live work (api_reserve_percent)",
                         (long long)state.api_used, (long long)state.api_limit);
    return ERR_NONE;
}

const char *look_action_name(enum look_action a)
{
    static const char *const names[] = {
#define X(id, name) name,
        LOOK_ACTIONS(X)
#undef X
    };
    return names[a];
}

/* ------------------------------------------------------------------ the pass */

static void note_nothing(void *ctx, const char *value)
{
    (void)ctx;
    (void)value;
}

void look_pass_init(struct look_pass *x, const struct look *l, const char *campaign_id,
                    const struct look_sink *sink)
{
    *x = (struct look_pass){
        .options = {.policy = l->policy,
                    .policy_fingerprint = l->policy_fingerprint,
                    .max_delete_percent = l->max_delete_percent},
        .pass = {.look = sink,
                 .org = l->org,
                 .conn = l->conn,
                 .zone = l->zone,
                 .unknown_sync_type = note_nothing},
    };
    x->pass.options = &x->options;
    x->pass.claim = &x->claim;
    memcpy(x->claim.org, org_config(l->org)->id, SFID_SIZE);
    memcpy(x->claim.key, campaign_id, strnlen(campaign_id, SFID_LEN));
    existing_init(&x->pass.existing);
}

void look_pass_release(struct look_pass *x)
{
    pass_release(&x->pass);
}

enum look_action look_compare(const struct existing_row *old, const struct touchpoint *t)
{
    if (t == NULL)
        return old == NULL ? LOOK_NONE : LOOK_DELETE;
    if (old == NULL)
        return LOOK_CREATE;
    return old->hash == values_hash(t->value) ? LOOK_KEEP : LOOK_UPDATE;
}

enum err look_decided(struct pass *p, const struct member *m, const struct decision *d,
                      enum reason reason, const struct existing_row *old, struct error *e)
{
    struct touchpoint t;
    bool is_due = reason == REASON_NONE;
    struct look_row row = {.member = m, .decision = d, .reason = reason};
    memcpy(row.member_id, m->id, sizeof row.member_id);
    if (is_due)
        touchpoint_values(&p->campaign->campaign, m, p->options->policy, d, &t);
    row.touchpoint = is_due ? &t : NULL;
    row.action = look_compare(old, row.touchpoint);
    if (reason == REASON_NO_EMAIL && m->person.is_unseen && old != NULL)
        row.action = LOOK_KEEP;
    if (row.action == LOOK_DELETE)
        p->deleted++;
    enum err err = p->look->row(p->look->ctx, &row, e);
    if (is_due)
        touchpoint_release(&t);
    return err;
}

enum err look_absent(struct pass *p, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; i < p->doomed_count && err == ERR_NONE; i++) {
        struct look_row row = {.reason = p->doomed[i].reason, .action = LOOK_DELETE};
        memcpy(row.member_id, p->doomed[i].member_id, sizeof row.member_id);
        err = p->look->row(p->look->ctx, &row, e);
    }
    return err;
}

/* ------------------------------------------------------------------ the campaign */

enum err look_begin(struct look_pass *x, const char *setting, struct error *e)
{
    struct pass *p = &x->pass;
    enum err err = org_read_campaign(p->conn, x->claim.key, &p->campaign, e);
    if (err != ERR_NONE)
        return err;
    struct campaign *c = &p->campaign->campaign;
    if (!c->exists && !p->campaign->deleted_confirmed)
        return error_set(e, ERR_NOT_FOUND,
                         "the org shows the integration user no campaign %s, and does not say that "
                         "it was deleted",
                         x->claim.key);
    struct look_campaign told = {.campaign = c, .sync_type = c->sync_type};
    err = org_read_campaign_days(p->conn, x->claim.key, &told.start_day, &told.end_day, e);
    if (err != ERR_NONE)
        return err;
    if (setting != NULL)
        c->sync_type = setting;
    return p->look->campaign(p->look->ctx, &told, e);
}

static enum err tell_held(const struct look *l, const struct look_pass *x, struct error *e)
{
    const struct pass *p = &x->pass;
    int64_t would_delete = (int64_t)p->deleted + sync_unconfirmed(p);
    bool holds = false, found;
    enum err err = sync_ask_guard(p, l->store, would_delete, &holds, &found, e);
    if (err == ERR_NONE && holds)
        p->look->held(p->look->ctx, would_delete, (int64_t)p->existing.count);
    return err;
}

enum err look_campaign(const struct look *l, const char *campaign_id, const char *setting,
                       const struct look_sink *sink, struct error *e)
{
    struct look_pass x;
    look_pass_init(&x, l, campaign_id, sink);
    enum err err = look_begin(&x, setting, e);
    if (err == ERR_NONE)
        err = sync_look(&x.pass, e);
    if (err == ERR_NONE && sink->held != NULL)
        err = tell_held(l, &x, e);
    look_pass_release(&x);
    return err;
}
