/*
 * What libxml2 should never see is refused here and in tags.c, by two linear passes over the bytes.
 * The first, here, checks that every character is valid UTF-8 and allowed in XML. The second splits
 * the document into tags, comments, sections and instructions, and holds the limits that keep
 * libxml2's work linear. It is strict where the two could come to disagree about where a tag begins
 * (no '<' inside a tag, every value quoted): whatever libxml2 can take for a tag, be it after an
 * error, has been counted here.
 */
#include "soap_int.h"

#include <string.h>
#include <strings.h>

#include "bytes16.h"

/* ------------------------------------------------------------------ characters */

struct utf8_form {
    unsigned char first_min, first_max; /* range of the first byte */
    unsigned char second_min, second_max;
    unsigned char len;
};

/* Unicode standard, table 3-7: well-formed UTF-8; what remains out are surrogates and overlongs. */
static const struct utf8_form UTF8_FORMS[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
};

/* The length of the multi-byte character at p, or 0 if it is not one. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    for (size_t i = 0; i < sizeof UTF8_FORMS / sizeof UTF8_FORMS[0]; i++) {
        const struct utf8_form *f = &UTF8_FORMS[i];
        if (p[0] < f->first_min || p[0] > f->first_max)
            continue;
        if (left < f->len || p[1] < f->second_min || p[1] > f->second_max)
            return 0;
        for (size_t k = 2; k < f->len; k++) {
            if ((p[k] & 0xC0) != 0x80)
                return 0;
        }
        return f->len;
    }
    return 0;
}

/* U+FFFE and U+FFFF are the only multi-byte characters that XML forbids. */
static bool is_noncharacter(const unsigned char *p, size_t len)
{
    return len == 3 && p[0] == 0xEF && p[1] == 0xBF && p[2] >= 0xBE;
}

/* Not zero where a byte is none of ASCII that XML allows. */
static bytes16 odd(const char *p)
{
    bytes16 v = bytes16_load(p);
    return (bytes16)(v - 0x20 > 0x5F) & (bytes16)(v != '\n') & (bytes16)(v != '\r') &
           (bytes16)(v != '\t');
}

/* How many of the next bytes are such ASCII, as far as sixteens of them tell: most of a message
 * is. */
static size_t plain_len(const char *p, size_t left)
{
    enum { FOUR = 4 * BYTES16 };
    size_t n = 0;
    for (; left - n >= FOUR; n += FOUR) {
        const char *q = p + n;
        bytes16 any = odd(q) | odd(q + BYTES16) | odd(q + 2 * BYTES16) | odd(q + 3 * BYTES16);
        if (bytes16_first(any) < BYTES16)
            break;
    }
    while (left - n >= BYTES16 && bytes16_first(odd(p + n)) == BYTES16)
        n += BYTES16;
    return n;
}

/* The length of the character at p, or 0 with what is wrong with it. */
static size_t character_len(const unsigned char *p, size_t left, enum soap_problem *problem)
{
    size_t len = 1;
    if (p[0] >= 0x80) {
        len = utf8_len(p, left);
        *problem = len == 0 ? SOAP_UTF8 : SOAP_NOT_WELL_FORMED;
        return is_noncharacter(p, len) ? 0 : len;
    }
    *problem = p[0] == '\0' ? SOAP_NUL : SOAP_NOT_WELL_FORMED;
    return p[0] < 0x20 && p[0] != '\t' && p[0] != '\n' && p[0] != '\r' ? 0 : len;
}

static enum soap_problem scan_characters(const char *body, size_t n, size_t *at)
{
    for (size_t i = plain_len(body, n); i < n; i += plain_len(body + i, n - i)) {
        /* the sixteen that have something else among them, or the last few */
        for (size_t end = n - i > BYTES16 ? i + BYTES16 : n; i < end;) {
            enum soap_problem problem;
            size_t len = character_len((const unsigned char *)body + i, n - i, &problem);
            *at = i;
            if (len == 0)
                return problem;
            i += len;
        }
    }
    return SOAP_OK;
}

/* ------------------------------------------------------------------ encoding */

bool soap_is_wide(const char *body, size_t n)
{
    static const struct {
        char bytes[4];
        size_t len;
    } marks[] = {
        {"\xFE\xFF", 2}, {"\xFF\xFE", 2}, {"\0\0\xFE\xFF", 4},
        {"\0<", 2},      {"<\0", 2},      {"\0\0\0<", 4},
    };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (n >= marks[i].len && memcmp(body, marks[i].bytes, marks[i].len) == 0)
            return true;
    }
    return false;
}

/* The XML declaration may name UTF-8 or nothing. One that is malformed is left to libxml2. */
static bool declares_other_encoding(const char *doc, size_t n)
{
    static const char key[] = "encoding";
    const char *end = n > 5 && memcmp(doc, "<?xml", 5) == 0 ? soap_find(doc, doc + n, "?>") : NULL;
    if (end == NULL || !soap_is_space(doc[5]))
        return false;
    const char *p = soap_find(doc, end, key);
    if (p == NULL)
        return false;
    for (p += sizeof key - 1; p < end && (soap_is_space(*p) || *p == '='); p++)
        continue;
    if (p == end || (*p != '"' && *p != '\''))
        return false;
    const char *close = memchr(p + 1, *p, (size_t)(end - p - 1));
    return close != NULL && (close - p != 6 || strncasecmp(p + 1, "UTF-8", 5) != 0);
}

/* ------------------------------------------------------------------ the whole */

enum soap_problem soap_scan(const char *body, size_t n, size_t *start, size_t *at)
{
    size_t mark = n >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    size_t blank = mark;

    *at = 0;
    while (blank < n && soap_is_space(body[blank]))
        blank++;
    if (blank == n)
        return SOAP_EMPTY_BODY;
    if (n > SOAP_BODY_MAX)
        return SOAP_TOO_LARGE;
    if (soap_is_wide(body, n))
        return SOAP_ENCODING;
    enum soap_problem p = scan_characters(body, n, at);
    if (p != SOAP_OK)
        return p;
    *at = mark;
    if (declares_other_encoding(body + mark, n - mark))
        return SOAP_ENCODING;
    *start = mark;
    return SOAP_OK;
}
