/*
 * sqlite_incoming - the notifications of a batch as a table named `incoming`, for one INSERT …
 * SELECT
 *
 * Threads: the connection's. Ownership: org, item and key are borrowed while the statement runs.
 */
#ifndef TP_SQLITE_INCOMING_H
#define TP_SQLITE_INCOMING_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "store_int.h"

struct sqlite_incoming_row {
    const char *org;
    const struct store_item *item;
    const char *key; /* the campaign, or * */
    enum store_state state;
    int64_t seq, claim_key, received_at_ms;
};
struct sqlite_incoming {
    size_t count, room;
    struct sqlite_incoming_row *v;
};

/* Gives the connection the table, which shows `rows` as they are when it is walked. A SQLite code.
 */
int sqlite_incoming_install(sqlite3 *db, const struct sqlite_incoming *rows);
struct sqlite_incoming_row *sqlite_incoming_add(struct sqlite_incoming *rows); /* zeroed */
void sqlite_incoming_release(struct sqlite_incoming *rows);

#endif
