/*
 * Certificates and keys from PEM files. Each error names the file that must be mended; what works
 * but will bother clients (a chain that is not complete, no subject alternative name, an end near
 * or past) is a warning in the log at start.
 */
#include "tls_int.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "log.h"
#include "mem.h"
#include "timeutil.h"

enum { CHAIN_MAX = 10, WARN_DAYS = 30 };
static const int64_t DAY_MS = 86400000;

/* An encrypted key must not stop the daemon at a prompt. */
static int no_passphrase(char *buf, int size, int for_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)for_writing;
    (void)arg;
    return -1;
}

enum err tls_open_pem(BIO **out, const char *file, struct error *e)
{
    errno = 0;
    *out = BIO_new_file(file, "r");
    if (*out != NULL)
        return ERR_NONE;
    ERR_clear_error();
    (void)error_errno(e, "cannot read %s", file);
    if (e != NULL)
        e->kind = ERR_CONFIG;
    return ERR_CONFIG;
}

static enum err read_key(EVP_PKEY **out, const char *file, struct error *e)
{
    BIO *bio = NULL;
    enum err result = tls_open_pem(&bio, file, e);
    if (result != ERR_NONE)
        return result;
    *out = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (*out == NULL)
        result = tls_error(e, "%s holds no usable private key (PEM, without a passphrase)", file);
    BIO_free(bio);
    return result;
}

/* The leaf, then the others of the file into chain. */
static enum err read_chain(X509 **leaf, STACK_OF(X509) * chain, const char *file, struct error *e)
{
    BIO *bio = NULL;
    enum err result = tls_open_pem(&bio, file, e);
    if (result != ERR_NONE)
        return result;
    *leaf = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (*leaf == NULL)
        result = tls_error(e, "%s holds no certificate (PEM, the server's own first)", file);
    while (result == ERR_NONE) {
        X509 *next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        if (next == NULL)
            break;
        if (sk_X509_num(chain) >= CHAIN_MAX || sk_X509_push(chain, next) == 0) {
            X509_free(next);
            result =
                error_set(e, ERR_CONFIG, "%s holds more than %d certificates", file, CHAIN_MAX + 1);
        }
    }
    unsigned long why = ERR_peek_last_error();
    if (result == ERR_NONE && why != 0 && ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
        result = tls_error(e, "%s holds a damaged certificate after its first", file);
    ERR_clear_error();
    BIO_free(bio);
    return result;
}

int64_t tls_wall_ms_of(const ASN1_TIME *t)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1)
        return 0;
    int64_t day =
        time_day_from_civil(tm.tm_year + 1900, (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday);
    return day * DAY_MS + ((tm.tm_hour * 60 + tm.tm_min) * (int64_t)60 + tm.tm_sec) * 1000;
}

static char *name_of(const X509 *leaf, const char *file)
{
    const X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return mem_strdup(file);
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    char *name = n <= 0 ? mem_strdup(file) : mem_strndup((const char *)utf8, (size_t)n);
    OPENSSL_free(utf8);
    return name;
}

static bool is_self_signed(X509 *certificate)
{
    return X509_check_issued(certificate, certificate) == X509_V_OK;
}

/* A root among the authorities that this system trusts: most likely clients have it too, and then
 * it is rightly left out of the file. An intermediate that somebody put there proves nothing. */
static bool is_below_known_root(X509 *leaf)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *search = X509_STORE_CTX_new();
    X509 *issuer = NULL;
    bool is_known = store != NULL && search != NULL && X509_STORE_set_default_paths(store) == 1 &&
                    X509_STORE_CTX_init(search, store, leaf, NULL) == 1 &&
                    X509_STORE_CTX_get1_issuer(&issuer, search, leaf) == 1 &&
                    is_self_signed(issuer);
    X509_free(issuer);
    X509_STORE_CTX_free(search);
    X509_STORE_free(store);
    ERR_clear_error();
    return is_known;
}

static X509 *issuer_in(X509 *certificate, STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *other = sk_X509_value(chain, i);
        if (other != certificate && X509_check_issued(other, certificate) == X509_V_OK)
            return other;
    }
    return NULL;
}

/* From the leaf up to a root in the file, or below one that is known. Whether an issuer that is not
 * there is an intermediate or a private root can't be told from what it issued, so for both the
 * caller warns. */
static bool is_complete(X509 *leaf, STACK_OF(X509) * chain)
{
    X509 *at = leaf;
    for (int steps = 0; steps <= CHAIN_MAX && at != NULL; steps++) {
        if (is_self_signed(at) || is_below_known_root(at))
            return true;
        at = issuer_in(at, chain);
    }
    return false;
}

