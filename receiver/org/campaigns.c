/*
 * The campaign of a pass, and the org's time zone.
 */
#include "org_int.h"

#include <stdlib.h>
#include <string.h>

#include "ids_int.h"
#include "json_int.h"
#include "mem.h"
#include "query_int.h"
#include "timeutil.h"

static const char OBJECT[] = "Campaign";

/* What an org_campaign's texts live in. */
struct campaign_private {
    json_t *record;
    struct rule_value *values;
    char (*numbers)[JSON_NUMBER_MAX];
};

static void select_campaign(struct select *s, const struct org *o)
{
    const char *const *names = o->config->schema.name;
    select_init(s);
    select_add(s, "Name");
    select_add(s, "Type");
    select_add(s, names[SCHEMA_SYNC_TYPE]);
    select_add(s, names[SCHEMA_START_DATE]);
    select_add(s, names[SCHEMA_END_DATE]);
    for (size_t i = 0; i < o->policy->campaign_field_count; i++)
        select_add(s, o->policy->campaign_fields[i]);
}

static void read_values(const struct org *o, struct record *r, struct campaign_private *own,
                        struct campaign *c)
{
    size_t n = o->policy->campaign_field_count;
    if (n == 0)
        return;
    own->values = mem_array(n, sizeof *own->values);
    own->numbers = mem_array(n, sizeof *own->numbers);
    for (size_t i = 0; i < n; i++)
        record_value(r, o->policy->campaign_fields[i], &own->values[i], own->numbers[i]);
    c->fields = own->values;
}

static enum err read_campaign(const struct org *o, struct org_campaign *out, struct error *e)
{
    struct campaign_private *own = out->private;
    struct campaign *c = &out->campaign;
    struct record r = {.object = own->record, .name = OBJECT, .e = e};
    const char *const *names = o->config->schema.name;
    int64_t at_ms;

    c->exists = true;
    c->name = record_text(&r, "Name");
    c->type = record_text(&r, "Type");
    c->sync_type = record_text(&r, names[SCHEMA_SYNC_TYPE]);
    record_when(&r, names[SCHEMA_START_DATE], &c->start_day, &at_ms);
    record_when(&r, names[SCHEMA_END_DATE], &c->end_day, &at_ms);
    read_values(o, &r, own, c);
    return r.err;
}

static enum err on_campaign(void *ctx, json_t *records, struct error *e)
{
    struct campaign_private *own = ctx;
    (void)e;
    if (own->record == NULL)
        own->record = json_incref(json_array_get(records, 0));
    return ERR_NONE;
}

static enum err fill(struct org_conn *c, struct org_campaign *out, struct error *e)
{
    struct campaign_private *own = out->private;
    struct select select;
    const char(*id)[SFID_SIZE] = (const char(*)[SFID_SIZE])out->campaign.id;
    select_campaign(&select, c->org);
    struct query_in in = {
        .query = {.select = &select, .from = OBJECT}, .by = {"Id"}, .ids = id, .n = 1};
    enum err err = query_walk_in(c, &in, on_campaign, own, e);
    select_release(&select);
    if (err != ERR_NONE)
        return err;
    if (own->record != NULL)
        return read_campaign(c->org, out, e);
    return org_confirm_deleted(c, OBJECT, id, 1, &out->deleted_confirmed, e);
}

static struct org_campaign *new_campaign(void)
{
    struct org_campaign *x = mem_alloc(sizeof *x);
    x->private = mem_alloc(sizeof(struct campaign_private));
    x->campaign.start_day = TIME_NONE;
    x->campaign.end_day = TIME_NONE;
    return x;
}

enum err org_read_campaign(struct org_conn *c, const char *id, struct org_campaign **out,
                           struct error *e)
{
    struct org_campaign *x = new_campaign();
    enum err err = ERR_NONE;
    if (!sfid_normalise(id, strlen(id), x->campaign.id))
        err = error_set(e, ERR_INVALID, "%s is not the id of a campaign", id);
    if (err == ERR_NONE)
        err = fill(c, x, e);
    if (err != ERR_NONE)
        org_campaign_free(&x);
    else
        *out = x;
    return err;
}

void org_campaign_free(struct org_campaign **c)
{
    if (*c == NULL)
        return;
    struct campaign_private *own = (*c)->private;
    json_decref(own->record);
    free(own->values);
    free(own->numbers);
    free(own);
    free(*c);
    *c = NULL;
}

/* ------------------------------------------------------------------ its own dates */

struct campaign_days {
    int64_t start, end;
};

static enum err on_days(void *ctx, json_t *records, struct error *e)
{
    struct campaign_days *days = ctx;
    struct record r = {.object = json_array_get(records, 0), .name = OBJECT, .e = e};
    int64_t at_ms;
    record_when(&r, "StartDate", &days->start, &at_ms);
    record_when(&r, "EndDate", &days->end, &at_ms);
    return r.err;
}

