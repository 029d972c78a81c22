/*
 * client_auth - whose certificates may speak at all, and for which organisation
 *
 * A certificate is accepted because its chain leads to tls.client_ca, or because it is pinned; a
 * pinned one may be self-signed. It is asked twice: in the handshake (or, where the handshake has
 * to let everybody in, with each request's head), whether anybody might mean it; and once the
 * message is parsed, whether it may speak for the organisation that the message names. An
 * organisation with pins of its own is spoken for by these alone: neither the other pins nor the
 * authority count for it.
 *
 * With `optional`, who shows no certificate is let in, but for no organisation with pins of its
 * own: these say who speaks for it.
 *
 * Ownership: client_auth_new gives; each client_auth_share makes one client_auth_free more due.
 * Threads:   read-only, any; sharing and freeing are atomic.
 */
#ifndef TP_CLIENT_AUTH_H
#define TP_CLIENT_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "pin.h"
#include "refusal.h"

/* Of one connection, as it was shown in the handshake. */
struct client_certificate {
    bool is_present;
    /* Its chain was verified in this connection's handshake against a bundle with this hash. */
    bool is_from_ca;
    unsigned char ca_sha256[PIN_SIZE];
    unsigned char sha256[PIN_SIZE], key_sha256[PIN_SIZE];
    int64_t valid_from_ms, valid_until_ms; /* wall clock */
    const char
        *problem; /* why the chain does not lead to the authority, for logs; static or NULL */
};

struct client_auth;

/* Copies what it needs of tls.*, orgs[].client_pins and admin.public_health. */
struct client_auth *client_auth_new(const struct config *c);
/* The bundle of tls.client_ca has this hash: only chains that were verified against the same count.
 * Before others have a. */
void client_auth_set_ca(struct client_auth *a, const unsigned char sha256[PIN_SIZE]);
struct client_auth *client_auth_share(struct client_auth *a);
void client_auth_free(struct client_auth **a);

bool client_auth_asks(const struct client_auth *a);     /* for a certificate */
bool client_auth_enforces(const struct client_auth *a); /* already in the handshake */
/* a NULL: everything is allowed. org NULL: for any; else the 18 characters of a configured one.
 * When false, *why is the reason. */
bool client_auth_allows(const struct client_auth *a, const struct client_certificate *c,
                        const char *org, enum refusal *why);
/* Whether a resumed session may go without a new look at the certificate. */
bool client_auth_resumes(const struct client_auth *a, const struct client_certificate *c);

#endif
