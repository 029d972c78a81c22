#define _GNU_SOURCE
/*
 * Messages that are acknowledged ahead of the committer: when they are, that no crash loses them,
 * and that the store does without the log where it can't have one.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../receiver/store/sqlite_int.h"
#include "sqlite_look.h"
#include "store_admin.h"
#include "store_fixture.h"
#include "timeutil.h"

enum { FAR_MS = 3600 * 1000 };

/* ------------------------------------------------------------------ a log that can't be synced */

static atomic_bool log_fails, fills_slowly;
static atomic_uint folders_synced;

int fsync(int fd) /* instead of the C library's */
{
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        atomic_fetch_add(&folders_synced, 1);
    while (atomic_load(&fills_slowly))
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) /* instead of the C library's */
{
    char link[64], path[700] = "";
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0 && atomic_load(&log_fails) && strstr(path, "-intake") != NULL) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* ------------------------------------------------------------------ helpers */

static struct store_queue *queue_of(const struct fixture *f)
{
    return &((struct sqlite_store *)(void *)f->store)->queue;
}

static const char *beside(const struct fixture *f, const char *suffix)
{
    static char slots[4][600];
    static unsigned next;
    char *slot = slots[next++ % 4];
    (void)snprintf(slot, sizeof slots[0], "%s%s", fixture_path(f), suffix);
    return slot;
}

static bool has_log(const struct fixture *f)
{
    return access(beside(f, "-intake"), F_OK) == 0;
}

static void pause_a_little(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;                                      \
        while (!(condition)) {                                                                     \
            if (time_boot_ms() > give_up)                                                          \
                fail_msg("waited in vain for " #condition);                                        \
            pause_a_little();                                                                      \
        }                                                                                          \
    } while (false)

static bool is_usable(const struct fixture *f)
{
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    bool usable = q->ahead.usable;
    pthread_mutex_unlock(&q->lock);
    return usable;
}

static size_t logged(const struct fixture *f)
{
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    size_t n = q->ahead.notifications;
    pthread_mutex_unlock(&q->lock);
    return n;
}

/* From how many puts that wait on they go ahead. */
static void set_crowd(const struct fixture *f, size_t crowd)
{
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    q->ahead.crowd = crowd;
    pthread_mutex_unlock(&q->lock);
}

/* Each put goes ahead from here on; member n is the first that does. */
static void go_ahead(struct fixture *f, unsigned n, unsigned campaign)
{
    struct store_item item = member_item(n, campaign);
    struct pending gate, p;
    set_crowd(f, 1);
    gate_shut(f, &gate);
    pending_init(&p, f->org, &item, 1);
    pending_start(f, &p);
    pending_wait(&p);
    assert_int_equal(p.put.result, ERR_NONE);
    pending_release(&p);
    gate_open(&gate);
    assert_true(is_usable(f));
}

/* What is acknowledged stays in the log. */
static void hold_back(const struct fixture *f)
{
    store_ahead_put_off(queue_of(f), FAR_MS);
}

static void copy_file(const char *from, const char *to)
{
    static char buffer[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, in)) > 0;)
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* What a crash would leave now, as another store's files. */
static void copy_all(const struct fixture *f, struct fixture *out)
{
    static const char *const suffixes[] = {"", "-wal", "-intake"};
    *out = *f;
    out->store = NULL;
    (void)snprintf(out->url, sizeof out->url, "sqlite:%s", beside(f, "2"));
    out->options.url = out->url;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char to[600];
        (void)snprintf(to, sizeof to, "%s%s", fixture_path(out), suffixes[i]);
        copy_file(beside(f, suffixes[i]), to);
    }
}

static int64_t rows_in(const struct fixture *f)
{
    return sqlite_number(fixture_path(f), "SELECT count(*) FROM notification");
}

/* ------------------------------------------------------------------ when */

static void while_the_committer_is_at_work_messages_are_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct store_item items[3] = {member_item(1, 1), member_item(2, 1), member_item(3, 2)};
    struct pending gate, p;
    gate_shut(f, &gate);
    pending_init(&p, f->org, items, 3);
    pending_start(f, &p);
    pending_wait(&p); /* the committer still stands at the gate */
    assert_int_equal(p.put.result, ERR_NONE);
    assert_int_equal(p.put.stored, 3);
    pending_release(&p);
    assert_int_equal(rows_in(f), 0);
    assert_int_equal(logged(f), 3);
    gate_open(&gate);
    WAIT_FOR(rows_in(f) == 3);
    expect_counts(f, 3, 0, 0, 0);
    assert_int_equal(drain(f), 3);
    sqlite_expect_sound(fixture_path(f));
}

