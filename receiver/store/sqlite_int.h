/*
 * sqlite_int - what the files of the SQLite backend share
 *
 *     sqlite_open.c    open, lock, migrate, recover, check, close     sqlite_claim.c   claims
 *     sqlite_commit.c  the committer: batches, failures, checkpoints  sqlite_settle.c  outcomes
 *     sqlite_put.c     entering: notifications and hints              sqlite_hold.c    delete guard
 *     sqlite_row.c     the moves between states, lanes, tallies       sqlite_read.c    looking on
 *     sqlite_lease.c   leases and write marks                         sqlite_retain.c  upkeep
 *     sqlite_batch.c   one transaction                                sqlite_check.c   damage
 *     sqlite_quarantine.c  refused documents                          sqlite_jobs.c    admins' jobs
 *     sqlite_checkpoint.c  the WAL into the database, in steps
 *     sqlite_incoming.c    a batch as a table
 *     sqlite_ahead.c       what is acknowledged before it enters: the intake log
 *
 * One connection writes and checkpoints, in one thread, the committer: SQLite before 3.51.3 can
 * lose commits when a checkpoint of one connection races with a commit of another. All other
 * connections only read.
 */
#ifndef TP_SQLITE_INT_H
#define TP_SQLITE_INT_H

#include "buf.h"
#include "queue_ahead.h"
#include "sqlite_incoming.h"
#include "sqlite_sql.h"
#include "store_int.h"

enum {
    SQLITE_BATCH_MAX = 4000,     /* notifications in one transaction */
    SQLITE_LEASES_MAX = 1024,    /* live leases; more claims find nothing */
    SQLITE_KEY_MEMOS = 2048,     /* power of two */
    SQLITE_SLICE_MAX = 200,      /* rows that one transaction claims or settles */
    SQLITE_COUNTER_BLOCK = 4096, /* numbers reserved at once */
};

/* A number that only grows: its reserved bound is durable, so that a crash skips some and repeats
 * none. */
struct sqlite_counter {
    const char *name; /* in meta */
    int64_t value, reserved;
};

/* The deadline lives here only; fence and mark are durable too. */
struct sqlite_lease {
    char org[SFID_SIZE], key[SFID_SIZE];
    int64_t fence, watermark;
    int64_t claimed_at_ms; /* what was due then is what a whole pass may settle */
    int64_t deadline_boot_ms;
    bool in_flight;  /* the write mark */
    bool progressed; /* a write ended well: `unsettled` of its rows was cleared */
};
struct sqlite_leases {
    size_t count;
    struct sqlite_lease v[SQLITE_LEASES_MAX];
};

/* What is known of a key, so that it is not looked up for each row. */
struct sqlite_key_memo {
    char org[SFID_SIZE], key[SFID_SIZE];
    int64_t id;           /* in claim_key; 0: not known */
    int64_t due_at_ms[2]; /* its lanes, live and background, are due at least so early */
};

enum { SQLITE_STATES = 4 };
struct sqlite_tally {
    char org[SFID_SIZE];
    int64_t change[SQLITE_STATES];
};

/* A row of `notification` as its moves need it. */
struct sqlite_row {
    int64_t id;
    enum store_kind kind;
    int background;
    int64_t due_at_ms, rerun_at_ms, received_at_ms;
    int tries, unsettled;
};

struct sqlite_reader {
    pthread_mutex_t lock;
    struct sql_db db; /* under lock */
};

struct sqlite_store {
    struct store base;
    char *path;
    int lock_fd;
    struct store_queue queue;
    pthread_t committer, ahead;
    bool committer_runs, unclean;

    /* The committer's own (sqlite_open before and after its life). */
    struct sql_db db;
    struct sqlite_counter seq, fence;
    int64_t logged, log_of; /* the last record of the intake log that has entered; whose it is */
    struct sqlite_leases leases;
    struct sqlite_leases before_op, before_batch; /* to go back to */
    struct sqlite_key_memo key_memo[SQLITE_KEY_MEMOS];
    struct sqlite_incoming incoming; /* of the batch under way */
    struct sqlite_tally tally;       /* changes not yet written, of one org */
    int64_t *sync_ms;                /* received to applied, of this batch */
    size_t sync_count, sync_room;
    bool wakes;             /* this batch made something claimable, now or later */
    int64_t changes_before; /* the connection's count as the transaction began */
    int64_t clock_base_ms;  /* wall - boot at the last look */
    int64_t leapt_at_boot_ms;
    int wal_pages, wal_pages_checkpointed;
    struct sql_db pin; /* reads, so that a checkpoint goes no further (sqlite_checkpoint.c) */
    int pinned_pages;  /* wal_pages as it began to; 0: it does not */
    int writing_fd;    /* of the database, to have its pages written; -1: none */
    bool wal_holds_forgotten;
    int64_t wipe_at_boot_ms;
    bool refusing;            /* puts are refused */
    bool suspect;             /* the disk failed: what it holds is open (sqlite_commit.c) */
    int64_t retry_at_boot_ms; /* when to open a broken database again */

