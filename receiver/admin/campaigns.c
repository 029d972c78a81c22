/*
 * GET /api/v1/campaigns: campaigns found by name or id. GET /api/v1/channels: every Campaign Type
 * in use, and the channel that it is mapped to; POST /api/v1/channels/try: the same under another
 * map.
 */
#include "look_json.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { TYPES_MAX = 2000, TYPE_MAX_BYTES = 1024 };

/* ------------------------------------------------------------------ search */

static json_t *count_or_null(int64_t n)
{
    return n < 0 ? json_null() : json_integer(n);
}

static enum err on_found(void *ctx, const struct org_campaign_row *rows, size_t n, struct error *e)
{
    json_t *list = ctx;
    (void)e;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:o, s:o, s:o, s:o}", "id", rows[i].id, "name",
                                              json_or_null(rows[i].name), "type",
                                              json_or_null(rows[i].type), "setting",
                                              json_or_null(rows[i].sync_type), "members",
                                              count_or_null(rows[i].members)));
    return ERR_NONE;
}

static void run_campaigns(struct ask *k, struct answer *out)
{
    struct error e = {0};
    struct look look;
    const char *search = argument_text(k->args, "search");
    if (strlen(search) > 255) {
        (void)argument_refuse(out, "search", "is longer than any campaign's name: 255 bytes");
        return;
    }
    if (!ask_look(k, argument_text(k->args, "org"), false, &look, out))
        return;
    json_t *list = json_array();
    enum err err = org_search_campaigns(look.conn, search, on_found, list, &e);
    if (err == ERR_NONE)
        answer_json(out, 200, json_pack("{s:O}", "campaigns", list));
    else
        answer_error(out, err, &e);
    json_decref(list);
}

void route_campaigns(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "search", NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args != NULL)
        ask_later(a, q, args, run_campaigns, out);
}

/* ------------------------------------------------------------------ types */

struct type_row {
    char *type;
    int64_t campaigns, enabled, members;
};

struct types {
    const struct policy *policy;
    struct type_row *rows; /* TYPES_MAX places */
    size_t count;
    bool without_counts;
};

static struct type_row *row_of(struct types *t, const char *type)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->rows[i].type, type) == 0)
            return &t->rows[i];
    }
    if (t->count == TYPES_MAX)
        return NULL;
    t->rows[t->count].type = mem_strndup(type, strnlen(type, TYPE_MAX_BYTES));
    return &t->rows[t->count++];
}

static enum err on_campaigns(void *ctx, const struct org_campaign_row *rows, size_t n,
                             struct error *e)
{
    struct types *t = ctx;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        struct type_row *row = row_of(t, rows[i].type == NULL ? "" : rows[i].type);
        if (row == NULL)
            continue;
        struct campaign c = {.exists = true, .sync_type = rows[i].sync_type};
        enum sync_type setting = sync_type_of(c.sync_type);
        row->campaigns++;
        row->enabled += setting == SYNC_ALL || setting == SYNC_RESPONDED;
        row->members += rows[i].members < 0 ? 0 : rows[i].members;
        t->without_counts = t->without_counts || rows[i].members < 0;
    }
    return ERR_NONE;
}

static int by_members(const void *a, const void *b)
{
    const struct type_row *x = a, *y = b;
    if (x->members != y->members)
        return x->members < y->members ? 1 : -1;
    if (x->campaigns != y->campaigns)
        return x->campaigns < y->campaigns ? 1 : -1;
    return strcmp(x->type, y->type);
}

/* ------------------------------------------------------------------ channels of a type */

static json_t *channel_json(const struct channel *c)
{
    return json_pack("{s:s, s:o, s:b, s:b}", "channel", c->channel, "subchannel",
                     json_or_null(c->subchannel), "is_default", c->is_default, "null_channel",
                     c->null_channel);
}

/* Rows of the map that take some of the type's members, by their status. */
static json_t *by_status(const struct policy *p, const char *type)
{
    json_t *list = json_array();
    struct channel plain;
    channel_of(p, type, NULL, &plain);
    for (size_t i = 0; type[0] != '\0' && i < p->channel_count; i++) {
        const struct channel_map *m = &p->channels[i];
        if (plain.map == m)
            break; /* what follows takes nobody */
        if (m->status == NULL || m->status[0] == '\0' || !pattern_matches(m->type, type))
            continue;
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o, s:b}", "status", m->status, "channel",
                                        m->channel, "subchannel", json_or_null(m->subchannel),
                                        "null_channel", m->null_channel));
    }
    return list;
}

static json_t *mapped(const struct policy *p, const char *type)
{
    struct channel c;
    channel_of(p, type, NULL, &c);
    json_t *o = channel_json(&c);
    json_object_set_new(o, "by_status", by_status(p, type));
    return o;
}

