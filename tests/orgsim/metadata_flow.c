/*
 * A flow is simulated where it does nothing but send: one action, after the save, at once. Its
 * entry condition may be absent or a formula of ISCHANGED joined by OR; with AND, a boolean field
 * of the record beside it. Anything else is refused by name rather than simulated wrongly.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "metadata_int.h"

/* ------------------------------------------------------------------ the entry condition */

struct formula {
    const char *at;
    const struct object *object;
    uint32_t watched;
    const struct field *only_if;
};

static bool skip(struct formula *f, const char *token)
{
    f->at += strspn(f->at, " \t\r\n");
    size_t n = strlen(token);
    if (strncmp(f->at, token, n) != 0)
        return false;
    f->at += n;
    return true;
}

/* {!$Record.Name}: the field, or NULL if the object hasn't it. */
static const struct field *record_field(struct formula *f)
{
    char name[64];
    if (!skip(f, "{!$Record."))
        return NULL;
    size_t n = strcspn(f->at, "}");
    if (f->at[n] == '\0' || n >= sizeof name)
        return NULL;
    memcpy(name, f->at, n);
    name[n] = '\0';
    f->at += n + 1;
    return object_field(f->object, name);
}

static bool changed(struct formula *f)
{
    if (!skip(f, "ISCHANGED("))
        return false;
    const struct field *field = record_field(f);
    if (field == NULL || !skip(f, ")"))
        return false;
    f->watched |= (uint32_t)1 << field_index(f->object, field);
    return true;
}

/* OR(ISCHANGED(a), ISCHANGED(b), …) or one ISCHANGED(a) */
static bool any_changed(struct formula *f)
{
    if (!skip(f, "OR("))
        return changed(f);
    do {
        if (!changed(f))
            return false;
    } while (skip(f, ","));
    return skip(f, ")");
}

/* That, or AND({!$Record.Flag}, that) */
static bool whole(struct formula *f)
{
    bool both = skip(f, "AND(");
    if (both) {
        f->only_if = record_field(f);
        if (f->only_if == NULL || f->only_if->type != FIELD_BOOLEAN || !skip(f, ","))
            return false;
    }
    if (!any_changed(f) || (both && !skip(f, ")")))
        return false;
    f->at += strspn(f->at, " \t\r\n");
    return *f->at == '\0';
}

static enum err read_condition(const struct file *file, xmlNodePtr start, struct object *o)
{
    static const char *const unknown[] = {"filters", "filterLogic", "scheduledPaths",
                                          "doesRequireRecordChangedToMeetCriteria"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        if (child(start, unknown[i]) != NULL)
            return metadata_wrong(file, "the flow's start has what is not simulated:", unknown[i]);
    }
    char *text = child_text(start, "filterFormula");
    struct formula f = {.at = text, .object = o};
    enum err err = ERR_NONE;
    if (text != NULL && !whole(&f))
        err = metadata_wrong(file,
                             "the flow's entry condition is not simulated, from here on:", f.at);
    free(text);
    if (err == ERR_NONE && o->sends.updated)
        err =
            metadata_wrong(file, "a second flow for updates of the object is not simulated", NULL);
    o->sends.watched = f.watched;
    o->sends.only_if = f.only_if;
    return err;
}

/* ------------------------------------------------------------------ the flow */

static bool is(xmlNodePtr parent, const char *name, const char *want)
{
    char *text = child_text(parent, name);
    bool same = text != NULL && strcmp(text, want) == 0;
    free(text);
    return same;
}

/* The object whose message the action sends, or NULL. */
static struct object *sent_by(xmlNodePtr action)
{
    char *name = child_text(action, "actionName");
    struct object *o = NULL;
    for (size_t i = 0; name != NULL && i < OBJECT_COUNT; i++) {
        const struct object *one = &objects_table[i];
        size_t n = strlen(one->name);
        if (one->message_name != NULL && strncmp(name, one->name, n) == 0 && name[n] == '.' &&
            strcmp(name + n + 1, one->message_name) == 0)
            o = &objects_table[i];
    }
    free(name);
    return o;
}

static enum err read_sender(const struct file *f, xmlNodePtr action)
{
    xmlNodePtr start = child(f->root, "start");
    struct object *o = sent_by(action);
    if (o == NULL || !is(start, "object", o->name))
        return metadata_wrong(f, "the flow sends a message that its object hasn't", NULL);
    if (next_named(action->next, "actionCalls") != NULL || child(f->root, "decisions") != NULL ||
        !is(start, "triggerType", "RecordAfterSave"))
        return metadata_wrong(f, "the flow does more than send after a save", NULL);
    bool both = is(start, "recordTriggerType", "CreateAndUpdate");
    bool created = both || is(start, "recordTriggerType", "Create");
    bool updated = both || is(start, "recordTriggerType", "Update");
    if (!created && !updated)
        return metadata_wrong(f, "the flow's recordTriggerType is not simulated", NULL);
    if (created && child(start, "filterFormula") != NULL)
        return metadata_wrong(f, "a condition on new records is not simulated", NULL);
    enum err err = updated ? read_condition(f, start, o) : ERR_NONE;
    o->sends.created |= created;
    o->sends.updated |= updated;
    return err;
}

enum err metadata_read_flow(const struct file *f)
{
    xmlNodePtr action = child(f->root, "actionCalls");
    if (action == NULL || !is(action, "actionType", "outboundMessage"))
        return ERR_NONE;
    return is(f->root, "status", "Active") ? read_sender(f, action) : ERR_NONE;
}
