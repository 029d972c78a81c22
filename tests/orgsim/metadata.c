/*
 * The org's own side as it is shipped (deploy/salesforce): what is deployed to a real org is what
 * the simulated one has. Layouts and permission sets are passed over; flows say when a message goes
 * out (metadata_flow.c). What is read here stays for the process's life.
 */
#include <glob.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "metadata_int.h"

enum { EMAIL_LENGTH = 80, PICKLIST_LENGTH = 255, VALUES_MAX = 16 };

/* ------------------------------------------------------------------ fields */

static const struct {
    const char *name;
    enum field_type type;
    unsigned length; /* 0: as the field says */
} TYPES[] = {
    {"Text", FIELD_TEXT, 0},         {"Email", FIELD_EMAIL, EMAIL_LENGTH},
    {"Date", FIELD_DATE, 0},         {"Picklist", FIELD_PICKLIST, PICKLIST_LENGTH},
    {"DateTime", FIELD_DATETIME, 0}, {"Lookup", FIELD_REFERENCE, 18},
    {"Checkbox", FIELD_BOOLEAN, 0},
};

static bool set_type(xmlNodePtr node, struct field *field)
{
    char *type = child_text(node, "type"), *length = child_text(node, "length");
    size_t i = 0, n = sizeof TYPES / sizeof TYPES[0];
    while (i < n && (type == NULL || strcmp(TYPES[i].name, type) != 0))
        i++;
    if (i < n) {
        field->type = TYPES[i].type;
        field->length = TYPES[i].length;
        if (TYPES[i].length == 0 && length != NULL)
            field->length = (unsigned)strtoul(length, NULL, 10);
    }
    free(type);
    free(length);
    return i < n;
}

static void set_flags(xmlNodePtr node, struct field *field)
{
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {{"required", FIELD_REQUIRED},
                 {"externalId", FIELD_EXTERNAL},
                 {"unique", FIELD_UNIQUE},
                 {"caseSensitive", FIELD_CASE}};
    field->flags = FIELD_CREATE | FIELD_UPDATE;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        field->flags |= child_is_true(node, flags[i].name) ? flags[i].flag : 0;
    if (child_is_true(child(node, "valueSet"), "restricted"))
        field->flags |= FIELD_RESTRICTED;
}

/* Thing__c is reached as Thing__r. */
static void set_reference(xmlNodePtr node, struct field *field)
{
    char *relationship = mem_strdup(field->name);
    relationship[strlen(relationship) - 1] = 'r';
    field->relationship = relationship;
    field->target = child_text(node, "referenceTo");
}

static void set_values(xmlNodePtr node, struct field *field)
{
    xmlNodePtr set = child(child(node, "valueSet"), "valueSetDefinition");
    char **values = mem_array(VALUES_MAX + 1, sizeof *values);
    size_t n = 0;
    for (xmlNodePtr v = child(set, "value"); v != NULL && n < VALUES_MAX;
         v = next_named(v->next, "value"))
        values[n++] = child_text(v, "fullName");
    field->values = (const char *const *)values;
}

/* Room for one more; the first time the standard ones move there. */
static struct field *one_more(struct object *o)
{
    static struct field fields[OBJECT_COUNT][FIELDS_MAX];
    if (o->fields != fields[o->id])
        memcpy(fields[o->id], o->fields, o->field_count * sizeof *o->fields);
    o->fields = fields[o->id];
    return o->field_count == FIELDS_MAX ? NULL : &fields[o->id][o->field_count];
}

static struct object *object_of(const struct file *f)
{
    const struct object *o = object_find(f->object);
    return o == NULL ? NULL : &objects_table[o->id];
}

static enum err refuse_field(const struct file *f, const char *why, char *name)
{
    enum err err = metadata_wrong(f, why, name);
    free(name);
    return err;
}

