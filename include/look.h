/*
 * look - what the worker would do about a campaign, and why, without doing it
 *
 * The live code path with the last step left out: the same reads, the same decisions, the same
 * comparison; nothing is written, neither to the org nor to the store, and no lease is taken.
 *
 * Ownership: what callbacks receive is borrowed for the call.
 * Threads:   one at a time for each connection and zone.
 * Errors:    those of org.h.
 */
#ifndef TP_LOOK_H
#define TP_LOOK_H

#include "org.h"
#include "rules.h"

/* Whether a person's question may be put to the org now: ERR_BUSY while it is held back after a
 * failure, ERR_LIMIT where nine tenths of its API calls are used, or, for a question that reads a
 * whole campaign, where only the part is left that is kept for live work. */
MUST_USE enum err look_may_ask(struct org *o, bool whole, struct error *e);

#endif
