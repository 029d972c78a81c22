/*
 * Whose name a request may ask by. A web site can point its own name at this machine (DNS
 * rebinding), and a browser then lets the site read what the open routes answer. It still sends the
 * site's name as Host, so only names are answered that no site can have.
 */
#include "admin_int.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 255 };

static bool is_address(const char *host)
{
    unsigned char room[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, room) == 1 || inet_pton(AF_INET6, host, room) == 1;
}

/* The host without port and brackets; false: it is none. */
static bool split(const struct http_span *v, char host[HOST_MAX + 1])
{
    const char *p = v->p, *end = v->p + v->n, *stop;
    bool is_bracketed = v->n > 0 && *p == '[';
    p += is_bracketed;
    stop = memchr(p, is_bracketed ? ']' : ':', (size_t)(end - p));
    if (stop == NULL)
        stop = end;
    size_t n = (size_t)(stop - p);
    if (n == 0 || n > HOST_MAX || (is_bracketed && stop == end))
        return false;
    memcpy(host, p, n);
    host[n] = '\0';
    return strlen(host) == n;
}

bool host_may_ask(const struct http_head *h, const char *name)
{
    char host[HOST_MAX + 1];
    const struct http_span *v = http_head_field(h, "Host");
    if (v == NULL)
        return true; /* HTTP/1.0: no browser */
    if (!split(v, host))
        return false;
    return is_address(host) || strcasecmp(host, "localhost") == 0 ||
           (name[0] != '\0' && strcasecmp(host, name) == 0);
}
