/*
 * libcyaml's schema. The single-valued keys come from the table in settings.h; lists and mappings
 * stand here. `orgs[].schema` may be a word or a mapping, for which libcyaml has no type: it is
 * left out here and read from the document (orgs.c).
 */
#include "raw.h"

#include <stdio.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "shape.h"

#define ROW(section, key, ...)                                                                     \
    CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_OPTIONAL, struct section, key, 0, CYAML_UNLIMITED),
#define LIST(section, key, entry, min)                                                             \
    CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | ((min) > 0 ? 0 : CYAML_FLAG_OPTIONAL),         \
                         struct section, key, entry, min, CYAML_UNLIMITED)
/* May be absent, but not empty. */
#define FILLED_LIST(section, key, entry)                                                           \
    CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct section, key,      \
                         entry, 1, CYAML_UNLIMITED)
#define SECTION(key, fields)                                                                       \
    CYAML_FIELD_MAPPING(#key, CYAML_FLAG_OPTIONAL, struct raw_config, key, fields)
#define TEXT(section, key, flags)                                                                  \
    CYAML_FIELD_STRING_PTR(#key, flags, struct section, key, 0, CYAML_UNLIMITED)

static const cyaml_schema_value_t TEXT_ENTRY = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

static const cyaml_schema_field_t LISTEN[] = {
    LISTEN_SETTINGS(ROW) LIST(raw_listen, proxy_protocol, &TEXT_ENTRY, 0),
    LIST(raw_listen, allow, &TEXT_ENTRY, 0), CYAML_FIELD_END};
static const cyaml_schema_field_t TLS[] = {
    TLS_SETTINGS(ROW) FILLED_LIST(raw_tls, certificate, &TEXT_ENTRY),
    FILLED_LIST(raw_tls, key, &TEXT_ENTRY), LIST(raw_tls, client_pins, &TEXT_ENTRY, 0),
    CYAML_FIELD_END};
static const cyaml_schema_field_t STORE[] = {STORE_SETTINGS(ROW) CYAML_FIELD_END};
static const cyaml_schema_field_t ADMIN[] = {ADMIN_SETTINGS(ROW) CYAML_FIELD_END};
static const cyaml_schema_field_t WORKER[] = {WORKER_SETTINGS(ROW) CYAML_FIELD_END};
static const cyaml_schema_field_t LOG[] = {LOG_SETTINGS(ROW) CYAML_FIELD_END};
static const cyaml_schema_field_t POLICY[] = {POLICY_SETTINGS(ROW) CYAML_FIELD_END};
static const cyaml_schema_field_t AUTH[] = {AUTH_SETTINGS(ROW) CYAML_FIELD_END};

static const cyaml_schema_field_t ORG[] = {
    ORG_SETTINGS(ROW) CYAML_FIELD_MAPPING("auth", CYAML_FLAG_DEFAULT, struct raw_org, auth, AUTH),
    CYAML_FIELD_IGNORE("schema", CYAML_FLAG_OPTIONAL), LIST(raw_org, client_pins, &TEXT_ENTRY, 0),
    CYAML_FIELD_END};
static const cyaml_schema_value_t ORG_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_org, ORG)};

static const cyaml_schema_field_t CHANNEL[] = {
    TEXT(config_channel, type, CYAML_FLAG_DEFAULT),
    TEXT(config_channel, status, CYAML_FLAG_OPTIONAL),
    TEXT(config_channel, channel, CYAML_FLAG_DEFAULT),
    TEXT(config_channel, subchannel, CYAML_FLAG_OPTIONAL),
    CYAML_FIELD_BOOL("null_channel", CYAML_FLAG_OPTIONAL, struct config_channel, null_channel),
    CYAML_FIELD_END};
static const cyaml_schema_value_t CHANNEL_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_channel, CHANNEL)};

static const cyaml_schema_field_t CONDITION[] = {TEXT(config_condition, field, CYAML_FLAG_DEFAULT),
                                                 TEXT(config_condition, op, CYAML_FLAG_DEFAULT),
                                                 TEXT(config_condition, value, CYAML_FLAG_DEFAULT),
                                                 CYAML_FIELD_END};
static const cyaml_schema_value_t CONDITION_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_condition, CONDITION)};

static const cyaml_schema_field_t GROUP[] = {LIST(config_group, all, &CONDITION_ENTRY, 1),
                                             CYAML_FIELD_END};
static const cyaml_schema_value_t GROUP_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_group, GROUP)};

static const cyaml_schema_field_t RULE[] = {
    TEXT(config_rule, name, CYAML_FLAG_DEFAULT), TEXT(config_rule, action, CYAML_FLAG_DEFAULT),
    LIST(config_rule, any, &GROUP_ENTRY, 1), LIST(config_rule, dates, &TEXT_ENTRY, 0),
    CYAML_FIELD_END};
static const cyaml_schema_value_t RULE_ENTRY = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_rule, RULE)};

static const cyaml_schema_field_t TOP[] = {SECTION(listen, LISTEN),
                                           SECTION(tls, TLS),
                                           SECTION(store, STORE),
                                           SECTION(admin, ADMIN),
                                           SECTION(worker, WORKER),
                                           SECTION(log, LOG),
                                           LIST(raw_config, orgs, &ORG_ENTRY, 1),
                                           SECTION(policy, POLICY),
                                           LIST(raw_config, channels, &CHANNEL_ENTRY, 0),
                                           LIST(raw_config, rules, &RULE_ENTRY, 0),
                                           TOP_SETTINGS(ROW) CYAML_FIELD_END};
static const cyaml_schema_value_t FILE_SCHEMA = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, TOP)};

/* The first message says what is wrong; the backtrace that follows it is not needed. */
__attribute__((format(printf, 3, 0))) static void note_first(cyaml_log_t level, void *ctx,
                                                             const char *fmt, va_list args)
{
    char *text = ctx;
    (void)level;
    if (text[0] == '\0')
        (void)vsnprintf(text, ERROR_TEXT_MAX / 2, fmt, args);
    text[strcspn(text, "\n")] = '\0';
}

static const cyaml_config_t PLAIN = {
    .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_NO_ALIAS};

/* After shape_check libcyaml has nothing left to refuse; if it does, its own words are shown. */
enum err raw_load(struct raw_config **out, struct source *s, struct error *e)
{
    char said[ERROR_TEXT_MAX / 2] = "";
    cyaml_data_t *loaded = NULL;
    cyaml_config_t config = PLAIN;
    config.log_fn = note_first;
    config.log_ctx = said;

    enum err err = shape_check(s, &FILE_SCHEMA, e);
    if (err != ERR_NONE)
        return err;
    cyaml_err_t code = cyaml_load_data((const uint8_t *)s->bytes.data, s->bytes.len, &config,
                                       &FILE_SCHEMA, &loaded, NULL);
    if (code != CYAML_OK)
        return error_set(e, ERR_CONFIG, "%s: %s (%s)", s->file, said, cyaml_strerror(code));
    *out = loaded;
    return ERR_NONE;
}

void raw_free(struct raw_config **raw)
{
    if (*raw != NULL)
        (void)cyaml_free(&PLAIN, &FILE_SCHEMA, *raw, 0);
    *raw = NULL;
}
