/*
 * What a change of dates, or its undo, would do: the job's own reads and comparisons, with nothing
 * kept and nothing written.
 */
#include "dates_int.h"
#include "look_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { READ_AT_ONCE = 1000 };

struct looking {
    const struct look *look;
    const struct dates_plan *plan;
    const char *campaign_id;
    struct dates_target target;
    struct dates_outlook *out;
};

static void sample(struct dates_outlook *out, const struct member *m, const char *from,
                   const char *to)
{
    if (out->sample_count == DATES_SAMPLE_MAX)
        return;
    struct dates_sample *s = &out->samples[out->sample_count++];
    *s = (struct dates_sample){0};
    memcpy(s->member, m->id, sizeof s->member);
    look_copy_text(s->name, sizeof s->name, m->name);
    look_copy_text(s->status, sizeof s->status, m->status);
    look_copy_text(s->from, sizeof s->from, from);
    look_copy_text(s->to, sizeof s->to, to);
}

static enum err on_members(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct looking *w = ctx;
    char text[TIME_TEXT_MAX];
    (void)e;
    for (size_t i = 0; i < n; i++) {
        w->out->members++;
        if (!dates_means(w->plan, &m[i], w->campaign_id, w->look->zone))
            continue;
        w->out->match++;
        if (strcmp(dates_text(&m[i], text), w->target.text) == 0)
            continue;
        w->out->change++;
        sample(w->out, &m[i], text, w->target.text);
    }
    return ERR_NONE;
}

static void judge_date(struct looking *w, const struct campaign *c, int64_t now_ms)
{
    const struct policy *p = w->look->policy;
    int64_t at_ms = w->target.at_ms;
    w->out->not_enabled = !campaign_can_include(c, p);
    if (at_ms == TIME_NONE)
        return;
    int64_t day = zone_day_at(w->look->zone, at_ms);
    bool early = c->start_day != TIME_NONE && day < c->start_day;
    bool late =
        c->end_day != TIME_NONE && (p->end_inclusive ? day > c->end_day : day >= c->end_day);
    w->out->outside_window = !p->window_on_added && (early || late);
    w->out->in_future = at_ms > now_ms;
}

static enum err check(struct looking *w, int64_t now_ms, struct error *e)
{
    struct org_campaign *c = NULL;
    enum err err = org_read_campaign(w->look->conn, w->campaign_id, &c, e);
    if (err == ERR_NONE && !c->campaign.exists)
        err = error_set(e, ERR_NOT_FOUND, "the org shows the integration user no campaign %s",
                        w->campaign_id);
    if (err == ERR_NONE)
        err = dates_resolve(w->look, w->campaign_id, w->plan, &w->target, e);
    if (err == ERR_NONE)
        judge_date(w, &c->campaign, now_ms);
    org_campaign_free(&c);
    return err;
}

enum err dates_look(const struct look *l, const char *campaign_id, const struct dates_plan *p,
                    bool only_check, int64_t now_ms, struct dates_outlook *out, struct error *e)
{
    struct looking w = {.look = l, .plan = p, .campaign_id = campaign_id, .out = out};
    char after[SFID_SIZE] = "", last[SFID_SIZE] = "";
    *out = (struct dates_outlook){0};
    enum err err = check(&w, now_ms, e);
    if (err != ERR_NONE || only_check)
        return err;
    do {
        err = dates_read(l->conn, campaign_id, p, after, READ_AT_ONCE, on_members, &w, last, e);
        memcpy(after, last, sizeof after);
    } while (err == ERR_NONE && last[0] != '\0');
    return err;
}

/* ------------------------------------------------------------------ of an undo */

struct undoing {
    const struct store_job_item *items; /* in order of their records */
    size_t count;
    int64_t restore, changed_since;
};

static int by_record(const void *a, const void *b)
{
    return strcmp(a, ((const struct store_job_item *)b)->record_id);
}

static enum err on_undone(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct undoing *u = ctx;
    char text[TIME_TEXT_MAX];
    (void)e;
    for (size_t i = 0; i < n; i++) {
        const struct store_job_item *x = bsearch(m[i].id, u->items, u->count, sizeof *x, by_record);
        if (x == NULL || (x->state != DATES_WRITTEN && x->state != DATES_PLANNED))
            continue;
        (void)dates_text(&m[i], text);
        if (strcmp(text, x->after) == 0)
            u->restore++;
        else if (strcmp(text, x->before) != 0)
            u->changed_since++;
    }
    return ERR_NONE;
}

enum err dates_undo_look(const struct look *l, struct store *s, int64_t job, int64_t *restore,
                         int64_t *changed_since, struct error *e)
{
    struct store_job_item *items = mem_array(READ_AT_ONCE, sizeof *items);
    char(*ids)[SFID_SIZE] = mem_array(READ_AT_ONCE, sizeof *ids);
    char after[SFID_SIZE] = "";
    struct undoing u = {.items = items};
    enum err err;
    do {
        u.count = 0;
        err = store_job_item_walk(s, job, after, STORE_ANY, items, READ_AT_ONCE, &u.count, e);
        for (size_t i = 0; err == ERR_NONE && i < u.count; i++)
            memcpy(ids[i], items[i].record_id, SFID_SIZE);
        struct org_member_read read = {.ids = (const char(*)[SFID_SIZE])ids, .n = u.count};
        if (err == ERR_NONE && u.count > 0) {
            memcpy(after, items[u.count - 1].record_id, SFID_SIZE);
            err = org_read_members_as(l->conn, &read, on_undone, &u, e);
        }
    } while (err == ERR_NONE && u.count == READ_AT_ONCE);
    *restore = u.restore;
    *changed_since = u.changed_since;
    free(ids);
    free(items);
    return err;
}
