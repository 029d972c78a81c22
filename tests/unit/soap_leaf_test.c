#define _GNU_SOURCE
/*
 * Plain fields that nobody reads are not given to libxml2 (leaf.c). Whether they are must not show:
 * each document here is read as it is and by a reader that leaves nothing out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "soap_fixture.h"
#include "soap_whole.h"

enum { ROUNDS = 30000, PIECES_MAX = 6 };

static struct soap_reader *reader, *whole_reader;

static int make_readers(void **state)
{
    (void)state;
    soap_global_init();
    reader = soap_reader_new();
    whole_reader = soap_whole_reader_new();
    return 0;
}

static int free_readers(void **state)
{
    (void)state;
    soap_reader_free(&reader);
    soap_reader_free(&whole_reader);
    return 0;
}

/* Fails unless both read the same out of it. */
static enum soap_problem compare(const char *body, size_t n)
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

static void put_message(struct buf *b, const char *fields)
{
    buf_clear(b);
    buf_printf(b, "%s%s%s%s%s", HEAD, OPEN, fields, CLOSE, TAIL);
}

/* So many notifications with these fields. */
static void put_objects(struct buf *b, unsigned count, const char *fields)
{
    buf_clear(b);
    buf_puts(b, HEAD);
    for (unsigned i = 0; i < count; i++)
        buf_printf(b, "%s%s%s", OPEN, fields, CLOSE);
    buf_puts(b, TAIL);
}

/* Two notifications, with these fields each. */
static void put_pair(struct buf *b, const char *first, const char *second)
{
    buf_clear(b);
    buf_printf(b, "%s%s%s%s%s%s%s%s", HEAD, OPEN, first, CLOSE, OPEN, second, CLOSE, TAIL);
}

/* How many bytes of a message libxml2 is not given; none if it is not even asked. */
static size_t left_out(const struct buf *b)
{
    size_t copied = 0, at = 0;
    char *copy = malloc(b->len);
    assert_non_null(copy);
    enum soap_problem p =
        soap_scan_tags(b->data, b->len, reader->xml.grammar->ignores, copy, &copied, &at);
    free(copy);
    return p == SOAP_OK ? b->len - copied : 0;
}

#define ALL SIZE_MAX

