#define _GNU_SOURCE
/*
 * The reader's life, bodies with a length, and small look-ups. Each call makes one event; which
 * bytes arrive together never changes what comes out, since every limit and every judgement depends
 * on the position in the stream alone.
 */
#include "http.h"
#include "http_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

struct http_reader *http_reader_new(uint64_t body_max)
{
    struct http_reader *r = mem_alloc(sizeof *r);
    r->body_max = body_max;
    http_reader_next(r);
    return r;
}

void http_reader_limit(struct http_reader *r, uint64_t body_max)
{
    r->body_max = body_max;
}

void http_reader_free(struct http_reader **r)
{
    if (*r == NULL)
        return;
    http_reader_next(*r); /* the head may hold a secret path or an authorisation */
    free(*r);
    *r = NULL;
}

void http_reader_next(struct http_reader *r)
{
    explicit_bzero(r->bytes, r->head_len);
    r->state = HTTP_STATE_START;
    r->left = 0;
    r->decoded = 0;
    r->status = 0;
    r->problem = NULL;
    r->skipped_line = false;
    r->head_len = 0;
    r->line_at = 0;
    r->head = (struct http_head){.fields = r->fields};
}

bool http_refuse(struct http_reader *r, int status, const char *problem)
{
    if (r->state != HTTP_STATE_BAD) {
        r->state = HTTP_STATE_BAD;
        r->status = status;
        r->problem = problem;
    }
    return false;
}

static enum http_event parse_length(struct http_reader *r, const char *bytes, size_t n,
                                    size_t *used, struct http_span *piece)
{
    if (r->left == 0) {
        r->state = HTTP_STATE_DONE;
        return HTTP_DONE;
    }
    if (n == 0)
        return HTTP_MORE;
    size_t take = n < r->left ? n : (size_t)r->left;
    r->left -= take;
    *used = take;
    *piece = (struct http_span){bytes, take};
    return HTTP_BODY;
}

enum http_event http_parse(struct http_reader *r, const char *bytes, size_t n, size_t *used,
                           struct http_span *piece)
{
    *used = 0;
    *piece = (struct http_span){NULL, 0};
    switch (r->state) {
    case HTTP_STATE_START:
    case HTTP_STATE_LINES:
        return http_head_parse(r, bytes, n, used);
    case HTTP_STATE_LENGTH:
        return parse_length(r, bytes, n, used, piece);
    case HTTP_STATE_CHUNKED:
        return http_chunk_parse(r, bytes, n, used, piece);
    case HTTP_STATE_DONE:
        return HTTP_DONE;
    case HTTP_STATE_BAD:
        break;
    }
    return HTTP_BAD;
}

const struct http_head *http_reader_head(const struct http_reader *r)
{
    return &r->head;
}

bool http_reader_is_idle(const struct http_reader *r)
{
    return r->state == HTTP_STATE_START && r->head_len == 0;
}

int http_reader_status(const struct http_reader *r)
{
    return r->status;
}

const char *http_reader_problem(const struct http_reader *r)
{
    return r->problem;
}

const struct http_span *http_head_field(const struct http_head *h, const char *name)
{
    for (size_t i = 0; i < h->field_count; i++) {
        if (http_span_is_nocase(h->fields[i].name, name))
            return &h->fields[i].value;
    }
    return NULL;
}

bool http_span_is(struct http_span s, const char *text)
{
    return strlen(text) == s.n && memcmp(s.p, text, s.n) == 0;
}

bool http_span_is_nocase(struct http_span s, const char *text)
{
    return strlen(text) == s.n && strncasecmp(s.p, text, s.n) == 0;
}