/* before NULL: nothing to compare with. */
static json_t *type_json(const struct types *t, const struct type_row *row,
                         const struct policy *before)
{
    json_t *o = json_pack("{s:o, s:I, s:I, s:o}", "type", json_or_null(row->type), "campaigns",
                          (json_int_t)row->campaigns, "enabled", (json_int_t)row->enabled,
                          "members", count_or_null(t->without_counts ? -1 : row->members));
    json_t *now = mapped(t->policy, row->type);
    json_object_update(o, now);
    if (before != NULL) {
        json_t *was = mapped(before, row->type);
        if (!json_equal(was, now))
            json_object_set(o, "was", was);
        json_decref(was);
    }
    json_decref(now);
    return o;
}

/* The rows as the configuration has them. */
static json_t *map_json(const struct policy *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->channel_count; i++) {
        const struct channel_map *m = &p->channels[i];
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:o, s:b}", "type", m->type,
                                              "status", json_or_null(m->status), "channel",
                                              m->channel, "subchannel", json_or_null(m->subchannel),
                                              "null_channel", m->null_channel));
    }
    return list;
}

static void answer_types(struct ask *k, const struct policy *policy, const struct policy *before,
                         struct answer *out)
{
    struct error e = {0};
    struct look look;
    if (!ask_look(k, argument_text(k->args, "org"), true, &look, out))
        return;
    struct types t = {.policy = policy, .rows = mem_array(TYPES_MAX, sizeof *t.rows)};
    enum err err = org_list_campaigns(look.conn, on_campaigns, &t, &e);
    if (err == ERR_NONE) {
        json_t *list = json_array();
        qsort(t.rows, t.count, sizeof *t.rows, by_members);
        for (size_t i = 0; i < t.count; i++)
            json_array_append_new(list, type_json(&t, &t.rows[i], before));
        answer_json(out, 200,
                    json_pack("{s:o, s:o, s:s}", "types", list, "channels", map_json(policy),
                              "default_channel", policy->default_channel));
    } else {
        answer_error(out, err, &e);
    }
    for (size_t i = 0; i < t.count; i++)
        free(t.rows[i].type);
    free(t.rows);
}

static void run_channels(struct ask *k, struct answer *out)
{
    answer_types(k, k->admin->options.policy, NULL, out);
}

void route_channels(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args != NULL)
        ask_later(a, q, args, run_channels, out);
}

/* ------------------------------------------------------------------ another map */

static bool read_map(const json_t *from, size_t number, struct channel_map *to, struct answer *out)
{
    const char *problem = NULL;
    json_error_t why;
    int null_channel = 0;
    if (json_unpack_ex((json_t *)(uintptr_t)from, &why, JSON_STRICT, "{s:s, s?s, s:s, s?s, s?b}",
                       "type", &to->type, "status", &to->status, "channel", &to->channel,
                       "subchannel", &to->subchannel, "null_channel", &null_channel) != 0)
        problem = why.text;
    to->null_channel = null_channel != 0;
    if (problem == NULL)
        return true;
    char *name = mem_printf("channels[%zu]", number);
    char *text = mem_printf(
        "is no mapping {type, status?, channel, subchannel?, null_channel?}: %s", problem);
    (void)argument_refuse(out, name, text);
    free(text);
    free(name);
    return false;
}

static void run_try(struct ask *k, struct answer *out)
{
    enum { MAPS_MAX = 10000 };
    struct error e = {0};
    const json_t *list = json_object_get(k->args, "channels");
    const struct policy *now = k->admin->options.policy;
    struct policy tried = *now;
    size_t n = json_array_size(list);
    bool ok = true;
    if (!json_is_array(list) || n > MAPS_MAX) {
        (void)argument_refuse(out, "channels", "is a list of mappings, at most 10,000");
        return;
    }
    tried.channels = mem_array(n, sizeof *tried.channels);
    tried.channel_count = n;
    if (argument_text(k->args, "default_channel")[0] != '\0')
        tried.default_channel = argument_text(k->args, "default_channel");
    for (size_t i = 0; i < n && ok; i++)
        ok = read_map(json_array_get(list, i), i, &tried.channels[i], out);
    if (ok && policy_check(&tried, &e) != ERR_NONE)
        answer_problem(out, 400, "The map would be refused", e.text);
    else if (ok)
        answer_types(k, &tried, now, out);
    free(tried.channels);
}

void route_channels_try(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "channels", "default_channel", NULL};
    json_t *args = arguments_of_body(q, names, out);
    if (args != NULL)
        ask_later(a, q, args, run_try, out);
}
