/*
 * A write is: decode the JSON into a copy of the record, let the platform's rules look at it, check
 * what is required and what it refers to, store it, announce it. Only columns that changed are
 * written.
 */
#include "records.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cascade.h"
#include "db.h"
#include "ids.h"
#include "mem.h"
#include "outbound.h"
#include "platform.h"
#include "record_check.h"

void tx_begin(struct sim *sim)
{
    if (sim->tx_depth == TX_DEPTH_MAX)
        abort(); /* the nesting is the program's own */
    sim->tx_marks[sim->tx_depth++] = outbound_mark(sim->outbound);
    sdb_begin(sim->db);
}

void tx_commit(struct sim *sim)
{
    sdb_commit(sim->db);
    if (--sim->tx_depth == 0)
        outbound_commit(sim->outbound);
}

void tx_rollback(struct sim *sim)
{
    sdb_rollback(sim->db);
    outbound_undo(sim->outbound, sim->tx_marks[--sim->tx_depth]);
}

bool row_fail(struct row_result *r, const char *code, const char *field, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    row_result_release(r);
    snprintf(r->code, sizeof r->code, "%s", code);
    vsnprintf(r->message, sizeof r->message, fmt, ap);
    va_end(ap);
    if (field != NULL)
        r->fields = json_pack("[s]", field);
    r->success = false;
    return false;
}

void row_result_release(struct row_result *r)
{
    json_decref(r->fields);
    r->fields = NULL;
}

void record_release(struct record *rec)
{
    for (size_t i = 0; i < FIELDS_MAX; i++)
        value_clear(&rec->v[i]);
}

/* ------------------------------------------------------------------ storage */

enum record_state record_state(struct sim *sim, const struct object *o, const char *id)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT IsDeleted FROM %s WHERE Id = ?", o->name);
    int64_t deleted = sdb_int(sim->db, 2, sql, "t", id);
    return deleted == 0 ? RECORD_LIVE : deleted == 1 ? RECORD_DELETED : RECORD_UNKNOWN;
}

bool record_load(struct sim *sim, const struct object *o, const char *id, struct record *rec)
{
    struct buf sql;
    buf_init(&sql, 4096);
    for (size_t i = 0; i < o->field_count; i++) {
        buf_puts(&sql, i == 0 ? "SELECT " : ", ");
        buf_puts(&sql, o->fields[i].expression == NULL ? o->fields[i].name : "NULL");
    }
    buf_printf(&sql, " FROM %s WHERE Id = ?", o->name);
    sqlite3_stmt *st = sdb_prepare(sim->db, sql.data);
    buf_release(&sql);
    sdb_bind_text(st, 1, id);
    *rec = (struct record){.object = o};
    bool found = sdb_step(sim->db, st);
    for (size_t i = 0; found && i < o->field_count; i++)
        value_from_column(&rec->v[i], st, (int)i);
    sdb_done(sim->db, st);
    return found;
}

bool record_find(struct sim *sim, const struct object *o, const struct field *key,
                 const char *value, char id[SFID_SIZE])
{
    char sql[192];
    snprintf(sql, sizeof sql, "SELECT Id FROM %s WHERE %s = ? AND IsDeleted = 0", o->name,
             key->name);
    char *found = sdb_text(sim->db, sql, "t", value);
    snprintf(id, SFID_SIZE, "%s", found == NULL ? "" : found);
    free(found);
    return id[0] != '\0';
}

static const char *user_of(const struct writer *w)
{
    return w->system ? w->sim->system_id : w->admin ? w->sim->admin_id : w->sim->user_id;
}

void record_announce(const struct writer *w, const struct object *o, const char *id,
                     struct change change)
{
    const struct access *a = &w->sim->access;
    bool tells = w->admin ? !a->admin_is_silent : a->send_outbound_messages;
    if (tells && !w->quiet && !w->system)
        outbound_note(w->sim->outbound, o, id, change);
}

void record_touch(const struct writer *w, const struct object *o, const char *id)
{
    char sql[192];
    int64_t now = sim_clock_second_ms(&w->sim->clock);
    snprintf(sql, sizeof sql,
             "UPDATE %s SET LastModifiedDate = ?, LastModifiedById = ?, SystemModstamp = ? "
             "WHERE Id = ?",
             o->name);
    sdb_exec(w->sim->db, sql, "itit", now, user_of(w), now, id);
}

