/*
 * The worker's threads with a real store and an org that cannot be reached: what waits for it must
 * cost nothing, and must not hold up the stop.
 */
#include "timeutil.h"
#include "worker_fixture.h"

enum { THREADS = 4, WINDOW_MS = 300 };

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_until_held(struct org *org)
{
    struct org_state state;
    int64_t until = time_boot_ms() + WAIT_MAX_MS;
    do {
        assert_true(time_boot_ms() < until);
        pause_ms(1);
        org_state_get(org, &state);
    } while (state.held_until_boot_ms <= time_boot_ms());
}

static int open_all(void **state)
{
    struct fixture *x = mem_alloc(sizeof *x);
    *state = x;
    fixture_prepare(x);
    x->config.login_url = "http://127.0.0.1:1"; /* nobody may listen there without being root */
    fixture_start(x, 30000);
    open_store(x);
    start_workers(x, THREADS);
    return 0;
}

/* The first hold lasts a second or more, so the window lies within it. */
static void work_for_a_held_org_costs_no_processor_time(void **state)
{
    struct fixture *x = fixture_of(state);
    put_members(x, 1, 1);
    wait_until_held(x->org);
    put_members(x, 2, 1); /* wakes whoever waits for work */
    int64_t used = cpu_ms();
    pause_ms(WINDOW_MS);
    used = cpu_ms() - used;
    assert_in_range(used, 0, WINDOW_MS / 3);
}

static void threads_that_wait_for_an_org_stop_at_once(void **state)
{
    struct fixture *x = fixture_of(state);
    put_members(x, 1, 1);
    wait_until_held(x->org);
    int64_t started = time_boot_ms();
    worker_stop(&pool, WAIT_MAX_MS);
    assert_in_range(time_boot_ms() - started, 0, WINDOW_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(work_for_a_held_org_costs_no_processor_time, open_all,
                                        close_all),
        cmocka_unit_test_setup_teardown(threads_that_wait_for_an_org_stop_at_once, open_all,
                                        close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