static bool is_committing(const struct fixture *f)
{
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    bool committing = q->is_committing;
    pthread_mutex_unlock(&q->lock);
    return committing;
}

static void few_messages_enter_directly(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 1; n <= 20; n++) {
        WAIT_FOR(!is_committing(f));
        put_member(f, n, n);
        assert_int_equal(rows_in(f), n);
    }
    assert_false(has_log(f));
}

/* The answer to an admin's document says what was known. */
static void who_wants_to_know_what_was_known_waits_for_the_database(void **state)
{
    struct fixture *f = *state;
    struct store_item items[2] = {member_item(1, 1), member_item(2, 1)};
    struct pending p;
    go_ahead(f, 1, 1);
    pending_init(&p, f->org, items, 2);
    p.put.wants_counts = true;
    pending_start(f, &p);
    pending_wait(&p);
    assert_int_equal(p.put.stored + p.put.duplicates, 2);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 2);
    pending_release(&p);
    pending_init(&p, f->org, items, 2);
    p.put.wants_counts = true;
    pending_start(f, &p);
    pending_wait(&p);
    assert_int_equal(p.put.duplicates, 2);
    pending_release(&p);
}

/* A known one is seen later than its Ack leaves; it makes work again, and is counted. */
static void a_known_id_makes_work_again(void **state)
{
    struct fixture *f = *state;
    uint64_t before = metric_value(metric_series(METRIC_NOTIFICATIONS_DUPLICATE, f->org));
    put_member(f, 1, 1);
    assert_int_equal(drain(f), 1);
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    expect_counts(f, 1, 0, 0, 0);
    assert_int_equal(metric_value(metric_series(METRIC_NOTIFICATIONS_DUPLICATE, f->org)),
                     before + 1);
    assert_int_equal(drain(f), 1);
}

/* Who looks for what was just acknowledged finds it. */
static void who_looks_on_sees_what_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    go_ahead(f, 1, 1);
    for (unsigned n = 2; n < 40; n++) {
        struct store_message found[64];
        struct store_position at = {0};
        size_t count = 0;
        bool more;
        struct store_item item = member_item(n, 1);
        assert_int_equal(put_items(f, f->org, &item, 1).result, ERR_NONE);
        struct store_filter filter = {.state = STORE_ANY};
        EXPECT_OK(store_message_walk(f->store, &filter, &at, found, 64, &count, &more, &e));
        assert_int_equal(count, n);
    }
}

/* ------------------------------------------------------------------ crashes */

static void what_was_acknowledged_survives_a_crash(void **state)
{
    struct fixture *f = *state, crashed;
    unsigned synced = atomic_load(&folders_synced);
    go_ahead(f, 1, 1);
    assert_true(atomic_load(&folders_synced) > synced); /* else its name might be lost */
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    int64_t from = wall_ms(f);
    put_members(f, 2, 299, 7);
    put_members(f, 301, 5, 8);
    assert_int_equal(rows_in(f), 1);
    expect_counts(f, 305, 0, 0, 0);
    int64_t to = wall_ms(f);
    copy_all(f, &crashed);
    fixture_open(&crashed);
    assert_int_equal(rows_in(&crashed), 305);
    expect_counts(&crashed, 305, 0, 0, 0);
    assert_false(has_log(&crashed));
    int64_t received = sqlite_number(fixture_path(&crashed),
                                     "SELECT received_at FROM notification ORDER BY id DESC");
    assert_true(received >= from && received <= to);
    sqlite_expect_sound(fixture_path(&crashed));
    assert_int_equal(drain(&crashed), 305);
    fixture_close(&crashed);
}

/* What entered is not entered again, though the file has it still. */
static void what_has_entered_enters_once(void **state)
{
    struct fixture *f = *state, crashed;
    go_ahead(f, 1, 1);
    put_members(f, 2, 50, 2);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(drain(f), 51);
    assert_true(has_log(f));
    copy_all(f, &crashed);
    fixture_open(&crashed);
    expect_counts(&crashed, 0, 0, 51, 0);
    expect_no_claim(&crashed);
    fixture_close(&crashed);
}

