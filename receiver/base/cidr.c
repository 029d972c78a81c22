/*
 * inet_pton reads the addresses, so that shortened and octal-looking forms (10.1, 010.0.0.1), which
 * programs disagree about, are refused. Bits set behind the prefix are refused too: who writes
 * 192.0.2.7/16 meant either the host or another network.
 */
#include "cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { V4 = 4, V6 = 6, MAPPED_BITS = 96 };

static void set_v4(struct cidr_address *out, const unsigned char bytes[4])
{
    *out = (struct cidr_address){{V4}};
    memcpy(out->bytes + 1, bytes, 4);
}

static void set_v6(struct cidr_address *out, const struct in6_addr *in6)
{
    if (IN6_IS_ADDR_V4MAPPED(in6)) {
        set_v4(out, in6->s6_addr + 12);
        return;
    }
    *out = (struct cidr_address){{V6}};
    memcpy(out->bytes + 1, in6->s6_addr, 16);
}

/* Sets every bit behind the prefix. False if one was set already. */
static bool set_last(const struct cidr_address *first, unsigned prefix, unsigned width,
                     struct cidr_address *last)
{
    *last = *first;
    for (unsigned bit = prefix; bit < width; bit++) {
        unsigned char mask = (unsigned char)(0x80u >> bit % 8);
        if ((first->bytes[1 + bit / 8] & mask) != 0)
            return false;
        last->bytes[1 + bit / 8] |= mask;
    }
    return true;
}

/* Digits only, without leading zeros; most if there is no prefix. */
static bool parse_prefix(const char *slash, unsigned most, unsigned *out)
{
    *out = most;
    if (slash == NULL)
        return true;
    size_t n = strlen(slash + 1);
    if (n == 0 || n > 3 || strspn(slash + 1, "0123456789") != n || (n > 1 && slash[1] == '0'))
        return false;
    *out = (unsigned)strtoul(slash + 1, NULL, 10);
    return *out <= most;
}

const char *cidr_parse(const char *text, struct cidr *out)
{
    static const char no_address[] = "is no IPv4 or IPv6 network";
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);
    unsigned char v4[4];
    struct in6_addr v6;
    unsigned prefix;

    if (n >= sizeof host)
        return no_address;
    memcpy(host, text, n);
    host[n] = '\0';
    bool is_v4 = inet_pton(AF_INET, host, v4) == 1;
    if (!is_v4 && inet_pton(AF_INET6, host, &v6) != 1)
        return no_address;
    if (!parse_prefix(slash, is_v4 ? 32 : 128, &prefix))
        return "has no prefix length of 0 to 32 (IPv4) or 128 (IPv6)";
    if (is_v4)
        set_v4(&out->first, v4);
    else if (IN6_IS_ADDR_V4MAPPED(&v6) && prefix < MAPPED_BITS)
        return "is a network of IPv4-mapped addresses with a prefix length below 96";
    else
        set_v6(&out->first, &v6);
    if (!is_v4 && out->first.bytes[0] == V4)
        prefix -= MAPPED_BITS;
    return set_last(&out->first, prefix, out->first.bytes[0] == V4 ? 32 : 128, &out->last)
               ? NULL
               : "has bits set behind its prefix length";
}

bool cidr_address_of(const struct sockaddr *peer, struct cidr_address *out)
{
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in in;
        unsigned char bytes[4];
        memcpy(&in, peer, sizeof in);
        memcpy(bytes, &in.sin_addr, sizeof bytes);
        set_v4(out, bytes);
        return true;
    }
    if (peer->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 in6;
    memcpy(&in6, peer, sizeof in6);
    set_v6(out, &in6.sin6_addr);
    return true;
}

int cidr_compare(const struct cidr_address *a, const struct cidr_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool cidr_contains(const struct cidr *c, const struct cidr_address *a)
{
    return cidr_compare(&c->first, a) <= 0 && cidr_compare(a, &c->last) <= 0;
}

bool cidr_is_all(const struct cidr *c)
{
    size_t size = c->first.bytes[0] == V4 ? 4 : 16;
    for (size_t i = 1; i <= size; i++) {
        if (c->first.bytes[i] != 0 || c->last.bytes[i] != 0xff)
            return false;
    }
    return true;
}
