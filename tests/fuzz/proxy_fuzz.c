/*
 * The PROXY header on arbitrary bytes: once whole, once cut where the data choose. Both must give
 * the same verdict, source and length. Always: no more is taken than was given, a header that needs
 * more has taken all, a source is an IPv4 or IPv6 address, a refusal says why. The first byte seeds
 * the cuts; the rest is the stream.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy_protocol.h"

#define REQUIRE(x)                                                                                 \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

enum { HEADER_MAX = 16 + PROXY_TLV_MAX };

struct outcome {
    enum proxy_event event;
    size_t used;
    const char *problem;
    struct sockaddr_storage source;
};

static struct outcome run(const char *bytes, size_t n, uint32_t seed)
{
    struct outcome o = {.event = PROXY_MORE};
    struct proxy_reader r;
    proxy_reader_init(&r);
    while (o.event == PROXY_MORE && o.used < n) {
        size_t take = n - o.used, used;
        seed = seed * 1664525u + 1013904223u;
        if (seed != 0 && (seed >> 28) != 0 && (seed >> 16) % 37 + 1 < take)
            take = (seed >> 16) % 37 + 1;
        char *piece = malloc(take); /* exactly that long, so that one more is seen */
        REQUIRE(piece != NULL);
        memcpy(piece, bytes + o.used, take);
        o.event = proxy_parse(&r, piece, take, &used);
        free(piece);
        REQUIRE(used <= take && (o.event != PROXY_MORE || used == take));
        o.used += used;
        REQUIRE(o.used <= HEADER_MAX);
    }
    if (o.event == PROXY_BAD)
        o.problem = proxy_problem(&r);
    REQUIRE(o.event != PROXY_BAD || o.problem != NULL);
    const struct sockaddr *source = o.event == PROXY_DONE ? proxy_source(&r) : NULL;
    if (source != NULL) {
        REQUIRE(source->sa_family == AF_INET || source->sa_family == AF_INET6);
        memcpy(&o.source, source, sizeof o.source);
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    struct outcome one = run(bytes, n - 1, data[0] + 1u), other = run(bytes, n - 1, data[0] + 999u);
    REQUIRE(one.event == other.event && one.problem == other.problem);
    REQUIRE(one.event == PROXY_BAD || one.used == other.used);
    REQUIRE(memcmp(&one.source, &other.source, sizeof one.source) == 0);
    return 0;
}
