/*
 * soap_leaf_fixture - documents read as they are and by a reader that leaves nothing out, which
 * must not show
 *
 * After cmocka.h.
 */
#ifndef TP_TEST_SOAP_LEAF_FIXTURE_H
#define TP_TEST_SOAP_LEAF_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "soap_fixture.h"
#include "soap_whole.h"

enum { ROUNDS = 30000 };

static struct soap_reader *reader, *whole_reader;

static inline int make_readers(void **state)
{
    (void)state;
    soap_global_init();
    reader = soap_reader_new();
    whole_reader = soap_whole_reader_new();
    return 0;
}

static inline int free_readers(void **state)
{
    (void)state;
    soap_reader_free(&reader);
    soap_reader_free(&whole_reader);
    return 0;
}

/* Fails unless both read the same out of it. */
static inline enum soap_problem compare(const char *body, size_t n)
{
    struct soap_message a, b;
    unsigned line_a, line_b;
    enum soap_problem p = soap_read(reader, body, n, &a, &line_a);
    enum soap_problem q = soap_read(whole_reader, body, n, &b, &line_b);
    if (p != q || line_a != line_b || a.count != b.count)
        fail_msg("%s in line %u, %s in line %u without leaving out: %.*s", soap_problem_code(p),
                 line_a, soap_problem_code(q), line_b, (int)n, body);
    assert_string_equal(a.org_id, b.org_id);
    if (a.count > 0)
        assert_memory_equal(a.notifications, b.notifications, a.count * sizeof a.notifications[0]);
    return p;
}

static inline void put_message(struct buf *b, const char *fields)
{
    buf_clear(b);
    buf_printf(b, "%s%s%s%s%s", HEAD, OPEN, fields, CLOSE, TAIL);
}

/* So many notifications with these fields. */
static inline void put_objects(struct buf *b, unsigned count, const char *fields)
{
    buf_clear(b);
    buf_puts(b, HEAD);
    for (unsigned i = 0; i < count; i++)
        buf_printf(b, "%s%s%s", OPEN, fields, CLOSE);
    buf_puts(b, TAIL);
}

/* Two notifications, with these fields each. */
static inline void put_pair(struct buf *b, const char *first, const char *second)
{
    buf_clear(b);
    buf_printf(b, "%s%s%s%s%s%s%s%s", HEAD, OPEN, first, CLOSE, OPEN, second, CLOSE, TAIL);
}

/* How many bytes of a message libxml2 is not given; none if it is not even asked, or given it as it
 * is. */
static inline size_t left_out(const struct buf *b)
{
    size_t copied = 0, at = 0;
    char *copy = malloc(b->len);
    assert_non_null(copy);
    enum soap_problem p =
        soap_scan_tags(b->data, b->len, reader->xml.grammar->ignores, NULL, copy, &copied, &at);
    free(copy);
    return p == SOAP_OK && copied > 0 ? b->len - copied : 0;
}

#endif
