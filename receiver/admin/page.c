/*
 * The page: files in the program, the same for everybody; what they show comes by the API, which
 * wants the token.
 */
#include "page_int.h"

#include <string.h>

#include "admin_int.h"

static const struct page_file *find(struct http_span path)
{
    for (size_t i = 0; i < page_file_count; i++) {
        if (http_span_is(path, page_files[i].path))
            return &page_files[i];
    }
    return NULL;
}

/* Whether the list of an If-None-Match names it: our tags hold no comma and are no part of another.
 */
static bool has_already(const struct http_head *h, const struct page_file *f)
{
    const struct http_span *tags = http_head_field(h, "If-None-Match");
    size_t n = strlen(f->etag);
    for (size_t i = 0; tags != NULL && i + n <= tags->n; i++) {
        if (memcmp(tags->p + i, f->etag, n) == 0)
            return true;
    }
    return false;
}

bool page_route(const struct http_head *h, struct answer *out)
{
    const struct page_file *f = find(h->path);
    if (f == NULL)
        return false;
    if (!http_span_is(h->method, "GET") && !http_span_is(h->method, "HEAD")) {
        answer_problem(out, 405, "Method not allowed", "the page can only be read");
        out->extra = "Allow: GET, HEAD\r\n" PAGE_HEADERS;
        return true;
    }
    bool unchanged = has_already(h, f);
    *out = (struct answer){
        .status = unchanged ? 304 : 200,
        .content_type = f->content_type,
        .extra = f->headers,
        .fixed = f->bytes,
        .fixed_len = unchanged ? 0 : f->len,
    };
    return true;
}
