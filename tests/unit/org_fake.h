/*
 * org_fake - an HTTP server inside a test that plays canned answers and remembers the requests
 *
 * Listens on 127.0.0.1, port 0, a thread a connection. Requests to the token endpoint and all
 * others have a queue of answers each; an empty token queue gives a good token (TOKEN-1, TOKEN-2
 * …), an empty other queue status 599.
 *
 * Threads:   any.
 * Ownership: texts given are copied; requests live until fake_stop.
 */
#ifndef TP_ORG_FAKE_H
#define TP_ORG_FAKE_H

#include <stdbool.h>
#include <stddef.h>

enum fake_kind {
    FAKE_ANSWER, /* status line, headers, Content-Length, body */
    FAKE_CUT,    /* as above, but the connection ends in the middle of the body */
    FAKE_DROP,   /* the whole request is read, then the connection ends without an answer */
    FAKE_SILENT, /* the whole request is read, no answer ever */
};

struct fake_answer {
    enum fake_kind kind;
    int status;
    const char *headers; /* "Name: value\r\n…" or NULL */
    const char *body;
};

struct fake_request {
    char *method, *target; /* target percent-decoded */
    char *raw_target, *headers, *body;
    bool is_token, is_whole;
};

struct fake;

struct fake *fake_start(void);
void fake_stop(struct fake **f);
const char *fake_url(const struct fake *f);    /* http://127.0.0.1:PORT */
void fake_org(struct fake *f, const char *id); /* of the default token's `id`; 00D000000000001EAA */

/* Requests that show this token get 401 INVALID_SESSION_ID, whatever is queued; NULL: none. */
void fake_refuse(struct fake *f, const char *token);
void fake_will(struct fake *f, int status, const char *body);
void fake_will_do(struct fake *f, const struct fake_answer *a);
void fake_token_will(struct fake *f, int status, const char *body);

size_t fake_count(struct fake *f);  /* requests but those for tokens */
size_t fake_tokens(struct fake *f); /* requests for tokens */
/* The i-th request that is none for a token; NULL when there were fewer. */
const struct fake_request *fake_request(struct fake *f, size_t i);
const struct fake_request *fake_token_request(struct fake *f, size_t i);
void fake_wait(struct fake *f, size_t count); /* until so many requests (no tokens) have come */

#endif
