/*
 * permissions - what the OAuth user may see and do, and the records that say so
 *
 * POST /sim/permissions replaces all of it (README.md lists the keys). The same is to be read as
 * an org shows it: through describe, and in the records of PermissionSet, PermissionSetAssignment
 * and ObjectPermissions, which are written anew with each change. The user's rights are spread
 * over two permission sets, as they are in an org with a profile and a package.
 */
#ifndef ORGSIM_PERMISSIONS_H
#define ORGSIM_PERMISSIONS_H

#include <jansson.h>
#include <stdbool.h>

#include "objects.h"

struct sim;

struct access {
    bool hide[OBJECT_COUNT]; /* rows are not seen */
    bool none[OBJECT_COUNT]; /* the object does not exist */
    bool no_create[OBJECT_COUNT], no_update[OBJECT_COUNT], no_delete[OBJECT_COUNT];
    bool no_view_all[OBJECT_COUNT];
    bool no_field[OBJECT_COUNT][FIELDS_MAX];        /* the field does not exist */
    bool read_only_field[OBJECT_COUNT][FIELDS_MAX]; /* it can't be written */
    bool view_all_data, converted_leads, view_setup, bulk_hard_delete, send_outbound_messages,
        admin_is_silent;
};

/* Full access, as at the start; also writes the records. */
void permissions_init(struct sim *sim);

/* False with the reason; nothing is changed then. */
bool permissions_set(struct sim *sim, json_t *body, char *why, size_t why_size);

#endif
