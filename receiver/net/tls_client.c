/*
 * The client's certificate in the handshake. OpenSSL's own verdict would ask for a chain to an
 * authority, so the whole judgement is ours: describe the certificate, let OpenSSL verify the chain
 * if there is an authority, and ask client_auth.
 *
 * No names of authorities are sent along: clients that choose their certificate by them (Java's
 * key managers, as Salesforce's) would not send a self-signed one, pinned or not.
 *
 * What must live as long as any connection of the context hangs on it as OpenSSL's extra data, so a
 * context may be given up while its connections go on. What was seen of the client hangs on the
 * connection in the same way.
 */
#include "tls_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "mem.h"

enum { CHAIN_BYTES_MAX = 32768 };

/* On a context. */
struct clients {
    struct client_auth *auth; /* a share */
    unsigned char ca_sha256[PIN_SIZE];
};

/* On a connection, once a certificate came in a full handshake. */
struct seen {
    struct client_certificate certificate;
    bool is_refused;
    enum refusal why;
};

static int clients_index, seen_index; /* set once */

static void free_clients(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                         void *argp)
{
    struct clients *c = data;
    (void)parent;
    (void)all;
    (void)index;
    (void)argl;
    (void)argp;
    if (c == NULL)
        return;
    client_auth_free(&c->auth);
    free(c);
}

static void free_seen(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                      void *argp)
{
    (void)parent;
    (void)all;
    (void)index;
    (void)argl;
    (void)argp;
    free(data);
}

static void make_indexes(void)
{
    clients_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_clients);
    seen_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_seen);
}

/* ------------------------------------------------------------------ one certificate */

static bool describe(X509 *x, struct client_certificate *out)
{
    *out = (struct client_certificate){.is_present = true,
                                       .valid_from_ms = tls_wall_ms_of(X509_get0_notBefore(x)),
                                       .valid_until_ms = tls_wall_ms_of(X509_get0_notAfter(x))};
    unsigned char *key = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &key);
    bool is_known = n > 0 && X509_digest(x, EVP_sha256(), out->sha256, NULL) == 1 &&
                    EVP_Digest(key, (size_t)n, out->key_sha256, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(key);
    return is_known;
}

static struct seen *seen_of(SSL *s)
{
    struct seen *seen = SSL_get_ex_data(s, seen_index);
    if (seen == NULL) {
        seen = mem_alloc(sizeof *seen);
        if (SSL_set_ex_data(s, seen_index, seen) != 1) {
            free(seen);
            return NULL;
        }
    }
    return seen;
}

/* OpenSSL's call-back instead of its own verification; 1 goes on. */
static int judge(X509_STORE_CTX *chain, void *arg)
{
    SSL *s = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct clients *clients = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(s), clients_index);
    const X509_STORE *ca = arg;
    struct seen *seen = seen_of(s);
    X509 *leaf = X509_STORE_CTX_get0_cert(chain);

    if (seen == NULL || leaf == NULL || !describe(leaf, &seen->certificate)) {
        X509_STORE_CTX_set_error(chain, X509_V_ERR_UNSPECIFIED);
        return 0;
    }
    if (ca != NULL) {
        seen->certificate.is_from_ca = X509_verify_cert(chain) == 1;
        memcpy(seen->certificate.ca_sha256, clients->ca_sha256, PIN_SIZE);
        if (!seen->certificate.is_from_ca)
            seen->certificate.problem =
                X509_verify_cert_error_string(X509_STORE_CTX_get_error(chain));
        ERR_clear_error();
    }
    seen->is_refused = !client_auth_allows(clients->auth, &seen->certificate, NULL, &seen->why);
    bool goes_on = !seen->is_refused || !client_auth_enforces(clients->auth);
    /* the alert tells nothing but that the certificate is not liked */
    X509_STORE_CTX_set_error(chain, goes_on ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
    return goes_on;
}

/* OpenSSL's call-back once a ticket is decrypted: whether its session may be resumed. */
static SSL_TICKET_RETURN judge_ticket(SSL *s, SSL_SESSION *session, const unsigned char *name,
                                      size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
    const struct clients *clients = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(s), clients_index);
    struct client_certificate c = {0};
    (void)name;
    (void)name_len;
    (void)arg;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    X509 *leaf = SSL_SESSION_get0_peer(session);
    if ((leaf != NULL && !describe(leaf, &c)) || !client_auth_resumes(clients->auth, &c))
        return SSL_TICKET_RETURN_IGNORE_RENEW; /* a full handshake, and a new ticket */
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ------------------------------------------------------------------ the context */