static void stamp(const struct writer *w, struct record *rec, bool created)
{
    int64_t now = sim_clock_second_ms(&w->sim->clock);
    if (created && rec->v[FIELD_CREATED_DATE].kind == VALUE_NULL)
        value_set_int(&rec->v[FIELD_CREATED_DATE], now);
    if (created)
        value_set_text(&rec->v[FIELD_CREATED_BY], user_of(w));
    value_set_int(&rec->v[FIELD_MODIFIED_DATE], now);
    value_set_int(&rec->v[FIELD_MODSTAMP], now);
    value_set_text(&rec->v[FIELD_MODIFIED_BY], user_of(w));
}

static void fill_defaults(const struct writer *w, struct record *rec, uint64_t sequence)
{
    const struct object *o = rec->object;
    char name[40];
    snprintf(name, sizeof name, "%s%06llu", o->auto_name == NULL ? "" : o->auto_name,
             (unsigned long long)sequence);
    for (size_t i = 0; i < o->field_count; i++) {
        const struct field *f = &o->fields[i];
        if (rec->v[i].kind != VALUE_NULL)
            continue;
        if (f->type == FIELD_BOOLEAN)
            value_set_int(&rec->v[i], 0);
        else if (f->flags & FIELD_AUTO)
            value_set_text(&rec->v[i], name);
        else if (f->initial != NULL)
            value_set_text(&rec->v[i], f->initial);
        else if (strcmp(f->name, "OwnerId") == 0)
            value_set_text(&rec->v[i], user_of(w));
    }
}

void record_insert(const struct writer *w, struct record *rec, char id[SFID_SIZE])
{
    const struct object *o = rec->object;
    struct sim *sim = w->sim;
    uint64_t sequence = ++sim->next_record[o->id];
    sim_id_make(o->prefix, sequence, id);
    value_set_text(&rec->v[FIELD_ID], id);
    stamp(w, rec, true);
    fill_defaults(w, rec, sequence);
    struct buf sql;
    buf_init(&sql, 4096);
    buf_printf(&sql, "INSERT INTO %s VALUES (", o->name);
    bool first = true;
    for (size_t i = 0; i < o->field_count; i++) {
        if (o->fields[i].expression == NULL) {
            buf_puts(&sql, first ? "?" : ", ?");
            first = false;
        }
    }
    buf_putc(&sql, ')');
    sqlite3_stmt *st = sdb_prepare(sim->db, sql.data);
    buf_release(&sql);
    int at = 1;
    for (size_t i = 0; i < o->field_count; i++) {
        if (o->fields[i].expression == NULL)
            value_bind(st, at++, &rec->v[i]);
    }
    sdb_step(sim->db, st);
    sdb_done(sim->db, st);
    record_announce(w, o, id, (struct change){.created = true});
}

static void store_changes(const struct writer *w, const struct record *rec,
                          const struct record *old)
{
    const struct object *o = rec->object;
    struct buf sql;
    buf_init(&sql, 4096);
    buf_printf(&sql, "UPDATE %s SET ", o->name);
    bool first = true;
    for (size_t i = 0; i < o->field_count; i++) {
        if (!value_equal(&rec->v[i], &old->v[i])) {
            buf_printf(&sql, "%s%s = ?", first ? "" : ", ", o->fields[i].name);
            first = false;
        }
    }
    buf_puts(&sql, " WHERE Id = ?");
    if (!first) {
        sqlite3_stmt *st = sdb_prepare(w->sim->db, sql.data);
        int at = 1;
        for (size_t i = 0; i < o->field_count; i++) {
            if (!value_equal(&rec->v[i], &old->v[i]))
                value_bind(st, at++, &rec->v[i]);
        }
        value_bind(st, at, &rec->v[FIELD_ID]);
        sdb_step(w->sim->db, st);
        sdb_done(w->sim->db, st);
    }
    buf_release(&sql);
}

/* ------------------------------------------------------------------ the operations */

static bool finish(const struct writer *w, bool ok)
{
    if (ok)
        tx_commit(w->sim);
    else
        tx_rollback(w->sim);
    return ok;
}

static bool create_checked(const struct writer *w, struct record *rec, const json_t *fields,
                           struct row_result *r)
{
    if (!record_set_fields(w, rec, fields, true, NULL, r) || !platform_before(w, rec, NULL, r) ||
        !record_check_required(rec, r) || !record_check_values(w->sim, rec, NULL, r) ||
        !record_take_lock(w, rec, r))
        return false;
    record_insert(w, rec, r->id);
    platform_after(w, rec, true);
    r->success = r->created = true;
    return true;
}

bool record_create(const struct writer *w, const struct object *o, const json_t *fields,
                   struct row_result *r)
{
    *r = (struct row_result){.created = false};
    if (!record_check_access(w, o, WRITE_CREATE, r) || !record_check_faults(w, NULL, "", r))
        return false;
    struct record rec = {.object = o};
    tx_begin(w->sim);
    bool ok = finish(w, create_checked(w, &rec, fields, r));
    record_release(&rec);
    return ok;
}

