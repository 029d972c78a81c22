/*
 * config: the orgs, and addresses and URLs, whose messages must not repeat what may be secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "config_fixture.h"
#include "mem.h"

#define ORG_AT(url)                                                                                \
    "orgs:\n- id: 00D000000000001EAA\n  login_url: " url                                           \
    "\n  auth: { type: jwt, client_id: c, username: u, key_file: k }\n"

static void several_orgs_are_found_by_their_18_character_ids(void **state)
{
    (void)state;
    struct config *c = load(ORG "  - id: 00D000000000002\n"
                                "    name: sandbox\n"
                                "    login_url: http://127.0.0.1:8080/\n"
                                "    audience: https://test.salesforce.com\n"
                                "    api_version: 50.0\n"
                                "    auth:\n"
                                "      type: client_credentials\n"
                                "      client_id: d\n"
                                "      secret_file: /s\n"
                                "    schema: bizible2\n"
                                "    time_zone: Asia/Kolkata\n"
                                "    max_concurrent: 64\n"
                                "    api_reserve_percent: 100\n");
    assert_int_equal(c->org_count, 2);
    const struct config_org *org = config_org_by_id(c, "00D000000000002EAA");
    assert_non_null(org);
    assert_string_equal(org->name, "sandbox");
    assert_string_equal(org->login_url, "http://127.0.0.1:8080");
    assert_string_equal(org->audience, "https://test.salesforce.com");
    assert_string_equal(org->api_version, "50.0");
    assert_int_equal(org->auth, CONFIG_AUTH_CLIENT_CREDENTIALS);
    assert_string_equal(org->secret_file, "/s");
    assert_null(org->username);
    assert_null(org->key_file);
    assert_string_equal(org->time_zone, "Asia/Kolkata");
    assert_string_equal(org->schema.name[SCHEMA_SYNC_TYPE],
                        "bizible2__Bizible_Attribution_SyncType__c");
    assert_string_equal(org->schema.name[SCHEMA_TOUCHPOINT], "Buyer_Touchpoint__c");
    config_free(&c);
}

static void a_schema_may_be_a_word_or_a_mapping(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *sync_type, *touchpoint, *start;
    } rows[] = {
        {ORG_AND("schema: standard"), "Enable_Buyer_Touchpoints__c", "Buyer_Touchpoint__c",
         "Touchpoint_Start_Date__c"},
        {ORG_AND("schema: \"bizible2\""), "bizible2__Bizible_Attribution_SyncType__c",
         "Buyer_Touchpoint__c", "bizible2__Touchpoint_Start_Date__c"},
        {ORG_AND("schema: { touchpoint: My_Touchpoint__c, campaign.sync_type: My__c }"), "My__c",
         "My_Touchpoint__c", "Touchpoint_Start_Date__c"},
        /* the base counts wherever it stands */
        {ORG_AND("schema: { campaign.sync_type: My__c, base: bizible2 }"), "My__c",
         "Buyer_Touchpoint__c", "bizible2__Touchpoint_Start_Date__c"},
        {ORG_AND("schema:\n      base: standard\n      touchpoint: T__c"),
         "Enable_Buyer_Touchpoints__c", "T__c", "Touchpoint_Start_Date__c"},
        {ORG_AND("schema: {}"), "Enable_Buyer_Touchpoints__c", "Buyer_Touchpoint__c",
         "Touchpoint_Start_Date__c"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config *c = load(rows[i].yaml);
        assert_string_equal(c->orgs[0].schema.name[SCHEMA_SYNC_TYPE], rows[i].sync_type);
        assert_string_equal(c->orgs[0].schema.name[SCHEMA_TOUCHPOINT], rows[i].touchpoint);
        assert_string_equal(c->orgs[0].schema.name[SCHEMA_START_DATE], rows[i].start);
        for (size_t k = 0; k < SCHEMA_COUNT; k++)
            assert_non_null(c->orgs[0].schema.name[k]);
        config_free(&c);
    }
}

