/*
 * The checksum: for each group of five, five bits tell which characters are upper case; 32 letters
 * name them.
 */
#include "sfid.h"

#include <stdlib.h>
#include <string.h>

/* What may stand in an id, and which of it is upper case. */
enum { ID_CHAR = 1, UPPER = 2 };
#define TEN(x)        x, x, x, x, x, x, x, x, x, x
#define TWENTY_SIX(x) TEN(x), TEN(x), x, x, x, x, x, x
static const unsigned char KINDS[256] = {
    ['0'] = TEN(ID_CHAR),
    ['A'] = TWENTY_SIX(ID_CHAR | UPPER),
    ['a'] = TWENTY_SIX(ID_CHAR),
};

static unsigned char kind_of(char c)
{
    return KINDS[(unsigned char)c];
}

/* False: there is something in it that no id has. */
static bool suffix_of(const char *id, char out[3])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    unsigned all = ID_CHAR;
    for (size_t group = 0; group < 3; group++) {
        unsigned bits = 0;
        for (unsigned i = 0; i < 5; i++) {
            unsigned kind = kind_of(id[group * 5 + i]);
            all &= kind;
            bits |= (kind / UPPER) << i;
        }
        out[group] = letters[bits];
    }
    return all == ID_CHAR;
}

bool sfid_normalise(const char *s, size_t n, char out[SFID_SIZE])
{
    char suffix[3];
    if ((n != 15 && n != SFID_LEN) || !suffix_of(s, suffix))
        return false;
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
