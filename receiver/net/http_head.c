#define _GNU_SOURCE
/*
 * The head, a line at a time: bytes are copied into the reader until a line is complete, then its
 * syntax is judged whole. A line that grows past its bound is refused without waiting for its end.
 *
 * One empty line before the request line is skipped (RFC 9112 section 2.2 asks for at least one:
 * old clients add a CRLF after a body); a second is refused, so that a peer can't send them for
 * ever.
 */
#include "http_int.h"

#include <string.h>
#include <strings.h>

/* Sums of HTTP_C_TOKEN 1, _VALUE 2, _TARGET 4, _HOST 8; 0 is a control byte. */
/* clang-format off */
static const unsigned char CLASSES[256] = {
    /* 0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, /* 0x00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0x10 */
    2, 15, 6, 3, 15, 15, 15, 15, 14, 14, 15, 15, 14, 15, 15, 6, /* 0x20 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 14, 6, 14, 6, 6, /* 0x30 */
    6, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 0x40 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 14, 6, 14, 7, 15, /* 0x50 */
    7, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 0x60 */
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 7, 6, 15, 0, /* 0x70 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0x80 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0x90 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xa0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xb0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xc0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xd0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xe0 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 0xf0 */
};
/* clang-format on */

bool http_is(char c, unsigned class)
{
    return (CLASSES[(unsigned char)c] & class) != 0;
}

