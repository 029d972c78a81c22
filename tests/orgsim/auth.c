/*
 * The documented error bodies are a table with short names, so that a fault can ask for each of
 * them. A far-future `exp` (some clients send milliseconds) is simply in the future.
 */
#include "auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jwt.h"
#include "mem.h"
#include "options.h"
#include "secret.h"
#include "stats.h"

enum { TOKENS_MAX = 1000, TOKEN_RANDOM = 32, TOKEN_SIZE = 15 + 1 + 2 * TOKEN_RANDOM + 1 };
enum { EXP_SKEW_S = 180 };

struct token {
    char text[TOKEN_SIZE];
    int64_t expires_at_ms; /* org's clock */
    uint64_t number;       /* as given, from 1 */
};

struct auth {
    struct jwt_key *jwt;
    struct secret client_secret;
    struct token tokens[TOKENS_MAX];
    size_t count;
    uint64_t given;
};

static const struct {
    const char *name, *error, *description;
} ERRORS[] = {
    {"audience", "invalid_grant", "Audience validation failed"},
    {"not_approved", "invalid_grant", "user hasn't approved this consumer"},
    {"expired", "invalid_grant", "expired authorization code"},
    {"expired_token", "invalid_grant", "expired access/refresh token"},
    {"assertion", "invalid_grant", "invalid assertion"},
    {"wrong_domain", "invalid_grant", "request not supported on this domain"},
    {"no_user", "invalid_grant", "no client credentials user enabled"},
    {"client_id", "invalid_client_id", "client identifier invalid"},
    {"client", "invalid_client", "invalid client credentials"},
    {"credentials", "invalid_client_credentials", "client secret invalid"},
    {"inactive_user", "inactive_user", "user is inactive"},
    {"inactive_org", "inactive_org", "organization is inactive"},
    {"rate_limit", "rate_limit_exceeded", "login rate exceeded"},
    {"request", "invalid_request", "missing required parameters"},
    {"response_type", "unsupported_response_type", "response type not supported"},
    {"grant_type", "unsupported_grant_type", "grant type not supported"},
};

bool auth_error(const char *name, struct sim_reply *reply)
{
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        if (strcmp(ERRORS[i].name, name) != 0)
            continue;
        sim_reply_json(reply, 400,
                       json_pack("{s:s, s:s}", "error", ERRORS[i].error, "error_description",
                                 ERRORS[i].description));
        sim_reply_header(reply, "Cache-Control", "no-store");
        return true;
    }
    return false;
}

enum err auth_new(struct auth **out, const struct sim_options *options, struct error *e)
{
    struct auth *a = mem_alloc(sizeof *a);
    if ((options->jwt_cert != NULL && jwt_key_read(&a->jwt, options->jwt_cert, e) != ERR_NONE) ||
        (options->client_secret_file != NULL &&
         secret_read_file(&a->client_secret, options->client_secret_file, e) != ERR_NONE)) {
        auth_free(&a);
        return e->kind;
    }
    *out = a;
    return ERR_NONE;
}

void auth_free(struct auth **a)
{
    if (*a == NULL)
        return;
    jwt_key_free(&(*a)->jwt);
    secret_release(&(*a)->client_secret);
    free(*a);
    *a = NULL;
}

/* ------------------------------------------------------------------ tokens */

static const struct token *token_give(struct sim *sim)
{
    struct auth *a = sim->auth;
    unsigned char random[TOKEN_RANDOM];
    if (RAND_bytes(random, sizeof random) != 1)
        abort();
    if (a->count == TOKENS_MAX) /* the oldest goes */
        memmove(a->tokens, a->tokens + 1, sizeof a->tokens[0] * (size_t)--a->count);
    struct token *t = &a->tokens[a->count++];
    int at = snprintf(t->text, sizeof t->text, "%.15s!", sim->org_id);
    for (size_t i = 0; i < sizeof random; i++, at += 2)
        snprintf(t->text + at, sizeof t->text - (size_t)at, "%02x", random[i]);
    t->expires_at_ms = sim_clock_ms(&sim->clock) + sim->options->token_ttl_s * 1000;
    t->number = ++a->given;
    return t;
}

