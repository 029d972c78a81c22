/*
 * routes - the resources under /services/data/vNN.0, as a table
 *
 * Requests from outside and the subrequests of a composite are routed by the same table.
 */
#ifndef ORGSIM_ROUTES_H
#define ORGSIM_ROUTES_H

#include "message.h"
#include "sim.h"

struct route {
    enum http_method method;
    const char *pattern; /* segments; * is any one, ** the rest (one or more) */
    const char *operation;
    void (*run)(struct sim *, const struct sim_request *, struct sim_reply *);
};

/* Sets the request's operation, args and version. NULL with the reply filled: 404 or 405. */
const struct route *route_find(struct sim_request *r, struct sim_reply *reply);

/* True if the path is below /services/data/vNN.0 with a version that exists. */
bool route_is_rest(const struct sim_request *r);
void routes_versions(struct sim_reply *reply);

#endif