static const struct {
    const char *name, *fields;
    size_t out; /* ALL: every byte of the fields */
    enum soap_problem problem;
} CASES[] = {
    {"a plain field is left out", "<sf:City>Bonn</sf:City>", ALL, SOAP_OK},
    {"so is an empty one", "<sf:City></sf:City>", ALL, SOAP_OK},
    {"so are several", "<sf:A>1</sf:A><sf:B_2__c>2 > 1 ; '\"</sf:B_2__c>", ALL, SOAP_OK},
    {"so is text that is not ASCII", "<sf:City>K\xC3\xB6ln \xF0\x9F\x9A\x80</sf:City>", ALL,
     SOAP_OK},
    {"a field of an ignored child is, too, after its sibling",
     "<sf:Owner><sf:A>1</sf:A><sf:B>2</sf:B></sf:Owner>", 14, SOAP_OK},
    {"a self-closed field stays", "<sf:City/>", 0, SOAP_OK},
    {"a nil field stays", "<sf:City xsi:nil='true'/>", 0, SOAP_OK},
    {"a field with an attribute stays", "<sf:City a='1'>Bonn</sf:City>", 0, SOAP_OK},
    {"so are XML's own references", "<sf:A>&amp; &lt;&gt;</sf:A><sf:B>&quot;x&apos;</sf:B>", ALL,
     SOAP_OK},
    {"a reference by number stays", "<sf:City>A &#38; B</sf:City>", 0, SOAP_OK},
    {"a reference in capitals is refused", "<sf:City>&AMP;</sf:City>", 0, SOAP_ENTITY},
    {"a reference without end is refused", "<sf:City>&amp B</sf:City>", 0, SOAP_NOT_WELL_FORMED},
    {"a bracket behind a reference stays", "<sf:City>&lt;]</sf:City>", 0, SOAP_OK},
    {"an unknown reference is refused", "<sf:City>A &nbsp; B</sf:City>", 0, SOAP_ENTITY},
    {"a section stays", "<sf:City><![CDATA[x]]></sf:City>", 0, SOAP_OK},
    {"a comment stays", "<sf:City><!-- x --></sf:City>", 0, SOAP_OK},
    {"the end of a section is refused", "<sf:City>]]></sf:City>", 0, SOAP_NOT_WELL_FORMED},
    {"a bracket stays", "<sf:City>[a]</sf:City>", 0, SOAP_OK},
    {"a line break stays", "<sf:City>a\nb</sf:City>", 0, SOAP_OK},
    {"an end tag with space stays", "<sf:City>a</sf:City >", 0, SOAP_OK},
    {"a start tag with space stays", "<sf:City >a</sf:City>", 0, SOAP_OK},
    {"another end is refused", "<sf:City>a</sf:Citz>", 0, SOAP_NOT_WELL_FORMED},
    {"a shorter end is refused", "<sf:City>a</sf:Cit>", 0, SOAP_NOT_WELL_FORMED},
    {"another prefix at the end is refused", "<sf:City>a</City>", 0, SOAP_NOT_WELL_FORMED},
    {"a start instead of the end is refused", "<sf:City>a<xsf:City>", 0, SOAP_NOT_WELL_FORMED},
    {"an end without its '<' is refused", "<sf:City>a]/sf:City>", 0, SOAP_NOT_WELL_FORMED},
    {"a start without its '<' is refused", "<sf:A>1</sf:A>xsf:City>a</sf:City>", 0,
     SOAP_NOT_WELL_FORMED},
    {"a field that does not end is refused", "<sf:City>a", 0, SOAP_NOT_WELL_FORMED},
    {"another bound prefix stays once", "<e:A>1</e:A><e:B>2</e:B>", 12, SOAP_OK},
    {"an unbound prefix is refused", "<q:A>1</q:A><q:B>2</q:B>", 12, SOAP_NOT_WELL_FORMED},
    {"a prefix that a sibling declared is refused", "<q:A xmlns:q='u'>1</q:A><q:B>2</q:B>", 0,
     SOAP_NOT_WELL_FORMED},
    {"without a prefix it stays once", "<A>1</A><B>2</B>", 8, SOAP_OK},
    {"two colons stay", "<sf:a:b>1</sf:a:b>", 0, SOAP_NOT_WELL_FORMED},
    {"a digit does not begin a name", "<sf:1A>1</sf:1A>", 0, SOAP_NOT_WELL_FORMED},
    {"a prefix alone is no name", "<sf:>1</sf:>", 0, SOAP_NOT_WELL_FORMED},
    {"a name that is not ASCII stays", "<sf:\xC3\xA4>1</sf:\xC3\xA4>", 0, SOAP_OK},
    {"the campaign is read", "<sf:CampaignId>701Tp0000000Cm1</sf:CampaignId>", 0, SOAP_OK},
    {"a wrong campaign is refused", "<sf:CampaignId>nonsense</sf:CampaignId>", 0,
     SOAP_BAD_RECORD_ID},
    {"a second id is refused", "<sf:Id>00QTp0000000Ld2</sf:Id>", 0, SOAP_BAD_RECORD_ID},
    {"a package's name before it stays", "<sf:ns__Campaign_Id__c>x</sf:ns__Campaign_Id__c>", 0,
     SOAP_OK},
    {"a field between brackets and a '>' stays", "<sf:A>1</sf:A>]]<sf:B>2</sf:B>>", 14, SOAP_OK},
    {"a field inside a reference stays", "<sf:A>1</sf:A>&am<sf:B>2</sf:B>p;", 14,
     SOAP_NOT_WELL_FORMED},
    {"of white space before it the line breaks stay",
     " \r\n\t\n <sf:A>1</sf:A>\n\n<sf:B>2</sf:B>\n", 28 + 4, SOAP_OK},
    {"or else one blank", " \r\t<sf:A>1</sf:A>   <sf:B>2</sf:B> ", 28 + 2 + 2, SOAP_OK},
    {"white space inside an id is seen",
     "<sf:CampaignId>701Tp0000000<sf:q> </sf:q>\t \t<sf:A>1</sf:A>Cm1</sf:CampaignId>", 14 + 2,
     SOAP_BAD_RECORD_ID},
    {"so is one blank of it",
     "<sf:CampaignId>701Tp0000000<sf:q> </sf:q> <sf:A>1</sf:A>Cm1</sf:CampaignId>", 14,
     SOAP_BAD_RECORD_ID},
    {"and that there is none",
     "<sf:CampaignId>701Tp0000000<sf:q> </sf:q><sf:A>1</sf:A>Cm1</sf:CampaignId>", 14, SOAP_OK},
    {"a problem behind what is left out has its own line",
     "<sf:A>1</sf:A>\n<sf:B>2</sf:B>\n<sf:C>&x;</sf:C>", 28, SOAP_ENTITY},
};

