/*
 * Notes: settings that are part of the format but have no effect in this version. They are not
 * refused, since a file that shows every key has them; whoever sets one is told.
 */
#include "apply.h"

#include <string.h>

#include "mem.h"

static const struct {
    const char *path;
    const char *plain; /* the value that asks for nothing */
    const char *why;
} IDLE[] = {
    {"store.quarantine_max", "0", "messages that cannot be read are refused and not kept"},
};
enum { IDLE_COUNT = sizeof IDLE / sizeof IDLE[0] };

void apply_notes(struct loading *l, struct config *c)
{
    c->notes.items = loading_keep(l, mem_array(IDLE_COUNT, sizeof *c->notes.items));
    for (size_t i = 0; i < IDLE_COUNT; i++) {
        const yaml_node_t *node = source_find(l->source, IDLE[i].path);
        if (node == NULL || strcmp(source_text(node), IDLE[i].plain) == 0)
            continue;
        c->notes.items[c->notes.count++] = loading_keep(
            l, mem_printf("%s:%u: %s: has no effect in this version: %s", l->source->file,
                          source_line_of(node), IDLE[i].path, IDLE[i].why));
    }
}