bool http_all(const char *p, size_t n, unsigned class)
{
    for (size_t i = 0; i < n; i++) {
        if (!http_is(p[i], class))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the request line */

static bool parse_version(struct http_reader *r, const char *p, size_t n)
{
    if (n != 8 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' ||
        p[7] < '0' || p[7] > '9')
        return http_refuse(r, 400, "the request line does not end in an HTTP version");
    if (p[5] != '1' || p[7] > '1')
        return http_refuse(r, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    r->head.minor = p[7] - '0';
    return true;
}

/* Registered methods are upper case, some with a hyphen, and methods are case-sensitive, so "post"
 * is none, nor is "1GET", which other servers refuse, too. */
static bool parse_method(struct http_reader *r, struct http_span m)
{
    if (m.n == 0 || !http_all(m.p, m.n, HTTP_C_TOKEN))
        return http_refuse(r, 400, "the method is not a token");
    for (size_t i = 0; i < m.n; i++) {
        if ((m.p[i] < 'A' || m.p[i] > 'Z') && m.p[i] != '-' && m.p[i] != '_')
            return http_refuse(r, 501, "the method is not known");
    }
    r->head.method = m;
    return true;
}

/* Splits origin form at '?'; an absolute form without a path means "/". */
static void set_path(struct http_head *h, const char *p, size_t n)
{
    const char *mark = memchr(p, '?', n);
    size_t path = mark == NULL ? n : (size_t)(mark - p);
    h->path = path == 0 ? (struct http_span){"/", 1} : (struct http_span){p, path};
    h->query =
        mark == NULL ? (struct http_span){p + n, 0} : (struct http_span){mark + 1, n - path - 1};
}

static bool parse_absolute(struct http_reader *r, struct http_span t)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t skip = strlen(schemes[i]);
        if (t.n <= skip || strncasecmp(t.p, schemes[i], skip) != 0)
            continue;
        size_t end = skip;
        while (end < t.n && http_is(t.p[end], HTTP_C_HOST))
            end++;
        if (end == skip || (end < t.n && t.p[end] != '/' && t.p[end] != '?'))
            break;
        set_path(&r->head, t.p + end, t.n - end);
        return true;
    }
    return http_refuse(r, 400, "the request target is neither a path nor an http URI");
}

static bool parse_target(struct http_reader *r, struct http_span t)
{
    if (t.n == 0 || !http_all(t.p, t.n, HTTP_C_TARGET))
        return http_refuse(r, 400, "the request target is empty or holds a character that needs %");
    r->head.target = t;
    if (http_span_is(t, "*") && !http_span_is(r->head.method, "OPTIONS"))
        return http_refuse(r, 400, "only OPTIONS may ask for *");
    if (t.p[0] != '/' && !http_span_is(t, "*"))
        return parse_absolute(r, t);
    set_path(&r->head, t.p, t.n);
    return true;
}

/* Single spaces only: RFC 9112 section 3 allows leniency, and parsers
 * disagree where there is any. */
static bool parse_request_line(struct http_reader *r, const char *p, size_t n)
{
    const char *first = memchr(p, ' ', n);
    if (first == NULL)
        return http_refuse(r, 400, "the request line has no target");
    size_t method = (size_t)(first - p);
    const char *target = first + 1;
    const char *second = memchr(target, ' ', n - method - 1);
    if (second == NULL)
        return http_refuse(r, 400, "the request line has no HTTP version");
    size_t length = (size_t)(second - target);
    return parse_version(r, second + 1, n - method - length - 2) &&
           parse_method(r, (struct http_span){p, method}) &&
           parse_target(r, (struct http_span){target, length});
}

/* ------------------------------------------------------------------ field lines */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool parse_field(struct http_reader *r, const char *p, size_t n)
{
    if (is_space(p[0]))
        return http_refuse(r, 400, "a header line begins with white space");
    const char *colon = memchr(p, ':', n);
    if (colon == NULL)
        return http_refuse(r, 400, "a header line has no colon");
    size_t name = (size_t)(colon - p);
    if (name == 0 || !http_all(p, name, HTTP_C_TOKEN))
        return http_refuse(r, 400, "a header name is empty or holds an invalid character");
    const char *value = colon + 1, *end = p + n;
    while (value < end && is_space(*value))
        value++;
    while (end > value && is_space(end[-1]))
        end--;
    if (!http_all(value, (size_t)(end - value), HTTP_C_VALUE))
        return http_refuse(r, 400, "a header value holds a control character");
    if (r->head.field_count == HTTP_FIELDS_MAX)
        return http_refuse(r, 431, "there are more than 100 header fields");
    r->fields[r->head.field_count++] =
        (struct http_field){{p, name}, {value, (size_t)(end - value)}};
    return true;
}

/* ------------------------------------------------------------------ lines */

/* The line is in the buffer with its LF. False when refused. */
static bool take_line(struct http_reader *r, bool *complete)
{
    const char *p = r->bytes + r->line_at;
    size_t n = r->head_len - r->line_at;
    bool first = r->state == HTTP_STATE_START;

    r->line_at = r->head_len;
    if (n < 2 || p[n - 2] != '\r')
        return http_refuse(r, 400, "a line of the head ends without CRLF");
    n -= 2;
    if (n > 0 && first) {
        r->state = HTTP_STATE_LINES;
        return parse_request_line(r, p, n);
    }
    if (n > 0)
        return parse_field(r, p, n);
    if (!first) {
        *complete = true;
        return http_framing(r);
    }
    if (r->skipped_line)
        return http_refuse(r, 400, "empty lines stand before the request line");
    r->skipped_line = true;
    r->head_len = r->line_at = 0;
    return true;
}

static enum http_event refuse_length(struct http_reader *r)
{
    if (r->state == HTTP_STATE_START)
        http_refuse(r, 414, "the request line is longer than 8192 bytes");
    else if (r->head_len == HTTP_HEAD_MAX)
        http_refuse(r, 431, "the head is larger than 16384 bytes");
    else
        http_refuse(r, 431, "a header line is longer than 8192 bytes");
    return HTTP_BAD;
}

enum http_event http_head_parse(struct http_reader *r, const char *bytes, size_t n, size_t *used)
{
    while (*used < n) {
        size_t room = HTTP_HEAD_MAX - r->head_len;
        size_t line_room = HTTP_LINE_MAX - (r->head_len - r->line_at);
        if (line_room < room)
            room = line_room;
        size_t take = n - *used < room ? n - *used : room;
        const char *lf = take == 0 ? NULL : memchr(bytes + *used, '\n', take);
        if (lf != NULL)
            take = (size_t)(lf - (bytes + *used)) + 1;
        memcpy(r->bytes + r->head_len, bytes + *used, take);
        r->head_len += take;
        *used += take;
        bool complete = false;
        if (lf != NULL && !take_line(r, &complete))
            return HTTP_BAD;
        if (complete)
            return HTTP_HEAD;
        if (lf == NULL && take == room)
            return refuse_length(r);
    }
    return HTTP_MORE;
}
