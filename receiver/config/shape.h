/*
 * shape - does the document have the shape that libcyaml's schema asks for?
 *
 * libcyaml checks it too, but its messages don't say what is allowed, it takes any text that is not
 * "false" or "no" for true, and it lets a key stand twice in a mapping that is a list's entry. So
 * the same schema tables are walked here first.
 */
#ifndef TP_SHAPE_H
#define TP_SHAPE_H

#include <cyaml/cyaml.h>

#include "source.h"

MUST_USE enum err shape_check(struct source *s, const cyaml_schema_value_t *schema,
                              struct error *e);

/* "a, b and c" of the mapping's keys, for messages; cut when too long. */
void shape_keys(const cyaml_schema_field_t *fields, char *out, size_t size);

/* A scalar that is neither null nor holds a NUL byte; nor a list or mapping. */
MUST_USE enum err shape_check_scalar(struct source *s, const yaml_node_t *node, const char *path,
                                     struct error *e);

/* The number of the line where the key of the i-th pair stood before; 0: nowhere. */
unsigned shape_first_line(struct source *s, const yaml_node_t *mapping, size_t i);

#endif