enum err org_read_campaign_days(struct org_conn *c, const char *id, int64_t *start_day,
                                int64_t *end_day, struct error *e)
{
    struct campaign_days days = {TIME_NONE, TIME_NONE};
    struct select select;
    char ids[1][SFID_SIZE] = {""};
    memcpy(ids[0], id, strnlen(id, SFID_LEN));
    select_init(&select);
    select_add(&select, "StartDate");
    select_add(&select, "EndDate");
    struct query_in in = {.query = {.select = &select, .from = OBJECT},
                          .by = {"Id"},
                          .ids = (const char(*)[SFID_SIZE])ids,
                          .n = 1};
    enum err err = query_walk_in(c, &in, on_days, &days, e);
    select_release(&select);
    if (err != ERR_NONE && err != ERR_CONFIG)
        return err;
    *start_day = days.start;
    *end_day = days.end;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ many campaigns */

struct campaigns_walk {
    const struct org *org;
    struct id_index asked;
    struct org_campaign **out;
};

static enum err on_campaigns(void *ctx, json_t *records, struct error *e)
{
    struct campaigns_walk *w = ctx;
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < json_array_size(records); i++) {
        struct record r = {.object = json_array_get(records, i), .name = OBJECT, .e = e};
        char id[SFID_SIZE];
        record_id(&r, "Id", id);
        if (r.err != ERR_NONE)
            return r.err;
        const struct id_place *at = id_index_find(&w->asked, id, NULL);
        if (at == NULL || w->out[at->at] != NULL)
            continue;
        struct org_campaign *x = new_campaign();
        struct campaign_private *own = x->private;
        memcpy(x->campaign.id, id, sizeof id);
        own->record = json_incref(r.object);
        w->out[at->at] = x;
        err = read_campaign(w->org, x, e);
    }
    return err;
}

enum err org_read_campaigns(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                            struct org_campaign **out, struct error *e)
{
    struct campaigns_walk w = {.org = c->org, .out = out};
    struct select select;
    for (size_t i = 0; i < n; i++)
        out[i] = NULL;
    id_index_init(&w.asked, ids, n);
    select_campaign(&select, c->org);
    struct query_in in = {
        .query = {.select = &select, .from = OBJECT}, .by = {"Id"}, .ids = ids, .n = n};
    enum err err = query_walk_in(c, &in, on_campaigns, &w, e);
    for (size_t i = 0; err != ERR_NONE && i < n; i++)
        org_campaign_free(&out[i]);
    select_release(&select);
    id_index_release(&w.asked);
    return err;
}

/* ------------------------------------------------------------------ the time zone */

static enum err on_organization(void *ctx, json_t *records, struct error *e)
{
    char *out = ctx;
    struct record r = {.object = json_array_get(records, 0), .name = "Organization", .e = e};
    const char *zone = record_text(&r, "TimeZoneSidKey");
    if (r.err != ERR_NONE)
        return r.err;
    size_t n = zone == NULL ? 0 : strlen(zone);
    if (n == 0 || n >= TIME_ZONE_MAX)
        return error_set(e, ERR_CONFIG,
                         "Organization.TimeZoneSidKey is empty or no zone's name: set `time_zone`");
    memcpy(out, zone, n + 1);
    return ERR_NONE;
}

static enum err read_time_zone(struct org_conn *c, char out[TIME_ZONE_MAX], struct error *e)
{
    struct select select;
    select_init(&select);
    select_add(&select, "TimeZoneSidKey");
    struct query q = {.select = &select, .from = "Organization"};
    enum err err = query_walk(c, &q, on_organization, out, e);
    select_release(&select);
    if (err == ERR_NONE && out[0] == '\0')
        return error_set(
            e, ERR_CONFIG,
            "the integration user cannot see the Organization record: set `time_zone`");
    return err;
}

/* zone: "" at first. */
static enum err learn_time_zone(struct org_conn *c, char zone[TIME_ZONE_MAX], struct error *e)
{
    enum err err = read_time_zone(c, zone, e);
    if (err != ERR_NONE)
        return err;
    pthread_mutex_lock(&c->org->lock);
    memcpy(c->org->time_zone, zone, TIME_ZONE_MAX);
    pthread_mutex_unlock(&c->org->lock);
    return ERR_NONE;
}

enum err org_time_zone(struct org_conn *c, char out[64], struct error *e)
{
    struct org *o = c->org;
    const char *configured = o->config->time_zone;
    char zone[TIME_ZONE_MAX] = "";
    enum err err = ERR_NONE;

    if (strcmp(configured, "auto") != 0) {
        size_t n = strnlen(configured, TIME_ZONE_MAX - 1);
        memcpy(out, configured, n);
        out[n] = '\0';
        return ERR_NONE;
    }
    pthread_mutex_lock(&o->lock);
    memcpy(zone, o->time_zone, sizeof zone);
    pthread_mutex_unlock(&o->lock);
    if (zone[0] == '\0')
        err = learn_time_zone(c, zone, e);
    if (err == ERR_NONE)
        memcpy(out, zone, sizeof zone);
    return err;
}

enum err org_refresh_time_zone(struct org_conn *c, struct error *e)
{
    char zone[TIME_ZONE_MAX] = "";
    if (strcmp(c->org->config->time_zone, "auto") != 0)
        return ERR_NONE;
    return learn_time_zone(c, zone, e);
}
