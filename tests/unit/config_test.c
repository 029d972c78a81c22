/*
 * config: the defaults, every key, and a table of files that are refused, each with its message and
 * line. All files are written to a directory of this test's own.
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
#include "mem.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define DAY_MS INT64_C(86400000)

#define ORG                                                                                        \
    "orgs:\n"                                                                                      \
    "  - id: 00D000000000001EAA\n"                                                                 \
    "    login_url: https://example.my.salesforce.com\n"                                           \
    "    auth: { type: jwt, client_id: c, username: u, key_file: org.key }\n"
/* The same with room for one more key in the org, in line 5. */
#define ORG_AND(text) ORG "    " text "\n"

static char dir[] = "/tmp/config_test.XXXXXX";
static char *file;

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    file = mem_printf("%s/t.yaml", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(file);
    free(file);
    return rmdir(dir);
}

static void write_bytes(const char *bytes, size_t n)
{
    FILE *f = fopen(file, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static struct config *load(const char *yaml)
{
    struct config *c = NULL;
    struct error e = {0};
    write_bytes(yaml, strlen(yaml));
    if (config_load(&c, file, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    return c;
}

static void check_refused(const char *yaml, size_t n, const char *want)
{
    struct config *c = NULL;
    struct error e = {0};
    write_bytes(yaml, n);
    if (config_load(&c, file, &e) != ERR_CONFIG)
        fail_msg("not refused; want %s in\n%s", want, yaml);
    assert_null(c);
    assert_int_equal(e.kind, ERR_CONFIG);
    assert_memory_equal(e.text, file, strlen(file));
    const char *got = e.text + strlen(file);
    if (strncmp(got, want, strlen(want)) != 0)
        fail_msg("want \"%s\"\ngot  \"%s\"", want, got);
}

/* ------------------------------------------------------------------ what is loaded */

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
    assert_in_range(c->listen.threads, 1, 256);
    assert_int_equal(c->listen.proxy_protocol.count, 0);
    assert_int_equal(c->listen.allow.count, 0);
    assert_string_equal(c->listen.ip_ranges_file, "");
    assert_int_equal(c->tls.certificate.count, 1);
    assert_string_equal(c->tls.certificate.items[0], certificate);
    assert_int_equal(c->tls.key.count, 1);
    assert_string_equal(c->tls.key.items[0], key);
    assert_string_equal(c->tls.client_certificate, "off");
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
                            "  client_ca: ca.pem\n"
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
    struct config *c = load("tls: { certificate: [a.pem], key: [../a.key], client_ca: ca.pem }\n"
                            "store: { url: 'sqlite:data/queue.db' }\n"
                            "admin: { address: 'unix:admin.sock', token_file: t }\n" ORG);
    const struct {
        const char *got, *want;
    } rows[] = {
        {c->tls.certificate.items[0], "%s/a.pem"}, {c->tls.key.items[0], "%s/../a.key"},
        {c->tls.client_ca, "%s/ca.pem"},           {c->store.url, "sqlite:%s/data/queue.db"},
        {c->admin.address, "unix:%s/admin.sock"},  {c->admin.token_file, "%s/t"},
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

/* ------------------------------------------------------------------ what is refused */

struct bad {
    const char *yaml, *want;
};

static void check_bad(const struct bad *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_refused(rows[i].yaml, strlen(rows[i].yaml), rows[i].want);
}

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
        {ORG "channels:\n", ":5: channels: must be a list; for an empty one write []"},
        {ORG "channels: [a]\n", ":5: channels[0]: must be a mapping; allowed is type, status"},
        {"log:\n  level: info\n  level: debug\n" ORG,
         ":3: log.level: is there twice, first in line 2; allowed is once"},
        {"log: {}\nlog: {}\n" ORG, ":2: log: is there twice, first in line 1"},
        {ORG_AND("id: x"), ":5: orgs[0].id: is there twice, first in line 2"},
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
        {"log: {\n" ORG, ":2: is not YAML: "},
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
                                           "to 64MiB, written as 4MiB, 64KiB or plain bytes"},
        {"listen: { max_body: 65MiB }\n" ORG, ":1: listen.max_body: \"65MiB\" is not"},
        {"listen: { max_body: 1023 }\n" ORG, ":1: listen.max_body: \"1023\" is not"},
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
        {ORG_AND("audience: login.salesforce.com"), ":5: orgs[0].audience: is not such a URL"},
        {ORG_AND("audience: http://login.salesforce.com"), ":5: orgs[0].audience: is not such"},
        {ORG_AND("audience: ''"), ":5: orgs[0].audience: is not such a URL"},
    };
    check_bad(rows, COUNT(rows));
}

#define ORG_AT(url)                                                                                \
    "orgs:\n- id: 00D000000000001EAA\n  login_url: " url                                           \
    "\n  auth: { type: jwt, client_id: c, username: u, key_file: k }\n"

static void a_login_url_is_https_without_a_path(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "http://example.my.salesforce.com",
        "https://",
        "https:///x",
        "https://example.com/services",
        "https://example.com?x",
        "\"https://example.com#x\"",
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
        "''",
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
                                "c, username: u, key_file: k }\n  login_url: %s\n",
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

/* Ignoring what asks for protection would be a hole; ignoring the rest would be a lie. */
static void what_is_not_there_yet_is_refused_and_not_ignored(void **state)
{
    (void)state;
    static const struct bad rows[] = {
        {"listen:\n  proxy_protocol: [10.0.0.1]\n" ORG,
         ":2: listen.proxy_protocol: not available in this version; allowed is []"},
        {"listen:\n  allow:\n  - 10.0.0.0/8\n" ORG,
         ":3: listen.allow: not available in this version; allowed is []"},
        {"listen: { ip_ranges_file: r.json }\n" ORG,
         ":1: listen.ip_ranges_file: not available in this version; allowed is \"\""},
        {"tls: { client_certificate: optional }\n" ORG,
         ":1: tls.client_certificate: not available in this version; allowed is off"},
        {"tls: { client_certificate: required }\n" ORG,
         ":1: tls.client_certificate: not available in this version"},
        {"tls: { client_pins: [\"sha256//AAAA\"] }\n" ORG,
         ":1: tls.client_pins: not available in this version"},
        {"store: { url: 'postgresql://u:geheim@db/x' }\n" ORG,
         ":1: store.url: PostgreSQL is not available in this version; allowed is sqlite:PATH"},
        {"store: { url: 'postgres://db/x' }\n" ORG, ":1: store.url: PostgreSQL is not available"},
        {ORG_AND("write_back: true"),
         ":5: orgs[0].write_back: not available in this version; allowed is false"},
        {ORG_AND("client_pins: [x]"), ":5: orgs[0].client_pins: not available in this version"},
    };
    check_bad(rows, COUNT(rows));
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

static void a_file_that_is_too_large_or_absent_is_refused(void **state)
{
    (void)state;
    enum { SIZE = (1 << 20) + 1 };
    char *bytes = mem_alloc(SIZE);
    memset(bytes, '#', SIZE);
    check_refused(bytes, SIZE, ": is too large; allowed are 1048576 bytes");
    memset(bytes, '[', SIZE);
    check_refused(bytes, SIZE - 1, ":1: is not YAML: ");
    free(bytes);
    struct config *c = NULL;
    struct error e = {0};
    assert_int_equal(config_load(&c, "/nonexistent/t.yaml", &e), ERR_CONFIG);
    assert_non_null(strstr(e.text, "/nonexistent/t.yaml: cannot be opened: No such file"));
    assert_int_equal(config_load(&c, dir, &e), ERR_CONFIG);
    assert_non_null(strstr(e.text, "cannot be read: Is a directory"));
}

/* ------------------------------------------------------------------ the example */

static char *example_text(void)
{
    FILE *f = fopen("deploy/touchpointd.example.yaml", "rbe");
    assert_non_null(f); /* tests run from the project's root */
    char *text = mem_alloc(1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, f);
    assert_true(n > 0 && feof(f));
    (void)fclose(f);
    return text;
}

static void the_example_is_valid_and_shows_the_defaults(void **state)
{
    (void)state;
    char *text = example_text();
    struct config *shown = load(text), *plain = load(ORG);
    assert_string_equal(shown->listen.address, plain->listen.address);
    assert_string_equal(shown->listen.path, plain->listen.path);
    assert_memory_equal(&shown->worker.threads, &plain->worker.threads,
                        offsetof(struct config, worker.reconcile) -
                            offsetof(struct config, worker.threads));
    assert_string_equal(shown->worker.reconcile, plain->worker.reconcile);
    assert_string_equal(shown->store.url, plain->store.url);
    assert_int_equal(shown->store.keep_done_ms, plain->store.keep_done_ms);
    assert_int_equal(shown->store.keep_failed_ms, plain->store.keep_failed_ms);
    assert_int_equal(shown->store.keep_ledger_ms, plain->store.keep_ledger_ms);
    assert_int_equal(shown->shutdown_timeout_ms, plain->shutdown_timeout_ms);
    assert_int_equal(shown->rule_count, 2);
    assert_int_equal(shown->channel_count, 3);
    config_free(&plain);
    config_free(&shown);
    free(text);
}

static void the_example_names_every_key_of_the_schema(void **state)
{
    (void)state;
    static const char *const keys[] = {
#define X(id, key, standard, bizible2) "#   " key ": " standard "\n",
        SCHEMA_NAMES(X)
#undef X
    };
    char *text = example_text();
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (strstr(text, keys[i]) == NULL)
            fail_msg("missing: %s", keys[i]);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_are_absent_have_the_documented_defaults),
        cmocka_unit_test(an_org_has_its_defaults_too),
        cmocka_unit_test(every_key_is_taken),
        cmocka_unit_test(file_names_are_relative_to_the_file),
        cmocka_unit_test(a_relative_file_is_found_from_the_working_directory),
        cmocka_unit_test(several_orgs_are_found_by_their_18_character_ids),
        cmocka_unit_test(a_schema_may_be_a_word_or_a_mapping),
        cmocka_unit_test(rules_and_channels_are_kept_as_written_with_their_lines),
        cmocka_unit_test(a_file_of_another_shape_is_refused),
        cmocka_unit_test(yaml_that_configuration_has_no_use_for_is_refused),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(words_that_are_not_known_are_refused),
        cmocka_unit_test(addresses_and_urls_are_checked),
        cmocka_unit_test(a_login_url_is_https_without_a_path),
        cmocka_unit_test(an_org_without_what_it_needs_is_refused),
        cmocka_unit_test(what_is_not_there_yet_is_refused_and_not_ignored),
        cmocka_unit_test(messages_do_not_repeat_what_may_be_secret),
        cmocka_unit_test(a_file_that_is_too_large_or_absent_is_refused),
        cmocka_unit_test(the_example_is_valid_and_shows_the_defaults),
        cmocka_unit_test(the_example_names_every_key_of_the_schema),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
