/*
 * call_int - one request to the org: http.c carries it, classify.c says what its answer means,
 * call.c adds the token
 */
#ifndef TP_ORG_CALL_INT_H
#define TP_ORG_CALL_INT_H

#include <stdio.h>

#include <jansson.h>

#include "buf.h"
#include "org_int.h"

enum { HTTP_URL_MAX = 15000, LOCATOR_MAX = 512, CODE_MAX = 64, MESSAGE_MAX = 400 };

/* ------------------------------------------------------------------ http.c */

/* Takes the body of a success (status 200) as it comes. False: no more of it. */
struct http_sink {
    bool (*put)(void *ctx, const char *bytes, size_t n);
    void *ctx;
};

struct http_request {
    const char *method; /* NULL: GET, or POST with a body */
    const char *url;
    const struct origin *origin; /* where url points to */
    const struct secret *bearer; /* NULL: none */
    const char *accept;          /* NULL: JSON */
    const char *content_type;    /* with a body */
    const char *body;            /* NULL: none … */
    FILE *file;                  /* … or this file from its start */
    size_t body_len;
    const struct http_sink *sink; /* NULL: the body is kept in the reply */
    bool pages_of_2000;
    bool is_large;            /* timeout_ms is for silence, not for the whole */
    bool (*go_on)(void *ctx); /* asked every second or so; NULL: yes */
    void *go_on_ctx;
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
    HTTP_STALE,      /* the deadline passed before the last bytes left */
    HTTP_ABORTED,    /* org_conn_abort */
    HTTP_UNREADABLE, /* the file of the body */
    HTTP_REFUSED,    /* by the sink or go_on, which know why */
};

struct http_reply {
    enum http_end end;
    bool sent_whole; /* the last bytes were handed over: the org may act on it */
    long status;
    struct buf body;
    int64_t api_used, api_limit; /* -1: the answer did not say */
    int64_t date_at_ms;          /* Date; TIME_NONE: the answer did not say */
    int64_t records;             /* Sforce-NumberOfRecords; -1: the answer did not say */
    char locator[LOCATOR_MAX];   /* Sforce-Locator; "": there is no next page */
    char detail[256];            /* the library's words on a failure */
};

void http_setup(void); /* once */
/* NULL when out of resources. */
void *http_open(void);
void http_close(void **handle);
/* reply->body is the caller's to release (wiped, where it may hold a token) in every case. */
void http_exchange(struct org_conn *c, const struct http_request *r, struct http_reply *reply);
/* http_header.c: one line of the head, with or without its line break. */
void http_read_header(struct http_reply *reply, const char *line, size_t n);
/* scheme://host[:port] and nothing more (one trailing slash is dropped). */
bool http_origin(const char *url, struct origin *out);

/* ------------------------------------------------------------------ call.c */

/* What a success carries. */
enum call_wants {
    CALL_JSON,    /* 200 and a document */
    CALL_MADE,    /* as well 201 and a document */
    CALL_NOTHING, /* any 2xx */
    CALL_CSV,     /* 200; the body goes to the sink */
};

struct call {
    const char *operation; /* for metrics and texts: query, query_more, upsert … */
    const char *method;    /* NULL: GET, or POST with a body */
    const char *path;      /* /services/data/… */
    const char *body;      /* JSON, or NULL … */
    FILE *file;            /* … or CSV, file_bytes of it from the start of the file */
    size_t file_bytes;
    enum call_wants wants;
    const struct http_sink *sink; /* with CALL_CSV. The connection can't be used meanwhile */
    enum err missing; /* what it means that the path is not there; ERR_NONE: by the table */
    bool is_write;    /* its outcome matters: not understood is unknown */
    bool pages_of_2000;
};

struct answer {
    json_t *root; /* of a success with a document; caller: answer_release */
    long status;
    char code[CODE_MAX]; /* errorCode of a refusal, "" where there is none */
    int64_t records;     /* as in http_reply */
    char locator[LOCATOR_MAX];
};

/* Token, gate, exchange, one refresh and one repetition on 401, classification. */
MUST_USE enum err org_call(struct org_conn *c, const struct call *call, struct answer *a,
                           struct error *e);
void answer_release(struct answer *a);
/* "/services/data/vNN.0" + rest; ≤ HTTP_URL_MAX with the instance in front. */
void call_path(struct buf *b, const struct org *o, const char *rest);
void call_count(const struct org *o, const char *operation, enum err result, int64_t took_ms);

enum { CALL_REFERENCE_SIZE = 32 };
/* The body of a Composite of these subrequests, which it takes. NULL: not writable. Caller: free.
 */
char *call_composite(json_t *subrequests);
/* The referenceId of its i-th part. */
void call_reference(char out[CALL_REFERENCE_SIZE], size_t i);

#endif
