/*
 * hash - FNV-1a, 64 bits: for tables and for telling whether values differ; never for secrets or
 * against an attacker
 *
 * Source:    the constants of the FNV-1a description (offset basis, prime).
 * Threads:   pure.
 */
#ifndef TP_HASH_H
#define TP_HASH_H

#include <stdint.h>

#define HASH_START 14695981039346656037u

/* Continues h over text and a separator, so that ("ab", "c") and ("a", "bc") differ. NULL counts as
 * "". */
static inline uint64_t hash_text(uint64_t h, const char *text)
{
    for (; text != 0 && *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return (h ^ 0xff) * 1099511628211u;
}

#endif
