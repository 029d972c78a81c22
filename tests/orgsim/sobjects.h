/* sobjects - single records over REST, and the JSON of row results that all writes share */
#ifndef ORGSIM_SOBJECTS_H
#define ORGSIM_SOBJECTS_H

#include "message.h"
#include "records.h"

void sobjects_create(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void sobjects_get(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void sobjects_update(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void sobjects_delete(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void sobjects_get_external(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void sobjects_upsert(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void sobjects_delete_external(struct sim *sim, const struct sim_request *r,
                              struct sim_reply *reply);

/* The object of a URL as the OAuth user sees it; NULL with the reply filled (404). */
const struct object *sobjects_find(const struct sim *sim, const char *name,
                                   struct sim_reply *reply);
/* The external id field of a URL; NULL with the reply filled (404). */
const struct field *sobjects_external(const struct sim *sim, const struct object *o,
                                      const char *name, struct sim_reply *reply);

enum row_kind { ROW_CREATE, ROW_UPDATE, ROW_UPSERT, ROW_DELETE };
void sobjects_count(struct sim *sim, enum row_kind kind, const struct row_result *r);
struct writer sobjects_writer(struct sim *sim, const struct sim_request *r);

#endif
