/*
 * tls - the server's TLS context: certificates, protocol versions, tickets
 *
 * TLS 1.2 and 1.3 only, ECDHE with AEAD, session tickets, RSA and ECDSA certificates side by side,
 * ALPN http/1.1, a session id context, SSL_MODE_RELEASE_BUFFERS. Clients are asked for certificates
 * as client_auth.h says.
 *
 * Ownership: tls_server_new gives; the listener borrows. What a session needs of it lives until the
 *            session's end, so tls_server_free may come before.
 * Threads:   shared by all loops after tls_server_new.
 * Errors:    ERR_CONFIG names the file and what is wrong with it (missing, unreadable, key does not
 *            match). What only clients would stumble over is logged as a warning.
 */
#ifndef TP_TLS_H
#define TP_TLS_H

#include <stdint.h>

#include "client_auth.h"
#include "error.h"

struct tls_server;
struct tls_tickets;

struct tls_server_options {
    const char *const *certificates; /* PEM, leaf first */
    const char *const *keys;         /* one for each certificate */
    size_t count;
    struct client_auth *clients; /* shared while connections live; NULL: none are asked */
    struct tls_tickets *tickets; /* borrowed for as long as connections live; NULL: OpenSSL's own */
    const char *name; /* the host that clients call, to be found in each certificate; NULL, "" */
    const char *client_ca; /* PEM bundle that client certificates may come from; NULL, "" */
};

MUST_USE enum err tls_server_new(struct tls_server **out, const struct tls_server_options *o,
                                 struct error *e);
void tls_server_free(struct tls_server **t);
size_t tls_server_certificate_count(const struct tls_server *t);
/* Wall ms at which the i-th certificate expires, and its subject's common name (its file's name if
 * it has none). */
int64_t tls_server_expires_at_ms(const struct tls_server *t, size_t i, const char **name);

/* The keys of session tickets, for all contexts of the process, so that a reload lets sessions be
 * resumed. A new key every 4 hours; a ticket is accepted for the 2 hours that its session lasts,
 * and keys are wiped once none of theirs is. now_ms: a clock that does not go back; NULL is the
 * boot time. ERR_IO: no randomness. */
MUST_USE enum err tls_tickets_new(struct tls_tickets **out, int64_t (*now_ms)(void),
                                  struct error *e);
void tls_tickets_free(struct tls_tickets **t); /* after the last connection */
void tls_tickets_turn(struct tls_tickets *t);  /* any thread; to be called each minute or so */

/* One connection's side of the handshake, for the listener, which knows nothing of OpenSSL. Gives;
 * NULL when memory or randomness is out. */
struct ssl_st *tls_session_new(struct tls_server *t);
/* Ends the handshake when the client says that its greeting is longer than 16 KiB, before room is
 * made for it. To be called once the session has its socket; false when OpenSSL has no memory. */
MUST_USE bool tls_session_bound_hello(struct ssl_st *s);
/* The session's two buffers of 17 KB stay from record to record instead of coming and going. */
void tls_session_keep_buffers(struct ssl_st *s);
/* Writes n ≤ 16384 bytes as one record. *sent is n, or 0 when the socket is full: then the same
 * bytes must be written next. False when the connection is broken. */
MUST_USE bool tls_session_write(struct ssl_st *s, const char *bytes, size_t n, size_t *sent);
/* True if OpenSSL holds bytes of the peer that were not read from it: whole records, or a part. */
bool tls_session_has_input(struct ssl_st *s);
/* Sends close_notify, without which no client resumes the session; the socket must take it now,
 * what does not fit is lost. */
void tls_session_close_notify(struct ssl_st *s);
/* After the handshake: the client's certificate, all zero if none came. */
void tls_session_client(struct ssl_st *s, struct client_certificate *out);
/* After a handshake that failed with code: whether it was for the client's certificate, why, and
 * which one (as above). */
bool tls_session_client_refused(struct ssl_st *s, unsigned long code, enum refusal *why,
                                struct client_certificate *out);
/* What OpenSSL's error code means; static. */
const char *tls_reason(unsigned long code);

#endif
