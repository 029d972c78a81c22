/*
 * tls_reach - our own endpoint, seen from outside: what a sender of messages would meet
 *
 * A connection by name and port like any client's: resolve, connect, TLS with SNI, the certificates
 * that come, then, if asked for, one POST and its answer. What the server shows is judged as
 * Salesforce would: by the roots that this system trusts (SSL_CERT_FILE names another bundle) and
 * the certificates that the server sends itself, since intermediates are fetched by nobody.
 *
 * Threads:   any; blocks for REACH_PATIENCE_MS at most, and as long as the resolver takes.
 */
#ifndef TP_TLS_REACH_H
#define TP_TLS_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum { REACH_PATIENCE_MS = 10000, REACH_TEXT_MAX = 256, REACH_ANSWER_MAX = 8192 };

struct reach_target {
    const char *host; /* name: resolved, and the SNI */
    const char *port;
    const char *address; /* "host:port" to connect to instead of resolving; NULL: none */
    const char *path;    /* to POST to … */
    const char *body;    /* … this, if the certificate is well; NULL: the handshake is all */
    size_t body_len;
};

struct reach {
    bool is_connected, is_tls; /* the handshake came to its end */
    bool wants_certificate;    /* the server asked for a client certificate */
    unsigned sent_count;       /* certificates that the server sent */
    bool is_trusted, has_name; /* chain to a trusted root; the name is in the SAN */
    int64_t expires_at_ms;     /* of the leaf */
    char subject[REACH_TEXT_MAX], issuer[REACH_TEXT_MAX]; /* of the leaf */
    char trust[REACH_TEXT_MAX];                           /* why it is not trusted */
    int status; /* of the answer to the POST; 0: none came */
    char answer[REACH_ANSWER_MAX];
    size_t answer_len; /* of its body, as far as it fits; a NUL is behind it */
};

/* ERR_NETWORK, ERR_TIMEOUT: the step that failed; what came before it is in *out. */
MUST_USE enum err reach_look(const struct reach_target *t, struct reach *out, struct error *e);

#endif
