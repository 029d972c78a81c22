/*
 * Case folding. Almost all texts are ASCII, where folding is A-Z to a-z; the others go through
 * ICU's UTF-16, on the stack while they are short.
 */
#include "zone.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <unicode/uchar.h>
#include <unicode/ustring.h>

#include "mem.h"

enum {
    SHORT = 256,     /* units; longer texts take memory from the heap */
    GROWTH = 3,      /* one unit folds to at most three */
    REPLACE = 0xFFFD /* REPLACEMENT CHARACTER */
};

/* One byte of UTF-8 is at most one unit, so this bounds every int32_t below. */
#define TEXT_MAX ((size_t)1 << 28)

static bool fold_ascii(const char *s, size_t n, char *out, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == 0 || c >= 0x80)
            return false;
        if (i < size)
            out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    if (n < size)
        out[n] = '\0';
    return true;
}

static size_t fold_wide(const char *s, size_t n, UChar *wide, UChar *folded, char *out, size_t size)
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t units = 0, folded_units = 0, bytes = 0;

    (void)u_strFromUTF8WithSub(wide, (int32_t)n, &units, s, (int32_t)n, REPLACE, NULL, &status);
    for (int32_t i = 0; i < units; i++) {
        if (wide[i] == 0)
            wide[i] = REPLACE;
    }
    if (status == U_STRING_NOT_TERMINATED_WARNING)
        status = U_ZERO_ERROR;
    folded_units =
        u_strFoldCase(folded, (int32_t)n * GROWTH, wide, units, U_FOLD_CASE_DEFAULT, &status);
    assert(U_SUCCESS(status));
    status = U_ZERO_ERROR;
    int32_t room = size > TEXT_MAX ? (int32_t)TEXT_MAX : (int32_t)size;
    (void)u_strToUTF8(out, room, &bytes, folded, folded_units, &status);
    assert(U_SUCCESS(status) || status == U_BUFFER_OVERFLOW_ERROR);
    return (size_t)bytes;
}

size_t text_fold_into(const char *s, size_t n, char *out, size_t size)
{
    assert(n <= TEXT_MAX / GROWTH);
    if (fold_ascii(s, n, out, size))
        return n;
    if (n <= SHORT) {
        UChar wide[SHORT], folded[SHORT * GROWTH];
        return fold_wide(s, n, wide, folded, out, size);
    }
    UChar *wide = mem_array(n, sizeof *wide);
    UChar *folded = mem_array(n * GROWTH, sizeof *folded);
    size_t length = fold_wide(s, n, wide, folded, out, size);
    free(folded);
    free(wide);
    return length;
}

char *text_fold(const char *s, size_t n)
{
    size_t size = n + 1;
    char *out = mem_alloc(size);
    size_t length = text_fold_into(s, n, out, size);
    if (length >= size) {
        out = mem_resize(out, length + 1, 1);
        (void)text_fold_into(s, n, out, length + 1);
    }
    return out;
}
