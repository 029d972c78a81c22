#define _GNU_SOURCE
/*
 * Session ids: redaction of bodies that go to the quarantine, and that the reader leaves no copy of
 * one in the process. Hermetic; reads its own memory through /proc/self.
 */
#include "soap.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "buf.h"
#include "mem.h"

/* ------------------------------------------------------------------ redaction */

static void the_text_of_a_session_id_becomes_x(void **state)
{
    (void)state;
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"<SessionId>abc</SessionId>", "<SessionId>xxx</SessionId>"},
        {"<a:SessionId>abc</a:SessionId>", "<a:SessionId>xxx</a:SessionId>"},
        {"<SessionId a='1'>abc</SessionId >d", "<SessionId a='1'>xxx</SessionId >d"},
        {"<SessionId\n>\nabc\n</SessionId>", "<SessionId\n>xxxxx</SessionId>"},
        {"<SessionId>a</SessionId><b>c</b><SessionId>d</SessionId>",
         "<SessionId>x</SessionId><b>c</b><SessionId>x</SessionId>"},
        {"<SessionId/><b>c</b>", "<SessionId/><b>c</b>"},
        {"<SessionId xsi:nil=\"true\"/><b>c</b>", "<SessionId xsi:nil=\"true\"/><b>c</b>"},
        {"<SessionId></SessionId>", "<SessionId></SessionId>"},
        {"<SessionId><![CDATA[a</SessionId>b]]></SessionId>c",
         "<SessionId>xxxxxxxxxxxxxxxxxxxxxxxxxx</SessionId>c"},
        {"<SessionId>a<!-- </SessionId> -->b</SessionId>c",
         "<SessionId>xxxxxxxxxxxxxxxxxxxxxxx</SessionId>c"},
        {"<SessionId>a<b>c</b>d</SessionId>e", "<SessionId>xxxxxxxxxx</SessionId>e"},
        {"<SessionId>&#65;&amp;</SessionId>", "<SessionId>xxxxxxxxxx</SessionId>"},
        /* not well-formed: rather too much than too little */
        {"<SessionId>abc", "<SessionId>xxx"},
        {"<SessionId>abc</Session", "<SessionId>xxxxxxxxxxxx"},
        {"<SessionId>abc<![CDATA[</SessionId>", "<SessionId>xxxxxxxxxxxxxxxxxxxxxxxx"},
        {"<SessionId abc", "<SessionIdxxxx"},
        {"<SessionId a='>'>bc</SessionId>", "<SessionId a='>xxxx</SessionId>"},
        {"<SessionId a='/>'>bc</SessionId>", "<SessionId a='/>xxxx</SessionId>"},
        {"<SessionId 'a/>bc</SessionId>", "<SessionId 'a/>xx</SessionId>"},
        {"<!-- <SessionId>abc</SessionId> -->", "<!-- <SessionId>xxx</SessionId> -->"},
        /* known by its form */
        {"SessionId: 00D000000000001!AR8.a_b-c d", "SessionId: 00D000000000001!xxxxxxxxx d"},
        {"&lt;SessionId&gt;00D000000000001!AR8&lt;", "&lt;SessionId&gt;00D000000000001!xxx&lt;"},
        {"00D000000000001!", "00D000000000001!"},
        {"0D000000000001!abc", "0D000000000001!abc"},
        {"00D 000000000001!abc", "00D 000000000001!abc"},
        /* other elements */
        {"<SessionIds>abc</SessionIds>", "<SessionIds>abc</SessionIds>"},
        {"<MySessionId>abc</MySessionId>", "<MySessionId>abc</MySessionId>"},
        {"<sessionId>abc</sessionId>", "<sessionId>abc</sessionId>"},
        {"SessionId>abc", "SessionId>abc"},
        {"<", "<"},
        {"<Se", "<Se"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *got = mem_strdup(rows[i].in);
        soap_redact(got, strlen(got));
        assert_string_equal(got, rows[i].want);
        free(got);
    }
}

static void a_body_in_wide_characters_is_redacted_as_a_whole(void **state)
{
    (void)state;
    char body[] = "\xFF\xFE<\0S\0e\0c\0r\0e\0t\0";
    size_t n = sizeof body - 1;
    soap_redact(body, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(body[i], 'x');
}

static void redaction_stays_inside_the_body(void **state)
{
    (void)state;
    static const char text[] = "<SessionId a=\"b\">c<![CDATA[d]]>e</SessionId><!-- -->";
    for (size_t n = 0; n < sizeof text; n++) {
        char *part = mem_resize(NULL, n == 0 ? 1 : n, 1); /* exactly n, so that one more is seen */
        memcpy(part, text, n);
        soap_redact(part, n);
        free(part);
    }
}

/* ------------------------------------------------------------------ what stays in memory */

enum { MASK = 0x5A, SECRET_LEN = 24, WINDOW = 1 << 16 };

/* The session id exists in the clear only in the body; everywhere else each byte is masked. */
static unsigned char masked[SECRET_LEN];

static void choose_secret(void)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, masked, sizeof masked), SECRET_LEN);
    (void)close(fd);
    for (size_t i = 0; i < sizeof masked; i++)
        masked[i] = (unsigned char)letters[masked[i] % (sizeof letters - 1)] ^ MASK;
}