    struct sqlite_reader reader;  /* short reads: workers, readiness */
    struct sqlite_reader browser; /* what admins look at, which may take longer */

    /* Under look_lock. */
    pthread_mutex_t look_lock;
    int64_t looked_boot_ms;
    bool space_low, file_gone;

    pthread_t checker; /* looks the database through after an unclean stop */
    bool checker_runs;
    struct sql_db checked;
    atomic_bool damaged, checker_stop, check_passed;

    _Atomic int64_t busy_since_boot_ms;  /* the batch under way; 0: none */
    _Atomic int64_t ahead_since_boot_ms; /* likewise, the record of the intake log */
    atomic_bool keeps_log;               /* its file is not removed but put aside */
    _Atomic uint64_t inode;              /* of the file that is open */
};

/* ------------------------------------------------------------------ sqlite_open.c */
MUST_USE enum err sqlite_open_writer(struct sqlite_store *s, struct error *e);
MUST_USE enum err sqlite_open_reader(struct sqlite_store *s, struct sql_db *db, struct error *e);
MUST_USE enum err sqlite_migrate(struct sqlite_store *s, struct error *e);
/* All of a store but the committer: the caller's thread is the one that writes. */
MUST_USE enum err sqlite_open_alone(struct sqlite_store **out, const struct store_options *o,
                                    struct error *e);
void sqlite_close_alone(struct sqlite_store *s);

/* ------------------------------------------------------------------ sqlite_transfer.c */
MUST_USE enum err sqlite_export(const struct store_options *o, struct store_rows_out *out,
                                struct error *e);
MUST_USE enum err sqlite_import(const struct store_options *o, struct store_rows_in *in,
                                struct error *e);

/* ------------------------------------------------------------------ sqlite_check.c */
void sqlite_check_start(struct sqlite_store *s);
void sqlite_check_stop(struct sqlite_store *s); /* gives up a check that is under way */
/* The database is damaged: logged once, final. */
void sqlite_damaged(struct sqlite_store *s, const char *how);

/* Why puts must not be taken: damage, no file, no room. Looks at the disk each 200 ms at most. */
MUST_USE enum err sqlite_may_put(struct sqlite_store *s, struct error *e);
uint64_t sqlite_inode_of(const char *path); /* 0: there is no such file */

/* ------------------------------------------------------------------ sqlite_commit.c */
void *sqlite_committer(void *store);

/* ------------------------------------------------------------------ sqlite_ahead.c */
void *sqlite_ahead(void *store);
bool sqlite_may_go_ahead(const struct store_put *p);
/* The puts of a batch's logged records, freed by intake_payload_free; and the last number. */
struct store_put *sqlite_ahead_puts(const struct store_batch *b);
int64_t sqlite_ahead_number(const struct store_batch *b);
/* That put was acknowledged and does not enter: its record is kept for people. */
void sqlite_ahead_refused(struct sqlite_store *s, const struct store_put *p, const char *why);
/* Before and after the life of both threads. */
MUST_USE enum err sqlite_ahead_recover(struct sqlite_store *s, struct error *e);
void sqlite_ahead_close(struct sqlite_store *s);

/* ------------------------------------------------------------------ sqlite_checkpoint.c */
/* Between batches: moves a part of the WAL into the database if it is time. */
void sqlite_checkpoint(struct sqlite_store *s, bool idle);
void sqlite_wipe_wal(struct sqlite_store *s);         /* if it holds what was to be forgotten */
void sqlite_checkpoint_close(struct sqlite_store *s); /* after all connections */

/* ------------------------------------------------------------------ sqlite_batch.c */
void sqlite_submit(struct store *s, struct store_request *r);
/* On failure the connection is broken or closed, and sqlite_fail_batch gives everyone the error. */
MUST_USE enum err sqlite_run_batch(struct sqlite_store *s, struct store_batch *b, struct error *e);
void sqlite_fail_batch(struct store_batch *b, const struct error *why);
void sqlite_answer_batch(struct sqlite_store *s, struct store_batch *b);
MUST_USE enum err sqlite_begin(struct sqlite_store *s, struct error *e);
/* Ends the transaction; on failure nothing of it holds and the connection is to be opened again. */
MUST_USE enum err sqlite_commit(struct sqlite_store *s, struct error *e);
/* Undoes the transaction, in memory too. */
void sqlite_rollback(struct sqlite_store *s);
/* Begins, ends leases that are nobody's, commits. */
MUST_USE enum err sqlite_recover(struct sqlite_store *s, struct error *e);

