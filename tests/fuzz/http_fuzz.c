/*
 * The HTTP reader on arbitrary bytes: once whole, once cut at places that the data choose. Both
 * must give the same requests, bodies and end. Always: a body is never larger than its bound, no
 * more is used than was given, pieces lie in the input, fields lie in the request's own bytes. The
 * first byte seeds the cuts; the rest is the stream.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

enum { BODY_MAX = 512 };

#define REQUIRE(x)                                                                                 \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

/* What came out, condensed: a hash of methods, paths, fields and bodies. */
struct outcome {
    uint64_t hash;
    size_t requests;
    int status;
    bool idle;
};

static void mix(struct outcome *o, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        o->hash = (o->hash ^ (unsigned char)p[i]) * 1099511628211u;
    o->hash = (o->hash ^ 0x100) * 1099511628211u;
}

static void look_at_head(struct outcome *o, const struct http_head *h)
{
    REQUIRE(h->field_count <= HTTP_FIELDS_MAX && (h->minor == 0 || h->minor == 1));
    REQUIRE(h->method.n > 0 && h->target.n > 0 && h->path.n > 0);
    REQUIRE(h->content_length <= BODY_MAX && !(h->chunked && h->has_length));
    REQUIRE(h->path.n + h->query.n <= h->target.n + 1);
    mix(o, h->method.p, h->method.n);
    mix(o, h->path.p, h->path.n);
    mix(o, h->query.p, h->query.n);
    for (size_t i = 0; i < h->field_count; i++) {
        const struct http_field *f = &h->fields[i];
        const char *first = h->method.p;
        REQUIRE(f->name.n > 0 && f->name.p > first && f->value.p > f->name.p);
        REQUIRE(f->value.p + f->value.n <= first + HTTP_HEAD_MAX);
        REQUIRE(f->name.n + f->value.n < HTTP_LINE_MAX);
        mix(o, f->name.p, f->name.n);
        mix(o, f->value.p, f->value.n);
    }
    o->hash += h->keep_alive + 2u * h->expect_continue;
}

struct feed {
    struct http_reader *reader;
    struct outcome outcome;
    size_t body;
};

/* False when the stream was refused. */
static bool feed(struct feed *f, const char *bytes, size_t n)
{
    for (;;) {
        size_t used;
        struct http_span piece;
        enum http_event event = http_parse(f->reader, bytes, n, &used, &piece);
        REQUIRE(used <= n);
        if (event == HTTP_BAD)
            return false;
        if (event == HTTP_MORE) {
            REQUIRE(used == n);
            return true;
        }
        if (event == HTTP_HEAD)
            look_at_head(&f->outcome, http_reader_head(f->reader));
        if (event == HTTP_BODY) {
            REQUIRE(piece.n > 0 && piece.p >= bytes && piece.p + piece.n <= bytes + used);
            for (size_t i = 0; i < piece.n; i++)
                f->outcome.hash = (f->outcome.hash ^ (unsigned char)piece.p[i]) * 1099511628211u;
            f->body += piece.n;
            REQUIRE(f->body <= BODY_MAX);
        }
        if (event == HTTP_DONE) {
            f->outcome.requests++;
            f->body = 0;
            http_reader_next(f->reader);
        }
        bytes += used;
        n -= used;
    }
}

static struct outcome run(const char *bytes, size_t n, uint32_t seed)
{
    struct feed f = {.reader = http_reader_new(BODY_MAX)};
    bool going = true;
    for (size_t at = 0; going && at < n;) {
        seed = seed * 1664525u + 1013904223u;
        size_t take = (seed >> 28) == 0 ? n - at : (seed >> 16) % 37 + 1;
        if (take > n - at)
            take = n - at;
        going = feed(&f, bytes + at, take);
        at += take;
    }
    f.outcome.status = going ? 0 : http_reader_status(f.reader);
    f.outcome.idle = http_reader_is_idle(f.reader);
    REQUIRE(going || (f.outcome.status >= 400 && http_reader_problem(f.reader) != NULL));
    http_reader_free(&f.reader);
    return f.outcome;
}

static struct outcome run_whole(const char *bytes, size_t n)
{
    struct feed f = {.reader = http_reader_new(BODY_MAX)};
    bool going = feed(&f, bytes, n);
    f.outcome.status = going ? 0 : http_reader_status(f.reader);
    f.outcome.idle = http_reader_is_idle(f.reader);
    http_reader_free(&f.reader);
    return f.outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    struct outcome whole = run_whole(bytes, n - 1);
    struct outcome cut = run(bytes, n - 1, data[0] + 1u);
    REQUIRE(whole.hash == cut.hash && whole.requests == cut.requests);
    REQUIRE(whole.status == cut.status && whole.idle == cut.idle);
    return 0;
}
