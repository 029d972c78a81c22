/*
 * What a job of dates is asked to do: read from its params, made fit for the org's field, and which
 * members it means.
 */
#include "dates_int.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mem.h"

/* ------------------------------------------------------------------ reading the params */

static enum err read_condition(struct filter *f, const json_t *from, struct error *e)
{
    json_error_t why;
    const char *field, *op, *value = "";
    if (json_unpack_ex((json_t *)(uintptr_t)from, &why, JSON_STRICT, "{s:s, s:s, s?s}", "field",
                       &field, "op", &op, "value", &value) != 0)
        return error_set(e, ERR_INVALID, "a condition is {field, op, value}, all texts: %s",
                         why.text);
    return filter_add(f, field, op, value, e);
}

static enum err read_filter(struct filter *f, const json_t *from, struct error *e)
{
    const json_t *any = json_object_get(from, "any");
    if (from == NULL)
        return ERR_NONE;
    if (!json_is_array(any) || json_object_size(from) != 1 || json_array_size(any) == 0)
        return error_set(e, ERR_INVALID,
                         "filter is {any: [{all: [{field, op, value}, …]}, …]}, with one group at "
                         "least");
    for (size_t g = 0; g < json_array_size(any); g++) {
        const json_t *group = json_array_get(any, g), *all = json_object_get(group, "all");
        if (!json_is_array(all) || json_object_size(group) != 1)
            return error_set(e, ERR_INVALID, "filter.any[%zu] is {all: [{field, op, value}, …]}",
                             g);
        filter_add_group(f);
        for (size_t i = 0; i < json_array_size(all); i++) {
            enum err err = read_condition(f, json_array_get(all, i), e);
            if (err != ERR_NONE)
                return error_wrap(e, "filter.any[%zu].all[%zu]", g, i);
        }
    }
    return filter_check(f, e);
}

static enum err read_members(struct dates_plan *p, const json_t *list, struct error *e)
{
    size_t n = json_array_size(list);
    if (list == NULL)
        return ERR_NONE;
    if (!json_is_array(list) || n == 0)
        return error_set(e, ERR_INVALID, "members is a list of ids, one at least");
    p->members = mem_array(n, sizeof *p->members);
    for (size_t i = 0; i < n; i++) {
        const char *id = json_string_value(json_array_get(list, i));
        if (id == NULL || !sfid_normalise(id, strlen(id), p->members[i]) ||
            !sfid_has_prefix(p->members[i], "00v"))
            return error_set(e, ERR_INVALID, "members[%zu] is no campaign member's id (00v…)", i);
    }
    p->member_count = sfid_sort_unique(p->members, n);
    return ERR_NONE;
}

static enum err read_value(struct dates_plan *p, const char *text, struct error *e)
{
    static const struct {
        const char *word;
        enum dates_value value;
    } words[] = {{"clear", DATES_CLEAR},
                 {"campaign_start", DATES_CAMPAIGN_START},
                 {"campaign_end", DATES_CAMPAIGN_END}};
    size_t n = text == NULL ? 0 : strlen(text);
    for (size_t i = 0; n > 0 && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, text) == 0) {
            p->value = words[i].value;
            return ERR_NONE;
        }
    }
    p->value = DATES_AT;
    if (n > 0 && time_parse_datetime(text, n, &p->at_ms))
        return ERR_NONE;
    p->value = DATES_DAY;
    if (n > 0 && time_parse_date(text, n, &p->day))
        return ERR_NONE;
    return error_set(e, ERR_INVALID,
                     "value is a date-time (2026-01-15T09:30:00Z), a date (2026-01-15: midnight "
                     "in the org's time zone), clear, campaign_start or campaign_end");
}

enum err dates_plan_read(struct dates_plan **out, const char *json, struct error *e)
{
    struct dates_plan *p = mem_alloc(sizeof *p);
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    p->filter = filter_new();
    enum err err = read_value(p, json_string_value(json_object_get(root, "value")), e);
    if (err == ERR_NONE)
        err = read_filter(p->filter, json_object_get(root, "filter"), e);
    if (err == ERR_NONE)
        err = read_members(p, json_object_get(root, "members"), e);
    json_decref(root);
    if (err != ERR_NONE)
        dates_plan_free(&p);
    else
        *out = p;
    return err;
}

void dates_plan_free(struct dates_plan **p)
{
    if (*p == NULL)
        return;
    filter_free(&(*p)->filter);
    free((*p)->members);
    free(*p);
    *p = NULL;
}

/* ------------------------------------------------------------------ against the org */

