/*
 * Touchpoints as the org has them, and the table that says which field holds which value.
 */
#include "touchpoints_int.h"

#include <stdlib.h>
#include <string.h>

#include "ids_int.h"
#include "json_int.h"
#include "log.h"
#include "mem.h"
#include "query_int.h"
#include "timeutil.h"

const enum schema_name TOUCHPOINT_FIELDS[TV_COUNT] = {
    [TV_KEY] = SCHEMA_TP_KEY,
    [TV_CAMPAIGN] = SCHEMA_TP_CAMPAIGN,
    [TV_LEAD] = SCHEMA_TP_LEAD,
    [TV_CONTACT] = SCHEMA_TP_CONTACT,
    [TV_EMAIL] = SCHEMA_TP_EMAIL,
    [TV_DATE] = SCHEMA_TP_DATE,
    [TV_CHANNEL] = SCHEMA_TP_CHANNEL,
    [TV_SUBCHANNEL] = SCHEMA_TP_SUBCHANNEL,
    [TV_CHANNEL_PATH] = SCHEMA_TP_CHANNEL_PATH,
    [TV_MEDIUM] = SCHEMA_TP_MEDIUM,
    [TV_SOURCE] = SCHEMA_TP_SOURCE,
    [TV_TYPE] = SCHEMA_TP_TYPE,
    [TV_AD_CAMPAIGN_ID] = SCHEMA_TP_AD_CAMPAIGN_ID,
    [TV_AD_CAMPAIGN_NAME] = SCHEMA_TP_AD_CAMPAIGN_NAME,
    [TV_RULE] = SCHEMA_TP_RULE,
};

const char *touchpoint_field(const struct org *o, enum touchpoint_value v)
{
    return o->config->schema.name[TOUCHPOINT_FIELDS[v]];
}

/* What is written as well as text: lookups in 18 characters, the date in our form. */
struct own_text {
    char id[3][SFID_SIZE];
    char date[TIME_TEXT_MAX];
};

struct touchpoint_page {
    const struct org *org;
    org_touchpoint_fn *each;
    void *ctx;
};

static void read_date(struct record *r, const char *field, struct own_text *own,
                      struct org_touchpoint *t)
{
    int64_t day, at_ms;
    record_when(r, field, &day, &at_ms);
    if (at_ms != TIME_NONE)
        t->value[TV_DATE] = time_format_datetime(at_ms, own->date);
    else if (day != TIME_NONE)
        t->value[TV_DATE] = time_format_date(day, own->date);
}

/* False: not ours (its key is longer than any id), to be left alone. */
static bool read_key(const struct org *o, const char *key, struct org_touchpoint *t)
{
    size_t n = strlen(key);
    if (sfid_normalise(key, n, t->key))
        return true;
    if (n >= sizeof t->key) {
        log_warn("a touchpoint's key is longer than a member id; the record is left alone", "org",
                 o->config->id, "touchpoint", t->id, NULL);
        return false;
    }
    memcpy(t->key, key, n + 1);
    return true;
}

static enum err read_touchpoint(const struct org *o, json_t *object, struct org_touchpoint *t,
                                struct own_text *own, bool *is_ours, struct error *e)
{
    struct record r = {.object = object, .name = o->config->schema.name[SCHEMA_TOUCHPOINT], .e = e};
    static const enum touchpoint_value lookups[] = {TV_CAMPAIGN, TV_LEAD, TV_CONTACT};

    *t = (struct org_touchpoint){0};
    record_id(&r, "Id", t->id);
    for (size_t v = 0; v < TV_COUNT; v++) {
        const char *text = NULL;
        if (v != TV_DATE && v != TV_CAMPAIGN && v != TV_LEAD && v != TV_CONTACT)
            text = record_text(&r, touchpoint_field(o, (enum touchpoint_value)v));
        t->value[v] = text == NULL ? "" : text;
    }
    for (size_t i = 0; i < sizeof lookups / sizeof lookups[0]; i++) {
        record_id(&r, touchpoint_field(o, lookups[i]), own->id[i]);
        t->value[lookups[i]] = own->id[i];
    }
    read_date(&r, touchpoint_field(o, TV_DATE), own, t);
    *is_ours = r.err == ERR_NONE && t->value[TV_KEY][0] != '\0' && read_key(o, t->value[TV_KEY], t);
    return r.err;
}

static enum err on_touchpoints(void *ctx, json_t *records, struct error *e)
{
    struct touchpoint_page *p = ctx;
    size_t n = json_array_size(records), kept = 0;
    struct org_touchpoint *rows = mem_array(n, sizeof *rows);
    struct own_text *own = mem_array(n, sizeof *own);
    enum err err = ERR_NONE;

