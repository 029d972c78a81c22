/*
 * The reader: limits, line numbers, reuse, and time that grows with the size of the body and not
 * with its square. Hermetic; the hostile bodies are made here.
 */
#include "soap.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "buf.h"
#include "mem.h"

enum { BODY_MAX = 64 << 20, HOSTILE_BYTES = 4 << 20 };

static const char ORG[] = "00DTp0000000Qr1MAE";
static const char HEAD[] = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'\n"
                           " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><e:Body>\n"
                           "<notifications xmlns='http://soap.sforce.com/2005/09/outbound'>\n"
                           "<OrganizationId>00DTp0000000Qr1</OrganizationId>\n";
static const char OPEN[] = "<Notification><Id>04lTp0000000aB1</Id>\n"
                           "<sObject xsi:type='sf:Lead' xmlns:sf='urn:s'>\n"
                           "<sf:Id>00QTp0000000Ld1</sf:Id>";
static const char CLOSE[] = "</sObject></Notification>\n";
static const char TAIL[] = "</notifications></e:Body></e:Envelope>";

static enum soap_problem read_text(const char *body, size_t n, size_t *count, unsigned *line)
{
    struct soap_message m;
    struct soap_reader *r = soap_reader_new();
    enum soap_problem p = soap_read(r, body, n, &m, line);
    *count = m.count;
    soap_reader_free(&r);
    return p;
}

static void put_notifications(struct buf *b, unsigned count)
{
    buf_init(b, BODY_MAX);
    buf_puts(b, HEAD);
    for (unsigned i = 0; i < count; i++) {
        buf_printf(b, "<Notification><Id>04lTp0000%06u</Id>", i);
        buf_printf(b, "<sObject xsi:type='sf:Lead' xmlns:sf='urn:s'><sf:Id>00QTp0000%06u</sf:Id>",
                   i);
        buf_puts(b, CLOSE);
    }
    buf_puts(b, TAIL);
}

static void a_hundred_notifications_are_read_in_order(void **state)
{
    (void)state;
    struct buf b;
    struct soap_message m;
    unsigned line;
    struct soap_reader *r = soap_reader_new();

    put_notifications(&b, SOAP_NOTIFICATIONS_MAX);
    assert_int_equal(soap_read(r, b.data, b.len, &m, &line), SOAP_OK);
    assert_string_equal(m.org_id, ORG);
    assert_int_equal(m.count, 100);
    for (unsigned i = 0; i < 100; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "04lTp0000%06u", i);
        assert_memory_equal(m.notifications[i].id, id, 15);
        (void)snprintf(id, sizeof id, "00QTp0000%06u", i);
        assert_memory_equal(m.notifications[i].record_id, id, 15);
        assert_string_equal(m.notifications[i].object, "Lead");
        assert_string_equal(m.notifications[i].campaign_id, "");
    }
    soap_reader_free(&r);
    buf_release(&b);
}

static void a_hundred_and_one_notifications_are_refused(void **state)
{
    (void)state;
    struct buf b;
    size_t count;
    unsigned line;

    put_notifications(&b, SOAP_NOTIFICATIONS_MAX + 1);
    assert_int_equal(read_text(b.data, b.len, &count, &line), SOAP_TOO_MANY);
    assert_int_equal(count, 0);
    assert_int_equal(line, 105);
    buf_release(&b);
}

static void the_line_of_a_problem_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *name, *body;
        enum soap_problem want;
        unsigned line;
    } rows[] = {
        {"NUL", "<a>\n\n\x01</a>", SOAP_NOT_WELL_FORMED, 3},
        {"bytes", "<a>\n\xff</a>", SOAP_ENCODING, 2},
        {"doctype", "<?xml version='1.0'?>\n<!DOCTYPE a>\n<a/>", SOAP_DOCTYPE, 2},
        {"crossing tags", "<a>\n<b>\n</a></b>", SOAP_NOT_ENVELOPE, 1},
        {"entity",
         "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>\n\n&x;</e:Envelope>",
         SOAP_ENTITY, 3},
        {"no body",
         "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>\n\n</e:Envelope>",
         SOAP_NO_BODY, 3},
        {"empty", "", SOAP_EMPTY_BODY, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t count;
        unsigned line = 0;
        enum soap_problem got = read_text(rows[i].body, strlen(rows[i].body), &count, &line);
        if (got != rows[i].want || line != rows[i].line)
            fail_msg("%s: got %s at %u", rows[i].name, soap_problem_code(got), line);
    }
}

