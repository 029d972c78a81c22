/*
 * objects - the objects and fields of the simulated org
 *
 * The standard ones are a table (objects_table.c); our own, the fields of each outbound message and
 * the changes that send it come from the sfdx project that we ship. The database's tables, SOQL,
 * REST, outbound messages and the checks on writing all follow from them. Every object begins with
 * the same seven system fields, so that their positions are constants.
 *
 * Threads: constant data once objects_load() has returned.
 */
#ifndef ORGSIM_OBJECTS_H
#define ORGSIM_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "error.h"

enum field_type {
    FIELD_ID_TYPE,
    FIELD_REFERENCE,
    FIELD_TEXT,
    FIELD_EMAIL,
    FIELD_PICKLIST,
    FIELD_BOOLEAN,
    FIELD_DATE,     /* stored as days since 1970 */
    FIELD_DATETIME, /* stored as milliseconds, whole seconds */
    FIELD_INT,
    FIELD_DOUBLE,
};

enum field_flag {
    FIELD_CREATE = 1,      /* may be set on create */
    FIELD_UPDATE = 2,      /* may be set on update */
    FIELD_REQUIRED = 4,    /* null is refused */
    FIELD_EXTERNAL = 8,    /* external id */
    FIELD_CASE = 16,       /* text compared with regard to case */
    FIELD_RESTRICTED = 32, /* picklist: only the listed values */
    FIELD_AUDIT = 64,      /* the admin may set it on create and update (through /sim) */
    FIELD_AUTO = 128,      /* auto-number name */
    FIELD_UNIQUE = 256,    /* among what is not deleted */
};

struct field {
    const char *name;
    enum field_type type;
    unsigned length; /* of text, in characters */
    unsigned flags;
    const char *target;        /* reference: object */
    const char *relationship;  /* reference: name in paths, e.g. Campaign, Campaign__r */
    const char *const *values; /* picklist, NULL-terminated */
    const char *initial;       /* picklist: value on create when none is given */
    const char *expression;    /* not stored: SQL, '$' stands for the table's alias */
    const char *shown_type;    /* as describe calls it, where the type alone doesn't say */
};

enum system_field {
    FIELD_ID,
    FIELD_IS_DELETED,
    FIELD_CREATED_DATE,
    FIELD_CREATED_BY,
    FIELD_MODIFIED_DATE,
    FIELD_MODIFIED_BY,
    FIELD_MODSTAMP,
    SYSTEM_FIELDS
};

enum { FIELDS_MAX = 32 };

enum object_id {
    ORGANIZATION,
    USER,
    CAMPAIGN,
    CAMPAIGN_MEMBER,
    CAMPAIGN_MEMBER_STATUS,
    LEAD,
    CONTACT,
    ACCOUNT,
    TOUCHPOINT,
    DELETION,
    PERMISSION_SET,
    PERMISSION_ASSIGNMENT,
    OBJECT_PERMISSIONS,
    OBJECT_COUNT
};

/* When the object's message goes out; all false where no message is. */
struct sends {
    bool created, updated;
    uint32_t watched; /* bit i: field i; an update that changes none of them is silent. 0: any */
    const struct field *only_if; /* boolean: updates of records without it are silent; or NULL */
};

struct object {
    enum object_id id;
    const char *name;
    const char *prefix; /* of record ids */
    bool read_only;     /* Organization, User, …: no writes, no IsDeleted, no replication */
    const char *auto_name;
    const struct field *fields;
    size_t field_count;
    const char *indexes;             /* SQL */
    const char *message[FIELDS_MAX]; /* fields of its outbound message, NULL behind the last */
    const char *message_name;
    struct sends sends;
};

extern const struct object *const OBJECTS; /* OBJECT_COUNT of them, in the order of their ids */

/*
 * Reads custom objects, custom fields, outbound messages and the flows that send them from an sfdx
 * project in source format: all package directories of its sfdx-project.json. Once in a process,
 * before the first org opens; later calls do nothing. ERR_CONFIG or ERR_IO with the file where one
 * can't be read or names what is not simulated here.
 */
MUST_USE enum err objects_load(const char *project, struct error *e);

const struct object *object_find(const char *name);       /* any case; NULL if unknown */
const struct object *object_by_id(const char *record_id); /* by prefix; NULL if unknown */
const struct field *object_field(const struct object *o, const char *name); /* any case */
/* "Object.Field" in any case: gives both, or NULL. */
const struct object *object_and_field(const char *text, size_t *field_at);
/* The reference field behind a relationship name (any case), or NULL. */
const struct field *object_relationship(const struct object *o, const char *name);
size_t field_index(const struct object *o, const struct field *f);
/* Position of a field that the caller knows to exist. */
size_t object_at(const struct object *o, const char *name);

/* Appends the field as SQL over the table alias. */
void field_sql(struct buf *out, const struct field *f, const char *alias);

struct sdb;
void objects_create_tables(struct sdb *db);

#endif
