/*
 * Campaigns as lists show them: name, Type, setting, and how many members the org counts. The
 * counts are fields that an admin may hide from the integration user; then the list comes without
 * them.
 */
#include "org_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_int.h"
#include "mem.h"
#include "query_int.h"

struct listing {
    const struct org *org;
    bool with_counts;
    org_campaign_row_fn *each;
    void *ctx;
};

static int64_t count_of(struct record *r, const char *field)
{
    struct rule_value v;
    char number[JSON_NUMBER_MAX];
    record_value(r, field, &v, number);
    return v.type == RULE_NUMBER ? (int64_t)strtod(v.text, NULL) : 0;
}

static enum err on_campaigns(void *ctx, json_t *records, struct error *e)
{
    struct listing *l = ctx;
    size_t n = json_array_size(records);
    struct org_campaign_row *rows = mem_array(n, sizeof *rows);
    enum err err = ERR_NONE;
    for (size_t i = 0; i < n && err == ERR_NONE; i++) {
        struct record r = {.object = json_array_get(records, i), .name = "Campaign", .e = e};
        struct org_campaign_row *row = &rows[i];
        record_id(&r, "Id", row->id);
        row->name = record_text(&r, "Name");
        row->type = record_text(&r, "Type");
        row->sync_type = record_text(&r, l->org->config->schema.name[SCHEMA_SYNC_TYPE]);
        row->members =
            l->with_counts ? count_of(&r, "NumberOfLeads") + count_of(&r, "NumberOfContacts") : -1;
        err = r.err;
    }
    if (err == ERR_NONE)
        err = l->each(l->ctx, rows, n, e);
    free(rows);
    return err;
}

static enum err list(struct org_conn *c, struct listing *l, const char *where, const char *tail,
                     struct error *e)
{
    struct select select;
    select_init(&select);
    select_add(&select, "Name");
    select_add(&select, "Type");
    select_add(&select, c->org->config->schema.name[SCHEMA_SYNC_TYPE]);
    if (l->with_counts) {
        select_add(&select, "NumberOfLeads");
        select_add(&select, "NumberOfContacts");
    }
    struct query q = {.select = &select, .from = "Campaign", .where = where};
    enum err err = tail == NULL ? query_walk(c, &q, on_campaigns, l, e)
                                : query_first_page(c, &q, tail, on_campaigns, l, e);
    select_release(&select);
    return err;
}

/* A field that is not there is refused with the first page, before any row has come. */
static enum err list_with_counts(struct org_conn *c, org_campaign_row_fn *each, void *ctx,
                                 const char *where, const char *tail, struct error *e)
{
    struct listing l = {.org = c->org, .with_counts = true, .each = each, .ctx = ctx};
    enum err err = list(c, &l, where, tail, e);
    if (err != ERR_CONFIG)
        return err;
    l.with_counts = false;
    return list(c, &l, where, tail, e);
}

enum err org_list_campaigns(struct org_conn *c, org_campaign_row_fn *each, void *ctx,
                            struct error *e)
{
    return list_with_counts(c, each, ctx, NULL, NULL, e);
}

/* A beginning for LIKE, whose own signs are taken as they stand. */
static void put_beginning(struct buf *where, const char *search)
{
    buf_puts(where, "Name LIKE '");
    for (; *search != '\0'; search++) {
        if (strchr("'\\%_", *search) != NULL)
            buf_putc(where, '\\');
        buf_putc(where, *search);
    }
    buf_puts(where, "%'");
}

enum err org_search_campaigns(struct org_conn *c, const char *search, org_campaign_row_fn *each,
                              void *ctx, struct error *e)
{
    char id[SFID_SIZE], tail[64];
    struct buf where;
    bool is_id = sfid_normalise(search, strlen(search), id) && sfid_has_prefix(id, "701");
    buf_init(&where, SELECT_MAX_BYTES);
    if (is_id) {
        buf_puts(&where, "Id = ");
        soql_put_text(&where, id);
    } else if (search[0] == '\0') {
        buf_puts(&where, "Id != null");
    } else {
        put_beginning(&where, search);
    }
    (void)snprintf(tail, sizeof tail, "ORDER BY %s LIMIT %d",
                   search[0] == '\0' ? "LastModifiedDate DESC" : "Name", ORG_SEARCH_MAX);
    enum err err = list_with_counts(c, each, ctx, where.data, tail, e);
    buf_release(&where);
    return err;
}
