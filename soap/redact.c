#define _GNU_SOURCE
/*
 * Redaction for the quarantine of refused bodies. They are by definition not what they should be,
 * so this is a scan, and it errs on the side of too much: a SessionId that never ends takes the
 * rest of the body along, and a body in UTF-16 or UTF-32, where the tags can't be found, goes as a
 * whole. Where the tags are broken or escaped, the session id is known by its form: the
 * organisation's id of 15 characters, '!', and a token.
 */
#include "soap_int.h"

#include <string.h>

static const char NAME[] = "SessionId";

/* At '<' or "</": the length of the tag's name if its local part is SessionId, counted from p; else
 * 0. */
static size_t session_tag(const char *p, const char *end, const char *lead)
{
    size_t lead_len = strlen(lead), name_len = sizeof NAME - 1;
    if ((size_t)(end - p) < lead_len || memcmp(p, lead, lead_len) != 0)
        return 0;
    const char *name = p + lead_len, *stop = name;
    while (stop < end && strchr(" \t\r\n/><\"'=", *stop) == NULL)
        stop++; /* strchr finds the NUL too, so that ends a name as well */
    const char *colon = memrchr(name, ':', (size_t)(stop - name));
    const char *local = colon == NULL ? name : colon + 1;
    if ((size_t)(stop - local) != name_len || memcmp(local, NAME, name_len) != 0)
        return 0;
    return (size_t)(stop - p);
}

/* Where the start tag ends when quotes are honoured; NULL if nowhere. */
static const char *quoted_end(const char *p, const char *end)
{
    while (p < end && *p != '>') {
        if (*p == '"' || *p == '\'') {
            p = memchr(p + 1, *p, (size_t)(end - p - 1));
            if (p == NULL)
                return NULL;
        }
        p++;
    }
    return p < end ? p : NULL;
}

/* Behind the start tag: where the content begins, or NULL if there is none. Self-closing only if
 * that is so with and without regard to quotes; otherwise content begins at the first '>'. */
static char *content_of(char *p, char *end)
{
    const char *quoted = quoted_end(p, end);
    char *plain = memchr(p, '>', (size_t)(end - p));
    if (plain == NULL)
        return p;
    if (plain > p && plain[-1] == '/' && quoted != NULL && quoted[-1] == '/')
        return NULL;
    return plain + 1;
}

/* The end of the content: the '<' of the end tag, or the end of the body. Sections and comments are
 * stepped over, since an end tag in there is text. */
static char *content_end(char *p, char *end)
{
    static const struct {
        const char *open, *close;
    } spans[] = {{"<![CDATA[", "]]>"}, {"<!--", "-->"}};

    while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
        if (session_tag(p, end, "</") > 0)
            return p;
        char *next = p + 1;
        for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
            size_t n = strlen(spans[i].open);
            if ((size_t)(end - p) < n || memcmp(p, spans[i].open, n) != 0)
                continue;
            const char *close = soap_find(p + n, end, spans[i].close);
            next = close == NULL ? NULL : p + (close - p);
        }
        if (next == NULL)
            return end;
        p = next;
    }
    return end;
}

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
}

static void redact_tokens(char *body, char *end)
{
    enum { ORG_LEN = 15 };
    for (char *p = body; (p = memchr(p, '!', (size_t)(end - p))) != NULL; p++) {
        if (p - body < ORG_LEN || memcmp(p - ORG_LEN, "00D", 3) != 0)
            continue;
        for (char *t = p + 1; t < end && is_token(*t); t++)
            *t = 'x';
    }
}

void soap_redact(char *body, size_t n)
{
    char *end = body + n;
    if (soap_is_wide(body, n)) {
        memset(body, 'x', n);
        return;
    }
    redact_tokens(body, end);
    for (char *p = body; (p = memchr(p, '<', (size_t)(end - p))) != NULL;) {
        size_t tag = session_tag(p, end, "<");
        char *content = tag == 0 ? NULL : content_of(p + tag, end);
        if (content == NULL) {
            p++;
            continue;
        }
        char *close = content_end(content, end);
        memset(content, 'x', (size_t)(close - content));
        p = close;
    }
}
