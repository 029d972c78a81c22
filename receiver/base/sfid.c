/*
 * The checksum: for each group of five, five bits tell which characters are upper case; 32 letters
 * name them.
 */
#include "sfid.h"

#include <stdlib.h>
#include <string.h>

static bool is_id_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void suffix_of(const char *id, char out[3])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    for (size_t group = 0; group < 3; group++) {
        unsigned bits = 0;
        for (unsigned i = 0; i < 5; i++) {
            char c = id[group * 5 + i];
            if (c >= 'A' && c <= 'Z')
                bits |= 1u << i;
        }
        out[group] = letters[bits];
    }
}

bool sfid_normalise(const char *s, size_t n, char out[SFID_SIZE])
{
    if (n != 15 && n != SFID_LEN)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_id_char(s[i]))
            return false;
    }
    char suffix[3];
    suffix_of(s, suffix);
    for (size_t i = 0; n == SFID_LEN && i < 3; i++) {
        char c = s[15 + i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (c != suffix[i])
            return false;
    }
    memmove(out, s, 15);
    memcpy(out + 15, suffix, 3);
    out[SFID_LEN] = '\0';
    return true;
}

bool sfid_has_prefix(const char *id, const char *prefix)
{
    return strncmp(id, prefix, 3) == 0;
}

int sfid_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

size_t sfid_sort_unique(char (*ids)[SFID_SIZE], size_t n)
{
    size_t kept = 0;
    qsort(ids, n, sizeof *ids, sfid_compare);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || strcmp(ids[i], ids[kept - 1]) != 0)
            memmove(ids[kept++], ids[i], SFID_SIZE);
    }
    return kept;
}
