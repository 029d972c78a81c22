/*
 * One event becomes one line in a stack buffer and one write(2), so that lines of several threads
 * never mix. A line that would be longer than the buffer is cut at a value.
 */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "timeutil.h"

enum { LINE_MAX_BYTES = 8192, NUM_SLOTS = 16, NUM_SIZE = 24 };

static atomic_int least_level = LOG_LEVEL_INFO;
static atomic_int line_format = LOG_FORMAT_LOGFMT;

static const char *const LEVEL_NAMES[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level least, enum log_format format)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&line_format, (int)format);
}

bool log_wants(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

const char *log_num(long long n)
{
    static _Thread_local char slots[NUM_SLOTS][NUM_SIZE];
    static _Thread_local unsigned next;
    char *slot = slots[next++ % NUM_SLOTS];
    (void)snprintf(slot, NUM_SIZE, "%lld", n);
    return slot;
}

static void put_escaped(struct buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\u%04x", c);
        else
            buf_putc(b, (char)c);
    }
}

static bool is_bare(const char *s)
{
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c <= 0x20 || c == 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return true;
}

static void put_pair(struct buf *b, bool json, const char *key, const char *value)
{
    if (json) {
        buf_puts(b, b->len > 1 ? ",\"" : "\"");
        put_escaped(b, key);
        buf_puts(b, "\":\"");
        put_escaped(b, value);
        buf_putc(b, '"');
        return;
    }
    if (b->len > 0)
        buf_putc(b, ' ');
    buf_puts(b, key);
    buf_putc(b, '=');
    if (is_bare(value)) {
        buf_puts(b, value);
    } else {
        buf_putc(b, '"');
        put_escaped(b, value);
        buf_putc(b, '"');
    }
}

static void write_line(const struct buf *b)
{
    size_t at = 0;
    while (at < b->len) {
        ssize_t n = write(STDERR_FILENO, b->data + at, b->len - at);
        if (n <= 0)
            return; /* nobody is left to tell */
        at += (size_t)n;
    }
}

void log_event(enum log_level level, const char *msg, ...)
{
    if (!log_wants(level))
        return;
    bool json = atomic_load(&line_format) == LOG_FORMAT_JSON;
    char when[TIME_TEXT_MAX];
    struct buf b;
    va_list ap;

    buf_init(&b, LINE_MAX_BYTES);
    if (json)
        buf_putc(&b, '{');
    put_pair(&b, json, "time", time_format_datetime(time_wall_ms(), when));
    put_pair(&b, json, "level", LEVEL_NAMES[level]);
    put_pair(&b, json, "msg", msg);
    va_start(ap, msg);
    for (const char *key = va_arg(ap, const char *); key != NULL; key = va_arg(ap, const char *)) {
        const char *value = va_arg(ap, const char *);
        if (value != NULL)
            put_pair(&b, json, key, value);
    }
    va_end(ap);
    b.max += 2;
    buf_puts(&b, json ? "}\n" : "\n");
    write_line(&b);
    buf_release(&b);
}
