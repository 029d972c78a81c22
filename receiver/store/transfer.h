/*
 * transfer - the tables as an export names them, whatever the backend calls its columns
 *
 * Threads:   one at a time.
 * Ownership: values are borrowed for the call that gives them; those of store_rows_next until the
 *            next call.
 */
#ifndef TP_STORE_TRANSFER_INT_H
#define TP_STORE_TRANSFER_INT_H

#include <stdint.h>

#include "store_int.h"

enum store_column_type {
    COLUMN_INT,
    COLUMN_INT_OR_NULL,
    COLUMN_TEXT,
    COLUMN_TEXT_OR_NULL,
    COLUMN_HEX
};

struct store_column {
    const char *name;
    enum store_column_type type;
};

enum { STORE_COLUMNS_MAX = 24 };

struct store_table {
    const char *name, *key;                             /* of the order */
    struct store_column columns[STORE_COLUMNS_MAX + 1]; /* ended by a name of NULL */
};

/* In the order in which they are written and read. */
enum store_table_id {
    TABLE_COUNTER,
    TABLE_NOTIFICATION,
    TABLE_ATTEMPT,
    TABLE_PASS,
    TABLE_JOB,
    TABLE_JOB_ITEM,
    TABLE_LEDGER,
    TABLE_ORG_CURSOR,
    TABLE_BULK_JOB,
    TABLE_QUARANTINE,
    TABLE_COUNT
};
extern const struct store_table store_tables[TABLE_COUNT];
enum { NOTIFICATION_ORG = 1, NOTIFICATION_KEY = 5, NOTIFICATION_STATE = 8 }; /* columns of it */
size_t store_table_width(const struct store_table *t);

/* TABLE_COUNTER has the numbers that were given out and must not be again: seq, fence, and the last
 * id of job and quarantine. */

/* A field; text NULL: NULL, or a number. */
struct store_value {
    const char *text;
    int64_t number;
    bool is_null;
};

/* Where a backend writes rows to. */
struct store_rows_out;
MUST_USE enum err store_rows_put(struct store_rows_out *w, enum store_table_id t,
                                 const struct store_value *v, struct error *e);

/* Where it reads them from. *t TABLE_COUNT: there are no more, and what was read is whole. */
struct store_rows_in;
MUST_USE enum err store_rows_next(struct store_rows_in *r, enum store_table_id *t,
                                  struct store_value *v, struct error *e);

/* The store has rows in that table. */
enum err store_not_empty(const char *table, struct error *e);

#endif
