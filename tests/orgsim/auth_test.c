/*
 * OAuth: both grants, every documented error, expiry and revocation. Hermetic: keys are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "auth.h"
#include "mem.h"
#include "service.h"
#include "test_org.h"

static struct test_org *org;
static EVP_PKEY *key, *other_key;
static char key_file[96];

static int setup(void **state)
{
    (void)state;
    struct error e;
    key = EVP_RSA_gen(2048);
    other_key = EVP_RSA_gen(2048);
    org = test_org_new();
    snprintf(key_file, sizeof key_file, "%s/jwt.pem", org->directory);
    FILE *f = fopen(key_file, "we");
    assert_non_null(f);
    assert_int_equal(PEM_write_PUBKEY(f, key), 1);
    fclose(f);
    org->options.jwt_cert = key_file;
    auth_free(&org->sim->auth);
    assert_int_equal(auth_new(&org->sim->auth, &org->options, &e), ERR_NONE);
    snprintf(org->sim->address, sizeof org->sim->address, "http://127.0.0.1:8080");
    test_login(org);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(key_file);
    test_org_free(&org);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    return 0;
}

static void put_base64url(struct buf *out, const unsigned char *bytes, size_t n)
{
    unsigned char *text = mem_alloc(4 * (n / 3 + 2));
    int len = EVP_EncodeBlock(text, bytes, (int)n);
    for (int i = 0; i < len; i++) {
        char c = (char)text[i];
        if (c != '=')
            buf_putc(out, (char)(c == '+' ? '-' : c == '/' ? '_' : c));
    }
    free(text);
}

/* header.claims.signature; buf_release by the caller */
static void make_jwt(struct buf *out, const char *header, const char *claims, EVP_PKEY *with)
{
    unsigned char signature[512];
    size_t n = sizeof signature;
    buf_init(out, 16384);
    put_base64url(out, (const unsigned char *)header, strlen(header));
    buf_putc(out, '.');
    put_base64url(out, (const unsigned char *)claims, strlen(claims));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, with), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &n, (const unsigned char *)out->data, out->len),
                     1);
    EVP_MD_CTX_free(ctx);
    buf_putc(out, '.');
    put_base64url(out, signature, n);
}

static json_t *post_form(const char *form, int status)
{
    struct sim_request r;
    struct sim_reply reply = {.status = 0};
    sim_request_parse(&r, HTTP_POST, "/services/oauth2/token");
    r.body = form;
    r.body_len = strlen(form);
    r.content_type = "application/x-www-form-urlencoded";
    service_execute(org->sim, &r, &reply);
    json_t *json = json_incref(reply.json);
    assert_int_equal(reply.status, status);
    sim_reply_release(&reply);
    sim_request_release(&r);
    return json;
}

static void want_error(const json_t *answer, const char *error, const char *description)
{
    assert_string_equal(json_string_value(json_object_get(answer, "error")), error);
    assert_string_equal(json_string_value(json_object_get(answer, "error_description")),
                        description);
}

static void an_assertion_is_judged_by_signature_and_claims(void **state)
{
    (void)state;
    static const struct {
        const char *name, *iss, *sub, *aud;
        long exp; /* from now, seconds; 0: in milliseconds */
        bool wrong_key;
        const char *error, *description; /* NULL: a token */
    } rows[] = {
        {"good", "orgsim", "integration@example.com", "https://login.salesforce.com", 180, false,
         NULL, NULL},
        {"sandbox", "orgsim", "integration@example.com", "https://test.salesforce.com", 180, false,
         NULL, NULL},
        {"own address with a slash", "orgsim", "integration@example.com", "http://127.0.0.1:8080/",
         180, false, NULL, NULL},
        {"by name", "orgsim", "integration@example.com", "http://localhost:8080", 180, false, NULL,
         NULL},
        {"milliseconds", "orgsim", "integration@example.com", "https://login.salesforce.com", 0,
         false, NULL, NULL},
        {"within the skew", "orgsim", "integration@example.com", "https://login.salesforce.com",
         -100, false, NULL, NULL},
        {"expired", "orgsim", "integration@example.com", "https://login.salesforce.com", -200,
         false, "invalid_grant", "expired authorization code"},
        {"audience", "orgsim", "integration@example.com", "https://example.com", 180, false,
         "invalid_grant", "Audience validation failed"},
        {"client", "someone", "integration@example.com", "https://login.salesforce.com", 180, false,
         "invalid_client_id", "client identifier invalid"},
        {"user", "orgsim", "admin@example.com", "https://login.salesforce.com", 180, false,
         "invalid_grant", "user hasn't approved this consumer"},
        {"signature", "orgsim", "integration@example.com", "https://login.salesforce.com", 180,
         true, "invalid_grant", "invalid assertion"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf jwt;
        int64_t now = sim_clock_ms(&org->sim->clock);
        char *claims = mem_printf("{\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"%s\",\"exp\":%lld}",
                                  rows[i].iss, rows[i].sub, rows[i].aud,
                                  (long long)(rows[i].exp == 0 ? now : now / 1000 + rows[i].exp));
        make_jwt(&jwt, "{\"alg\":\"RS256\"}", claims, rows[i].wrong_key ? other_key : key);
        char *form = mem_printf("grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Ajwt-"
                                "bearer&assertion=%s",
                                jwt.data);
        json_t *a = post_form(form, rows[i].error == NULL ? 200 : 400);
        if (rows[i].error != NULL)
            want_error(a, rows[i].error, rows[i].description);
        else
            assert_int_equal(json_object_size(a), 5);
        json_decref(a);
        free(form);
        free(claims);
        buf_release(&jwt);
    }
}

static void an_assertion_without_rs256_is_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {"{\"alg\":\"none\"}", "{\"alg\":\"HS256\"}", "[]", "x"};
    static const char claims[] = "{\"iss\":\"orgsim\",\"sub\":\"integration@example.com\","
                                 "\"aud\":\"https://login.salesforce.com\",\"exp\":99999999999}";
    for (size_t i = 0; i < 4; i++) {
        struct buf jwt;
        make_jwt(&jwt, headers[i], claims, key);
        char *form = mem_printf("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&"
                                "assertion=%s",
                                jwt.data);
        json_t *a = post_form(form, 400);
        want_error(a, "invalid_grant", "invalid assertion");
        json_decref(a);
        free(form);
        buf_release(&jwt);
    }
}

