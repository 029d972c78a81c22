/*
 * Plain fields that nobody reads are not given to libxml2 (leaf.c). Whether they are must not show:
 * each document here is read as it is and by a reader that leaves nothing out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mem.h"
#include "soap_leaf_fixture.h"

enum { PIECES_MAX = 6 };

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
        char *exact = mem_strndup(b.data, n); /* one byte more would be seen by the sanitizer */
        assert_int_not_equal(compare(exact, n), SOAP_OK);
        free(exact);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_is_left_out_or_read_alike),
        cmocka_unit_test(nothing_is_left_out_above_the_object),
        cmocka_unit_test(a_document_without_end_is_never_read_beyond_it),
        cmocka_unit_test(any_mixture_is_read_alike),
    };
    return cmocka_run_group_tests(tests, make_readers, free_readers);
}
