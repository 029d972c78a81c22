/*
 * Grows by doubling up to `max`. An empty buffer points at a shared NUL, so that data is always a C
 * string.
 */
#include "buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

static char EMPTY[1];

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.data = EMPTY, .max = max};
}

void buf_release(struct buf *b)
{
    if (b->cap > 0)
        free(b->data);
    *b = (struct buf){.data = EMPTY, .max = b->max};
}

void buf_wipe_release(struct buf *b)
{
    volatile char *p = b->data;
    for (size_t i = 0; i < b->cap; i++)
        p[i] = 0;
    buf_release(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->cap > 0)
        b->data[0] = '\0';
}

/* Makes room for n more bytes and the NUL; false past max. */
static bool reserve(struct buf *b, size_t n)
{
    if (b->max - b->len < n) {
        b->overflow = true;
        return false;
    }
    size_t need = b->len + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need)
        cap *= 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    b->data = mem_resize(b->cap > 0 ? b->data : NULL, cap, 1);
    b->cap = cap;
    return true;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || !reserve(b, n))
        return;
    memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0 && reserve(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

static const char *xml_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\r':
        return "&#13;";
    default:
        return NULL;
    }
}

void buf_put_xml(struct buf *b, const char *s, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        const char *entity = xml_entity(s[i]);
        if (entity == NULL)
            continue;
        buf_put(b, s + from, i - from);
        buf_puts(b, entity);
        from = i + 1;
    }
    buf_put(b, s + from, n - from);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void buf_put_url(struct buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        if (is_unreserved(*s))
            buf_putc(b, *s);
        else
            buf_printf(b, "%%%02X", (unsigned)(unsigned char)*s);
    }
}

char *buf_take(struct buf *b)
{
    char *bytes = b->cap > 0 ? b->data : mem_alloc(1);
    *b = (struct buf){.data = EMPTY, .max = b->max};
    return bytes;
}
