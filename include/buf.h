/*
 * buf - a growing byte buffer born with a maximum
 *
 *      data ─▶ [ bytes … len ][ NUL ][ spare … cap ]      len ≤ max
 *
 * data[len] is always 0, and data is never NULL.
 *
 * Appending past `max` sets `overflow` and drops the piece whole; callers check once at the end.
 * Ownership: the buffer owns its bytes; buf_take gives them away.
 * Threads:   one owner at a time.
 */
#ifndef TP_BUF_H
#define TP_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t len, cap, max;
    bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_wipe_release(struct buf *b); /* overwrites the bytes before they are freed */
void buf_clear(struct buf *b);        /* len = 0, memory kept */
void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_put_xml(struct buf *b, const char *s, size_t n); /* & < > " ' escaped */
void buf_put_url(struct buf *b, const char *s); /* percent-encoded, RFC 3986 unreserved kept */
char *buf_take(struct buf *b); /* gives the NUL-terminated bytes; b is empty afterwards */

#endif