static bool is_secret_at(const unsigned char *p)
{
    for (size_t i = 0; i < SECRET_LEN; i++) {
        if ((p[i] ^ MASK) != masked[i])
            return false;
    }
    return true;
}

static size_t count_in(const unsigned char *p, size_t n)
{
    size_t hits = 0;
    for (size_t i = 0; i + SECRET_LEN <= n; i++)
        hits += is_secret_at(p + i) ? 1 : 0;
    return hits;
}

/* How often the secret stands in [from, to) of this process. */
static size_t count_in_range(int mem, uintptr_t from, uintptr_t to, unsigned char *window)
{
    size_t hits = 0;
    for (uintptr_t at = from; at < to;) {
        ssize_t n = pread(mem, window, WINDOW, (off_t)at);
        if (n < SECRET_LEN)
            break;
        hits += count_in(window, (size_t)n);
        explicit_bzero(window, WINDOW);
        at += n < WINDOW ? (uintptr_t)n : WINDOW - SECRET_LEN + 1;
    }
    return hits;
}

/* How often the secret stands in this process's writable memory. */
static size_t copies_in_memory(void)
{
    static unsigned char window[WINDOW];
    char line[512];
    size_t hits = 0;
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_true(mem >= 0 && maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        char *rest;
        uintptr_t from = (uintptr_t)strtoull(line, &rest, 16);
        uintptr_t to = (uintptr_t)strtoull(rest + 1, &rest, 16);
        /* the sanitizers' shadow is terabytes of reservation and holds no bytes of ours */
        if (strncmp(rest, " rw", 3) == 0 && to - from < ((uintptr_t)1 << 30))
            hits += count_in_range(mem, from, to, window);
    }
    (void)fclose(maps);
    (void)close(mem);
    return hits;
}

static const char HEAD[] =
    "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>"
    "<notifications xmlns='http://soap.sforce.com/2005/09/outbound'>"
    "<OrganizationId>00DTp0000000Qr1</OrganizationId><SessionId>";
static const char TAIL[] = "</SessionId><Notification><Id>04lTp0000000aB1</Id></Notification>"
                           "</notifications></e:Body></e:Envelope>";

static void put_body(struct buf *b, const char *before, const char *after)
{
    buf_init(b, 1 << 20);
    buf_printf(b, "%1000s", ""); /* room, so that growing leaves no copies of its own behind */
    buf_clear(b);
    buf_puts(b, HEAD);
    buf_puts(b, before);
    for (size_t i = 0; i < SECRET_LEN; i++)
        buf_putc(b, (char)(masked[i] ^ MASK));
    buf_puts(b, after);
    buf_puts(b, TAIL);
}

static void the_search_finds_what_is_there(void **state)
{
    (void)state;
    struct buf b;
    choose_secret();
    put_body(&b, "", "");
    assert_true(copies_in_memory() >= 1);
    buf_wipe_release(&b);
    assert_int_equal(copies_in_memory(), 0);
}

static void no_copy_of_a_session_id_survives_the_parse(void **state)
{
    (void)state;
    static const struct {
        const char *name, *before, *after;
        enum soap_problem want;
    } rows[] = {
        {"text", "", "", SOAP_OK},
        {"section", "<![CDATA[", "]]>", SOAP_OK},
        {"beside a character", "\xC3\xBC", "\xC3\xBC", SOAP_OK},
        {"beside a reference", "&#65;&amp;", "&#65;", SOAP_OK},
        {"comment", "<!--", "-->", SOAP_OK},
        {"comment beside a character", "<!--\xC3\xBC", "\xC3\xBC-->", SOAP_OK},
        {"attribute", "<a b='&#65;", "'/>", SOAP_OK},
        {"instruction", "<?p ", "?>", SOAP_OK},
        {"instruction beside a character", "<?p \xC3\xBC", "?>", SOAP_OK},
        {"before an error", "", "&none;", SOAP_ENTITY},
        {"section before an error", "<![CDATA[", "]]></x>", SOAP_NOT_WELL_FORMED},
    };
    struct soap_reader *r = soap_reader_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        struct soap_message m;
        unsigned line;
        choose_secret();
        put_body(&b, rows[i].before, rows[i].after);
        enum soap_problem got = soap_read(r, b.data, b.len, &m, &line);
        buf_wipe_release(&b);
        if (got != rows[i].want)
            fail_msg("%s: got %s", rows[i].name, soap_problem_code(got));
        size_t copies = copies_in_memory();
        if (copies > 0)
            fail_msg("%s: %zu copies in memory", rows[i].name, copies);
    }
    soap_reader_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_a_session_id_becomes_x),
        cmocka_unit_test(a_body_in_wide_characters_is_redacted_as_a_whole),
        cmocka_unit_test(redaction_stays_inside_the_body),
        cmocka_unit_test(the_search_finds_what_is_there),
        cmocka_unit_test(no_copy_of_a_session_id_survives_the_parse),
    };
    soap_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
