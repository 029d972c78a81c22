/*
 * A recursive walk of schema and document together; as deep as the schema, never as the document.
 */
#include "shape.h"

#include <string.h>

struct walk {
    struct source *source;
    struct error *e;
};

static enum err check(struct walk *w, const cyaml_schema_value_t *schema, const yaml_node_t *node,
                      const char *path);

void shape_keys(const cyaml_schema_field_t *fields, char *out, size_t size)
{
    struct buf b;
    buf_init(&b, size - 1);
    for (const cyaml_schema_field_t *f = fields; f->key != NULL; f++)
        buf_printf(&b, "%s%s", f == fields ? "" : f[1].key == NULL ? " and " : ", ", f->key);
    memcpy(out, b.data, b.len + 1);
    buf_release(&b);
}

static bool is_null_word(const yaml_node_t *node)
{
    static const char *const words[] = {"~", "null", "Null", "NULL"};
    const char *text = source_text(node);
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

enum err shape_check_scalar(struct source *s, const yaml_node_t *node, const char *path,
                            struct error *e)
{
    const char *problem = NULL;
    if (node->type != YAML_SCALAR_NODE)
        problem = "must be a single value, not a list or mapping";
    else if (strlen(source_text(node)) != node->data.scalar.length)
        problem = "holds a NUL character; allowed is text";
    else if (is_null_word(node))
        problem = "is null, which is no value; leave the key out, write \"\" for an empty text, or "
                  "quote the word";
    return problem == NULL ? ERR_NONE
                           : source_refuse(s, source_line_of(node), path, e, "%s", problem);
}

static enum err check_bool(struct walk *w, const yaml_node_t *node, const char *path)
{
    const char *text = source_text(node);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return ERR_NONE;
    return source_refuse(w->source, source_line_of(node), path, w->e,
                         "\"%.60s\" is unknown; allowed is true or false", text);
}

unsigned shape_first_line(struct source *s, const yaml_node_t *mapping, size_t i)
{
    const yaml_node_pair_t *pairs = mapping->data.mapping.pairs.start;
    const char *key = source_text(source_node(s, pairs[i].key));
    for (size_t before = 0; before < i; before++) {
        const yaml_node_t *other = source_node(s, pairs[before].key);
        if (key != NULL && source_text(other) != NULL && strcmp(source_text(other), key) == 0)
            return source_line_of(other);
    }
    return 0;
}

static const cyaml_schema_field_t *field_by_key(const cyaml_schema_field_t *fields, const char *key)
{
    for (; fields->key != NULL; fields++) {
        if (key != NULL && strcmp(fields->key, key) == 0)
            return fields;
    }
    return NULL;
}

static enum err check_pair(struct walk *w, const cyaml_schema_field_t *fields,
                           const yaml_node_t *mapping, size_t i, const char *path)
{
    const yaml_node_pair_t *pair = &mapping->data.mapping.pairs.start[i];
    const yaml_node_t *key = source_node(w->source, pair->key);
    const char *text = source_text(key);
    const cyaml_schema_field_t *field = field_by_key(fields, text);
    char below[SOURCE_PATH_MAX], allowed[ERROR_TEXT_MAX / 2];

    (void)source_join(below, path, text == NULL ? "?" : text);
    if (field == NULL) {
        shape_keys(fields, allowed, sizeof allowed);
        return source_refuse(w->source, source_line_of(key), below, w->e,
                             "unknown key; allowed is %s", allowed);
    }
    unsigned first = shape_first_line(w->source, mapping, i);
    if (first != 0)
        return source_refuse(w->source, source_line_of(key), below, w->e,
                             "is there twice, first in line %u; allowed is once", first);
    return check(w, &field->value, source_node(w->source, pair->value), below);
}

static enum err check_required(struct walk *w, const cyaml_schema_field_t *fields,
                               const yaml_node_t *mapping, const char *path)
{
    const yaml_node_pair_t *pairs = mapping->data.mapping.pairs.start;
    size_t n = (size_t)(mapping->data.mapping.pairs.top - pairs);
    for (const cyaml_schema_field_t *f = fields; f->key != NULL; f++) {
        bool found = (f->value.flags & CYAML_FLAG_OPTIONAL) != 0;
        for (size_t i = 0; i < n && !found; i++)
            found = strcmp(source_text(source_node(w->source, pairs[i].key)), f->key) == 0;
        char below[SOURCE_PATH_MAX];
        (void)source_join(below, path, f->key);
        if (!found)
            return source_refuse(w->source, source_line_of(mapping), below, w->e, "is missing");
    }
    return ERR_NONE;
}

static enum err check_mapping(struct walk *w, const cyaml_schema_field_t *fields,
                              const yaml_node_t *node, const char *path)
{
    char allowed[ERROR_TEXT_MAX / 2];
    enum err err = ERR_NONE;

    if (node->type != YAML_MAPPING_NODE) {
        shape_keys(fields, allowed, sizeof allowed);
        return source_refuse(w->source, source_line_of(node), path, w->e,
                             "must be a mapping; allowed is %s", allowed);
    }
    size_t n = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    for (size_t i = 0; i < n && err == ERR_NONE; i++)
        err = check_pair(w, fields, node, i, path);
    return err == ERR_NONE ? check_required(w, fields, node, path) : err;
}

static enum err check_sequence(struct walk *w, const cyaml_schema_value_t *schema,
                               const yaml_node_t *node, const char *path)
{
    enum err err = ERR_NONE;
    if (node->type != YAML_SEQUENCE_NODE)
        return source_refuse(w->source, source_line_of(node), path, w->e,
                             "must be a list, as [a, b]; an empty one is []");
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (n < schema->sequence.min)
        return source_refuse(w->source, source_line_of(node), path, w->e,
                             "is empty; allowed is at least one");
    for (size_t i = 0; i < n && err == ERR_NONE; i++) {
        char below[SOURCE_PATH_MAX];
        (void)source_item(below, path, i);
        err = check(w, schema->sequence.entry,
                    source_node(w->source, node->data.sequence.items.start[i]), below);
    }
    return err;
}

static enum err check(struct walk *w, const cyaml_schema_value_t *schema, const yaml_node_t *node,
                      const char *path)
{
    if (schema->type == CYAML_IGNORE)
        return ERR_NONE;
    if (schema->type == CYAML_MAPPING)
        return check_mapping(w, schema->mapping.fields, node, path);
    if (schema->type == CYAML_SEQUENCE)
        return check_sequence(w, schema, node, path);
    enum err err = shape_check_scalar(w->source, node, path, w->e);
    return err == ERR_NONE && schema->type == CYAML_BOOL ? check_bool(w, node, path) : err;
}

enum err shape_check(struct source *s, const cyaml_schema_value_t *schema, struct error *e)
{
    struct walk w = {s, e};
    return check(&w, schema, source_root(s), "");
}
