/*
 * config: tables of files that are refused, each with its message and line.
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

static void a_file_of_another_shape_is_refused(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"", ":1: is empty"},
        {"# nothing\n", ":1: is empty"},
        {"- a\n", ":1: must be a mapping; allowed is listen, tls"},
        {ORG "lissten: {}\n", ":5: lissten: unknown key; allowed is listen, tls, store, admin, "
                              "worker, log, orgs, policy, channels, rules and shutdown_timeout"},
        {"listen:\n  adress: x\n" ORG, ":2: listen.adress: unknown key; allowed is address, path"},
        {ORG_AND("aut: x"), ":5: orgs[0].aut: unknown key; allowed is id, name"},
        {ORG "rules:\n- { name: a, action: include, any: [], when: 1 }\n",
         ":6: rules[0].any: is empty; allowed is at least one"},
        {ORG "rules:\n- { name: a, action: include, when: 1 }\n",
         ":6: rules[0].when: unknown key; allowed is name, action, any and dates"},
        {ORG "rules:\n- name: a\n  action: exclude\n  any:\n  - all: []\n",
         ":9: rules[0].any[0].all: is empty"},
        {ORG "rules:\n- name: a\n  action: exclude\n  any:\n  - all: [{field: a, op: is}]\n",
         ":9: rules[0].any[0].all[0].value: is missing"},
        {ORG "channels:\n- { type: a }\n", ":6: channels[0].channel: is missing"},
        {ORG "channels:\n- { type: a, channel: b, null_channel: yes }\n",
         ":6: channels[0].null_channel: \"yes\" is unknown; allowed is true or false"},
        {"log: {}\n", ":1: orgs: is missing"},
        {"orgs: []\n", ":1: orgs: is empty; allowed is at least one"},
        {"orgs: 5\n", ":1: orgs: must be a list"},
        {"orgs:\n", ":1: orgs: must be a list"},
        {"listen:\n" ORG, ":1: listen: must be a mapping"},
        {"listen: 5\n" ORG, ":1: listen: must be a mapping; allowed is address"},
        {"log:\n  level: [info]\n" ORG, ":2: log.level: must be a single value"},
        {"log:\n  level: { a: b }\n" ORG, ":2: log.level: must be a single value"},
        {"tls:\n  certificate: a.pem\n" ORG,
         ":2: tls.certificate: must be a list, as [a, b]; an empty one is []"},
        {"tls:\n  certificate: []\n" ORG, ":2: tls.certificate: is empty; allowed is at least one"},
        {"tls:\n  key: []\n" ORG, ":2: tls.key: is empty; allowed is at least one"},
        {ORG "channels:\n", ":5: channels: must be a list, as [a, b]; an empty one is []"},
        {ORG "channels: [a]\n", ":5: channels[0]: must be a mapping; allowed is type, status"},
        {"log:\n  level: info\n  level: debug\n" ORG,
         ":3: log.level: is there twice, first in line 2; allowed is once"},
        {"log: {}\nlog: {}\n" ORG, ":2: log: is there twice, first in line 1"},
        {ORG_AND("id: x"), ":5: orgs[0].id: is there twice, first in line 2"},
        {"admin:\n  certificate: a.pem\n" ORG,
         ":2: admin.certificate: admin.certificate and admin.key belong together"},
        {"admin:\n  key: a.key\n" ORG, ":2: admin.key: admin.certificate and admin.key belong"},
        {"admin:\n  address: unix:a.sock\n  certificate: a.pem\n  key: a.key\n" ORG,
         ":3: admin.certificate: a unix socket needs no TLS"},
        {"admin:\n  token_file: ~\n" ORG, ":2: admin.token_file: is null"},
        {ORG "channels:\n- { type: a, channel: NULL }\n",
         ":6: channels[0].channel: is null, which is no value; leave the key out, write \"\" for "
         "an empty text, or quote the word"},
        {"log: { level: \"in\\0fo\" }\n" ORG, ":1: log.level: holds a NUL character"},
        {"? [a]\n: b\n" ORG, ":1: ?: unknown key"},
        {"\"a\\nb\": 1\n" ORG, ":1: a?b: unknown key"},
    };
    check_bad(rows, COUNT(rows));
}

static void yaml_that_configuration_has_no_use_for_is_refused(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"log: &l { level: info }\n" ORG, ":1: anchors (&) and aliases (*) are not allowed"},
        {ORG "channels:\n- { type: *a, channel: b }\n", ":6: anchors (&) and aliases (*)"},
        {"log:\n  level: !!str info\n" ORG, ":2: tags (!) are not allowed"},
        {ORG "---\nlog: {}\n", ":5: a second document begins here; allowed is one"},
        {"log: {\n" ORG, ":3: is not YAML: "},
        {"log:\n\tlevel: info\n" ORG, ":2: is not YAML: "},
        {"log:\n  level: \"info\n", ":3: is not YAML: "},
        {"log: {}\nx: \xff\n", ":2: is not YAML: "},
        {"log:\n  level: >=\n" ORG, ":2: is not YAML: "},
    };
    check_bad(rows, COUNT(rows));
}

static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"listen:\n  max_body: 4MB\n" ORG, ":2: listen.max_body: \"4MB\" is not; allowed is 1KiB "
                                           "to 32MiB, written as 4MiB, 64KiB or plain bytes"},
        {"listen: { max_body: -1 }\n" ORG, ":1: listen.max_body: \"-1\" is not"},
        {"listen: { max_body: 99999999999999999999 }\n" ORG, ":1: listen.max_body: "},
        {"listen: { max_body: 999999999999999GiB }\n" ORG, ":1: listen.max_body: "},
        {"listen: { request_timeout: 30 }\n" ORG,
         ":1: listen.request_timeout: \"30\" is not; allowed is 100ms to 10m, written as 500ms, "
         "30s, 15m, 6h or 14d"},
        {"listen: { request_timeout: 1.5s }\n" ORG, ":1: listen.request_timeout: \"1.5s\" is not"},
        {"listen: { request_timeout: 30 s }\n" ORG, ":1: listen.request_timeout: \"30 s\" is not"},
        {"listen: { request_timeout: }\n" ORG, ":1: listen.request_timeout: \"\" is not"},
        {"listen: { request_timeout: 99ms }\n" ORG, ":1: listen.request_timeout: "},
        {"listen: { max_connections: 0 }\n" ORG,
         ":1: listen.max_connections: \"0\" is not; allowed is 1 to 100000, a whole number"},
        {"listen: { max_connections: 100001 }\n" ORG, ":1: listen.max_connections: "},
        {"listen: { max_connections: 0x10 }\n" ORG, ":1: listen.max_connections: "},
        {"listen: { max_connections_per_address: 0 }\n" ORG,
         ":1: listen.max_connections_per_address: "},
        {"listen: { threads: 0 }\n" ORG,
         ":1: listen.threads: \"0\" is not; allowed is 1 to 256, or auto for one a core"},
        {"listen: { threads: all }\n" ORG, ":1: listen.threads: \"all\" is not"},
        {"store: { keep_done: 6d }\n" ORG,
         ":1: store.keep_done: \"6d\" is not; allowed is 7d to 3650d"},
        {"store: { keep_failed: 1h }\n" ORG, ":1: store.keep_failed: "},
        {"store: { keep_ledger: forever }\n" ORG, ":1: store.keep_ledger: \"forever\" is not"},
        {"store: { quarantine_max: 65GiB }\n" ORG,
         ":1: store.quarantine_max: \"65GiB\" is not; allowed is 0 to 64GiB"},
        {"worker: { threads: 257 }\n" ORG, ":1: worker.threads: "},
        {"worker: { echo: 999ms }\n" ORG, ":1: worker.echo: \"999ms\" is not; allowed is 1s to 1d"},
        {"worker: { max_tries: 0 }\n" ORG, ":1: worker.max_tries: "},
        {"worker: { lease: 0s }\n" ORG, ":1: worker.lease: "},
        {"worker:\n  lease: 60s\n  request_timeout: 31s\n" ORG,
         ":3: worker.request_timeout: worker.request_timeout (31000 ms) is more than half of "
         "worker.lease (60000 ms); allowed is at most half"},
        {"worker:\n  lease: 119s\n" ORG, ":2: worker.lease: worker.request_timeout (60000 ms)"},
        {"policy: { max_delete_percent: 101 }\n" ORG, ":1: policy.max_delete_percent: "},
        {"shutdown_timeout: 0s\n" ORG, ":1: shutdown_timeout: \"0s\" is not; allowed is 1s to 1h"},
        {ORG_AND("max_concurrent: 65"), ":5: orgs[0].max_concurrent: \"65\" is not"},
        {ORG_AND("api_reserve_percent: 101"), ":5: orgs[0].api_reserve_percent: "},
        {ORG_AND("api_version: 49.0"),
         ":5: orgs[0].api_version: \"49.0\" is not; allowed is \"50.0\" or later"},
        {ORG_AND("api_version: 64"), ":5: orgs[0].api_version: \"64\" is not"},
        {ORG_AND("api_version: v64.0"), ":5: orgs[0].api_version: "},
        {ORG_AND("api_version: 64.00"), ":5: orgs[0].api_version: "},
    };
    check_bad(rows, COUNT(rows));
}

/* The form with its "%s" replaced. */
static char *filled(const char *form, const char *value)
{
    const char *at = strstr(form, "%s");
    return mem_printf("%.*s%s%s", (int)(at - form), form, value, at + 2);
}