static void a_damaged_log_gives_what_can_be_read_and_is_kept(void **state)
{
    struct fixture *f = *state, crashed;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    for (unsigned n = 2; n <= 9; n++)
        put_members(f, n, 1, 1);
    copy_all(f, &crashed);
    char log[600];
    (void)snprintf(log, sizeof log, "%s-intake", fixture_path(&crashed));
    FILE *file = fopen(log, "rb+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096 + 500, SEEK_SET), 0);
    assert_int_equal(fwrite("damage", 1, 6, file), 6);
    assert_int_equal(fclose(file), 0);
    fixture_open(&crashed);
    int64_t rows = rows_in(&crashed);
    assert_true(rows == 7 || rows == 8);
    fixture_close(&crashed);
    char aside[620];
    (void)snprintf(aside, sizeof aside, "%s.damaged", log);
    assert_int_equal(access(aside, F_OK), 0);
}

static void an_orderly_end_leaves_no_log(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    put_members(f, 2, 500, 2);
    assert_true(has_log(f));
    fixture_close(f);
    assert_false(has_log(f));
    assert_int_equal(rows_in(f), 501);
    fixture_open(f);
    go_ahead(f, 1000, 3);
    fixture_close(f);
    assert_int_equal(rows_in(f), 502);
    fixture_open(f);
}

/* Should the database fail for good, what was acknowledged waits in the log for the next start. */
static void what_cannot_enter_stays_in_the_log(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(sqlite3_open(fixture_path(f), &other), SQLITE_OK);
    hold_back(f);
    put_members(f, 2, 10, 1);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    fixture_close(f);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_true(has_log(f));
    assert_int_equal(rows_in(f), 1);
    fixture_open(f);
    assert_int_equal(rows_in(f), 11);
}

/* The orderly end tries once more what failed a moment before. */
static void an_orderly_end_waits_for_no_retry(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_members(f, 2, 10, 1);
    fixture_close(f);
    assert_false(has_log(f));
    assert_int_equal(rows_in(f), 11);
    fixture_open(f);
}

/* ------------------------------------------------------------------ without the log */

static void where_the_log_cannot_be_made_messages_enter_directly(void **state)
{
    struct fixture *f = *state;
    struct pending gate, many[6];
    struct store_item items[6];
    assert_int_equal(mkdir(beside(f, "-intake.new"), 0700), 0);
    gate_shut(f, &gate);
    for (unsigned i = 0; i < 6; i++) {
        items[i] = member_item(1 + i, 1);
        pending_init(&many[i], f->org, &items[i], 1);
        pending_start(f, &many[i]);
    }
    gate_open(&gate);
    for (unsigned i = 0; i < 6; i++) {
        pending_wait(&many[i]);
        assert_int_equal(many[i].put.result, ERR_NONE);
        pending_release(&many[i]);
    }
    assert_int_equal(rows_in(f), 6);
    assert_false(is_usable(f));
    assert_int_equal(rmdir(beside(f, "-intake.new")), 0);
}

/* That message is not acknowledged; the next ones enter directly, and later there is a new log. */
static void a_log_that_fails_is_given_up_and_made_anew(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    hold_back(f);
    put_members(f, 2, 10, 1);
    atomic_store(&log_fails, true);
    struct store_item item = member_item(100, 1);
    assert_int_equal(put_items(f, f->org, &item, 1).result, ERR_NONE);
    assert_true(rows_in(f) >= 1); /* it entered at once */
    atomic_store(&log_fails, false);
    assert_false(is_usable(f));
    store_ahead_put_off(queue_of(f), 0);
    put_members(f, 200, 3, 1);
    WAIT_FOR(logged(f) == 0);
    WAIT_FOR(!has_log(f));
    assert_int_equal(rows_in(f), 11 + 1 + 3);
    pthread_mutex_lock(&queue_of(f)->lock);
    queue_of(f)->ahead.open_boot_ms = 0; /* a second later */
    pthread_mutex_unlock(&queue_of(f)->lock);
    go_ahead(f, 300, 2);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 16);
    assert_int_equal(drain(f), 16);
}

/* Someone removes the file: what would be written to it would be gone with the process. */
static void a_log_that_was_removed_is_given_up(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(unlink(beside(f, "-intake")), 0);
    put_members(f, 2, 3, 1);
    assert_int_equal(rows_in(f), 4);
    assert_false(is_usable(f));
}