/* Of all certificates in the bundle, in its order. */
static bool hash_authorities(X509_STORE *store, unsigned char out[PIN_SIZE])
{
    STACK_OF(X509_OBJECT) *list = X509_STORE_get0_objects(store);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool ok = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;
    for (int i = 0; i < sk_X509_OBJECT_num(list) && ok; i++) {
        unsigned char one[PIN_SIZE];
        X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(list, i)); /* NULL: a CRL */
        ok = x == NULL || (X509_digest(x, EVP_sha256(), one, NULL) == 1 &&
                           EVP_DigestUpdate(hash, one, sizeof one) == 1);
    }
    ok = ok && EVP_DigestFinal_ex(hash, out, NULL) == 1;
    EVP_MD_CTX_free(hash);
    return ok;
}

/* Everything in the bundle is trusted as it stands, an intermediate certificate too. */
static enum err load_authorities(SSL_CTX *c, const char *file, X509_STORE **out,
                                 unsigned char sha256[PIN_SIZE], struct error *e)
{
    BIO *bio = NULL;
    enum err result = tls_open_pem(&bio, file, e);
    if (result != ERR_NONE)
        return result;
    BIO_free(bio); /* X509_STORE_load_file tells less of what is wrong */
    X509_STORE *store = X509_STORE_new();
    if (store == NULL || X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
        result = tls_error(e, "cannot make a list of authorities");
    else if (X509_STORE_load_file(store, file) != 1)
        result = tls_error(e, "%s (tls.client_ca) holds no certificates (PEM)", file);
    else if (!hash_authorities(store, sha256) || SSL_CTX_set1_verify_cert_store(c, store) != 1)
        result = tls_error(e, "OpenSSL does not take the authorities in %s", file);
    ERR_clear_error();
    *out = store;
    X509_STORE_free(store); /* the context holds it */
    return result;
}

enum err tls_client_set_up(SSL_CTX *c, struct client_auth *auth, const char *ca_file,
                           struct error *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    X509_STORE *ca = NULL;
    (void)pthread_once(&once, make_indexes);
    SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
    if (!client_auth_asks(auth))
        return ERR_NONE;
    struct clients *clients = mem_alloc(sizeof *clients);
    clients->auth = client_auth_share(auth);
    if (SSL_CTX_set_ex_data(c, clients_index, clients) != 1) {
        client_auth_free(&clients->auth);
        free(clients);
        return tls_error(e, "OpenSSL takes no data of ours");
    }
    if (ca_file != NULL && ca_file[0] != '\0') {
        enum err err = load_authorities(c, ca_file, &ca, clients->ca_sha256, e);
        if (err != ERR_NONE)
            return err;
        client_auth_set_ca(auth, clients->ca_sha256);
    }
    SSL_CTX_set_verify(
        c, SSL_VERIFY_PEER | (client_auth_enforces(auth) ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    SSL_CTX_set_max_cert_list(c, CHAIN_BYTES_MAX);
    SSL_CTX_set_cert_verify_callback(c, judge, ca);
    if (SSL_CTX_set_session_ticket_cb(c, NULL, judge_ticket, NULL) != 1)
        return tls_error(e, "OpenSSL lets no tickets be judged");
    return ERR_NONE;
}

/* ------------------------------------------------------------------ one connection */

void tls_session_client(struct ssl_st *s, struct client_certificate *out)
{
    const struct seen *seen = SSL_get_ex_data(s, seen_index);
    X509 *leaf = SSL_get0_peer_certificate(s);
    *out = (struct client_certificate){0};
    if (seen != NULL)
        *out = seen->certificate;
    else if (leaf != NULL && !describe(leaf, out))              /* resumed */
        *out = (struct client_certificate){.is_present = true}; /* which nobody has pinned */
}

bool tls_session_client_refused(struct ssl_st *s, unsigned long code, enum refusal *why,
                                struct client_certificate *out)
{
    const struct seen *seen = SSL_get_ex_data(s, seen_index);
    tls_session_client(s, out);
    if (seen != NULL && seen->is_refused) {
        *why = seen->why;
        return true;
    }
    *why = REFUSED_CERTIFICATE_MISSING;
    return ERR_GET_LIB(code) == ERR_LIB_SSL &&
           ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
}
