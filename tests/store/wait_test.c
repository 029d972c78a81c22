/*
 * Waiting for work. A wait that ends too late hangs until PATIENCE, which fails the test; one that
 * ends too early shows in what the store's own clock says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/store/store_int.h"
#include "store_fixture.h"
#include "timeutil.h"

enum { PATIENCE_MS = PATIENCE_S * 1000 };

/* Milliseconds of real time that the wait took. */
static int64_t timed_wait(struct fixture *f, int64_t max_ms)
{
    int64_t start = time_boot_ms();
    store_wait(f->store, max_ms);
    return time_boot_ms() - start;
}

static void wait_ends_in_time(struct fixture *f)
{
    if (timed_wait(f, PATIENCE_MS) >= PATIENCE_MS)
        fail_msg("the wait was not ended");
}

/* Until a wait would really wait. */
static void claim_until_empty(struct fixture *f)
{
    (void)drain(f);
    store_wait(f->store, 0);
    expect_no_claim(f);
}

/* ------------------------------------------------------------------ what ends a wait */

static void without_work_a_wait_lasts_its_time(void **state)
{
    struct fixture *f = *state;
    claim_until_empty(f);
    assert_true(timed_wait(f, 50) >= 50);
    assert_true(timed_wait(f, 50) >= 50); /* also without a claim before */
}

static void a_put_between_claim_and_wait_is_not_missed(void **state)
{
    struct fixture *f = *state;
    claim_until_empty(f);
    put_member(f, 1, 1);
    wait_ends_in_time(f);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_applied(f, &c);
}

static void a_wake_between_claim_and_wait_is_not_missed(void **state)
{
    struct fixture *f = *state;
    claim_until_empty(f);
    store_wake(f->store);
    wait_ends_in_time(f);
    assert_true(timed_wait(f, 50) >= 50); /* once is enough */
}

static void a_wake_before_the_claim_is_not_missed(void **state)
{
    struct fixture *f = *state;
    claim_until_empty(f);
    store_wait(f->store, 0);
    /* here a worker would look which orgs to skip */
    store_wake(f->store);
    expect_no_claim(f);
    wait_ends_in_time(f);
}

/* Another thread's claim, which skipped this org, takes nothing away from us. */
static void *claim_and_skip(void *arg)
{
    struct fixture *f = arg;
    struct error e = {0};
    struct store_claim *c = NULL;
    char skip[1][SFID_SIZE];
    memcpy(skip[0], f->org, SFID_SIZE);
    const struct store_claim_options o = {.skip_orgs = (const char(*)[SFID_SIZE])skip,
                                          .skip_count = 1};
    EXPECT_OK(store_claim(f->store, &o, &c, &e));
    assert_null(c);
    return NULL;
}

static void anothers_empty_claim_hides_nothing(void **state)
{
    struct fixture *f = *state;
    pthread_t other;
    claim_until_empty(f);
    put_member(f, 1, 1);
    assert_int_equal(pthread_create(&other, NULL, claim_and_skip, f), 0);
    pthread_join(other, NULL);
    wait_ends_in_time(f);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_applied(f, &c);
}

static void a_settle_that_frees_a_campaign_ends_a_wait(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    put_member(f, 2, 1);
    expect_no_claim(f);
    store_wait(f->store, 0);
    expect_no_claim(f);
    settle_applied(f, &c);
    wait_ends_in_time(f);
    assert_int_equal(drain(f), 1);
}

/* ------------------------------------------------------------------ times that come */

static void a_wait_ends_when_a_retry_is_due(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    int64_t due = wall_ms(f) + 200;
    settle_all(f, &c, (struct store_outcome){.verdict = STORE_RETRY, .due_at_ms = due});
    while (wall_ms(f) < due) { /* the first may be the settle's own */
        expect_no_claim(f);
        wait_ends_in_time(f);
    }
    assert_int_equal(drain(f), 1);
}

static void a_wait_ends_when_a_lease_runs_out(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    f->options.lease_ms = 200;
    fixture_open(f);
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    int64_t deadline = c->deadline_boot_ms;
    lose(&c);
    while ((c = claim_any(f)) == NULL)
        wait_ends_in_time(f);
    assert_true(store_boot_ms(f->store) >= deadline);
    settle_applied(f, &c);
}

static void a_clock_that_is_moved_ends_a_wait(void **state)
{
    struct fixture *f = *state;
    put_member(f, 1, 1);
    struct store_claim *c = claim_on(f, 1, 1);
    settle_retry(f, &c, HOUR_MS);
    expect_no_claim(f);
    store_wait(f->store, 0);
    expect_no_claim(f);
    shift(f, HOUR_MS);
    wait_ends_in_time(f);
    assert_int_equal(drain(f), 1);
}

/* ------------------------------------------------------------------ many waits */

enum { ROUNDS = 300 };

struct echoer {
    struct fixture *f;
    _Atomic unsigned seen;
    atomic_bool held; /* the org */
    atomic_bool stop;
};

/* A worker: looks which orgs to skip, claims, waits. */
static void *work(void *arg)
{
    struct echoer *x = arg;
    struct fixture *f = x->f;
    char skip[1][SFID_SIZE];
    memcpy(skip[0], f->org, SFID_SIZE);
    while (!atomic_load(&x->stop)) {
        struct error e = {0};
        struct store_claim *c = NULL;
        const struct store_claim_options o = {.skip_orgs = (const char(*)[SFID_SIZE])skip,
                                              .skip_count = atomic_load(&x->held) ? 1 : 0};
        EXPECT_OK(store_claim(f->store, &o, &c, &e));
        if (c == NULL) {
            store_wait(f->store, PATIENCE_MS);
            continue;
        }
        unsigned n = (unsigned)c->count;
        settle_applied(f, &c);
        atomic_fetch_add(&x->seen, n);
    }
    return NULL;
}

static void until_seen(struct echoer *x, unsigned n)
{
    int64_t give_up = time_boot_ms() + PATIENCE_MS;
    while (atomic_load(&x->seen) < n) {
        if (time_boot_ms() >= give_up)
            fail_msg("round %u was missed", n);
        sched_yield();
    }
}

/* Each round leaves the worker at another point of its loop; none may be missed. */
static void no_wake_up_is_lost(void **state)
{
    struct fixture *f = *state;
    struct echoer x = {.f = f};
    pthread_t worker;
    assert_int_equal(pthread_create(&worker, NULL, work, &x), 0);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        bool hold = i % 3 == 0;
        atomic_store(&x.held, hold);
        put_member(f, i, 1 + i % 7);
        if (hold) { /* the put may have been seen while the org was held */
            atomic_store(&x.held, false);
            store_wake(f->store);
        }
        until_seen(&x, i);
    }
    atomic_store(&x.stop, true);
    store_wake(f->store);
    pthread_join(worker, NULL);
    expect_counts(f, 0, 0, ROUNDS, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_work_a_wait_lasts_its_time),
        TEST(a_put_between_claim_and_wait_is_not_missed),
        TEST(a_wake_between_claim_and_wait_is_not_missed),
        TEST(a_wake_before_the_claim_is_not_missed),
        TEST(anothers_empty_claim_hides_nothing),
        TEST(a_settle_that_frees_a_campaign_ends_a_wait),
        TEST(a_wait_ends_when_a_retry_is_due),
        TEST(a_wait_ends_when_a_lease_runs_out),
        TEST(a_clock_that_is_moved_ends_a_wait),
        TEST(no_wake_up_is_lost),
    };
    return cmocka_run_group_tests_name("store wait", tests, NULL, NULL);
}
