/*
 * store_fixture - what the store's tests share: a store of their own, short forms of its calls, and
 * a put whose `done` blocks
 *
 * The store is SQLite in a temporary folder, or what TP_STORE_URL names; "{}" in that is replaced
 * by a number that no other test has, so that each begins with an empty store
 * (postgresql://host/test?options=-csearch_path%3Dtest_{}). Every failure ends the test (cmocka's
 * fail). Waits are for conditions, 30 s at most. Time is moved, never waited for.
 */
#ifndef TP_TEST_STORE_FIXTURE_H
#define TP_TEST_STORE_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

#define SECOND_MS  INT64_C(1000)
#define MINUTE_MS  INT64_C(60000)
#define HOUR_MS    INT64_C(3600000)
#define DAY_MS     INT64_C(86400000)
#define LEASE_MS   (2 * MINUTE_MS)
#define ECHO_MS    (15 * MINUTE_MS)
#define PATIENCE_S 30

struct fixture {
    struct store *store;
    struct store_options options;
    char url[700];
    char *dir; /* NULL: TP_STORE_URL was given */
    char org[SFID_SIZE];
};

/* cmocka's setup and teardown; *state is the fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_reopen(struct fixture *f);
bool fixture_is_sqlite(const struct fixture *f);
/* "dir/queue.db": for the tests of SQLite. */
const char *fixture_path(const struct fixture *f);
/* Moves both clocks, so that nothing leaps. */
void shift(struct fixture *f, int64_t ms);

/* ------------------------------------------------------------------ ids */

/* An 18-character id; static until the 256th next call of the thread. */
const char *id_of(const char *prefix, unsigned n);
const char *org_id(unsigned n);
const char *campaign_id(unsigned n);
const char *member_id(unsigned n);

/* ------------------------------------------------------------------ putting in */

/* Member n of that campaign (0: not told), under the notification id n. */
struct store_item member_item(unsigned n, unsigned campaign);

struct put_result {
    enum err result;
    size_t stored, duplicates;
};
/* Puts and waits until it is done. */
struct put_result put_items(struct fixture *f, const char *org, const struct store_item *items,
                            size_t count);
/* The fixture's org; fails unless so many of them were stored. */
void expect_put(struct fixture *f, const struct store_item *items, size_t count, size_t stored);
/* The same; fails unless all were new. */
void put_member(struct fixture *f, unsigned n, unsigned campaign);
/* Members from … from + count - 1, in one request. */
void put_members(struct fixture *f, unsigned from, unsigned count, unsigned campaign);
/* The same again; fails unless it was known. */
void resend_member(struct fixture *f, unsigned n, unsigned campaign);

/* False, as at first: every put waits until it has entered the database, and says what was known.
 * True: it may be acknowledged ahead (sqlite_ahead.c). */
extern bool fixture_may_go_ahead;

/* A put that is not waited for at once. */
struct pending {
    struct store_put put;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done_count;
    bool blocks, opened; /* its `done` waits for pending_open */
};
void pending_init(struct pending *p, const char *org, const struct store_item *items, size_t count);
void pending_release(struct pending *p);
void pending_start(struct fixture *f, struct pending *p);
void pending_wait(struct pending *p);
int pending_done_count(struct pending *p);

/* Holds up the store's thread: an empty put whose `done` blocks. Returns when it does. */
void gate_shut(struct fixture *f, struct pending *gate);
void gate_open(struct pending *gate); /* and releases it */

/* ------------------------------------------------------------------ claiming and settling */

struct store_claim *claim_any(struct fixture *f);  /* NULL: none */
struct store_claim *claim_some(struct fixture *f); /* fails if there is none */
struct store_claim *claim_on(struct fixture *f, unsigned campaign, size_t count);
void expect_no_claim(struct fixture *f);
/* The claim's hint i is of that member. */
void expect_record(const struct store_claim *c, size_t i, unsigned member);

/* Settles with the same outcome for all hints and gives the lease and the claim up. */
void settle_all(struct fixture *f, struct store_claim **c, struct store_outcome outcome);
void settle_applied(struct fixture *f, struct store_claim **c);
void settle_failed(struct fixture *f, struct store_claim **c);
void settle_retry(struct fixture *f, struct store_claim **c, int64_t in_ms);
/* Hints only, the lease is kept. */
void add_hints(struct fixture *f, struct store_claim *c, const struct store_new_hint *h, size_t n);
/* A whole pass that ended well; returns how many calls it took. */
unsigned settle_whole(struct fixture *f, struct store_claim **c);
/* Forgets the claim, as a worker that died does. */
void lose(struct store_claim **c);
/* Claims and settles as applied until nothing is left to claim; returns the number of hints. */
size_t drain(struct fixture *f);

/* ------------------------------------------------------------------ looking on */

struct store_org_stats stats_of(struct fixture *f, const char *org);
/* Of the fixture's org. */
void expect_counts(struct fixture *f, int64_t ready, int64_t leased, int64_t done, int64_t failed);

int64_t wall_ms(struct fixture *f); /* the store's */

/* Fails with the error's text unless err is want. */
void expect_err(enum err err, enum err want, const struct error *e, const char *file, int line);
#define EXPECT_OK(call)         expect_err((call), ERR_NONE, &e, __FILE__, __LINE__)
#define EXPECT_ERR(call, want_) expect_err((call), (want_), &e, __FILE__, __LINE__)

#endif