static void client_credentials_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *form, *error;
    } rows[] = {
        {"grant_type=client_credentials&client_id=orgsim&client_secret=s3cret", NULL},
        {"grant_type=client_credentials&client_id=orgsim&client_secret=s3cret2", "invalid_client"},
        {"grant_type=client_credentials&client_id=other&client_secret=s3cret", "invalid_client_id"},
        {"grant_type=client_credentials&client_id=orgsim", "invalid_request"},
        {"grant_type=password&client_id=orgsim", "unsupported_grant_type"},
        {"client_id=orgsim", "invalid_request"},
        {"", "invalid_request"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *a = post_form(rows[i].form, rows[i].error == NULL ? 200 : 400);
        const char *error = json_string_value(json_object_get(a, "error"));
        if (rows[i].error != NULL)
            assert_string_equal(error, rows[i].error);
        else
            assert_int_equal(json_object_size(a), 7);
        json_decref(a);
    }
}

static void the_token_answer_names_org_and_user(void **state)
{
    (void)state;
    memcpy(org->sim->token_org_id, "00D000000000099EAA", SFID_SIZE);
    json_t *a =
        post_form("grant_type=client_credentials&client_id=orgsim&client_secret=s3cret", 200);
    char *want = mem_printf("http://127.0.0.1:8080/id/00D000000000099EAA/%s", org->sim->user_id);
    assert_string_equal(json_string_value(json_object_get(a, "id")), want);
    assert_string_equal(json_string_value(json_object_get(a, "instance_url")),
                        "http://127.0.0.1:8080");
    json_decref(a);
    free(want);
    a = test_call(org, "GET", "/services/oauth2/userinfo", NULL, 200);
    assert_string_equal(json_string_value(json_object_get(a, "organization_id")),
                        "00D000000000099EAA");
    json_decref(a);
}

static void tokens_expire_and_are_revoked(void **state)
{
    (void)state;
    json_decref(test_call(org, "GET", "/services/data/v64.0/limits", NULL, 200));
    sim_clock_set(&org->sim->clock, sim_clock_ms(&org->sim->clock) + 7201000, false);
    json_t *a = test_call(org, "GET", "/services/data/v64.0/limits", NULL, 401);
    assert_string_equal(test_code(a), "INVALID_SESSION_ID");
    json_decref(a);
    test_login(org);
    json_decref(test_call(org, "GET", "/services/data/v64.0/limits", NULL, 200));
    assert_true(auth_revoke_all(org->sim->auth) >= 1);
    json_decref(test_call(org, "GET", "/services/data/v64.0/limits", NULL, 401));
    json_decref(test_call(org, "GET", "/services/oauth2/userinfo", NULL, 403));
}

static void every_documented_error_can_be_had_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {
        "audience",   "not_approved", "expired",       "expired_token",
        "assertion",  "wrong_domain", "no_user",       "client_id",
        "client",     "credentials",  "inactive_user", "inactive_org",
        "rate_limit", "request",      "response_type", "grant_type"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sim_reply reply = {.status = 0};
        assert_true(auth_error(names[i], &reply));
        assert_int_equal(reply.status, 400);
        sim_reply_release(&reply);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_assertion_is_judged_by_signature_and_claims),
        T(an_assertion_without_rs256_is_refused),
        T(client_credentials_are_checked),
        T(the_token_answer_names_org_and_user),
        T(tokens_expire_and_are_revoked),
        cmocka_unit_test(every_documented_error_can_be_had_by_name),
    };
#undef T
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
