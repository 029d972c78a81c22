/*
 * store_transfer - the whole store as lines of JSON, from one backend to another, while no daemon
 * runs
 *
 *     {"touchpointd":{"format":1, …}}          what this is; a newer format is refused
 *     {"notification":{"id":1,"org":"00D…", …}}   one row a line, the tables of the store one after
 *     …                                         the other, each in the order of its key
 *     {"end":{"rows":{"notification":1, …},"hash":"…"}}   without it the file is cut off
 *
 * All that must survive is in it: messages with their identities, states, numbers and attempts,
 * the ledger, jobs with what they changed, the quarantine, cursors, pauses, bulk jobs that may be
 * at work in the org. Leases are not: those of a former process are ended first, so their rows are
 * READY and a write mark is an echo. The store holds no secrets, and so the file has none; it names
 * people's records, as the store does.
 *
 * Errors:  ERR_BUSY: a daemon runs on that store. ERR_INVALID: the file is damaged, cut off, newer,
 *          or the store is not empty; nothing was imported then. ERR_UNKNOWN_OUTCOME: whether it
 *          was is not known, and a look tells.
 * Threads: the caller's; memory is bounded whatever the store holds.
 */
#ifndef TP_STORE_TRANSFER_H
#define TP_STORE_TRANSFER_H

#include <stdio.h>

#include "store.h"

enum { STORE_TRANSFER_FORMAT = 1 };

/* *rows: how many there were. out is flushed, not synced. */
MUST_USE enum err store_export(const struct store_options *o, FILE *out, int64_t *rows,
                               struct error *e);
/* All or nothing, into a store that is empty; its tables are made where they are missing. */
MUST_USE enum err store_import(const struct store_options *o, FILE *in, int64_t *rows,
                               struct error *e);

#endif
