/*
 * Signing in. The request is signed (RS256) or carries
 * the client secret; the answer is trusted only if its host is an allowed one and its org the
 * configured one: a sandbox's or another org's login would make every touchpoint look orphaned.
 * Request and answer are wiped.
 */
#include "org_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "call_int.h"
#include "json_int.h"
#include "log.h"
#include "mem.h"
#include "timeutil.h"

enum {
    ASSERTION_LIFE_S =
        180, /* signed anew for each request; Salesforce allows no more than minutes */
    RSA_BITS_MIN = 2048,
    FORM_MAX_BYTES = 65536,
    TOKEN_MAX_BYTES = 8192, /* a header line; JWT tokens are the long ones */
};

/* ------------------------------------------------------------------ key and secret */

/* An encrypted key would make OpenSSL ask on the terminal. */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)ctx;
    return 0;
}

static enum err read_key(struct org *o, const char *file, struct error *e)
{
    struct secret pem = {0};
    enum err err = secret_read_file(&pem, file, e);
    if (err != ERR_NONE)
        return err;
    BIO *bio = BIO_new_mem_buf(pem.secret_bytes, (int)pem.len);
    if (bio != NULL)
        o->secret_key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    secret_release(&pem);
    if (o->secret_key == NULL)
        return error_set(e, ERR_CONFIG,
                         "org %s: key_file %s holds no readable private key: give an RSA key in "
                         "PEM form without a passphrase",
                         o->config->name, file);
    if (EVP_PKEY_get_base_id(o->secret_key) != EVP_PKEY_RSA ||
        EVP_PKEY_get_bits(o->secret_key) < RSA_BITS_MIN)
        return error_set(e, ERR_CONFIG,
                         "org %s: key_file %s is not an RSA key of at least %d bits, which RS256 "
                         "needs",
                         o->config->name, file, RSA_BITS_MIN);
    return ERR_NONE;
}

enum err auth_init(struct org *o, struct error *e)
{
    const struct config_org *c = o->config;
    bool is_jwt = c->auth == CONFIG_AUTH_JWT;
    const char *file = is_jwt ? c->key_file : c->secret_file;

    if (!http_origin(c->login_url, &o->login) || (!o->login.is_https && !o->login.is_loopback))
        return error_set(e, ERR_CONFIG,
                         "org %s: login_url %s is not https://HOST (http only to this machine)",
                         c->name, c->login_url);
    enum err err = is_jwt ? read_key(o, file, e) : secret_read_file(&o->client_secret, file, e);
    if (err == ERR_NONE && !secret_file_is_private(file))
        log_warn("others may read a secret file: chmod 600", "org", c->name, "file", file, NULL);
    return err;
}

void auth_release(struct org *o)
{
    EVP_PKEY_free(o->secret_key);
    o->secret_key = NULL;
    secret_release(&o->client_secret);
    token_release(&o->token);
}

/* ------------------------------------------------------------------ the request */

static void put_base64url(struct buf *b, const unsigned char *bytes, size_t n)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i < 3 ? n - i : 3;
        unsigned v = (unsigned)bytes[i] << 16;
        v |= have > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        v |= have > 2 ? (unsigned)bytes[i + 2] : 0;
        for (size_t k = 0; k <= have; k++)
            buf_putc(b, letters[(v >> (18 - 6 * k)) & 63]);
    }
}

static bool put_signature(struct buf *b, EVP_PKEY *key, const char *bytes, size_t n)
{
    unsigned char *signature = NULL;
    size_t len = 0;
    bool ok = false;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md == NULL || EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(md, NULL, &len, (const unsigned char *)bytes, n) != 1)
        goto out;
    signature = mem_alloc(len);
    if (EVP_DigestSign(md, signature, &len, (const unsigned char *)bytes, n) != 1)
        goto out;
    buf_putc(b, '.');
    put_base64url(b, signature, len);
    ok = true;
