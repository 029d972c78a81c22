/*
 * tls_int - what tls.c (the context) and tls_certificate.c (files) share
 */
#ifndef TP_TLS_INT_H
#define TP_TLS_INT_H

#include <openssl/ssl.h>

#include "tls.h"

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
 * what clients would stumble over. */
MUST_USE enum err tls_certificate_use(SSL_CTX *context, const char *chain_file,
                                      const char *key_file, struct tls_certificate *out,
                                      struct error *e);
/* Fills e with text, a colon, and the reason of OpenSSL's newest error, whose queue is emptied. */
enum err tls_error(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
