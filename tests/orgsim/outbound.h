/*
 * outbound - outbound messages: who is told what, and the queue with its retries
 *
 *     record_announce ─▶ noted (in the transaction) ─commit─▶ waiting (delay) ─▶ ready ─▶ in flight
 *                                                        ▲                              │
 *                                                        └────────── retry ─────────────┤
 *                                                                        acked, dropped ┘
 *
 * A notification keeps its id for life; the fields are read when the message is put together, so
 * they are those of the time of sending. Messages are put together and results taken by the
 * loop's thread; only the transfer itself happens in the senders (outbound_send.h).
 */
#ifndef ORGSIM_OUTBOUND_H
#define ORGSIM_OUTBOUND_H

#include <jansson.h>
#include <stdbool.h>

#include "sim.h"

struct outbound *outbound_new(struct sim *sim);
void outbound_free(struct outbound **o);

/* ---- inside a transaction */

/* What happened to a record: it was created, or these fields changed (bit i: field i). */
struct change {
    bool created;
    uint32_t changed;
};

/* Notes it if the object's message goes out on such a change. */
void outbound_note(struct outbound *o, const struct object *object, const char *record_id,
                   struct change change);
size_t outbound_mark(const struct outbound *o);
void outbound_undo(struct outbound *o, size_t mark); /* forgets what was noted since */
void outbound_commit(struct outbound *o);            /* queues all that was noted */

/* ---- control */
/* False with a reason; nothing is changed then. */
bool outbound_configure(struct outbound *o, const json_t *settings, char *why, size_t why_size);
json_t *outbound_settings(const struct outbound *o);
/* The object's message as the Tooling API shows it: Id, Name, FullName, Metadata; NULL: it has
 * none. */
json_t *outbound_message(const struct outbound *o, const struct object *object);
json_t *outbound_stats(const struct outbound *o);
void outbound_reset_stats(struct outbound *o);
bool outbound_is_empty(const struct outbound *o); /* nothing waiting, ready or in flight */
size_t outbound_pending(const struct outbound *o);

#endif
