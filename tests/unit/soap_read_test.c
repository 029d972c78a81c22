/*
 * The reader: limits, line numbers, reuse. Hermetic.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "mem.h"
#include "soap_fixture.h"

static const char ORG[] = "00DTp0000000Qr1MAE";
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
        {"bytes", "<a>\n\xff</a>", SOAP_UTF8, 2},
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

/* What a single byte in a value makes of a message. */
static enum soap_problem want_of_byte(unsigned byte)
{
    if (byte == 0)
        return SOAP_NUL;
    if (byte >= 0x80)
        return SOAP_UTF8; /* alone it is no character */
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r')
        return SOAP_NOT_WELL_FORMED;
    return SOAP_OK;
}

static void each_byte_counts_at_each_place(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (unsigned place = 0; place < 24; place++) {
            char value[24];
            struct buf b;
            size_t count;
            unsigned line;
            memset(value, 'x', sizeof value);
            value[place] = (char)byte;
            if (byte == '<' || byte == '&')
                continue; /* markup */
            buf_init(&b, 4096);
            buf_puts(&b, HEAD);
            buf_puts(&b, OPEN);
            buf_puts(&b, "<sf:Name>");
            buf_put(&b, value, sizeof value);
            buf_puts(&b, "</sf:Name>");
            buf_puts(&b, CLOSE);
            buf_puts(&b, TAIL);
            enum soap_problem got = read_text(b.data, b.len, &count, &line);
            if (got != want_of_byte(byte))
                fail_msg("byte %02x at %u: want %s, got %s", byte, place,
                         soap_problem_code(want_of_byte(byte)), soap_problem_code(got));
            buf_release(&b);
        }
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
        char *part = mem_strndup(b.data, n); /* no more, so that reading further is seen */
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

static enum soap_problem read_long_names(struct soap_reader *r, unsigned document, int len)
{
    struct buf b;
    struct soap_message m;
    unsigned line;
    buf_init(&b, BODY_MAX);
    buf_printf(&b, "%s%s", HEAD, OPEN);
    for (int i = 0; i < 70; i++)
        buf_printf(&b, "<n_%u_%d_%0*d/>", document, i, len, 0);
    buf_printf(&b, "%s%s", CLOSE, TAIL);
    enum soap_problem p = soap_read(r, b.data, b.len, &m, &line);
    buf_release(&b);
    return p;
}

/* libxml2's dictionary holds 10 MB of them and then refuses any new one, of whatever document. */
static void long_names_do_not_keep_a_reader_from_later_documents(void **state)
{
    (void)state;
    struct soap_reader *r = soap_reader_new();
    unsigned document = 0;
    for (; document < 5; document++)
        assert_int_equal(read_long_names(r, document, 49000), SOAP_OK);
    for (int len = 49000; len > 1; len = len * 2 / 3) /* what is left of it */
        assert_int_equal(read_long_names(r, document++, len), SOAP_OK);
    assert_int_equal(read_long_names(r, document, 1), SOAP_OK);
    soap_reader_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_notifications_are_read_in_order),
        cmocka_unit_test(a_hundred_and_one_notifications_are_refused),
        cmocka_unit_test(the_line_of_a_problem_is_told),
        cmocka_unit_test(each_byte_counts_at_each_place),
        cmocka_unit_test(every_beginning_of_a_message_is_refused),
        cmocka_unit_test(a_reader_forgets_the_document_before),
        cmocka_unit_test(the_body_is_not_changed),
        cmocka_unit_test(a_reader_does_not_grow_with_the_names_it_has_met),
        cmocka_unit_test(long_names_do_not_keep_a_reader_from_later_documents),
    };
    soap_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
