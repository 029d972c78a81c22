/* One pass finds where a row ends and whether its quotes are right; the other decodes. */
#include "csv_text.h"

#include <string.h>

#include "mem.h"

/* Moves behind a quoted value; false if it has no end. `s` is behind the opening quote. */
static bool skip_quoted(const char **s, const char *end)
{
    const char *p = *s;
    while (p < end) {
        p = memchr(p, '"', (size_t)(end - p));
        if (p == NULL)
            break;
        if (p + 1 == end || p[1] != '"') {
            *s = p + 1;
            return true;
        }
        p += 2;
    }
    *s = end;
    return false;
}

static bool is_stop(const struct csv_format *f, char c)
{
    return c == f->delimiter || c == '\n';
}

/* Moves to the delimiter or line feed that ends the value. */
static void skip_value(const struct csv_format *f, const char **s, const char *end, bool *bad)
{
    if (*s < end && **s == '"') {
        ++*s;
        *bad |= !skip_quoted(s, end);
        bool ended = *s == end || is_stop(f, **s) || (**s == '\r' && f->crlf);
        *bad |= !ended;
    }
    while (*s < end && !is_stop(f, **s)) {
        *bad |= **s == '"';
        ++*s;
    }
}

enum csv_step csv_next_row(const struct csv_format *f, const char **at, const char *end,
                           struct csv_row *row)
{
    const char *s = *at;
    while (s < end && (*s == '\n' || (*s == '\r' && f->crlf)))
        s++;
    if (s == end)
        return CSV_END;
    *row = (struct csv_row){.at = s};
    for (;;) {
        skip_value(f, &s, end, &row->bad);
        if (s == end || *s == '\n')
            break;
        s++;
    }
    bool ended = s<end, carriage = s> row->at && s[-1] == '\r';
    row->n = (size_t)(s - row->at) - (carriage && f->crlf);
    *at = ended ? s + 1 : s;
    return ended && carriage != f->crlf ? CSV_WRONG_ENDING : CSV_ROW;
}

/* Decodes one value from *s to *out; both move on. */
static void take_value(const struct csv_format *f, const char **s, const char *end, char **out)
{
    const char *p = *s;
    char *o = *out;
    if (p < end && *p == '"') {
        for (p++; p < end && (*p != '"' || (p + 1 < end && p[1] == '"')); p++) {
            *o++ = *p;
            p += *p == '"';
        }
        p++;
    } else {
        while (p < end && *p != f->delimiter)
            *o++ = *p++;
    }
    *o++ = '\0';
    *s = p;
    *out = o;
}

size_t csv_split(const struct csv_format *f, const struct csv_row *row, char **values, size_t max)
{
    const char *s = row->at, *end = row->at + row->n;
    char *out = mem_alloc(row->n + 2);
    size_t count = 0;
    for (;;) {
        if (count < max)
            values[count] = out;
        count++;
        take_value(f, &s, end, &out);
        if (s >= end)
            return count;
        s++;
        if (s == end) { /* a delimiter at the end: one more, empty */
            if (count < max) {
                values[count] = out;
                *out = '\0';
            }
            return count + 1;
        }
    }
}

void csv_put(struct buf *out, const struct csv_format *f, const char *value, bool first)
{
    if (!first)
        buf_putc(out, f->delimiter);
    buf_putc(out, '"');
    for (const char *quote; (quote = strchr(value, '"')) != NULL; value = quote + 1) {
        buf_put(out, value, (size_t)(quote - value));
        buf_puts(out, "\"\"");
    }
    buf_puts(out, value);
    buf_putc(out, '"');
}

void csv_put_end(struct buf *out, const struct csv_format *f)
{
    buf_puts(out, f->crlf ? "\r\n" : "\n");
}
