/*
 * message - one HTTP request as the org sees it, and its reply
 *
 * The same structs serve requests from the network and the subrequests of a composite.
 *
 * Ownership: a request owns what it parsed from its target and borrows body and headers; a reply
 *            owns its JSON and text.
 * Threads:   one owner.
 */
#ifndef ORGSIM_MESSAGE_H
#define ORGSIM_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_method {
    HTTP_GET = 1,
    HTTP_POST = 2,
    HTTP_PATCH = 4,
    HTTP_PUT = 8,
    HTTP_DELETE = 16,
    HTTP_HEAD = 32,
    HTTP_OTHER = 64,
};

enum { SEGMENTS_MAX = 24, PARAMS_MAX = 24, HEADERS_MAX = 8 };

struct sim_param {
    char *name, *value;
};

struct sim_request {
    enum http_method method;
    char *target;                 /* as it came: path and query */
    char *segments[SEGMENTS_MAX]; /* of the path, decoded, empty ones left out */
    size_t segment_count;
    struct sim_param params[PARAMS_MAX];
    size_t param_count;
    const char *body; /* borrowed; never NULL */
    size_t body_len;
    json_t *json; /* the body of a subrequest, in place of `body`; borrowed, NULL outside */
    const char *content_type, *authorization, *query_options; /* borrowed, may be NULL */
    size_t head_bytes;                                        /* request line and headers */
    uint64_t id;                                              /* holder of locks */
    const char *operation;                                    /* static; set by routing */
    char **args;                                              /* segments below the version */
    size_t arg_count;
    char version[8]; /* "v64.0" */
};

struct sim_header {
    char name[48], value[128];
};

struct sim_reply {
    int status;
    json_t *json; /* or NULL */
    char *text;   /* used if json is NULL; NULL for an empty body */
    size_t text_len;
    const char *content_type;
    struct sim_header headers[HEADERS_MAX];
    size_t header_count;
};

/* False if the target cannot be read (too many segments or parameters). */
bool sim_request_parse(struct sim_request *r, enum http_method method, const char *target);
void sim_request_release(struct sim_request *r);
const char *sim_request_param(const struct sim_request *r, const char *name); /* or NULL */
enum http_method http_method_of(const char *name);
const char *http_method_name(enum http_method m);

/* The body as JSON; NULL with the reply filled (JSON_PARSER_ERROR or UNSUPPORTED_MEDIA_TYPE). */
json_t *sim_request_json(const struct sim_request *r, struct sim_reply *reply);

#define SIM_JSON_TYPE "application/json;charset=UTF-8"

void sim_reply_release(struct sim_reply *r);
/* Gives a reply that was made as a text of JSON its tree, if it is one. */
void sim_reply_parse(struct sim_reply *r);
void sim_reply_json(struct sim_reply *r, int status, json_t *json); /* takes json */
void sim_reply_text(struct sim_reply *r, int status, const char *type, const char *text);
void sim_reply_take_text(struct sim_reply *r, int status, const char *type, char *text); /* takes */
void sim_reply_header(struct sim_reply *r, const char *name, const char *value);
/* [{"message":…,"errorCode":…}], Salesforce's form of an error. */
void sim_reply_error(struct sim_reply *r, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void sim_reply_not_found(struct sim_reply *r);

#endif
