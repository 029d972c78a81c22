/*
 * One SSL_CTX for all loops. Choices and their reasons:
 *   - TLS 1.2 suites are the ECDHE ones with AEAD; the client's order decides, since every suite
 * here is good and the client knows which one its hardware is fast at.
 *   - Sessions live in tickets only, encrypted with keys that rotate (tls_tickets.c). The server
 *     keeps no session itself: nothing to lock, nothing that grows.
 *   - One ticket a handshake (OpenSSL's default is two): a client that keeps its connection needs
 * no second.
 *   - A client that offers ALPN without http/1.1 is turned away in the handshake (RFC 7301 section
 *     3.2): it would talk a protocol that we don't speak. One that offers no ALPN is served.
 *   - Plaintext buffers of OpenSSL are cleansed, as ours are: a message may carry a session id.
 *   - A peer may end its side without close_notify. HTTP's framing tells whether a request is
 *     whole, so that is an end like any other: what was asked for is answered.
 */
#include "tls.h"
#include "tls_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <pthread.h>

#include "mem.h"

static const char CIPHERS_TLS12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char CIPHERS_TLS13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const unsigned char ALPN[] = "\x08http/1.1";
static const unsigned char SESSION_CONTEXT[] = "touchpointd";

const char *tls_reason(unsigned long code)
{
    const char *reason = ERR_reason_error_string(code);
    return reason == NULL ? "unknown TLS error" : reason;
}

enum err tls_error(struct error *e, const char *fmt, ...)
{
    char what[ERROR_TEXT_MAX / 2];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    return error_set(e, ERR_CONFIG, "%s: %s", what, tls_reason(code));
}

static int tickets_index; /* set once */

static void make_index(void)
{
    tickets_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

struct tls_tickets *tls_context_tickets(const SSL_CTX *c)
{
    return SSL_CTX_get_ex_data(c, tickets_index);
}

static enum err set_up_tickets(SSL_CTX *c, struct tls_tickets *tickets, struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_index);
    SSL_CTX_set_timeout(c, TLS_SESSION_SECONDS);
    if (tickets == NULL ||
        (SSL_CTX_set_ex_data(c, tickets_index, tickets) == 1 && tls_tickets_use(c)))
        return ERR_NONE;
    return tls_error(e, "OpenSSL takes no keys of session tickets");
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned int offered_len, void *arg)
{
    (void)ssl;
    (void)arg;
    for (unsigned int at = 0; at < offered_len; at += 1u + offered[at]) {
        if (offered[at] == ALPN[0] && at + ALPN[0] < offered_len &&
            memcmp(offered + at + 1, ALPN + 1, ALPN[0]) == 0) {
            *out = offered + at + 1;
            *out_len = ALPN[0];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum err set_up(SSL_CTX *c, struct error *e)
{
    char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro takes no const */

    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_alpn_select_cb(c, choose_protocol, NULL);
    if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(c, CIPHERS_TLS12) != 1 ||
        SSL_CTX_set_ciphersuites(c, CIPHERS_TLS13) != 1 ||
        SSL_CTX_set1_groups_list(c, groups) != 1 || SSL_CTX_set_num_tickets(c, 1) != 1 ||
        SSL_CTX_set_session_id_context(c, SESSION_CONTEXT, sizeof SESSION_CONTEXT - 1) != 1)
        return tls_error(e, "OpenSSL does not offer what TLS needs here");
    return ERR_NONE;
}

enum err tls_server_new(struct tls_server **out, const struct tls_server_options *o,
                        struct error *e)
{
    struct tls_server *t = mem_alloc(sizeof *t);
    enum err result = ERR_NONE;

    t->certificates = mem_array(o->count, sizeof *t->certificates);
    ERR_clear_error();
    t->context = SSL_CTX_new(TLS_server_method());
    if (t->context == NULL)
        result = tls_error(e, "cannot make a TLS context");
    else
        result = set_up(t->context, e);
    if (result == ERR_NONE)
        result = set_up_tickets(t->context, o->tickets, e);
    if (result == ERR_NONE)
        result = tls_client_set_up(t->context, o->clients, o->client_ca, e);
    if (result == ERR_NONE && o->count == 0)
        result = error_set(e, ERR_CONFIG, "tls.certificate names no file");
    for (size_t i = 0; i < o->count && result == ERR_NONE; i++) {
        result = tls_certificate_use(t->context, o->certificates[i], o->keys[i], o->name,
                                     &t->certificates[i], e);
        t->count += result == ERR_NONE;
    }
    if (result == ERR_NONE)
        *out = t;
    else
        tls_server_free(&t);
    return result;
}

void tls_server_free(struct tls_server **t)
{
    if (*t == NULL)
        return;
    for (size_t i = 0; i < (*t)->count; i++)
        free((*t)->certificates[i].name);
    free((*t)->certificates);
    SSL_CTX_free((*t)->context);
    free(*t);
    *t = NULL;
}

size_t tls_server_certificate_count(const struct tls_server *t)
{
    return t->count;
}

int64_t tls_server_expires_at_ms(const struct tls_server *t, size_t i, const char **name)
{
    *name = t->certificates[i].name;
    return t->certificates[i].expires_at_ms;
}

/* ------------------------------------------------------------------ one connection */

struct ssl_st *tls_session_new(struct tls_server *t)
{
    SSL *s = SSL_new(t->context);
    if (s == NULL)
        ERR_clear_error();
    return s;
}

void tls_session_keep_buffers(struct ssl_st *s)
{
    SSL_clear_mode(s, SSL_MODE_RELEASE_BUFFERS);
}

bool tls_session_write(struct ssl_st *s, const char *bytes, size_t n, size_t *sent)
{
    *sent = 0;
    ERR_clear_error();
    if (SSL_write_ex(s, bytes, n, sent) == 1)
        return true;
    int why = SSL_get_error(s, 0);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ;
}

bool tls_session_has_input(struct ssl_st *s)
{
    return SSL_has_pending(s) == 1;
}

void tls_session_close_notify(struct ssl_st *s)
{
    ERR_clear_error();
    (void)SSL_shutdown(s); /* 0: sent, theirs has not come, which nobody waits for */
    ERR_clear_error();
}
