/* Three base64url parts; the signature is over the first two with their dot. */
#include "jwt.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct jwt_key {
    EVP_PKEY *public_key;
};

enum err jwt_key_read(struct jwt_key **out, const char *path, struct error *e)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return error_errno(e, "cannot open %s", path);
    EVP_PKEY *key = NULL;
    X509 *certificate = PEM_read_X509(f, NULL, NULL, NULL);
    if (certificate != NULL) {
        key = X509_get_pubkey(certificate);
        X509_free(certificate);
    } else {
        rewind(f);
        key = PEM_read_PUBKEY(f, NULL, NULL, NULL);
    }
    fclose(f);
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        return error_set(e, ERR_CONFIG, "%s holds no RSA certificate or public key in PEM form",
                         path);
    }
    *out = mem_alloc(sizeof **out);
    (*out)->public_key = key;
    return ERR_NONE;
}

void jwt_key_free(struct jwt_key **k)
{
    if (*k == NULL)
        return;
    EVP_PKEY_free((*k)->public_key);
    free(*k);
    *k = NULL;
}

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* base64url without padding; NULL if it is none. */
static unsigned char *decode(const char *s, size_t n, size_t *out_len)
{
    unsigned char *out = mem_alloc(n + 1);
    unsigned bits = 0, count = 0;
    *out_len = 0;
    for (size_t i = 0; i < n; i++) {
        int d = digit(s[i]);
        if (d < 0) {
            free(out);
            return NULL;
        }
        bits = (bits << 6 | (unsigned)d) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[(*out_len)++] = (unsigned char)(bits >> count);
        }
    }
    return out;
}

static json_t *decode_json(const char *s, size_t n)
{
    size_t len;
    unsigned char *bytes = decode(s, n, &len);
    json_t *json = bytes == NULL ? NULL : json_loadb((const char *)bytes, len, 0, NULL);
    free(bytes);
    return json;
}

static bool signature_is_right(const struct jwt_key *k, const char *signed_part, size_t n,
                               const char *signature)
{
    size_t len;
    unsigned char *bytes = decode(signature, strlen(signature), &len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = bytes != NULL && ctx != NULL &&
              EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k->public_key) == 1 &&
              EVP_DigestVerify(ctx, bytes, len, (const unsigned char *)signed_part, n) == 1;
    EVP_MD_CTX_free(ctx);
    free(bytes);
    return ok;
}

json_t *jwt_verify(const struct jwt_key *k, const char *token)
{
    const char *dot = strchr(token, '.');
    const char *second = dot == NULL ? NULL : strchr(dot + 1, '.');
    if (second == NULL)
        return NULL;
    json_t *header = decode_json(token, (size_t)(dot - token));
    const char *algorithm = json_string_value(json_object_get(header, "alg"));
    json_t *claims = NULL;
    if (algorithm != NULL && strcmp(algorithm, "RS256") == 0 &&
        signature_is_right(k, token, (size_t)(second - token), second + 1))
        claims = decode_json(dot + 1, (size_t)(second - dot - 1));
    json_decref(header);
    return claims;
}
