/*
 * Which campaigns may have, or should have, touchpoints, and where members are told what is no
 * longer so. Touchpoints are surveyed by their stored campaign id, skipping from a campaign to the
 * next: a page shows all the small campaigns in it, and a campaign of a hundred thousand costs one
 * call. Members are surveyed alike.
 */
#include "org_int.h"

#include <string.h>

#include "json_int.h"
#include "query_int.h"
#include "touchpoints_int.h"

struct survey_walk {
    const struct org *org;
    const struct org_survey *out;
    const char *field; /* that tells the campaign */
    struct buf last;   /* its text in the page's last record */
    size_t seen;       /* records of the page */
    bool failed_here;  /* the caller's doing, not the query's */
};

static enum err on_campaigns(void *ctx, json_t *records, struct error *e)
{
    struct survey_walk *w = ctx;
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < json_array_size(records); i++) {
        struct record r = {.object = json_array_get(records, i), .name = "Campaign", .e = e};
        char id[SFID_SIZE];
        record_id(&r, "Id", id);
        err = r.err == ERR_NONE ? w->out->campaign(w->out->ctx, id, e) : r.err;
    }
    return err;
}

/* Then a campaign without a setting may have touchpoints too. */
static bool rules_include(const struct policy *p)
{
    bool found = false;
    for (size_t i = 0; i < p->rule_count; i++)
        found = found || p->rules[i].include;
    return found;
}

static enum err survey_enabled(struct org_conn *c, struct survey_walk *w, struct error *e)
{
    struct select select;
    struct buf where;
    select_init(&select);
    buf_init(&where, SELECT_MAX_BYTES);
    buf_printf(&where, "%s != null", c->org->config->schema.name[SCHEMA_SYNC_TYPE]);
    struct query q = {.select = &select,
                      .from = "Campaign",
                      .where = rules_include(c->org->policy) ? NULL : where.data};
    enum err err = query_walk(c, &q, on_campaigns, w, e);
    buf_release(&where);
    select_release(&select);
    return err;
}

/* Texts that are no campaign's id were written by hand; their records are found by their key. */
static enum err on_stored_ids(void *ctx, json_t *records, struct error *e)
{
    struct survey_walk *w = ctx;
    char before[SFID_SIZE] = "";
    enum err err = ERR_NONE;
    w->seen = json_array_size(records);
    for (size_t i = 0; err == ERR_NONE && i < w->seen; i++) {
        struct record r = {.object = json_array_get(records, i), .name = "survey", .e = e};
        const char *text = record_text(&r, w->field);
        char id[SFID_SIZE] = "";
        if (r.err != ERR_NONE)
            return r.err;
        if (i + 1 == w->seen) {
            if (text == NULL)
                return error_set(e, ERR_NETWORK, "the org's answer can't be understood: %s",
                                 w->field);
            buf_clear(&w->last);
            buf_puts(&w->last, text);
        }
        if (!sfid_normalise(text == NULL ? "" : text, text == NULL ? 0 : strlen(text), id) ||
            strcmp(id, before) == 0)
            continue;
        memcpy(before, id, sizeof before);
        err = w->out->campaign(w->out->ctx, id, e);
        w->failed_here = err != ERR_NONE;
    }
    return err;
}

/* The campaigns that the field names, where the condition holds. */
static enum err survey_field(struct org_conn *c, struct survey_walk *w, const char *object,
                             const char *field, const char *condition, struct error *e)
{
    struct select select;
    struct buf where, tail;
    enum err err = ERR_NONE;
    w->field = field;
    buf_clear(&w->last);
    select_init(&select);
    select_add(&select, field);
    buf_init(&where, SELECT_MAX_BYTES);
    buf_init(&tail, SELECT_MAX_BYTES);
    buf_printf(&tail, "ORDER BY %s LIMIT %d", field, ORG_PAGE);
    do {
        buf_clear(&where);
        buf_printf(&where, "%s AND %s ", condition, field);
        if (w->last.len == 0) {
            buf_puts(&where, "!= null");
        } else {
            buf_puts(&where, "> ");
            soql_put_text(&where, w->last.data);
        }
        struct query q = {.select = &select, .from = object, .where = where.data};
        w->seen = 0;
        err = query_first_page(c, &q, tail.data, on_stored_ids, w, e);
    } while (err == ERR_NONE && w->seen > 0);
    buf_release(&tail);
    buf_release(&where);
    select_release(&select);
    return err;
}

