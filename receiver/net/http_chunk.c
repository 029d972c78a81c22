/*
 * Chunked bodies (RFC 9112 section 7.1) as a table: state × class of the byte → next state. Framing
 * is not stored: extensions and trailers are checked byte by byte and forgotten.
 *
 * Three bounds: the length of one size line, the bytes of all trailers, and the framing in all:
 * each chunk excuses 16 bytes and twice its data, what goes beyond adds up to at most 16 KiB (the
 * measure is that of Go's net/http), so that a peer can't keep us busy with framing alone.
 */
#include "http_int.h"

enum { EXCESS_MAX = 16384, EXCUSED_PER_CHUNK = 16, EXCUSED_PER_BYTE = 2 };

/* Classes of bytes. HEX digits are token characters too. */
enum class {
    C_HEX,
    C_TOKEN,
    C_SEMI,
    C_EQUAL,
    C_QUOTE,
    C_BACK,
    C_COLON,
    C_SPACE,
    C_CR,
    C_LF,
    C_VALUE,
    C_CONTROL,
    CLASS_COUNT
};

enum state {
    BAD, /* 0, so that what the table does not name is refused */
    SIZE_FIRST,
    SIZE,
    SPACE_AFTER, /* white space that only a ';' may follow (BWS) */
    NAME_FIRST,
    NAME,
    NAME_SPACE,
    VALUE_FIRST,
    VALUE,
    QUOTED,
    ESCAPED,
    QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    END,
    STATE_COUNT
};

#define ANY_TOKEN(to) [C_HEX] = (to), [C_TOKEN] = (to)
#define ANY_QUOTED(to)                                                                             \
    ANY_TOKEN(to), [C_SEMI] = (to), [C_EQUAL] = (to), [C_COLON] = (to), [C_SPACE] = (to),          \
                   [C_VALUE] = (to)

static const unsigned char NEXT[STATE_COUNT][CLASS_COUNT] = {
    [SIZE_FIRST] = {[C_HEX] = SIZE},
    [SIZE] = {[C_HEX] = SIZE, [C_SEMI] = NAME_FIRST, [C_SPACE] = SPACE_AFTER, [C_CR] = SIZE_LF},
    [SPACE_AFTER] = {[C_SPACE] = SPACE_AFTER, [C_SEMI] = NAME_FIRST},
    [NAME_FIRST] = {[C_SPACE] = NAME_FIRST, ANY_TOKEN(NAME)},
    [NAME] = {ANY_TOKEN(NAME), [C_EQUAL] = VALUE_FIRST, [C_SEMI] = NAME_FIRST,
              [C_SPACE] = NAME_SPACE, [C_CR] = SIZE_LF},
    [NAME_SPACE] = {[C_SPACE] = NAME_SPACE, [C_EQUAL] = VALUE_FIRST, [C_SEMI] = NAME_FIRST},
    [VALUE_FIRST] = {[C_SPACE] = VALUE_FIRST, [C_QUOTE] = QUOTED, ANY_TOKEN(VALUE)},
    [VALUE] = {ANY_TOKEN(VALUE), [C_SEMI] = NAME_FIRST, [C_SPACE] = SPACE_AFTER, [C_CR] = SIZE_LF},
    [QUOTED] = {ANY_QUOTED(QUOTED), [C_BACK] = ESCAPED, [C_QUOTE] = QUOTED_END},
    [ESCAPED] = {ANY_QUOTED(QUOTED), [C_BACK] = QUOTED, [C_QUOTE] = QUOTED},
    [QUOTED_END] = {[C_SEMI] = NAME_FIRST, [C_SPACE] = SPACE_AFTER, [C_CR] = SIZE_LF},
    [SIZE_LF] = {[C_LF] = DATA},
    [DATA_CR] = {[C_CR] = DATA_LF},
    [DATA_LF] = {[C_LF] = SIZE_FIRST},
    [TRAILER_FIRST] = {ANY_TOKEN(TRAILER_NAME), [C_CR] = LAST_LF},
    [TRAILER_NAME] = {ANY_TOKEN(TRAILER_NAME), [C_COLON] = TRAILER_VALUE},
    [TRAILER_VALUE] = {ANY_QUOTED(TRAILER_VALUE), [C_BACK] = TRAILER_VALUE,
                       [C_QUOTE] = TRAILER_VALUE, [C_CR] = TRAILER_LF},
    [TRAILER_LF] = {[C_LF] = TRAILER_FIRST},
    [LAST_LF] = {[C_LF] = END},
};

