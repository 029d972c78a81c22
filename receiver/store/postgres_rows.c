#include "postgres_rows.h"

#include <string.h>

static const char SIGNATURE[] = "PGCOPY\n\377\r\n"; /* with the NUL at its end */

static void put_number(struct buf *b, uint64_t n, size_t bytes)
{
    char out[sizeof n];
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)(unsigned char)(n >> (8 * (bytes - 1 - i)));
    buf_put(b, out, bytes);
}

void pg_rows_begin(struct buf *b, size_t max)
{
    buf_init(b, max);
    buf_put(b, SIGNATURE, sizeof SIGNATURE);
    put_number(b, 0, 4); /* flags */
    put_number(b, 0, 4); /* bytes of header that follow */
}

void pg_rows_end(struct buf *b)
{
    put_number(b, UINT16_MAX, 2);
}

void pg_row(struct buf *b, uint16_t fields)
{
    put_number(b, fields, 2);
}

void pg_row_text(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    put_number(b, n, 4);
    buf_put(b, text, n);
}

void pg_row_bigint(struct buf *b, int64_t n)
{
    put_number(b, 8, 4);
    put_number(b, (uint64_t)n, 8);
}

void pg_row_integer(struct buf *b, int32_t n)
{
    put_number(b, 4, 4);
    put_number(b, (uint32_t)n, 4);
}

void pg_row_null(struct buf *b)
{
    put_number(b, UINT32_MAX, 4);
}