/* As TLS 1.2 demands, and Salesforce: each is followed by its issuer. */
static bool is_in_order(X509 *leaf, STACK_OF(X509) * chain)
{
    X509 *before = leaf;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *next = sk_X509_value(chain, i);
        if (X509_check_issued(next, before) != X509_V_OK)
            return false;
        before = next;
    }
    return true;
}

static void warn_of_chain(X509 *leaf, STACK_OF(X509) * chain, const char *file)
{
    if (!is_complete(leaf, chain))
        log_warn("the chain is not complete: the issuer of its last certificate is neither in the "
                 "file nor a root that this system trusts: unless it is your own root, add the "
                 "intermediate certificates, or clients will refuse it",
                 "file", file, NULL);
    else if (!is_in_order(leaf, chain))
        log_warn("the chain is not in order: each certificate must be followed by its issuer, or "
                 "some clients will refuse it",
                 "file", file, NULL);
    ERR_clear_error();
}

static bool names_a_host(X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        int type = sk_GENERAL_NAME_value(names, i)->type;
        found = type == GEN_DNS || type == GEN_IPADD;
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* As clients compare: the subject's common name does not count. */
static void warn_of_name(X509 *leaf, const char *file, const char *host)
{
    if (!names_a_host(leaf))
        log_warn("the certificate has no subject alternative name of a host: clients ignore the "
                 "common name",
                 "file", file, NULL);
    else if (host != NULL && host[0] != '\0' && X509_check_ip_asc(leaf, host, 0) != 1 &&
             X509_check_host(leaf, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) != 1)
        log_warn("the certificate is not for the host of tls.name: Salesforce will refuse it",
                 "file", file, "name", host, NULL);
    ERR_clear_error();
}

static void warn(X509 *leaf, STACK_OF(X509) * chain, const char *file, const char *host,
                 int64_t expires_at_ms)
{
    int64_t left_ms = expires_at_ms - time_wall_ms();
    warn_of_chain(leaf, chain, file);
    warn_of_name(leaf, file, host);
    if (left_ms <= 0)
        log_warn("the certificate has expired", "file", file, NULL);
    else if (left_ms < WARN_DAYS * DAY_MS)
        log_warn("the certificate expires soon", "file", file, "days", log_num(left_ms / DAY_MS),
                 NULL);
}

/* Each context has one place for each kind of key; a second of a kind would silently replace the
 * first. */
static bool has_kind(SSL_CTX *context, const EVP_PKEY *key)
{
    bool found = false;
    for (long more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST); more == 1 && !found;
         more = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT)) {
        const EVP_PKEY *other = SSL_CTX_get0_privatekey(context);
        found = other != NULL && EVP_PKEY_get_base_id(other) == EVP_PKEY_get_base_id(key);
    }
    return found;
}

static enum err put(SSL_CTX *context, X509 *leaf, EVP_PKEY *key, STACK_OF(X509) * chain,
                    const char *chain_file, const char *key_file, struct error *e)
{
    if (X509_check_private_key(leaf, key) != 1) {
        ERR_clear_error();
        return error_set(e, ERR_CONFIG,
                         "the key in %s does not belong to the certificate in %s: pair the files "
                         "of tls.certificate and tls.key in the same order",
                         key_file, chain_file);
    }
    if (has_kind(context, key))
        return error_set(e, ERR_CONFIG,
                         "%s has the same kind of key as a certificate before it: one RSA and one "
                         "ECDSA certificate can be served side by side",
                         chain_file);
    if (SSL_CTX_use_cert_and_key(context, leaf, key, chain, 0) != 1)
        return tls_error(e, "OpenSSL does not take the certificate in %s", chain_file);
    return ERR_NONE;
}

enum err tls_certificate_use(SSL_CTX *context, const char *chain_file, const char *key_file,
                             const char *host, struct tls_certificate *out, struct error *e)
{
    X509 *leaf = NULL;
    EVP_PKEY *key = NULL;
    STACK_OF(X509) *chain = sk_X509_new_null();
    enum err result;

    result = read_chain(&leaf, chain, chain_file, e);
    if (result == ERR_NONE)
        result = read_key(&key, key_file, e);
    if (result == ERR_NONE)
        result = put(context, leaf, key, chain, chain_file, key_file, e);
    if (result == ERR_NONE) {
        out->expires_at_ms = tls_wall_ms_of(X509_get0_notAfter(leaf));
        out->name = name_of(leaf, chain_file);
        warn(leaf, chain, chain_file, host, out->expires_at_ms);
    }
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    X509_free(leaf);
    return result;
}