/* ------------------------------------------------------------------ operations */

/* Run by the committer, each inside a savepoint of its own; on failure it is rolled back. */
MUST_USE enum err sqlite_put(struct sqlite_store *s, struct store_put *p, struct error *e);
/* The same for a list of them, by one statement. */
MUST_USE enum err sqlite_put_all(struct sqlite_store *s, struct store_put *puts, struct error *e);
typedef enum err sqlite_op(struct sqlite_store *s, struct store_request *r, struct error *e);
/* sqlite_claim with r->lease: more rows of that claim's campaign; *out has these only. */
sqlite_op sqlite_claim, sqlite_renew, sqlite_write_begin, sqlite_write_end, sqlite_settle;
sqlite_op sqlite_hint, sqlite_bulk_put, sqlite_bulk_end;
sqlite_op sqlite_hold_put, sqlite_hold_end, sqlite_hold_approve, sqlite_cursor_set, sqlite_retain;
sqlite_op sqlite_job_create, sqlite_job_cancel, sqlite_job_step;
sqlite_op sqlite_message_move, sqlite_forget, sqlite_pause;
/* Run by the caller's thread on the reader, under its lock … */
sqlite_op sqlite_bulk_list, sqlite_fingerprint, sqlite_hold_get, sqlite_hold_list,
    sqlite_cursor_get, sqlite_stats, sqlite_paused;
/* … or on the browser. */
sqlite_op sqlite_quarantine_walk, sqlite_quarantine_get;
sqlite_op sqlite_job_get, sqlite_job_walk, sqlite_job_items;
sqlite_op sqlite_messages, sqlite_message_get, sqlite_message_ids, sqlite_failures;
sqlite_op sqlite_ledger, sqlite_forget_find;

/* A read that looks at much ends after so many rows or so long, and tells where to go on. */
enum { SQLITE_LOOK_ROWS_MAX = 20000, SQLITE_LOOK_MS_MAX = 100 };
struct sqlite_look {
    size_t rows;
    int64_t until_boot_ms;
};
struct sqlite_look sqlite_look_start(void);
bool sqlite_look_on(struct sqlite_look *look); /* false: one more row was the last */

/* ------------------------------------------------------------------ sqlite_messages.c */
/* SQL_MESSAGE. */
void sqlite_read_message(const struct sql_query *q, struct store_message *out);
bool sqlite_message_fits(const struct sql_query *q, const struct store_filter *f);

/* ------------------------------------------------------------------ sqlite_attempts.c */
MUST_USE enum err sqlite_attempt_add(struct sqlite_store *s, int64_t row,
                                     enum store_verdict verdict, const char *code,
                                     const char *message, struct error *e);
/* Removes a row of `notification` with what was tried; counting it is the caller's. */
MUST_USE enum err sqlite_row_remove(struct sqlite_store *s, int64_t row, struct error *e);

/* ------------------------------------------------------------------ sqlite_forget.c */
MUST_USE enum err sqlite_is_paused(struct sql_db *db, const char *org, bool *paused,
                                   struct error *e);

/* ------------------------------------------------------------------ sqlite_jobs.c */
MUST_USE enum err sqlite_job_read(struct sql_db *db, int64_t id, struct store_job *out,
                                  struct error *e);
/* A step without its items. */
MUST_USE enum err sqlite_job_progress(struct sqlite_store *s, const struct store_job_step *step,
                                      enum store_job_state *now, struct error *e);
/* Removes those that ended before, with their items. */
MUST_USE enum err sqlite_job_trim(struct sqlite_store *s, int64_t before_ms, size_t *budget,
                                  struct error *e);

/* ------------------------------------------------------------------ sqlite_quarantine.c */
/* *kept false: there is no room. */
MUST_USE enum err sqlite_quarantine_put(struct sqlite_store *s, const struct store_document *d,
                                        bool *kept, struct error *e);
/* Removes what is older, and what is beyond the bounds. */
MUST_USE enum err sqlite_quarantine_trim(struct sqlite_store *s, int64_t before_ms, size_t *budget,
                                         struct error *e);

/* ------------------------------------------------------------------ sqlite_put.c */
MUST_USE enum err sqlite_add_hint(struct sqlite_store *s, const char *org,
                                  const struct store_new_hint *h, struct error *e);
/* protocol rule 12: a whole pass, after the longest time that a request may still be carried out */
MUST_USE enum err sqlite_add_echo(struct sqlite_store *s, const char *org, const char *key,
                                  struct error *e);

