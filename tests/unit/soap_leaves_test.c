/*
 * The fields of one object are known again in the next (leaf.c), and that must not show either.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "soap_leaf_fixture.h"

/* More of them than are remembered, with a name as long as is looked at, and one longer. */
static void every_field_of_a_wide_object_is_left_out(void **state)
{
    enum { FIELDS = 2 * SOAP_LEAVES_MAX, LONGEST = 128 };
    (void)state;
    struct buf b, fields;
    char name[LONGEST + 2];
    buf_init(&b, BODY_MAX);
    buf_init(&fields, BODY_MAX);
    for (unsigned i = 0; i < FIELDS; i++)
        buf_printf(&fields, "<sf:Field_%u__c>%u</sf:Field_%u__c>", i, i, i);
    for (unsigned is_longer = 0; is_longer < 2; is_longer++) {
        size_t left = fields.len;
        size_t n = LONGEST - 3 + is_longer; /* less "sf:" */
        memset(name, 'n', n);
        name[n] = '\0';
        buf_printf(&fields, "<sf:%s>x</sf:%s>", name, name);
        put_objects(&b, 3, fields.data);
        assert_int_equal(compare(b.data, b.len), SOAP_OK);
        assert_int_equal(left_out(&b), 3 * (is_longer ? left : fields.len));
    }
    buf_release(&b);
    buf_release(&fields);
}

/* Names are compared sixteen bytes at a time: in a field's end, and where another object has one
 * that is nearly the same. */
static void each_byte_of_a_tag_is_compared(void **state)
{
    enum { LONGEST = 40 };
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (size_t n = 1; n <= LONGEST; n++) {
        char name[LONGEST + 2] = "", other[LONGEST + 2], field[3 * LONGEST], next[3 * LONGEST];
        memset(name, 'a', n);
        (void)snprintf(field, sizeof field, "<sf:%s>1</sf:%s >", name, name);
        put_message(&b, field);
        assert_int_equal(compare(b.data, b.len), SOAP_OK);
        assert_int_equal(left_out(&b), 0);
        for (size_t at = 0; at <= n; at++) { /* at n: one byte more */
            memcpy(other, name, sizeof other);
            other[at] = 'b';
            (void)snprintf(field, sizeof field, "<sf:%s>1</sf:%s>", name, other);
            put_message(&b, field);
            assert_int_equal(compare(b.data, b.len), SOAP_NOT_WELL_FORMED);
            (void)snprintf(field, sizeof field, "<sf:%s>1</sf:%s>", name, name);
            (void)snprintf(next, sizeof next, "<sf:%s>1</sf:%s>", other, other);
            put_pair(&b, field, next);
            assert_int_equal(compare(b.data, b.len), SOAP_OK);
            assert_int_equal(left_out(&b), strlen(field) + strlen(next));
        }
    }
    buf_release(&b);
}

/* What one object has may be missing, moved, behind other blanks, of another prefix or broken in
 * the next: what was learnt of the first must not decide then. */
static const struct {
    const char *first, *second;
    size_t out; /* of both */
    enum soap_problem problem;
} NEXT[] = {
    {"<sf:A>1</sf:A>\n <sf:B>2</sf:B>", "<sf:A>3</sf:A>\n <sf:B>4</sf:B>", 4 * 14 + 2, SOAP_OK},
    {"<sf:A>1</sf:A><sf:B>2</sf:B><sf:C>3</sf:C>", "<sf:A>1</sf:A><sf:C>3</sf:C>", 5 * 14, SOAP_OK},
    {"<sf:A>1</sf:A><sf:B>2</sf:B><sf:C>3</sf:C>", "<sf:C>3</sf:C><sf:A>1</sf:A><sf:B>2</sf:B>",
     6 * 14, SOAP_OK},
    {"<sf:A>1</sf:A>", "\n\n<sf:A>1</sf:A>", 2 * 14, SOAP_OK},
    {" <sf:A>1</sf:A>", "<sf:A>1</sf:A>", 2 * 14, SOAP_OK},
    {"<sf:A>1</sf:A>", "<sf:A>1</sf:B>", 14, SOAP_NOT_WELL_FORMED},
    {"<sf:A>1</sf:A>", "<sf:A>1<b/></sf:A>", 14, SOAP_OK},
    {"<sf:A>1</sf:A>", "<sf:A>&x;</sf:A>", 14, SOAP_ENTITY},
    {"<sf:A>1</sf:A>", "<sf:A >1</sf:A>", 14, SOAP_OK},
    {"<sf:A>1</sf:A>", "<sf:AB>1</sf:AB>", 14 + 16, SOAP_OK},
    {"<sf:AB>1</sf:AB>", "<sf:A>1</sf:A>", 14 + 16, SOAP_OK},
    {"<sf:A>1</sf:A>", "<A>0</A><sf:A>1</sf:A>", 14, SOAP_OK},
    {"<sf:A>1</sf:A>", "<A>0</A><A>1</A>", 14 + 8, SOAP_OK},
    {"<sf:A>1</sf:A>", "<e:B>0</e:B><e:A>1</e:A><sf:C>1</sf:C><sf:A>1</sf:A>", 14 + 12 + 14,
     SOAP_OK},
    {"<sf:A>1</sf:A>", "<q:B>0</q:B><sf:A>1</sf:A>", 14, SOAP_NOT_WELL_FORMED},
    {"<sf:A>1</sf:A>", "<sf:Id>00QTp0000000Ld2</sf:Id>", 14, SOAP_BAD_RECORD_ID},
    {"<sf:A>1</sf:A><sf:B>2</sf:B>", "<e:C>0</e:C><e:A>1</e:A><sf:B>2</sf:B>", 2 * 14 + 12,
     SOAP_OK},
    {"<sf:A>1</sf:A>",
     "<sf:A>1</sf:A><e:C>0</e:C><e:A>1</e:A><e:o><e:p>0</e:p></e:o><e:C>0</e:C><sf:A>1</"
     "sf:A>",
     2 * 14 + 12, SOAP_OK},
    {"<sf:A>1</sf:A>", "<o xmlns:sg='u'><sg:B>0</sg:B><sf:A>1</sf:A></o>", 14, SOAP_OK},
    {"\n       <sf:Ix>1</sf:Ix>", "\n       <sf:Id>00QTp0000000Ld2</sf:Id>", 16 + 7,
     SOAP_BAD_RECORD_ID},
};

