/*
 * http - a strict, incremental, bounded reader of HTTP/1.1 requests
 *
 * Pure: bytes in, events out; no sockets, clocks or allocation beyond one head buffer of fixed
 * size.
 *
 *      http_parse ─▶ HTTP_MORE  need more bytes
 *                 ─▶ HTTP_HEAD  head is complete: look at r->head, decide, then call again
 *                 ─▶ HTTP_BODY  *piece points at decoded body bytes inside the input
 *                 ─▶ HTTP_DONE  request is complete; http_reader_next, then parse the next one
 *                 ─▶ HTTP_BAD   r->status and r->problem say how to refuse; the connection must be
 *                               closed
 *
 * Accepted: HTTP/1.1 and 1.0; CRLF only; methods of A-Z, '-', '_'; one Host (1.1); a single
 * Content-Length of digits, or Transfer-Encoding exactly "chunked" (1.1 only), never both; legal
 * chunk extensions and trailers are read and ignored. Refused: everything that lets two parsers
 * disagree (obsolete folding, bare LF or CR, NUL and control bytes, space before the colon, empty
 * or invalid names, two or listed Content-Lengths, signs, tabs around lengths and codings, other
 * codings, unknown versions). tests/conformance/http compares it with nginx and Node.
 * Sources:   RFC 9110, RFC 9112 sections 2.2, 3, 5, 6, 7, 11.2.
 *
 * Threads:   one owner.
 * Ownership: spans in struct http_head point into the reader and live until http_reader_next.
 */
#ifndef TP_HTTP_H
#define TP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_LINE_MAX = 8192,  /* request line and each header field line */
    HTTP_HEAD_MAX = 16384, /* the whole head; more is 431 */
    HTTP_FIELDS_MAX = 100, /* more is 431 */
    HTTP_CHUNK_LINE_MAX = 256,
    HTTP_TRAILER_MAX = 4096,
};

struct http_span {
    const char *p;
    size_t n;
};

struct http_field {
    struct http_span name, value; /* value without surrounding white space */
};

struct http_head {
    struct http_span method, target;
    struct http_span path,
        query; /* of target in origin form (or absolute form); query without '?' */
    int minor; /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;
    bool expect_continue;
    bool chunked;
    bool has_length;
    uint64_t content_length; /* 0 when absent */
    const struct http_field *fields;
    size_t field_count;
};

enum http_event { HTTP_MORE, HTTP_HEAD, HTTP_BODY, HTTP_DONE, HTTP_BAD };

struct http_reader;

struct http_reader *http_reader_new(uint64_t body_max); /* bytes of decoded body; more is 413 */
void http_reader_limit(struct http_reader *r, uint64_t body_max); /* between requests */
void http_reader_free(struct http_reader **r);
void http_reader_next(struct http_reader *r); /* forget the request, keep the memory */

/* Consumes *used ≤ n bytes. piece is set for HTTP_BODY only. */
enum http_event http_parse(struct http_reader *r, const char *bytes, size_t n, size_t *used,
                           struct http_span *piece);

const struct http_head *http_reader_head(const struct http_reader *r);
bool http_reader_is_idle(
    const struct http_reader *r); /* between requests: no byte of the next one seen */
int http_reader_status(
    const struct http_reader *r); /* after HTTP_BAD: 400, 413, 414, 417, 431, 501, 505 */
const char *http_reader_problem(const struct http_reader *r);

/* First field of that name (case-insensitive), or NULL. */
const struct http_span *http_head_field(const struct http_head *h, const char *name);
bool http_span_is(struct http_span s, const char *text);        /* equal, case-sensitive */
bool http_span_is_nocase(struct http_span s, const char *text); /* ASCII case-insensitive */

#endif