static struct token *token_of(struct auth *a, const struct sim_request *r)
{
    const char *header = r->authorization;
    if (header == NULL ||
        (strncasecmp(header, "Bearer ", 7) != 0 && strncasecmp(header, "OAuth ", 6) != 0))
        return NULL;
    const char *text = strchr(header, ' ') + 1;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->tokens[i].text, text) == 0)
            return &a->tokens[i];
    }
    return NULL;
}

bool auth_check(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct token *t = token_of(sim->auth, r);
    if (t != NULL && t->expires_at_ms > sim_clock_ms(&sim->clock)) {
        sim->session = t->number;
        return true;
    }
    sim->stats->refused++;
    sim_reply_error(reply, 401, "INVALID_SESSION_ID", "Session expired or invalid");
    return false;
}

size_t auth_revoke_all(struct auth *a)
{
    size_t count = a->count;
    a->count = 0;
    return count;
}

void auth_revoke(struct auth *a, const struct sim_request *r)
{
    struct token *t = token_of(a, r);
    if (t != NULL)
        *t = a->tokens[--a->count];
}

/* ------------------------------------------------------------------ the answers */

static json_t *signature_json(const struct sim *sim, const char *id, const char *issued_at)
{
    unsigned char mac[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned n = 0;
    const struct secret *s = &sim->auth->client_secret;
    const char *key = s->secret_bytes == NULL ? sim->options->client_id : s->secret_bytes;
    char *data = mem_printf("%s%s", id, issued_at);
    HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)data, strlen(data), mac, &n);
    free(data);
    EVP_EncodeBlock(text, mac, (int)n);
    return json_string((const char *)text);
}

static void give(struct sim *sim, bool credentials, struct sim_reply *reply)
{
    const struct token *t = token_give(sim);
    char issued_at[32];
    snprintf(issued_at, sizeof issued_at, "%lld", (long long)sim_clock_ms(&sim->clock));
    char *id = mem_printf("%s/id/%s/%s", sim->address, sim->token_org_id, sim->user_id);
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "access_token", t->text, "scope", "api",
                             "instance_url", sim->address, "id", id, "token_type", "Bearer");
    if (credentials) { /* the answer to a JWT has only those five */
        json_object_set_new(json, "signature", signature_json(sim, id, issued_at));
        json_object_set_new(json, "issued_at", json_string(issued_at));
    }
    free(id);
    sim->stats->tokens++;
    sim_reply_json(reply, 200, json);
    sim_reply_header(reply, "Cache-Control", "no-store");
}

static bool is_text(const json_t *claims, const char *name, const char *want)
{
    const char *s = json_string_value(json_object_get(claims, name));
    return s != NULL && strcmp(s, want) == 0;
}

static bool audience_is_ours(const struct sim *sim, const json_t *claims)
{
    const char *const ours[] = {"https://login.salesforce.com", "https://test.salesforce.com",
                                sim->address};
    const char *aud = json_string_value(json_object_get(claims, "aud"));
    size_t n = aud == NULL ? 0 : strlen(aud);
    if (n > 0 && aud[n - 1] == '/')
        n--;
    const char *localhost = strrchr(sim->address, ':');
    if (aud != NULL && localhost != NULL && n == 16 + strlen(localhost) &&
        strncmp(aud, "http://localhost", 16) == 0 && strncmp(aud + 16, localhost, n - 16) == 0)
        return true;
    for (size_t i = 0; i < 3 && n > 0; i++) {
        if (strlen(ours[i]) == n && strncmp(ours[i], aud, n) == 0)
            return true;
    }
    return false;
}

