/*
 * Keys of session tickets: two at most, the newest encrypts.
 *
 *     newest    encrypts for ROTATE, and decrypts
 *     previous  decrypts until no session that it encrypted is still valid, then it is wiped
 *
 * Whoever takes a key from memory can read what was sent over sessions that were resumed with it
 * (in TLS 1.2; TLS 1.3 clients do a new key exchange), hence the rotation, and hence OpenSSL's own
 * key of the context is not used: it lives as long as the process. Tickets are encrypted with
 * AES-256-CBC, then authenticated with HMAC-SHA-256 (RFC 5077 section 4, as OpenSSL lays it out).
 */
#include "tls_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "log.h"
#include "mem.h"
#include "timeutil.h"

enum { NAME_SIZE = 16, SECRET_SIZE = 32, IV_SIZE = 16 };

static const int64_t ROTATE_MS = 4 * INT64_C(3600000);

struct key {
    unsigned char name[NAME_SIZE], secret_cipher[SECRET_SIZE], secret_mac[SECRET_SIZE];
    int64_t made_ms;
    bool is_there;
};

struct tls_tickets {
    pthread_mutex_t lock;
    struct key newest, previous; /* guarded by lock */
    int64_t (*now_ms)(void);
};

static void wipe(struct key *k)
{
    OPENSSL_cleanse(k, sizeof *k);
}

static bool make_key(struct key *k, int64_t now)
{
    *k = (struct key){.made_ms = now, .is_there = true};
    if (RAND_bytes(k->name, sizeof k->name) == 1 &&
        RAND_priv_bytes(k->secret_cipher, sizeof k->secret_cipher) == 1 &&
        RAND_priv_bytes(k->secret_mac, sizeof k->secret_mac) == 1)
        return true;
    wipe(k);
    ERR_clear_error();
    return false;
}

/* Under lock. Without randomness the newest key goes on, and the next turn tries again. */
static void advance(struct tls_tickets *t)
{
    int64_t now = t->now_ms();
    struct key next;
    if (now - t->newest.made_ms >= ROTATE_MS) {
        if (make_key(&next, now)) {
            t->previous = t->newest;
            t->newest = next;
            wipe(&next);
        } else {
            log_error("no randomness for a new key of session tickets; the old one is used on",
                      NULL);
        }
    }
    int64_t last_use_ms = t->previous.made_ms + ROTATE_MS + TLS_SESSION_SECONDS * INT64_C(1000);
    if (t->previous.is_there && now >= last_use_ms)
        wipe(&t->previous);
}

enum err tls_tickets_new(struct tls_tickets **out, int64_t (*now_ms)(void), struct error *e)
{
    struct tls_tickets *t = mem_alloc(sizeof *t);
    t->now_ms = now_ms == NULL ? time_boot_ms : now_ms;
    pthread_mutex_init(&t->lock, NULL);
    if (make_key(&t->newest, t->now_ms())) {
        *out = t;
        return ERR_NONE;
    }
    tls_tickets_free(&t);
    return error_set(e, ERR_IO, "no randomness for the keys of session tickets");
}

void tls_tickets_free(struct tls_tickets **t)
{
    if (*t == NULL)
        return;
    wipe(&(*t)->newest);
    wipe(&(*t)->previous);
    pthread_mutex_destroy(&(*t)->lock);
    free(*t);
    *t = NULL;
}

void tls_tickets_turn(struct tls_tickets *t)
{
    pthread_mutex_lock(&t->lock);
    advance(t);
    pthread_mutex_unlock(&t->lock);
}

/* ------------------------------------------------------------------ OpenSSL's call-back */

static bool set_mac(EVP_MAC_CTX *mac, struct key *k)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->secret_mac, SECRET_SIZE),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* False: no key of that name is accepted any more. is_old: it still is, yet a new ticket is due. */
static bool find(struct tls_tickets *t, const unsigned char *name, struct key *out, bool *is_old)
{
    pthread_mutex_lock(&t->lock);
    advance(t);
    *is_old = memcmp(t->newest.name, name, NAME_SIZE) != 0;
    bool found =
        !*is_old || (t->previous.is_there && memcmp(t->previous.name, name, NAME_SIZE) == 0);
    *out = *is_old ? t->previous : t->newest;
    pthread_mutex_unlock(&t->lock);
    return found;
}

static void take_newest(struct tls_tickets *t, struct key *out)
{
    pthread_mutex_lock(&t->lock);
    advance(t);
    *out = t->newest;
    pthread_mutex_unlock(&t->lock);
}

/* -1 ends the handshake, 0 goes on without the ticket, 1 uses it, 2 uses it and gives a new one. */
static int on_ticket(SSL *s, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypts)
{
    struct tls_tickets *t = tls_context_tickets(SSL_get_SSL_CTX(s));
    struct key k;
    bool is_old = false;
    int result = -1;
    if (encrypts == 1) {
        take_newest(t, &k);
        memcpy(name, k.name, NAME_SIZE);
        if (RAND_bytes(iv, IV_SIZE) == 1 && set_mac(mac, &k) &&
            EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.secret_cipher, iv) == 1)
            result = 1;
    } else if (!find(t, name, &k, &is_old)) {
        result = 0;
    } else if (set_mac(mac, &k) &&
               EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.secret_cipher, iv) == 1) {
        result = is_old ? 2 : 1;
    }
    wipe(&k);
    return result;
}

bool tls_tickets_use(SSL_CTX *c)
{
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(c, on_ticket) == 1;
}
