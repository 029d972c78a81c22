/*
 * CSV: read in pieces of any size, never taken for whole when it is not; written so that it reads
 * back.
 */
#include "org_fixture.h"

#include "buf.h"
#include "timeutil.h"

#include "../../receiver/org/call_int.h"
#include "../../receiver/org/csv_int.h"
#include "../../receiver/org/utf8_int.h"

static const char *const WANTED[] = {"Id", "Lead.Email"};

struct rows {
    struct buf text; /* "id|email;" a row */
    enum err answer;
};

static enum err see(void *ctx, const char *const *cell, struct error *e)
{
    struct rows *r = ctx;
    buf_printf(&r->text, "%s|%s;", cell[0], cell[1]);
    return r->answer == ERR_NONE ? ERR_NONE : error_set(e, r->answer, "enough");
}

/* Reads n bytes in pieces; the rows are seen. */
static enum err read_csv(const char *bytes, size_t n, size_t piece, struct rows *seen,
                         struct error *e)
{
    struct csv_reader reader;
    buf_init(&seen->text, 1 << 20);
    csv_reader_init(&reader, WANTED, 2, see, seen);
    for (size_t at = 0; at < n; at += piece) {
        if (!csv_reader_put(&reader, bytes + at, n - at < piece ? n - at : piece))
            break;
    }
    enum err err = csv_reader_end(&reader, e);
    csv_reader_release(&reader);
    return err;
}

#define HEADER "\"Id\",\"Lead.Email\"\n"

static void cells_come_by_column_name(void **state)
{
    static const struct {
        const char *name, *csv, *want;
    } rows[] = {
        {"a header alone", HEADER, ""},
        {"a row", HEADER "\"1\",\"a@b\"\n", "1|a@b;"},
        {"unquoted", "Id,Lead.Email\n1,a@b\n", "1|a@b;"},
        {"another order", "Lead.Email,Id\na@b,1\n", "1|a@b;"},
        {"more columns", "x,Lead.Email,y,Id,z\n-,a@b,-,1,-\n", "1|a@b;"},
        {"another spelling", "ID,lead.email\n1,a@b\n", "1|a@b;"},
        {"CRLF", "Id,Lead.Email\r\n1,a@b\r\n2,\r\n", "1|a@b;2|;"},
        {"empty cells", HEADER ",\n\"\",\"\"\n", "|;|;"},
        {"a comma", HEADER "1,\"a,b\"\n", "1|a,b;"},
        {"quotes", HEADER "1,\"a\"\"b\"\"\"\n", "1|a\"b\";"},
        {"a line feed", HEADER "1,\"a\nb\"\n2,c\n", "1|a\nb;2|c;"},
        {"a carriage return", HEADER "1,\"a\r\nb\"\n", "1|a\r\nb;"},
        {"#N/A is text", HEADER "1,#N/A\n", "1|#N/A;"},
        {"blanks in quotes", HEADER "1,\" a \"\n", "1| a ;"},
        {"UTF-8", HEADER "1,\"J\u00fcrgen \u4e2d \U0001F600\"\n",
         "1|J\u00fcrgen \u4e2d \U0001F600;"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t piece = 1; piece <= 16; piece++) {
            struct rows seen = {0};
            struct error e = {0};
            enum err got = read_csv(rows[i].csv, strlen(rows[i].csv), piece, &seen, &e);
            if (got != ERR_NONE || strcmp(seen.text.data, rows[i].want) != 0)
                fail_msg("%s, pieces of %zu: got %d (%s) \"%s\"", rows[i].name, piece, (int)got,
                         e.text, seen.text.data);
            buf_release(&seen.text);
        }
    }
}