/* ------------------------------------------------------------------ sqlite_row.c */
MUST_USE enum err sqlite_draw(struct sqlite_store *s, struct sqlite_counter *c, int64_t *out,
                              struct error *e);
void sqlite_read_row(const struct sql_query *q, struct sqlite_row *out); /* SQL_ROW */
/* A row moved; -1: from or to nowhere. */
MUST_USE enum err sqlite_count(struct sqlite_store *s, const char *org, int from, int to,
                               struct error *e);
MUST_USE enum err sqlite_flush_tally(struct sqlite_store *s, struct error *e);
/* The number that stands for org and key in the indexes; made when it is new. */
MUST_USE enum err sqlite_claim_key(struct sqlite_store *s, const char *org, const char *key,
                                   int64_t *out, struct error *e);
/* Something of that campaign is READY with that due time. */
MUST_USE enum err sqlite_lane_lower(struct sqlite_store *s, const char *org, const char *key,
                                    int background, int64_t due_at_ms, struct error *e);
/* Sets both lanes of a campaign to what its READY rows say. *due_at_ms:
 * the earliest, or INT64_MAX. */
MUST_USE enum err sqlite_lane_refresh(struct sqlite_store *s, const char *org, const char *key,
                                      int64_t *due_at_ms, struct error *e);
void sqlite_keys_forget(struct sqlite_store *s); /* after a rollback */
/* When a row that becomes READY at due_at_ms runs, given that it may be marked to run again: at the
 * earlier time, an echo at the later one. */
int64_t sqlite_due_after(const struct sqlite_row *row, int64_t due_at_ms);
/* Moves: from LEASED to READY with row's due time, tries and unsettled … */
MUST_USE enum err sqlite_row_ready(struct sqlite_store *s, const char *org, const char *key,
                                   const struct sqlite_row *row, const char *code,
                                   const char *message, struct error *e);
/* … or from `from` to DONE or FAILED; a row marked to run again becomes READY instead (rule 2). */
MUST_USE enum err sqlite_row_end(struct sqlite_store *s, const char *org, const char *key,
                                 const struct sqlite_row *row, enum store_state from,
                                 enum store_state to, const char *code, const char *message,
                                 struct error *e);

/* Rows to be moved by one statement; {0} is none. */
struct sqlite_ids {
    struct buf json;
    size_t count; /* ≤ STORE_SLICE_MAX */
};
void sqlite_ids_add(struct sqlite_ids *ids, int64_t id);
/* Both empty ids. From READY to LEASED, a try counted … */
MUST_USE enum err sqlite_rows_take(struct sqlite_store *s, const char *org, struct sqlite_ids *ids,
                                   bool gathered, struct error *e);
/* … or from `from` to DONE: those of them that are in that state and need not run again, and that
 * belong to that campaign. *applied: how many. */
MUST_USE enum err sqlite_rows_apply(struct sqlite_store *s, const char *org, const char *key,
                                    struct sqlite_ids *ids, enum store_state from, const char *code,
                                    const char *message, size_t *applied, struct error *e);
/* Observed after the commit. */
void sqlite_note_sync(struct sqlite_store *s, int64_t received_at_ms);

/* ------------------------------------------------------------------ sqlite_slices.c */
void sqlite_claim_in_slices(struct sqlite_store *s, struct store_request *r);
void sqlite_settle_in_slices(struct sqlite_store *s, struct store_request *r);

/* ------------------------------------------------------------------ sqlite_lease.c */
struct sqlite_lease *sqlite_lease_on(struct sqlite_store *s, const char *org, const char *key);
/* The lease of a claim, if its fence still holds. */
struct sqlite_lease *sqlite_lease_of(struct sqlite_store *s, const struct store_claim *c);
enum err sqlite_stale(const struct store_claim *c, struct error *e);
MUST_USE enum err sqlite_lease_add(struct sqlite_store *s, const struct sqlite_lease *lease,
                                   struct error *e);
/* Ends it: rows still LEASED become READY, a mark becomes an echo. */
MUST_USE enum err sqlite_lease_end(struct sqlite_store *s, const struct sqlite_lease *lease,
                                   struct error *e);
MUST_USE enum err sqlite_expire_leases(struct sqlite_store *s, struct error *e);
/* After opening: ends each durable lease that this process does not know, forgets those that are
 * not durable. */
MUST_USE enum err sqlite_recover_leases(struct sqlite_store *s, struct error *e);
void sqlite_copy_leases(struct sqlite_leases *to, const struct sqlite_leases *from);

/* ------------------------------------------------------------------ sqlite_retain.c */
/* Notices a leap of the wall clock: moves the echoes along with it. Its own transaction. */
MUST_USE enum err sqlite_watch_clock(struct sqlite_store *s, struct error *e);

#endif
