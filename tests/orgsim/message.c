/* Targets are taken apart here, by hand: the double slash in front of a path is legal in an org. */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "mem.h"

static const struct {
    const char *name;
    enum http_method method;
} METHODS[] = {
    {"GET", HTTP_GET}, {"POST", HTTP_POST},     {"PATCH", HTTP_PATCH},
    {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE}, {"HEAD", HTTP_HEAD},
};

enum http_method http_method_of(const char *name)
{
    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++) {
        if (strcasecmp(METHODS[i].name, name) == 0)
            return METHODS[i].method;
    }
    return HTTP_OTHER;
}

const char *http_method_name(enum http_method m)
{
    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++) {
        if (METHODS[i].method == m)
            return METHODS[i].name;
    }
    return "OTHER";
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static char *decode(const char *s, size_t n, bool plus_is_blank)
{
    char *out = mem_alloc(n + 1);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        int high = i + 2 < n && s[i] == '%' ? hex(s[i + 1]) : -1;
        int low = high >= 0 ? hex(s[i + 2]) : -1;
        if (low >= 0) {
            out[len++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[len++] = plus_is_blank && s[i] == '+' ? ' ' : s[i];
        }
    }
    out[len] = '\0';
    return out;
}

static bool parse_path(struct sim_request *r, const char *s, const char *end)
{
    while (s < end) {
        const char *slash = memchr(s, '/', (size_t)(end - s));
        size_t n = (size_t)((slash == NULL ? end : slash) - s);
        if (n > 0 && r->segment_count == SEGMENTS_MAX)
            return false;
        if (n > 0)
            r->segments[r->segment_count++] = decode(s, n, false);
        s += n + 1;
    }
    return true;
}

static bool parse_params(struct sim_request *r, const char *s)
{
    while (*s != '\0') {
        size_t n = strcspn(s, "&");
        const char *equals = memchr(s, '=', n);
        size_t name = equals == NULL ? n : (size_t)(equals - s);
        if (n > 0 && r->param_count == PARAMS_MAX)
            return false;
        if (n > 0)
            r->params[r->param_count++] = (struct sim_param){
                decode(s, name, true),
                equals == NULL ? mem_strdup("") : decode(equals + 1, n - name - 1, true)};
        s += n + (s[n] == '&');
    }
    return true;
}

bool sim_request_parse(struct sim_request *r, enum http_method method, const char *target)
{
    *r = (struct sim_request){.method = method, .body = "", .target = mem_strdup(target)};
    const char *end = target + strcspn(target, "?#");
    return parse_path(r, target, end) && (*end != '?' || parse_params(r, end + 1));
}

void sim_request_release(struct sim_request *r)
{
    for (size_t i = 0; i < r->segment_count; i++)
        free(r->segments[i]);
    for (size_t i = 0; i < r->param_count; i++) {
        free(r->params[i].name);
        free(r->params[i].value);
    }
    free(r->target);
    *r = (struct sim_request){.body = ""};
}

const char *sim_request_param(const struct sim_request *r, const char *name)
{
    for (size_t i = 0; i < r->param_count; i++) {
        if (strcmp(r->params[i].name, name) == 0)
            return r->params[i].value;
    }
    return NULL;
}

json_t *sim_request_json(const struct sim_request *r, struct sim_reply *reply)
{
    const char *type = r->content_type;
    if (r->json != NULL)
        return json_incref(r->json);
    if (type != NULL && strncasecmp(type, "application/json", 16) != 0) {
        sim_reply_error(reply, 415, "UNSUPPORTED_MEDIA_TYPE", "Content type not supported: %.100s",
                        type);
        return NULL;
    }
    json_error_t why;
    json_t *json = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        sim_reply_error(reply, 400, "JSON_PARSER_ERROR", "%s at [line:%d, column:%d]", why.text,
                        why.line, why.column);
    return json;
}

void sim_reply_release(struct sim_reply *r)
{
    json_decref(r->json);
    free(r->text);
    *r = (struct sim_reply){.status = 0};
}

static void reset(struct sim_reply *r, int status)
{
    json_decref(r->json);
    free(r->text);
    r->json = NULL;
    r->text = NULL;
    r->text_len = 0;
    r->content_type = NULL;
    r->status = status;
}

void sim_reply_json(struct sim_reply *r, int status, json_t *json)
{
    reset(r, status);
    r->json = json;
    r->content_type = SIM_JSON_TYPE;
}

void sim_reply_take_text(struct sim_reply *r, int status, const char *type, char *text)
{
    reset(r, status);
    r->text = text;
    r->text_len = strlen(text);
    r->content_type = type;
}

void sim_reply_text(struct sim_reply *r, int status, const char *type, const char *text)
{
    sim_reply_take_text(r, status, type, mem_strdup(text));
}

void sim_reply_parse(struct sim_reply *r)
{
    bool json = r->content_type != NULL && strcmp(r->content_type, SIM_JSON_TYPE) == 0;
    if (r->json == NULL && r->text != NULL && json)
        r->json = json_loadb(r->text, r->text_len, JSON_DECODE_ANY, NULL);
}

void sim_reply_header(struct sim_reply *r, const char *name, const char *value)
{
    if (r->header_count == HEADERS_MAX)
        return;
    struct sim_header *h = &r->headers[r->header_count++];
    snprintf(h->name, sizeof h->name, "%s", name);
    snprintf(h->value, sizeof h->value, "%s", value);
}

void sim_reply_error(struct sim_reply *r, int status, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char text[2048];
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *message = json_string(text);
    if (message == NULL) /* cut inside a character */
        message = json_string("The request holds text that is not UTF-8");
    sim_reply_json(r, status, json_pack("[{s:o, s:s}]", "message", message, "errorCode", code));
}

void sim_reply_not_found(struct sim_reply *r)
{
    sim_reply_error(r, 404, "NOT_FOUND", "The requested resource does not exist");
}
