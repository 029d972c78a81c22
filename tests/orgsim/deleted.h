/* deleted - getDeleted and getUpdated: what was deleted or changed in a window of time */
#ifndef ORGSIM_DELETED_H
#define ORGSIM_DELETED_H

#include "message.h"
#include "sim.h"

void deleted_run(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void updated_run(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

#endif
