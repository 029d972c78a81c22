/*
 * http: the strict reader. Each row is fed whole, byte by byte and cut in two at every place, and
 * must give the same transcript each time. The rows are the probes with which four HTTP servers
 * were compared (smuggling forms above all), then the corners of our own grammar and bounds.
 * Hermetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "http.h"

enum { BODY_MAX = 1048576 };

/* "POST /o 5 hello;GET /n 0 ;open" : each request with its body, then how the stream stands: open
 * (between requests), more (inside one), or the status of the refusal. */
struct transcript {
    struct buf text, body;
    struct http_reader *reader;
    bool over;
};

static void transcript_init(struct transcript *t)
{
    buf_init(&t->text, 1 << 20);
    buf_init(&t->body, 4 << 20);
    t->reader = http_reader_new(BODY_MAX);
    t->over = false;
}

static void transcript_release(struct transcript *t)
{
    buf_release(&t->text);
    buf_release(&t->body);
    http_reader_free(&t->reader);
}

static void end_request(struct transcript *t)
{
    const struct http_head *h = http_reader_head(t->reader);
    buf_put(&t->text, h->method.p, h->method.n);
    buf_putc(&t->text, ' ');
    buf_put(&t->text, h->path.p, h->path.n);
    buf_printf(&t->text, "%s%s %zu ", h->expect_continue ? " expects" : "",
               h->keep_alive ? "" : " closes", t->body.len);
    buf_put(&t->text, t->body.data, t->body.len < 40 ? t->body.len : 40);
    buf_putc(&t->text, ';');
    buf_clear(&t->body);
    http_reader_next(t->reader);
}

static void feed(struct transcript *t, const char *bytes, size_t n)
{
    for (size_t at = 0; !t->over;) {
        size_t used;
        struct http_span piece;
        /* a copy of its own size, so that a sanitizer sees reading past the end */
        char *copy = malloc(n - at + 1);
        assert_non_null(copy);
        memcpy(copy, bytes + at, n - at);
        enum http_event event = http_parse(t->reader, copy, n - at, &used, &piece);
        assert_true(used <= n - at);
        if (event == HTTP_BODY) {
            assert_true(piece.p >= copy && piece.p + piece.n <= copy + used && piece.n > 0);
            buf_put(&t->body, piece.p, piece.n);
        }
        free(copy);
        at += used;
        if (event == HTTP_BAD)
            t->over = true;
        if (event == HTTP_DONE)
            end_request(t);
        if (event == HTTP_MORE) {
            assert_int_equal(at, n);
            return;
        }
    }
}

static void finish(struct transcript *t)
{
    if (t->over)
        buf_printf(&t->text, "%d", http_reader_status(t->reader));
    else
        buf_puts(&t->text, http_reader_is_idle(t->reader) ? "open" : "more");
}

/* Cuts at a and b. */
static void check_cut(const char *bytes, size_t n, size_t a, size_t b, const char *name,
                      const char *want)
{
    struct transcript t;
    transcript_init(&t);
    feed(&t, bytes, a);
    feed(&t, bytes + a, b - a);
    feed(&t, bytes + b, n - b);
    finish(&t);
    if (strcmp(t.text.data, want) != 0)
        fail_msg("%s, cut at %zu and %zu of %zu: want %s, got %s (%s)", name, a, b, n, want,
                 t.text.data, t.over ? http_reader_problem(t.reader) : "no problem");
    transcript_release(&t);
}

static void check_bytewise(const char *bytes, size_t n, const char *name, const char *want)
{
    struct transcript t;
    transcript_init(&t);
    for (size_t i = 0; i < n; i++)
        feed(&t, bytes + i, 1);
    finish(&t);
    if (strcmp(t.text.data, want) != 0)
        fail_msg("%s, byte by byte: want %s, got %s", name, want, t.text.data);
    transcript_release(&t);
}

static void check(const char *bytes, size_t n, const char *name, const char *want)
{
    size_t step = n > 2000 ? n / 23 : 1; /* large rows are cut at some places only */
    check_cut(bytes, n, n, n, name, want);
    check_bytewise(bytes, n, name, want);
    for (size_t i = 0; i <= n; i += step)
        check_cut(bytes, n, i, i, name, want);
    for (size_t i = 0; i + 7 <= n; i += 3 * step)
        check_cut(bytes, n, i, i + 7, name, want);
}

