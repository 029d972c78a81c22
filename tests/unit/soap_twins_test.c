/*
 * Notifications that repeat the one before them are not given to libxml2 (twins.c). Whether they
 * are must not show: each document here is read as it is and by a reader that leaves nothing out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mem.h"
#include "soap_leaf_fixture.h"

/* A notification of these parts; NULL: the usual ones. */
struct part {
    const char *before, *tag, *id, *object, *fields, *close;
};

#define NOTE_ID   "<Id>04lTp0000000aB1</Id>"
#define OBJECT    "<sObject xsi:type='sf:Lead' xmlns:sf='urn:s'>"
#define UNREAD    "\n <sf:City>Bonn</sf:City>"
#define RECORD_ID "<sf:Id>00QTp0000000Ld1</sf:Id>"

static const char * or (const char *s, const char *usual)
{
    return s != NULL ? s : usual;
}

static void put_part(struct buf *b, const struct part *p)
{
    buf_printf(b, "%s%s%s%s%s%s", or (p->before, "\n"), or (p->tag, "<Notification>"),
               or (p->id, NOTE_ID), or (p->object, OBJECT), or (p->fields, RECORD_ID UNREAD),
               or (p->close, "</sObject></Notification>"));
}

static const struct part USUAL = {0};

/* Elements that libxml2 is given, with an id in each but those of the second. */
#define ID_1       "<a b=''>00QTp0000000Ld1</a>"
#define ELEMENT_1  "<a b=''></a>"
#define ELEMENTS_4 ELEMENT_1 ELEMENT_1 ELEMENT_1 ELEMENT_1

/* libxml2 is given two of the first before (nothing is copied until the first field that is left
 * out), then come the second and the first again. */
static size_t twins_of(const struct part *first, const struct part *second,
                       enum soap_problem *problem)
{
    struct buf b;
    buf_init(&b, BODY_MAX);
    buf_puts(&b, HEAD);
    put_part(&b, &USUAL);
    put_part(&b, first);
    put_part(&b, second);
    put_part(&b, first);
    buf_puts(&b, TAIL);
    *problem = compare(b.data, b.len);
    buf_release(&b);
    return reader->xml.twins.count;
}