static void each_field_is_left_out_or_read_alike(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        put_message(&b, CASES[i].fields);
        size_t want = CASES[i].out == ALL ? strlen(CASES[i].fields) : CASES[i].out;
        enum soap_problem p = compare(b.data, b.len);
        size_t out = left_out(&b);
        if (p != CASES[i].problem || out != want)
            fail_msg("%s: %zu bytes left out, not %zu; %s, not %s", CASES[i].name, out, want,
                     soap_problem_code(p), soap_problem_code(CASES[i].problem));
    }
    buf_release(&b);
}

/* Elements around it make a field, not its name. */
static void nothing_is_left_out_above_the_object(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    buf_printf(&b, "%s<A>1</A><B>2</B><Notification><A>1</A><B>2</B></Notification>%s", HEAD, TAIL);
    assert_int_equal(left_out(&b), 0);
    buf_release(&b);
}

static void a_document_without_end_is_never_read_beyond_it(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    put_objects(&b, 2,
                "\n <sf:City>Bonn</sf:City>\n <sf:AFieldOfALongerName__c>Germany"
                "</sf:AFieldOfALongerName__c><sf:Note>&amp;</sf:Note>");
    for (size_t n = 1; n < b.len; n++) {
        char *exact = malloc(n); /* one byte more would be seen by the sanitizer */
        assert_non_null(exact);
        memcpy(exact, b.data, n);
        assert_int_not_equal(compare(exact, n), SOAP_OK);
        free(exact);
    }
    buf_release(&b);
}

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
        assert_int_equal(soap_scan_tags(b.data, b.len, count_looks, copy, &copied, &at), SOAP_OK);
        free(copy);
        if (looks != rows[i].looks)
            fail_msg("row %zu: %u names looked at, not %u", i, looks, rows[i].looks);
    }
    buf_release(&b);
}

static const char *const PIECES[] = {
    "<sf:A>1</sf:A>",
    "<sf:B>x y</sf:B>",
    "<B>2</B>",
    "<sf:C>",
    "</sf:C>",
    "<C>",
    "</C>",
    "\n",
    " ",
    "<sf:Id>",
    "</sf:Id>",
    "<sf:CampaignId>701Tp0000000Cm1</sf:CampaignId>",
    "text",
    "&amp;",
    "&am",
    "p;",
    "]]>",
    "]]",
    ">",
    "<e:A>1</e:A>",
    "<q:A>1</q:A>",
    "<q:O xmlns:q='u'>",
    "</q:O>",
    "<O xmlns='u'>",
    "</O>",
    "<sf:A/>",
    "<!-- c -->",
    "<![CDATA[<sf:A>]]>",
    "<?i?>",
    "<sf:D>\n</sf:D>",
    "<sf:E a='b'>e</sf:E>",
    "</sObject>",
    "<sObject>",
    "</Notification>",
    "<Notification>",
    "<Id>04lTp0000000aB2</Id>",
    "\n   <sf:A>1</sf:A>\n   <sf:ALongerName__c>2</sf:ALongerName__c>",
    "&lt;",
    "<sf:F>&quot;&gt;</sf:F>",
    "  \t",
};

static void any_mixture_is_read_alike(void **state)
{
    (void)state;
    uint64_t random = 20261126;
    size_t good = 0;
    struct buf b, fields;
    buf_init(&b, BODY_MAX);
    buf_init(&fields, BODY_MAX);
    for (unsigned round = 0; round < ROUNDS; round++) {
        buf_clear(&fields);
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (unsigned i = 0; i <= (random >> 60) % PIECES_MAX; i++) {
            size_t which = (random >> (13 + 7 * i)) % (sizeof PIECES / sizeof PIECES[0]);
            buf_puts(&fields, PIECES[which]);
        }
        put_message(&b, fields.len == 0 ? "" : fields.data);
        good += compare(b.data, b.len) == SOAP_OK;
    }
    assert_in_range(good, ROUNDS / 10, ROUNDS);
    buf_release(&b);
    buf_release(&fields);
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
        cmocka_unit_test(each_field_is_left_out_or_read_alike),
        cmocka_unit_test(nothing_is_left_out_above_the_object),
        cmocka_unit_test(a_document_without_end_is_never_read_beyond_it),
        cmocka_unit_test(every_field_of_a_wide_object_is_left_out),
        cmocka_unit_test(each_byte_of_a_tag_is_compared),
        cmocka_unit_test(what_the_last_object_had_decides_nothing),
        cmocka_unit_test(a_field_of_the_last_object_is_known_again),
        cmocka_unit_test(any_mixture_is_read_alike),
        cmocka_unit_test(any_objects_are_read_alike),
    };
    return cmocka_run_group_tests(tests, make_readers, free_readers);
}
