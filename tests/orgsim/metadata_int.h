/* metadata_int - what the readers of metadata share: one file at a time, and its elements */
#ifndef ORGSIM_METADATA_INT_H
#define ORGSIM_METADATA_INT_H

#include <libxml/tree.h>

#include "objects_int.h"

struct file {
    const char *path;
    char object[64]; /* that it is of */
    xmlNodePtr root;
    struct error *e;
};

/* Always ERR_CONFIG, with the file's name; value may be NULL. */
MUST_USE enum err metadata_wrong(const struct file *f, const char *what, const char *value);

xmlNodePtr next_named(xmlNodePtr node, const char *name); /* node itself, or a later sibling */
xmlNodePtr child(xmlNodePtr parent, const char *name);    /* the first, or NULL */
char *child_text(xmlNodePtr parent, const char *name);    /* (gives), or NULL */
bool child_is_true(xmlNodePtr parent, const char *name);

/* A flow that sends an outbound message says when; other flows are passed over. */
MUST_USE enum err metadata_read_flow(const struct file *f);

#endif
