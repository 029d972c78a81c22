/*
 * Signing in: what is sent, what is believed, what the admin is told, and that many threads cause
 * one sign-in.
 */
#include "org_fixture.h"

#include <pthread.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "timeutil.h"

#define LIMITS "{\"DailyApiRequests\":{\"Max\":100,\"Remaining\":90}}"
#define EXPIRED                                                                                    \
    "[{\"message\":\"Session expired or invalid\",\"errorCode\":\"INVALID_SESSION_ID\"}]"

static EVP_PKEY *key; /* made once: it takes a while */

static void write_key(const char *path, EVP_PKEY *k, const char *passphrase)
{
    BIO *bio = BIO_new_file(path, "w");
    assert_non_null(bio);
    assert_int_equal(PEM_write_bio_PrivateKey(bio, k, passphrase == NULL ? NULL : EVP_aes_256_cbc(),
                                              NULL, 0, NULL, (void *)(uintptr_t)passphrase),
                     1);
    BIO_free(bio);
}

static void use_jwt(struct fixture *x)
{
    x->config.auth = CONFIG_AUTH_JWT;
    x->config.username = "sync@example.com";
    x->config.key_file = x->secret_file;
    write_key(x->secret_file, key, NULL);
}

/* ------------------------------------------------------------------ the request */

static size_t from_base64url(const char *s, size_t n, unsigned char *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len = 0;
    unsigned bits = 0, have = 0;
    for (size_t i = 0; i < n; i++) {
        const char *at = memchr(letters, s[i], sizeof letters - 1);
        assert_non_null(at);
        bits = bits << 6 | (unsigned)(at - letters);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[len++] = (unsigned char)(bits >> have);
        }
    }
    out[len] = '\0';
    return len;
}

static void the_assertion_is_signed_and_lives_three_minutes_in_seconds(void **state)
{
    struct fixture *x = fixture_of(state);
    unsigned char text[4096];
    use_jwt(x);
    fixture_start(x, 30000);
    fake_will(x->fake, 200, LIMITS);
    int64_t before = time_wall_ms() / 1000;
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    int64_t after = time_wall_ms() / 1000;

    const struct fake_request *r = fake_token_request(x->fake, 0);
    static const char start[] =
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    assert_string_equal(r->method, "POST");
    assert_contains(r->headers, "Content-Type: application/x-www-form-urlencoded\r\n");
    assert_lacks(r->headers, "Authorization");
    assert_int_equal(strncmp(r->body, start, sizeof start - 1), 0);
    const char *jwt = r->body + sizeof start - 1;
    const char *dot = strchr(jwt, '.'), *last = strrchr(jwt, '.');
    from_base64url(jwt, (size_t)(dot - jwt), text);
    assert_string_equal((char *)text, "{\"alg\":\"RS256\"}");

    from_base64url(dot + 1, (size_t)(last - dot - 1), text);
    json_t *claims = json_loads((char *)text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(claims, "iss")), "3MVG9.app");
    assert_string_equal(json_string_value(json_object_get(claims, "sub")), "sync@example.com");
    assert_string_equal(json_string_value(json_object_get(claims, "aud")),
                        "https://login.salesforce.com");
    int64_t exp = json_integer_value(json_object_get(claims, "exp"));
    assert_in_range(exp, before + 180, after + 180);
    json_decref(claims);

    size_t n = from_base64url(last + 1, strlen(last + 1), text);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(
        EVP_DigestVerify(md, text, n, (const unsigned char *)jwt, (size_t)(last - jwt)), 1);
    EVP_MD_CTX_free(md);
}

static void client_credentials_go_in_the_form_escaped(void **state)
{
    struct fixture *x = fixture_of(state);
    fake_will(x->fake, 200, LIMITS);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    assert_string_equal(fake_token_request(x->fake, 0)->body,
                        "grant_type=client_credentials&client_id=3MVG9.app&client_secret="
                        "s3cret%26%3Dvalue");
    assert_contains(fake_request(x->fake, 0)->headers, "Authorization: Bearer TOKEN-1\r\n");
    assert_string_equal(fake_request(x->fake, 0)->target, "/services/data/v64.0/limits");
}

/* ------------------------------------------------------------------ OAuth errors */

