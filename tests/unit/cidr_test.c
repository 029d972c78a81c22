/*
 * cidr and pin: what is read, what is refused in words, and who belongs to a network. No sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "cidr.h"
#include "net_help.h"
#include "pin.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool address_of(const char *text, struct cidr_address *out)
{
    struct sockaddr_storage peer = net_peer(text);
    return cidr_address_of((struct sockaddr *)&peer, out);
}

static void an_address_is_in_its_networks_and_in_no_other(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool want;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.0", true},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.1.255", false},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.0/25", "192.0.2.127", true},
        {"192.0.2.0/25", "192.0.2.128", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.7/32", "192.0.2.8", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"128.0.0.0/1", "200.1.2.3", true},
        {"128.0.0.0/1", "100.1.2.3", false},
        {"192.0.2.0/24", "::ffff:192.0.2.9", true},
        {"::ffff:192.0.2.0/120", "192.0.2.9", true},
        {"::ffff:192.0.2.0/120", "192.0.3.9", false},
        {"::ffff:0.0.0.0/96", "10.1.2.3", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"2001:db8::1/128", "2001:db8::2", false},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "192.0.2.1", false},
        {"::/0", "::ffff:192.0.2.1", false},
        {"::1", "::1", true},
        {"::1", "127.0.0.1", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cidr c;
        struct cidr_address a;
        const char *problem = cidr_parse(rows[i].network, &c);
        assert_true(address_of(rows[i].address, &a));
        if (problem != NULL || cidr_contains(&c, &a) != rows[i].want)
            fail_msg("%s in %s: %s", rows[i].address, rows[i].network,
                     problem == NULL ? "wrong" : problem);
    }
    struct cidr_address none;
    assert_false(address_of("/run/socket", &none));
}

static void what_is_no_network_is_refused_in_words(void **state)
{
    (void)state;
    static const char prefix[] = "has no prefix length", bits[] = "has bits set",
                      none[] = "is no IPv4 or IPv6 network";
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", none},
        {"/8", none},
        {"any", none},
        {"10.0.0/8", none},
        {"10.0.0.256/32", none},
        {"010.0.0.0/8", none},
        {" 10.0.0.0/8", none},
        {"[::1]", none},
        {"fe80::1%eth0", none},
        {"2001:db8:::/32", none},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/64", none},
        {"10.0.0.0/", prefix},
        {"10.0.0.0/33", prefix},
        {"10.0.0.0/08", prefix},
        {"10.0.0.0/-1", prefix},
        {"10.0.0.0/8 ", prefix},
        {"10.0.0.0/8/8", prefix},
        {"10.0.0.0/255.0.0.0", prefix},
        {"::/129", prefix},
        {"10.0.0.1/8", bits},
        {"2001:db8::1/64", bits},
        {"0.0.0.1/0", bits},
        {"::ffff:10.0.0.0/8", "is a network of IPv4-mapped addresses"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cidr c;
        const char *problem = cidr_parse(rows[i].text, &c);
        if (problem == NULL || strncmp(problem, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("%s: %s", rows[i].text, problem == NULL ? "accepted" : problem);
    }
}

#define B64 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" /* of nothing */
#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define COLONS                                                                                     \
    "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:"   \
    "B8:55"

static void each_form_of_a_pin_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum pin_kind kind;
    } rows[] = {
        {"sha256//" B64, PIN_KEY},
        {"sha256:" HEX, PIN_CERTIFICATE},
        {"sha256:" COLONS, PIN_CERTIFICATE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pin p;
        char text[PIN_TEXT_MAX];
        const char *problem = pin_parse(rows[i].text, &p);
        if (problem != NULL)
            fail_msg("%s %s", rows[i].text, problem);
        assert_int_equal(p.kind, rows[i].kind);
        assert_string_equal(pin_certificate_text(p.sha256, text), "sha256:" HEX);
    }
}

static void what_is_no_pin_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "sha256",
        B64,
        HEX,
        "sha1:" HEX,
        "SHA256:" HEX,
        "sha256//",
        "sha256//" HEX,
        "sha256:" B64,
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", /* spare bits set */
        "sha256//47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256//" B64 "=",
        "sha256:" HEX "0",
        "sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:e3 b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
        "sha256:E3-B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:"
        "1B:"
        "78:52:B8:55",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pin p;
        if (pin_parse(rows[i], &p) == NULL)
            fail_msg("\"%s\" is accepted", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_in_its_networks_and_in_no_other),
        cmocka_unit_test(what_is_no_network_is_refused_in_words),
        cmocka_unit_test(each_form_of_a_pin_is_read),
        cmocka_unit_test(what_is_no_pin_is_refused),
    };
    return cmocka_run_group_tests_name("cidr and pin", tests, NULL, NULL);
}
