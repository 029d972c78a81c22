/*
 * Two passes over the bytes. The first looks at the parser's events, since aliases and tags are no
 * longer visible in a document (and a document with aliases can be exponentially larger than its
 * file), and since libyaml's time grows with the square of the nesting; the second builds the
 * document.
 */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* A condition of a rule is seven deep. */
enum { NESTING_MAX = 16 };

enum err source_refuse(const struct source *s, unsigned line, const char *path, struct error *e,
                       const char *fmt, ...)
{
    char what[ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    (void)error_set(e, ERR_CONFIG, "%s:%u: %s%s%s", s->file, line, path,
                    path[0] == '\0' ? "" : ": ", what);
    for (char *c = e->text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = '?';
    }
    return ERR_CONFIG;
}

/* ------------------------------------------------------------------ reading */

static enum err read_bytes(struct source *s, struct error *e)
{
    char piece[16384];
    size_t n;
    FILE *f = fopen(s->file, "rbe");
    if (f == NULL) {
        (void)error_errno(e, "%s: cannot be opened", s->file);
        e->kind = ERR_CONFIG;
        return ERR_CONFIG;
    }
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_put(&s->bytes, piece, n);
    int failed = ferror(f) ? errno : 0;
    (void)fclose(f);
    if (failed != 0) {
        errno = failed;
        (void)error_errno(e, "%s: cannot be read", s->file);
        e->kind = ERR_CONFIG;
        return ERR_CONFIG;
    }
    if (s->bytes.overflow)
        return error_set(e, ERR_CONFIG, "%s: is too large; allowed are %d bytes", s->file,
                         SOURCE_BYTES_MAX);
    return ERR_NONE;
}

static void parser_over(yaml_parser_t *parser, const struct source *s)
{
    if (!yaml_parser_initialize(parser))
        abort(); /* only for want of memory */
    yaml_parser_set_input_string(parser, (const unsigned char *)s->bytes.data, s->bytes.len);
}

static enum err refuse_syntax(const struct source *s, const yaml_parser_t *parser, struct error *e)
{
    /* A reader error (not UTF-8) has an offset only. */
    unsigned line = (unsigned)parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < s->bytes.len; i++)
            line += s->bytes.data[i] == '\n';
    }
    return source_refuse(s, line, "", e, "is not YAML: %s%s%s",
                         parser->problem == NULL ? "out of memory" : parser->problem,
                         parser->context == NULL ? "" : " ",
                         parser->context == NULL ? "" : parser->context);
}

/* ------------------------------------------------------------------ the first pass */

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor;
    default:
        return NULL;
    }
}

static const yaml_char_t *tag_of(const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.tag;
    default:
        return NULL;
    }
}

/* By how much the event changes the nesting. */
static int step_of(const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return 1;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return -1;
    default:
        return 0;
    }
}

static const char *problem_of(const yaml_event_t *event, int documents, int depth)
{
    if (event->type == YAML_ALIAS_EVENT || anchor_of(event) != NULL)
        return "anchors (&) and aliases (*) are not allowed; quote a text that begins so";
    if (tag_of(event) != NULL)
        return "tags (!) are not allowed; quote a text that begins so";
    if (depth > NESTING_MAX)
        return "lists and mappings are nested too deep; no setting needs so many";
    if (documents > 1)
        return "a second document begins here; allowed is one";
    return NULL;
}

static enum err scan(const struct source *s, struct error *e)
{
    yaml_parser_t parser;
    enum err err = ERR_NONE;
    int documents = 0, depth = 0;
    bool more = true;

    parser_over(&parser, s);
    while (more && err == ERR_NONE) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            err = refuse_syntax(s, &parser, e);
            break;
        }
        documents += event.type == YAML_DOCUMENT_START_EVENT;
        depth += step_of(&event);
        more = event.type != YAML_STREAM_END_EVENT;
        const char *problem = problem_of(&event, documents, depth);
        if (problem != NULL)
            err = source_refuse(s, (unsigned)event.start_mark.line + 1, "", e, "%s", problem);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (err == ERR_NONE && documents == 0)
        err = error_set(e, ERR_CONFIG, "%s:1: is empty; `orgs` at least is needed", s->file);
    return err;
}

/* ------------------------------------------------------------------ the document */

static enum err load(struct source *s, struct error *e)
{
    yaml_parser_t parser;
    enum err err = ERR_NONE;

    parser_over(&parser, s);
    if (!yaml_parser_load(&parser, &s->document))
        err = refuse_syntax(s, &parser, e);
    else
        s->has_document = true;
    yaml_parser_delete(&parser);
    return err;
}

enum err source_open(struct source *s, const char *file, struct error *e)
{
    *s = (struct source){.file = file};
    buf_init(&s->bytes, SOURCE_BYTES_MAX);
    enum err err = read_bytes(s, e);
    if (err == ERR_NONE)
        err = scan(s, e);
    if (err == ERR_NONE)
        err = load(s, e);
    return err;
}

void source_close(struct source *s)
{
    if (s->has_document)
        yaml_document_delete(&s->document);
    s->has_document = false;
    buf_release(&s->bytes);
}

yaml_node_t *source_root(struct source *s)
{
    return yaml_document_get_root_node(&s->document);
}

yaml_node_t *source_node(struct source *s, int index)
{
    return yaml_document_get_node(&s->document, index);
}

unsigned source_line_of(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

const char *source_text(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* ------------------------------------------------------------------ paths */

const char *source_join(char out[SOURCE_PATH_MAX], const char *path, const char *key)
{
    (void)snprintf(out, SOURCE_PATH_MAX, "%s%s%s", path, path[0] == '\0' ? "" : ".", key);
    return out;
}

const char *source_item(char out[SOURCE_PATH_MAX], const char *path, size_t i)
{
    (void)snprintf(out, SOURCE_PATH_MAX, "%s[%zu]", path, i);
    return out;
}

static yaml_node_t *child_by_key(struct source *s, const yaml_node_t *node, const char *key,
                                 size_t n)
{
    if (node->type != YAML_MAPPING_NODE)
        return NULL;
    const yaml_node_pair_t *end = node->data.mapping.pairs.top;
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < end; p++) {
        const char *text = source_text(source_node(s, p->key));
        if (text != NULL && strlen(text) == n && memcmp(text, key, n) == 0)
            return source_node(s, p->value);
    }
    return NULL;
}

static yaml_node_t *child_by_index(struct source *s, const yaml_node_t *node, size_t index)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return NULL;
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    return index < count ? source_node(s, node->data.sequence.items.start[index]) : NULL;
}

/* The node at the path; *last is the last one that was found on the way. */
static yaml_node_t *walk(struct source *s, const char *path, yaml_node_t **last)
{
    yaml_node_t *node = source_root(s);
    while (node != NULL && *path != '\0') {
        *last = node;
        if (*path == '[') {
            char *end;
            node = child_by_index(s, node, strtoul(path + 1, &end, 10));
            path = end + 1; /* past ']' */
        } else {
            path += *path == '.';
            size_t n = strcspn(path, ".[");
            node = child_by_key(s, node, path, n);
            path += n;
        }
    }
    if (node != NULL)
        *last = node;
    return node;
}

yaml_node_t *source_find(struct source *s, const char *path)
{
    yaml_node_t *last = NULL;
    return walk(s, path, &last);
}

unsigned source_line(struct source *s, const char *path)
{
    yaml_node_t *last = NULL;
    (void)walk(s, path, &last);
    return last == NULL ? 1 : source_line_of(last);
}
