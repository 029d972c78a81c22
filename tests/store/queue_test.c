/*
 * The queue before a committer: what one turn takes, and when it waits for more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../receiver/store/queue_ahead.h"
#include "mem.h"

enum {
    PUTS = 60,
    BATCH_MAX = 4000,
    DIRECT_US = 300, /* 400, and clocks are coarse */
    AHEAD_US = 500,  /* 600 */
    GATHERS_MAX_US = 2000,
    TRIES = 200,
};

static struct store_queue queue;
static struct store_put given[PUTS];

static int set_up(void **state)
{
    (void)state;
    store_queue_init(&queue, PUTS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_queue_release(&queue);
    return 0;
}

static void hand_in(size_t count, size_t notifications)
{
    struct error e;
    for (size_t i = 0; i < count; i++) {
        given[i] = (struct store_put){.count = notifications, .may_go_ahead = true};
        assert_int_equal(store_queue_put(&queue, &given[i], 1, &e), ERR_NONE);
    }
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static size_t count(const struct store_put *p)
{
    size_t n = 0;
    for (; p != NULL; p = p->next)
        n++;
    return n;
}

/* How many puts a turn of the committer takes. */
static size_t take(void)
{
    struct store_batch b;
    assert_true(store_queue_take(&queue, &b, BATCH_MAX, 60000));
    return count(b.puts);
}

/* Of the thread ahead of it, as queue_ahead.c does when there is a log. */
static size_t take_ahead(void)
{
    struct store_batch b = {0};
    pthread_mutex_lock(&queue.lock);
    if (queue.is_busy)
        store_queue_gather(&queue, &queue.ahead.work);
    store_queue_cut(&queue, &b, BATCH_MAX, true);
    pthread_mutex_unlock(&queue.lock);
    return count(b.puts);
}

struct turns {
    size_t (*take)(void);
    size_t before, count, notifications;
    bool is_busy;
    int64_t gathers_us; /* at least so long; 0: not */
};

/* How long the second turn takes, which follows on one of so many puts. */
static int64_t second_turn_us(const struct turns *t)
{
    hand_in(t->before, 1);
    assert_int_equal(t->take(), t->before);
    hand_in(t->count, t->notifications);
    bool was_busy = queue.is_busy;
    int64_t from = now_us();
    assert_int_equal(t->take(), t->count);
    int64_t us = now_us() - from;
    if (was_busy != t->is_busy)
        fail_msg("after %zu puts the queue counts as %s", t->before, was_busy ? "busy" : "idle");
    assert_int_equal(queue.put_notifications, 0);
    queue.is_busy = false;
    return us;
}

/* A machine at work may make any turn long, but none short: the shortest of many is the queue's. */
static void only_after_a_batch_of_many_a_turn_waits_for_more(void **state)
{
    static const struct turns rows[] = {
        {take, 4, 1, 1, true, DIRECT_US},
        {take, 60, 23, 1, true, DIRECT_US},
        {take, 4, 1, 199, true, DIRECT_US},
        {take, 4, 24, 1, true, 0},
        {take, 4, 1, 200, true, 0},
        {take, 3, 1, 1, false, 0},
        {take, 1, 23, 1, false, 0},
        {take_ahead, 12, 1, 1, true, AHEAD_US},
        {take_ahead, 60, 39, 1, true, AHEAD_US},
        {take_ahead, 12, 40, 1, true, 0},
        {take_ahead, 11, 1, 1, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t least = rows[i].gathers_us, shortest = INT64_MAX;
        int64_t enough = least > 0 ? GATHERS_MAX_US : DIRECT_US;
        for (unsigned try = 0; try < TRIES && shortest >= enough; try++) {
            int64_t us = second_turn_us(&rows[i]);
            shortest = us < shortest ? us : shortest;
        }
        if (shortest >= enough || shortest < least)
            fail_msg("row %zu: it waited %lld us", i, (long long)shortest);
    }
}

static void what_is_not_taken_stays_counted(void **state)
{
    struct store_batch b;
    (void)state;
    hand_in(3, 100);
    assert_true(store_queue_take(&queue, &b, 200, 60000));
    assert_int_equal(b.notifications, 200);
    assert_int_equal(queue.put_notifications, 100);
    assert_int_equal(take(), 1);
}

/* ------------------------------------------------------------------ a second thread that helps */

static void help_is_for_much_that_waits_while_the_committer_is_at_work(void **state)
{
    static const struct {
        size_t notifications; /* of each of two puts */
        bool is_committing, stopping;
        size_t taken;
    } rows[] = {
        {100, true, false, 2},
        {99, true, false, 0},
        {100, false, false, 0},
        {100, true, true, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_batch b;
        hand_in(2, rows[i].notifications);
        queue.is_committing = rows[i].is_committing;
        queue.stopping = rows[i].stopping;
        bool going_on = store_queue_help(&queue, &b, BATCH_MAX, 1);
        if (count(b.puts) != rows[i].taken || going_on == rows[i].stopping)
            fail_msg("row %zu: %zu taken, going on: %d", i, count(b.puts), going_on);
        assert_int_equal(rows[i].taken > 0 ? 0 : take(), 2 - rows[i].taken);
        queue.stopping = false;
    }
}

static void *help_in_thread(void *arg)
{
    struct store_batch b;
    (void)store_queue_help(&queue, &b, BATCH_MAX, 60000);
    *(size_t *)arg = count(b.puts);
    return NULL;
}

static void hand_in_much(void)
{
    hand_in(2, 100);
}

/* The committer takes one batch of what waits, and goes to work on that. */
static void leave_much(void)
{
    struct store_batch b;
    assert_true(store_queue_take(&queue, &b, 100, 1));
    assert_int_equal(count(b.puts), 1);
}

static void stop(void)
{
    store_queue_stop(&queue);
}

static void whoever_helps_is_woken(void **state)
{
    static const struct {
        void (*wakes)(void);
        bool is_committing;
        size_t waiting, taken; /* puts of 100 */
    } rows[] = {{hand_in_much, true, 0, 2}, {leave_much, false, 3, 2}, {stop, true, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct timespec pause = {.tv_nsec = 1000000};
        pthread_t thread;
        size_t taken = 0;
        int64_t from = now_us();
        queue.is_committing = rows[i].is_committing;
        hand_in(rows[i].waiting, 100);
        assert_int_equal(pthread_create(&thread, NULL, help_in_thread, &taken), 0);
        for (bool waits = false; !waits;) {
            pthread_mutex_lock(&queue.lock);
            waits = queue.helper_waits;
            pthread_mutex_unlock(&queue.lock);
            nanosleep(&pause, NULL);
        }
        rows[i].wakes();
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(taken, rows[i].taken);
        assert_false(queue.helper_waits);
        if (now_us() - from > 30000000)
            fail_msg("row %zu: nobody woke it", i);
    }
}

/* ------------------------------------------------------------------ what is logged */

static void what_is_logged_is_due_when_it_is_much_old_or_the_last(void **state)
{
    enum { NOW = 1000000 };
    static const struct {
        size_t notifications;
        int64_t oldest_ms, newest_ms; /* ago */
        bool unusable, stopping, is_read;
        int64_t put_off_ms, in_ms; /* in_ms 0: it is due */
    } rows[] = {
        {1, 0, 0, false, false, false, 0, AHEAD_QUIET_MS},
        {AHEAD_ENTER_AT - 1, 3, 3, false, false, false, 0, AHEAD_QUIET_MS - 3},
        {AHEAD_ENTER_AT, 0, 0, false, false, false, 0, 0},
        {1, AHEAD_QUIET_MS, AHEAD_QUIET_MS, false, false, false, 0, 0},
        {1, AHEAD_ENTER_AFTER_MS - 1, 0, false, false, false, 0, 1},
        {1, AHEAD_ENTER_AFTER_MS, 0, false, false, false, 0, 0},
        {1, 0, 0, true, false, false, 0, 0},
        {1, 0, 0, false, true, false, 0, 0},
        {1, 0, 0, false, false, true, 0, 0},
        {AHEAD_ENTER_AT, 500, 0, true, true, true, 50, 50},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_logged l = {.logged_boot_ms = NOW - rows[i].oldest_ms};
        struct store_ahead *a = &queue.ahead;
        int64_t in_ms = 60000;
        assert_false(store_ahead_is_due(&queue, NOW, &in_ms));
        a->first = &l;
        a->notifications = rows[i].notifications;
        a->added_boot_ms = NOW - rows[i].newest_ms;
        a->usable = !rows[i].unusable;
        queue.stopping = rows[i].stopping;
        a->readers = rows[i].is_read;
        a->enter_boot_ms = NOW + rows[i].put_off_ms;
        bool is_due = store_ahead_is_due(&queue, NOW, &in_ms);
        if (is_due != (rows[i].in_ms == 0) || (!is_due && in_ms != rows[i].in_ms))
            fail_msg("row %zu: due %d, in %lld ms", i, is_due, (long long)in_ms);
        a->first = NULL;
    }
}

/* Records are taken whole. */
static void of_what_is_logged_one_transaction_takes_a_bounded_part(void **state)
{
    static const struct {
        size_t each, taken;
    } rows[] = {{1, 12}, {1000, 8}, {999, 9}, {2000, 4}, {AHEAD_ENTER_MAX, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_logged *first = NULL;
        struct store_batch b;
        for (size_t k = 0; k < 12; k++) {
            struct store_logged *l = mem_alloc(sizeof *l);
            l->notifications = rows[i].each;
            l->next = first;
            first = l;
        }
        queue.ahead.first = first;
        queue.ahead.notifications = 12 * rows[i].each;
        assert_true(store_queue_take(&queue, &b, 10, 60000));
        assert_ptr_equal(b.logged, first);
        assert_int_equal(b.logged_count, rows[i].taken);
        assert_int_equal(b.notifications, rows[i].taken * rows[i].each);
        for (struct store_logged *next; first != NULL; first = next) {
            next = first->next;
            store_logged_free(&first);
        }
        queue.ahead.first = NULL;
        queue.ahead.notifications = 0;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(only_after_a_batch_of_many_a_turn_waits_for_more),
        TEST(what_is_not_taken_stays_counted),
        TEST(help_is_for_much_that_waits_while_the_committer_is_at_work),
        TEST(whoever_helps_is_woken),
        TEST(what_is_logged_is_due_when_it_is_much_old_or_the_last),
        TEST(of_what_is_logged_one_transaction_takes_a_bounded_part),
    };
    return cmocka_run_group_tests_name("store queue", tests, NULL, NULL);
}