static enum err read_field(const struct file *f)
{
    struct object *o = object_of(f);
    struct field *field = o == NULL ? NULL : one_more(o), made = {0};
    char *name = child_text(f->root, "fullName");
    if (field == NULL || name == NULL || object_field(o, name) != NULL)
        return refuse_field(f, "there is no room for the field, or it is there already:", name);
    if (!set_type(f->root, &made))
        return refuse_field(f, "its type is not simulated:", name);
    made.name = name;
    set_flags(f->root, &made);
    if (made.type == FIELD_REFERENCE)
        set_reference(f->root, &made);
    if (made.type == FIELD_PICKLIST)
        set_values(f->root, &made);
    *field = made;
    o->field_count++;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ objects and messages */

/* BT-{0000000000}: what stands before the number */
static enum err read_object(const struct file *f)
{
    struct object *o = object_of(f);
    char *format = child_text(child(f->root, "nameField"), "displayFormat");
    if (o == NULL || format == NULL) {
        free(format);
        return metadata_wrong(f, "this object is not simulated, or its name is not a number", NULL);
    }
    format[strcspn(format, "{")] = '\0';
    o->auto_name = format;
    return ERR_NONE;
}

static bool has_active_rule(xmlNodePtr root)
{
    bool any = false;
    for (xmlNodePtr rule = child(root, "rules"); rule != NULL;
         rule = next_named(rule->next, "rules"))
        any = any || child_is_true(rule, "active");
    return any;
}

/* The first message of an object; Id goes with each by itself. */
static enum err read_message(const struct file *f)
{
    struct object *o = object_of(f);
    xmlNodePtr message = child(f->root, "outboundMessages");
    size_t n = 0;
    if (has_active_rule(f->root))
        return metadata_wrong(f, "an active workflow rule is not simulated, deactivate it", NULL);
    if (message == NULL) /* rules alone */
        return ERR_NONE;
    if (o == NULL || o->message[0] != NULL)
        return metadata_wrong(f, "a message of an object that has one already, or is not simulated",
                              NULL);
    o->message_name = child_text(message, "fullName");
    for (xmlNodePtr node = child(message, "fields"); node != NULL && n < FIELDS_MAX - 1;
         node = next_named(node->next, "fields")) {
        xmlChar *name = xmlNodeGetContent(node);
        o->message[n] = mem_strdup((const char *)name);
        xmlFree(name);
        if (object_field(o, o->message[n]) == NULL)
            return metadata_wrong(
                f, "the message names a field that the object hasn't:", o->message[n]);
        n++;
    }
    return n > 0 ? ERR_NONE : metadata_wrong(f, "the message has no field, not even Id", NULL);
}

/* ------------------------------------------------------------------ files */

/* `depth` names up from the file's own: the folder that is called as the object, or 0: the file. */
static void name_object(struct file *f, unsigned depth)
{
    const char *end = f->path + strlen(f->path), *start = end;
    for (unsigned i = 0; i <= depth; i++) {
        end = i == 0 ? end : start - 1;
        for (start = end; start > f->path && start[-1] != '/';)
            start--;
    }
    size_t n = strcspn(start, "./");
    snprintf(f->object, sizeof f->object, "%.*s", (int)n, start);
}

static enum err read_file(const char *path, unsigned depth, enum err (*read)(const struct file *f),
                          struct error *e)
{
    struct file f = {.path = path, .e = e};
    xmlDocPtr doc = xmlReadFile(path, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR);
    if (doc == NULL)
        return error_set(e, ERR_CONFIG, "%s can't be read, or is no XML", path);
    f.root = xmlDocGetRootElement(doc);
    name_object(&f, depth);
    enum err err = read(&f);
    xmlFreeDoc(doc);
    return err;
}

/* In this order: messages name fields, flows name both. */
static const struct {
    const char *pattern;
    unsigned depth;
    enum err (*read)(const struct file *f);
} KINDS[] = {
    {"objects/*/*.object-meta.xml", 0, read_object},
    {"objects/*/fields/*.field-meta.xml", 2, read_field},
    {"workflows/*.workflow-meta.xml", 0, read_message},
    {"flows/*.flow-meta.xml", 0, metadata_read_flow},
};

static enum err read_kind(const char *project, const char *package, size_t kind, struct error *e)
{
    glob_t found = {0};
    char *pattern = mem_printf("%s/%s/main/default/%s", project, package, KINDS[kind].pattern);
    enum err err = ERR_NONE;
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; err == ERR_NONE && i < found.gl_pathc; i++)
            err = read_file(found.gl_pathv[i], KINDS[kind].depth, KINDS[kind].read, e);
    }
    globfree(&found);
    free(pattern);
    return err;
}

static enum err read_packages(const char *project, const json_t *packages, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t kind = 0; kind < sizeof KINDS / sizeof KINDS[0]; kind++) {
        for (size_t i = 0; err == ERR_NONE && i < json_array_size(packages); i++) {
            const char *path =
                json_string_value(json_object_get(json_array_get(packages, i), "path"));
            err = read_kind(project, path == NULL ? "" : path, kind, e);
        }
    }
    return err;
}

/* A message that no flow sends would never go out, and nothing would say why. */
static enum err check_senders(const char *project, struct error *e)
{
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        if (OBJECTS[i].message[0] != NULL && !OBJECTS[i].sends.created && !OBJECTS[i].sends.updated)
            return error_set(e, ERR_CONFIG, "%s: no active flow sends the message %s.%s", project,
                             OBJECTS[i].name, OBJECTS[i].message_name);
    }
    return ERR_NONE;
}

enum err objects_load(const char *project, struct error *e)
{
    static bool done;
    if (done)
        return ERR_NONE;
    json_error_t why;
    char *path = mem_printf("%s/sfdx-project.json", project);
    json_t *json = json_load_file(path, 0, &why);
    const json_t *packages = json_object_get(json, "packageDirectories");
    enum err err = ERR_NONE;
    if (packages == NULL)
        err = error_set(e, ERR_CONFIG, "%s is no sfdx project: %s", path,
                        json == NULL ? why.text : "it has no packageDirectories");
    else
        err = read_packages(project, packages, e);
    if (err == ERR_NONE)
        err = check_senders(project, e);
    if (err == ERR_NONE && OBJECTS[TOUCHPOINT].auto_name == NULL)
        err = error_set(e, ERR_CONFIG, "%s: the project has no %s", path, OBJECTS[TOUCHPOINT].name);
    done = err == ERR_NONE;
    json_decref(json);
    free(path);
    return err;
}
