/*
 * http_int - what the parts of the HTTP reader share: http.c (life, bodies), http_head.c (lines and
 * their syntax), http_framing.c (what the fields mean), http_chunk.c (chunked bodies)
 *
 *      START ─first line─▶ LINES ─empty line─▶ ADMITTED ─▶ LENGTH ─▶ DONE
 *        ▲                                         │                   ▲
 *        │                                         └──▶ CHUNKED ───────┤
 *        └────────────── http_reader_next ─────────────────────────────┘     any ─▶ BAD
 */
#ifndef TP_HTTP_INT_H
#define TP_HTTP_INT_H

#include "http.h"

enum http_state {
    HTTP_STATE_START, /* no byte of a request seen, but perhaps one empty line */
    HTTP_STATE_LINES,
    HTTP_STATE_LENGTH, /* `left` bytes of the body are to come */
    HTTP_STATE_CHUNKED,
    HTTP_STATE_DONE,
    HTTP_STATE_BAD,
};

struct http_chunk {
    unsigned state;    /* of http_chunk.c's table */
    size_t line_bytes; /* of this size line, or of all trailers */
    size_t excess;     /* framing bytes beyond what the data excuse */
    uint64_t size;     /* of the chunk whose size line is being read */
};

struct http_reader {
    enum http_state state;
    uint64_t body_max;
    uint64_t left;    /* body bytes to come: of the request, or of the chunk */
    uint64_t decoded; /* body bytes given so far (chunked) */
    int status;       /* after BAD */
    const char *problem;
    bool skipped_line; /* the one empty line before the request line */
    size_t head_len;   /* bytes used in `bytes` */
    size_t line_at;    /* where the unfinished line begins */
    struct http_chunk chunk;
    struct http_head head;
    struct http_field fields[HTTP_FIELDS_MAX];
    char bytes[HTTP_HEAD_MAX];
};

/* Character classes of RFC 9110 section 5.6.2 and RFC 9112 section 7.1, one byte each. */
enum {
    HTTP_C_TOKEN = 1,  /* tchar */
    HTTP_C_VALUE = 2,  /* allowed in a field value: HTAB, SP, VCHAR, obs-text */
    HTTP_C_TARGET = 4, /* VCHAR without '#' */
    HTTP_C_HOST = 8,   /* reg-name, IP literal, port */
};
bool http_all(const char *p, size_t n, unsigned class);
bool http_is(char c, unsigned class);

/* Marks the request as refused; the first reason counts. Gives false. */
bool http_refuse(struct http_reader *r, int status, const char *problem);

enum http_event http_head_parse(struct http_reader *r, const char *bytes, size_t n, size_t *used);
/* After the last line: Host, lengths, codings, persistence. False when refused. */
bool http_framing(struct http_reader *r);
void http_chunk_start(struct http_reader *r);
enum http_event http_chunk_parse(struct http_reader *r, const char *bytes, size_t n, size_t *used,
                                 struct http_span *piece);

#endif
