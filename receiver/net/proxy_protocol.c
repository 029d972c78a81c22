/*
 * The first byte tells the version: 'P' or CR; anything else (a TLS record begins with 0x16) is
 * refused at once, so that a client which came past the proxy is not waited for.
 */
#include "proxy_protocol.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char V1_PREFIX[] = "PROXY ";
static const char V2_SIGNATURE[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    SIGNATURE_SIZE = sizeof V2_SIGNATURE - 1,
    FIXED_SIZE = 16,
    PORT_DIGITS_MAX = 5,
};

enum state { FIRST, LINE, FIXED, REST, ENDED };

/* Of version 2, low four bits of byte 12 and both halves of byte 13. */
enum { COMMAND_LOCAL = 0, COMMAND_PROXY = 1 };
enum { FAMILY_UNSPEC = 0, FAMILY_INET = 1, FAMILY_INET6 = 2, FAMILY_UNIX = 3 };
enum { TRANSPORT_UNSPEC = 0, TRANSPORT_STREAM = 1 };

_Static_assert(SIGNATURE_SIZE == 12, "as the protocol says");

void proxy_reader_init(struct proxy_reader *r)
{
    *r = (struct proxy_reader){.state = FIRST};
}

static enum proxy_event refuse(struct proxy_reader *r, const char *problem)
{
    r->state = ENDED;
    r->problem = problem;
    return PROXY_BAD;
}

static enum proxy_event end(struct proxy_reader *r)
{
    r->state = ENDED;
    return PROXY_DONE;
}

static void set_v4(struct proxy_reader *r, const void *address, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&in.sin_addr, address, sizeof in.sin_addr);
    memcpy(&r->source, &in, sizeof in);
    r->has_source = true;
}

static void set_v6(struct proxy_reader *r, const void *address, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&in6.sin6_addr, address, sizeof in6.sin6_addr);
    memcpy(&r->source, &in6, sizeof in6);
    r->has_source = true;
}

/* ------------------------------------------------------------------ version 1 */

/* Takes the piece before the next space off *rest and ends it; NULL when there is none. */
static char *next_word(char **rest)
{
    char *word = *rest;
    if (word == NULL || *word == '\0' || *word == ' ')
        return NULL;
    char *space = strchr(word, ' ');
    *rest = space == NULL ? NULL : space + 1;
    if (space != NULL)
        *space = '\0';
    return word;
}

static bool parse_port(const char *word, uint16_t *out)
{
    size_t n = word == NULL ? 0 : strlen(word);
    if (n == 0 || n > PORT_DIGITS_MAX || strspn(word, "0123456789") != n ||
        (n > 1 && word[0] == '0'))
        return false;
    unsigned long port = strtoul(word, NULL, 10);
    *out = (uint16_t)port;
    return port <= UINT16_MAX;
}

static bool parse_addresses(struct proxy_reader *r, char *rest, int family)
{
    struct in6_addr source, destination; /* large enough for both families */
    const char *from = next_word(&rest), *to = next_word(&rest);
    uint16_t port, other;
    if (from == NULL || to == NULL || inet_pton(family, from, &source) != 1 ||
        inet_pton(family, to, &destination) != 1)
        return false;
    if (!parse_port(next_word(&rest), &port) || !parse_port(next_word(&rest), &other) ||
        rest != NULL)
        return false;
    if (family == AF_INET)
        set_v4(r, &source, port);
    else
        set_v6(r, &source, port);
    return true;
}

/* The line is whole, LF included. */
static enum proxy_event parse_line(struct proxy_reader *r)
{
    static const char malformed[] = "the PROXY line is not well-formed";
    if (r->n < 2 || r->bytes[r->n - 2] != '\r')
        return refuse(r, "the PROXY line ends without CRLF");
    r->bytes[r->n - 2] = '\0';
    char *rest = r->bytes + sizeof V1_PREFIX - 1;
    if (strlen(r->bytes) != r->n - 2)
        return refuse(r, malformed);
    const char *kind = next_word(&rest);
    if (kind != NULL && strcmp(kind, "UNKNOWN") == 0)
        return end(r);
    bool is_v4 = kind != NULL && strcmp(kind, "TCP4") == 0;
    if (!is_v4 && (kind == NULL || strcmp(kind, "TCP6") != 0))
        return refuse(r, "the PROXY line names neither TCP4 nor TCP6 nor UNKNOWN");
    return parse_addresses(r, rest, is_v4 ? AF_INET : AF_INET6) ? end(r) : refuse(r, malformed);
}

