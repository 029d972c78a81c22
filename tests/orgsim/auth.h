/*
 * auth - OAuth: the token endpoint with both grants, the tokens given out, userinfo
 */
#ifndef ORGSIM_AUTH_H
#define ORGSIM_AUTH_H

#include "error.h"
#include "message.h"
#include "sim.h"

/* Reads the key and the secret that the options name. */
MUST_USE enum err auth_new(struct auth **out, const struct sim_options *options, struct error *e);
void auth_free(struct auth **a);

void auth_token(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void auth_userinfo(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
/* The resource behind the token answer's `id`. */
void auth_identity(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

/* True if the request bears a living token; else the reply is the 401. */
bool auth_check(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

size_t auth_revoke_all(struct auth *a);                        /* gives how many */
void auth_revoke(struct auth *a, const struct sim_request *r); /* the request's token */

/* One of the documented error bodies by its short name (README.md); false if unknown. */
bool auth_error(const char *name, struct sim_reply *reply);

#endif
