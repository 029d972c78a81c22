/*
 * store - where the gSOAP peer keeps notifications: SQLite, WAL, synchronous=FULL
 *
 * One connection under one mutex, one transaction a message: how such a receiver is usually
 * written, and what our group commit is measured against.
 *
 * Ownership: the store owns its connection. Threads: peer_store_message from any.
 */
#ifndef TP_BENCH_PEER_STORE_H
#define TP_BENCH_PEER_STORE_H

#include <stdbool.h>
#include <stddef.h>

struct peer_store;

struct peer_row {
    const char *notification, *object, *record;
};

/* NULL: printed. */
struct peer_store *peer_store_open(const char *file);

/* Waits for a transaction that is under way; afterwards no other call may be made. */
void peer_store_close(struct peer_store **s);

/* True only after the commit of all rows. A known id is no error. */
bool peer_store_message(struct peer_store *s, const char *org, const struct peer_row *rows,
                        size_t count);

#endif
