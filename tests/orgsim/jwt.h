/*
 * jwt - verifying one kind of token: a JWT assertion signed with RS256
 *
 * Threads: pure but for the key, which is read only.
 */
#ifndef ORGSIM_JWT_H
#define ORGSIM_JWT_H

#include <jansson.h>

#include "error.h"

struct jwt_key;

/* Reads a PEM certificate or public key (RSA). */
MUST_USE enum err jwt_key_read(struct jwt_key **out, const char *path, struct error *e);
void jwt_key_free(struct jwt_key **k);

/* The claims of a token whose signature is right (a new reference), or NULL. */
json_t *jwt_verify(const struct jwt_key *k, const char *token);

#endif
