/*
 * service - from a request to its answer: sizes, routes, faults, session, budget, latency
 */
#ifndef ORGSIM_SERVICE_H
#define ORGSIM_SERVICE_H

#include "server.h"

/* Takes the exchange and sees to its end. */
void service_handle(struct exchange *x);

/* Carries out one request at once, without faults and latency (also used by tests). */
void service_execute(struct sim *sim, struct sim_request *r, struct sim_reply *reply);

#endif