static enum class class_of(char c) { static const struct {char c; enum class class;}
single[] = {{';', C_SEMI},  {'=', C_EQUAL},  {'"', C_QUOTE}, {'\\', C_BACK}, {':', C_COLON},
            {' ', C_SPACE}, {'\t', C_SPACE}, {'\r', C_CR},   {'\n', C_LF}};
if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
    return C_HEX;
for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
    if (single[i].c == c)
        return single[i].class;
}
if (http_is(c, HTTP_C_TOKEN))
    return C_TOKEN;
return http_is(c, HTTP_C_VALUE) ? C_VALUE : C_CONTROL;
}

static unsigned hex_value(char c)
{
    if (c <= '9')
        return (unsigned)(c - '0');
    return (unsigned)((c | 0x20) - 'a') + 10;
}

void http_chunk_start(struct http_reader *r)
{
    r->chunk = (struct http_chunk){.state = SIZE_FIRST};
}

/* Adds a digit; false when the body would grow past its bound. */
static bool add_digit(struct http_reader *r, char c)
{
    uint64_t room = r->body_max - r->decoded;
    struct http_chunk *k = &r->chunk;
    if (k->size > UINT64_MAX >> 4)
        return http_refuse(r, 413, "the body is larger than is accepted here");
    k->size = k->size << 4 | hex_value(c);
    if (k->size > room)
        return http_refuse(r, 413, "the body is larger than is accepted here");
    return true;
}

/* The size line is complete, LF included. */
static bool begin_data(struct http_reader *r)
{
    struct http_chunk *k = &r->chunk;
    uint64_t excused = EXCUSED_PER_CHUNK + EXCUSED_PER_BYTE * k->size;
    size_t framing = k->line_bytes + 2;

    k->excess += framing;
    k->excess -= k->excess < excused ? k->excess : (size_t)excused;
    if (k->excess > EXCESS_MAX)
        return http_refuse(r, 400, "the chunks are more framing than data");
    r->left = k->size;
    k->size = 0;
    k->line_bytes = 0;
    if (r->left == 0)
        k->state = TRAILER_FIRST;
    return true;
}

/* Counts the byte against the bound of the line or the trailers that it belongs to. */
static bool within_bounds(struct http_reader *r)
{
    struct http_chunk *k = &r->chunk;
    if (k->state == DATA_CR || k->state == DATA_LF)
        return true;
    k->line_bytes++;
    if (k->state >= TRAILER_FIRST && k->line_bytes > HTTP_TRAILER_MAX)
        return http_refuse(r, 431, "the trailers are larger than 4096 bytes");
    if (k->state < TRAILER_FIRST && k->line_bytes > HTTP_CHUNK_LINE_MAX)
        return http_refuse(r, 400, "a chunk's size line is longer than 256 bytes");
    return true;
}

static bool take_byte(struct http_reader *r, char c)
{
    struct http_chunk *k = &r->chunk;
    unsigned next = NEXT[k->state][class_of(c)];
    if (!within_bounds(r))
        return false;
    if (next == BAD)
        return http_refuse(r, 400,
                           k->state >= TRAILER_FIRST ? "a trailer is not well-formed"
                           : k->state >= DATA_CR ? "a chunk's data do not end where its size says"
                                                 : "a chunk's size line is not well-formed");
    k->state = next;
    if (next == SIZE)
        return add_digit(r, c);
    return next != DATA || begin_data(r);
}

static enum http_event take_data(struct http_reader *r, const char *bytes, size_t n, size_t *used,
                                 struct http_span *piece)
{
    size_t take = n < r->left ? n : (size_t)r->left;
    r->left -= take;
    r->decoded += take;
    if (r->left == 0)
        r->chunk.state = DATA_CR;
    *used += take;
    *piece = (struct http_span){bytes, take};
    return HTTP_BODY;
}

enum http_event http_chunk_parse(struct http_reader *r, const char *bytes, size_t n, size_t *used,
                                 struct http_span *piece)
{
    while (*used < n) {
        if (r->chunk.state == DATA)
            return take_data(r, bytes + *used, n - *used, used, piece);
        if (!take_byte(r, bytes[(*used)++]))
            return HTTP_BAD;
        if (r->chunk.state == END) {
            r->state = HTTP_STATE_DONE;
            return HTTP_DONE;
        }
    }
    return HTTP_MORE;
}
