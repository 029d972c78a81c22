/*
 * The touchpoints that a campaign has, found by key. Rows lie in one array; a table of indices with
 * open addressing (at most half full) finds them. Values are kept for campaigns of ordinary size,
 * so that the ledger can say what was there before; beyond that a hash tells whether a row differs,
 * so that memory is bounded by ids.
 */
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "hash.h"
#include "mem.h"

void existing_init(struct existing *x)
{
    *x = (struct existing){0};
}

static void free_values(char **values)
{
    for (size_t v = 0; values != NULL && v < TV_COUNT; v++)
        free(values[v]);
    free(values);
}

void existing_release(struct existing *x)
{
    for (size_t i = 0; i < x->count; i++)
        free_values(x->rows[i].values);
    free(x->rows);
    free(x->slots);
    *x = (struct existing){0};
}

uint64_t values_hash(const char *const values[TV_COUNT])
{
    uint64_t h = HASH_START;
    for (size_t v = 0; v < TV_COUNT; v++)
        h = hash_text(h, values[v]);
    return h;
}

/* The slot that holds the key, or the empty one where it belongs. */
static size_t slot_of(const struct existing *x, const char *key)
{
    size_t i = (size_t)hash_text(HASH_START, key) & (x->slot_count - 1);
    while (x->slots[i] != 0 && strcmp(x->rows[x->slots[i] - 1].key, key) != 0)
        i = (i + 1) & (x->slot_count - 1);
    return i;
}

static void grow(struct existing *x)
{
    if (x->count == x->room) {
        x->room = x->room == 0 ? 256 : x->room * 2;
        x->rows = mem_resize(x->rows, x->room, sizeof *x->rows);
    }
    if (2 * (x->count + 1) <= x->slot_count)
        return;
    free(x->slots);
    x->slot_count = x->slot_count == 0 ? 1024 : x->slot_count * 2;
    x->slots = mem_array(x->slot_count, sizeof *x->slots);
    for (size_t i = 0; i < x->count; i++)
        x->slots[slot_of(x, x->rows[i].key)] = i + 1;
}

/* Past the bound the values kept so far are dropped: all or none, so that memory does not depend on
 * the order. */
static char **keep_values(struct existing *x, const struct org_touchpoint *t)
{
    if (x->count > EXISTING_KEEP_MAX)
        return NULL;
    if (x->count == EXISTING_KEEP_MAX) {
        for (size_t i = 0; i < x->count; i++) {
            free_values(x->rows[i].values);
            x->rows[i].values = NULL;
        }
        return NULL;
    }
    char **values = mem_array(TV_COUNT, sizeof *values);
    for (size_t v = 0; v < TV_COUNT; v++)
        values[v] = mem_strdup(t->value[v]);
    return values;
}

void existing_add(struct existing *x, const struct org_touchpoint *t)
{
    grow(x);
    size_t slot = slot_of(x, t->key);
    if (x->slots[slot] != 0)
        return;
    char **values = keep_values(x, t);
    struct existing_row *row = &x->rows[x->count++];
    *row = (struct existing_row){.hash = values_hash(t->value), .values = values};
    memcpy(row->key, t->key, sizeof row->key);
    memcpy(row->id, t->id, sizeof row->id);
    const char *campaign = t->value[TV_CAMPAIGN];
    if (!sfid_normalise(campaign, strlen(campaign), row->campaign_id)) {
        campaign = t->value[TV_AD_CAMPAIGN_ID];
        (void)sfid_normalise(campaign, strlen(campaign), row->campaign_id);
    }
    x->slots[slot] = x->count;
}

struct existing_row *existing_find(const struct existing *x, const char *key)
{
    if (x->slot_count == 0)
        return NULL;
    size_t slot = slot_of(x, key);
    return x->slots[slot] == 0 ? NULL : &x->rows[x->slots[slot] - 1];
}

char *values_json(const char *const values[TV_COUNT], const char *const other[TV_COUNT])
{
    json_t *object = json_object();
    for (size_t v = 0; v < TV_COUNT; v++) {
        bool differs = other == NULL ? values[v][0] != '\0' : strcmp(values[v], other[v]) != 0;
        if (differs)
            json_object_set_new(object, touchpoint_value_name((enum touchpoint_value)v),
                                json_string(values[v]));
    }
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}
