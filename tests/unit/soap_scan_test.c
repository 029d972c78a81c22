/*
 * The first pass over a body (scan.c) looks at sixteen bytes at a time where it can: what it finds
 * must not depend on where among them a byte stands, nor on what comes before it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../soap/soap_int.h"

enum { LENGTH_MAX = 150, STEP = 7 };

/* `piece` at `at` in n letters; in a block of its own, so that a byte read beyond it is seen. */
static enum soap_problem scan(size_t n, size_t at, const char *piece, size_t len, size_t *where)
{
    size_t start;
    char *body = malloc(n);
    assert_non_null(body);
    memset(body, 'a', n);
    memcpy(body + at, piece, len);
    enum soap_problem p = soap_scan(body, n, &start, where);
    free(body);
    return p;
}

static enum soap_problem expected(unsigned char byte)
{
    if (byte >= 0x80)
        return SOAP_UTF8; /* alone */
    if (byte == 0)
        return SOAP_NUL;
    bool is_allowed = byte >= 0x20 || byte == '\t' || byte == '\n' || byte == '\r';
    return is_allowed ? SOAP_OK : SOAP_NOT_WELL_FORMED;
}

static void each_byte_is_judged_alike_at_each_place(void **state)
{
    (void)state;
    for (size_t n = 1; n <= LENGTH_MAX; n += STEP) {
        for (size_t at = n == 1 ? 0 : 1; at < n; at++) { /* at 0 some are marks of UTF-16 */
            for (unsigned byte = 0; byte < 256; byte++) {
                if (n == 1 && expected((unsigned char)byte) == SOAP_OK)
                    continue; /* may be a body of blanks */
                size_t where;
                char piece = (char)byte;
                enum soap_problem p = scan(n, at, &piece, 1, &where);
                if (p != expected((unsigned char)byte) || (p != SOAP_OK && where != at))
                    fail_msg("byte %02x at %zu of %zu: %s at %zu", byte, at, n,
                             soap_problem_code(p), where);
            }
        }
    }
}

static const struct {
    const char *bytes;
    enum soap_problem problem;
} CHARACTERS[] = {
    {"\xC2\x80", SOAP_OK},
    {"\xDF\xBF", SOAP_OK},
    {"\xE0\xA0\x80", SOAP_OK},
    {"\xED\x9F\xBF", SOAP_OK},
    {"\xEF\xBF\xBD", SOAP_OK},
    {"\xF0\x90\x80\x80", SOAP_OK},
    {"\xF4\x8F\xBF\xBF", SOAP_OK},
    {"\xC3\xB6\xE2\x82\xAC\xF0\x9F\x9A\x80", SOAP_OK},
    {"\xC1\xBF", SOAP_UTF8},         /* overlong */
    {"\xE0\x9F\xBF", SOAP_UTF8},     /* overlong */
    {"\xED\xA0\x80", SOAP_UTF8},     /* a surrogate */
    {"\xF4\x90\x80\x80", SOAP_UTF8}, /* beyond Unicode */
    {"\xEF\xBF\xBE", SOAP_NOT_WELL_FORMED},
    {"\xEF\xBF\xBF", SOAP_NOT_WELL_FORMED},
};

static void each_character_is_judged_alike_at_each_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CHARACTERS / sizeof CHARACTERS[0]; i++) {
        size_t len = strlen(CHARACTERS[i].bytes);
        for (size_t n = len + 1; n <= LENGTH_MAX; n += STEP) {
            for (size_t at = 1; at + len <= n; at++) {
                size_t where;
                enum soap_problem p = scan(n, at, CHARACTERS[i].bytes, len, &where);
                if (p != CHARACTERS[i].problem || (p != SOAP_OK && where != at))
                    fail_msg("character %zu at %zu of %zu: %s at %zu", i, at, n,
                             soap_problem_code(p), where);
                assert_true(len == 1 || scan(at + len - 1, at, CHARACTERS[i].bytes, len - 1,
                                             &where) == SOAP_UTF8); /* cut short */
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_is_judged_alike_at_each_place),
        cmocka_unit_test(each_character_is_judged_alike_at_each_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
