/*
 * records - creating, changing and deleting one record, with the platform's checks
 *
 *     record_create / record_update / record_upsert / record_delete
 *         values.c      does the value fit the field?
 *         platform.c    what the platform adds: member status, uniqueness of members, …
 *         cascade.c     what goes along with a deleted record
 *         outbound.c    who hears of it
 *
 * Each call is a transaction of its own inside the caller's (tx_begin), so a failing row leaves
 * nothing behind. `writer` says on whose behalf: the admin's changes send outbound messages and are
 * subject to no access rule; the integration user's are counted, can be hit by row faults, and lock
 * campaigns.
 *
 * Ownership: JSON is borrowed; a row_result owns its field list (row_result_release).
 */
#ifndef ORGSIM_RECORDS_H
#define ORGSIM_RECORDS_H

#include <jansson.h>
#include <stdbool.h>

#include "outbound.h"
#include "sim.h"
#include "values.h"

struct writer {
    struct sim *sim;
    bool admin;
    const char *operation, *target; /* for row faults */
    uint64_t request;               /* holder of locks */
    bool quiet;                     /* admin: no outbound messages */
    bool system;                    /* admin: under the name of Automated Process, and quiet */
    bool bulk;                      /* errors read as those of a bulk job */
};

struct row_result {
    bool success, created, unchanged;
    char id[SFID_SIZE]; /* "" if there is none */
    char code[80];      /* statusCode; "" on success */
    char message[512];
    json_t *fields; /* array, or NULL */
};

struct record {
    const struct object *object;
    struct value v[FIELDS_MAX];
};

/* Nested transactions of data and outbound messages together. */
void tx_begin(struct sim *sim);
void tx_commit(struct sim *sim);
void tx_rollback(struct sim *sim);

/* True on success; r is overwritten in each case. */
bool record_create(const struct writer *w, const struct object *o, const json_t *fields,
                   struct row_result *r);
bool record_update(const struct writer *w, const struct object *o, const char *id,
                   const json_t *fields, struct row_result *r);
/* By an external id field and its value. */
bool record_upsert(const struct writer *w, const struct object *o, const struct field *key,
                   const char *value, const json_t *fields, bool update_only, struct row_result *r);
bool record_delete(const struct writer *w, const struct object *o, const char *id,
                   struct row_result *r);

/* The same past the Recycle Bin: the row is gone, only getDeleted still knows it. */
bool record_delete_for_good(const struct writer *w, const struct object *o, const char *id,
                            struct row_result *r);

/* Finds by external id among what is not deleted; false if there is none. */
bool record_find(struct sim *sim, const struct object *o, const struct field *key,
                 const char *value, char id[SFID_SIZE]);

enum record_state { RECORD_LIVE, RECORD_DELETED, RECORD_UNKNOWN };
enum record_state record_state(struct sim *sim, const struct object *o, const char *id);

/* Loads the stored fields; false if there is no such row. record_release frees. */
bool record_load(struct sim *sim, const struct object *o, const char *id, struct record *rec);
void record_release(struct record *rec);

void row_result_release(struct row_result *r);
/* Always false, so that `return row_fail(…)` reads well. field may be NULL. */
bool row_fail(struct row_result *r, const char *code, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* For the modules that write on the platform's behalf (conversion, merge, load): inserts a filled
 * record, giving it its id and system fields; announces it unless the
 * writer may not or must not. */
void record_insert(const struct writer *w, struct record *rec, char id[SFID_SIZE]);
void record_touch(const struct writer *w, const struct object *o, const char *id);
void record_announce(const struct writer *w, const struct object *o, const char *id,
                     struct change change);

#endif
