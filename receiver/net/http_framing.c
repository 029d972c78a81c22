#define _GNU_SOURCE
/*
 * What the fields mean for the reader: where the body ends, whether the connection stays open, and
 * whether a client waits for "100 Continue". Everything that could let two parsers see two
 * different bodies is refused (RFC 9112 sections 6.3 and 11.2), also where the RFC would allow a
 * repair.
 */
#include "http_int.h"

#include <string.h>
#include <strings.h>

/* What one pass over the fields has seen. */
struct framing {
    unsigned hosts, codings, lengths;
    bool close, keep_alive;
};

static bool host(struct http_reader *r, struct framing *f, struct http_span value)
{
    if (++f->hosts > 1)
        return http_refuse(r, 400, "there is more than one Host");
    if (!http_all(value.p, value.n, HTTP_C_HOST))
        return http_refuse(r, 400, "Host is not a name with an optional port");
    return true;
}

/* White space around a value may be tabs, but servers that were tried with them refuse them around
 * lengths and codings, or keep them as part of the value. */
static bool stands_among_tabs(struct http_span value)
{
    const char *before = value.p - 1, *after = value.p + value.n;
    while (*before == ' ')
        before--;
    while (*after == ' ')
        after++;
    return *before == '\t' || *after == '\t';
}

static bool content_length(struct http_reader *r, struct framing *f, struct http_span value)
{
    if (++f->lengths > 1)
        return http_refuse(r, 400, "there is more than one Content-Length");
    if (stands_among_tabs(value))
        return http_refuse(r, 400, "there are tabs around Content-Length");
    uint64_t length = 0;
    bool huge = false;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return http_refuse(r, 400, "Content-Length is not a number");
        huge = huge || length > (UINT64_MAX - 9) / 10;
        length = huge ? UINT64_MAX : length * 10 + (uint64_t)(value.p[i] - '0');
    }
    if (value.n == 0)
        return http_refuse(r, 400, "Content-Length is empty");
    r->head.has_length = true;
    r->head.content_length = length;
    return true;
}

static bool transfer_encoding(struct http_reader *r, struct framing *f, struct http_span value)
{
    if (++f->codings > 1)
        return http_refuse(r, 400, "there is more than one Transfer-Encoding");
    if (stands_among_tabs(value))
        return http_refuse(r, 400, "there are tabs around Transfer-Encoding");
    if (r->head.minor == 0)
        return http_refuse(r, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (!http_span_is_nocase(value, "chunked"))
        return http_refuse(r, 501, "the only transfer coding known here is chunked");
    r->head.chunked = true;
    return true;
}

static bool connection(struct http_reader *r, struct framing *f, struct http_span value)
{
    (void)r;
    const char *p = value.p, *end = value.p + value.n;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma == NULL ? end : comma;
        struct http_span option = {p, (size_t)(stop - p)};
        while (option.n > 0 && (option.p[0] == ' ' || option.p[0] == '\t')) {
            option.p++;
            option.n--;
        }
        while (option.n > 0 && (option.p[option.n - 1] == ' ' || option.p[option.n - 1] == '\t'))
            option.n--;
        f->close = f->close || http_span_is_nocase(option, "close");
        f->keep_alive = f->keep_alive || http_span_is_nocase(option, "keep-alive");
        p = comma == NULL ? end : comma + 1;
    }
    return true;
}

/* A server must ignore the expectation of an HTTP/1.0 client (RFC 9110 section 10.1.1). */
static bool expect(struct http_reader *r, struct framing *f, struct http_span value)
{
    (void)f;
    if (r->head.minor == 0)
        return true;
    if (!http_span_is_nocase(value, "100-continue"))
        return http_refuse(r, 417, "the only expectation known here is 100-continue");
    r->head.expect_continue = true;
    return true;
}

static const struct {
    const char *name;
    size_t length;
    bool (*take)(struct http_reader *r, struct framing *f, struct http_span value);
} FIELDS[] = {
    {"host", 4, host},
    {"content-length", 14, content_length},
    {"transfer-encoding", 17, transfer_encoding},
    {"connection", 10, connection},
    {"expect", 6, expect},
};

static bool take_field(struct http_reader *r, struct framing *f, const struct http_field *field)
{
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++) {
        if (field->name.n == FIELDS[i].length &&
            strncasecmp(field->name.p, FIELDS[i].name, FIELDS[i].length) == 0)
            return FIELDS[i].take(r, f, field->value);
    }
    return true;
}

bool http_framing(struct http_reader *r)
{
    struct framing f = {0};
    struct http_head *h = &r->head;

    for (size_t i = 0; i < h->field_count; i++) {
        if (!take_field(r, &f, &r->fields[i]))
            return false;
    }
    if (f.hosts == 0 && h->minor > 0)
        return http_refuse(r, 400, "Host is missing");
    if (h->chunked && h->has_length)
        return http_refuse(r, 400, "there are both Content-Length and Transfer-Encoding");
    if (h->content_length > r->body_max)
        return http_refuse(r, 413, "the body is larger than is accepted here");
    h->keep_alive = !f.close && (h->minor > 0 || f.keep_alive);
    r->left = h->content_length;
    r->state = h->chunked ? HTTP_STATE_CHUNKED : HTTP_STATE_LENGTH;
    if (h->chunked)
        http_chunk_start(r);
    return true;
}
