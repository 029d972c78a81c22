/*
 * A sorted array: ten thousand ids are asked for at a time, and as many records come.
 */
#include "ids_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static int by_id(const void *a, const void *b)
{
    const struct id_place *x = a, *y = b;
    return strcmp(x->id, y->id);
}

void id_index_init(struct id_index *x, const char (*ids)[SFID_SIZE], size_t n)
{
    *x = (struct id_index){.places = mem_array(n, sizeof *x->places), .n = n};
    for (size_t i = 0; i < n; i++) {
        memcpy(x->places[i].id, ids[i], SFID_SIZE);
        x->places[i].at = i;
    }
    qsort(x->places, n, sizeof *x->places, by_id);
}

void id_index_release(struct id_index *x)
{
    free(x->places);
    *x = (struct id_index){0};
}

const struct id_place *id_index_find(const struct id_index *x, const char *id,
                                     const struct id_place *after)
{
    if (after != NULL) {
        const struct id_place *next = after + 1;
        return next < x->places + x->n && strcmp(next->id, id) == 0 ? next : NULL;
    }
    struct id_place key = {0};
    memcpy(key.id, id, strnlen(id, SFID_LEN));
    const struct id_place *at = bsearch(&key, x->places, x->n, sizeof key, by_id);
    while (at != NULL && at > x->places && strcmp(at[-1].id, id) == 0)
        at--;
    return at;
}
