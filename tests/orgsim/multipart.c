#define _GNU_SOURCE
/*
 *     --boundary CRLF  headers CRLF CRLF  content CRLF  --boundary … --boundary--
 *
 * Clients write line feeds alone, too; both are taken.
 */
#include "multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70 };

/* "--boundary" out of the content type; false if there is none. */
static bool read_boundary(const char *type, char out[BOUNDARY_MAX + 8])
{
    const char *at = strcasestr(type, "boundary=");
    if (at == NULL)
        return false;
    at += strlen("boundary=");
    at += *at == '"';
    size_t n = strcspn(at, "\"; \t\r\n");
    snprintf(out, BOUNDARY_MAX + 8, "--%.*s", (int)n, at);
    return n > 0 && n <= BOUNDARY_MAX;
}

/* Behind the empty line that ends the headers, or NULL. */
static const char *content_of(const char *s, size_t n)
{
    const char *crlf = memmem(s, n, "\r\n\r\n", 4), *lf = memmem(s, n, "\n\n", 2);
    if (crlf != NULL && (lf == NULL || crlf < lf))
        return crlf + 4;
    return lf == NULL ? NULL : lf + 2;
}

static bool has_name(const char *headers, size_t n, const char *name)
{
    char want[64];
    snprintf(want, sizeof want, "name=\"%.50s\"", name);
    return memmem(headers, n, want, strlen(want)) != NULL;
}

bool multipart_find(const char *content_type, const char *body, size_t n, const char *name,
                    struct part *out)
{
    char boundary[BOUNDARY_MAX + 8];
    const char *end = body + n;
    if (!read_boundary(content_type, boundary))
        return false;
    size_t length = strlen(boundary);
    const char *at = memmem(body, n, boundary, length);
    while (at != NULL) {
        const char *part = at + length;
        const char *next = memmem(part, (size_t)(end - part), boundary, length);
        if (next == NULL)
            return false;
        const char *content = content_of(part, (size_t)(next - part));
        if (content != NULL && has_name(part, (size_t)(content - part), name)) {
            size_t size = (size_t)(next - content);
            size -= size > 0 && content[size - 1] == '\n';
            size -= size > 0 && content[size - 1] == '\r';
            *out = (struct part){content, size};
            return true;
        }
        at = next;
    }
    return false;
}