static enum err survey_stored_ids(struct org_conn *c, struct survey_walk *w, struct error *e)
{
    const struct org *o = c->org;
    struct buf condition;
    buf_init(&condition, SELECT_MAX_BYTES);
    buf_printf(&condition, "%s != null", touchpoint_field(o, TV_KEY));
    enum err err = survey_field(c, w, o->config->schema.name[SCHEMA_TOUCHPOINT],
                                touchpoint_field(o, TV_AD_CAMPAIGN_ID), condition.data, e);
    buf_release(&condition);
    return err;
}

/* Members of campaigns whose setting was taken away, who are told something else. Where the org
 * can't filter by that field they stay as they are: a status is an extra. */
static enum err survey_told(struct org_conn *c, struct survey_walk *w, struct error *e)
{
    const char *const *names = c->org->config->schema.name;
    struct buf condition;
    if (w->out->told_of_blank == NULL || rules_include(c->org->policy))
        return ERR_NONE; /* all campaigns have come */
    buf_init(&condition, SELECT_MAX_BYTES);
    buf_printf(&condition, "Campaign.%s = null AND %s != null AND %s != ", names[SCHEMA_SYNC_TYPE],
               names[SCHEMA_STATUS_TEXT], names[SCHEMA_STATUS_TEXT]);
    soql_put_text(&condition, w->out->told_of_blank);
    enum err err = survey_field(c, w, "CampaignMember", "CampaignId", condition.data, e);
    if ((err == ERR_CONFIG || err == ERR_INVALID) && !w->failed_here)
        err = ERR_NONE;
    buf_release(&condition);
    return err;
}

static enum err on_without_campaign(void *ctx, json_t *records, struct error *e)
{
    struct survey_walk *w = ctx;
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < json_array_size(records); i++) {
        struct record r = {.object = json_array_get(records, i), .name = "touchpoint", .e = e};
        const char *key = record_text(&r, touchpoint_field(w->org, TV_KEY));
        char campaign[SFID_SIZE], member[SFID_SIZE];
        record_id(&r, touchpoint_field(w->org, TV_CAMPAIGN), campaign);
        if (r.err != ERR_NONE)
            return r.err;
        if (campaign[0] != '\0')
            err = w->out->campaign(w->out->ctx, campaign, e);
        else if (key != NULL && sfid_normalise(key, strlen(key), member))
            err = w->out->member(w->out->ctx, member, e);
    }
    return err;
}

static enum err survey_without(struct org_conn *c, struct survey_walk *w, struct error *e)
{
    const struct org *o = c->org;
    struct select select;
    struct buf where;
    select_init(&select);
    select_add(&select, touchpoint_field(o, TV_KEY));
    select_add(&select, touchpoint_field(o, TV_CAMPAIGN));
    buf_init(&where, SELECT_MAX_BYTES);
    buf_printf(&where, "%s != null AND %s = null", touchpoint_field(o, TV_KEY),
               touchpoint_field(o, TV_AD_CAMPAIGN_ID));
    struct query q = {
        .select = &select, .from = o->config->schema.name[SCHEMA_TOUCHPOINT], .where = where.data};
    enum err err = query_walk(c, &q, on_without_campaign, w, e);
    buf_release(&where);
    select_release(&select);
    return err;
}

enum err org_survey_campaigns(struct org_conn *c, const struct org_survey *s, struct error *e)
{
    struct survey_walk w = {.org = c->org, .out = s};
    buf_init(&w.last, SELECT_MAX_BYTES);
    enum err err = survey_enabled(c, &w, e);
    if (err == ERR_NONE)
        err = survey_stored_ids(c, &w, e);
    if (err == ERR_NONE)
        err = survey_without(c, &w, e);
    if (err == ERR_NONE)
        err = survey_told(c, &w, e);
    buf_release(&w.last);
    return err;
}