static void what_is_no_csv_of_ours_is_an_error(void **state)
{
    static const struct {
        const char *name, *csv, *part;
    } rows[] = {
        {"nothing", "", "empty"},
        {"empty lines", "\n\n", "no header"},
        {"a page", "<html>\n<body>maintenance</body>\n", "column Id 0 times"},
        {"JSON", "[{\"errorCode\":\"X\"}]\n", "quote"},
        {"a column is missing", "Id,Email\n1,2\n", "column Lead.Email 0 times"},
        {"a column comes twice", "Id,Lead.Email,ID\n1,2,3\n", "column Id 2 times"},
        {"a row is short", HEADER "1\n", "cells"},
        {"a row is long", HEADER "1,2,3\n", "cells"},
        {"text after a quote", HEADER "\"1\"x,2\n", "quote"},
        {"a quote in text", HEADER "1x\"y,2\n", "quote"},
        {"no line break at the end", HEADER "1,2", "middle of a row"},
        {"no closing quote", HEADER "1,\"2\n", "middle of a cell"},
        {"not UTF-8", HEADER "1,\"\xff\"\n", "UTF-8"},
        {"half a character", HEADER "1,\"\xc3\"\n", "UTF-8"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rows seen = {0};
        struct error e = {0};
        enum err got = read_csv(rows[i].csv, strlen(rows[i].csv), 1000, &seen, &e);
        if (got != ERR_NETWORK || e.kind != got || strstr(e.text, rows[i].part) == NULL)
            fail_msg("%s: got %d (%s)", rows[i].name, (int)got, e.text);
        buf_release(&seen.text);
    }
}

static void a_nul_is_no_text(void **state)
{
    static const char csv[] = HEADER "1,\"a\0b\"\n2,c\n";
    struct rows seen = {0};
    struct error e = {0};
    (void)state;
    assert_int_equal(read_csv(csv, sizeof csv - 1, 7, &seen, &e), ERR_NETWORK);
    assert_string_equal(seen.text.data, "");
    buf_release(&seen.text);
}

/* Rows that were whole before the cut may have gone out; the end is never well. A cut after a whole
 * row is for the counts to find (org_bulk_read_test). */
static void cut_short_anywhere_it_is_never_whole(void **state)
{
    static const char csv[] = HEADER "\"1\",\"a\"\"b\"\n\"2\",\"c\nd\"\n3,e\n";
    (void)state;
    for (size_t n = 0; n < sizeof csv - 1; n++) {
        struct rows seen = {0};
        struct error e = {0};
        bool after_a_row = n > 0 && csv[n - 1] == '\n' && csv[n] != 'd';
        enum err got = read_csv(csv, n, 3, &seen, &e);
        if ((got == ERR_NONE) != after_a_row)
            fail_msg("cut after %zu bytes: got %d (%s)", n, (int)got, e.text);
        buf_release(&seen.text);
    }
}

static void the_row_function_may_end_it(void **state)
{
    struct rows seen = {.answer = ERR_STALE};
    struct error e = {0};
    static const char csv[] = HEADER "1,a\n2,b\n";
    (void)state;
    assert_int_equal(read_csv(csv, sizeof csv - 1, 1, &seen, &e), ERR_STALE);
    assert_string_equal(e.text, "enough");
    assert_string_equal(seen.text.data, "1|a;");
    buf_release(&seen.text);
}

/* A quote that never closes would gather the whole answer. */
static void an_endless_cell_or_row_is_bounded(void **state)
{
    struct csv_reader reader;
    struct rows seen = {0};
    static char block[64 * 1024];
    size_t put = 0;
    (void)state;
    for (int quoted = 0; quoted < 2; quoted++) {
        buf_init(&seen.text, 1 << 20);
        csv_reader_init(&reader, WANTED, 2, see, &seen);
        memset(block, quoted ? 'x' : ',', sizeof block);
        assert_true(csv_reader_put(&reader, HEADER "\"", strlen(HEADER) + (quoted ? 1 : 0)));
        for (put = 0; csv_reader_put(&reader, block, sizeof block); put += sizeof block)
            assert_true(put < 2 * CSV_ROW_MAX);
        assert_int_equal(reader.err, ERR_NETWORK);
        csv_reader_release(&reader);
        buf_release(&seen.text);
    }
}

/* ------------------------------------------------------------------ writing */

static void cells_are_written_so_that_they_read_back(void **state)
{
    static const struct {
        const char *text, *want; /* want NULL: CSV can't say it */
    } rows[] = {
        {NULL, "#N/A"},         {"", "#N/A"},
        {"a", "\"a\""},         {"a,b", "\"a,b\""},
        {"\"", "\"\"\"\""},     {"say \"hi\" \"\"", "\"say \"\"hi\"\" \"\"\"\"\""},
        {" a ", "\" a \""},     {"a\nb", "\"a\nb\""},
        {"#N/A ", "\"#N/A \""}, {"J\u00fcrgen", "\"J\u00fcrgen\""},
        {"#N/A", NULL},         {"#n/a", NULL},
        {"a\r\nb", NULL},       {"\xff", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        buf_init(&b, 1000);
        bool ok = csv_put_cell(&b, rows[i].text);
        if (ok != (rows[i].want != NULL) || strcmp(b.data, ok ? rows[i].want : "") != 0)
            fail_msg("row %zu: got %d \"%s\"", i, ok, b.data);
        if (ok && rows[i].text != NULL && rows[i].text[0] != '\0') {
            struct rows seen = {0};
            struct error e = {0};
            char *csv = mem_printf(HEADER "1,%s\n", b.data);
            char *want = mem_printf("1|%s;", rows[i].text);
            assert_int_equal(read_csv(csv, strlen(csv), 4, &seen, &e), ERR_NONE);
            assert_string_equal(seen.text.data, want);
            free(want);
            free(csv);
            buf_release(&seen.text);
        }
        buf_release(&b);
    }
}

static void utf8_is_told_from_what_is_not(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool want;
    } rows[] = {
        {"", 0, true},
        {"abc\n\x7f", 5, true},
        {"\xc2\x80", 2, true},
        {"\xdf\xbf", 2, true},
        {"\xe0\xa0\x80", 3, true},
        {"\xed\x9f\xbf", 3, true},
        {"\xef\xbf\xbf", 3, true},
        {"\xf0\x90\x80\x80", 4, true},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"a\0b", 3, false},
        {"\x80", 1, false},
        {"\xc0\x80", 2, false},
        {"\xc1\xbf", 2, false},
        {"\xc2", 1, false},
        {"\xc2 ", 2, false},
        {"\xe0\x9f\xbf", 3, false},
        {"\xed\xa0\x80", 3, false},
        {"\xe2\x82", 2, false},
        {"\xf0\x8f\xbf\xbf", 4, false},
        {"\xf4\x90\x80\x80", 4, false},
        {"\xf5\x80\x80\x80", 4, false},
        {"\xf0\x90\x80", 3, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *exact = mem_alloc(rows[i].n + 1); /* so that the sanitizer sees a read past the end */
        char *bytes = mem_resize(exact, rows[i].n > 0 ? rows[i].n : 1, 1);
        memcpy(bytes, rows[i].bytes, rows[i].n);
        if (utf8_is_text(bytes, rows[i].n) != rows[i].want)
            fail_msg("row %zu", i);
        free(bytes);
    }
}

/* ------------------------------------------------------------------ headers of answers */

static void headers_tell_usage_records_and_locator(void **state)
{
    static const struct {
        const char *line;
        int64_t used, limit, records;
        const char *locator;
    } rows[] = {
        {"Sforce-Limit-Info: api-usage=18/5000\r\n", 18, 5000, -1, ""},
        {"sforce-limit-info:api-usage=18/5000; per-app=1/2\r\n", 18, 5000, -1, ""},
        {"Sforce-Limit-Info: api-usage=18\r\n", -1, -1, -1, ""},
        {"Sforce-NumberOfRecords: 50000\r\n", -1, -1, 50000, ""},
        {"Sforce-NumberOfRecords: many\r\n", -1, -1, -1, ""},
        {"Sforce-NumberOfRecords: 12x\r\n", -1, -1, -1, ""},
        {"Sforce-NumberOfRecords:\r\n", -1, -1, -1, ""},
        {"Sforce-Locator: MTAwMDA\r\n", -1, -1, -1, "MTAwMDA"},
        {"SFORCE-LOCATOR:MTAwMDA= \r\n", -1, -1, -1, "MTAwMDA="},
        {"Sforce-Locator: null\r\n", -1, -1, -1, ""},
        {"Sforce-Locator: nullify", -1, -1, -1, "nullify"},
        {"Sforce-Locator:\r\n", -1, -1, -1, ""},
        {"Content-Type: text/csv\r\n", -1, -1, -1, ""},
        {"\r\n", -1, -1, -1, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_reply r = {.api_used = -1, .api_limit = -1, .records = -1};
        http_read_header(&r, rows[i].line, strlen(rows[i].line));
        if (r.api_used != rows[i].used || r.api_limit != rows[i].limit ||
            r.records != rows[i].records || strcmp(r.locator, rows[i].locator) != 0)
            fail_msg("%s: got %lld/%lld %lld \"%s\"", rows[i].line, (long long)r.api_used,
                     (long long)r.api_limit, (long long)r.records, r.locator);
    }
}

static void the_time_there_is_read_from_the_one_form_of_a_date(void **state)
{
    static const struct {
        const char *line;
        int64_t want;
    } rows[] = {
        {"Date: Thu, 26 Nov 2026 06:05:08 GMT\r\n", 1795673108000},
        {"date:Thu, 01 Jan 1970 00:00:01 GMT", 1000},
        {"Date: Thu, 26 nov 2026 06:05:08 GMT\r\n", TIME_NONE},
        {"Date: Thu, 26 ovD 2026 06:05:08 GMT\r\n", TIME_NONE},
        {"Date: Thu, 31 Feb 2026 06:05:08 GMT\r\n", TIME_NONE},
        {"Date: Thursday, 26-Nov-26 06:05:08 GMT\r\n", TIME_NONE},
        {"Date: Thu, 26 Nov 2026 06:05:08 CET\r\n", TIME_NONE},
        {"Date:\r\n", TIME_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_reply r = {.date_at_ms = TIME_NONE};
        http_read_header(&r, rows[i].line, strlen(rows[i].line));
        if (r.date_at_ms != rows[i].want)
            fail_msg("%s: got %lld", rows[i].line, (long long)r.date_at_ms);
    }
}

static void a_locator_that_is_too_long_is_none(void **state)
{
    struct http_reply r = {0};
    char line[2 * LOCATOR_MAX] = "Sforce-Locator: ";
    size_t n = strlen(line);
    (void)state;
    memset(line + n, 'x', LOCATOR_MAX);
    http_read_header(&r, line, n + LOCATOR_MAX);
    assert_string_equal(r.locator, "");
    http_read_header(&r, line, n + LOCATOR_MAX - 1);
    assert_int_equal(strlen(r.locator), LOCATOR_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_come_by_column_name),
        cmocka_unit_test(what_is_no_csv_of_ours_is_an_error),
        cmocka_unit_test(a_nul_is_no_text),
        cmocka_unit_test(cut_short_anywhere_it_is_never_whole),
        cmocka_unit_test(the_row_function_may_end_it),
        cmocka_unit_test(an_endless_cell_or_row_is_bounded),
        cmocka_unit_test(cells_are_written_so_that_they_read_back),
        cmocka_unit_test(utf8_is_told_from_what_is_not),
        cmocka_unit_test(headers_tell_usage_records_and_locator),
        cmocka_unit_test(the_time_there_is_read_from_the_one_form_of_a_date),
        cmocka_unit_test(a_locator_that_is_too_long_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
