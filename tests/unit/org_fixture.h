/*
 * org_fixture - an org client that talks to an org_fake, for the tests of receiver/org
 *
 * Everything lives in a directory of its own that fixture_close removes. Static functions, so that
 * tests of other modules, which link all helpers, need nothing of the org.
 */
#ifndef TP_ORG_FIXTURE_H
#define TP_ORG_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"
#include "org.h"
#include "org_fake.h"

#define FIXTURE_SECRET "s3cret&=value"
#define UNUSED         __attribute__((unused))

struct fixture {
    struct fake *fake;
    char dir[32], secret_file[64];
    struct config_org config;
    struct policy policy;
    struct org *org;
    struct org_conn *conn;
    struct error e;
};

UNUSED static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* Everything but the org itself, so that a test can still change config and policy. */
UNUSED static void fixture_prepare(struct fixture *x)
{
    static const char *const standard[SCHEMA_COUNT] = {
#define X(id, key, name, other) [id] = name,
        SCHEMA_NAMES(X)
#undef X
    };
    *x = (struct fixture){.fake = fake_start(), .dir = "/tmp/org_test.XXXXXX"};
    assert_non_null(mkdtemp(x->dir));
    (void)snprintf(x->secret_file, sizeof x->secret_file, "%s/secret", x->dir);
    write_file(x->secret_file, FIXTURE_SECRET "\n");
    x->config = (struct config_org){
        .id = "00D000000000001EAA",
        .name = "production",
        .login_url = fake_url(x->fake),
        .audience = "https://login.salesforce.com",
        .api_version = "64.0",
        .auth = CONFIG_AUTH_CLIENT_CREDENTIALS,
        .client_id = "3MVG9.app",
        .secret_file = x->secret_file,
        .time_zone = "auto",
        .max_concurrent = 4,
    };
    memcpy(x->config.schema.name, standard, sizeof standard);
    org_global_init();
}

UNUSED static void fixture_start(struct fixture *x, int64_t timeout_ms)
{
    assert_int_equal(org_new(&x->org, &x->config, &x->policy, timeout_ms, &x->e), ERR_NONE);
    assert_int_equal(org_conn_new(&x->conn, x->org, &x->e), ERR_NONE);
}

UNUSED static void fixture_open(struct fixture *x)
{
    fixture_prepare(x);
    fixture_start(x, 30000);
}

UNUSED static void fixture_close(struct fixture *x)
{
    org_conn_free(&x->conn);
    org_free(&x->org);
    fake_stop(&x->fake);
    unlink(x->secret_file);
    assert_int_equal(rmdir(x->dir), 0);
}

/* Tests run one at a time, and mostly need no more than one fixture. */
UNUSED static struct fixture *fixture_of(void **state)
{
    return *state;
}

UNUSED static int setup(void **state)
{
    struct fixture *x = mem_alloc(sizeof *x);
    fixture_open(x);
    *state = x;
    return 0;
}

UNUSED static int setup_unstarted(void **state)
{
    struct fixture *x = mem_alloc(sizeof *x);
    fixture_prepare(x);
    *state = x;
    return 0;
}

UNUSED static int teardown(void **state)
{
    struct fixture *x = *state;
    fixture_close(x);
    free(x);
    return 0;
}

UNUSED static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

UNUSED static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" contains \"%s\"", text, part);
}

#endif
