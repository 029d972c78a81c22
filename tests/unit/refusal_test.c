#define _GNU_SOURCE
/*
 * refusal: each is counted, few are logged, and what was left out is told. Standard error goes to a
 * file. The gate's window is 10 s, so this takes that long.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics.h"
#include "net_help.h"
#include "refusal.h"

static char *dir;
static int log_fd, saved_fd;

static int setup(void **state)
{
    (void)state;
    dir = net_directory();
    log_fd = open(net_path(dir, "log"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    saved_fd = dup(STDERR_FILENO);
    return log_fd < 0 || saved_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    close(saved_fd);
    close(log_fd);
    net_directory_remove(&dir);
    return 0;
}

static void tell(enum refusal why, const char *peer, int times)
{
    dup2(log_fd, STDERR_FILENO);
    for (int i = 0; i < times; i++)
        refusal_tell(why, &(struct refusal_detail){.peer = peer, .text = "because", .status = 403});
    refusal_flush(); /* the window is open: nothing to tell yet */
    dup2(saved_fd, STDERR_FILENO);
}

static int lines_with(const char *text)
{
    char log[16384];
    int n = 0;
    ssize_t got = pread(log_fd, log, sizeof log - 1, 0);
    assert_true(got >= 0);
    log[got] = '\0';
    for (const char *at = strstr(log, text); at != NULL; at = strstr(at + 1, text))
        n++;
    return n;
}

static void a_flood_of_one_reason_hides_no_other(void **state)
{
    (void)state;
    tell(REFUSED_ADDRESS, "192.0.2.1", 1000);
    tell(REFUSED_SECRET, "192.0.2.2", 3);
    tell(REFUSED_SECRET, "", 1);
    assert_int_equal(metric_value(metric_series(METRIC_REFUSED, "address")), 1000);
    assert_int_equal(metric_value(metric_series(METRIC_REFUSED, "wrong_secret")), 4);
    assert_int_equal(lines_with("msg=\"connection refused\" reason=address status=403 "
                                "peer=192.0.2.1 text=because\n"),
                     1);
    assert_int_equal(lines_with("reason=address"), 1);
    assert_int_equal(lines_with("reason=wrong_secret status=403 peer=192.0.2.2"), 3);
    assert_int_equal(lines_with("reason=wrong_secret status=403 text=because"), 1);
    assert_int_equal(lines_with("left out"), 0);
}

static void what_was_left_out_is_told_when_its_window_ends(void **state)
{
    (void)state;
    static const struct timespec moment = {.tv_nsec = 20000000};
    int64_t until = net_now_ms() + 15000;
    while (lines_with("left out of the log") == 0 && net_now_ms() < until) {
        nanosleep(&moment, NULL);
        dup2(log_fd, STDERR_FILENO);
        refusal_flush();
        dup2(saved_fd, STDERR_FILENO);
    }
    assert_int_equal(lines_with("msg=\"refusals left out of the log\" reason=address count=999\n"),
                     1);
    assert_int_equal(lines_with("left out of the log"), 1);
    tell(REFUSED_ADDRESS, "192.0.2.3", 1);
    assert_int_equal(lines_with("reason=address status=403 peer=192.0.2.3 text=because\n"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_one_reason_hides_no_other),
        cmocka_unit_test(what_was_left_out_is_told_when_its_window_ends),
    };
    return cmocka_run_group_tests_name("refusal", tests, setup, teardown);
}
