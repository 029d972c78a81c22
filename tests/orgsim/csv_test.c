/*
 * CSV as Bulk API 2.0 takes it: where rows end, what quotes may do, how values are decoded and
 * written. Hermetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "csv_text.h"
#include "text.h"

enum { VALUES = 8 };

/* All rows of a text as "a|b;c|d": '|' between values, ';' between rows, '!' for a bad row, '~' at
 * a wrong line ending. */
static char *shape(const char *text, char delimiter, bool crlf)
{
    struct csv_format f = {delimiter, crlf};
    const char *at = text, *end = text + strlen(text);
    struct csv_row row;
    struct buf out;
    enum csv_step step;
    buf_init(&out, 4096);
    while ((step = csv_next_row(&f, &at, end, &row)) == CSV_ROW) {
        if (out.len > 0)
            buf_putc(&out, ';');
        if (row.bad) {
            buf_putc(&out, '!');
            continue;
        }
        char *values[VALUES];
        size_t n = csv_split(&f, &row, values, VALUES);
        for (size_t i = 0; i < n && i < VALUES; i++) {
            if (i > 0)
                buf_putc(&out, '|');
            buf_puts(&out, values[i]);
        }
        free(values[0]);
    }
    if (step == CSV_WRONG_ENDING)
        buf_putc(&out, '~');
    return buf_take(&out);
}

static void rows_and_values_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char delimiter;
        bool crlf;
        const char *want;
    } rows[] = {
        {"", ',', false, ""},
        {"a,b\nc,d\n", ',', false, "a|b;c|d"},
        {"a,b\nc,d", ',', false, "a|b;c|d"},
        {"a,b\r\nc,d\r\n", ',', true, "a|b;c|d"},
        {"a,b\r\nc,d", ',', true, "a|b;c|d"},
        {"\n\na\n\n\nb\n\n", ',', false, "a;b"},
        {",\na,\n,b\n", ',', false, "|;a|;|b"},
        {"\"a,1\",\"b\"\"2\"\n", ',', false, "a,1|b\"2"},
        {"\"a\n1\",b\n", ',', false, "a\n1|b"},
        {"\"\",\"\"\n", ',', false, "|"},
        {"\"\"\"\"\n", ',', false, "\""},
        {" a , b \n", ',', false, " a | b "},
        {"a;b,c\n", ';', false, "a|b,c"},
        {"a\tb\n", '\t', false, "a|b"},
        {"a,\"b\"\r\n", ',', true, "a|b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *got = shape(rows[i].text, rows[i].delimiter, rows[i].crlf);
        assert_string_equal(got, rows[i].want);
        free(got);
    }
}

static void what_an_org_refuses_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool crlf;
        const char *want;
    } rows[] = {
        {"a,b\r\nc,d\r\n", false, "~"},  {"a,b\nc,d\n", true, "~"},
        {"a\r\nb\nc\r\n", true, "a~"},   {"\"a\", \"b\"\nc\n", false, "!;c"},
        {"\"a\" ,b\nc\n", false, "!;c"}, {"a\"b,c\nd\n", false, "!;d"},
        {"\"a\"b\nd\n", false, "!;d"},   {"a\n\"never ended\nb\n", false, "a;!"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *got = shape(rows[i].text, ',', rows[i].crlf);
        assert_string_equal(got, rows[i].want);
        free(got);
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const char *const values[] = {"",   "plain",      "with, comma", "with \"quotes\"",
                                         "\"", "two\nlines", "; | \t"};
    for (int crlf = 0; crlf < 2; crlf++) {
        struct csv_format f = {',', crlf == 1};
        struct buf out;
        buf_init(&out, 4096);
        for (size_t i = 0; i < 7; i++)
            csv_put(&out, &f, values[i], i == 0);
        csv_put_end(&out, &f);
        char *got = shape(out.data, ',', crlf == 1);
        assert_string_equal(got, "|plain|with, comma|with \"quotes\"|\"|two\nlines|; | \t");
        free(got);
        buf_release(&out);
    }
}

static void utf8_is_told_from_other_bytes(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    static const char *const bad[] = {"\xff",         "\xc3",         "\xc0\x80",
                                      "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80",
                                      "a\x80",        "\xe2\x82"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(text_is_utf8(bad[i], strlen(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_values_are_found),
        cmocka_unit_test(what_an_org_refuses_is_told),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(utf8_is_told_from_other_bytes),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