static void what_is_alike_is_left_out_and_nothing_else(void **state)
{
    static const struct {
        const char *what;
        struct part part;
        size_t twins; /* the last one too, if the one before it was */
        enum soap_problem problem;
    } rows[] = {
        {"the same", {0}, 2, SOAP_OK},
        {"another id", {.id = "<Id>04lTp0000000aB2</Id>"}, 2, SOAP_OK},
        {"an id of 18", {.id = "<Id>04lTp0000000aB1IAE</Id>"}, 2, SOAP_BAD_NOTIFICATION_ID},
        {"a good one", {.id = "<Id>04lTp0000000aB2IAI</Id>"}, 2, SOAP_OK},
        {"another record", {.fields = "<sf:Id>00QTp0000000Ld2</sf:Id>" UNREAD}, 2, SOAP_OK},
        {"without what is not read", {.fields = RECORD_ID}, 2, SOAP_OK},
        {"with more of it", {.fields = RECORD_ID UNREAD "<sf:B>1</sf:B>\n\n"}, 2, SOAP_OK},
        {"no white space before it", {.before = ""}, 2, SOAP_OK},
        {"much of it", {.before = "\n\n \t\r\n\n"}, 2, SOAP_OK},
        {"white space before an element", {.object = "\n " OBJECT}, 2, SOAP_OK},
        {"white space after the last", {.close = "\n</sObject>\n</Notification>"}, 2, SOAP_OK},
        {"white space in a tag",
         {.object = "<sObject  xsi:type='sf:Lead' xmlns:sf='urn:s'>"},
         0,
         SOAP_OK},
        {"white space beside an id", {.id = "<Id>04lTp0000000aB1 </Id>"}, 0, SOAP_OK},
        {"another object", {.object = "<sObject xsi:type='sf:Case' xmlns:sf='urn:s'>"}, 0, SOAP_OK},
        {"other quotes", {.object = "<sObject xsi:type=\"sf:Lead\" xmlns:sf='urn:s'>"}, 0, SOAP_OK},
        {"another namespace",
         {.object = "<sObject xsi:type='sf:Lead' xmlns:sf='urn:t'>"},
         0,
         SOAP_OK},
        {"another attribute", {.tag = "<Notification a='1'>"}, 0, SOAP_OK},
        {"another namespace around", {.tag = "<Notification xmlns='urn:x'>"}, 0, SOAP_OK},
        {"no id", {.id = ""}, 0, SOAP_BAD_NOTIFICATION_ID},
        {"a bad id", {.id = "<Id>04lTp0000000aB</Id>"}, 0, SOAP_BAD_NOTIFICATION_ID},
        {"an empty id", {.id = "<Id></Id>"}, 0, SOAP_BAD_NOTIFICATION_ID},
        {"an id twice", {.id = NOTE_ID NOTE_ID}, 0, SOAP_BAD_NOTIFICATION_ID},
        {"no record", {.fields = UNREAD}, 0, SOAP_OK},
        {"an empty record", {.fields = "<sf:Id/>" UNREAD}, 0, SOAP_OK},
        {"a record twice", {.fields = RECORD_ID RECORD_ID UNREAD}, 0, SOAP_BAD_RECORD_ID},
        {"a campaign",
         {.fields = RECORD_ID "<sf:CampaignId>701Tp0000000Cm1</sf:CampaignId>" UNREAD},
         0,
         SOAP_OK},
        {"a reference in an id", {.id = "<Id>04lTp0000000aB&#49;</Id>"}, 0, SOAP_OK},
        {"a section in an id", {.id = "<Id>04lTp0000000aB<![CDATA[1]]></Id>"}, 0, SOAP_OK},
        {"a comment in an id", {.id = "<Id>04lTp0000000aB1<!-- --></Id>"}, 0, SOAP_OK},
        {"a comment", {.id = NOTE_ID "<!-- -->"}, 0, SOAP_OK},
        {"an instruction", {.id = NOTE_ID "<?a b?>"}, 0, SOAP_OK},
        {"a child in an id", {.id = "<Id>04lTp0000000aB1<a/></Id>"}, 0, SOAP_OK},
        {"a child before it", {.id = "<Id><a></a>04lTp0000000aB1</Id>"}, 0, SOAP_OK},
        {"a comment before it", {.before = "\n<!-- -->"}, 1, SOAP_OK},
        {"text before it", {.before = "x"}, 1, SOAP_OK},
        {"what would be a section's end", {.before = "]]"}, 1, SOAP_OK},
        {"half a reference", {.before = "&am"}, 0, SOAP_NOT_WELL_FORMED},
        {"another element before it", {.before = "\n<x>" NOTE_ID "</x>"}, 1, SOAP_OK},
        {"an empty element before it", {.before = "\n<x/>"}, 1, SOAP_OK},
        {"a second list",
         {.before = "</notifications>\n<notifications xmlns='urn:x'>"},
         1,
         SOAP_OK},
        {"a nil id", {.id = "<Id xsi:nil='1'>04lTp0000000aB1</Id>"}, 0, SOAP_BAD_NOTIFICATION_ID},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum soap_problem problem;
        size_t twins = twins_of(&USUAL, &rows[i].part, &problem);
        if (problem != rows[i].problem || (problem == SOAP_OK && twins != rows[i].twins))
            fail_msg("%s: %zu left out, not %zu; %s, not %s", rows[i].what, twins, rows[i].twins,
                     soap_problem_code(problem), soap_problem_code(rows[i].problem));
    }
}

#define DELETION "<sObject xsi:type='sf:Campaign_Member_Deletion__c' xmlns:sf='urn:s'>"

