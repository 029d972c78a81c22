/*
 * expand_int - what the files that turn hints without a campaign into hints of campaigns share
 *
 * Everything here belongs to one pass, so to one thread. Errors are those of org.h and store.h.
 */
#ifndef TP_EXPAND_INT_H
#define TP_EXPAND_INT_H

#include "worker_int.h"

/* ------------------------------------------------------------------ expand.c */

struct expand_ids { /* zeroed: empty */
    char (*id)[SFID_SIZE];
    size_t count, room;
};
void expand_ids_add(struct expand_ids *x, const char *id);
void expand_ids_release(struct expand_ids *x);
/* Borrowed, until the next add. */
const char (*expand_ids(const struct expand_ids *x))[SFID_SIZE];

/* Received time of the hint that asked for this record; the oldest of the claim when none matches.
 */
int64_t expand_received(const struct pass *p, const char *record);
/* The campaign of a touchpoint, as stored or, where that was lost, by lookup; false: none. */
bool expand_campaign_of(const struct org_touchpoint *t, char out[SFID_SIZE]);

/* ------------------------------------------------------------------ helpers.c */

struct deletions { /* whose helper records name no campaign; member and record side by side */
    struct pass *pass;
    struct expand_ids members, helpers;
};
void deletions_add(struct deletions *d, const char *member, const char *helper);
void deletions_release(struct deletions *d);
/* Hints for the campaigns that the touchpoints name, or the members that lie in the bin. */
MUST_USE enum err deletions_expand(struct deletions *d, struct error *e);

/* Records whose message told only their ids. Those that name no campaign are added to d. */
MUST_USE enum err helpers_expand(struct pass *p, const struct expand_ids *helpers,
                                 struct deletions *d, struct error *e);
/* Records whose message was lost: as if it had come. An org that does not show the object has none.
 * A call for each 2,000 of them, and one at least; memory is bounded by that page. */
MUST_USE enum err helpers_sweep(struct pass *p, struct error *e);

#endif