/* Each with a number: the ends of the range, and what is just outside. */
static void the_ends_of_each_range_are_allowed_and_no_more(void **state)
{
    (void)state;
    static const struct {
        const char *form, *path, *least, *most, *below, *above;
    } rows[] = {
        {"shutdown_timeout: %s\n" ORG, "shutdown_timeout", "1s", "1h", "999ms", "3601s"},
        {"listen: { max_body: %s }\n" ORG, "listen.max_body", "1KiB", "32MiB", "1023", "33554433"},
        {"listen: { request_timeout: %s }\n" ORG, "listen.request_timeout", "100ms", "10m", "99ms",
         "600001ms"},
        {"listen: { max_connections: %s }\n" ORG, "listen.max_connections", "1", "100000", "0",
         "100001"},
        {"listen: { max_connections_per_address: %s }\n" ORG, "listen.max_connections_per_address",
         "1", "100000", "0", "100001"},
        {"listen: { max_new_connections_per_address: %s }\n" ORG,
         "listen.max_new_connections_per_address", "0", "100000", "-1", "100001"},
        {"listen: { threads: %s }\n" ORG, "listen.threads", "1", "256", "0", "257"},
        {"store: { keep_done: %s }\n" ORG, "store.keep_done", "7d", "3650d", "167h", "3651d"},
        {"store: { keep_failed: %s }\n" ORG, "store.keep_failed", "1d", "3650d", "23h", "3651d"},
        {"store: { keep_ledger: %s }\n" ORG, "store.keep_ledger", "1d", "3650d", "23h", "3651d"},
        {"store: { quarantine_max: %s }\n" ORG, "store.quarantine_max", "0", "64GiB", "-1",
         "65537MiB"},
        {"worker: { threads: %s }\n" ORG, "worker.threads", "1", "256", "0", "257"},
        {"worker: { request_timeout: 100ms, lease: %s }\n" ORG, "worker.lease", "1s", "1h", "999ms",
         "61m"},
        {"worker: { lease: 1h, request_timeout: %s }\n" ORG, "worker.request_timeout", "100ms",
         "30m", "99ms", "31m"},
        {"worker: { echo: %s }\n" ORG, "worker.echo", "1s", "1d", "999ms", "25h"},
        {"worker: { max_tries: %s }\n" ORG, "worker.max_tries", "1", "1000", "0", "1001"},
        {"worker: { reconcile: %s }\n" ORG, "worker.reconcile", "1s", "30d", "999ms", "31d"},
        {"policy: { max_delete_percent: %s }\n" ORG, "policy.max_delete_percent", "0", "100", "-1",
         "101"},
        {ORG_AND("max_concurrent: %s"), "orgs[0].max_concurrent", "1", "64", "0", "65"},
        {ORG_AND("api_reserve_percent: %s"), "orgs[0].api_reserve_percent", "0", "100", "-1",
         "101"},
        {ORG_AND("api_version: %s"), "orgs[0].api_version", "50.0", "999.0", "49.0", "1000.0"},
        {"admin: { address: '127.0.0.1:%s' }\n" ORG, "admin.address", "0", "65535", "-1", "65536"},
        {"listen: { address: ':%s' }\n" ORG, "listen.address", "0", "65535", "-1", "65536"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *inside[] = {rows[i].least, rows[i].most};
        const char *outside[] = {rows[i].below, rows[i].above};
        for (size_t k = 0; k < 2; k++) {
            char *good = filled(rows[i].form, inside[k]), *bad = filled(rows[i].form, outside[k]);
            char *want = mem_printf(":%d: %s: ", rows[i].path[0] == 'o' ? 5 : 1, rows[i].path);
            struct config *c = load(good);
            config_free(&c);
            check_refused(bad, strlen(bad), want);
            free(want);
            free(bad);
            free(good);
        }
    }
}

static void words_that_are_not_known_are_refused(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"log:\n  level: trace\n" ORG,
         ":2: log.level: \"trace\" is unknown; allowed is debug, info, warn or error"},
        {"log: { format: text }\n" ORG, ":1: log.format: \"text\" is unknown; allowed is logfmt"},
        {"admin: { public_health: yes }\n" ORG,
         ":1: admin.public_health: \"yes\" is unknown; allowed is false or true"},
        {"policy: { precedence: picklists }\n" ORG,
         ":1: policy.precedence: \"picklists\" is unknown; allowed is rules or picklist"},
        {"policy: { end_date: Inclusive }\n" ORG, ":1: policy.end_date: "},
        {"policy: { window_applies_to: created }\n" ORG, ":1: policy.window_applies_to: "},
        {"policy: { dedupe: phone }\n" ORG, ":1: policy.dedupe: "},
        {"policy: { default_channel: a.b }\n" ORG,
         ":1: policy.default_channel: \"a.b\" is not a channel's name"},
        {"policy: { default_channel: '' }\n" ORG, ":1: policy.default_channel: "},
        {ORG "channels:\n- type: a\n  channel: b.c\n", ":7: channels[0].channel: \"b.c\" is not"},
        {ORG "channels:\n- type: a\n  channel: b\n  subchannel: ''\n",
         ":8: channels[0].subchannel:"},
        {ORG "channels:\n- { type: a, channel: ' b' }\n", ":6: channels[0].channel: \" b\" is not"},
        {ORG "channels:\n- { type: a, channel: \"b\\tc\" }\n", ":6: channels[0].channel: \"b?c\""},
        {"policy: { default_channel: 'a ' }\n" ORG, ":1: policy.default_channel: \"a \" is not"},
        {"tls: { client_certificate: on }\n" ORG,
         ":1: tls.client_certificate: \"on\" is unknown; allowed is off, optional or required"},
        {"worker: { reconcile: 24:00 }\n" ORG,
         ":1: worker.reconcile: \"24:00\" is unknown; allowed is a time of day (\"03:30\"), off, "
         "or an interval of 1s to 30d (6h)"},
        {"worker: { reconcile: 03:60 }\n" ORG, ":1: worker.reconcile: "},
        {"worker: { reconcile: 3:30 }\n" ORG, ":1: worker.reconcile: "},
        {"worker: { reconcile: daily }\n" ORG, ":1: worker.reconcile: "},
        {ORG_AND("time_zone: Europe/Berlim"),
         ":5: orgs[0].time_zone: \"Europe/Berlim\" is not a time zone; allowed is an IANA name "
         "such as Europe/Berlin, or auto for the org's own"},
        {ORG_AND("schema: bizible"), ":5: orgs[0].schema: \"bizible\" is unknown; allowed is "
                                     "standard, bizible2, or a mapping"},
        {ORG_AND("schema: [standard]"), ":5: orgs[0].schema: must be a single value"},
        {ORG_AND("schema: { base: x }"), ":5: orgs[0].schema.base: \"x\" is unknown"},
        {ORG_AND("schema:\n      campaign.sync: x"),
         ":6: orgs[0].schema.campaign.sync: unknown key; allowed is base, campaign.sync_type, "},
        {ORG_AND("schema:\n      touchpoint: T__c\n      touchpoint: U__c"),
         ":7: orgs[0].schema.touchpoint: is there twice, first in line 6"},
        {ORG_AND("schema: { touchpoint: 9x }"),
         ":5: orgs[0].schema.touchpoint: \"9x\" is not an API name; allowed is a letter"},
        {ORG_AND("schema: { touchpoint: a-b }"), ":5: orgs[0].schema.touchpoint: \"a-b\""},
        {ORG_AND("schema: { touchpoint: '' }"), ":5: orgs[0].schema.touchpoint: \"\""},
        {ORG_AND("schema: { touchpoint: "
                 "a12345678901234567890123456789012345678901234567890123456789012345678901234567890"
                 " }"),
         ":5: orgs[0].schema.touchpoint: "},
        {ORG_AND("schema: { touchpoint: [a] }"), ":5: orgs[0].schema.touchpoint: must be a single"},
    };
    check_bad(rows, COUNT(rows));
}

