/*
 * Notes: settings that are part of the format but have no effect in this version. They are not
 * refused, since a file that shows every key has them; whoever sets one is told.
 */
#include "apply.h"

#include <string.h>

#include "mem.h"

struct idle {
    const char *key;   /* under the org for ORG_IDLE */
    const char *plain; /* the value that asks for nothing */
    const char *why;
};

static const struct idle IDLE[] = {
    {"store.quarantine_max", "0", "messages that cannot be read are refused and not kept"},
    {"worker.reconcile", "off", "no reconcile is started by the clock"},
};
static const struct idle ORG_IDLE[] = {
    {"api_reserve_percent", "100", "no work is held back to save API calls"},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void note_one(struct loading *l, const struct idle *idle, const char *path,
                     struct config_list *notes)
{
    const yaml_node_t *node = source_find(l->source, path);
    if (node == NULL || strcmp(source_text(node), idle->plain) == 0)
        return;
    notes->items[notes->count++] =
        loading_keep(l, mem_printf("%s:%u: %s: has no effect in this version: %s", l->source->file,
                                   source_line_of(node), path, idle->why));
}

void apply_notes(struct loading *l, struct config *c)
{
    size_t most = COUNT(IDLE) + COUNT(ORG_IDLE) * c->org_count;
    c->notes.items = loading_keep(l, mem_array(most, sizeof *c->notes.items));
    for (size_t i = 0; i < COUNT(IDLE); i++)
        note_one(l, &IDLE[i], IDLE[i].key, &c->notes);
    for (size_t org = 0; org < c->org_count; org++) {
        char item[SOURCE_PATH_MAX], path[SOURCE_PATH_MAX];
        (void)source_item(item, "orgs", org);
        for (size_t i = 0; i < COUNT(ORG_IDLE); i++)
            note_one(l, &ORG_IDLE[i], source_join(path, item, ORG_IDLE[i].key), &c->notes);
    }
}
