/*
 * The Tooling API's records are read one by one, as it wants; permissions as sees_all.c does, from
 * the permission sets that are assigned to users (a profile's is one of them).
 */
#include "org_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_int.h"
#include "mem.h"
#include "query_int.h"

enum { EDITS_LOOKED_AT = 200, EDITORS_MAX = 2 * EDITS_LOOKED_AT, FIELDS_MAX = 500 };

/* The org answered, and its answer is that it will not say. */
static bool is_refusal(enum err err)
{
    return err == ERR_CONFIG || err == ERR_DENIED || err == ERR_INVALID || err == ERR_NOT_FOUND;
}

/* ------------------------------------------------------------------ outbound messages */

static enum err ask(struct org_conn *c, const char *rest, struct answer *a, struct error *e)
{
    struct buf path;
    call_path(&path, c->org, rest);
    enum err err = org_call(
        c, &(struct call){.operation = "tooling", .path = path.data, .missing = ERR_NOT_FOUND}, a,
        e);
    buf_release(&path);
    return err;
}

/* FullName is Object.Name; the object's own name holds no dot. */
static enum err tell(json_t *record, org_outbound_fn *each, void *ctx, struct error *e)
{
    json_t *metadata = json_field(record, "Metadata"), *list = json_field(metadata, "fields");
    const char *full = json_text(record, "FullName"),
               *endpoint = json_text(metadata, "endpointUrl");
    if (full == NULL || strchr(full, '.') == NULL || endpoint == NULL || !json_is_array(list))
        return error_set(e, ERR_NETWORK,
                         "the org's answer can't be understood: an outbound message without name, "
                         "endpoint or fields");
    size_t n = json_array_size(list) < FIELDS_MAX ? json_array_size(list) : FIELDS_MAX;
    const char **fields = mem_array(n + 1, sizeof *fields);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name != NULL)
            fields[count++] = name;
    }
    char *object = mem_strndup(full, strcspn(full, "."));
    struct org_outbound m = {full, object, endpoint, fields, count};
    enum err err = each(ctx, &m, e);
    free(object);
    free(fields);
    return err;
}

static enum err read_one(struct org_conn *c, json_t *row, org_outbound_fn *each, void *ctx,
                         struct error *e)
{
    struct record r = {.object = row, .name = "WorkflowOutboundMessage", .e = e};
    char id[SFID_SIZE];
    struct answer a = {0};
    record_id(&r, "Id", id);
    if (r.err != ERR_NONE)
        return r.err;
    char *rest = mem_printf("/tooling/sobjects/WorkflowOutboundMessage/%s", id);
    enum err err = ask(c, rest, &a, e);
    if (err == ERR_NONE)
        err = tell(a.root, each, ctx, e);
    else if (err == ERR_NOT_FOUND) /* deleted meanwhile */
        err = ERR_NONE;
    answer_release(&a);
    free(rest);
    return err;
}

enum err org_list_outbound(struct org_conn *c, org_outbound_fn *each, void *ctx, bool *is_refused,
                           struct error *e)
{
    static const char list[] =
        "/tooling/query?q=SELECT%20Id,%20Name%20FROM%20WorkflowOutboundMessage%20ORDER%20BY%20Id";
    struct answer a = {0};
    enum err err = ask(c, list, &a, e);
    *is_refused = is_refusal(err);
    json_t *records = err == ERR_NONE ? json_field(a.root, "records") : NULL;
    for (size_t i = 0; err == ERR_NONE && i < json_array_size(records) && i < ORG_OUTBOUND_MAX; i++)
        err = read_one(c, json_array_get(records, i), each, ctx, e);
    answer_release(&a);
    return *is_refused ? ERR_NONE : err;
}

/* ------------------------------------------------------------------ who sends them */

struct users {
    char (*ids)[SFID_SIZE];
    size_t count;
};

static bool has_user(const struct users *u, const char *id)
{
    for (size_t i = 0; i < u->count; i++) {
        if (strcmp(u->ids[i], id) == 0)
            return true;
    }
    return false;
}

static void add_user(struct users *u, const char *id)
{
    if (id[0] == '\0' || has_user(u, id) || u->count == EDITORS_MAX)
        return;
    u->ids = mem_resize(u->ids, u->count + 1, sizeof *u->ids);
    memcpy(u->ids[u->count++], id, SFID_SIZE);
}

struct user_walk {
    struct users *users;
    const char *field;
};

static enum err on_users(void *ctx, json_t *records, struct error *e)
{
    const struct user_walk *w = ctx;
    for (size_t i = 0; i < json_array_size(records); i++) {
        struct record r = {.object = json_array_get(records, i), .name = "record", .e = e};
        char id[SFID_SIZE];
        record_id(&r, w->field, id);
        if (r.err != ERR_NONE)
            return r.err;
        add_user(w->users, id);
    }
    return ERR_NONE;
}