out:
    free(signature);
    EVP_MD_CTX_free(md);
    return ok;
}

/* header.claims.signature; exp is in seconds. */
static bool put_assertion(struct buf *b, const struct org *o)
{
    static const char header[] = "{\"alg\":\"RS256\"}";
    const struct config_org *c = o->config;
    json_int_t expires_at = time_wall_ms() / 1000 + ASSERTION_LIFE_S;
    json_t *claims = json_pack("{s:s,s:s,s:s,s:I}", "iss", c->client_id, "sub", c->username, "aud",
                               c->audience, "exp", expires_at);
    char *text = claims == NULL ? NULL : json_dumps(claims, JSON_COMPACT);
    json_decref(claims);
    if (text == NULL)
        return false;
    struct buf signed_part;
    buf_init(&signed_part, FORM_MAX_BYTES / 2);
    put_base64url(&signed_part, (const unsigned char *)header, sizeof header - 1);
    buf_putc(&signed_part, '.');
    put_base64url(&signed_part, (const unsigned char *)text, strlen(text));
    free(text);
    buf_puts(b, signed_part.data);
    bool ok = put_signature(b, o->secret_key, signed_part.data, signed_part.len);
    buf_wipe_release(&signed_part);
    return ok;
}

static bool put_form(struct buf *b, const struct org *o)
{
    const struct config_org *c = o->config;
    if (c->auth == CONFIG_AUTH_JWT) {
        buf_puts(b, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
        return put_assertion(b, o) && !b->overflow;
    }
    buf_puts(b, "grant_type=client_credentials&client_id=");
    buf_put_url(b, c->client_id);
    buf_puts(b, "&client_secret=");
    buf_put_url(b, o->client_secret.secret_bytes);
    return !b->overflow;
}

/* ------------------------------------------------------------------ the answer */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && strcasecmp(s + n - k, end) == 0;
}

static bool is_allowed_instance(const struct org *o, const struct origin *i)
{
    if (strcasecmp(i->text, o->login.text) == 0)
        return i->is_https || i->is_loopback;
    return i->is_https && i->has_default_port &&
           (ends_with(i->host, ".salesforce.com") || ends_with(i->host, ".force.com"));
}

/* The ids of …/id/<org>/<user>; false when the org's is not there. user: "" when it is not. */
static bool read_identity(const char *url, char org[SFID_SIZE], char user[SFID_SIZE])
{
    const char *at = url == NULL ? NULL : strstr(url, "/id/");
    user[0] = '\0';
    if (at == NULL)
        return false;
    at += strlen("/id/");
    size_t n = strcspn(at, "/");
    if (at[n] == '/' && !sfid_normalise(at + n + 1, strcspn(at + n + 1, "/?"), user))
        user[0] = '\0';
    return sfid_normalise(at, n, org);
}

static bool is_token(const char *s)
{
    size_t n = s == NULL ? 0 : strlen(s);
    for (size_t i = 0; i < n; i++) {
        if (s[i] <= ' ' || s[i] > '~')
            return false;
    }
    return n > 0 && n <= TOKEN_MAX_BYTES;
}

static enum err not_understood(const struct org *o, long status, struct error *e)
{
    return error_set(e, status >= 500 || status == 420 || status == 429 ? ERR_BUSY : ERR_NETWORK,
                     "sign-in to org %s: %s answered status %ld with something that is no token: "
                     "check login_url, and any proxy in between",
                     o->config->name, o->login.host, status);
}

static enum err read_token(const struct org *o, json_t *root, struct token *out, struct error *e)
{
    const struct config_org *c = o->config;
    const char *secret = json_text(root, "access_token");
    const char *instance = json_text(root, "instance_url");
    const char *type = json_text(root, "token_type");
    char org_id[SFID_SIZE], user_id[SFID_SIZE], wanted[SFID_SIZE];
    struct origin origin;

