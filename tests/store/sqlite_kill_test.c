#define _GNU_SOURCE
/*
 * kill -9: a child process uses the store and tells through a pipe what the store told it; the
 * parent kills it at some moment and looks whether all that was told is in the file.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../receiver/store/sqlite_int.h"
#include "sqlite_look.h"
#include "store_fixture.h"

enum { ROUNDS = 10, IN_FLIGHT = 8, NUMBERS_MAX = 20000, ITEMS = 3 };

struct child {
    pid_t pid;
    int pipe; /* the end to read */
};

/* Runs body in a child, with the store of f, which the parent has closed. */
static struct child start_child(struct fixture *f, void (*body)(struct fixture *f, int out))
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)fflush(NULL);
    struct child c = {.pid = fork(), .pipe = ends[0]};
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        (void)close(ends[0]);
        fixture_open(f);
        body(f, ends[1]);
        _exit(0);
    }
    (void)close(ends[1]);
    return c;
}

/* A number is written at once or not at all. */
static void tell(int out, unsigned number)
{
    if (write(out, &number, sizeof number) != sizeof number)
        _exit(1);
}

/* Kills the child after it told so many numbers; returns all that it told. */
static size_t kill_after(struct child *c, size_t count, unsigned *numbers)
{
    size_t n = 0;
    while (read(c->pipe, &numbers[n], sizeof numbers[n]) == sizeof numbers[n]) {
        if (++n == count)
            assert_int_equal(kill(c->pid, SIGKILL), 0);
        assert_true(n < NUMBERS_MAX);
    }
    int status = 0;
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the child ended by itself (%d) after %zu numbers", status, n);
    (void)close(c->pipe);
    return n;
}

static unsigned draw(unsigned below)
{
    static uint32_t random = 88675123u;
    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    return random % below;
}

/* ------------------------------------------------------------------ puts */

/* One of several puts that are under way at any time. */
struct lane {
    struct pending pending;
    struct store_item items[ITEMS];
    unsigned number;
    int out;
    void (*then)(struct store_put *p);
};

static void tell_done(struct store_put *p)
{
    struct lane *l = (struct lane *)p->owner;
    if (p->result == ERR_NONE)
        tell(l->out, l->number);
    l->then(p);
}

static struct store_item numbered_item(unsigned number, unsigned i)
{
    return member_item(number * ITEMS + i, 1 + number % 50);
}

/* How many puts that wait go ahead of the committer. */
static size_t crowd = AHEAD_CROWD;

static void put_for_ever(struct fixture *f, int out)
{
    ((struct sqlite_store *)(void *)f->store)->queue.ahead.crowd = crowd; /* before the first put */
    fixture_may_go_ahead = true; /* in this process, the child */
    static struct lane lanes[IN_FLIGHT];
    static unsigned first; /* rounds go on where the last one may have come to */
    first = (unsigned)sqlite_number(fixture_path(f), "SELECT count(*) FROM notification") + 1;
    for (unsigned number = first;; number++) {
        struct lane *l = &lanes[number % IN_FLIGHT];
        if (l->then != NULL) {
            pending_wait(&l->pending);
            pending_release(&l->pending);
        }
        for (unsigned i = 0; i < ITEMS; i++)
            l->items[i] = numbered_item(number, i);
        pending_init(&l->pending, f->org, l->items, ITEMS);
        l->then = l->pending.put.done;
        l->pending.put.done = tell_done;
        l->pending.put.owner = &l->pending; /* which begins the lane */
        l->number = number;
        l->out = out;
        pending_start(f, &l->pending);
    }
}

static void survives_the_kill(void **state)
{
    static unsigned numbers[NUMBERS_MAX];
    struct fixture *f = *state;
    size_t told = 0;
    fixture_close(f);
    for (int round = 0; round < ROUNDS; round++) {
        struct child c = start_child(f, put_for_ever);
        size_t before = told;
        told += kill_after(&c, 1 + draw(150), numbers + told);
        assert_true(told > before);
        fixture_open(f); /* recovers, and finds the lock free */
        sqlite_expect_sound(fixture_path(f));
        for (size_t i = 0; i < told; i++) {
            struct store_item items[ITEMS];
            for (unsigned k = 0; k < ITEMS; k++)
                items[k] = numbered_item(numbers[i], k);
            struct put_result got = put_items(f, f->org, items, ITEMS);
            if (got.duplicates != ITEMS)
                fail_msg("round %d: number %u was told, but is not in the file", round, numbers[i]);
        }
        fixture_close(f);
    }
    fixture_open(f);
    print_message("%zu puts told in %d rounds\n", told, ROUNDS);
}

static void what_was_told_to_be_stored_survives_the_kill(void **state)
{
    survives_the_kill(state);
}

static void what_was_acknowledged_ahead_survives_the_kill(void **state)
{
    crowd = 1;
    survives_the_kill(state);
    crowd = AHEAD_CROWD;
}

/* ------------------------------------------------------------------ write marks and verdicts */

/* Each campaign: claimed, marked, told; every second one is settled with its mark set. */
static void write_for_ever(struct fixture *f, int out)
{
    struct error e = {0};
    for (unsigned number = 1;; number++) {
        put_member(f, number, number);
        struct store_claim *c = claim_on(f, number, 1);
        EXPECT_OK(store_write_begin(f->store, c, &e));
        tell(out, number);
        if (number % 2 == 0)
            settle_applied(f, &c);
        store_claim_free(&c);
    }
}

/* protocol rule 12: each of those writes may still be carried out. */
static void each_write_that_was_under_way_has_its_echo(void **state)
{
    static unsigned numbers[NUMBERS_MAX];
    struct fixture *f = *state;
    fixture_close(f);
    struct child c = start_child(f, write_for_ever);
    size_t told = kill_after(&c, 40, numbers);
    fixture_open(f);
    sqlite_expect_sound(fixture_path(f));
    shift(f, ECHO_MS);
    for (struct store_claim *claim; (claim = claim_any(f)) != NULL; settle_applied(f, &claim)) {
        for (size_t i = 0; i < told && claim->has_echo; i++) {
            if (strcmp(claim->key, campaign_id(numbers[i])) == 0)
                numbers[i] = 0;
        }
    }
    for (size_t i = 0; i < told; i++) {
        if (numbers[i] != 0)
            fail_msg("campaign %u has no echo", numbers[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_told_to_be_stored_survives_the_kill),
        TEST(what_was_acknowledged_ahead_survives_the_kill),
        TEST(each_write_that_was_under_way_has_its_echo),
    };
    (void)unsetenv("TP_STORE_URL"); /* for SQLite alone */
    return cmocka_run_group_tests_name("store sqlite kill", tests, NULL, NULL);
}