static void every_beginning_of_a_message_is_refused(void **state)
{
    (void)state;
    struct buf b;
    struct soap_message m;
    unsigned line;
    struct soap_reader *r = soap_reader_new();

    put_notifications(&b, 2);
    for (size_t n = 0; n < b.len; n++) {
        char *part = mem_alloc(n + 1); /* exactly n bytes, so that reading further is seen */
        memcpy(part, b.data, n);
        part = mem_resize(part, n == 0 ? 1 : n, 1);
        if (soap_read(r, part, n, &m, &line) == SOAP_OK)
            fail_msg("accepted %zu of %zu bytes", n, b.len);
        free(part);
    }
    assert_int_equal(soap_read(r, b.data, b.len, &m, &line), SOAP_OK);
    soap_reader_free(&r);
    buf_release(&b);
}

static void a_reader_forgets_the_document_before(void **state)
{
    (void)state;
    struct buf two, one;
    struct soap_message m;
    unsigned line;
    struct soap_reader *r = soap_reader_new();

    put_notifications(&two, 2);
    put_notifications(&one, 1);
    assert_int_equal(soap_read(r, two.data, two.len, &m, &line), SOAP_OK);
    assert_int_equal(soap_read(r, "<a>", 3, &m, &line), SOAP_NOT_ENVELOPE);
    assert_int_equal(m.count, 0);
    assert_int_equal(soap_read(r, one.data, one.len, &m, &line), SOAP_OK);
    assert_int_equal(m.count, 1);
    assert_int_equal(line, 0);
    /* the prefix sf of the first document is not in scope in the next */
    static const char body[] = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'>"
                               "<e:Body><sf:x/></e:Body></e:Envelope>";
    assert_int_equal(soap_read(r, body, sizeof body - 1, &m, &line), SOAP_NOT_WELL_FORMED);
    soap_reader_free(&r);
    soap_reader_free(&r); /* accepts nothing */
    buf_release(&two);
    buf_release(&one);
}

static void the_body_is_not_changed(void **state)
{
    (void)state;
    struct buf b;
    size_t count;
    unsigned line;
    put_notifications(&b, 3);
    char *before = mem_strndup(b.data, b.len);
    assert_int_equal(read_text(b.data, b.len, &count, &line), SOAP_OK);
    assert_memory_equal(before, b.data, b.len);
    free(before);
    buf_release(&b);
}

/* Bytes that the program holds: by the sanitizer's count, else by the C library's. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t bytes_held(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL
               ? __sanitizer_get_current_allocated_bytes()
               : mallinfo2().uordblks;
}

static void a_reader_does_not_grow_with_the_names_it_has_met(void **state)
{
    (void)state;
    size_t after_ten = 0;
    struct soap_reader *r = soap_reader_new();
    for (unsigned document = 0; document < 200; document++) {
        struct buf b;
        struct soap_message m;
        unsigned line;
        buf_init(&b, BODY_MAX);
        buf_puts(&b, HEAD);
        buf_puts(&b, OPEN);
        for (unsigned i = 0; i < 500; i++)
            buf_printf(&b, "<field_%u_of_document_%u/>", i, document);
        buf_puts(&b, CLOSE);
        buf_puts(&b, TAIL);
        assert_int_equal(soap_read(r, b.data, b.len, &m, &line), SOAP_OK);
        buf_release(&b);
        if (document == 10)
            after_ten = bytes_held();
    }
    assert_in_range(bytes_held(), 0, after_ten + (1 << 19));
    soap_reader_free(&r);
}

/* ------------------------------------------------------------------ hostile bodies */

typedef void make_fn(struct buf *b, unsigned i);