static void each_oauth_error_says_what_to_do(void **state)
{
    static const struct {
        const char *code, *description;
        enum err want;
        const char *part;
    } rows[] = {
        {"invalid_grant", "Audience validation failed", ERR_CONFIG, "`audience`"},
        {"invalid_grant", "user hasn't approved this consumer", ERR_AUTH, "pre-authorise"},
        {"invalid_grant", "expired authorization code", ERR_AUTH, "clock"},
        {"invalid_grant", "expired access/refresh token", ERR_AUTH, "approve it"},
        {"invalid_grant", "request not supported on this domain", ERR_CONFIG, "My Domain"},
        {"invalid_grant", "no client credentials user enabled", ERR_CONFIG, "Run As"},
        {"invalid_grant", "ip restricted or invalid login hours", ERR_AUTH, "IP policy"},
        {"invalid_grant", "something new", ERR_AUTH, "something new"},
        {"invalid_client_id", "client identifier invalid", ERR_AUTH, "`client_id`"},
        {"invalid_client", "invalid client credentials", ERR_AUTH, "secret_file"},
        {"invalid_client_credentials", "client secret invalid", ERR_AUTH, "secret_file"},
        {"inactive_user", "user is inactive", ERR_AUTH, "activate"},
        {"inactive_org", "org is locked", ERR_AUTH, "Salesforce"},
        {"rate_limit_exceeded", "too many", ERR_LIMIT, "too many sign-ins"},
        {"unsupported_response_type", "x", ERR_CONFIG, "flow"},
        {"unsupported_grant_type", "x", ERR_CONFIG, "flow"},
        {"invalid_request", "must use HTTP POST", ERR_CONFIG, "login_url"},
        {"server_error", "x", ERR_BUSY, "trying again"},
        {"never_heard_of", "line\nbreak", ERR_AUTH, "line?break"},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *body =
            json_pack("{s:s,s:s}", "error", rows[i].code, "error_description", rows[i].description);
        char *text = json_dumps(body, 0);
        fake_token_will(x->fake, 400, text);
        free(text);
        json_decref(body);
        assert_int_equal(org_probe(x->conn, &x->e), rows[i].want);
        assert_int_equal(x->e.kind, rows[i].want);
        assert_contains(x->e.text, rows[i].part);
        assert_contains(x->e.text, "production");
        assert_contains(x->e.text, rows[i].code);
        assert_null(strchr(x->e.text, '\n'));
    }
    assert_int_equal(fake_count(x->fake), 0);
}

static void an_answer_that_repeats_the_secret_does_not_spread_it(void **state)
{
    struct fixture *x = fixture_of(state);
    fake_token_will(
        x->fake, 400,
        "{\"error\":\"invalid_client\",\"error_description\":\"bad secret " FIXTURE_SECRET "\"}");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_AUTH);
    assert_lacks(x->e.text, FIXTURE_SECRET);
}

static void a_token_answer_that_is_not_understood_is_no_refusal(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err want;
    } rows[] = {
        {200, "<html>Login</html>", ERR_NETWORK},
        {200, "{\"access_token\":\"abc", ERR_NETWORK},
        {200, "{}", ERR_NETWORK},
        {200, "[]", ERR_NETWORK},
        {200, "{\"access_token\":17,\"instance_url\":\"https://a.my.salesforce.com\"}",
         ERR_NETWORK},
        {200, "{\"access_token\":\"a\\r\\nX: y\",\"instance_url\":\"https://a.my.salesforce.com\"}",
         ERR_NETWORK},
        {200,
         "{\"access_token\":\"a\",\"access_token\":\"b\",\"instance_url\":\"https://"
         "a.my.salesforce.com\"}",
         ERR_NETWORK},
        {302, "", ERR_NETWORK},
        {404, "<html>", ERR_NETWORK},
        {500, "{\"error\":\"x\"}", ERR_BUSY},
        {503, "<html>", ERR_BUSY},
        {429, "", ERR_BUSY},
        {420, "", ERR_BUSY},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake_token_will(x->fake, rows[i].status, rows[i].body);
        assert_int_equal(org_probe(x->conn, &x->e), rows[i].want);
        assert_contains(x->e.text, "login_url");
    }
}

/* ------------------------------------------------------------------ whose token */

static void a_token_of_another_org_stops_the_org(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_state s;
    fake_org(x->fake, "00D000000000002EAA");
    assert_int_equal(org_probe(x->conn, &x->e), ERR_CONFIG);
    assert_contains(x->e.text, "00D000000000002");
    assert_contains(x->e.text, "00D000000000001EAA");
    org_state_get(x->org, &s);
    assert_true(s.stopped);
    assert_false(s.authenticated);
    assert_true(s.held_until_boot_ms > time_boot_ms() + 4 * 60 * 1000);
    assert_string_equal(s.problem, x->e.text);
    assert_int_equal(fake_count(x->fake), 0);

    fake_org(x->fake, "00D000000000001EAA");
    fake_will(x->fake, 200, LIMITS);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    org_state_get(x->org, &s);
    assert_false(s.stopped);
    assert_true(s.authenticated);
    assert_int_equal(s.held_until_boot_ms, 0);
    assert_string_equal(s.problem, "");
}

