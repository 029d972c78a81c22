/*
 * Hostile bodies, made here: reading and redacting take time that grows with the size of the body
 * and not with its square, and limits stop what would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "buf.h"
#include "soap_fixture.h"

enum { HOSTILE_BYTES = 4 << 20 };

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
        cmocka_unit_test(hostile_bodies_take_no_more_than_linear_time),
        cmocka_unit_test(limits_stop_what_would_be_quadratic),
    };
    soap_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
