/*
 * Setters for addresses and URLs. Values that may hold something secret (a path, a URL's user part)
 * are not repeated in the messages.
 */
#include "convert.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { HOST_MAX = 253, UNIX_PATH_MAX = 107, HTTP_PATH_MAX = 1024 };

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"

static bool is_name(const char *s, size_t n)
{
    return n > 0 && n <= HOST_MAX && strspn(s, NAME_CHARS) >= n;
}

static bool is_bracketed_v6(const char *s, size_t n)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (n < 4 || n - 2 >= sizeof text || s[0] != '[' || s[n - 1] != ']')
        return false;
    memcpy(text, s + 1, n - 2);
    text[n - 2] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_port(const char *s, long least)
{
    size_t n = strlen(s);
    long port = n == 0 || n > 5 || strspn(s, "0123456789") != n ? -1 : strtol(s, NULL, 10);
    return port >= least && port <= 65535;
}

/* host:port with a name or v4 address, [v6]:port, :port for any address */
static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !is_port(colon + 1, 0))
        return false;
    size_t n = (size_t)(colon - text);
    return n == 0 || is_name(text, n) || is_bracketed_v6(text, n);
}

enum err set_address(const struct place *at, const char *text, void *out)
{
    if (!is_address(text))
        return refuse(at,
                      "\"%.60s\" is not an address; allowed is HOST:PORT, as [::]:8443 or "
                      "0.0.0.0:8443",
                      text);
    return set_text_or_none(at, text, out);
}

enum err set_host_or_none(const struct place *at, const char *text, void *out)
{
    if (text[0] != '\0' && !is_name(text, strlen(text)))
        return refuse(at,
                      "\"%.60s\" is not a host; allowed is the host of the endpoint URL alone, as "
                      "receiver.example.org",
                      text);
    return set_text_or_none(at, text, out);
}

enum err set_admin_address(const struct place *at, const char *text, void *out)
{
    static const char prefix[] = "unix:";
    size_t n = sizeof prefix - 1;
    if (strncmp(text, prefix, n) != 0)
        return is_address(text) ? set_text_or_none(at, text, out)
                                : refuse(at,
                                         "\"%.60s\" is not an address; allowed is HOST:PORT, as "
                                         "127.0.0.1:8444, or unix:PATH",
                                         text);
    const char *path = loading_path(at->loading, text + n);
    if (text[n] == '\0' || strlen(path) > UNIX_PATH_MAX)
        return refuse(at,
                      "\"%.150s\" is not a socket's path; allowed is unix:PATH of 1 to %d bytes",
                      text, UNIX_PATH_MAX);
    *(const char **)out = loading_keep(at->loading, mem_printf("%s%s", prefix, path));
    return ERR_NONE;
}

static bool is_printable(const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s <= ' ' || *s > '~')
            return false;
    }
    return true;
}

enum err set_http_path(const struct place *at, const char *text, void *out)
{
    if (text[0] != '/' || strpbrk(text, "?#") != NULL || !is_printable(text) ||
        strlen(text) > HTTP_PATH_MAX)
        return refuse(at,
                      "is not a path; allowed is '/' and printable ASCII without '?', '#' and "
                      "white space, at most %d bytes",
                      HTTP_PATH_MAX);
    return set_text_or_none(at, text, out);
}

/* ------------------------------------------------------------------ URLs */

static bool is_loopback(const char *host, size_t n)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == n && strncmp(host, names[i], n) == 0)
            return true;
    }
    return false;
}

/* What follows scheme, host and port; NULL when these are not in order. */
static const char *after_host(const char *url)
{
    bool tls = strncmp(url, "https://", 8) == 0;
    if (!is_printable(url) || (!tls && strncmp(url, "http://", 7) != 0))
        return NULL;
    const char *host = url + (tls ? 8 : 7);
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    if (n > strlen(host) || !(is_name(host, n) || is_bracketed_v6(host, n)) ||
        (!tls && !is_loopback(host, n)))
        return NULL;
    const char *rest = host + n;
    if (*rest != ':')
        return rest;
    size_t digits = strspn(rest + 1, "0123456789");
    char port[8];
    if (digits == 0 || digits >= sizeof port)
        return NULL;
    memcpy(port, rest + 1, digits);
    port[digits] = '\0';
    return is_port(port, 1) ? rest + 1 + digits : NULL;
}

enum err set_url(const struct place *at, const char *text, void *out)
{
    const char *rest = after_host(text);
    if (rest == NULL || (*rest != '\0' && *rest != '/') || strpbrk(rest, "?#") != NULL)
        return refuse(at, "is not such a URL; allowed is https://HOST (http only to 127.0.0.1, "
                          "localhost and [::1])");
    return set_text_or_none(at, text, out);
}

enum err set_login_url(const struct place *at, const char *text, void *out)
{
    const char *rest = after_host(text);
    if (rest == NULL || strspn(rest, "/") != strlen(rest))
        return refuse(at, "is not such a URL; allowed is https://HOST without a path, as "
                          "https://example.my.salesforce.com (http only to 127.0.0.1, localhost "
                          "and [::1])");
    *(const char **)out = loading_keep(at->loading, mem_strndup(text, (size_t)(rest - text)));
    return ERR_NONE;
}
