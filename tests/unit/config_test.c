/*
 * config: the defaults and every key.
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

#define DAY_MS INT64_C(86400000)

static void keys_that_are_absent_have_the_documented_defaults(void **state)
{
    (void)state;
    struct config *c = load(ORG);
    char *certificate = mem_printf("%s/certs/server.pem", dir);
    char *key = mem_printf("%s/certs/server.key", dir);

    assert_string_equal(c->file, file);
    assert_string_equal(c->listen.address, "[::]:8443");
    assert_string_equal(c->listen.path, "/salesforce/outbound");
    assert_int_equal(c->listen.max_body_bytes, 4 << 20);
    assert_int_equal(c->listen.request_timeout_ms, 30000);
    assert_int_equal(c->listen.max_connections, 4096);
    assert_int_equal(c->listen.max_connections_per_address, 256);
    assert_int_equal(c->listen.max_new_connections_per_address, 100);
    assert_in_range(c->listen.threads, 1, 256);
    assert_int_equal(c->listen.proxy_count, 0);
    assert_int_equal(c->listen.allow_count, 0);
    assert_string_equal(c->listen.ip_ranges_file, "");
    assert_int_equal(c->tls.certificate.count, 1);
    assert_string_equal(c->tls.certificate.items[0], certificate);
    assert_int_equal(c->tls.key.count, 1);
    assert_string_equal(c->tls.key.items[0], key);
    assert_int_equal(c->tls.client_certificate, CONFIG_CLIENT_OFF);
    assert_int_equal(c->tls.client_pin_count, 0);
    assert_false(c->tls.accept_expired_pins);
    assert_string_equal(c->tls.client_ca, "");
    assert_string_equal(c->store.url, "sqlite:/var/lib/touchpointd/queue.db");
    assert_int_equal(c->store.keep_done_ms, 14 * DAY_MS);
    assert_int_equal(c->store.keep_failed_ms, 90 * DAY_MS);
    assert_int_equal(c->store.keep_ledger_ms, 400 * DAY_MS);
    assert_int_equal(c->store.quarantine_max_bytes, 64 << 20);
    assert_string_equal(c->admin.address, "127.0.0.1:8444");
    assert_string_equal(c->admin.token_file, "/etc/touchpointd/admin.token");
    assert_false(c->admin.public_health);
    assert_int_equal(c->worker.threads, 4);
    assert_int_equal(c->worker.lease_ms, 120000);
    assert_int_equal(c->worker.request_timeout_ms, 60000);
    assert_int_equal(c->worker.echo_ms, 900000);
    assert_int_equal(c->worker.max_tries, 24);
    assert_string_equal(c->worker.reconcile, "03:30");
    assert_int_equal(c->log.level, LOG_LEVEL_INFO);
    assert_int_equal(c->log.format, LOG_FORMAT_LOGFMT);
    assert_int_equal(c->shutdown_timeout_ms, 30000);
    assert_false(c->policy.picklist_first);
    assert_false(c->policy.end_inclusive);
    assert_false(c->policy.window_on_added);
    assert_false(c->policy.dedupe_email);
    assert_string_equal(c->policy.default_channel, "Other");
    assert_int_equal(c->policy.max_delete_percent, 20);
    assert_int_equal(c->channel_count, 0);
    assert_int_equal(c->rule_count, 0);
    free(key);
    free(certificate);
    config_free(&c);
    assert_null(c);
    config_free(&c);
}

static void an_org_has_its_defaults_too(void **state)
{
    (void)state;
    struct config *c = load(ORG);
    char *key = mem_printf("%s/org.key", dir);

    assert_int_equal(c->org_count, 1);
    const struct config_org *org = &c->orgs[0];
    assert_string_equal(org->id, "00D000000000001EAA");
    assert_string_equal(org->name, "00D000000000001EAA");
    assert_string_equal(org->login_url, "https://example.my.salesforce.com");
    assert_string_equal(org->audience, "https://login.salesforce.com");
    assert_string_equal(org->api_version, "64.0");
    assert_int_equal(org->auth, CONFIG_AUTH_JWT);
    assert_string_equal(org->client_id, "c");
    assert_string_equal(org->username, "u");
    assert_string_equal(org->key_file, key);
    assert_null(org->secret_file);
    assert_string_equal(org->time_zone, "auto");
    assert_int_equal(org->max_concurrent, 4);
    assert_int_equal(org->api_reserve_percent, 60);
    assert_false(org->write_back);
    assert_int_equal(org->client_pin_count, 0);
    assert_string_equal(org->schema.name[SCHEMA_SYNC_TYPE], "Enable_Buyer_Touchpoints__c");
    assert_ptr_equal(config_org_by_id(c, "00D000000000001EAA"), org);
    assert_null(config_org_by_id(c, "00D000000000002EAA"));
    free(key);
    config_free(&c);
}

static void every_key_is_taken(void **state)
{
    (void)state;
    struct config *c = load("listen:\n"
                            "  address: 127.0.0.1:0\n"
                            "  path: /x-1/~y\n"
                            "  max_body: 65536\n"
                            "  request_timeout: 500ms\n"
                            "  max_connections: 10\n"
                            "  max_connections_per_address: 3\n"
                            "  threads: 2\n"
                            "tls:\n"
                            "  certificate: [a.pem, /abs/b.pem]\n"
                            "  key: [a.key, /abs/b.key]\n"
                            "store:\n"
                            "  url: sqlite:queue.db\n"
                            "  keep_done: 7d\n"
                            "  keep_failed: 24h\n"
                            "  keep_ledger: 3650d\n"
                            "  quarantine_max: 0\n"
                            "admin: { address: 'unix:run/admin.sock', token_file: '', "
                            "public_health: true }\n"
                            "worker: { threads: 1, lease: 2m, request_timeout: 60s, echo: 1s, "
                            "max_tries: 1, reconcile: 6h }\n"
                            "log: { level: error, format: json }\n"
                            "policy: { precedence: picklist, end_date: inclusive, "
                            "window_applies_to: added_date,\n"
                            "  dedupe: email, default_channel: \xc3\x9c"
                            "brige, "
                            "max_delete_percent: 0 }\n"
                            "shutdown_timeout: 1m\n" ORG);
    assert_string_equal(c->listen.address, "127.0.0.1:0");
    assert_string_equal(c->listen.path, "/x-1/~y");
    assert_int_equal(c->listen.max_body_bytes, 65536);
    assert_int_equal(c->listen.request_timeout_ms, 500);
    assert_int_equal(c->listen.max_connections, 10);
    assert_int_equal(c->listen.max_connections_per_address, 3);
    assert_int_equal(c->listen.threads, 2);
    assert_int_equal(c->tls.certificate.count, 2);
    assert_string_equal(c->tls.certificate.items[1], "/abs/b.pem");
    assert_string_equal(c->tls.key.items[1], "/abs/b.key");
    assert_int_equal(c->store.keep_done_ms, 7 * DAY_MS);
    assert_int_equal(c->store.keep_failed_ms, DAY_MS);
    assert_int_equal(c->store.keep_ledger_ms, 3650 * DAY_MS);
    assert_int_equal(c->store.quarantine_max_bytes, 0);
    assert_string_equal(c->admin.token_file, "");
    assert_true(c->admin.public_health);
    assert_int_equal(c->worker.threads, 1);
    assert_int_equal(c->worker.lease_ms, 120000);
    assert_int_equal(c->worker.echo_ms, 1000);
    assert_int_equal(c->worker.max_tries, 1);
    assert_string_equal(c->worker.reconcile, "6h");
    assert_int_equal(c->log.level, LOG_LEVEL_ERROR);
    assert_int_equal(c->log.format, LOG_FORMAT_JSON);
    assert_true(c->policy.picklist_first);
    assert_true(c->policy.end_inclusive);
    assert_true(c->policy.window_on_added);
    assert_true(c->policy.dedupe_email);
    assert_string_equal(c->policy.default_channel, "\xc3\x9c"
                                                   "brige");
    assert_int_equal(c->policy.max_delete_percent, 0);
    assert_int_equal(c->shutdown_timeout_ms, 60000);
    config_free(&c);
}

static void file_names_are_relative_to_the_file(void **state)
{
    (void)state;
    struct config *c = load("tls: { certificate: [a.pem], key: [../a.key] }\n"
                            "store: { url: 'sqlite:data/queue.db' }\n"
                            "admin: { address: 'unix:admin.sock', token_file: t }\n" ORG);
    const struct {
        const char *got, *want;
    } rows[] = {
        {c->tls.certificate.items[0], "%s/a.pem"},
        {c->tls.key.items[0], "%s/../a.key"},
        {c->store.url, "sqlite:%s/data/queue.db"},
        {c->admin.address, "unix:%s/admin.sock"},
        {c->admin.token_file, "%s/t"},
        {c->orgs[0].key_file, "%s/org.key"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *at = strstr(rows[i].want, "%s");
        size_t before = (size_t)(at - rows[i].want);
        assert_memory_equal(rows[i].got, rows[i].want, before);
        assert_memory_equal(rows[i].got + before, dir, strlen(dir));
        assert_string_equal(rows[i].got + before + strlen(dir), at + 2);
    }
    config_free(&c);
}

static void the_environment_is_not_looked_at(void **state)
{
    (void)state;
    struct config *c = load("admin: { token_file: \"/${HOME}/$USER\" }\n" ORG);
    assert_string_equal(c->admin.token_file, "/${HOME}/$USER");
    config_free(&c);
}

static void a_relative_file_is_found_from_the_working_directory(void **state)
{
    (void)state;
    char before[4096];
    struct config *c = NULL;
    struct error e = {0};
    write_bytes(ORG, strlen(ORG));
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(dir), 0);
    enum err err = config_load(&c, "t.yaml", &e);
    assert_int_equal(chdir(before), 0);
    if (err != ERR_NONE)
        fail_msg("%s", e.text);
    char *want = mem_printf("%s/org.key", dir);
    assert_string_equal(c->orgs[0].key_file, want);
    free(want);
    config_free(&c);
}

static void rules_and_channels_are_kept_as_written_with_their_lines(void **state)
{
    (void)state;
    struct config *c =
        load(ORG "channels:\n" /* 5 */
                 "  - { type: Trade Show, channel: Events, subchannel: Trade Show }\n"
                 "  - type: \"Online*\"\n"
                 "    status: Sent\n"
                 "    channel: \"NULL\"\n"
                 "    null_channel: true\n" /* 10 */
                 "rules:\n"
                 "  # a comment\n"
                 "  - name: Booth visitors\n"
                 "    action: include\n"
                 "    any:\n" /* 15 */
                 "      - all:\n"
                 "          - { field: Campaign.Type, op: is, value: Trade Show }\n"
                 "          - { field: CampaignMember.Score__c, op: \">=\", value: 5 }\n"
                 "      - all:\n"
                 "          - { field: CampaignMember.Status, op: is, value: }\n"
                 "    dates: [CampaignMember.CreatedDate]\n"
                 "  - { name: Staff, action: exclude, any: [ { all: [ { field: F, op: is, "
                 "value: x } ] } ] }\n");
    assert_int_equal(c->channel_count, 2);
    assert_string_equal(c->channels[0].subchannel, "Trade Show");
    assert_null(c->channels[0].status);
    assert_false(c->channels[0].null_channel);
    assert_int_equal(c->channels[0].line, 6);
    assert_string_equal(c->channels[1].channel, "NULL");
    assert_string_equal(c->channels[1].status, "Sent");
    assert_null(c->channels[1].subchannel);
    assert_true(c->channels[1].null_channel);
    assert_int_equal(c->channels[1].line, 7);
    assert_int_equal(c->rule_count, 2);
    const struct config_rule *r = &c->rules[0];
    assert_string_equal(r->name, "Booth visitors");
    assert_string_equal(r->action, "include");
    assert_int_equal(r->line, 13);
    assert_int_equal(r->any_count, 2);
    assert_int_equal(r->any[0].all_count, 2);
    assert_string_equal(r->any[0].all[1].op, ">=");
    assert_string_equal(r->any[0].all[1].value, "5");
    assert_string_equal(r->any[1].all[0].value, "");
    assert_int_equal(r->dates_count, 1);
    assert_string_equal(r->dates[0], "CampaignMember.CreatedDate");
    assert_int_equal(c->rules[1].dates_count, 0);
    assert_int_equal(c->rules[1].line, 22);
    config_free(&c);
}