/* Beyond what may be in memory messages enter directly. */
static void no_more_is_logged_than_may_wait(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    unsigned n = 2;
    for (; n < 2 + AHEAD_LOGGED_MAX; n += 1000)
        put_members(f, n, 1000, 1);
    assert_int_equal(logged(f), AHEAD_LOGGED_MAX);
    assert_int_equal(rows_in(f), 1);
    put_members(f, n, 10, 2);
    assert_int_equal(logged(f), AHEAD_LOGGED_MAX);
    assert_int_equal(rows_in(f), 11);
    expect_counts(f, AHEAD_LOGGED_MAX + 11, 0, 0, 0);
    store_ahead_put_off(queue_of(f), 0);
    WAIT_FOR(logged(f) == 0);
    expect_counts(f, AHEAD_LOGGED_MAX + 11, 0, 0, 0);
}

/* What was acknowledged needs its room, whatever is left; nothing more is. */
static void a_full_disk_keeps_nothing_out_that_was_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct sqlite_store *s = (struct sqlite_store *)(void *)f->store;
    struct store_item item = member_item(100, 1);
    struct pending p;
    struct error e;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_members(f, 2, 10, 1);
    pthread_mutex_lock(&s->look_lock);
    s->space_low = true;
    s->looked_boot_ms = time_boot_ms() + FAR_MS; /* it stays so */
    pthread_mutex_unlock(&s->look_lock);
    pending_init(&p, f->org, &item, 1);
    enum err err = store_put(f->store, &p.put, &e);
    if (err == ERR_NONE) {
        pending_wait(&p);
        err = p.put.result;
    }
    assert_int_equal(err, ERR_FULL);
    pending_release(&p);
    store_ahead_put_off(queue_of(f), 0);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 11);
}

/* … and while it does not enter, no more is taken, which readiness tells. */
static void while_nothing_enters_for_long_messages_are_refused(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_members(f, 2, 10, 1);
    EXPECT_OK(store_probe(f->store, &e));
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    q->ahead.first->logged_boot_ms -= STORE_PUT_WAIT_MAX_MS;
    pthread_mutex_unlock(&q->lock);
    EXPECT_ERR(store_probe(f->store, &e), ERR_BUSY);
    struct store_item item = member_item(100, 1);
    struct pending p;
    pending_init(&p, f->org, &item, 1);
    EXPECT_ERR(store_put(f->store, &p.put, &e), ERR_BUSY);
    pending_release(&p);
    store_ahead_put_off(q, 0);
    WAIT_FOR(logged(f) == 0);
    put_member(f, 100, 1);
}

static void refuse_member(const struct fixture *f, unsigned n)
{
    char text[200];
    (void)snprintf(text, sizeof text,
                   "CREATE TRIGGER no BEFORE INSERT ON notification WHEN NEW.record_id = '%s' "
                   "BEGIN SELECT RAISE(ABORT, 'no'); END",
                   member_id(n));
    sqlite_change(fixture_path(f), text);
}

/* An acknowledged message that the database refuses is kept for people. */
static void what_the_database_refuses_is_put_aside(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_member(f, 2, 1);
    put_member(f, 3, 1);
    refuse_member(f, 2);
    store_ahead_put_off(queue_of(f), 0);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 2);
    WAIT_FOR(!has_log(f)); /* at once, before its place is written over */
    assert_int_equal(access(beside(f, "-intake.damaged"), F_OK), 0);
    go_ahead(f, 10, 1);
    WAIT_FOR(logged(f) == 0);
    sqlite_change(fixture_path(f), "DROP TRIGGER no");
    fixture_close(f);
    assert_false(has_log(f));
    assert_int_not_equal(access(beside(f, "-intake.damaged.1"), F_OK), 0);
    fixture_open(f);
}

/* … also when it is met at the start. */
static void what_the_database_refuses_at_the_start_is_put_aside(void **state)
{
    struct fixture *f = *state, crashed;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    refuse_member(f, 3);
    hold_back(f);
    put_members(f, 2, 3, 1);
    put_member(f, 5, 1);
    copy_all(f, &crashed);
    fixture_open(&crashed);
    assert_int_equal(rows_in(&crashed), 2); /* the message of three is kept out as one */
    assert_false(has_log(&crashed));
    fixture_close(&crashed);
    char aside[650];
    (void)snprintf(aside, sizeof aside, "%s-intake.damaged", fixture_path(&crashed));
    assert_int_equal(access(aside, F_OK), 0);
    sqlite_change(fixture_path(f), "DROP TRIGGER no");
}

