/*
 * hash - FNV-1a, 64 bits: for tables, for telling whether values differ and whether bytes were
 * written whole; never for secrets or against an attacker
 *
 * Source:    the constants of the FNV-1a description (offset basis, prime).
 * Threads:   pure.
 */
#ifndef TP_HASH_H
#define TP_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_START 14695981039346656037u

/* Continues h over text and a separator, so that ("ab", "c") and ("a", "bc") differ. NULL counts as
 * "". */
static inline uint64_t hash_text(uint64_t h, const char *text)
{
    for (; text != 0 && *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return (h ^ 0xff) * 1099511628211u;
}

/* Continues h over n bytes, eight at a time: eight times as fast, and other values than FNV-1a. */
static inline uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const char *from = (const char *)bytes;
    for (; n > 0;) {
        uint64_t word = 0;
        size_t taken = n < sizeof word ? n : sizeof word;
        memcpy(&word, from, taken);
        h = (h ^ word) * 1099511628211u;
        h ^= h >> 32;
        from += taken;
        n -= taken;
    }
    return h;
}

#endif
