/*
 * The table of RFC 3629, section 4: which second byte each first byte allows; all others are
 * 80..BF.
 */
#include "utf8_int.h"

struct form {
    unsigned char first, last; /* first byte */
    unsigned char second_from, second_to;
    unsigned char more; /* bytes after the first */
};

static const struct form *form_of(unsigned char c)
{
    static const struct form forms[] = {
        {0x01, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2},
        {0xe1, 0xec, 0x80, 0xbf, 2}, {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2},
        {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (c >= forms[i].first && c <= forms[i].last)
            return &forms[i];
    }
    return NULL;
}

bool utf8_is_text(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct form *f = form_of((unsigned char)bytes[i]);
        if (f == NULL || n - i <= f->more)
            return false;
        for (size_t k = 1; k <= f->more; k++) {
            unsigned char c = (unsigned char)bytes[i + k];
            if (c < (k == 1 ? f->second_from : 0x80) || c > (k == 1 ? f->second_to : 0xbf))
                return false;
        }
        i += f->more;
    }
    return true;
}