static enum err check_fields(const struct look *l, const struct dates_plan *p, bool *is_date,
                             struct error *e)
{
    size_t n;
    const char *const *filtered = filter_fields(p->filter, &n);
    const char **names = mem_array(n + 1, sizeof *names);
    struct org_field *fields = mem_array(n + 1, sizeof *fields);
    names[0] = org_config(l->org)->schema.name[SCHEMA_TOUCHPOINT_DATE];
    for (size_t i = 0; i < n; i++)
        names[i + 1] = filtered[i];
    enum err err = org_describe_fields(l->conn, "CampaignMember", names, n + 1, fields, e);
    for (size_t i = 0; err == ERR_NONE && i <= n; i++) {
        if (!fields[i].is_there)
            err = error_set(e, ERR_INVALID,
                            "CampaignMember has no field %s, or the integration user may not see "
                            "it: check the name, or grant Read on the field",
                            names[i]);
        else if (fields[i].is_compound)
            err = error_set(e, ERR_INVALID,
                            "CampaignMember.%s is a compound field, which can't be compared: name "
                            "one of its parts",
                            names[i]);
    }
    if (err == ERR_NONE && !fields[0].is_writable)
        err = error_set(e, ERR_INVALID,
                        "CampaignMember.%s can't be written by the integration user: grant Edit "
                        "on the field",
                        names[0]);
    *is_date = fields[0].is_date;
    free(fields);
    free(names);
    return err;
}

static enum err campaign_day(const struct look *l, const char *campaign_id, bool is_start,
                             int64_t *day, struct error *e)
{
    int64_t start, end;
    enum err err = org_read_campaign_days(l->conn, campaign_id, &start, &end, e);
    if (err != ERR_NONE)
        return err;
    *day = is_start ? start : end;
    if (*day != TIME_NONE)
        return ERR_NONE;
    return error_set(e, ERR_INVALID,
                     "the campaign has no %s date, or the integration user may not "
                     "see it",
                     is_start ? "start" : "end");
}

enum err dates_resolve(const struct look *l, const char *campaign_id, const struct dates_plan *p,
                       struct dates_target *out, struct error *e)
{
    bool is_date;
    int64_t day = p->day, at_ms = p->at_ms;
    *out = (struct dates_target){.at_ms = TIME_NONE};
    enum err err = check_fields(l, p, &is_date, e);
    bool of_campaign = p->value == DATES_CAMPAIGN_START || p->value == DATES_CAMPAIGN_END;
    if (err == ERR_NONE && of_campaign)
        err = campaign_day(l, campaign_id, p->value == DATES_CAMPAIGN_START, &day, e);
    if (err != ERR_NONE || p->value == DATES_CLEAR)
        return err;
    if (p->value == DATES_AT)
        day = zone_day_at(l->zone, at_ms);
    if (p->value != DATES_AT || is_date)
        at_ms = zone_start_of_day(l->zone, day);
    at_ms -= ((at_ms % 1000) + 1000) % 1000; /* the org keeps whole seconds */
    out->at_ms = at_ms;
    if (is_date)
        (void)time_format_date(day, out->text);
    else
        (void)time_format_datetime(at_ms, out->text);
    return ERR_NONE;
}

const char *dates_format(int64_t day, int64_t at_ms, char out[TIME_TEXT_MAX])
{
    out[0] = '\0';
    if (at_ms != TIME_NONE)
        (void)time_format_datetime(at_ms, out);
    else if (day != TIME_NONE)
        (void)time_format_date(day, out);
    return out;
}

const char *dates_text(const struct member *m, char out[TIME_TEXT_MAX])
{
    return dates_format(m->touchpoint_day, m->touchpoint_at_ms, out);
}

/* ------------------------------------------------------------------ whom it means */

bool dates_means(const struct dates_plan *p, const struct member *m, const char *campaign_id,
                 struct zone *zone)
{
    return strcmp(m->campaign_id, campaign_id) == 0 && filter_holds(p->filter, m->extra, zone);
}

struct reading {
    org_member_fn *each;
    void *ctx;
    size_t count;
    char last[SFID_SIZE]; /* the largest id */
};

static enum err on_members(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct reading *r = ctx;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(m[i].id, r->last) > 0)
            memcpy(r->last, m[i].id, sizeof r->last);
    }
    r->count += n;
    return r->each(r->ctx, m, n, e);
}

/* The listed members behind `after`. */
static size_t next_listed(const struct dates_plan *p, const char *after, size_t max, size_t *from)
{
    *from = 0;
    while (*from < p->member_count && strcmp(p->members[*from], after) <= 0)
        (*from)++;
    size_t left = p->member_count - *from;
    return left < max ? left : max;
}

enum err dates_read(struct org_conn *c, const char *campaign_id, const struct dates_plan *p,
                    const char *after, size_t max, org_member_fn *each, void *ctx,
                    char last[SFID_SIZE], struct error *e)
{
    struct reading r = {.each = each, .ctx = ctx};
    struct org_member_read read = {.with_names = true};
    size_t from = 0, n = 0;
    read.fields = filter_fields(p->filter, &read.field_count);
    last[0] = '\0';
    if (p->members != NULL) {
        n = next_listed(p, after, max, &from);
        if (n == 0)
            return ERR_NONE;
        read.ids = (const char(*)[SFID_SIZE])p->members + from;
        read.n = n;
    } else {
        read.campaign = campaign_id;
        read.after = after;
        read.limit = (unsigned)max;
    }
    enum err err = org_read_members_as(c, &read, on_members, &r, e);
    if (err != ERR_NONE)
        return err;
    if (p->members != NULL && from + n < p->member_count)
        memcpy(last, p->members[from + n - 1], SFID_SIZE);
    else if (p->members == NULL && r.count >= max)
        memcpy(last, r.last, SFID_SIZE);
    return ERR_NONE;
}
