/*
 * csv_int - CSV as Bulk API 2.0 reads and writes it: commas, LF, double quotes, a header line
 *
 * Reading is incremental: bytes come in pieces of any size, rows go out one by one, with the cells
 * of the wanted columns in the order in which they were asked for, whatever order the org sends.
 * Nothing is taken for what it is not: a header without a wanted column or with one twice, a row
 * with more or fewer cells than the header, bytes that are no UTF-8, text after a closing quote, a
 * row of more than CSV_ROW_MAX bytes, and an end in the middle of a row are errors. The last row
 * too must have its line break: that is how an end that came too early is told.
 *
 * Ownership: cells are borrowed for the call.
 * Threads:   one at a time.
 * Errors:    ERR_NETWORK for what can't be understood, else what the row function returned.
 * Source:    Bulk API 2.0 guide, "Prepare CSV Files"; RFC 4180.
 */
#ifndef TP_ORG_CSV_INT_H
#define TP_ORG_CSV_INT_H

#include "buf.h"
#include "error.h"

enum {
    CSV_COLUMNS_MAX = 1000,        /* Salesforce takes 5,000; we ask for a few dozen */
    CSV_ROW_MAX = 4 * 1024 * 1024, /* Salesforce: 400,000 characters a record, ≤ 4 bytes each */
};

/* cell[i] belongs to the i-th wanted column; "" for an empty one. */
typedef enum err csv_row_fn(void *ctx, const char *const *cell, struct error *e);

struct csv_reader {
    const char *const *wanted;
    size_t wanted_count;
    csv_row_fn *row;
    void *ctx;
    size_t rows;    /* that went out */
    bool has_bytes; /* any came */
    enum err err;
    struct error why;
    void *private;
};

/* wanted is borrowed until csv_reader_release. */
void csv_reader_init(struct csv_reader *r, const char *const *wanted, size_t count, csv_row_fn *row,
                     void *ctx);
/* False: r->err and r->why say why, and nothing more is taken. */
bool csv_reader_put(struct csv_reader *r, const char *bytes, size_t n);
/* The bytes have ended: were they whole? No bytes at all are an error; a header alone is none. */
MUST_USE enum err csv_reader_end(struct csv_reader *r, struct error *e);
void csv_reader_release(struct csv_reader *r);

/* One cell, quoted; NULL and "" as #N/A, which sets the field to null (an empty cell would leave it
 * as it is). False, and nothing written: CSV can't say it (the text is #N/A itself; it holds a CR,
 * which the org takes for the end of a line; it is no UTF-8). */
bool csv_put_cell(struct buf *b, const char *text);

#endif