/* Given back by a log that fails, it was not acknowledged, and is not if the database refuses it. */
static void what_is_given_back_and_refused_is_not_acknowledged(void **state)
{
    struct fixture *f = *state;
    struct store_item item = member_item(2, 1);
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    refuse_member(f, 2);
    atomic_store(&log_fails, true);
    assert_int_equal(put_items(f, f->org, &item, 1).result, ERR_INVALID);
    atomic_store(&log_fails, false);
    assert_int_equal(rows_in(f), 1);
    WAIT_FOR(!has_log(f));
    assert_int_not_equal(access(beside(f, "-intake.damaged"), F_OK), 0);
}

/* What is to be forgotten must not stay in the log either. */
static void what_is_forgotten_goes_from_the_log(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_forgotten forgotten;
    go_ahead(f, 1, 1);
    put_members(f, 2, 20, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(drain(f), 21);
    assert_true(has_log(f));
    EXPECT_OK(store_forget(f->store, f->org, member_id(5), "", false, &forgotten, &e));
    assert_int_equal(forgotten.messages, 1);
    WAIT_FOR(!has_log(f));
    go_ahead(f, 100, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(drain(f), 1);
    /* also where the tables have nothing of it any more */
    EXPECT_OK(store_forget(f->store, f->org, member_id(5), "", true, &forgotten, &e));
    assert_true(has_log(f));
    EXPECT_OK(store_forget(f->store, f->org, member_id(5), "", false, &forgotten, &e));
    assert_int_equal(forgotten.messages, 0);
    WAIT_FOR(!has_log(f));
}

/* While it has yet to enter it can't be forgotten; the file stays, and no other is made. */
static void what_has_yet_to_enter_is_not_forgotten(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store_forgotten forgotten;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    hold_back(f);
    put_members(f, 2, 5, 1);
    EXPECT_ERR(store_forget(f->store, f->org, member_id(3), "", false, &forgotten, &e), ERR_BUSY);
    store_ahead_reset(queue_of(f));
    struct pending gate;
    struct store_item item = member_item(100, 1);
    struct pending p;
    gate_shut(f, &gate);
    pending_init(&p, f->org, &item, 1);
    pending_start(f, &p);
    for (int i = 0; i < 20; i++)
        pause_a_little(); /* in which a log would be made */
    assert_false(is_usable(f));
    assert_true(has_log(f));
    gate_open(&gate);
    pending_wait(&p);
    pending_release(&p);
    store_ahead_put_off(queue_of(f), 0);
    WAIT_FOR(!has_log(f));
    assert_int_equal(rows_in(f), 7);
}

/* A forget while the file is being made: it is removed, and made anew when it is needed. */
static void a_log_that_is_not_wanted_any_more_as_it_is_made_is_removed(void **state)
{
    struct fixture *f = *state;
    struct pending gate, many[2];
    struct store_item items[2] = {member_item(1, 1), member_item(2, 1)};
    atomic_store(&fills_slowly, true);
    set_crowd(f, 1);
    gate_shut(f, &gate);
    pending_init(&many[0], f->org, &items[0], 1);
    pending_start(f, &many[0]);
    WAIT_FOR(access(beside(f, "-intake.new"), F_OK) == 0);
    store_ahead_reset(queue_of(f));
    atomic_store(&fills_slowly, false);
    gate_open(&gate);
    pending_wait(&many[0]);
    pending_release(&many[0]);
    WAIT_FOR(!has_log(f) && access(beside(f, "-intake.new"), F_OK) != 0);
    assert_false(is_usable(f));
    go_ahead(f, 2, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 2);
}

/* What people had is not in the file for ever. */
static void a_log_that_is_not_needed_for_a_while_is_removed(void **state)
{
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    WAIT_FOR(logged(f) == 0);
    assert_true(has_log(f));
    struct store_queue *q = queue_of(f);
    pthread_mutex_lock(&q->lock);
    q->ahead.added_boot_ms -= AHEAD_IDLE_MS;
    pthread_cond_signal(&q->ahead.work);
    pthread_mutex_unlock(&q->lock);
    WAIT_FOR(!has_log(f));
    go_ahead(f, 2, 1);
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 2);
}

/* ------------------------------------------------------------------ many at once */

enum { SENDERS = 8, ROUNDS = 120, ITEMS = 5, SENT = SENDERS * ROUNDS * ITEMS };

struct sender {
    struct fixture *f;
    unsigned first;
    pthread_t thread;
};

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct store_item items[ITEMS];
        unsigned n = s->first + round * ITEMS;
        for (unsigned i = 0; i < ITEMS; i++)
            items[i] = member_item(n + i, 1 + (n + i) % 40);
        if (put_items(s->f, s->f->org, items, ITEMS).result != ERR_NONE)
            abort();
    }
    return NULL;
}