    if (!is_token(secret) || instance == NULL || (type != NULL && strcasecmp(type, "Bearer") != 0))
        return not_understood(o, 200, e);
    if (!http_origin(instance, &origin) || !is_allowed_instance(o, &origin))
        return error_set(e, ERR_CONFIG,
                         "sign-in to org %s: the token's instance_url is neither a host of "
                         "salesforce.com or force.com with https, nor exactly login_url: check "
                         "login_url",
                         c->name);
    if (!read_identity(json_text(root, "id"), org_id, user_id))
        return error_set(e, ERR_CONFIG,
                         "sign-in to org %s: the token response does not say which org it is of "
                         "(`id`): check login_url",
                         c->name);
    if (!sfid_normalise(c->id, strlen(c->id), wanted) || strcmp(org_id, wanted) != 0)
        return error_set(e, ERR_CONFIG,
                         "sign-in to org %s: the token is for org %s, but `id` says %s: correct "
                         "login_url, `username` or `id`; nothing is read or written until then",
                         c->name, org_id, c->id);
    secret_set(&out->secret, secret, strlen(secret));
    out->instance = origin;
    memcpy(out->user_id, user_id, SFID_SIZE);
    return ERR_NONE;
}

static enum err read_answer(const struct org *o, const struct http_reply *r, struct token *out,
                            struct error *e)
{
    enum err err;
    json_t *root = json_read(r->body.data, r->body.len);
    const char *code = json_text(root, "error");
    const char *description = json_text(root, "error_description");
    const char *secret = o->client_secret.secret_bytes;

    if (description == NULL || (secret != NULL && strstr(description, secret) != NULL))
        description = ""; /* never the secret, even if the answer repeats it */
    if (r->status == 200 && root != NULL)
        err = read_token(o, root, out, e);
    else if (r->status < 500 && r->status != 420 && r->status != 429 && code != NULL)
        err = oauth_error(o->config, code, description, e);
    else
        err = not_understood(o, r->status, e);
    json_decref(root);
    return err;
}

/* ------------------------------------------------------------------ signing in */

static enum err sign_in_failure(const struct org *o, const struct http_reply *r, struct error *e)
{
    if (r->end == HTTP_ABORTED)
        return error_set(e, ERR_STOPPED, "the program is stopping");
    return error_set(e, r->end == HTTP_TIMED_OUT ? ERR_TIMEOUT : ERR_NETWORK,
                     "sign-in to org %s: %s can't be reached or did not answer (%s): check "
                     "login_url, DNS, firewall and proxy",
                     o->config->name, o->login.host, r->detail);
}

enum err auth_sign_in(struct org_conn *c, struct token *out, struct error *e)
{
    const struct org *o = c->org;
    struct buf url, form;
    struct http_reply reply;
    int64_t started = time_boot_ms();
    enum err err;

    buf_init(&url, HTTP_URL_MAX);
    buf_init(&form, FORM_MAX_BYTES);
    buf_printf(&url, "%s/services/oauth2/token", o->login.text);
    if (!put_form(&form, o)) {
        err = error_set(e, ERR_CONFIG,
                        "sign-in to org %s: the request can't be signed: check key_file, "
                        "`client_id`, `username` and `audience`",
                        o->config->name);
    } else {
        struct http_request r = {
            .url = url.data,
            .origin = &o->login,
            .content_type = "application/x-www-form-urlencoded",
            .body = form.data,
            .body_len = form.len,
            .timeout_ms = o->request_timeout_ms,
        };
        http_exchange(c, &r, &reply);
        err = reply.end == HTTP_ANSWERED ? read_answer(o, &reply, out, e)
                                         : sign_in_failure(o, &reply, e);
        if (reply.end != HTTP_ABORTED)
            org_note_answer(c->org, reply.end == HTTP_ANSWERED);
        buf_wipe_release(&reply.body);
    }
    call_count(o, "token", err, time_boot_ms() - started);
    buf_wipe_release(&form);
    buf_release(&url);
    return err;
}
