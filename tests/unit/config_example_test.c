/*
 * The example is valid, shows every key and the defaults, and damaged in any place it is loaded or
 * refused.
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

/* The project's example; the caller frees. Tests run from the project's root. */
static char *example_text(void)
{
    FILE *f = fopen("deploy/touchpointd.example.yaml", "rbe");
    assert_non_null(f);
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
    const struct config_org *org = &shown->orgs[0], *other = &plain->orgs[0];
    const struct {
        const char *name, *got, *want;
    } texts[] = {
        {"listen.address", shown->listen.address, plain->listen.address},
        {"listen.path", shown->listen.path, plain->listen.path},
        {"listen.ip_ranges_file", shown->listen.ip_ranges_file, plain->listen.ip_ranges_file},
        {"tls.certificate", shown->tls.certificate.items[0], plain->tls.certificate.items[0]},
        {"tls.key", shown->tls.key.items[0], plain->tls.key.items[0]},
        {"tls.name", shown->tls.name, plain->tls.name},
        {"tls.client_ca", shown->tls.client_ca, plain->tls.client_ca},
        {"store.url", shown->store.url, plain->store.url},
        {"admin.address", shown->admin.address, plain->admin.address},
        {"admin.name", shown->admin.name, plain->admin.name},
        {"admin.certificate", shown->admin.certificate, plain->admin.certificate},
        {"admin.key", shown->admin.key, plain->admin.key},
        {"admin.token_file", shown->admin.token_file, plain->admin.token_file},
        {"worker.reconcile", shown->worker.reconcile, plain->worker.reconcile},
        {"policy.default_channel", shown->policy.default_channel, plain->policy.default_channel},
        {"audience", org->audience, other->audience},
        {"api_version", org->api_version, other->api_version},
        {"time_zone", org->time_zone, other->time_zone},
        {"schema", org->schema.name[SCHEMA_SYNC_TYPE], other->schema.name[SCHEMA_SYNC_TYPE]},
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (strcmp(texts[i].got, texts[i].want) != 0)
            fail_msg("%s: %s", texts[i].name, texts[i].got);
    }
#define SAME(field) assert_int_equal(shown->field, plain->field)
    SAME(listen.max_body_bytes);
    SAME(listen.request_timeout_ms);
    SAME(listen.max_connections);
    SAME(listen.max_connections_per_address);
    SAME(listen.max_new_connections_per_address);
    SAME(listen.threads);
    SAME(tls.client_certificate);
    SAME(tls.accept_expired_pins);
    SAME(store.keep_done_ms);
    SAME(store.keep_failed_ms);
    SAME(store.keep_ledger_ms);
    SAME(store.quarantine_max_bytes);
    SAME(admin.public_health);
    SAME(worker.threads);
    SAME(worker.lease_ms);
    SAME(worker.request_timeout_ms);
    SAME(worker.echo_ms);
    SAME(worker.max_tries);
    SAME(log.level);
    SAME(log.format);
    SAME(shutdown_timeout_ms);
    SAME(policy.picklist_first);
    SAME(policy.end_inclusive);
    SAME(policy.window_on_added);
    SAME(policy.dedupe_email);
    SAME(policy.max_delete_percent);
    SAME(orgs[0].max_concurrent);
    SAME(orgs[0].api_reserve_percent);
    SAME(orgs[0].write_back);
#undef SAME
    assert_int_equal(shown->rule_count, 2);
    assert_int_equal(shown->channel_count, 3);
    config_free(&plain);
    config_free(&shown);
    free(text);
}