static void an_org_without_what_it_needs_is_refused(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"orgs:\n- login_url: https://x.com\n  auth: { type: jwt }\n",
         ":2: orgs[0].id: is missing"},
        {"orgs:\n- id: 00D000000000001\n  auth: { type: jwt }\n",
         ":2: orgs[0].login_url: is missing"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n",
         ":2: orgs[0].auth: is missing"},
        {"orgs:\n- id: 701000000000001\n  login_url: https://x.com\n  auth: {}\n",
         ":2: orgs[0].id: \"701000000000001\" is not an organisation's id; allowed are 15 or 18 "
         "characters that begin with 00D"},
        {"orgs:\n- id: 00D000000000001EAB\n  login_url: https://x.com\n  auth: {}\n",
         ":2: orgs[0].id: \"00D000000000001EAB\" is not"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth: {}\n",
         ":4: orgs[0].auth.type: is missing"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth: { type: password }\n",
         ":4: orgs[0].auth.type: \"password\" is unknown; allowed is jwt or client_credentials"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth: { type: jwt }\n",
         ":4: orgs[0].auth.client_id: is missing"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth:\n    type: jwt\n"
         "    client_id: ''\n",
         ":6: orgs[0].auth.client_id: is empty"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth: { type: jwt, "
         "client_id: c, key_file: k }\n",
         ":4: orgs[0].auth.username: is missing; type jwt needs it"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth: { type: jwt, "
         "client_id: c, username: u }\n",
         ":4: orgs[0].auth.key_file: is missing; type jwt needs it"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth: { type: "
         "client_credentials, client_id: c }\n",
         ":4: orgs[0].auth.secret_file: is missing; type client_credentials needs it"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth:\n    type: jwt\n"
         "    client_id: c\n    username: u\n    key_file: k\n    secret_file: s\n",
         ":9: orgs[0].auth.secret_file: has no meaning with type jwt; leave it out"},
        {"orgs:\n- id: 00D000000000001\n  login_url: https://x.com\n  auth: { type: "
         "client_credentials, client_id: c, secret_file: s, username: u }\n",
         ":4: orgs[0].auth.username: has no meaning with type client_credentials"},
        {ORG "  - id: 00D000000000001\n    login_url: https://x.com\n    auth: { type: jwt, "
             "client_id: c, username: u, key_file: k }\n",
         ":5: orgs[1].id: 00D000000000001EAA is the id of orgs[0] too; allowed is each once"},
        {"tls:\n  certificate: [a, b]\n  key: [a]\n" ORG,
         ":3: tls.key: names 1 files for 2 certificates; allowed is one for each"},
        {"tls:\n  certificate: [a, b]\n" ORG, ":2: tls.key: names 1 files for 2 certificates"},
        {"tls:\n  certificate:\n  - ''\n" ORG, ":3: tls.certificate[0]: is empty"},
    };
    check_bad(rows, COUNT(rows));
}

static void addresses_and_urls_are_checked(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"listen:\n  address: 8443\n" ORG,
         ":2: listen.address: \"8443\" is not an address; allowed is HOST:PORT"},
        {"listen: { address: '0.0.0.0:65536' }\n" ORG, ":1: listen.address: "},
        {"listen: { address: '0.0.0.0:' }\n" ORG, ":1: listen.address: "},
        {"listen: { address: '::1:8443' }\n" ORG, ":1: listen.address: "},
        {"listen: { address: '[::g]:8443' }\n" ORG, ":1: listen.address: "},
        {"listen: { address: 'unix:/x' }\n" ORG, ":1: listen.address: "},
        {"listen: { path: salesforce }\n" ORG,
         ":1: listen.path: is not a path; allowed is '/' and printable ASCII without '?', '#'"},
        {"listen: { path: /a?b }\n" ORG, ":1: listen.path: is not a path"},
        {"listen: { path: '/a#b' }\n" ORG, ":1: listen.path: is not a path"},
        {"listen: { path: /a b }\n" ORG, ":1: listen.path: is not a path"},
        {"listen: { path: \"/\xc3\xa4\" }\n" ORG, ":1: listen.path: is not a path"},
        {"listen: { path: '' }\n" ORG, ":1: listen.path: is not a path"},
        {"admin: { address: localhost }\n" ORG, ":1: admin.address: \"localhost\" is not"},
        {"admin: { address: 'unix:' }\n" ORG, ":1: admin.address: \"unix:\" is not a socket's"},
        {"admin: { address: unix:/"
         "a12345678901234567890123456789012345678901234567890123456789012345678901234567890123456"
         "78901234567890123456789 }\n" ORG,
         ":1: admin.address: "},
        {"store: { url: /var/lib/queue.db }\n" ORG,
         ":1: store.url: is not a store's URL; allowed is sqlite:PATH"},
        {"store: { url: 'sqlite:' }\n" ORG, ":1: store.url: is not a store's URL"},
        {"store: { url: 'postgresql://u:geheim@db/x' }\n" ORG,
         ":1: store.url: must not hold the password; put it into a file"},
        {"store: { url: 'host=db password=geheim' }\n" ORG,
         ":1: store.url: must not hold the password"},
        {"store: { url: 'postgresql://db/x?sslmod=require' }\n" ORG,
         ":1: store.url: is no PostgreSQL URL that libpq understands; allowed is sqlite:PATH, or "},
        {ORG_AND("audience: login.salesforce.com"), ":5: orgs[0].audience: is not such a URL"},
        {ORG_AND("audience: http://login.salesforce.com"), ":5: orgs[0].audience: is not such"},
        {ORG_AND("audience: ''"), ":5: orgs[0].audience: is not such a URL"},
    };
    check_bad(rows, COUNT(rows));
}

