/*
 * call_int - one request to the org: http.c carries it, classify.c says what its answer means,
 * call.c adds the token
 */
#ifndef TP_ORG_CALL_INT_H
#define TP_ORG_CALL_INT_H

#include <jansson.h>

#include "buf.h"
#include "org_int.h"

enum { HTTP_URL_MAX = 15000, CODE_MAX = 64, MESSAGE_MAX = 400 };

/* ------------------------------------------------------------------ http.c */

struct http_request {
    const char *url;
    const struct origin *origin; /* where url points to */
    const struct secret *bearer; /* NULL: none */
    const char *content_type;    /* with a body */
    const char *body;            /* NULL: GET; else POST */
    size_t body_len;
    bool pages_of_2000;
    const int64_t *deadline_boot_ms; /* read as the last bytes of the body leave; NULL: none */
    int64_t timeout_ms;
};

enum http_end {
    HTTP_ANSWERED,    /* status and body are whole */
    HTTP_UNREACHABLE, /* no connection: nothing was sent */
    HTTP_UNTRUSTED,   /* the certificate was refused: nothing was sent */
    HTTP_BROKEN,      /* reset, cut short */
    HTTP_TIMED_OUT,
    HTTP_TOO_LARGE,
    HTTP_STALE,   /* the deadline passed before the last bytes left */
    HTTP_ABORTED, /* org_conn_abort */
};

struct http_reply {
    enum http_end end;
    bool sent_whole; /* the last bytes were handed over: the org may act on it */
    long status;
    struct buf body;
    int64_t api_used, api_limit; /* -1: the answer did not say */
    char detail[256];            /* the library's words on a failure */
};

void http_setup(void); /* once */
/* NULL when out of resources. */
void *http_open(void);
void http_close(void **handle);
/* reply->body is the caller's to release (wiped, where it may hold a token) in every case. */
void http_exchange(struct org_conn *c, const struct http_request *r, struct http_reply *reply);
/* scheme://host[:port] and nothing more (one trailing slash is dropped). */
bool http_origin(const char *url, struct origin *out);

/* ------------------------------------------------------------------ call.c */

struct call {
    const char *operation; /* for metrics and texts: query, query_more, upsert … */
    const char *path;      /* /services/data/… */
    const char *body;      /* JSON, or NULL: GET */
    bool is_write;
    bool pages_of_2000;
};

struct answer {
    json_t *root; /* of a success; caller: answer_release */
    long status;
    char code[CODE_MAX]; /* errorCode of a refusal, "" where there is none */
};

/* Token, gate, exchange, one refresh and one repetition on 401, classification. */
MUST_USE enum err org_call(struct org_conn *c, const struct call *call, struct answer *a,
                           struct error *e);
void answer_release(struct answer *a);
/* "/services/data/vNN.0" + rest; ≤ HTTP_URL_MAX with the instance in front. */
void call_path(struct buf *b, const struct org *o, const char *rest);
void call_count(const struct org *o, const char *operation, enum err result, int64_t took_ms);

#endif
