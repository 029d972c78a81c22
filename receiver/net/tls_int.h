/*
 * tls_int - what tls.c (the context), tls_certificate.c (files), tls_client.c (clients'
 * certificates), tls_hello.c (how large greetings may be) and tls_tickets.c share
 */
#ifndef TP_TLS_INT_H
#define TP_TLS_INT_H

#include <openssl/ssl.h>

#include "tls.h"

enum { TLS_SESSION_SECONDS = 7200 }; /* how long a session can be resumed */

struct tls_certificate {
    char *name;
    int64_t expires_at_ms;
};

struct tls_server {
    SSL_CTX *context;
    struct tls_certificate *certificates;
    size_t count;
};

/* Loads a chain and its key into the context, checks that they belong together, and warns about
 * what clients would stumble over; host NULL or "": whatever name they call. */
MUST_USE enum err tls_certificate_use(SSL_CTX *context, const char *chain_file,
                                      const char *key_file, const char *host,
                                      struct tls_certificate *out, struct error *e);
/* ERR_CONFIG naming the file and the system's reason. */
MUST_USE enum err tls_open_pem(BIO **out, const char *file, struct error *e);
/* Asks clients for certificates as auth (NULL: off) says. ca_file "" or NULL: pins only. */
MUST_USE enum err tls_client_set_up(SSL_CTX *c, struct client_auth *auth, const char *ca_file,
                                    struct error *e);
int64_t tls_wall_ms_of(const ASN1_TIME *t); /* 0 for nonsense */
/* Fills e with text, a colon, and the reason of OpenSSL's newest error, whose queue is emptied. */
enum err tls_error(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Tickets of the context's sessions are encrypted with the keys that tls_context_tickets gives. */
bool tls_tickets_use(SSL_CTX *c);
struct tls_tickets *tls_context_tickets(const SSL_CTX *c); /* tls.c */

#endif