/* ------------------------------------------------------------------ lines */

static void messages_of_later_checks_have_their_lines(void **state)
{
    (void)state;
    struct config *c = load("tls:\n  key: [a]\n  certificate: [b]\n"
                            "admin:\n  public_health: true\n  token_file: t\n" ORG);
    assert_int_equal(c->tls.line, 3);
    assert_int_equal(c->admin.line, 6);
    assert_int_equal(c->orgs[0].line, 10);
    config_free(&c);
    c = load(ORG);
    assert_int_equal(c->tls.line, 1); /* not there: where it would be */
    assert_int_equal(c->admin.line, 1);
    config_free(&c);
}

static void networks_and_pins_are_read(void **state)
{
    (void)state;
    struct config *c =
        load("listen:\n  allow: [192.0.2.0/24, \"2001:db8::1\"]\n  ip_ranges_file: r.json\n"
             "tls:\n  client_certificate: required\n  client_ca: clients.pem\n"
             "  client_expired_pins: accept\n  client_pins:\n"
             "  - sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" ORG_AND(
                 "client_pins: [\"sha256:"
                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"]"));
    char *ranges = mem_printf("%s/r.json", dir), *ca = mem_printf("%s/clients.pem", dir);
    assert_int_equal(c->listen.allow_count, 2);
    assert_string_equal(c->listen.ip_ranges_file, ranges);
    assert_int_equal(c->listen.ip_ranges_file_line, 3);
    assert_int_equal(c->tls.client_certificate, CONFIG_CLIENT_REQUIRED);
    assert_string_equal(c->tls.client_ca, ca);
    assert_true(c->tls.accept_expired_pins);
    assert_int_equal(c->tls.client_pin_count, 1);
    assert_int_equal(c->tls.client_pins[0].kind, PIN_KEY);
    assert_int_equal(c->orgs[0].client_pin_count, 1);
    assert_int_equal(c->orgs[0].client_pins[0].kind, PIN_CERTIFICATE);
    assert_memory_equal(c->orgs[0].client_pins[0].sha256, c->tls.client_pins[0].sha256, PIN_SIZE);
    free(ranges);
    free(ca);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_are_absent_have_the_documented_defaults),
        cmocka_unit_test(an_org_has_its_defaults_too),
        cmocka_unit_test(every_key_is_taken),
        cmocka_unit_test(file_names_are_relative_to_the_file),
        cmocka_unit_test(the_environment_is_not_looked_at),
        cmocka_unit_test(a_relative_file_is_found_from_the_working_directory),
        cmocka_unit_test(rules_and_channels_are_kept_as_written_with_their_lines),
        cmocka_unit_test(networks_and_pins_are_read),
        cmocka_unit_test(messages_of_later_checks_have_their_lines),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
