/*
 * Whether the user sees every record, from the permission sets that are assigned to it: its
 * profile's is one of them, and a group's comes as one. Two queries. Where they are refused (they
 * need "View Setup and Configuration"), nothing is known, and that is as good as no.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json_int.h"
#include "mem.h"
#include "query_int.h"
#include "schema_int.h"

enum { VIEWED_COUNT = 3 };

/* A member is seen by who sees its campaign. */
static const char *const VIEWED[VIEWED_COUNT] = {"Campaign", "Lead", "Contact"};

struct rights {
    char (*sets)[SFID_SIZE];
    size_t count;
    bool all_data, converted_leads;
    bool reads[VIEWED_COUNT], views_all[VIEWED_COUNT];
};

static enum err on_assignments(void *ctx, json_t *records, struct error *e)
{
    struct rights *x = ctx;
    size_t n = json_array_size(records);
    x->sets = mem_resize(x->sets, x->count + n, sizeof *x->sets);
    for (size_t i = 0; i < n; i++) {
        struct record r = {
            .object = json_array_get(records, i), .name = "PermissionSetAssignment", .e = e};
        struct record set = record_parent(&r, "PermissionSet");
        record_id(&r, "PermissionSetId", x->sets[x->count]);
        x->all_data |= record_bool(&set, "PermissionsViewAllData");
        x->converted_leads |= record_bool(&set, "PermissionsAllowViewEditConvertedLeads");
        record_join(&r, &set);
        if (r.err != ERR_NONE)
            return r.err;
        x->count += x->sets[x->count][0] != '\0';
    }
    return ERR_NONE;
}

static enum err read_assignments(struct org_conn *c, const char *user, struct rights *x,
                                 struct error *e)
{
    struct select select;
    struct buf where;
    select_init(&select);
    select_add(&select, "PermissionSetId");
    select_add(&select, "PermissionSet.PermissionsViewAllData");
    select_add(&select, "PermissionSet.PermissionsAllowViewEditConvertedLeads");
    buf_init(&where, SELECT_MAX_BYTES);
    buf_puts(&where, "AssigneeId = ");
    soql_put_text(&where, user);
    buf_puts(&where, " AND IsActive = true");
    struct query q = {.select = &select, .from = "PermissionSetAssignment", .where = where.data};
    enum err err = query_walk(c, &q, on_assignments, x, e);
    buf_release(&where);
    select_release(&select);
    return err;
}

static enum err on_permissions(void *ctx, json_t *records, struct error *e)
{
    struct rights *x = ctx;
    for (size_t i = 0; i < json_array_size(records); i++) {
        struct record r = {
            .object = json_array_get(records, i), .name = "ObjectPermissions", .e = e};
        const char *object = record_text(&r, "SobjectType");
        bool reads = record_bool(&r, "PermissionsRead");
        bool views_all = record_bool(&r, "PermissionsViewAllRecords");
        if (r.err != ERR_NONE)
            return r.err;
        for (size_t k = 0; object != NULL && k < VIEWED_COUNT; k++) {
            if (strcasecmp(object, VIEWED[k]) != 0)
                continue;
            x->reads[k] |= reads;
            x->views_all[k] |= views_all;
        }
    }
    return ERR_NONE;
}

static enum err read_permissions(struct org_conn *c, struct rights *x, struct error *e)
{
    struct select select;
    if (x->count == 0)
        return ERR_NONE;
    select_init(&select);
    select_add(&select, "SobjectType");
    select_add(&select, "PermissionsRead");
    select_add(&select, "PermissionsViewAllRecords");
    struct query_in in = {
        .query = {.select = &select, .from = "ObjectPermissions"},
        .by = {"ParentId"},
        .also = "SobjectType IN ('Campaign','Lead','Contact')",
        .ids = (const char(*)[SFID_SIZE])x->sets,
        .n = x->count,
    };
    enum err err = query_walk_in(c, &in, on_permissions, x, e);
    select_release(&select);
    return err;
}

/* ------------------------------------------------------------------ the answer */

static void put_why(const struct rights *x, char why[SEES_ALL_WHY_MAX])
{
    struct buf missing;
    buf_init(&missing, SEES_ALL_WHY_MAX);
    for (size_t k = 0; k < VIEWED_COUNT; k++) {
        if (!x->all_data && !(x->reads[k] && x->views_all[k]))
            buf_printf(&missing, "%sRead and View All on %s", missing.len == 0 ? "" : ", ",
                       VIEWED[k]);
    }
    if (!x->converted_leads)
        buf_printf(&missing, "%sView and Edit Converted Leads", missing.len == 0 ? "" : ", ");
    why[0] = '\0';
    if (missing.len > 0)
        (void)snprintf(
            why, SEES_ALL_WHY_MAX,
            "this user may not see all records, so that only a confirmed deletion counts "
            "as one: grant %s",
            missing.data);
    buf_release(&missing);
}

/* The org answered, and its answer is that it will not say. */
static bool is_refusal(enum err err)
{
    return err == ERR_CONFIG || err == ERR_DENIED || err == ERR_INVALID;
}

static enum err cannot_ask(char why[SEES_ALL_WHY_MAX])
{
    (void)snprintf(why, SEES_ALL_WHY_MAX,
                   "whether this user sees all records can't be asked, so that only a confirmed "
                   "deletion counts as one: grant View Setup and Configuration");
    return ERR_NONE;
}

enum err sees_all_ask(struct org_conn *c, char why[SEES_ALL_WHY_MAX], struct error *e)
{
    struct org *o = c->org;
    struct rights x = {0};
    struct error refused = {0};
    char user[SFID_SIZE];
    pthread_mutex_lock(&o->lock);
    memcpy(user, o->token.user_id, sizeof user);
    pthread_mutex_unlock(&o->lock);
    enum err err = ERR_NONE;
    if (user[0] != '\0')
        err = read_assignments(c, user, &x, &refused);
    if (user[0] != '\0' && err == ERR_NONE)
        err = read_permissions(c, &x, &refused);
    if (user[0] == '\0' || is_refusal(err))
        err = cannot_ask(why);
    else if (err == ERR_NONE)
        put_why(&x, why);
    else if (e != NULL)
        *e = refused;
    free(x.sets);
    if (err == ERR_NONE)
        org_note_sees_all(o, why[0] == '\0');
    return err;
}

enum err org_sees_all(struct org_conn *c, bool *sees_all, struct error *e)
{
    char why[SEES_ALL_WHY_MAX];
    enum err err = sees_all_ask(c, why, e);
    if (err == ERR_NONE)
        *sees_all = why[0] == '\0';
    return err;
}
