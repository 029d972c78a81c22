/*
 * outbound_queue - the notifications that are waiting, and those that are ready to go
 *
 * Waiting ones have a time (delay, retry) and lie in a heap; ready ones lie in one ring an object,
 * oldest first. Pure: the time is passed in.
 */
#ifndef ORGSIM_OUTBOUND_QUEUE_H
#define ORGSIM_OUTBOUND_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "objects.h"
#include "sfid.h"

struct notification {
    char id[SFID_SIZE]; /* 04l… */
    char record_id[SFID_SIZE];
    enum object_id object;
    uint64_t order;         /* of queueing */
    int64_t queued_boot_ms; /* first queued; dropping counts from here */
    int64_t due_boot_ms;
    unsigned attempts;
    bool again; /* the one duplicate that it gets was made */
};

struct outbound_queue;

struct outbound_queue *outbound_queue_new(void);
void outbound_queue_free(struct outbound_queue **q); /* with all that is in it */

void outbound_queue_put(struct outbound_queue *q, struct notification *n); /* takes n */
/* Moves what is due to the ready rings; gives the time of the next one that is not, or -1. */
int64_t outbound_queue_ripen(struct outbound_queue *q, int64_t now_boot_ms);
/* The object whose first ready notification is the oldest; false if none is ready. */
bool outbound_queue_next(const struct outbound_queue *q, enum object_id *object);
/* Takes the first ready one of an object, or the one that `pick` (any number) falls on; NULL if
 * there is none. */
struct notification *outbound_queue_take(struct outbound_queue *q, enum object_id object, bool any,
                                         uint64_t pick);
size_t outbound_queue_count(const struct outbound_queue *q);

#endif