static void a_login_url_is_https_without_a_path(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "http://example.my.salesforce.com",
        "https://",
        "https:///x",
        "https://example.com/services",
        "https://example.com?x",
        "https://example.com#x",
        "https://user:pw@example.com",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:",
        "https://exa mple.com",
        "ftp://example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "https://[::1",
        "https://[zz]",
        "",
    };
    static const struct {
        const char *yaml, *want;
    } good[] = {
        {ORG_AT("https://example.my.salesforce.com"), "https://example.my.salesforce.com"},
        {ORG_AT("https://example.my.salesforce.com/"), "https://example.my.salesforce.com"},
        {ORG_AT("https://example.com:8443"), "https://example.com:8443"},
        {ORG_AT("http://127.0.0.1:80"), "http://127.0.0.1:80"},
        {ORG_AT("http://localhost"), "http://localhost"},
        {ORG_AT("'http://[::1]:8080'"), "http://[::1]:8080"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char *yaml = mem_printf("orgs:\n- id: 00D000000000001EAA\n  auth: { type: jwt, client_id: "
                                "c, username: u, key_file: k }\n  login_url: '%s'\n",
                                bad[i]);
        check_refused(yaml, strlen(yaml),
                      ":4: orgs[0].login_url: is not such a URL; allowed is "
                      "https://HOST without a path");
        free(yaml);
    }
    for (size_t i = 0; i < COUNT(good); i++) {
        struct config *c = load(good[i].yaml);
        assert_string_equal(c->orgs[0].login_url, good[i].want);
        config_free(&c);
    }
}

static void a_postgresql_url_is_kept_as_libpq_takes_it(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } good[] = {
        {"postgresql://db1,db2:5433/queue?sslmode=verify-full",
         "postgresql://db1,db2:5433/queue?sslmode=verify-full"},
        {"postgres://db/queue", "postgresql://db/queue"},
        {"host=/run/postgresql dbname=queue", "postgresql:host=/run/postgresql dbname=queue"},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        struct config *c = NULL;
        struct error e = {0};
        char text[1000];
        (void)snprintf(text, sizeof text, "store: { url: '%s' }\n%s", good[i].text, ORG);
        write_bytes(text, strlen(text));
        if (config_load(&c, file, &e) != ERR_NONE)
            fail_msg("%s: %s", good[i].text, e.text);
        assert_string_equal(c->store.url, good[i].want);
        config_free(&c);
    }
}

static void messages_do_not_repeat_what_may_be_secret(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "listen: { path: 'geheim' }\n" ORG,
        "store: { url: 'postgresql://u:geheim@db/x' }\n" ORG,
        "store: { url: 'mysql://u:geheim@db/x' }\n" ORG,
        ORG_AT("https://u:geheim@example.com"),
        ORG_AND("audience: https://u:geheim@example.com"),
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config *c = NULL;
        struct error e = {0};
        write_bytes(rows[i], strlen(rows[i]));
        assert_int_equal(config_load(&c, file, &e), ERR_CONFIG);
        assert_null(strstr(e.text, "geheim"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_orgs_are_found_by_their_18_character_ids),
        cmocka_unit_test(a_schema_may_be_a_word_or_a_mapping),
        cmocka_unit_test(an_org_without_what_it_needs_is_refused),
        cmocka_unit_test(addresses_and_urls_are_checked),
        cmocka_unit_test(a_login_url_is_https_without_a_path),
        cmocka_unit_test(a_postgresql_url_is_kept_as_libpq_takes_it),
        cmocka_unit_test(messages_do_not_repeat_what_may_be_secret),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
