/*
 * The keys of the control route are a table. `read_only` stands there three times, since it takes
 * three rights away at once.
 */
#include "permissions.h"

#include <stdio.h>
#include <string.h>

#include "db.h"
#include "ids.h"
#include "sim.h"

enum key_kind { KEY_OBJECTS, KEY_FIELDS, KEY_FLAG };

static const struct key {
    const char *name;
    enum key_kind kind;
    size_t offset;
} KEYS[] = {
#define KEY(name, kind, member)                                                                    \
    {                                                                                              \
        name, kind, offsetof(struct access, member)                                                \
    }
    KEY("hide", KEY_OBJECTS, hide),
    KEY("no_access", KEY_OBJECTS, none),
    KEY("read_only", KEY_OBJECTS, no_create),
    KEY("read_only", KEY_OBJECTS, no_update),
    KEY("read_only", KEY_OBJECTS, no_delete),
    KEY("no_create", KEY_OBJECTS, no_create),
    KEY("no_update", KEY_OBJECTS, no_update),
    KEY("no_delete", KEY_OBJECTS, no_delete),
    KEY("no_view_all", KEY_OBJECTS, no_view_all),
    KEY("no_field", KEY_FIELDS, no_field),
    KEY("read_only_field", KEY_FIELDS, read_only_field),
    KEY("view_all_data", KEY_FLAG, view_all_data),
    KEY("converted_leads", KEY_FLAG, converted_leads),
    KEY("view_setup", KEY_FLAG, view_setup),
    KEY("bulk_hard_delete", KEY_FLAG, bulk_hard_delete),
    KEY("send_outbound_messages", KEY_FLAG, send_outbound_messages),
    KEY("admin_is_silent", KEY_FLAG, admin_is_silent),
    KEY("hide_members", KEY_FLAG, hide[CAMPAIGN_MEMBER]),
#undef KEY
};

enum { KEY_COUNT = sizeof KEYS / sizeof KEYS[0] };

static const struct access FULL = {.converted_leads = true, .view_setup = true};

/* ------------------------------------------------------------------ the records */

static void insert_set(struct sim *sim, uint64_t number, const char *name, bool of_profile,
                       const struct access *a, char id[SFID_SIZE])
{
    int64_t now = sim_clock_second_ms(&sim->clock);
    sim_id_make("0PS", number, id);
    sdb_exec(sim->db,
             "INSERT INTO PermissionSet (Id, CreatedDate, CreatedById, LastModifiedDate, "
             "LastModifiedById, SystemModstamp, Name, Label, IsOwnedByProfile, "
             "PermissionsApiEnabled, PermissionsViewAllData, PermissionsViewSetup, "
             "PermissionsAllowViewEditConvertedLeads, PermissionsBulkApiHardDelete, "
             "PermissionsEnableNotifications) "
             "VALUES (?1, ?2, ?3, ?2, ?3, ?2, ?4, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10)",
             "tittiiiiii", id, now, sim->admin_id, name, (int64_t)of_profile,
             (int64_t)a->view_all_data, (int64_t)a->view_setup, (int64_t)a->converted_leads,
             (int64_t)a->bulk_hard_delete, (int64_t)a->send_outbound_messages);
}

static void assign(struct sim *sim, uint64_t number, const char *user, const char *set)
{
    char id[SFID_SIZE];
    int64_t now = sim_clock_second_ms(&sim->clock);
    sim_id_make("0Pa", number, id);
    sdb_exec(sim->db,
             "INSERT INTO PermissionSetAssignment (Id, CreatedDate, CreatedById, "
             "LastModifiedDate, LastModifiedById, SystemModstamp, AssigneeId, PermissionSetId, "
             "IsActive) VALUES (?1, ?2, ?3, ?2, ?3, ?2, ?4, ?5, 1)",
             "tittt", id, now, sim->admin_id, user, set);
}

struct rights {
    bool read, create, edit, delete, view_all, modify_all;
};

static void grant(struct sim *sim, const char *set, const struct object *o, struct rights r)
{
    char id[SFID_SIZE];
    int64_t now = sim_clock_second_ms(&sim->clock);
    if (!r.read) /* a row without the right to read does not exist */
        return;
    sim_id_make("110", ++sim->next_record[OBJECT_PERMISSIONS], id);
    sdb_exec(sim->db,
             "INSERT INTO ObjectPermissions (Id, CreatedDate, CreatedById, LastModifiedDate, "
             "LastModifiedById, SystemModstamp, ParentId, SobjectType, PermissionsRead, "
             "PermissionsCreate, PermissionsEdit, PermissionsDelete, PermissionsViewAllRecords, "
             "PermissionsModifyAllRecords) "
             "VALUES (?1, ?2, ?3, ?2, ?3, ?2, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10)",
             "titttiiiii", id, now, sim->admin_id, set, o->name, (int64_t)r.create, (int64_t)r.edit,
             (int64_t)r.delete, (int64_t)r.view_all, (int64_t)r.modify_all);
}