/* Senders and a worker at once: each notification is worked on, and none is in two states. */
static void nothing_is_lost_between_senders_and_a_worker(void **state)
{
    struct fixture *f = *state;
    struct sender senders[SENDERS];
    size_t worked = 0;
    go_ahead(f, SENT + 1, 1);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.f = f, .first = 1 + i * ROUNDS * ITEMS};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    for (int64_t give_up = time_boot_ms() + PATIENCE_S * 1000; worked < SENT + 1;) {
        worked += drain(f);
        assert_true(time_boot_ms() < give_up);
        pause_a_little();
    }
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
    assert_int_equal(worked, SENT + 1);
    expect_counts(f, 0, 0, SENT + 1, 0);
    sqlite_expect_sound(fixture_path(f));
}

/* Several times round the file. */
static void more_than_the_file_holds(void **state)
{
    enum { PUTS = 160, EACH = 1000 };
    struct fixture *f = *state;
    go_ahead(f, 1, 1);
    for (unsigned i = 0; i < PUTS; i++) {
        struct store_item *items = calloc(EACH, sizeof *items);
        assert_non_null(items);
        for (unsigned k = 0; k < EACH; k++)
            items[k] = member_item(2 + i * EACH + k, 1 + i);
        assert_int_equal(put_items(f, f->org, items, EACH).result, ERR_NONE);
        free(items);
    }
    WAIT_FOR(logged(f) == 0);
    assert_int_equal(rows_in(f), 1 + PUTS * EACH);
    struct stat st;
    assert_int_equal(stat(beside(f, "-intake"), &st), 0);
    assert_true(st.st_size < 9 << 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(while_the_committer_is_at_work_messages_are_acknowledged),
        TEST(few_messages_enter_directly),
        TEST(who_wants_to_know_what_was_known_waits_for_the_database),
        TEST(a_known_id_makes_work_again),
        TEST(who_looks_on_sees_what_was_acknowledged),
        TEST(what_was_acknowledged_survives_a_crash),
        TEST(what_has_entered_enters_once),
        TEST(a_damaged_log_gives_what_can_be_read_and_is_kept),
        TEST(an_orderly_end_leaves_no_log),
        TEST(what_cannot_enter_stays_in_the_log),
        TEST(an_orderly_end_waits_for_no_retry),
        TEST(where_the_log_cannot_be_made_messages_enter_directly),
        TEST(a_log_that_fails_is_given_up_and_made_anew),
        TEST(a_log_that_was_removed_is_given_up),
        TEST(no_more_is_logged_than_may_wait),
        TEST(a_full_disk_keeps_nothing_out_that_was_acknowledged),
        TEST(while_nothing_enters_for_long_messages_are_refused),
        TEST(what_the_database_refuses_is_put_aside),
        TEST(what_the_database_refuses_at_the_start_is_put_aside),
        TEST(what_is_given_back_and_refused_is_not_acknowledged),
        TEST(what_is_forgotten_goes_from_the_log),
        TEST(what_has_yet_to_enter_is_not_forgotten),
        TEST(a_log_that_is_not_wanted_any_more_as_it_is_made_is_removed),
        TEST(a_log_that_is_not_needed_for_a_while_is_removed),
        TEST(nothing_is_lost_between_senders_and_a_worker),
        TEST(more_than_the_file_holds),
    };
    (void)unsetenv("TP_STORE_URL"); /* for SQLite alone */
    fixture_may_go_ahead = true;
    return cmocka_run_group_tests_name("store sqlite ahead", tests, NULL, NULL);
}