static void networks_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"listen: { allow: 10.0.0.0/8 }\n" ORG, ":1: listen.allow: must be a list"},
        {"listen:\n  allow:\n  - 10.0.0.0/8\n  - 10.0.0.1/8\n" ORG,
         ":4: listen.allow[1]: \"10.0.0.1/8\" has bits set behind its prefix length; allowed is "
         "NETWORK/BITS or an address, as 192.0.2.0/24 or 2001:db8::1"},
        {"listen: { allow: [example.org] }\n" ORG,
         ":1: listen.allow[0]: \"example.org\" is no IPv4 or IPv6 network"},
        {"listen: { allow: [''] }\n" ORG, ":1: listen.allow[0]: \"\" is no"},
    };
    check_bad(rows, COUNT(rows));
}

#define PIN "\"sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\""

/* A door that only seems to be closed, or that nobody could enter. */
static void client_certificates_that_could_not_work_are_refused(void **state)
{
    (void)state;
    static const char vain[] = ":1: tls.client_pins: protects nothing while tls.client_certificate "
                               "is off; allowed is required or optional there";
    static const struct bad rows[] = {
        {"tls: { client_pins: [" PIN ", \"sha256//AAAA\"] }\n" ORG,
         ":1: tls.client_pins[1]: \"sha256//AAAA\" is not 32 bytes in base64; allowed is "
         "sha256//BASE64 of the public key, or sha256:HEX of the certificate"},
        {"tls: { client_pins: ['sha256:AB'] }\n" ORG,
         ":1: tls.client_pins[0]: \"sha256:AB\" is not 32 bytes in hexadecimal"},
        {ORG_AND("client_pins: [x]"), ":5: orgs[0].client_pins[0]: \"x\" is no pin"},
        {"tls: { name: 'https://a.example' }\n" ORG,
         ":1: tls.name: \"https://a.example\" is not a host; allowed is the host of the endpoint"},
        {"tls: { client_expired_pins: warn }\n" ORG,
         ":1: tls.client_expired_pins: \"warn\" is unknown; allowed is refuse or accept"},
        {"tls: { client_pins: [" PIN "] }\n" ORG, vain},
        {"tls: { client_certificate: off, client_pins: [" PIN "] }\n" ORG, vain},
        {"tls: { client_ca: ca.pem }\n" ORG, ":1: tls.client_ca: protects nothing"},
        {ORG_AND("client_pins: [" PIN "]"), ":5: orgs[0].client_pins: protects nothing"},
        {"tls: { client_certificate: optional }\n" ORG,
         ":1: tls.client_certificate: no certificate could be accepted: add tls.client_ca, "},
        {"tls: { client_certificate: required }\n" ORG,
         ":3: orgs[0].id: no certificate could speak for this organisation"},
        {"tls: { client_certificate: required }\n" ORG_AND(
             "client_pins: [" PIN
             "]") "  - id: 00D000000000002EAA\n"
                  "    login_url: https://other.my.salesforce.com\n"
                  "    auth: { type: jwt, client_id: c, username: u, key_file: org.key }\n",
         ":7: orgs[1].id: no certificate could speak for this organisation"},
    };
    check_bad(rows, COUNT(rows));
}