/* The name of the error, or NULL if the claims are right. */
static const char *judge_claims(const struct sim *sim, const json_t *claims)
{
    const json_t *exp = json_object_get(claims, "exp");
    if (claims == NULL)
        return "assertion";
    if (!is_text(claims, "iss", sim->options->client_id))
        return "client_id";
    if (!audience_is_ours(sim, claims))
        return "audience";
    if (!json_is_number(exp) ||
        json_number_value(exp) + EXP_SKEW_S <= (double)sim_clock_ms(&sim->clock) / 1000.0)
        return "expired";
    const char *subject = json_object_get(claims, "prn") != NULL ? "prn" : "sub";
    return is_text(claims, subject, sim->options->username) ? NULL : "not_approved";
}

static void grant_jwt(struct sim *sim, const struct sim_request *form, struct sim_reply *reply)
{
    const char *assertion = sim_request_param(form, "assertion");
    const char *wrong = assertion == NULL        ? "request"
                        : sim->auth->jwt == NULL ? "not_approved"
                                                 : NULL;
    if (wrong == NULL) {
        json_t *claims = jwt_verify(sim->auth->jwt, assertion);
        wrong = judge_claims(sim, claims);
        json_decref(claims);
    }
    if (wrong == NULL)
        give(sim, false, reply);
    else
        auth_error(wrong, reply);
}

static void grant_credentials(struct sim *sim, const struct sim_request *form,
                              struct sim_reply *reply)
{
    const char *id = sim_request_param(form, "client_id");
    const char *client_secret = sim_request_param(form, "client_secret");
    const struct secret *want = &sim->auth->client_secret;
    if (id == NULL || client_secret == NULL)
        auth_error("request", reply);
    else if (strcmp(id, sim->options->client_id) != 0)
        auth_error("client_id", reply);
    else if (want->secret_bytes == NULL)
        auth_error("no_user", reply);
    else if (!secret_equal(want, client_secret, strlen(client_secret)))
        auth_error("client", reply);
    else
        give(sim, true, reply);
}

void auth_token(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct sim_request form;
    char *target = mem_printf("?%.*s", (int)r->body_len, r->body);
    bool readable = sim_request_parse(&form, HTTP_POST, target);
    const char *grant = readable ? sim_request_param(&form, "grant_type") : NULL;
    if (grant == NULL)
        auth_error("request", reply);
    else if (strcmp(grant, "urn:ietf:params:oauth:grant-type:jwt-bearer") == 0)
        grant_jwt(sim, &form, reply);
    else if (strcmp(grant, "client_credentials") == 0)
        grant_credentials(sim, &form, reply);
    else
        auth_error("grant_type", reply);
    sim->stats->refused += reply->status != 200;
    sim_request_release(&form);
    OPENSSL_cleanse(target, strlen(target));
    free(target);
}

/* True if the token lives; else the reply is that of both resources below. */
static bool may_ask_who(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    bool ok = auth_check(sim, r, reply);
    if (ok)
        sim->stats->userinfos++;
    else
        sim_reply_text(reply, 403, "text/plain;charset=UTF-8", "Bad_OAuth_Token");
    return ok;
}

void auth_userinfo(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    if (!may_ask_who(sim, r, reply))
        return;
    char *sub = mem_printf("%s/id/%s/%s", sim->address, sim->token_org_id, sim->user_id);
    sim_reply_json(reply, 200,
                   json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "sub", sub, "user_id", sim->user_id,
                             "organization_id", sim->token_org_id, "preferred_username",
                             sim->options->username, "name", "Integration User", "active", 1));
    free(sub);
}

void auth_identity(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    if (!may_ask_who(sim, r, reply))
        return;
    char *id = mem_printf("%s/id/%s/%s", sim->address, sim->token_org_id, sim->user_id);
    char *rest = mem_printf("%s/services/data/v{version}/", sim->address);
    sim_reply_json(reply, 200,
                   json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:b, s:{s:s}}", "id", id,
                             "asserted_user", 1, "user_id", sim->user_id, "organization_id",
                             sim->token_org_id, "username", sim->options->username, "display_name",
                             "Integration User", "active", 1, "urls", "rest", rest));
    free(rest);
    free(id);
}