static void many_attributes(struct buf *b, unsigned i)
{
    buf_printf(b, i == 0 ? "<sf:a a0=''" : " a%u=''", i);
}
static void many_declarations(struct buf *b, unsigned i)
{
    buf_printf(b, i == 0 ? "<sf:a xmlns:p0='u'" : " xmlns:p%u='u'", i);
}
static void attributes_up_to_the_limit(struct buf *b, unsigned i)
{
    buf_printf(b, i % 64 == 0 ? "<sf:a b%u=''" : " a%u=''", i % 64);
    buf_puts(b, i % 64 == 63 ? "/>" : "");
}
static void declarations_up_to_the_limit(struct buf *b, unsigned i)
{
    if (i < 26) { /* a level each, so that all are in scope */
        buf_puts(b, "<sf:a");
        for (unsigned k = 0; k < 16; k++)
            buf_printf(b, " xmlns:p%u='u%u'", i * 16 + k, k);
        buf_puts(b, ">");
    } else {
        buf_puts(b, "<p0:a p1:b=''/>");
    }
}
static void deep(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<sf:a>");
}
static void wide(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<a/>");
}
static void many_names(struct buf *b, unsigned i)
{
    buf_printf(b, "<n%u/>", i);
}
static void names_that_begin_alike(struct buf *b, unsigned i)
{
    buf_printf(b, "<sf:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%ubbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/>",
               i % 19000);
}
static void one_long_name(struct buf *b, unsigned i)
{
    buf_puts(b, i == 0 ? "<sf:" : "nnnnnnnnnnnnnnnn");
}
static void one_long_attribute(struct buf *b, unsigned i)
{
    buf_puts(b, i == 0 ? "<sf:a b='" : "&#65;vvvvvvvvvvvvvvv");
}
static void long_text(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "text text text\n");
}
static void long_white_space(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, " \n");
}
static void brackets(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "]]");
}
static void entities(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "&lt;&#38;");
}
static void wrong_entities(struct buf *b, unsigned i)
{
    buf_printf(b, "&e%u;", i);
}
static void sections(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<![CDATA[]]]>");
}
static void one_section(struct buf *b, unsigned i)
{
    buf_puts(b, i == 0 ? "<![CDATA[" : "]]]]]]]]>><<<<<<");
}
static void open_sections(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<![CDATA[");
}
static void comments(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<!-- -->");
}
static void open_comments(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<!-- <!-");
}
static void instructions(struct buf *b, unsigned i)
{
    buf_printf(b, "<?p%u?>", i);
}
static void less_thans(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<");
}
static void attributes_after_an_error(struct buf *b, unsigned i)
{
    if (i == 0)
        buf_puts(b, "&none;<sf:a>");
    buf_printf(b, " a%u=''", i);
}
static void names_after_an_error(struct buf *b, unsigned i)
{
    buf_puts(b, i == 0 ? "&none;" : "");
    buf_printf(b, "<n%u/>", i);
}
static void crossing_tags(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<sf:a></sf:b>");
}
static void attributes_in_a_bad_comment(struct buf *b, unsigned i)
{
    buf_puts(b, i == 0 ? "<!-- -- <a" : "");
    buf_printf(b, " a%u=''", i);
}
static void session_ids(struct buf *b, unsigned i)
{
    (void)i;
    buf_puts(b, "<SessionId \"/>");
}

#define HOSTILE(fn)                                                                                \
    {                                                                                              \
#fn, fn                                                                                    \
    }
static const struct {
    const char *name;
    make_fn *make;
} HOSTILES[] = {
    HOSTILE(many_attributes),
    HOSTILE(many_declarations),
    HOSTILE(attributes_up_to_the_limit),
    HOSTILE(declarations_up_to_the_limit),
    HOSTILE(deep),
    HOSTILE(wide),
    HOSTILE(many_names),
    HOSTILE(names_that_begin_alike),
    HOSTILE(one_long_name),
    HOSTILE(one_long_attribute),
    HOSTILE(long_text),
    HOSTILE(long_white_space),
    HOSTILE(brackets),
    HOSTILE(entities),
    HOSTILE(wrong_entities),
    HOSTILE(sections),
    HOSTILE(one_section),
    HOSTILE(open_sections),
    HOSTILE(comments),
    HOSTILE(open_comments),
    HOSTILE(instructions),
    HOSTILE(less_thans),
    HOSTILE(attributes_after_an_error),
    HOSTILE(names_after_an_error),
    HOSTILE(crossing_tags),
    HOSTILE(attributes_in_a_bad_comment),
    HOSTILE(session_ids),
};

static void put_hostile(struct buf *b, make_fn *make, size_t bytes)
{
    buf_init(b, BODY_MAX);
    buf_puts(b, HEAD);
    buf_puts(b, OPEN);
    for (unsigned i = 0; b->len < bytes; i++)
        make(b, i);
    buf_puts(b, CLOSE);
    buf_puts(b, TAIL);
}

/* Freed blocks that AddressSanitizer keeps back make allocations slower the more there were, which
 * is not what is measured here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1";
}

static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time to read and to redact a hostile body of that size; of reading the least of a few tries,
 * since other processes on the machine can only add to it. */
static double seconds_for(make_fn *make, size_t bytes, enum soap_problem *p)
{
    struct buf b;
    double least = 1e9;

    put_hostile(&b, make, bytes);
    for (int i = 0; i < 3 && least > 0.02; i++) {
        size_t count;
        unsigned line;
        double from = cpu_seconds();
        *p = read_text(b.data, b.len, &count, &line);
        double took = cpu_seconds() - from;
        least = took < least ? took : least;
    }
    double from = cpu_seconds();
    soap_redact(b.data, b.len);
    least += cpu_seconds() - from;
    buf_release(&b);
    return least;
}

/* Four times the bytes may take four times as long, and twice that for noise and caches; work that
 * grows with the square takes sixteen times as long. */
static void hostile_bodies_take_no_more_than_linear_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof HOSTILES / sizeof HOSTILES[0]; i++) {
        enum soap_problem p;
        double small = seconds_for(HOSTILES[i].make, HOSTILE_BYTES / 4, &p);
        double large = seconds_for(HOSTILES[i].make, HOSTILE_BYTES, &p);
        if (getenv("TP_VERBOSE") != NULL)
            print_message("%-32s %.3f s, %.3f s  %s\n", HOSTILES[i].name, small, large,
                          soap_problem_code(p));
        if (large > 8 * small + 0.1)
            fail_msg("%s: %.3f s for 1 MiB, %.3f s for 4 MiB", HOSTILES[i].name, small, large);
    }
}

