/* Metadata's elements are never mixed with text and never repeat a name for something else. */
#include "metadata_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum err metadata_wrong(const struct file *f, const char *what, const char *value)
{
    return error_set(f->e, ERR_CONFIG, "%s: %s %s", f->path, what, value == NULL ? "" : value);
}

xmlNodePtr next_named(xmlNodePtr node, const char *name)
{
    while (node != NULL &&
           (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0))
        node = node->next;
    return node;
}

xmlNodePtr child(xmlNodePtr parent, const char *name)
{
    return parent == NULL ? NULL : next_named(parent->children, name);
}

/* The text of a child element (gives), or NULL. */
char *child_text(xmlNodePtr parent, const char *name)
{
    xmlNodePtr node = child(parent, name);
    xmlChar *text = node == NULL ? NULL : xmlNodeGetContent(node);
    char *copy = mem_strdup((const char *)text);
    xmlFree(text);
    return copy;
}

bool child_is_true(xmlNodePtr parent, const char *name)
{
    char *text = child_text(parent, name);
    bool on = text != NULL && strcmp(text, "true") == 0;
    free(text);
    return on;
}
