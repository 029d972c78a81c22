/*
 * queue_ahead - the part of a committer's queue by which a second thread acknowledges ahead of it
 * (struct store_ahead in store_int.h)
 *
 * Times:     milliseconds of the boot clock.
 * Threads:   any, but where it says whose side; all take the queue's lock, but for those that want
 *            it held.
 * Ownership: puts are whose turn they came with until they are answered or given back; what is
 *            logged is the queue's from store_ahead_logged until store_ahead_entered.
 */
#ifndef TP_QUEUE_AHEAD_H
#define TP_QUEUE_AHEAD_H

#include "store_int.h"

enum {
    AHEAD_CROWD = 4, /* puts that wait … */
    AHEAD_CROWD_NOTIFICATIONS = 200,
    AHEAD_WAIT_MS = 1,         /* … or one for so long, while the committer is at work */
    AHEAD_BATCH_MAX = 2000,    /* notifications in a record of the log */
    AHEAD_ENTER_AT = 4000,     /* so many that are logged enter at once, … */
    AHEAD_ENTER_AFTER_MS = 50, /* … fewer when the oldest has waited so long … */
    AHEAD_QUIET_MS = 10,       /* … or none was added for so long */
    AHEAD_ENTER_MAX = 8000,    /* about so many do so in one transaction, to which each campaign
                                  costs a page, however many of its rows there are */
    AHEAD_LOGGED_MAX = 20000,  /* notifications that have yet to enter; then puts wait */
    AHEAD_READER_WAITS_MS = 1000,
    AHEAD_IDLE_MS = 60 * 1000, /* a log that was not written to for so long is removed */
};

enum store_ahead_turn { AHEAD_LOG, AHEAD_OPEN, AHEAD_RESET, AHEAD_STOP };

void store_ahead_init(struct store_ahead *a);
void store_ahead_release(struct store_ahead *a);
/* Under the lock: whether the puts that wait are the other thread's … */
bool store_ahead_takes(const struct store_queue *q, int64_t now_boot_ms);
/* … and whether what is logged is the committer's now. *in_ms: when it will be, if that is
 * sooner. */
bool store_ahead_is_due(const struct store_queue *q, int64_t now_boot_ms, int64_t *in_ms);

/* The thread's side. Waits for a turn: puts to be logged, a log to be made, or removed. */
enum store_ahead_turn store_ahead_wait(struct store_queue *q, struct store_put **puts);
/* A log can be written now; or it failed, is to be removed when all of it has entered, and none is
 * made before so many ms have passed; or it was removed. */
void store_ahead_opened(struct store_queue *q);
void store_ahead_failed(struct store_queue *q, int64_t retry_ms);
void store_ahead_removed(struct store_queue *q);
/* Takes `logged`, whose puts may be acknowledged now. */
void store_ahead_logged(struct store_queue *q, struct store_logged *logged);
/* The number of the last record that has entered; 0: none since the start. */
int64_t store_ahead_last_entered(struct store_queue *q);
/* The puts that this thread has (at least one) are the committer's after all. */
void store_ahead_give_back(struct store_queue *q, struct store_put *puts);
void store_ahead_ended(struct store_queue *q);

/* The committer's side: the first `count` have entered; or have not, and are tried again later. */
void store_ahead_entered(struct store_queue *q, size_t count);
void store_ahead_put_off(struct store_queue *q, int64_t ms);
/* The log holds what is to be forgotten: its file goes when all of it has entered. */
void store_ahead_reset(struct store_queue *q);

void store_logged_free(struct store_logged **l);
/* Adds the records later than `logged` to `ready`, and orgs that are not there, up to max. False:
 * some of them have entered and are not here any more. */
bool store_ahead_count(struct store_queue *q, int64_t logged, struct store_org_stats *out,
                       size_t max, size_t *count);
/* Waits until all that is logged now has entered; false: it has not after AHEAD_READER_WAITS_MS. */
bool store_ahead_catch_up(struct store_queue *q);

#endif
