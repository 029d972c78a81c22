/*
 * config_fixture - a file in a directory of the test's own, loaded or refused
 *
 * To be included once a test program, after cmocka.h; setup and teardown go to the group.
 */
#ifndef TP_TEST_CONFIG_FIXTURE_H
#define TP_TEST_CONFIG_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "mem.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The least that is needed, four lines. */
#define ORG                                                                                        \
    "orgs:\n"                                                                                      \
    "  - id: 00D000000000001EAA\n"                                                                 \
    "    login_url: https://example.my.salesforce.com\n"                                           \
    "    auth: { type: jwt, client_id: c, username: u, key_file: org.key }\n"
/* The same with room for one more key in the org, in line 5. */
#define ORG_AND(text) ORG "    " text "\n"

static char dir[] = "/tmp/config_test.XXXXXX";
static char *file; /* dir/t.yaml */

static inline int setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    file = mem_printf("%s/t.yaml", dir);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    (void)unlink(file);
    free(file);
    return rmdir(dir);
}

static inline void write_bytes(const char *bytes, size_t n)
{
    FILE *f = fopen(file, "wbe");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline struct config *load(const char *yaml)
{
    struct config *c = NULL;
    struct error e = {0};
    write_bytes(yaml, strlen(yaml));
    if (config_load(&c, file, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    return c;
}

/* n bytes are refused with FILE and then the text `want`. */
static inline void check_refused(const char *yaml, size_t n, const char *want)
{
    struct config *c = NULL;
    struct error e = {0};
    write_bytes(yaml, n);
    if (config_load(&c, file, &e) != ERR_CONFIG)
        fail_msg("not refused; want %s in\n%s", want, yaml);
    assert_null(c);
    assert_int_equal(e.kind, ERR_CONFIG);
    assert_memory_equal(e.text, file, strlen(file));
    const char *got = e.text + strlen(file);
    if (strncmp(got, want, strlen(want)) != 0)
        fail_msg("want \"%s\"\ngot  \"%s\"", want, got);
}

/* A text and how its refusal begins, after the file's name. */
struct bad {
    const char *yaml, *want;
};

static inline void check_bad(const struct bad *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_refused(rows[i].yaml, strlen(rows[i].yaml), rows[i].want);
}

#endif
