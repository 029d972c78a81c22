/*
 * The helper records that triggers in the org leave for what was deleted: by their ids, or all that
 * were left behind.
 */
#include "org_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids_int.h"
#include "json_int.h"
#include "mem.h"
#include "query_int.h"
#include "timeutil.h"

/* Text that is no id (an admin's hand) counts as none. */
static void read_id_text(struct record *r, const char *field, char out[SFID_SIZE])
{
    const char *text = record_text(r, field);
    memset(out, 0, SFID_SIZE);
    if (text != NULL)
        (void)sfid_normalise(text, strlen(text), out);
}

static enum err read_helper(const struct org *o, json_t *record, struct org_helper *out,
                            struct error *e)
{
    const char *const *names = o->config->schema.name;
    struct record r = {.object = record, .name = names[SCHEMA_DELETION], .e = e};
    *out = (struct org_helper){.found = true};
    record_id(&r, "Id", out->id);
    read_id_text(&r, names[SCHEMA_DEL_MEMBER], out->member_id);
    read_id_text(&r, names[SCHEMA_DEL_CAMPAIGN], out->campaign_id);
    return r.err;
}

static void select_helpers(const struct org *o, struct select *select)
{
    select_init(select);
    select_add(select, o->config->schema.name[SCHEMA_DEL_MEMBER]);
    select_add(select, o->config->schema.name[SCHEMA_DEL_CAMPAIGN]);
}

/* ------------------------------------------------------------------ by id */

struct helper_walk {
    const struct org *org;
    struct id_index asked;
    struct org_helper *out;
};

static enum err on_helpers(void *ctx, json_t *records, struct error *e)
{
    struct helper_walk *w = ctx;
    for (size_t k = 0; k < json_array_size(records); k++) {
        struct org_helper helper;
        enum err err = read_helper(w->org, json_array_get(records, k), &helper, e);
        if (err != ERR_NONE)
            return err;
        const struct id_place *p = NULL;
        while ((p = id_index_find(&w->asked, helper.id, p)) != NULL)
            w->out[p->at] = helper;
    }
    return ERR_NONE;
}

enum err org_read_helpers(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                          struct org_helper *out, struct error *e)
{
    struct helper_walk w = {.org = c->org, .out = out};
    struct select select;
    id_index_init(&w.asked, ids, n);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct org_helper){0};
    select_helpers(c->org, &select);
    struct query_in in = {
        .query = {.select = &select, .from = c->org->config->schema.name[SCHEMA_DELETION]},
        .by = {"Id"},
        .ids = ids,
        .n = n,
    };
    enum err err = query_walk_in(c, &in, on_helpers, &w, e);
    select_release(&select);
    id_index_release(&w.asked);
    return err;
}

/* ------------------------------------------------------------------ all that are old */

struct helper_survey {
    const struct org *org;
    org_helper_fn *each;
    void *ctx;
};

static enum err on_page(void *ctx, json_t *records, struct error *e)
{
    const struct helper_survey *s = ctx;
    size_t n = json_array_size(records);
    struct org_helper *page = mem_array(n, sizeof *page);
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < n; i++)
        err = read_helper(s->org, json_array_get(records, i), &page[i], e);
    if (err == ERR_NONE)
        err = s->each(s->ctx, page, n, e);
    free(page);
    return err;
}

enum err org_survey_helpers(struct org_conn *c, int64_t created_before_ms, org_helper_fn *each,
                            void *ctx, struct error *e)
{
    struct helper_survey s = {.org = c->org, .each = each, .ctx = ctx};
    struct select select;
    char before[TIME_TEXT_MAX], where[64];
    (void)snprintf(where, sizeof where, "CreatedDate < %s",
                   time_format_datetime(created_before_ms, before));
    select_helpers(c->org, &select);
    struct query q = {
        .select = &select, .from = c->org->config->schema.name[SCHEMA_DELETION], .where = where};
    enum err err = query_walk(c, &q, on_page, &s, e);
    select_release(&select);
    return err;
}