static void limits_stop_what_would_be_quadratic(void **state)
{
    (void)state;
    static const struct {
        make_fn *make;
        enum soap_problem want;
    } rows[] = {
        {many_attributes, SOAP_TOO_LARGE},
        {many_declarations, SOAP_TOO_LARGE},
        {deep, SOAP_TOO_DEEP},
        {many_names, SOAP_TOO_LARGE},
        {wide, SOAP_OK},
        {long_text, SOAP_OK},
        {entities, SOAP_OK},
        {declarations_up_to_the_limit, SOAP_NOT_WELL_FORMED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        size_t count;
        unsigned line;
        put_hostile(&b, rows[i].make, 1 << 20);
        assert_int_equal(read_text(b.data, b.len, &count, &line), rows[i].want);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_notifications_are_read_in_order),
        cmocka_unit_test(a_hundred_and_one_notifications_are_refused),
        cmocka_unit_test(the_line_of_a_problem_is_told),
        cmocka_unit_test(every_beginning_of_a_message_is_refused),
        cmocka_unit_test(a_reader_forgets_the_document_before),
        cmocka_unit_test(the_body_is_not_changed),
        cmocka_unit_test(a_reader_does_not_grow_with_the_names_it_has_met),
        cmocka_unit_test(hostile_bodies_take_no_more_than_linear_time),
        cmocka_unit_test(limits_stop_what_would_be_quadratic),
    };
    soap_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