struct row {
    const char *name, *bytes;
    size_t n;
    const char *want;
};
#define ROW(name, bytes, want)                                                                     \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, want                                                       \
    }
#define HOST    "Host: a\r\n"
#define POST    "POST /o HTTP/1.1\r\n" HOST
#define GET     "GET /n HTTP/1.1\r\n" HOST "\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct row PROBES[] = {
    ROW("plain CL=5", POST "Content-Length: 5\r\n\r\nhello", "POST /o 5 hello;open"),
    ROW("chunked ok", CHUNKED "5\r\nhello\r\n0\r\n\r\n", "POST /o 5 hello;open"),
    ROW("CL and TE both",
        POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET, "400"),
    ROW("two CL differing", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400"),
    ROW("two CL same", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("CL: 5, 5", POST "Content-Length: 5, 5\r\n\r\nhello", "400"),
    ROW("CL: +5", POST "Content-Length: +5\r\n\r\nhello", "400"),
    ROW("CL: -5", POST "Content-Length: -5\r\n\r\nhello", "400"),
    ROW("CL: 0x5", POST "Content-Length: 0x5\r\n\r\nhello", "400"),
    ROW("CL past 2^63", POST "Content-Length: 9999999999999999999999\r\n\r\nhello", "413"),
    ROW("space before the colon", POST "Content-Length : 5\r\n\r\n" GET, "400"),
    ROW("TE: xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n" GET, "501"),
    ROW("TE: identity", POST "Transfer-Encoding: identity\r\n\r\n" GET, "501"),
    ROW("TE: chunked, identity", POST "Transfer-Encoding: chunked, identity\r\n\r\n" GET, "501"),
    ROW("TE: gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n" GET, "501"),
    ROW("TE in HTTP/1.0", "POST /o HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    ROW("bare LF line endings", "POST /o HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello", "400"),
    ROW("obs-fold", POST "X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("leading space on the first header",
        "POST /o HTTP/1.1\r\n Host: a\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("NUL in a value", POST "X: a\0b\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("NUL hides CL", POST "X: a\0\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("CR in a value", POST "X: a\rb\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("invalid name", POST "X(y): 1\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("empty name", POST ": 1\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("no Host", "POST /o HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("two Hosts", POST "Host: b\r\nContent-Length: 5\r\n\r\nhello", "400"),
    ROW("chunk extension", CHUNKED "5;x=y\r\nhello\r\n0\r\n\r\n", "POST /o 5 hello;open"),
    ROW("chunk size +5", CHUNKED "+5\r\nhello\r\n0\r\n\r\n", "400"),
    ROW("chunk size 0x5", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", "400"),
    ROW("chunk size ' 5 zz'", CHUNKED " 5 zz\r\nhello\r\n0\r\n\r\n", "400"),
    ROW("chunk data without CRLF", CHUNKED "5\r\nhello0\r\n\r\n", "400"),
    ROW("chunk bare LF", CHUNKED "5\nhello\n0\n\n", "400"),
    ROW("lower-case method", "post /o HTTP/1.1\r\n" HOST "\r\n", "501"),
    ROW("HTTP/1.9", "GET /n HTTP/1.9\r\n" HOST "\r\n", "505"),
    ROW("HTTP/3.0", "GET /n HTTP/3.0\r\n" HOST "\r\n", "505"),
    ROW("GET with a body, pipelined",
        "GET /n HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" GET,
        "GET /n 5 hello;GET /n 0 ;open"),
    ROW("HEAD with a body, pipelined",
        "HEAD /n HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" GET,
        "HEAD /n 5 hello;GET /n 0 ;open"),
    ROW("Expect: 100-continue", POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello",
        "POST /o expects 5 hello;open"),
    ROW("Expect with a body that is too large",
        POST "Expect: 100-continue\r\nContent-Length: 2097152\r\n\r\n", "413"),
    ROW("Expect: other", POST "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", "417"),
    ROW("body too large, no Expect", POST "Content-Length: 2097152\r\n\r\nhello", "413"),
    ROW("POST without length, pipelined", POST "\r\n" GET, "POST /o 0 ;GET /n 0 ;open"),
    ROW("two POSTs pipelined",
        POST "Content-Length: 5\r\n\r\nhello" POST "Content-Length: 5\r\n\r\nworld",
        "POST /o 5 hello;POST /o 5 world;open"),
    ROW("one leading CRLF", "\r\n" GET, "GET /n 0 ;open"),
    ROW("absolute URI", "GET http://a:80/n?x HTTP/1.1\r\n" HOST "\r\n", "GET /n 0 ;open"),
    ROW("two spaces in the request line", "GET  /n HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("tab in the request line", "GET\t/n HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("PUT is the handler's matter", "PUT /n HTTP/1.1\r\n" HOST "\r\n", "PUT /n 0 ;open"),
    ROW("an unknown method too", "BREW /n HTTP/1.1\r\n" HOST "\r\n", "BREW /n 0 ;open"),
};

static const struct row CORNERS[] = {
    ROW("nothing", "", "open"),
    ROW("half a CRLF", "\r", "more"),
    ROW("one empty line leaves the connection idle", "\r\n", "open"),
    ROW("two leading CRLFs", "\r\n\r\n" GET, "400"),
    ROW("a CRLF after a body", POST "Content-Length: 2\r\n\r\nhi\r\n" GET,
        "POST /o 2 hi;GET /n 0 ;open"),
    ROW("a head that is not complete", POST "Content-Length: 5\r\n", "more"),
    ROW("a body that is not complete", POST "Content-Length: 5\r\n\r\nhell", "more"),
    ROW("HTTP/0.9", "GET /n\r\n", "400"),
    ROW("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    ROW("a TLS record", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", "400"),
    ROW("no version digits", "GET /n HTTP/x.y\r\n\r\n", "400"),
    ROW("a lower-case version", "GET /n http/1.1\r\n\r\n", "400"),
    ROW("a space after the version", "GET /n HTTP/1.1 \r\n\r\n", "400"),
    ROW("a space before the method", " GET /n HTTP/1.1\r\n\r\n", "400"),
    ROW("no target", "GET HTTP/1.1\r\n\r\n", "400"),
    ROW("a relative target", "GET n HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("authority form", "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("asterisk form", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS * 0 ;open"),
    ROW("asterisk form of another method", "GET * HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("a method with a hyphen", "M-SEARCH /n HTTP/1.1\r\n" HOST "\r\n", "M-SEARCH /n 0 ;open"),
    ROW("a method with a digit", "1GET /n HTTP/1.1\r\n" HOST "\r\n", "501"),
    ROW("a fragment", "GET /n#x HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("a byte past ASCII in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("absolute form without a path", "GET https://a?q HTTP/1.1\r\n" HOST "\r\n",
        "GET / 0 ;open"),
    ROW("absolute form with user info", "GET http://u@a/n HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("absolute form without a host", "GET http:///n HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("an unknown scheme", "GET ftp://a/n HTTP/1.1\r\n" HOST "\r\n", "400"),
    ROW("an empty Host", "GET /n HTTP/1.1\r\nHost:\r\n\r\n", "GET /n 0 ;open"),
    ROW("an IPv6 Host", "GET /n HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "GET /n 0 ;open"),
    ROW("a Host with a slash", "GET /n HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
    ROW("a Host with a space", "GET /n HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
    ROW("HTTP/1.0 without Host", "GET /n HTTP/1.0\r\n\r\n", "GET /n closes 0 ;open"),
    ROW("HTTP/1.0 keep-alive", "GET /n HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        "GET /n 0 ;open"),
    ROW("HTTP/1.0 ignores Expect", "POST /n HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\na",
        "POST /n closes 1 a;open"),
    ROW("Connection: close", "GET /n HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /n closes 0 ;open"),
    ROW("Connection with a list", "GET /n HTTP/1.1\r\n" HOST "Connection: TE ,\tClose,x\r\n\r\n",
        "GET /n closes 0 ;open"),
    ROW("close wins over keep-alive",
        "GET /n HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        "GET /n closes 0 ;open"),
    ROW("an option that only begins so", "GET /n HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n",
        "GET /n 0 ;open"),
    ROW("an empty CL", POST "Content-Length:\r\n\r\n", "400"),
    ROW("a CL with a space inside", POST "Content-Length: 1 2\r\n\r\n", "400"),
    ROW("a CL with leading zeros", POST "Content-Length: 0005\r\n\r\nhello",
        "POST /o 5 hello;open"),
    ROW("a CL of 2^64 + 5", POST "Content-Length: 18446744073709551621\r\n\r\nhello", "413"),
    ROW("TE twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    ROW("an empty TE", POST "Transfer-Encoding:\r\n\r\n", "501"),
    ROW("TE in another case", POST "tRANSFER-eNCODING:  CHUNKED \r\n\r\n0\r\n\r\n",
        "POST /o 0 ;open"),
    ROW("a tab before a TE", POST "Transfer-Encoding: \tchunked\r\n\r\n0\r\n\r\n", "400"),
    ROW("a tab after a TE", POST "Transfer-Encoding: chunked \t \r\n\r\n0\r\n\r\n", "400"),
    ROW("a tab before a CL", POST "Content-Length:\t5\r\n\r\nhello", "400"),
    ROW("a tab after a CL", POST "Content-Length: 5\t\r\n\r\nhello", "400"),
    ROW("TE with a parameter", POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", "501"),
    ROW("DEL in a value", POST "X: a\x7f\r\n\r\n", "400"),
    ROW("obs-text in a value", POST "X: \xff\r\n\r\n", "POST /o 0 ;open"),
    ROW("a header without a colon", POST "Content-Length\r\n\r\n", "400"),
    ROW("a space inside a name", POST "X Y: 1\r\n\r\n", "400"),
    ROW("a line that ends in CR CR LF", POST "X: a\r\r\n\r\n", "400"),
    ROW("white space alone", POST " \r\n\r\n", "400"),
    ROW("chunks of several sizes", CHUNKED "1\r\na\r\n02\r\nbc\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "POST /o 13 abc0123456789;open"),
    ROW("a chunked request, pipelined", CHUNKED "1\r\na\r\n0\r\n\r\n" GET,
        "POST /o 1 a;GET /n 0 ;open"),
    ROW("a last chunk of zeros", CHUNKED "1\r\na\r\n000\r\n\r\n", "POST /o 1 a;open"),
    ROW("extensions of every form",
        CHUNKED "1 ; a ; b = c;d=\"q\\\"\\\\;e=\xc3\xa4\t\"\r\na\r\n0;z\r\n\r\n",
        "POST /o 1 a;open"),
    ROW("an extension without a name", CHUNKED "1;\r\na\r\n0\r\n\r\n", "400"),
    ROW("an extension without a value", CHUNKED "1;a=\r\na\r\n0\r\n\r\n", "400"),
    ROW("an extension with a control byte", CHUNKED "1;a=\"\x01\"\r\na\r\n0\r\n\r\n", "400"),
    ROW("a quoted extension that goes on", CHUNKED "1;a=\"b\"c\r\na\r\n0\r\n\r\n", "400"),
    ROW("LF in a quoted extension", CHUNKED "1;a=\"b\n\"\r\na\r\n0\r\n\r\n", "400"),
    ROW("a space after the size", CHUNKED "1 \r\na\r\n0\r\n\r\n", "400"),
    ROW("an empty size", CHUNKED "\r\na\r\n0\r\n\r\n", "400"),
    ROW("a size that is no number", CHUNKED "g\r\na\r\n0\r\n\r\n", "400"),
    ROW("a size with a minus", CHUNKED "-1\r\na\r\n0\r\n\r\n", "400"),
    ROW("more data than the size says", CHUNKED "1\r\nab\r\n0\r\n\r\n", "400"),
    ROW("CR without LF after the size", CHUNKED "1\rxa\r\n0\r\n\r\n", "400"),
    ROW("CR without LF after the data", CHUNKED "1\r\na\r0\r\n\r\n", "400"),
    ROW("a size past the bound", CHUNKED "100001\r\n", "413"),
    ROW("sizes that add up past the bound", CHUNKED "1\r\na\r\n100000\r\n", "413"),
    ROW("a size past 2^64", CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n", "413"),
    ROW("trailers", CHUNKED "1\r\na\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n" GET,
        "POST /o 1 a;GET /n 0 ;open"),
    ROW("an empty trailer", CHUNKED "0\r\nX:\r\n\r\n", "POST /o 0 ;open"),
    ROW("a folded trailer", CHUNKED "0\r\nX: y\r\n z\r\n\r\n", "400"),
    ROW("a trailer without a colon", CHUNKED "0\r\nX\r\n\r\n", "400"),
    ROW("a trailer with a bare LF", CHUNKED "0\r\nX: y\n\r\n", "400"),
    ROW("a trailer with NUL", CHUNKED "0\r\nX: \0\r\n\r\n", "400"),
    ROW("an end with a bare LF", CHUNKED "0\r\n\n", "400"),
    ROW("an end with CR alone", CHUNKED "0\r\n\rx", "400"),
};

static void every_probe_gets_the_strict_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof PROBES / sizeof PROBES[0]; i++)
        check(PROBES[i].bytes, PROBES[i].n, PROBES[i].name, PROBES[i].want);
}

static void every_corner_of_the_grammar_is_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CORNERS / sizeof CORNERS[0]; i++)
        check(CORNERS[i].bytes, CORNERS[i].n, CORNERS[i].name, CORNERS[i].want);
}

static void put_many(struct buf *b, size_t n, const char *piece)
{
    for (size_t i = 0; i < n; i++)
        buf_puts(b, piece);
}

/* A request made of a beginning, `times` pieces and an end. */
static void check_made(const char *name, const char *begin, size_t times, const char *piece,
                       const char *end, const char *want)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    buf_puts(&b, begin);
    put_many(&b, times, piece);
    buf_puts(&b, end);
    assert_false(b.overflow);
    check(b.data, b.len, name, want);
    buf_release(&b);
}

static void every_bound_of_the_head_holds(void **state)
{
    (void)state;
    check_made("a header of 20 KB", POST "X: ", 20000, "x", "\r\n\r\n", "431");
    check_made("a header of 20 KB that never ends", POST "X: ", 20000, "x", "", "431");
    check_made("1000 headers of 10 bytes", POST, 1000, "X: 456\r\n", "\r\n", "431");
    check_made("100 headers", "GET /n HTTP/1.1\r\n" HOST, 99, "X: 1\r\n", "\r\n", "GET /n 0 ;open");
    check_made("101 headers", "GET /n HTTP/1.1\r\n" HOST, 100, "X: 1\r\n", "\r\n", "431");
    check_made("a target of 9 KB", "GET /", 9000, "x", " HTTP/1.1\r\n" HOST "\r\n", "414");
    check_made("a method of 9 KB", "", 9000, "X", " / HTTP/1.1\r\n" HOST "\r\n", "414");
    /* "X: " and CRLF make 5 bytes of the line's 8192 */
    check_made("a line of 8192 bytes", "GET /n HTTP/1.1\r\n" HOST "X: ", HTTP_LINE_MAX - 5, "x",
               "\r\n\r\n", "GET /n 0 ;open");
    check_made("a line of 8193 bytes", "GET /n HTTP/1.1\r\n" HOST "X: ", HTTP_LINE_MAX - 4, "x",
               "\r\n\r\n", "431");
    /* 17 + 9 bytes before the 100-byte headers, 2 after them */
    struct buf line;
    buf_init(&line, 1000);
    buf_puts(&line, "X: ");
    put_many(&line, 204 - 5, "y");
    buf_puts(&line, "\r\n");
    check_made("a head of 16376 bytes", "GET /n HTTP/1.1\r\n" HOST, 80, line.data,
               "X: 4567890123456\r\nX: 89\r\n\r\n", "GET /n 0 ;open");
    check_made("a head past 16384 bytes", "GET /n HTTP/1.1\r\n" HOST, 80, line.data,
               "X: 4567890123456\r\nX: 8901234567890123\r\n\r\n", "431");
    buf_release(&line);
}

static void every_bound_of_the_framing_holds(void **state)
{
    (void)state;
    check_made("a size line of 256 bytes", CHUNKED "1;", 256 - 4, "x", "\r\na\r\n0\r\n\r\n",
               "POST /o 1 a;open");
    check_made("a size line of 257 bytes", CHUNKED "1;", 257 - 4, "x", "\r\na\r\n0\r\n\r\n", "400");
    check_made("a size line that never ends", CHUNKED "1;", 100000, "x", "", "400");
    check_made("zeros before a size", CHUNKED, 300, "0", "1\r\na\r\n0\r\n\r\n", "400");
    check_made("trailers of 4096 bytes", CHUNKED "0\r\n", 4092 / 6, "X: y\r\n", "\r\n",
               "POST /o 0 ;open");
    check_made("trailers of 4100 bytes", CHUNKED "0\r\n", 4098 / 6, "X: y\r\n", "\r\n", "431");
    check_made("a trailer that never ends", CHUNKED "0\r\nX:", 100000, "y", "", "431");
    check_made("one-byte chunks", CHUNKED, 4000, "1\r\na\r\n", "0\r\n\r\n",
               "POST /o 4000 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;open");
    check_made("chunks that are mostly extension", CHUNKED, 4000,
               "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\na\r\n", "0\r\n\r\n", "400");
}

static void a_body_of_exactly_the_bound_passes_and_one_more_does_not(void **state)
{
    (void)state;
    struct buf b;
    struct transcript t;
    buf_init(&b, 4 << 20);
    buf_puts(&b, CHUNKED "80000\r\n");
    put_many(&b, 0x80000, "x");
    buf_puts(&b, "\r\n7ffff;a\r\n");
    put_many(&b, 0x7ffff, "y");
    buf_puts(&b, "\r\n1\r\nz\r\n");
    transcript_init(&t);
    feed(&t, b.data, b.len);
    feed(&t, "0\r\n\r\n", 5);
    finish(&t);
    assert_string_equal(t.text.data,
                        "POST /o 1048576 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;open");
    transcript_release(&t);
    transcript_init(&t);
    feed(&t, b.data, b.len);
    feed(&t, "1\r\nz\r\n", 6);
    finish(&t);
    assert_string_equal(t.text.data, "413");
    transcript_release(&t);
    buf_release(&b);
}

static void the_head_is_given_in_pieces_of_the_request(void **state)
{
    (void)state;
    static const char text[] = "POST /salesforce/o?x=1 HTTP/1.1\r\nhost: h:1\r\n"
                               "content-TYPE: \t text/xml; charset=UTF-8 \t\r\nEmpty:\r\n"
                               "Content-Length: 7\r\n\r\n";
    struct http_reader *r = http_reader_new(100);
    struct http_span piece;
    size_t used;
    assert_int_equal(http_parse(r, text, sizeof text - 1, &used, &piece), HTTP_HEAD);
    assert_int_equal(used, sizeof text - 1);
    const struct http_head *h = http_reader_head(r);
    assert_true(http_span_is(h->method, "POST"));
    assert_true(http_span_is(h->target, "/salesforce/o?x=1"));
    assert_true(http_span_is(h->path, "/salesforce/o"));
    assert_true(http_span_is(h->query, "x=1"));
    assert_int_equal(h->minor, 1);
    assert_true(h->has_length);
    assert_int_equal(h->content_length, 7);
    assert_int_equal(h->field_count, 4);
    assert_true(http_span_is(*http_head_field(h, "Content-Type"), "text/xml; charset=UTF-8"));
    assert_true(http_span_is(*http_head_field(h, "empty"), ""));
    assert_null(http_head_field(h, "Content-Typ"));
    assert_true(http_span_is_nocase(h->fields[0].name, "HOST"));
    assert_false(http_span_is_nocase(h->fields[0].name, "HOS"));
    http_reader_free(&r);
    assert_null(r);
}

static void a_refusal_stays_until_the_reader_is_reset(void **state)
{
    (void)state;
    struct http_reader *r = http_reader_new(100);
    struct http_span piece;
    size_t used;
    assert_int_equal(http_parse(r, "\n", 1, &used, &piece), HTTP_BAD);
    assert_int_equal(http_reader_status(r), 400);
    assert_non_null(http_reader_problem(r));
    assert_int_equal(http_parse(r, GET, sizeof GET - 1, &used, &piece), HTTP_BAD);
    assert_int_equal(used, 0);
    http_reader_next(r);
    assert_int_equal(http_parse(r, GET, sizeof GET - 1, &used, &piece), HTTP_HEAD);
    http_reader_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_probe_gets_the_strict_answer),
        cmocka_unit_test(every_corner_of_the_grammar_is_judged),
        cmocka_unit_test(every_bound_of_the_head_holds),
        cmocka_unit_test(every_bound_of_the_framing_holds),
        cmocka_unit_test(a_body_of_exactly_the_bound_passes_and_one_more_does_not),
        cmocka_unit_test(the_head_is_given_in_pieces_of_the_request),
        cmocka_unit_test(a_refusal_stays_until_the_reader_is_reset),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
