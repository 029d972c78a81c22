/* tooling - what the Tooling API tells of the org's outbound messages */
#ifndef ORGSIM_TOOLING_H
#define ORGSIM_TOOLING_H

#include "service.h"

void tooling_query(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void tooling_get(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

#endif
