/*
 * access: the configured networks and Salesforce's file together, and which files are refused. The
 * documents are the test's own; the file's shape is said in access.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "access.h"
#include "net_help.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = net_directory();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_directory_remove(&dir);
    return 0;
}

static bool allows(const struct access_list *a, const char *text)
{
    struct sockaddr_storage peer = net_peer(text);
    return access_list_allows(a, (struct sockaddr *)&peer);
}

static enum err load(struct access_list **out, const char *const *networks, size_t n,
                     const char *json, struct error *e)
{
    struct cidr allow[8];
    const char *file = "";
    for (size_t i = 0; i < n; i++)
        assert_null(cidr_parse(networks[i], &allow[i]));
    if (json != NULL)
        net_write_file(file = net_path(dir, "ranges.json"), json);
    return access_list_new(
        out, &(struct access_options){.allow = allow, .allow_count = n, .ip_ranges_file = file}, e);
}

#define RANGES                                                                                     \
    "{\"syncToken\": \"1\", \"createDate\": \"2026-01-01-00-00-00\", \"prefixes\": ["              \
    "{\"region\": \"xx-east-1\", \"provider\": \"aws\", \"ip_prefix\": [\"198.51.100.0/28\", "     \
    "\"198.51.100.16/28\"]},"                                                                      \
    "{\"region\": \"xx-west-1\", \"provider\": \"gcp\", \"ip_prefix\": \"203.0.113.8/29\"},"       \
    "{\"region\": \"xx-south-1\", \"provider\": \"aws\"}],"                                        \
    "\"ipv6_prefixes\": [{\"region\": \"xx-east-1\", \"ipv6_prefix\": [\"2001:db8:5::/48\"]}]}"

static void everybody_may_connect_unless_somebody_is_named(void **state)
{
    (void)state;
    static const char *const some[] = {"192.0.2.0/24", "2001:db8:1::/48", "192.0.2.128/25"};
    static const struct {
        const char *name;
        size_t networks;
        const char *json, *address;
        bool want;
    } rows[] = {
        {"nothing is configured", 0, NULL, "203.0.113.1", true},
        {"nothing is configured, IPv6", 0, NULL, "2001:db8::1", true},
        {"in a network", 3, NULL, "192.0.2.200", true},
        {"a mapped address in a network", 3, NULL, "::ffff:192.0.2.200", true},
        {"in an IPv6 network", 3, NULL, "2001:db8:1::5", true},
        {"in none", 3, NULL, "203.0.113.9", false},
        {"in none, IPv6", 3, NULL, "2001:db8:2::5", false},
        {"before all", 3, NULL, "0.0.0.1", false},
        {"behind all", 3, NULL, "ffff::1", false},
        {"in the file", 0, RANGES, "198.51.100.31", true},
        {"a text instead of a list in the file", 0, RANGES, "203.0.113.9", true},
        {"IPv6 in the file", 0, RANGES, "2001:db8:5:1::", true},
        {"not in the file", 0, RANGES, "198.51.100.32", false},
        {"both: in the file", 3, RANGES, "198.51.100.1", true},
        {"both: in a network", 3, RANGES, "192.0.2.1", true},
        {"both: in neither", 3, RANGES, "10.0.0.1", false},
        {"a unix socket", 3, RANGES, "unix", true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct access_list *a = NULL;
        struct error e = {0};
        if (load(&a, some, rows[i].networks, rows[i].json, &e) != ERR_NONE)
            fail_msg("%s: %s", rows[i].name, e.text);
        if (allows(a, rows[i].address) != rows[i].want)
            fail_msg("%s: %s", rows[i].name, rows[i].address);
        access_list_free(&a);
        assert_null(a);
    }
}

static void networks_that_overlap_are_joined(void **state)
{
    (void)state;
    static const char *const nested[] = {"10.1.0.0/16", "10.0.0.0/8", "10.255.0.0/16",
                                         "11.0.0.0/8",  "10.1.2.3",   "12.0.0.1"};
    struct access_list *a = NULL;
    struct error e = {0};
    assert_int_equal(load(&a, nested, COUNT(nested), NULL, &e), ERR_NONE);
    assert_int_equal(access_list_count(a), 3);
    assert_true(allows(a, "10.200.1.1"));
    assert_true(allows(a, "11.255.255.255"));
    assert_true(allows(a, "12.0.0.1"));
    assert_false(allows(a, "12.0.0.0"));
    assert_false(allows(a, "9.255.255.255"));
    access_list_free(&a);
}

static void a_file_that_says_nothing_lets_nobody_in_unseen(void **state)
{
    (void)state;
    static const struct {
        const char *json, *want;
    } rows[] = {
        {"", "ranges.json:1: "},
        {"<html>", "ranges.json:1: "},
        {"{\"prefixes\": [", "ranges.json:1: "},
        {"{}", "names no network"},
        {"[]", "names no network"},
        {"{\"prefixes\": []}", "names no network"},
        {"{\"prefixes\": {\"ip_prefix\": [\"10.0.0.0/8\"]}}", "names no network"},
        {"{\"prefixes\": [{\"ip_prefix\": []}]}", "names no network"},
        {"{\"prefixes\": [{\"ip_prefix\": [\"10.0.0.0/40\"]}]}", "10.0.0.0/40 has no prefix"},
        {"{\"prefixes\": [{\"ip_prefix\": [\"all\"]}]}", "all is no IPv4"},
        {"{\"prefixes\": [{\"ip_prefix\": [5]}]}", "a prefix is no text"},
        {"{\"prefixes\": [{\"ip_prefix\": [\"10.0.0.0/8\"]}], \"prefixes\": []}", "duplicate"},
    };
    static const char *const some[] = {"192.0.2.0/24"};
    struct access_list *a = NULL;
    struct error e = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (load(&a, some, 1, rows[i].json, &e) != ERR_CONFIG || a != NULL ||
            strstr(e.text, rows[i].want) == NULL || strstr(e.text, "ranges.json") == NULL)
            fail_msg("%s: %s", rows[i].json, e.text);
    }
    assert_int_equal(
        access_list_new(&a, &(struct access_options){.ip_ranges_file = "/absent.json"}, &e),
        ERR_CONFIG);
    assert_non_null(strstr(e.text, "/absent.json"));
    assert_non_null(strstr(e.text, "No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_may_connect_unless_somebody_is_named),
        cmocka_unit_test(networks_that_overlap_are_joined),
        cmocka_unit_test(a_file_that_says_nothing_lets_nobody_in_unseen),
    };
    return cmocka_run_group_tests_name("access", tests, setup, teardown);
}
