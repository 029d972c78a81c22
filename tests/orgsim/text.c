/*
 * Nearly all text is ASCII, so the collation compares bytes as lower case until one of the two
 * has a byte past ASCII; only then are both folded by ICU.
 */
#include "text.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "zone.h"

static int lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static int compare_folded(const char *a, size_t an, const char *b, size_t bn)
{
    char *fa = text_fold(a, an), *fb = text_fold(b, bn);
    int order = strcmp(fa, fb);
    free(fa);
    free(fb);
    return order;
}

static int collate(void *arg, int an, const void *a, int bn, const void *b)
{
    (void)arg;
    const unsigned char *x = a, *y = b;
    for (int i = 0; i < an && i < bn; i++) {
        if (x[i] >= 0x80 || y[i] >= 0x80)
            return compare_folded(a, (size_t)an, b, (size_t)bn);
        int d = lower(x[i]) - lower(y[i]);
        if (d != 0)
            return d;
    }
    return an - bn;
}

/* The start of the character after s. */
static const char *next_character(const char *s)
{
    s++;
    while (((unsigned char)*s & 0xc0) == 0x80)
        s++;
    return s;
}

bool text_like(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text != '\0') {
        bool literal = *pattern == '\\' && pattern[1] != '\0';
        if (*pattern == '%') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == '_') {
            pattern++;
            text = next_character(text);
        } else if (pattern[literal] != '\0' && pattern[literal] == *text) {
            pattern += literal + 1;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = resume = next_character(resume);
        } else {
            return false;
        }
    }
    while (*pattern == '%')
        pattern++;
    return *pattern == '\0';
}

static void like(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    const char *pattern = (const char *)sqlite3_value_text(argv[0]);
    const char *value = (const char *)sqlite3_value_text(argv[1]);
    bool matches = false;
    if (pattern != NULL && value != NULL) {
        char *folded = text_fold(value, strlen(value));
        matches = text_like(pattern, folded);
        free(folded);
    }
    sqlite3_result_int(ctx, matches);
}

void text_register(sqlite3 *db)
{
    sqlite3_create_collation(db, "SF", SQLITE_UTF8, NULL, collate);
    sqlite3_create_function(db, "sf_like", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, like, NULL,
                            NULL);
}

size_t text_characters(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* The bytes of the character that begins here, or 0 if none does. */
static size_t character_bytes(const unsigned char *s, size_t n)
{
    size_t want = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;
    if (want == 0 || want > n)
        return 0;
    for (size_t i = 1; i < want; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xf0 && s[1] < 0x90);
    bool beyond = (*s == 0xed && s[1] > 0x9f) || (*s == 0xf4 && s[1] > 0x8f);
    return overlong || beyond ? 0 : want;
}

bool text_is_utf8(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    while (n > 0) {
        size_t bytes = character_bytes(p, n);
        if (bytes == 0)
            return false;
        p += bytes;
        n -= bytes;
    }
    return true;
}