static void what_the_last_object_had_decides_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (size_t i = 0; i < sizeof NEXT / sizeof NEXT[0]; i++) {
        put_pair(&b, NEXT[i].first, NEXT[i].second);
        enum soap_problem p = compare(b.data, b.len);
        size_t out = left_out(&b);
        if (p != NEXT[i].problem || out != NEXT[i].out)
            fail_msg("%s after %s: %zu bytes left out, not %zu; %s, not %s", NEXT[i].second,
                     NEXT[i].first, out, NEXT[i].out, soap_problem_code(p),
                     soap_problem_code(NEXT[i].problem));
    }
    buf_release(&b);
}

/* How often a name was looked at: it need not be where a field came before. */
static unsigned looks;

static bool count_looks(const char *local, size_t n)
{
    looks++;
    return reader->xml.grammar->ignores(local, n);
}

static void a_field_of_the_last_object_is_known_again(void **state)
{
    static const struct {
        const char *first, *second, *third;
        unsigned looks;
    } rows[] = {
        {"<sf:A>1</sf:A>\n<sf:B>2</sf:B>", "<sf:A>3</sf:A>\n<sf:B>4</sf:B>",
         "<sf:A>5</sf:A>\n<sf:B>6</sf:B>", 2},
        {"<sf:A>1</sf:A><sf:B>2</sf:B><sf:C>3</sf:C>", "<sf:A>1</sf:A><sf:C>3</sf:C>",
         "<sf:B>2</sf:B><sf:C>3</sf:C>", 3}, /* one is not sent */
        {"<sf:A>1</sf:A><sf:B>\n</sf:B><sf:C>3</sf:C>",
         "<sf:A>1</sf:A><sf:B>\n</sf:B><sf:C>3</sf:C>",
         "<sf:A>1</sf:A><sf:B>2</sf:B><sf:C>3</sf:C>", 3}, /* one is not plain */
    };
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t copied, at;
        buf_clear(&b);
        buf_printf(&b, "%s%s%s%s%s%s%s%s%s%s%s", HEAD, OPEN, rows[i].first, CLOSE, OPEN,
                   rows[i].second, CLOSE, OPEN, rows[i].third, CLOSE, TAIL);
        char *copy = malloc(b.len);
        assert_non_null(copy);
        looks = 0;
        assert_int_equal(soap_scan_tags(b.data, b.len, count_looks, NULL, copy, &copied, &at),
                         SOAP_OK);
        free(copy);
        if (looks != rows[i].looks)
            fail_msg("row %zu: %u names looked at, not %u", i, looks, rows[i].looks);
    }
    buf_release(&b);
}

/* Objects one after the other, of fields that mostly come in the same order. */
static void any_objects_are_read_alike(void **state)
{
    static const char *const fields[] = {
        "<sf:A>1</sf:A>",
        "\n <sf:B_b>2</sf:B_b>",
        "\n <sf:LongerNameOfAField__c>x</sf:LongerNameOfAField__c>",
        "<B>3</B>",
        " <sf:D>&amp;</sf:D>",
        "\n\t<sf:E>a]</sf:E>",
        "<e:F>1</e:F>",
        "<e:G>1</e:G>",
        "<sf:CampaignId>701Tp0000000Cm1</sf:CampaignId>",
        "<sf:H>\xC3\xB6</sf:H>",
        "<sf:I>\n</sf:I>",
        "<sf:J a='1'>1</sf:J>",
    };
    enum { COUNT = sizeof fields / sizeof fields[0], OBJECTS = 6 };
    (void)state;
    uint64_t random = 19991231;
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (unsigned round = 0; round < ROUNDS / OBJECTS; round++) {
        buf_clear(&b);
        buf_puts(&b, HEAD);
        for (unsigned o = 0; o < OBJECTS; o++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            buf_puts(&b, OPEN);
            for (unsigned i = 0; i < COUNT; i++) {
                bool is_moved = (random >> (20 + i) & 7) == 0;
                if ((random >> (40 + i) & 3) != 0)
                    buf_puts(&b, fields[is_moved ? (i + 5) % COUNT : i]);
            }
            buf_puts(&b, CLOSE);
        }
        buf_puts(&b, TAIL);
        enum soap_problem p = compare(b.data, b.len);
        assert_true(p == SOAP_OK || p == SOAP_BAD_RECORD_ID); /* the campaign twice */
    }
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_a_wide_object_is_left_out),
        cmocka_unit_test(each_byte_of_a_tag_is_compared),
        cmocka_unit_test(what_the_last_object_had_decides_nothing),
        cmocka_unit_test(a_field_of_the_last_object_is_known_again),
        cmocka_unit_test(any_objects_are_read_alike),
    };
    return cmocka_run_group_tests(tests, make_readers, free_readers);
}
