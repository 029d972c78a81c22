/*
 * describe - what the objects and fields are, as the OAuth user sees them
 *
 * The global list, the short and the full description of one object. Objects and fields that the
 * user may not see are missing, those that it may not write say so. POST /sim/schema lays other
 * attributes over a field (a wrong type, no external id), so that a client's check of the schema
 * can be tested.
 */
#ifndef ORGSIM_DESCRIBE_H
#define ORGSIM_DESCRIBE_H

#include "message.h"
#include "objects.h"
#include "sim.h"

void describe_global(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void describe_basic(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void describe_object(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

/* Replaces all changes: {"Object.Field":{"externalId":false, …}}. False with the reason; nothing
 * is changed then. */
bool describe_set_changes(struct sim *sim, json_t *changes, char *why, size_t why_size);
/* False if a change takes the field's external id away. */
bool describe_is_external(const struct sim *sim, const struct object *o, const struct field *f);

#endif