static enum err read_editors(struct org_conn *c, const char *object, struct users *out,
                             struct error *e)
{
    struct select select;
    struct user_walk w = {out, "LastModifiedById"};
    char tail[64];
    (void)snprintf(tail, sizeof tail, "ORDER BY SystemModstamp DESC LIMIT %d", EDITS_LOOKED_AT);
    select_init(&select);
    select_add(&select, "LastModifiedById");
    struct query q = {.select = &select, .from = object, .where = "LastModifiedById != null"};
    enum err err = query_first_page(c, &q, tail, on_users, &w, e);
    select_release(&select);
    return err;
}

/* Those of them who have the permission. */
static enum err read_allowed(struct org_conn *c, const struct users *who, struct users *out,
                             struct error *e)
{
    struct select select;
    struct user_walk w = {out, "AssigneeId"};
    select_init(&select);
    select_add(&select, "AssigneeId");
    struct query_in in = {
        .query = {.select = &select, .from = "PermissionSetAssignment"},
        .by = {"AssigneeId"},
        .also = "IsActive = true AND PermissionSet.PermissionsEnableNotifications = true",
        .ids = (const char(*)[SFID_SIZE])who->ids,
        .n = who->count,
    };
    enum err err = query_walk_in(c, &in, on_users, &w, e);
    select_release(&select);
    return err;
}

static enum err on_names(void *ctx, json_t *records, struct error *e)
{
    struct org_senders *out = ctx;
    for (size_t i = 0; i < json_array_size(records); i++) {
        struct record r = {.object = json_array_get(records, i), .name = "User", .e = e};
        const char *name = record_text(&r, "Username");
        bool is_person = record_bool(&r, "IsActive"); /* those who left edit nothing more */
        if (r.err != ERR_NONE)
            return r.err;
        if (!is_person)
            continue;
        if (out->silent < ORG_SILENT_MAX)
            (void)snprintf(out->names[out->silent], ORG_USERNAME_SIZE, "%s",
                           name == NULL ? "" : name);
        out->silent++;
    }
    return ERR_NONE;
}

/* Automated Process and Platform Integration User: Setup can give them no permission. */
static const char NOT_SALESFORCES_OWN[] =
    "UserType NOT IN ('AutomatedProcess', 'CloudIntegrationUser')";

static enum err name_silent(struct org_conn *c, const struct users *silent, struct org_senders *out,
                            struct error *e)
{
    struct select select;
    if (silent->count == 0)
        return ERR_NONE;
    select_init(&select);
    select_add(&select, "Username");
    select_add(&select, "IsActive");
    struct query_in in = {.query = {.select = &select, .from = "User"},
                          .by = {"Id"},
                          .also = NOT_SALESFORCES_OWN,
                          .ids = (const char(*)[SFID_SIZE])silent->ids,
                          .n = silent->count};
    enum err err = query_walk_in(c, &in, on_names, out, e);
    select_release(&select);
    return err;
}

enum err org_find_senders(struct org_conn *c, struct org_senders *out, struct error *e)
{
    struct users all = {0}, allowed = {0}, silent = {0};
    char me[SFID_SIZE];
    *out = (struct org_senders){.silent = 0};
    pthread_mutex_lock(&c->org->lock);
    memcpy(me, c->org->token.user_id, sizeof me);
    pthread_mutex_unlock(&c->org->lock);
    add_user(&all, me);
    enum err err = read_editors(c, "Campaign", &all, e);
    if (err == ERR_NONE)
        err = read_editors(c, "CampaignMember", &all, e);
    if (err == ERR_NONE && all.count > 0)
        err = read_allowed(c, &all, &allowed, e);
    out->is_refused = is_refusal(err) || (err == ERR_NONE && me[0] == '\0');
    out->we_send = has_user(&allowed, me);
    for (size_t i = 0; err == ERR_NONE && i < all.count; i++) {
        if (strcmp(all.ids[i], me) != 0 && !has_user(&allowed, all.ids[i]))
            add_user(&silent, all.ids[i]);
    }
    if (err == ERR_NONE)
        err = name_silent(c, &silent, out, e);
    free(all.ids);
    free(allowed.ids);
    free(silent.ids);
    return out->is_refused ? ERR_NONE : err;
}

/* ------------------------------------------------------------------ a member */

static enum err on_member(void *ctx, json_t *records, struct error *e)
{
    struct record r = {.object = json_array_get(records, 0), .name = "CampaignMember", .e = e};
    record_id(&r, "Id", ctx);
    return r.err;
}

enum err org_latest_member(struct org_conn *c, char id[SFID_SIZE], struct error *e)
{
    struct select select;
    struct query q = {.select = &select, .from = "CampaignMember", .where = "CampaignId != null"};
    id[0] = '\0';
    select_init(&select);
    enum err err =
        query_first_page(c, &q, "ORDER BY SystemModstamp DESC LIMIT 1", on_member, id, e);
    select_release(&select);
    return err;
}
