/*
 * postgres_rows - rows in the binary format of COPY
 *
 *      pg_rows_begin, for each row: pg_row and as many fields as it says, pg_rows_end
 *
 * The format is told under "Binary Format" of PostgreSQL's COPY; fields are those that the types'
 * receive functions take: text its bytes, bigint 8 and integer 4 of them, the highest first.
 */
#ifndef TP_POSTGRES_ROWS_H
#define TP_POSTGRES_ROWS_H

#include <stdint.h>

#include "buf.h"

void pg_rows_begin(struct buf *b, size_t max); /* bytes at most */
void pg_rows_end(struct buf *b);
void pg_row(struct buf *b, uint16_t fields);

void pg_row_text(struct buf *b, const char *text);
void pg_row_bigint(struct buf *b, int64_t n);
void pg_row_integer(struct buf *b, int32_t n);
void pg_row_null(struct buf *b);

#endif
