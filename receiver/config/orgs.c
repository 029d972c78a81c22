/*
 * The orgs: what each way to sign in needs, and the names of objects and fields. `schema` is read
 * from the document, since it may be a word or a mapping.
 */
#include "apply.h"

#include <string.h>

#include "mem.h"
#include "shape.h"

enum { API_NAME_MAX = 80 };

/* ------------------------------------------------------------------ signing in */

struct auth_need {
    const char *key;
    size_t out;
    enum config_auth of; /* the way that needs it; the other has no use for it */
};

static const struct auth_need AUTH_NEEDS[] = {
    {"username", offsetof(struct config_org, username), CONFIG_AUTH_JWT},
    {"key_file", offsetof(struct config_org, key_file), CONFIG_AUTH_JWT},
    {"secret_file", offsetof(struct config_org, secret_file), CONFIG_AUTH_CLIENT_CREDENTIALS},
};

static enum err check_auth(struct loading *l, const char *path, struct config_org *org,
                           struct error *e)
{
    const char *type = WORDS_AUTH[org->auth];
    for (size_t i = 0; i < sizeof AUTH_NEEDS / sizeof AUTH_NEEDS[0]; i++) {
        const struct auth_need *need = &AUTH_NEEDS[i];
        const char **value = (const char **)(void *)((char *)org + need->out);
        char auth[SOURCE_PATH_MAX], below[SOURCE_PATH_MAX];
        (void)source_join(below, source_join(auth, path, "auth"), need->key);
        bool given = (*value)[0] != '\0';
        if (given && need->of != org->auth)
            return loading_refuse(l, below, e, "has no meaning with type %s; leave it out", type);
        if (!given && need->of == org->auth)
            return loading_refuse(l, below, e, "is missing; type %s needs it", type);
        if (!given)
            *value = NULL;
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ the schema */

struct schema_row {
    const char *key, *standard, *bizible2;
};

static const struct schema_row SCHEMA[SCHEMA_COUNT] = {
#define X(id, key_, standard_, bizible2_) [id] = {key_, standard_, bizible2_},
    SCHEMA_NAMES(X)
#undef X
};

static enum err use_preset(struct loading *l, const yaml_node_t *node, const char *path,
                           struct schema *out, struct error *e)
{
    enum err err = shape_check_scalar(l->source, node, path, e);
    if (err != ERR_NONE)
        return err;
    const char *text = source_text(node);
    bool bizible2 = strcmp(text, "bizible2") == 0;
    if (!bizible2 && strcmp(text, "standard") != 0)
        return source_refuse(l->source, source_line_of(node), path, e,
                             "\"%.60s\" is unknown; allowed is standard, bizible2, or a mapping "
                             "with base and the names that differ",
                             text);
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        out->name[i] = bizible2 ? SCHEMA[i].bizible2 : SCHEMA[i].standard;
    return ERR_NONE;
}

static bool is_api_name(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    bool letter = (s[0] >= 'A' && s[0] <= 'Z') || (s[0] >= 'a' && s[0] <= 'z');
    return letter && s[n] == '\0' && n <= API_NAME_MAX;
}

static enum err refuse_schema_key(struct loading *l, const yaml_node_t *key, const char *path,
                                  struct error *e)
{
    struct buf keys;
    buf_init(&keys, ERROR_TEXT_MAX);
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        buf_printf(&keys, ", %s", SCHEMA[i].key);
    enum err err = source_refuse(l->source, source_line_of(key), path, e,
                                 "unknown key; allowed is base%s", keys.data);
    buf_release(&keys);
    return err;
}

static enum err use_name(struct loading *l, const yaml_node_t *key, const yaml_node_t *value,
                         const char *path, struct schema *out, struct error *e)
{
    const char *text = source_text(key);
    size_t i = 0;
    while (i < SCHEMA_COUNT && (text == NULL || strcmp(SCHEMA[i].key, text) != 0))
        i++;
    if (i == SCHEMA_COUNT)
        return refuse_schema_key(l, key, path, e);
    enum err err = shape_check_scalar(l->source, value, path, e);
    if (err != ERR_NONE)
        return err;
    if (!is_api_name(source_text(value)))
        return source_refuse(l->source, source_line_of(value), path, e,
                             "\"%.100s\" is not an API name; allowed is a letter, then letters, "
                             "digits and '_', at most %d in all",
                             source_text(value), API_NAME_MAX);
    out->name[i] = loading_keep(l, mem_strdup(source_text(value)));
    return ERR_NONE;
}

static enum err use_mapping(struct loading *l, const yaml_node_t *node, const char *path,
                            struct schema *out, struct error *e)
{
    const yaml_node_pair_t *pairs = node->data.mapping.pairs.start;
    size_t n = (size_t)(node->data.mapping.pairs.top - pairs);
    enum err err = ERR_NONE;

    for (size_t pass = 0; pass < 2; pass++) { /* the base first, wherever it stands */
        for (size_t i = 0; i < n && err == ERR_NONE; i++) {
            const yaml_node_t *key = source_node(l->source, pairs[i].key);
            const yaml_node_t *value = source_node(l->source, pairs[i].value);
            const char *text = source_text(key);
            bool is_base = text != NULL && strcmp(text, "base") == 0;
            char below[SOURCE_PATH_MAX];
            (void)source_join(below, path, text == NULL ? "?" : text);
            unsigned first = shape_first_line(l->source, node, i);
            if (first != 0)
                err = source_refuse(l->source, source_line_of(key), below, e,
                                    "is there twice, first in line %u; allowed is once", first);
            else if (pass == 0 && is_base)
                err = use_preset(l, value, below, out, e);
            else if (pass == 1 && !is_base)
                err = use_name(l, key, value, below, out, e);
        }
    }
    return err;
}

static enum err apply_schema(struct loading *l, const char *org_path, struct schema *out,
                             struct error *e)
{
    char path[SOURCE_PATH_MAX];
    (void)source_join(path, org_path, "schema");
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        out->name[i] = SCHEMA[i].standard;
    const yaml_node_t *node = source_find(l->source, path);
    if (node == NULL)
        return ERR_NONE;
    return node->type == YAML_MAPPING_NODE ? use_mapping(l, node, path, out, e)
                                           : use_preset(l, node, path, out, e);
}

/* ------------------------------------------------------------------ all */

static enum err apply_org(struct loading *l, const struct raw_org *raw, const char *path,
                          struct config_org *org, struct error *e)
{
    char pins[SOURCE_PATH_MAX], auth[SOURCE_PATH_MAX];
    (void)source_join(pins, path, "client_pins");
    enum err err = apply_org_settings(l, raw, path, org, e);
    if (err == ERR_NONE)
        err = check_auth(l, path, org, e);
    if (err == ERR_NONE)
        err = apply_schema(l, path, &org->schema, e);
    if (err == ERR_NONE)
        err = apply_pins(l, pins, raw->client_pins, raw->client_pins_count, &org->client_pins, e);
    org->client_pin_count = raw->client_pins_count;
    if (err == ERR_NONE && org->name[0] == '\0')
        org->name = org->id;
    org->line = source_line(l->source, source_join(auth, path, "auth"));
    return err;
}

enum err apply_orgs(struct loading *l, const struct raw_config *raw, struct config *c,
                    struct error *e)
{
    c->org_count = raw->orgs_count;
    c->orgs = loading_keep(l, mem_array(raw->orgs_count, sizeof *c->orgs));
    for (size_t i = 0; i < c->org_count; i++) {
        char path[SOURCE_PATH_MAX], id[SOURCE_PATH_MAX];
        (void)source_item(path, "orgs", i);
        enum err err = apply_org(l, &raw->orgs[i], path, &c->orgs[i], e);
        if (err != ERR_NONE)
            return err;
        for (size_t before = 0; before < i; before++) {
            if (strcmp(c->orgs[before].id, c->orgs[i].id) != 0)
                continue;
            return loading_refuse(l, source_join(id, path, "id"), e,
                                  "%s is the id of orgs[%zu] too; allowed is each once",
                                  c->orgs[i].id, before);
        }
    }
    return ERR_NONE;
}
