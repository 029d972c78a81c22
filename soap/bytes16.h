/*
 * bytes16 - sixteen bytes of text at a time, by the compilers' vectors: one instruction each where
 * the processor has them, and plain C where it has not
 */
#ifndef TP_SOAP_BYTES16_H
#define TP_SOAP_BYTES16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BYTES16 = 16 };

typedef unsigned char bytes16 __attribute__((vector_size(BYTES16)));

static inline bytes16 bytes16_load(const char *p)
{
    bytes16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The place in memory of the first byte of those eight that is not zero. */
static inline size_t bytes16_first_of_8(uint64_t eight)
{
    unsigned bits = (unsigned)(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_ctzll(eight)
                                                                         : __builtin_clzll(eight));
    return bits / 8;
}

/* The place of the first byte that is not zero; BYTES16 if all are. */
static inline size_t bytes16_first(bytes16 v)
{
    uint64_t half[2];
    memcpy(half, &v, sizeof half);
    if (half[0] != 0)
        return bytes16_first_of_8(half[0]);
    return half[1] != 0 ? 8 + bytes16_first_of_8(half[1]) : BYTES16;
}

#endif
