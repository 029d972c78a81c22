/* A list is enough: as many locks are held as campaigns are being written at one moment. */
#include "locks.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sfid.h"

struct lock {
    char campaign[SFID_SIZE];
    uint64_t request;
};

struct locks {
    struct lock *held;
    size_t count, room;
};

struct locks *locks_new(void)
{
    return mem_alloc(sizeof(struct locks));
}

void locks_free(struct locks **l)
{
    if (*l == NULL)
        return;
    free((*l)->held);
    free(*l);
    *l = NULL;
}

bool locks_take(struct locks *l, const char *campaign_id, uint64_t request)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->held[i].campaign, campaign_id) == 0)
            return l->held[i].request == request;
    }
    if (l->count == l->room) {
        l->room = l->room == 0 ? 16 : 2 * l->room;
        l->held = mem_resize(l->held, l->room, sizeof *l->held);
    }
    struct lock *k = &l->held[l->count++];
    k->request = request;
    memcpy(k->campaign, campaign_id, SFID_LEN);
    k->campaign[SFID_LEN] = '\0';
    return true;
}

void locks_release(struct locks *l, uint64_t request)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (l->held[i].request != request)
            l->held[kept++] = l->held[i];
    }
    l->count = kept;
}
