/*
 * The PROXY header in every form, each whole and cut at every place, with the client's first bytes
 * behind it: they must stay.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define ADDRESSES "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb"
#define V6        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define MAPPED    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
#define CLIENT    "\x16\x03\x01PROXY TCP4"

struct row {
    const char *name, *bytes;
    size_t n;
    const char *want; /* "ADDRESS PORT", "none", "more", or what the problem says */
};
#define ROW(name, bytes, want)                                                                     \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, want                                                       \
    }

static const struct row ROWS[] = {
    /* version 1 */
    ROW("TCP4", "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n", "192.0.2.1 12345"),
    ROW("TCP6", "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n", "2001:db8::1 65535"),
    ROW("the longest TCP6",
        "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"),
    ROW("UNKNOWN", "PROXY UNKNOWN\r\n", "none"),
    ROW("UNKNOWN with what else it likes to say", "PROXY UNKNOWN ffff::1 x y\r\n", "none"),
    ROW("an unfinished line", "PROXY TCP4 192.0.2.1", "more"),
    ROW("a bare LF", "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\n", "ends without CRLF"),
    ROW("no kind", "PROXY \r\n", "names neither"),
    ROW("an unknown kind", "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", "names neither"),
    ROW("a kind that only begins so", "PROXY TCP46 192.0.2.1 198.51.100.2 1 2\r\n",
        "names neither"),
    ROW("an address of the other family", "PROXY TCP4 ::1 ::1 1 2\r\n", "not well-formed"),
    ROW("a destination that is none", "PROXY TCP4 192.0.2.1 x 1 2\r\n", "not well-formed"),
    ROW("a shortened address", "PROXY TCP4 10.1 10.1 1 2\r\n", "not well-formed"),
    ROW("an octal-looking address", "PROXY TCP4 010.0.0.1 10.0.0.1 1 2\r\n", "not well-formed"),
    ROW("a port past 65535", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "not well-formed"),
    ROW("a port with a sign", "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", "not well-formed"),
    ROW("a port with a leading zero", "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "not well-formed"),
    ROW("no second port", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "not well-formed"),
    ROW("a word too many", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "not well-formed"),
    ROW("a space at the end", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", "not well-formed"),
    ROW("two spaces", "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "not well-formed"),
    ROW("a tab", "PROXY TCP4\t192.0.2.1 192.0.2.2 1 2\r\n", "names neither"),
    ROW("NUL", "PROXY UNKNOWN \0\r\n", "not well-formed"),
    ROW("lower case", "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "is no PROXY header"),
    ROW("a line of 107 bytes",
        "PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789"
        "012345678901234567890\r\n",
        "none"),
    ROW("a line of 108 bytes",
        "PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901\r\n",
        "longer than 107"),
    /* version 2 */
    ROW("INET", SIGNATURE "\x21\x11\0\x0c" ADDRESSES, "192.0.2.1 12345"),
    ROW("INET6", SIGNATURE "\x21\x21\0\x24" V6 V6 "\x30\x39\x01\xbb", "2001:db8::1 12345"),
    ROW("INET6 of an IPv4 address", SIGNATURE "\x21\x21\0\x24" MAPPED V6 "\x30\x39\x01\xbb",
        "::ffff:192.0.2.1 12345"),
    ROW("TLVs are skipped", SIGNATURE "\x21\x11\0\x13" ADDRESSES "\x01\0\x04http",
        "192.0.2.1 12345"),
    ROW("TLVs that are none, too", SIGNATURE "\x21\x11\0\x0f" ADDRESSES "\xff\xff\xff",
        "192.0.2.1 12345"),
    ROW("LOCAL", SIGNATURE "\x20\x00\0\0", "none"),
    ROW("LOCAL with addresses", SIGNATURE "\x20\x11\0\x0c" ADDRESSES, "none"),
    ROW("LOCAL of a family that is none", SIGNATURE "\x20\xff\0\x02zz", "none"),
    ROW("UNSPEC", SIGNATURE "\x21\x00\0\0", "none"),
    ROW("UNSPEC with something", SIGNATURE "\x21\x00\0\x03xyz", "none"),
    ROW("half a signature", "\r\n\r\n\0\r\nQU", "more"),
    ROW("a fixed part without its addresses", SIGNATURE "\x21\x11\0\x0c", "more"),
    ROW("a length that goes on", SIGNATURE "\x21\x11\0\x0d" ADDRESSES, "more"),
    ROW("a wrong signature", "\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c" ADDRESSES, "is no PROXY header"),
    ROW("version 1 in the form of 2", SIGNATURE "\x11\x11\0\x0c" ADDRESSES, "another version"),
    ROW("version 3", SIGNATURE "\x31\x11\0\x0c" ADDRESSES, "another version"),
    ROW("an unknown command", SIGNATURE "\x22\x11\0\x0c" ADDRESSES, "unknown command"),
    ROW("a datagram", SIGNATURE "\x21\x12\0\x0c" ADDRESSES, "something else than a TCP"),
    ROW("an unknown family", SIGNATURE "\x21\x41\0\x0c" ADDRESSES, "something else than a TCP"),
    ROW("a family without a transport", SIGNATURE "\x21\x10\0\x0c" ADDRESSES,
        "something else than a TCP"),
    ROW("a length below INET's", SIGNATURE "\x21\x11\0\x0b" ADDRESSES, "too short"),
    ROW("a length below INET6's", SIGNATURE "\x21\x21\0\x23" V6 V6 "\0\0\0\0", "too short"),
    ROW("a length below that of a unix socket", SIGNATURE "\x21\x31\0\xd7", "too short"),
    ROW("a length past the bound", SIGNATURE "\x21\x11\x10\x01", "longer than 4096"),
    /* neither */
    ROW("TLS at once", "\x16\x03\x01\x02", "is no PROXY header"),
    ROW("HTTP at once", "POST / HTTP/1.1\r\n", "is no PROXY header"),
    ROW("nothing", "", "more"),
};

static void describe(const struct proxy_reader *r, enum proxy_event event, char *out, size_t size)
{
    char address[INET6_ADDRSTRLEN] = "";
    const struct sockaddr *source = event == PROXY_DONE ? proxy_source(r) : NULL;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    (void)snprintf(out, size, "%s",
                   event == PROXY_MORE  ? "more"
                   : event == PROXY_BAD ? proxy_problem(r)
                                        : "none");
    if (source == NULL)
        return;
    memcpy(&in, source, sizeof in);
    memcpy(&in6, source, sizeof in6);
    bool is_v4 = source->sa_family == AF_INET;
    assert_non_null(inet_ntop(source->sa_family,
                              is_v4 ? (const void *)&in.sin_addr : (const void *)&in6.sin6_addr,
                              address, sizeof address));
    (void)snprintf(out, size, "%s %u", address, ntohs(is_v4 ? in.sin_port : in6.sin6_port));
}

/* The header in two pieces, the second with the client's bytes behind it. */
static void check_cut(const struct row *row, size_t cut)
{
    char bytes[512], got[160];
    size_t n = row->n, used = 0, more = 0;
    struct proxy_reader r;
    assert_true(n + sizeof CLIENT <= sizeof bytes);
    memcpy(bytes, row->bytes, n);
    bool is_whole = strcmp(row->want, "more") != 0;
    if (is_whole) {
        memcpy(bytes + n, CLIENT, sizeof CLIENT - 1);
        n += sizeof CLIENT - 1;
    }
    proxy_reader_init(&r);
    enum proxy_event event = proxy_parse(&r, bytes, cut, &used);
    assert_true(event != PROXY_MORE || used == cut);
    if (event == PROXY_MORE)
        event = proxy_parse(&r, bytes + used, n - used, &more);
    describe(&r, event, got, sizeof got);
    if (strstr(got, row->want) == NULL)
        fail_msg("%s, cut at %zu: want %s, got %s", row->name, cut, row->want, got);
    if (event == PROXY_DONE && used + more != row->n)
        fail_msg("%s, cut at %zu: %zu bytes taken, not %zu", row->name, cut, used + more, row->n);
}

static void every_header_is_judged_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        for (size_t cut = 0; cut <= ROWS[i].n; cut++)
            check_cut(&ROWS[i], cut);
    }
}

static void tlvs_of_4096_bytes_are_skipped(void **state)
{
    (void)state;
    static const char head[] = SIGNATURE "\x21\x11\x10\x00" ADDRESSES;
    static const char zeros[4096 - 12];
    struct proxy_reader r;
    size_t used;
    proxy_reader_init(&r);
    assert_int_equal(proxy_parse(&r, head, sizeof head - 1, &used), PROXY_MORE);
    for (size_t i = 1; i < sizeof zeros; i++)
        assert_int_equal(proxy_parse(&r, zeros, 1, &used), PROXY_MORE);
    assert_int_equal(proxy_parse(&r, zeros, sizeof zeros, &used), PROXY_DONE);
    assert_int_equal(used, 1);
    assert_non_null(proxy_source(&r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_header_is_judged_however_it_is_cut),
        cmocka_unit_test(tlvs_of_4096_bytes_are_skipped),
    };
    return cmocka_run_group_tests_name("proxy_protocol", tests, NULL, NULL);
}
