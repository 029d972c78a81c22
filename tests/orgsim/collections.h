/* collections - sObject Collections: up to 200 rows a call, each with its own result */
#ifndef ORGSIM_COLLECTIONS_H
#define ORGSIM_COLLECTIONS_H

#include "message.h"
#include "sim.h"

enum { COLLECTION_MAX = 200, COLLECTION_READ_MAX = 2000, COLLECTION_CHUNKS_MAX = 10 };

void collections_create(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void collections_update(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void collections_upsert(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void collections_delete(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void collections_get(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

#endif