static bool update_checked(const struct writer *w, struct record *rec, const struct record *old,
                           const json_t *fields, const char *skip, struct row_result *r)
{
    if (!record_set_fields(w, rec, fields, false, skip, r) || !platform_before(w, rec, old, r) ||
        !record_check_required(rec, r) || !record_check_values(w->sim, rec, old, r) ||
        !record_take_lock(w, old, r) || !record_take_lock(w, rec, r))
        return false;
    struct change change = {.created = false};
    for (size_t i = SYSTEM_FIELDS; i < rec->object->field_count; i++)
        change.changed |= value_equal(&rec->v[i], &old->v[i]) ? 0 : (uint32_t)1 << i;
    r->unchanged = change.changed == 0;
    stamp(w, rec, false);
    store_changes(w, rec, old);
    platform_after(w, rec, false);
    record_announce(w, rec->object, r->id, change);
    r->success = true;
    return true;
}

static bool not_live(enum record_state state, struct row_result *r)
{
    if (state == RECORD_DELETED)
        return row_fail(r, "ENTITY_IS_DELETED", NULL, "entity is deleted");
    return row_fail(r, "INVALID_CROSS_REFERENCE_KEY", NULL, "invalid cross reference id");
}

static bool update_row(const struct writer *w, const struct object *o, const char *id,
                       const char *key, const char *skip, const json_t *fields,
                       struct row_result *r)
{
    *r = (struct row_result){.created = false};
    snprintf(r->id, sizeof r->id, "%s", id);
    enum record_state state = record_state(w->sim, o, id);
    if (!record_check_access(w, o, WRITE_UPDATE, r) || !record_check_faults(w, key, id, r))
        return false;
    if (state != RECORD_LIVE)
        return not_live(state, r);
    struct record rec, old;
    record_load(w->sim, o, id, &rec);
    record_load(w->sim, o, id, &old);
    tx_begin(w->sim);
    bool ok = finish(w, update_checked(w, &rec, &old, fields, skip, r));
    record_release(&rec);
    record_release(&old);
    return ok;
}

bool record_update(const struct writer *w, const struct object *o, const char *id,
                   const json_t *fields, struct row_result *r)
{
    return update_row(w, o, id, NULL, NULL, fields, r);
}

bool record_upsert(const struct writer *w, const struct object *o, const struct field *key,
                   const char *value, const json_t *fields, bool update_only, struct row_result *r)
{
    char id[SFID_SIZE];
    if (record_find(w->sim, o, key, value, id))
        return update_row(w, o, id, value, key->name, fields, r);
    *r = (struct row_result){.created = false};
    if (update_only)
        return row_fail(r, "NOT_FOUND", NULL, "The requested resource does not exist");
    if (!record_check_access(w, o, WRITE_CREATE, r) || !record_check_faults(w, value, "", r))
        return false;
    json_t *with_key = json_copy((json_t *)(uintptr_t)fields); /* shallow; nothing is changed */
    json_object_set_new(with_key, key->name, json_string(value));
    struct record rec = {.object = o};
    tx_begin(w->sim);
    bool ok = finish(w, create_checked(w, &rec, with_key, r));
    record_release(&rec);
    json_decref(with_key);
    return ok;
}

bool record_delete(const struct writer *w, const struct object *o, const char *id,
                   struct row_result *r)
{
    *r = (struct row_result){.created = false};
    snprintf(r->id, sizeof r->id, "%s", id);
    enum record_state state = record_state(w->sim, o, id);
    if (!record_check_access(w, o, WRITE_DELETE, r) || !record_check_faults(w, NULL, id, r))
        return false;
    if (state != RECORD_LIVE)
        return not_live(state, r);
    struct record rec;
    record_load(w->sim, o, id, &rec);
    bool locked = record_take_lock(w, &rec, r);
    record_release(&rec);
    if (!locked)
        return false;
    tx_begin(w->sim);
    cascade_delete(w, o, id);
    r->success = true;
    return finish(w, true);
}

bool record_delete_for_good(const struct writer *w, const struct object *o, const char *id,
                            struct row_result *r)
{
    char sql[96];
    tx_begin(w->sim);
    bool ok = record_delete(w, o, id, r);
    if (ok) {
        snprintf(sql, sizeof sql, "DELETE FROM %s WHERE Id = ?", o->name);
        sdb_exec(w->sim->db, sql, "t", id);
        sdb_exec(w->sim->db, "INSERT INTO DeleteLog (Object, Id, DeletedDate) VALUES (?, ?, ?)",
                 "tti", o->name, id, sim_clock_second_ms(&w->sim->clock));
    }
    return finish(w, ok);
}
