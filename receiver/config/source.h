/*
 * source - the YAML file as bytes and as libyaml's document, which knows every node's line
 *
 * A path names a node as people write it: "listen.max_body", "orgs[0].auth.type".
 *
 * Ownership: source_open gives, source_close takes; nodes live as long as the source.
 */
#ifndef TP_SOURCE_H
#define TP_SOURCE_H

#include <yaml.h>

#include "buf.h"
#include "error.h"

struct source {
    const char *file; /* as the caller named it; borrowed */
    struct buf bytes;
    yaml_document_t document;
    bool has_document;
};

enum { SOURCE_BYTES_MAX = 1 << 20, SOURCE_PATH_MAX = 256 };

/* "path.key" ("key" under the root) and "path[i]"; cut when too long. Give out. */
const char *source_join(char out[SOURCE_PATH_MAX], const char *path, const char *key);
const char *source_item(char out[SOURCE_PATH_MAX], const char *path, size_t i);

/* Reads and parses. Refuses what configuration has no use for: anchors, aliases, tags, a second
 * document, more than SOURCE_BYTES_MAX bytes. */
MUST_USE enum err source_open(struct source *s, const char *file, struct error *e);
void source_close(struct source *s);

yaml_node_t *source_root(struct source *s);
yaml_node_t *source_node(struct source *s, int index);
/* NULL when there is none. */
yaml_node_t *source_find(struct source *s, const char *path);
unsigned source_line_of(const yaml_node_t *node);
/* Of the node at that path, or of the nearest one around it. */
unsigned source_line(struct source *s, const char *path);
/* The text of a scalar node, or NULL. */
const char *source_text(const yaml_node_t *node);

/* ERR_CONFIG with "FILE:LINE: path: …", in one line whatever the file holds. */
enum err source_refuse(const struct source *s, unsigned line, const char *path, struct error *e,
                       const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
