/*
 * cascade - deletion with all that goes along, lead conversion, merge
 *
 * Cascaded deletes and moves invoke no trigger and send no message, as on the platform; what the
 * outside hears of comes from the helper records that the stand-in for the Apex triggers makes.
 */
#ifndef ORGSIM_CASCADE_H
#define ORGSIM_CASCADE_H

#include "records.h"

/* Marks a live record as deleted together with its dependants. */
void cascade_delete(const struct writer *w, const struct object *o, const char *id);

struct moved {
    int64_t moved, removed; /* members */
    char contact[SFID_SIZE], account[SFID_SIZE];
};

/* contact NULL: an Account and a Contact are made. */
bool convert_lead(const struct writer *w, const char *lead, const char *contact, struct moved *out,
                  struct row_result *r);
/* o is Lead or Contact. */
bool merge_records(const struct writer *w, const struct object *o, const char *winner,
                   const char *loser, struct moved *out, struct row_result *r);

#endif