static void two_that_are_not_usual_are_read_alike(void **state)
{
    static const struct {
        const char *what, *object, *first, *second;
        size_t twins;
        enum soap_problem problem;
    } rows[] = {
        {"of two campaigns the later counts", DELETION,
         "<sf:CampaignId>701Tp0000000Cm1</sf:CampaignId>"
         "<sf:Campaign_Id__c> 701Tp0000000Cm9</sf:Campaign_Id__c>",
         "<sf:CampaignId>701Tp0000000Cm2</sf:CampaignId>"
         "<sf:Campaign_Id__c> 701Tp0000000Cm9</sf:Campaign_Id__c>",
         2, SOAP_OK},
        {"also if it is another", DELETION,
         "<sf:CampaignId>701Tp0000000Cm1</sf:CampaignId>"
         "<sf:Campaign_Id__c>701Tp0000000Cm8</sf:Campaign_Id__c>",
         "<sf:CampaignId>701Tp0000000Cm2</sf:CampaignId>"
         "<sf:Campaign_Id__c>701Tp0000000Cm9</sf:Campaign_Id__c>",
         2, SOAP_OK},
        {"white space in a divided id", NULL, "<sf:Id>00QTp<a/><a/>0000000Ld1</sf:Id>",
         "<sf:Id>00QTp<a/> <a/>0000000Ld1</sf:Id>", 0, SOAP_BAD_RECORD_ID},
        {"white space before a divided one", NULL, "<sf:Id><a/>00QTp0000000Ld1<a/></sf:Id>",
         "<sf:Id> <a/>00QTp0000000Ld1<a/></sf:Id>", 0, SOAP_OK},
        {"another beginning of a divided id", NULL, "<sf:Id>00QTp0000000Ld1<a/>MAE</sf:Id>",
         "<sf:Id>00Qtp0000000Ld1<a/>MAE</sf:Id>", 0, SOAP_BAD_RECORD_ID},
        {"an id in the last element that may have one", NULL,
         ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 "<sf:Id>00QTp0000000Ld1</sf:Id>",
         ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 "<sf:Id>00QTp0000000Ld2</sf:Id>", 2, SOAP_OK},
        {"in the next one", NULL,
         ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 ELEMENT_1 "<sf:Id>00QTp0000000Ld1</sf:Id>",
         ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 ELEMENT_1 "<sf:Id>00QTp0000000Ld2</sf:Id>", 0, SOAP_OK},
        {"far behind", NULL,
         ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 "<sf:Id> 00QTp0000000Ld1</sf:Id>",
         ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 ELEMENTS_4 "<sf:Id> 00QTp0000000Ld1</sf:Id>",
         2, SOAP_OK},
        {"six ids", NULL, RECORD_ID ID_1 ID_1 ID_1 ID_1, RECORD_ID ID_1 ID_1 ID_1 ID_1, 2, SOAP_OK},
        {"seven", NULL, RECORD_ID ID_1 ID_1 ID_1 ID_1 ID_1, RECORD_ID ID_1 ID_1 ID_1 ID_1 ID_1, 0,
         SOAP_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum soap_problem problem;
        const struct part first = {.object = rows[i].object, .fields = rows[i].first};
        const struct part second = {.object = rows[i].object, .fields = rows[i].second};
        size_t twins = twins_of(&first, &second, &problem);
        if (problem != rows[i].problem || (problem == SOAP_OK && twins != rows[i].twins))
            fail_msg("%s: %zu left out, not %zu; %s, not %s", rows[i].what, twins, rows[i].twins,
                     soap_problem_code(problem), soap_problem_code(rows[i].problem));
    }
}

/* A notification of that number, like the others but for its ids. */
static void put_numbered(struct buf *b, unsigned n)
{
    buf_printf(b,
               "<Notification>\n<Id>04lTp0000000%03u</Id>\n" OBJECT "<sf:Id>00vTp0000000%03u"
               "</sf:Id>\n<sf:City>\nBonn</sf:City><sf:A>1</sf:A>"
               "<sf:CampaignId>701Tp0000000%03u</sf:CampaignId>\n</sObject></Notification>\n",
               n, n + 100, n / 10);
}

static void put_many(struct buf *b, unsigned count)
{
    buf_clear(b);
    buf_puts(b, HEAD);
    for (unsigned i = 0; i < count; i++)
        put_numbered(b, i);
    buf_puts(b, TAIL);
}

static void a_full_message_is_given_by_its_first(void **state)
{
    (void)state;
    struct buf b;
    struct soap_message m;
    unsigned line;
    buf_init(&b, BODY_MAX);
    for (unsigned count = 1; count <= SOAP_NOTIFICATIONS_MAX; count++) {
        put_many(&b, count);
        assert_int_equal(compare(b.data, b.len), SOAP_OK);
        /* the organisation's id is one of the elements that are counted */
        size_t want = count > 2 ? count - 2 : 0;
        if (count == SOAP_NOTIFICATIONS_MAX)
            want--;
        assert_int_equal(reader->xml.twins.count, want);
    }
    assert_int_equal(soap_read(reader, b.data, b.len, &m, &line), SOAP_OK);
    assert_int_equal(m.count, SOAP_NOTIFICATIONS_MAX);
    for (unsigned i = 0; i < m.count; i++) {
        char want[64];
        (void)snprintf(want, sizeof want, "04lTp0000000%03u", i);
        assert_memory_equal(m.notifications[i].id, want, 15);
        (void)snprintf(want, sizeof want, "00vTp0000000%03u", i + 100);
        assert_memory_equal(m.notifications[i].record_id, want, 15);
        (void)snprintf(want, sizeof want, "701Tp0000000%03u", i / 10);
        assert_memory_equal(m.notifications[i].campaign_id, want, 15);
        assert_string_equal(m.notifications[i].object, "Lead");
    }
    put_many(&b, SOAP_NOTIFICATIONS_MAX + 1);
    assert_int_equal(compare(b.data, b.len), SOAP_TOO_MANY); /* in the same line */
    put_many(&b, 3 * SOAP_NOTIFICATIONS_MAX);
    assert_int_equal(compare(b.data, b.len), SOAP_TOO_MANY);
    buf_release(&b);
}

/* compare looks at the line, too. */
static void a_problem_behind_them_is_told_with_its_line(void **state)
{
#define END "</notifications></e:Body></e:Envelope>"
    static const char *const ends[] = {"</notifications>", "<x>" END, "&no;" END, "]]>" END,
                                       ("<OrganizationId>00DTp0000000Qr1</OrganizationId>" END)};
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        buf_clear(&b);
        buf_puts(&b, HEAD);
        for (unsigned k = 0; k < 10; k++)
            put_numbered(&b, k);
        buf_puts(&b, ends[i]);
        assert_int_not_equal(compare(b.data, b.len), SOAP_OK);
    }
    buf_release(&b);
}