static enum proxy_event take_line_byte(struct proxy_reader *r, char c)
{
    if (r->n < sizeof V1_PREFIX - 1 && c != V1_PREFIX[r->n])
        return refuse(r, "what the proxy sends first is no PROXY header");
    r->bytes[r->n++] = c;
    if (c == '\n')
        return parse_line(r);
    return r->n < PROXY_LINE_MAX ? PROXY_MORE
                                 : refuse(r, "the PROXY line is longer than 107 bytes");
}

/* ------------------------------------------------------------------ version 2 */

static unsigned byte_at(const struct proxy_reader *r, size_t i)
{
    return (unsigned char)r->bytes[i];
}

static const struct {
    size_t size; /* of both addresses with their ports */
} FAMILIES[] = {
    [FAMILY_UNSPEC] = {0}, [FAMILY_INET] = {12}, [FAMILY_INET6] = {36}, [FAMILY_UNIX] = {216}};

static enum proxy_event parse_fixed(struct proxy_reader *r)
{
    unsigned command = byte_at(r, 12) & 0xf, family = byte_at(r, 13) >> 4,
             transport = byte_at(r, 13) & 0xf;
    r->left = byte_at(r, 14) << 8 | byte_at(r, 15);
    if (byte_at(r, 12) >> 4 != 2)
        return refuse(r, "the PROXY header has another version than 1 and 2");
    if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
        return refuse(r, "the PROXY header has an unknown command");
    if (r->left > PROXY_TLV_MAX)
        return refuse(r, "the PROXY header is longer than 4096 bytes");
    if (command == COMMAND_PROXY) {
        if (family >= sizeof FAMILIES / sizeof FAMILIES[0] || transport > TRANSPORT_STREAM ||
            (family != FAMILY_UNSPEC) != (transport == TRANSPORT_STREAM))
            return refuse(r, "the PROXY header is about something else than a TCP connection");
        if (r->left < FAMILIES[family].size)
            return refuse(r, "the PROXY header is too short for its addresses");
    }
    r->state = REST;
    return PROXY_MORE;
}

static void take_addresses(struct proxy_reader *r)
{
    unsigned command = byte_at(r, 12) & 0xf, family = byte_at(r, 13) >> 4;
    const char *p = r->bytes + FIXED_SIZE;
    uint16_t port;
    if (command == COMMAND_LOCAL)
        return;
    if (family == FAMILY_INET) {
        memcpy(&port, p + 8, sizeof port);
        set_v4(r, p, ntohs(port));
    } else if (family == FAMILY_INET6) {
        memcpy(&port, p + 32, sizeof port);
        set_v6(r, p, ntohs(port));
    }
}

static enum proxy_event take_fixed_byte(struct proxy_reader *r, char c)
{
    if (r->n < SIGNATURE_SIZE && c != V2_SIGNATURE[r->n])
        return refuse(r, "what the proxy sends first is no PROXY header");
    r->bytes[r->n++] = c;
    return r->n == FIXED_SIZE ? parse_fixed(r) : PROXY_MORE;
}

/* Addresses are kept, what follows them is dropped. */
static size_t take_rest(struct proxy_reader *r, const char *bytes, size_t n)
{
    size_t take = n < r->left ? n : r->left, room = PROXY_KEPT_MAX - r->n;
    size_t kept = take < room ? take : room;
    if (kept > 0)
        memcpy(r->bytes + r->n, bytes, kept);
    r->n += kept;
    r->left -= take;
    return take;
}

/* ------------------------------------------------------------------ both */

static enum proxy_event take_byte(struct proxy_reader *r, char c)
{
    if (r->state == FIRST)
        r->state = c == V2_SIGNATURE[0] ? FIXED : LINE;
    return r->state == LINE ? take_line_byte(r, c) : take_fixed_byte(r, c);
}

enum proxy_event proxy_parse(struct proxy_reader *r, const char *bytes, size_t n, size_t *used)
{
    enum proxy_event event = PROXY_MORE;
    assert(r->state != ENDED);
    *used = 0;
    while (event == PROXY_MORE && r->state != REST && *used < n)
        event = take_byte(r, bytes[(*used)++]);
    if (r->state != REST)
        return event;
    *used += take_rest(r, bytes + *used, n - *used);
    if (r->left > 0)
        return PROXY_MORE;
    take_addresses(r);
    return end(r);
}

const struct sockaddr *proxy_source(const struct proxy_reader *r)
{
    return r->has_source ? (const struct sockaddr *)&r->source : NULL;
}

const char *proxy_problem(const struct proxy_reader *r)
{
    return r->problem;
}
