/*
 * ids_int - from the ids of an answer back to the places of those that were asked for
 *
 * An id may have been asked for more than once.
 * Threads:   one at a time.
 */
#ifndef TP_ORG_IDS_INT_H
#define TP_ORG_IDS_INT_H

#include <stddef.h>

#include "sfid.h"

struct id_place {
    char id[SFID_SIZE];
    size_t at; /* index among the ids asked for */
};

struct id_index {
    struct id_place *places; /* sorted by id */
    size_t n;
};

void id_index_init(struct id_index *x, const char (*ids)[SFID_SIZE], size_t n);
void id_index_release(struct id_index *x);
/* The first place of the id, or (after not NULL) the one after that; NULL: there is none. */
const struct id_place *id_index_find(const struct id_index *x, const char *id,
                                     const struct id_place *after);

#endif