/* Elements beside the notifications that repeat each other. */
static void what_repeats_and_is_no_notification_is_read_as_ever(void **state)
{
    static const struct {
        const char *element;
        enum soap_problem problem;
        bool again; /* it is read twice */
    } rows[] = {
        {"<Other><a><b>00QTp0000000Ld1</b></a></Other>\n", SOAP_OK, false},
        {"<OrganizationId>00DTp0000000Qr1</OrganizationId>\n", SOAP_BAD_ORG_ID, true},
        {"<OrganizationId>00DTp0000000Qr1<a><b>1</b></a></OrganizationId>\n", SOAP_BAD_ORG_ID,
         false},
        {"<OrganizationId>\n<a>\n<b/></a>00DTp0000000Qr1</OrganizationId>", SOAP_BAD_ORG_ID, true},
    };
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&b);
        buf_printf(&b, "%.*s", (int)(strstr(HEAD, "<Org") - HEAD), HEAD);
        put_numbered(&b, 1); /* so that there is a copy */
        for (unsigned k = 0; k < 4; k++)
            buf_puts(&b, rows[i].element);
        if (rows[i].problem == SOAP_OK)
            buf_puts(&b, "<OrganizationId>00DTp0000000Qr1</OrganizationId>");
        buf_puts(&b, TAIL);
        assert_int_equal(compare(b.data, b.len), rows[i].problem);
        assert_int_equal(reader->xml.whole, rows[i].again);
    }
    buf_release(&b);
}

/* The copy that a twin had is not left behind in the reader's memory. */
static void nothing_of_them_stays_in_the_copy(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, BODY_MAX);
    put_many(&b, 20);
    assert_int_equal(compare(b.data, b.len), SOAP_OK);
    assert_true(reader->xml.copy_size > b.len);
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(reader->xml.copy[i], 0);
    buf_release(&b);
}

/* Mostly the first of them. */
static const char *pick(uint64_t *random, const char *const *from, size_t count, unsigned rarely)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    uint64_t r = *random >> 33;
    return r % rarely != 0 ? from[0] : from[r / rarely % count];
}

#define PICK(list) pick(&random, list, sizeof(list) / sizeof(list)[0], rarely)

