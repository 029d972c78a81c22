/*
 * control - the /sim routes: data as admin, faults, clock, permissions, observation
 *
 * What they do is described in README.md; control.c has their table.
 */
#ifndef ORGSIM_CONTROL_H
#define ORGSIM_CONTROL_H

#include "server.h"

/* Takes the exchange and sees to its end. */
void control_handle(struct exchange *x);

/* Carries out one request that needs no waiting; body is an object. A mistake is 400, an unknown
 * route 404. */
void control_run(struct sim *sim, const struct sim_request *r, json_t *body,
                 struct sim_reply *reply);
/* Whether there is a route for this path, which may have parameters. */
bool control_exists(enum http_method method, const char *target);

/* Always false, so that `return control_fail(…)` reads well: 400 {"error":…}. */
bool control_fail(struct sim_reply *reply, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Handlers in control_records.c and load.c; body is the request's JSON object (never NULL, empty
 * if there was no body). */
void control_create(struct sim *sim, const struct sim_request *r, json_t *body,
                    struct sim_reply *reply);
void control_update(struct sim *sim, const struct sim_request *r, json_t *body,
                    struct sim_reply *reply);
void control_delete(struct sim *sim, const struct sim_request *r, json_t *body,
                    struct sim_reply *reply);
void control_list(struct sim *sim, const struct sim_request *r, json_t *body,
                  struct sim_reply *reply);
void control_touchpoints(struct sim *sim, const struct sim_request *r, json_t *body,
                         struct sim_reply *reply);
void control_convert(struct sim *sim, const struct sim_request *r, json_t *body,
                     struct sim_reply *reply);
void control_merge(struct sim *sim, const struct sim_request *r, json_t *body,
                   struct sim_reply *reply);
void control_load(struct sim *sim, const struct sim_request *r, json_t *body,
                  struct sim_reply *reply);

#endif