static void an_org_id_of_15_characters_is_the_same(void **state)
{
    struct fixture *x = fixture_of(state);
    fake_org(x->fake, "00D000000000001");
    fake_will(x->fake, 200, LIMITS);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
}

static void a_token_that_does_not_name_its_org_is_not_used(void **state)
{
    static const char *const ids[] = {"", "https://login.salesforce.com/id/",
                                      "https://x/id/abc/def",
                                      "https://x/user/00D000000000001EAA/005"};
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char *body = mem_printf("{\"access_token\":\"T\",\"instance_url\":\"%s\",\"id\":\"%s\"}",
                                fake_url(x->fake), ids[i]);
        fake_token_will(x->fake, 200, body);
        free(body);
        assert_int_equal(org_probe(x->conn, &x->e), ERR_CONFIG);
        assert_contains(x->e.text, "which org");
    }
}

static void only_hosts_of_salesforce_or_the_configured_one_get_the_token(void **state)
{
    static const char *const bad[] = {
        "http://a.my.salesforce.com",
        "https://salesforce.com.evil.example",
        "https://evilsalesforce.com",
        "https://a.my.salesforce.com:8443",
        "https://user@a.my.salesforce.com",
        "https://a.my.salesforce.com/path",
        "https://evil.example/?.salesforce.com",
        "https://evil.example#.salesforce.com",
        "ftp://a.my.salesforce.com",
        "http://127.0.0.1:1",
        "http://localhost",
        "a.my.salesforce.com",
        "",
        "https://",
        "https://evil.example\\\\@a.my.salesforce.com",
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *body = mem_printf("{\"access_token\":\"T\",\"instance_url\":\"%s\",\"id\":"
                                "\"https://login.salesforce.com/id/00D000000000001EAA/005\"}",
                                bad[i]);
        fake_token_will(x->fake, 200, body);
        free(body);
        enum err got = org_probe(x->conn, &x->e);
        if (got != ERR_CONFIG)
            fail_msg("%s: %d %s", bad[i], (int)got, x->e.text);
        assert_contains(x->e.text, "instance_url");
    }
    assert_int_equal(fake_count(x->fake), 0);
}

/* ------------------------------------------------------------------ 401 */

static void a_refused_token_is_replaced_once_and_the_request_repeated(void **state)
{
    struct fixture *x = fixture_of(state);
    fake_will(x->fake, 401, EXPIRED);
    fake_will(x->fake, 200, LIMITS);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    assert_int_equal(fake_tokens(x->fake), 2);
    assert_int_equal(fake_count(x->fake), 2);
    assert_contains(fake_request(x->fake, 0)->headers, "Bearer TOKEN-1\r\n");
    assert_contains(fake_request(x->fake, 1)->headers, "Bearer TOKEN-2\r\n");
    assert_int_equal(org_conn_calls(x->conn), 2);
}

static void a_token_refused_twice_is_an_error_and_not_kept(void **state)
{
    struct fixture *x = fixture_of(state);
    fake_will(x->fake, 401, EXPIRED);
    fake_will(x->fake, 401, EXPIRED);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_AUTH);
    assert_contains(x->e.text, "login history");
    assert_int_equal(fake_tokens(x->fake), 2);
    assert_int_equal(fake_count(x->fake), 2);
    fake_will(x->fake, 200, LIMITS);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    assert_int_equal(fake_tokens(x->fake), 3);
}

static void two_messages_never_cause_a_sign_in(void **state)
{
    static const char *const messages[] = {
        "Connected app is not attached to Agent",
        "This session is not valid for use with the REST API",
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < 2; i++) {
        char *body =
            mem_printf("[{\"message\":\"%s\",\"errorCode\":\"INVALID_SESSION_ID\"}]", messages[i]);
        fake_will(x->fake, 401, body);
        free(body);
        assert_int_equal(org_probe(x->conn, &x->e), ERR_AUTH);
        assert_contains(x->e.text, messages[i]);
    }
    assert_int_equal(fake_tokens(x->fake), 1);
    assert_int_equal(fake_count(x->fake), 2);
}

/* ------------------------------------------------------------------ threads */

enum { THREADS = 8 };

struct caller {
    struct org *org;
    enum err got;
    struct error e;
};

