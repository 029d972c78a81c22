/*
 * One member explained: its own record, its campaign, the touchpoint that exists, and, where the
 * policy compares emails, those members of the campaign that have the same.
 */
#include "look_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct explaining {
    const struct look *look;
    struct look_pass x;
    look_explained_fn *fn;
    void *ctx;
    const struct existing_row *old; /* NULL: no touchpoint */
    bool is_told;
    /* the member's email among those of its campaign */
    char *email; /* its dedupe_key; owned */
    struct dedupe_entry *same;
    size_t same_count;
};

static enum err on_touchpoints(void *ctx, const struct org_touchpoint *t, size_t n, struct error *e)
{
    struct pass *p = ctx;
    (void)e;
    for (size_t i = 0; i < n; i++)
        existing_add(&p->existing, &t[i]);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ who has the same email */

/* The key of the email that the member's touchpoint would have; NULL: it would have none. */
static char *key_of(const struct pass *p, const struct member *m, struct decision *d)
{
    struct touchpoint t;
    decide(&p->campaign->campaign, m, p->options->policy, p->zone, d);
    if (d->reason != REASON_NONE)
        return NULL;
    touchpoint_values(&p->campaign->campaign, m, p->options->policy, d, &t);
    char *key = dedupe_key(t.value[TV_EMAIL]);
    touchpoint_release(&t);
    return key;
}

static enum err on_others(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct explaining *w = ctx;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        struct decision d;
        char *key = key_of(&w->x.pass, &m[i], &d);
        if (key != NULL && strcmp(key, w->email) == 0) {
            w->same = mem_resize(w->same, w->same_count + 1, sizeof *w->same);
            w->same[w->same_count++] =
                (struct dedupe_entry){.member_id = mem_strdup(m[i].id),
                                      .email = w->email,
                                      .touchpoint_at_ms = d.touchpoint_at_ms};
        }
        free(key);
    }
    return ERR_NONE;
}

static enum err compare(struct explaining *w, const struct member *m,
                        struct explain_duplicates *out, struct error *e)
{
    struct decision d;
    *out = (struct explain_duplicates){0};
    w->email = key_of(&w->x.pass, m, &d);
    if (w->email == NULL || w->email[0] == '\0')
        return ERR_NONE;
    enum err err = org_read_members(w->look->conn, w->x.claim.key, NULL, 0, on_others, w, e);
    if (err != ERR_NONE)
        return err;
    dedupe_by_email(w->same, w->same_count);
    for (size_t i = 0; i < w->same_count; i++) {
        if (w->same[i].keeps && strcmp(w->same[i].member_id, m->id) != 0)
            out->kept_by = w->same[i].member_id;
        out->others += strcmp(w->same[i].member_id, m->id) != 0;
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ telling */

static enum look_action action_of(const struct explaining *w, const struct member *m,
                                  const struct explanation *x, const struct touchpoint *t)
{
    bool keeps = x->decision.reason == REASON_NO_EMAIL && m->person.is_unseen && w->old != NULL;
    return keeps ? LOOK_KEEP : look_compare(w->old, t);
}

static enum err tell(struct explaining *w, const struct member *m,
                     const struct explain_duplicates *dup, struct error *e)
{
    const struct campaign *c = &w->x.pass.campaign->campaign;
    struct explanation x;
    struct touchpoint t;
    explain(c, m, w->look->policy, w->look->zone, dup, &x);
    bool is_due = x.decision.reason == REASON_NONE;
    if (is_due)
        touchpoint_values(c, m, w->look->policy, &x.decision, &t);
    struct look_explained told = {
        .campaign = c,
        .member = m,
        .explanation = &x,
        .touchpoint_id = w->old == NULL ? "" : w->old->id,
        .is = w->old == NULL ? NULL : (const char *const *)w->old->values,
        .becomes = is_due ? &t : NULL,
        .action = action_of(w, m, &x, is_due ? &t : NULL),
    };
    w->is_told = true;
    enum err err = w->fn(w->ctx, &told, e);
    if (is_due)
        touchpoint_release(&t);
    explanation_release(&x);
    return err;
}

static enum err read_campaign(struct explaining *w, const char *id, struct error *e)
{
    memcpy(w->x.claim.key, id, SFID_SIZE);
    return org_read_campaign(w->look->conn, id, &w->x.pass.campaign, e);
}

static enum err on_member(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct explaining *w = ctx;
    struct explain_duplicates dup;
    if (n == 0 || w->is_told)
        return ERR_NONE;
    enum err err = read_campaign(w, m[0].campaign_id, e);
    bool compares = w->look->policy->dedupe_email;
    if (err == ERR_NONE && compares)
        err = compare(w, &m[0], &dup, e);
    return err == ERR_NONE ? tell(w, &m[0], compares ? &dup : NULL, e) : err;
}

/* The member did not come. */
static enum err tell_absent(struct explaining *w, const char (*id)[SFID_SIZE], struct error *e)
{
    const char *member_id = id[0];
    struct member m = {.exists = false};
    bool confirmed = false;
    enum err err = org_confirm_deleted(w->look->conn, "CampaignMember", id, 1, &confirmed, e);
    if (err != ERR_NONE)
        return err;
    if (!confirmed)
        return error_set(e, ERR_NOT_FOUND,
                         "the org shows the integration user no campaign member %s, and does not "
                         "say that it was deleted",
                         member_id);
    memcpy(m.id, member_id, SFID_SIZE);
    if (w->old != NULL && w->old->campaign_id[0] != '\0')
        err = read_campaign(w, w->old->campaign_id, e);
    if (err != ERR_NONE)
        return err;
    struct org_campaign none = {.campaign = {.exists = false}};
    bool is_known = w->x.pass.campaign != NULL;
    if (!is_known)
        w->x.pass.campaign = &none;
    err = tell(w, &m, NULL, e);
    if (!is_known)
        w->x.pass.campaign = NULL;
    return err;
}

enum err look_explain(const struct look *l, const char *member_id, look_explained_fn *fn, void *ctx,
                      struct error *e)
{
    struct explaining w = {.look = l, .fn = fn, .ctx = ctx};
    char id[1][SFID_SIZE] = {""};
    memcpy(id[0], member_id, strnlen(member_id, SFID_LEN));
    const char(*ids)[SFID_SIZE] = (const char(*)[SFID_SIZE])id;
    look_pass_init(&w.x, l, "", NULL);
    enum err err = org_read_touchpoints(l->conn, NULL, ids, 1, on_touchpoints, &w.x.pass, e);
    w.old = existing_find(&w.x.pass.existing, id[0]);
    struct org_member_read read = {.ids = ids, .n = 1, .with_names = true};
    if (err == ERR_NONE)
        err = org_read_members_as(l->conn, &read, on_member, &w, e);
    if (err == ERR_NONE && !w.is_told)
        err = tell_absent(&w, ids, e);
    for (size_t i = 0; i < w.same_count; i++)
        free((void *)(uintptr_t)w.same[i].member_id);
    free(w.same);
    free(w.email);
    look_pass_release(&w.x);
    return err;
}
