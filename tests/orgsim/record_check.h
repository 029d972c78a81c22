/* record_check - what a write must pass: fields, references, access, faults, locks (records.c) */
#ifndef ORGSIM_RECORD_CHECK_H
#define ORGSIM_RECORD_CHECK_H

#include "records.h"

/* Decodes the JSON into the record; `skip` (or NULL) names a field that is left alone. */
bool record_set_fields(const struct writer *w, struct record *rec, const json_t *fields,
                       bool create, const char *skip, struct row_result *r);
bool record_check_required(const struct record *rec, struct row_result *r);
/* References and unique values that this write sets; old is NULL on create. */
bool record_check_values(struct sim *sim, const struct record *rec, const struct record *old,
                         struct row_result *r);
/* What a fault demands for this row; true if it may go on. key may be NULL. */
bool record_check_faults(const struct writer *w, const char *key, const char *id,
                         struct row_result *r);
enum write_kind { WRITE_CREATE, WRITE_UPDATE, WRITE_DELETE };
bool record_check_access(const struct writer *w, const struct object *o, enum write_kind kind,
                         struct row_result *r);
bool record_take_lock(const struct writer *w, const struct record *rec, struct row_result *r);

#endif