static void the_example_names_every_key(void **state)
{
    (void)state;
    static const char *const keys[] = {
        /* top and listen to log */
        "listen:",
        "  address:",
        "  path:",
        "  max_body:",
        "  request_timeout:",
        "  max_connections:",
        "  max_connections_per_address:",
        "  max_new_connections_per_address:",
        "  threads:",
        "  proxy_protocol:",
        "  allow:",
        "  ip_ranges_file:",
        "tls:",
        "  certificate:",
        "  key:",
        "  name:",
        "  client_certificate:",
        "  client_ca:",
        "  client_pins:",
        "  client_expired_pins:",
        "store:",
        "  url:",
        "  keep_done:",
        "  keep_failed:",
        "  keep_ledger:",
        "  quarantine_max:",
        "  allow_asynchronous_commit:",
        "admin:",
        "  token_file:",
        "  public_health:",
        "worker:",
        "  lease:",
        "  echo:",
        "  max_tries:",
        "  reconcile:",
        "log:",
        "  level:",
        "  format:",
        "shutdown_timeout:",
        /* orgs to rules */
        "orgs:",
        "  - id:",
        "    name:",
        "    login_url:",
        "    audience:",
        "    api_version:",
        "    auth: { type: jwt, client_id: ",
        "    # auth: { type: client_credentials, client_id: ",
        "    schema:",
        "    time_zone:",
        "    max_concurrent:",
        "    api_reserve_percent:",
        "    write_back:",
        "    client_pins:",
        "policy:",
        "  precedence:",
        "  end_date:",
        "  window_applies_to:",
        "  dedupe:",
        "  default_channel:",
        "  max_delete_percent:",
        "channels:",
        "rules:",
        "  - name:",
        "    action:",
        "    any:",
        "      - all:",
        "    dates:",
    };
    char *text = example_text();
    for (size_t i = 0; i < COUNT(keys); i++) {
        char *line = mem_printf("\n%s", keys[i]);
        if (strstr(text, line) == NULL)
            fail_msg("missing: %s", keys[i]);
        free(line);
    }
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

/* ------------------------------------------------------------------ damaged files */

static void load_or_refuse(const char *bytes, size_t n)
{
    struct config *c = NULL;
    struct error e = {0};
    write_bytes(bytes, n);
    if (config_load(&c, file, &e) == ERR_NONE) {
        assert_non_null(c);
        config_free(&c);
        return;
    }
    assert_null(c);
    assert_int_equal(e.kind, ERR_CONFIG);
    assert_memory_equal(e.text, file, strlen(file));
    for (const char *s = e.text; *s != '\0'; s++)
        assert_true((unsigned char)*s >= ' ');
}

/* Without the comments, which make most of it. */
static size_t strip_comments(char *text)
{
    char *out = text;
    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n"), kept = n;
        for (size_t i = 1; i < n && kept == n; i++) {
            if (line[i] == '#' && line[i - 1] == ' ')
                kept = i;
        }
        if (line[0] == '#')
            kept = 0;
        while (kept > 0 && line[kept - 1] == ' ')
            kept--;
        const char *next = line + n + (line[n] == '\n');
        memmove(out, line, kept);
        out += kept;
        if (kept > 0)
            *out++ = '\n';
        line = next;
    }
    *out = '\0';
    return (size_t)(out - text);
}

static void a_file_that_ends_anywhere_is_loaded_or_refused(void **state)
{
    (void)state;
    char *text = example_text();
    size_t n = strip_comments(text);
    assert_true(n > 1000);
    struct config *c = load(text); /* what is cut is a good file */
    config_free(&c);
    for (size_t cut = 0; cut < n; cut++)
        load_or_refuse(text, cut);
    free(text);
}

static void a_file_with_a_wrong_byte_is_loaded_or_refused(void **state)
{
    (void)state;
    static const char bytes[] = "\0\t\n \"'#&*:-[]{},!|>?%@`~\x7f\x80\xff";
    char *text = example_text();
    size_t n = strip_comments(text);
    for (size_t at = 0; at < n; at++) {
        char before = text[at];
        text[at] = bytes[at * 31 % (sizeof bytes - 1)];
        load_or_refuse(text, n);
        text[at] = before;
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_valid_and_shows_the_defaults),
        cmocka_unit_test(the_example_names_every_key),
        cmocka_unit_test(the_example_names_every_key_of_the_schema),
        cmocka_unit_test(a_file_that_ends_anywhere_is_loaded_or_refused),
        cmocka_unit_test(a_file_with_a_wrong_byte_is_loaded_or_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
