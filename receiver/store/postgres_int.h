/*
 * postgres_int - what the files of the PostgreSQL backend share
 *
 *     postgres_connect.c  connecting          postgres_work.c      claims, leases, verdicts
 *     postgres_sql.c      statements          postgres_jobs.c      jobs, holds, bulk jobs
 *     postgres_open.c     open, close         postgres_messages.c  messages, ledger, forgetting
 *     postgres_pool.c     requests            postgres_read.c      looking on, quarantine
 *     postgres_commit.c   the committer       postgres_retain.c    upkeep, leaps of the clock
 *     postgres_put.c      puts                postgres_transfer.c  export, import
 *     postgres_ears.c     wake-ups            postgres_node.c      this daemon among others
 *
 * Any number of daemons share one schema. What must be one step is a function of the schema
 * (schema/postgres/), one statement here. Times are the server's.
 */
#ifndef TP_POSTGRES_INT_H
#define TP_POSTGRES_INT_H

#include "postgres_sql.h"
#include "store_int.h"

enum {
    PG_BATCH_MAX = 4000, /* notifications in one transaction */
    PG_POOL_MAX = 16,    /* connections for requests */
    PG_OWNER_SIZE = 96,
};

struct pg_pool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct pg_db db[PG_POOL_MAX]; /* of whoever has taken it */
    bool taken[PG_POOL_MAX];      /* under lock */
};

/* The wall clock against the boot clock, to notice a leap. Under lock. */
struct pg_clock {
    pthread_mutex_t lock;
    int64_t local_base_ms;  /* of this host's clock */
    int64_t server_base_ms; /* of the server's, or TIME_NONE */
    int64_t leapt_at_boot_ms;
};

/* A thread that enters puts, and its connection. */
struct pg_writer {
    pthread_t thread;
    struct pg_db db;
    _Atomic int64_t busy_since_boot_ms; /* the batch under way; 0: none */
};

struct pg_store {
    struct store base;
    char *url;
    char owner[PG_OWNER_SIZE]; /* host:process:random number */
    struct pg_rules rules;
    struct store_queue queue;
    struct pg_pool pool;
    struct pg_clock clock;

    struct pg_writer committer, helper;
    bool refusing;                       /* the committer's: puts are refused */
    _Atomic int64_t known_until_boot_ms; /* until then puts are likely to hold known ids */

    pthread_t ears;
    bool ears_run;
    struct pg_db ear; /* that thread's */
    int ears_fd;      /* eventfd: something to tell, or to stop */
    atomic_bool wants_notify, ears_stop;
    atomic_bool distrusted; /* the ears' last look: connections are made, and checked, anew */
};

/* ------------------------------------------------------------------ postgres_open.c */
/* Brings the schema up to date; ERR_NOT_FOUND: there is none, and it may not be made. */
MUST_USE enum err pg_migrate(struct pg_db *db, bool may_be_new, struct error *e);

/* ------------------------------------------------------------------ postgres_transfer.c */
MUST_USE enum err pg_export(const struct store_options *o, struct store_rows_out *out,
                            struct error *e);
MUST_USE enum err pg_import(const struct store_options *o, struct store_rows_in *in,
                            struct error *e);

/* ------------------------------------------------------------------ postgres_pool.c */
void pg_pool_init(struct pg_pool *p);
void pg_pool_release(struct pg_pool *p);
/* A connection of one's own for a while; NULL: none is to be had. Given back closed if it broke. */
struct pg_db *pg_take(struct pg_store *s, struct error *e);
void pg_give(struct pg_store *s, struct pg_db *db);
void pg_submit(struct store *s, struct store_request *r);
/* Something became claimable: for this node's workers at once, for the others' by the ears. */
void pg_wake(struct pg_store *s);

/* ------------------------------------------------------------------ postgres_commit.c */
void *pg_committer(void *store);
void *pg_helper(void *store);

/* ------------------------------------------------------------------ postgres_put.c */
/* Enters the puts before `end` (NULL: all), each of which then has its result, in one transaction.
 * On failure none has entered, but for ERR_UNKNOWN_OUTCOME. */
MUST_USE enum err pg_put(struct pg_store *s, struct pg_db *db, struct store_put *puts,
                         const struct store_put *end, struct error *e);

/* ------------------------------------------------------------------ postgres_node.c */
/* Says that this daemon is at work, and sees who else is. */
MUST_USE enum err pg_beat(struct pg_store *s, struct pg_db *db, struct error *e);
void pg_beat_no_more(struct pg_store *s, struct pg_db *db);

/* ------------------------------------------------------------------ postgres_ears.c */
MUST_USE enum err pg_ears_start(struct pg_store *s, struct error *e);
void pg_ears_stop(struct pg_store *s);

/* ------------------------------------------------------------------ operations */
typedef enum err pg_op(struct pg_store *s, struct pg_db *db, struct store_request *r,
                       struct error *e);
pg_op pg_claim, pg_renew, pg_write_begin, pg_write_end, pg_settle, pg_hint;
pg_op pg_bulk_put, pg_bulk_end, pg_bulk_list, pg_hold_put, pg_hold_get, pg_hold_end, pg_hold_list,
    pg_hold_approve;
pg_op pg_job_create, pg_job_get, pg_job_walk, pg_job_cancel, pg_job_step, pg_job_items;
pg_op pg_messages, pg_message_get, pg_message_ids, pg_message_move, pg_failures;
pg_op pg_ledger, pg_forget_find, pg_forget, pg_pause, pg_paused;
pg_op pg_fingerprint, pg_cursor_get, pg_cursor_set, pg_stats, pg_quarantine_walk, pg_quarantine_get;
pg_op pg_retain;

/* The claim that was made under that nonce, if it was; see pg_claim. */
MUST_USE enum err pg_claim_again(struct pg_store *s, struct pg_db *db, struct store_request *r,
                                 struct error *e);
enum err pg_stale(const struct store_claim *c, struct error *e);

/* ------------------------------------------------------------------ postgres_read.c */
MUST_USE enum err pg_quarantine_put(struct pg_store *s, struct pg_db *db,
                                    const struct store_document *d, bool *kept, struct error *e);

/* ------------------------------------------------------------------ postgres_retain.c */
/* Asks the server for its time, and after a leap moves what must not be moved by it. */
MUST_USE enum err pg_watch_clock(struct pg_store *s, struct pg_db *db, struct error *e);
bool pg_clock_seems_still(struct pg_store *s); /* without asking anybody */

/* The clocks' shifts, as the schema's functions take them: p_wall, p_boot. */
#define PG_BOOT(s) ((int64_t)atomic_load(&(s)->base.shift_ms))
#define PG_WALL(s) (PG_BOOT(s) + (int64_t)atomic_load(&(s)->base.leap_ms))

#endif