/* Members and their statuses have no rights of their own: they follow their campaign. */
static const enum object_id GRANTED[] = {CAMPAIGN, LEAD, CONTACT, ACCOUNT, TOUCHPOINT, DELETION};

static struct rights rights_of(const struct access *a, enum object_id o)
{
    struct rights r = {
        .read = !a->none[o],
        .create = !a->no_create[o],
        .edit = !a->no_update[o],
        .delete = !a->no_delete[o],
        .view_all = !a->no_view_all[o],
    };
    r.modify_all = o == TOUCHPOINT && r.edit && r.delete &&r.view_all;
    return r;
}

static void write_records(struct sim *sim)
{
    const struct access *a = &sim->access;
    const struct access of_profile = {.send_outbound_messages = a->send_outbound_messages};
    struct access of_package = *a;
    of_package.send_outbound_messages = false; /* permission sets add, so the profile it is */
    const struct access of_admin = {.view_all_data = true,
                                    .converted_leads = true,
                                    .view_setup = true,
                                    .send_outbound_messages = !a->admin_is_silent};
    char profile[SFID_SIZE], package[SFID_SIZE], admin[SFID_SIZE];
    sdb_script(sim->db, "DELETE FROM PermissionSet; DELETE FROM PermissionSetAssignment; "
                        "DELETE FROM ObjectPermissions");
    sim->next_record[OBJECT_PERMISSIONS] = 0;
    insert_set(sim, 1, "X00eIntegration", true, &of_profile, profile);
    insert_set(sim, 2, "Touchpoint_Integration", false, &of_package, package);
    insert_set(sim, 3, "X00eAdministrator", true, &of_admin, admin);
    assign(sim, 1, sim->user_id, profile);
    assign(sim, 2, sim->user_id, package);
    assign(sim, 3, sim->admin_id, admin);
    for (size_t i = 0; i < sizeof GRANTED / sizeof GRANTED[0]; i++) {
        const struct object *o = &OBJECTS[GRANTED[i]];
        struct rights all = {true, true, true, true, true, true};
        struct rights read = {.read = o->id <= ACCOUNT && !a->none[o->id]};
        grant(sim, profile, o, read);
        grant(sim, package, o, rights_of(a, o->id));
        grant(sim, admin, o, all);
    }
}

void permissions_init(struct sim *sim)
{
    sim->access = FULL;
    write_records(sim);
}

/* ------------------------------------------------------------------ the control route */

static bool fail(char *why, size_t size, const char *key, const char *wanted)
{
    snprintf(why, size, "%s: %s", key, wanted);
    return false;
}

static bool mark_object(struct access *a, const struct key *k, const char *name)
{
    const struct object *o = object_find(name);
    if (o == NULL)
        return false;
    bool *flags = (bool *)((char *)a + k->offset);
    flags[o->id] = true;
    return true;
}

static bool mark_field(struct access *a, const struct key *k, const char *name)
{
    size_t index;
    const struct object *o = object_and_field(name, &index);
    if (o == NULL)
        return false;
    bool *flags = (bool *)((char *)a + k->offset);
    flags[(size_t)o->id * FIELDS_MAX + index] = true;
    return true;
}

static bool mark_list(struct access *a, const struct key *k, json_t *list, char *why, size_t size)
{
    size_t i;
    json_t *name;
    if (!json_is_array(list))
        return fail(why, size, k->name, "a list of names");
    json_array_foreach(list, i, name)
    {
        const char *text = json_is_string(name) ? json_string_value(name) : "";
        if (k->kind == KEY_OBJECTS && !mark_object(a, k, text))
            return fail(why, size, k->name, "names of objects");
        if (k->kind == KEY_FIELDS && !mark_field(a, k, text))
            return fail(why, size, k->name, "names of fields, written Object.Field");
    }
    return true;
}

static bool set_key(struct access *a, const struct key *k, json_t *value, char *why, size_t size)
{
    if (k->kind != KEY_FLAG)
        return mark_list(a, k, value, why, size);
    if (!json_is_boolean(value))
        return fail(why, size, k->name, "true or false");
    *(bool *)((char *)a + k->offset) = json_is_true(value);
    return true;
}

static bool set_all(struct access *a, const char *name, json_t *value, char *why, size_t size)
{
    bool known = false;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(KEYS[i].name, name) != 0)
            continue;
        known = true;
        if (!set_key(a, &KEYS[i], value, why, size))
            return false;
    }
    return known || fail(why, size, name, "unknown; see README.md for the list");
}

bool permissions_set(struct sim *sim, json_t *body, char *why, size_t why_size)
{
    struct access a = FULL;
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value)
    {
        if (!set_all(&a, name, value, why, why_size))
            return false;
    }
    if (!a.view_setup)
        a.none[PERMISSION_SET] = a.none[PERMISSION_ASSIGNMENT] = a.none[OBJECT_PERMISSIONS] = true;
    sim->access = a;
    write_records(sim);
    return true;
}
