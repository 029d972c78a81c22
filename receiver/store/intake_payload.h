/*
 * intake_payload - messages as bytes, for the records of the intake log
 *
 * For each message its time of receipt (8 bytes), number of notifications (4) and org, and for each
 * of those its kind (1 byte) and five texts: notification, object, record, subject, campaign. A
 * text stands behind its length (1 byte). Numbers are in this machine's order, as the file stays
 * where it was written.
 *
 * Threads: pure. Ownership: what is read is a list of blocks, each a message with its items.
 */
#ifndef TP_INTAKE_PAYLOAD_H
#define TP_INTAKE_PAYLOAD_H

#include "buf.h"
#include "store.h"

void intake_payload_add(struct buf *b, const struct store_put *p);
/* Appends to the list that **last ends, with a `done` that does nothing. False: the bytes make no
 * sense; what was read before that is in the list. */
bool intake_payload_read(const char *payload, size_t n, struct store_put ***last);
void intake_payload_free(struct store_put *puts);

#endif