/* Ignoring what asks for protection would be a hole; ignoring the rest would be a lie. */
static void what_is_not_there_yet_is_refused_and_not_ignored(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"listen:\n  proxy_protocol: [10.0.0.1, proxy]\n" ORG,
         ":2: listen.proxy_protocol[1]: \"proxy\" is no IPv4 or IPv6 network; allowed is "},
        {"listen:\n  proxy_protocol: [10.0.0.1, '::/0']\n" ORG,
         ":2: listen.proxy_protocol[1]: would let everybody claim any address; allowed are"},
    };
    check_bad(rows, COUNT(rows));
}

static void a_file_that_is_too_large_or_absent_is_refused(void **state)
{
    (void)state;
    enum { SIZE = (1 << 20) + 1 };
    char *bytes = mem_alloc(SIZE);
    memset(bytes, '#', SIZE);
    check_refused(bytes, SIZE, ": is too large; allowed are 1048576 bytes");
    /* in less than a moment, although libyaml's time grows with the square of the nesting */
    memset(bytes, '[', SIZE);
    check_refused(bytes, SIZE - 1, ":1: lists and mappings are nested too deep");
    free(bytes);
    struct config *c = NULL;
    struct error e = {0};
    assert_int_equal(config_load(&c, "/nonexistent/t.yaml", &e), ERR_CONFIG);
    assert_non_null(strstr(e.text, "/nonexistent/t.yaml: cannot be opened: No such file"));
    assert_int_equal(config_load(&c, dir, &e), ERR_CONFIG);
    assert_non_null(strstr(e.text, "cannot be read: Is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_another_shape_is_refused),
        cmocka_unit_test(yaml_that_configuration_has_no_use_for_is_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(the_ends_of_each_range_are_allowed_and_no_more),
        cmocka_unit_test(words_that_are_not_known_are_refused),
        cmocka_unit_test(networks_that_are_none_are_refused),
        cmocka_unit_test(client_certificates_that_could_not_work_are_refused),
        cmocka_unit_test(what_is_not_there_yet_is_refused_and_not_ignored),
        cmocka_unit_test(a_file_that_is_too_large_or_absent_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
