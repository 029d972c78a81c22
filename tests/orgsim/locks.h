/*
 * locks - campaigns that a request in progress has locked
 *
 * A write to a child of a campaign takes the campaign's lock until its answer has left. The org has
 * no waiting for locks: a second request fails at once.
 */
#ifndef ORGSIM_LOCKS_H
#define ORGSIM_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

struct locks;

struct locks *locks_new(void);
void locks_free(struct locks **l);
/* True if the request holds the lock now; taking it twice is one lock. */
bool locks_take(struct locks *l, const char *campaign_id, uint64_t request);
void locks_release(struct locks *l, uint64_t request);

#endif