    for (size_t i = 0; err == ERR_NONE && i < n; i++) {
        bool is_ours;
        err = read_touchpoint(p->org, json_array_get(records, i), &rows[kept], &own[kept], &is_ours,
                              e);
        kept += is_ours;
    }
    if (err == ERR_NONE && kept > 0)
        err = p->each(p->ctx, rows, kept, e);
    free(own);
    free(rows);
    return err;
}

/* By lookup or by the stored id, since the deletion of a campaign clears the lookup. */
static void put_campaign(struct buf *b, const struct org *o, const char *campaign)
{
    buf_printf(b, "(%s = ", touchpoint_field(o, TV_CAMPAIGN));
    soql_put_text(b, campaign);
    buf_printf(b, " OR %s = ", touchpoint_field(o, TV_AD_CAMPAIGN_ID));
    soql_put_text(b, campaign);
    buf_printf(b, ") AND %s != null", touchpoint_field(o, TV_KEY));
}

enum err org_read_touchpoints(struct org_conn *c, const char *campaign,
                              const char (*keys)[SFID_SIZE], size_t n, org_touchpoint_fn *each,
                              void *ctx, struct error *e)
{
    const struct org *o = c->org;
    struct touchpoint_page p = {.org = o, .each = each, .ctx = ctx};
    struct select select;
    struct buf where;
    enum err err;

    select_init(&select);
    for (size_t v = 0; v < TV_COUNT; v++)
        select_add(&select, touchpoint_field(o, (enum touchpoint_value)v));
    buf_init(&where, SELECT_MAX_BYTES);
    static const struct query_bulk bulk; /* all are text */
    struct query q = {.select = &select, .from = o->config->schema.name[SCHEMA_TOUCHPOINT]};
    if (keys == NULL) {
        q.bulk = &bulk;
        put_campaign(&where, o, campaign);
        q.where = where.data;
        err = query_walk(c, &q, on_touchpoints, &p, e);
    } else {
        struct query_in in = {.query = q, .by = {touchpoint_field(o, TV_KEY)}, .ids = keys, .n = n};
        err = query_walk_in(c, &in, on_touchpoints, &p, e);
    }
    buf_release(&where);
    select_release(&select);
    return err;
}

/* ------------------------------------------------------------------ which campaigns have any */

struct owners {
    const struct org *org;
    struct id_index asked;
    bool *has;
    bool cut; /* a list was not told to its end */
};

static enum err on_owned(void *ctx, json_t *records, struct error *e)
{
    static const enum touchpoint_value owner[] = {TV_CAMPAIGN, TV_AD_CAMPAIGN_ID};
    struct owners *x = ctx;
    size_t n = json_array_size(records);
    x->cut = x->cut || n >= ORG_PAGE;
    for (size_t i = 0; i < n; i++) {
        struct record r = {.object = json_array_get(records, i), .name = "touchpoint", .e = e};
        for (size_t k = 0; k < 2; k++) {
            const char *text = record_text(&r, touchpoint_field(x->org, owner[k]));
            char id[SFID_SIZE];
            const struct id_place *at = NULL;
            if (text != NULL && sfid_normalise(text, strlen(text), id))
                at = id_index_find(&x->asked, id, NULL);
            if (at != NULL)
                x->has[at->at] = true;
        }
        if (r.err != ERR_NONE)
            return r.err;
    }
    return ERR_NONE;
}

enum err org_have_touchpoints(struct org_conn *c, const char (*campaigns)[SFID_SIZE], size_t n,
                              bool *has, struct error *e)
{
    const struct org *o = c->org;
    struct owners x = {.org = o, .has = has};
    const char *lookup = touchpoint_field(o, TV_CAMPAIGN);
    const char *stored = touchpoint_field(o, TV_AD_CAMPAIGN_ID);
    struct select select;
    struct buf also;
    select_init(&select);
    select_add(&select, lookup);
    select_add(&select, stored);
    buf_init(&also, SELECT_MAX_BYTES);
    buf_printf(&also, "%s != null", touchpoint_field(o, TV_KEY));
    id_index_init(&x.asked, campaigns, n);
    memset(has, 0, n * sizeof *has);
    struct query_in in = {
        .query = {.select = &select,
                  .from = o->config->schema.name[SCHEMA_TOUCHPOINT],
                  .limit = ORG_PAGE},
        .by = {lookup, stored},
        .also = also.data,
        .ids = campaigns,
        .n = n,
    };
    enum err err = query_walk_in(c, &in, on_owned, &x, e);
    for (size_t i = 0; err == ERR_NONE && x.cut && i < n; i++)
        has[i] = true;
    id_index_release(&x.asked);
    buf_release(&also);
    select_release(&select);
    return err;
}