static void any_notifications_are_read_alike(void **state)
{
    static const char *const before[] = {"\n",
                                         "",
                                         "\n\n ",
                                         "<!-- -->",
                                         "]]",
                                         "x",
                                         "<x/>",
                                         "<?a b?>",
                                         "\n<x><y>00QTp0000000Ld1</y></x>",
                                         "<OrganizationId>00DTp0000000Qr1</OrganizationId>",
                                         "</notifications><notifications>"};
    static const char *const tag[] = {
        "<Notification>",   "<Notification >",
        "<n:Notification>", "<Notification xmlns='http://soap.sforce.com/2005/09/outbound'>",
        "<notification>",   "<Notification xmlns:sf='urn:q'>"};
    static const char *const id[] = {"<Id>04lTp0000000aB1</Id>",
                                     "<Id>04lTp0000000aB2</Id>",
                                     "<Id>04lTp0000000aB1IAE</Id>",
                                     "<Id>04lTp0000000aB&#49;</Id>",
                                     "<Id> 04lTp0000000aB1</Id>",
                                     "<Id>04lTp0000000aB</Id>",
                                     "<Id/>",
                                     "",
                                     "<Id>04lTp0000000aB1<!-- --></Id>",
                                     "<Id>\n04lTp0000000aB3\n</Id>"};
    static const char *const object[] = {
        "<sObject xsi:type='sf:Lead' xmlns:sf='urn:s'>",
        "\n<sObject xsi:type='sf:Lead' xmlns:sf='urn:s'>",
        "<sObject xsi:type='sf:Campaign_Member_Deletion__c' xmlns:sf='urn:s'>",
        "<sObject xsi:nil='true' xmlns:sf='urn:s'>", "<sObject xmlns:sf='urn:s'>"};
    static const char *const record[] = {"<sf:Id>00QTp0000000Ld1</sf:Id>",
                                         "<sf:Id>00QTp0000000Ld2</sf:Id>",
                                         "\n<sf:Id></sf:Id>",
                                         "<sf:Id> </sf:Id>",
                                         "",
                                         "<sf:Id xsi:nil='1'>00QTp0000000Ld3</sf:Id>",
                                         "<sf:Id>00QTp0000000Ld4<a/></sf:Id>",
                                         "<sf:Id>00QTp0000000Ld5]</sf:Id>",
                                         "<sf:Id>00QTp<a/><a/>0000000Ld1</sf:Id>",
                                         "<sf:Id>00QTp<a/> <a/>0000000Ld1</sf:Id>",
                                         "<sf:Id><a/> 00QTp0000000Ld1<a/>\n</sf:Id>"};
    static const char *const unread[] = {"\n <sf:City>Bonn</sf:City>",
                                         "",
                                         "<sf:A>\n</sf:A>",
                                         "<sf:A>1</sf:A>\n<sf:B>2</sf:B>",
                                         "<sf:A b='1'>1</sf:A>",
                                         "<sf:R>00QTp0000000Ld9</sf:R>",
                                         "<e:A>1</e:A>",
                                         " text "};
    static const char *const campaign[] = {
        "",
        "<sf:CampaignId>701Tp0000000Cm1</sf:CampaignId>",
        "<sf:CampaignId>701Tp0000000Cm2</sf:CampaignId>",
        "<sf:CampaignId/>",
        "<sf:Campaign_Id__c>701Tp0000000Cm3</sf:Campaign_Id__c>",
        "<sf:CampaignId>701Tp0000000Cm4</sf:CampaignId><sf:Campaign_Id__c> "
        "701Tp0000000Cm5</sf:Campaign_Id__c>",
        "<sf:CampaignId>701Tp0000000Cm6</sf:CampaignId><sf:Campaign_Id__c> "
        "701Tp0000000Cm5</sf:Campaign_Id__c>",
        "<sf:CampaignId> "
        "701Tp0000000Cm7</sf:CampaignId><sf:Campaign_Id__c>701Tp0000000Cm8</sf:Campaign_Id__c>",
        "<sf:a__Campaign_Member_Id__c>00vTp0000000Mb1</sf:a__Campaign_Member_Id__c>"};
    static const char *const close[] = {
        "</sObject></Notification>", "\n</sObject>\n</Notification>",
        "</sObject>]]></Notification>", "</sObject> </Notification >"};
    enum { NOTIFICATIONS = 8 };
    (void)state;
    uint64_t random = 20261126;
    size_t twins = 0, good = 0;
    struct buf b;
    buf_init(&b, BODY_MAX);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned rarely = 2 + round % 30;
        buf_clear(&b);
        buf_puts(&b, HEAD);
        for (unsigned i = 0; i < NOTIFICATIONS; i++) {
            const char *const parts[] = {PICK(before),   PICK(tag),    PICK(id),
                                         PICK(object),   PICK(record), PICK(unread),
                                         PICK(campaign), PICK(unread), PICK(close)};
            for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
                buf_puts(&b, parts[k]);
        }
        buf_puts(&b, TAIL);
        good += compare(b.data, b.len) == SOAP_OK;
        twins += reader->xml.twins.count;
    }
    assert_true(good > ROUNDS / 10 && good < ROUNDS);
    assert_true(twins > ROUNDS / 2);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_alike_is_left_out_and_nothing_else),
        cmocka_unit_test(two_that_are_not_usual_are_read_alike),
        cmocka_unit_test(a_full_message_is_given_by_its_first),
        cmocka_unit_test(a_problem_behind_them_is_told_with_its_line),
        cmocka_unit_test(what_repeats_and_is_no_notification_is_read_as_ever),
        cmocka_unit_test(nothing_of_them_stays_in_the_copy),
        cmocka_unit_test(any_notifications_are_read_alike),
    };
    return cmocka_run_group_tests(tests, make_readers, free_readers);
}
