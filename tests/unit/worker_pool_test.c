/*
 * The worker's threads with a real store and an org that cannot be reached: what waits for it must
 * cost nothing, and must not hold up the stop.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "org_fixture.h"
#include "timeutil.h"
#include "worker.h"

enum { THREADS = 4, WINDOW_MS = 300, WAIT_MAX_MS = 30000 };

static struct store *store;
static struct worker_pool *pool;
static atomic_uint stored; /* puts that were committed */

static void put_done(struct store_put *p)
{
    if (p->result == ERR_NONE)
        atomic_fetch_add(&stored, 1);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* One notification about a member of campaign n; durable when it returns. */
static void put(const char *org, unsigned n)
{
    struct store_item item = {.kind = STORE_MEMBER, .object = "CampaignMember"};
    struct store_put p = {.items = &item, .count = 1, .done = put_done};
    struct error e;
    char text[SFID_SIZE];
    (void)snprintf(text, sizeof text, "%015u", n);
    memcpy(text, "04l", 3);
    assert_true(sfid_normalise(text, 15, item.notification_id));
    memcpy(text, "00v", 3);
    assert_true(sfid_normalise(text, 15, item.record_id));
    memcpy(text, "701", 3);
    assert_true(sfid_normalise(text, 15, item.campaign_id));
    memcpy(p.org, org, sizeof p.org);
    unsigned before = atomic_load(&stored);
    assert_int_equal(store_put(store, &p, &e), ERR_NONE);
    for (int waited = 0; atomic_load(&stored) == before; waited++) {
        assert_in_range(waited, 0, WAIT_MAX_MS);
        pause_ms(1);
    }
}

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
    char url[64];
    (void)snprintf(url, sizeof url, "sqlite:%s/queue.db", x->dir);
    const struct store_options so = {.url = url,
                                     .lease_ms = 120000,
                                     .echo_ms = 900000,
                                     .keep_done_ms = INT64_C(14) * 86400000,
                                     .keep_failed_ms = INT64_C(90) * 86400000,
                                     .keep_ledger_ms = INT64_C(400) * 86400000,
                                     .put_queue_max = 100};
    assert_int_equal(store_open(&store, &so, &x->e), ERR_NONE);
    const struct worker_options wo = {.store = store,
                                      .orgs = &x->org,
                                      .org_count = 1,
                                      .policy = &x->policy,
                                      .policy_fingerprint = "0",
                                      .threads = THREADS,
                                      .max_tries = 24,
                                      .max_delete_percent = 20,
                                      .lease_ms = so.lease_ms};
    assert_int_equal(worker_start(&pool, &wo, &x->e), ERR_NONE);
    return 0;
}

static int close_all(void **state)
{
    struct fixture *x = *state;
    static const char *const files[] = {"queue.db", "queue.db-wal", "queue.db-shm", "queue.db.lock",
                                        "queue.db-lock"};
    worker_stop(&pool, WAIT_MAX_MS);
    store_close(&store);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "%s/%s", x->dir, files[i]);
        (void)unlink(path); /* which of them are left is the store's business */
    }
    fixture_close(x);
    free(x);
    return 0;
}

/* The first hold lasts a second or more, so the window lies within it. */
static void work_for_a_held_org_costs_no_processor_time(void **state)
{
    struct fixture *x = fixture_of(state);
    put(x->config.id, 1);
    wait_until_held(x->org);
    put(x->config.id, 2); /* wakes whoever waits for work */
    int64_t used = cpu_ms();
    pause_ms(WINDOW_MS);
    used = cpu_ms() - used;
    assert_in_range(used, 0, WINDOW_MS / 3);
}

static void threads_that_wait_for_an_org_stop_at_once(void **state)
{
    struct fixture *x = fixture_of(state);
    put(x->config.id, 1);
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