static void *call_probe(void *arg)
{
    struct caller *c = arg;
    struct org_conn *conn = NULL;
    c->got = org_conn_new(&conn, c->org, &c->e);
    if (c->got == ERR_NONE)
        c->got = org_probe(conn, &c->e);
    org_conn_free(&conn);
    return NULL;
}

static void run_callers(struct fixture *x, struct caller *callers)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){.org = x->org};
        assert_int_equal(pthread_create(&threads[i], NULL, call_probe, &callers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void many_threads_cause_one_sign_in(void **state)
{
    struct fixture *x = fixture_of(state);
    struct caller callers[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        fake_will(x->fake, 200, LIMITS);
    run_callers(x, callers);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(callers[i].got, ERR_NONE);
    assert_int_equal(fake_tokens(x->fake), 1);
    assert_int_equal(fake_count(x->fake), THREADS);
}

static void many_refused_threads_sign_in_again_once(void **state)
{
    struct fixture *x = fixture_of(state);
    struct caller callers[THREADS];
    fake_will(x->fake, 200, LIMITS);
    assert_int_equal(org_probe(x->conn, &x->e), ERR_NONE);
    fake_refuse(x->fake, "TOKEN-1"); /* it has expired */
    for (size_t i = 0; i < THREADS; i++)
        fake_will(x->fake, 200, LIMITS);
    run_callers(x, callers);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(callers[i].got, ERR_NONE);
    assert_int_equal(fake_tokens(x->fake), 2);
    assert_in_range(fake_count(x->fake), 1 + THREADS + 1, 1 + THREADS + THREADS);
}

/* ------------------------------------------------------------------ the key file */

static void a_key_file_that_cannot_sign_is_refused_at_once(void **state)
{
    struct fixture *x = fixture_of(state);
    use_jwt(x);
    EVP_PKEY *small = EVP_RSA_gen(1024), *ec = EVP_EC_gen("P-256");
    for (int i = 0; i < 5; i++) {
        switch (i) {
        case 0:
            write_file(x->secret_file, "no key at all");
            break;
        case 1:
            write_key(x->secret_file, small, NULL);
            break;
        case 2:
            write_key(x->secret_file, ec, NULL);
            break;
        case 3:
            write_key(x->secret_file, key, "passphrase");
            break;
        default:
            write_file(x->secret_file, "");
            break;
        }
        assert_int_equal(org_new(&x->org, &x->config, &x->policy, 1000, &x->e), ERR_CONFIG);
        assert_null(x->org);
        assert_contains(x->e.text, x->secret_file);
    }
    x->config.key_file = "/nonexistent/key.pem";
    assert_int_equal(org_new(&x->org, &x->config, &x->policy, 1000, &x->e), ERR_NOT_FOUND);
    EVP_PKEY_free(small);
    EVP_PKEY_free(ec);
}

static void a_login_url_must_be_https_or_this_machine(void **state)
{
    static const char *const bad[] = {"http://login.salesforce.com", "ftp://localhost", "localhost",
                                      "https://login.salesforce.com/path",
                                      "http://127.0.0.1.evil.x"};
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        x->config.login_url = bad[i];
        assert_int_equal(org_new(&x->org, &x->config, &x->policy, 1000, &x->e), ERR_CONFIG);
        assert_contains(x->e.text, bad[i]);
    }
}

int main(void)
{
    key = EVP_RSA_gen(2048);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_assertion_is_signed_and_lives_three_minutes_in_seconds,
                                        setup_unstarted, teardown),
        cmocka_unit_test_setup_teardown(client_credentials_go_in_the_form_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(each_oauth_error_says_what_to_do, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_repeats_the_secret_does_not_spread_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_token_answer_that_is_not_understood_is_no_refusal, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_token_of_another_org_stops_the_org, setup, teardown),
        cmocka_unit_test_setup_teardown(an_org_id_of_15_characters_is_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_that_does_not_name_its_org_is_not_used, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            only_hosts_of_salesforce_or_the_configured_one_get_the_token, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_token_is_replaced_once_and_the_request_repeated,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_refused_twice_is_an_error_and_not_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(two_messages_never_cause_a_sign_in, setup, teardown),
        cmocka_unit_test_setup_teardown(many_threads_cause_one_sign_in, setup, teardown),
        cmocka_unit_test_setup_teardown(many_refused_threads_sign_in_again_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_file_that_cannot_sign_is_refused_at_once,
                                        setup_unstarted, teardown),
        cmocka_unit_test_setup_teardown(a_login_url_must_be_https_or_this_machine, setup_unstarted,
                                        teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    EVP_PKEY_free(key);
    return failed;
}
