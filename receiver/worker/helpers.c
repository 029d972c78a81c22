/*
 * Helper records, which triggers in the org leave for what was deleted: member and campaign, or the
 * campaign alone where all of it went. Each becomes a hint of its campaign, whose pass deletes the
 * record once it is applied (write.c). Where its message was lost for good, the reconcile comes
 * upon it here.
 */
#include "expand_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

/* Younger ones are left to their message. One that comes after all does no harm: it finds the
 * record gone. */
enum { LOST_AFTER_MS = 10 * 60 * 1000 };

/* ------------------------------------------------------------------ without a campaign */

void deletions_add(struct deletions *d, const char *member, const char *helper)
{
    expand_ids_add(&d->members, member);
    expand_ids_add(&d->helpers, helper);
}

void deletions_release(struct deletions *d)
{
    expand_ids_release(&d->members);
    expand_ids_release(&d->helpers);
}

static void move_deletion(struct deletions *d, const char *member, const char *campaign)
{
    for (size_t k = 0; k < d->members.count; k++) {
        if (strcmp(member, d->members.id[k]) == 0)
            pass_move(d->pass, STORE_DELETION, campaign, d->helpers.id[k], member,
                      expand_received(d->pass, d->helpers.id[k]));
    }
}

static enum err on_memberships(void *ctx, const struct org_membership *m, size_t n, struct error *e)
{
    struct deletions *d = ctx;
    for (size_t i = 0; i < n; i++)
        move_deletion(d, m[i].member_id, m[i].campaign_id);
    return settle_many_moves(d->pass, e);
}

static enum err on_touchpoints(void *ctx, const struct org_touchpoint *t, size_t n, struct error *e)
{
    struct deletions *d = ctx;
    for (size_t i = 0; i < n; i++) {
        char campaign[SFID_SIZE];
        if (expand_campaign_of(&t[i], campaign))
            move_deletion(d, t[i].key, campaign);
    }
    return settle_many_moves(d->pass, e);
}

/* A helper record of a member of which nothing is left stays. */
enum err deletions_expand(struct deletions *d, struct error *e)
{
    if (d->members.count == 0)
        return ERR_NONE;
    enum err err = org_read_memberships(d->pass->conn, ORG_BY_MEMBER, expand_ids(&d->members),
                                        d->members.count, on_memberships, d, e);
    if (err != ERR_NONE)
        return err;
    return org_read_touchpoints(d->pass->conn, NULL, expand_ids(&d->members), d->members.count,
                                on_touchpoints, d, e);
}

/* ------------------------------------------------------------------ records */

static void move_helper(struct pass *p, const struct org_helper *h, struct deletions *d)
{
    if (h->campaign_id[0] != '\0')
        pass_move(p, h->member_id[0] != '\0' ? STORE_DELETION : STORE_CAMPAIGN_GONE, h->campaign_id,
                  h->id, h->member_id, expand_received(p, h->id));
    else if (h->member_id[0] != '\0')
        deletions_add(d, h->member_id, h->id);
}

enum err helpers_expand(struct pass *p, const struct expand_ids *helpers, struct deletions *d,
                        struct error *e)
{
    if (helpers->count == 0)
        return ERR_NONE;
    struct org_helper *found = mem_array(helpers->count, sizeof *found);
    enum err err = org_read_helpers(p->conn, expand_ids(helpers), helpers->count, found, e);
    for (size_t i = 0; err == ERR_NONE && i < helpers->count; i++) {
        if (found[i].found) /* else applied before: whoever applied it deleted it */
            move_helper(p, &found[i], d);
    }
    free(found);
    return err;
}

struct sweep {
    struct pass *pass;
    bool failed_here; /* not the reading of the records */
};

static enum err on_lost(void *ctx, const struct org_helper *h, size_t n, struct error *e)
{
    struct sweep *s = ctx;
    struct deletions d = {.pass = s->pass};
    for (size_t i = 0; i < n; i++)
        move_helper(s->pass, &h[i], &d);
    enum err err = deletions_expand(&d, e);
    if (err == ERR_NONE)
        err = settle_many_moves(s->pass, e);
    deletions_release(&d);
    s->failed_here = err != ERR_NONE;
    return err;
}

enum err helpers_sweep(struct pass *p, struct error *e)
{
    struct sweep s = {.pass = p};
    enum err err = org_survey_helpers(p->conn, time_wall_ms() - LOST_AFTER_MS, on_lost, &s, e);
    /* the object is an extra, which the schema's check warns of where it is missing */
    if ((err == ERR_CONFIG || err == ERR_DENIED) && !s.failed_here)
        err = ERR_NONE;
    return err;
}
