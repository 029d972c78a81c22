/*
 * store_int - what the wrappers (store.c), the queue in front of a committer (queue.c), the waiting
 * for work (waiters.c) and the backends share
 *
 *     store_put ──▶ backend->put ─────▶ queue ─▶ committer: one transaction ─▶ done()
 *     others ─────▶ backend->submit(request)                                └▶ the caller goes on
 *
 * A request is data: an operation, what it is given, and room for the answer. A backend runs it in
 * whatever thread and on whatever connection it likes. A second backend needs a struct
 * store_backend and a row in store.c's table.
 */
#ifndef TP_STORE_INT_H
#define TP_STORE_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "metrics.h"
#include "store.h"
#include "store_admin.h"

enum {
    STORE_BACKOFF_MAX_MS = 2 * 3600 * 1000, /* the longest retry wait (protocol rule 17) */
    STORE_BACKGROUND_MS = 5 * 60 * 1000,    /* background hints rank as if due this much later */
    STORE_LEAP_MS = 5 * 60 * 1000,          /* the wall clock leapt; retention pauses */
    STORE_LEAP_PAUSE_MS = 3600 * 1000,
    STORE_CURSOR_MAX = 1024, /* bytes of a cursor's text */
};
#define STORE_KEY_NONE "*" /* the key of hints without a campaign */

/* ------------------------------------------------------------------ requests */

enum store_op {
    STORE_OP_CLAIM,
    STORE_OP_RENEW,
    STORE_OP_WRITE_BEGIN,
    STORE_OP_WRITE_END,
    STORE_OP_SETTLE,
    STORE_OP_HINT,
    STORE_OP_BULK_PUT,
    STORE_OP_BULK_END,
    STORE_OP_BULK_LIST,
    STORE_OP_FINGERPRINT,
    STORE_OP_HOLD_PUT,
    STORE_OP_HOLD_GET,
    STORE_OP_HOLD_END,
    STORE_OP_HOLD_LIST,
    STORE_OP_HOLD_APPROVE,
    STORE_OP_CURSOR_GET,
    STORE_OP_CURSOR_SET,
    STORE_OP_STATS,
    STORE_OP_RETAIN,
    STORE_OP_QUARANTINE_WALK,
    STORE_OP_QUARANTINE_GET,
    STORE_OP_JOB_CREATE,
    STORE_OP_JOB_GET,
    STORE_OP_JOB_WALK,
    STORE_OP_JOB_CANCEL,
    STORE_OP_JOB_STEP,
    STORE_OP_JOB_ITEMS,
    STORE_OP_MESSAGES,
    STORE_OP_MESSAGE_GET,
    STORE_OP_MESSAGE_IDS,
    STORE_OP_MESSAGE_MOVE,
    STORE_OP_FAILURES,
    STORE_OP_LEDGER,
    STORE_OP_FORGET_FIND,
    STORE_OP_FORGET,
    STORE_OP_PAUSE,
    STORE_OP_PAUSED,
    STORE_OP_COUNT
};

/* Everything in `u` is the caller's, who waits for the answer. What an operation that failed left
 * in the out fields is not looked at, but for claim.out, which it must leave NULL. */
struct store_request {
    enum store_op op;
    const struct store_claim *lease; /* the lease that the request stands under, or NULL */
    union {
        struct {
            const struct store_claim_options *options;
            struct store_claim *out;
            int64_t next_boot_ms; /* out is NULL: a row becomes due or a lease runs out then */
            int64_t nonce;        /* the backend's */
        } claim;
        struct {
            const struct store_ledger_row *rows;
            size_t count;
        } write_end;
        struct {
            const struct store_settle *what;
            bool more;
        } settle;
        struct {
            const char *org;
            const struct store_new_hint *what;
        } hint;
        struct {
            const struct store_bulk_job *job;
        } bulk_put;
        struct {
            const char *id;
        } bulk_end;
        struct {
            struct store_bulk_job *out;
            size_t max, count;
        } bulk_list;
        struct {
            const char *org, *campaign;
            char *out; /* STORE_FINGERPRINT_SIZE */
        } fingerprint;
        struct {
            int64_t would_delete, existing;
        } hold_put;
        struct {
            const char *org, *campaign;
            struct store_hold out;
            bool found;
        } hold_get;
        struct {
            struct store_hold *out;
            size_t max, count;
        } hold_list;
        struct {
            int64_t id;
        } hold_approve;
        struct {
            const char *org, *name, *value; /* value: set */
            char *out;                      /* get */
            size_t size;
        } cursor;
        struct {
            struct store_org_stats *out;
            size_t max, count;
        } stats;
        struct {
            bool more;
        } retain;
        struct {
            int64_t before_id;
            struct store_quarantined *out;
            size_t max, count;
        } quarantine_walk;
        struct {
            int64_t id;
            struct store_quarantined out;
            struct buf *body;
        } quarantine_get;
        struct {
            const struct store_job_new *what;
            int64_t id;
        } job_create;
        struct {
            int64_t id;
            struct store_job *out;
            struct buf *params; /* or NULL */
        } job_get;
        struct {
            const struct store_job_filter *filter;
            int64_t before_id;
            struct store_job *out;
            size_t max, count;
        } job_walk;
        struct {
            int64_t id;
        } job_cancel;
        struct {
            const struct store_job_step *what;
            enum store_job_state now;
        } job_step;
        struct {
            int64_t job;
            const char *after;
            int state;
            struct store_job_item *out;
            size_t max, count;
        } job_items;
        struct { /* one short read: out, or counted, and where the next one begins */
            const struct store_filter *filter;
            struct store_position at;
            struct store_message *out;
            size_t max, count;
            struct store_count *counted;
            int how; /* counted: as of store_message_count */
            int64_t looked_at;
            bool more;
        } messages;
        struct {
            int64_t id;
            struct store_message *out;
            struct store_attempt *attempts; /* or NULL */
            size_t attempt_count;
        } message_get;
        struct {
            const int64_t *ids;
            size_t n;
            struct store_count *counted;
            int how;
        } message_ids;
        struct {
            const struct store_move *what;
            enum store_job_state now;
        } message_move;
        struct {
            struct store_failure *out;
            size_t max, count;
        } failures;
        struct { /* one short read */
            const char *org, *campaign, *member;
            int64_t before_id;
            struct store_ledger_entry *out;
            size_t max, count;
            bool more;
        } ledger;
        struct store_forget_slice {
            const char *org, *record;
            enum store_forget_from {
                STORE_FORGET_LEDGER,
                STORE_FORGET_MESSAGES,
                STORE_FORGET_DOCUMENTS,
                STORE_FORGET_JOBS,
                STORE_FORGET_EMAIL, /* in jobs; record is the email */
                STORE_FORGET_PLACES
            } from;
            int64_t after_id; /* find: where it begins, and then ended */
            int64_t *ids;     /* STORE_SLICE_MAX; of jobs, for items */
            size_t count;
            bool more;
        } forget;
        struct {
            const char *org, *reason; /* NULL: go on */
        } pause;
        struct {
            const char *org;
            char *reason; /* STORE_REASON_SIZE */
            bool paused;
        } paused;
    } u;

    int64_t deadline_boot_ms; /* answer: the lease was renewed until then; 0: it was not */
    enum err result;
    struct error error;

    bool answered; /* the queue's, under its lock */
    struct store_request *next;
};

/* ------------------------------------------------------------------ waiting for work */

/* Who waits for claimable work. `generation` moves when something may have become claimable, now or
 * at a time that those who wait do not know yet. Under `lock`. */
struct store_waiters {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    uint64_t generation;
    bool closed;
};

void store_waiters_init(struct store_waiters *w);
void store_waiters_release(struct store_waiters *w);
void store_waiters_wake(struct store_waiters *w);
/* This thread is about to claim … */
void store_waiters_claims(struct store_waiters *w);
/* … and has; INT64_MAX: it need not be tried again before something moves. */
void store_waiters_claimed(enum err result, int64_t next_boot_ms);
void store_waiters_close(struct store_waiters *w);

/* ------------------------------------------------------------------ queue before a committer */

/* Puts that were written to the intake log and acknowledged, and have yet to enter the database. */
struct store_logged_org {
    char org[SFID_SIZE];
    size_t notifications;
};
struct store_logged {
    struct store_logged *next;
    int64_t number; /* of the log's record */
    int64_t logged_boot_ms;
    struct store_logged_org *orgs;
    size_t org_count;
    size_t notifications; /* of all of them */
    size_t size;
    char payload[]; /* sqlite_ahead.c */
};

struct store_batch {
    struct store_request *requests;
    const struct store_logged *logged; /* the first logged_count of the queue's, which keeps them */
    size_t logged_count;
    struct store_put *puts;
    size_t notifications;
    struct store_document *document; /* at most one a batch, so that no Ack waits for many */
    bool document_kept;
};

/* What a second thread does where puts come faster than the committer takes them: it writes them to
 * a log, acknowledges them, and leaves them to the committer, who takes many at once
 * (queue_ahead.c). Under the queue's lock. */
struct store_ahead {
    pthread_cond_t work, moved; /* for that thread; something was logged or has entered */
    bool runs;                  /* there is that thread */
    bool usable;                /* there is a log that can be written */
    bool wants_reset;           /* the file is to be removed when all of it has entered */
    size_t crowd;               /* so many puts that wait are too many for the committer */
    int64_t open_boot_ms;       /* no log is made before then */
    int64_t enter_boot_ms;      /* nothing enters before then: the database failed */
    unsigned readers;           /* who wait for what is logged */
    struct store_logged *first, **last;
    size_t notifications;
    int64_t added_boot_ms; /* the last of them */
    int64_t entered;       /* the number of the last that has */
};

/* All under `lock`. */
struct store_queue {
    pthread_mutex_t lock;
    pthread_cond_t work, help, answered;
    struct store_put *put_first, **put_last;
    size_t put_count, put_notifications, put_max;
    bool is_busy;   /* the last batch had many puts */
    size_t gathers; /* who takes puts waits for so many; 0: for none */
    bool is_committing;
    bool helper_waits;
    struct store_ahead ahead;
    struct store_request *request_first, **request_last;
    struct store_document *document_first, **document_last;
    size_t document_bytes; /* of those that wait, their structs included */
    bool stopping;
    struct error refusal; /* kind ERR_NONE: puts are taken */
};

void store_queue_init(struct store_queue *q, size_t put_max);
void store_queue_release(struct store_queue *q);
MUST_USE enum err store_queue_put(struct store_queue *q, struct store_put *p, int64_t now_boot_ms,
                                  struct error *e);
/* What store_queue_put would say now. */
MUST_USE enum err store_queue_probe(struct store_queue *q, int64_t now_boot_ms, struct error *e);
/* Waits for the answer, which is r->result and r->error. */
void store_queue_call(struct store_queue *q, struct store_request *r);
/* Takes d and says true, or says false when too many wait or the queue was stopped. */
bool store_queue_document(struct store_queue *q, struct store_document *d);
/* Puts are refused with that error from now on, or taken again (NULL). */
void store_queue_refuse(struct store_queue *q, const struct error *why);
void store_queue_refusal(struct store_queue *q, struct error *out);
void store_queue_stop(struct store_queue *q);
bool store_queue_is_stopping(struct store_queue *q);

/* The committer's side. All waiting requests, and puts up to the bound (at least one). Waits at
 * most max_ms for any. False when there is nothing left and the queue was stopped. */
bool store_queue_take(struct store_queue *q, struct store_batch *out, size_t notifications_max,
                      int64_t max_ms);
/* A second thread's that takes puts, and nothing else, while the committer is at work. Waits at
 * most max_ms for any. False when the queue was stopped: what is left is the committer's. */
bool store_queue_help(struct store_queue *q, struct store_batch *out, size_t notifications_max,
                      int64_t max_ms);
/* That thread's, while it can take none. False when the queue was stopped. */
bool store_queue_rest(struct store_queue *q, int64_t ms);
/* Under the lock: whether it would take some now. */
bool store_queue_needs_help(const struct store_queue *q);
/* Hands them back to their owners, results and all. */
void store_hand_back(struct store_put *puts);
/* Wakes the callers of a batch's requests; they are gone afterwards. */
void store_queue_answer(struct store_queue *q, struct store_request *requests);
/* For queue_ahead.c; under the lock. Cuts puts off the queue's head: whole requests, up to the
 * bound, at least one; ahead: only those that may go ahead. */
void store_queue_cut(struct store_queue *q, struct store_batch *out, size_t notifications_max,
                     bool ahead);
/* Gives the puts a moment to become more. */
void store_queue_gather(struct store_queue *q, pthread_cond_t *work);

/* ------------------------------------------------------------------ backends */

/* The head of every backend's own struct. */
struct store {
    const struct store_backend *backend;
    struct store_options options; /* url is the backend's copy; the keep_* of it are below */
    _Atomic int64_t keep_done_ms, keep_failed_ms, keep_ledger_ms;
    struct store_waiters waiters;
    _Atomic int64_t shift_ms, leap_ms; /* of both clocks, of wall besides; 0 but in tests */
    _Atomic uint64_t place;            /* store_place: rank << 32 | nodes */
    _Atomic uint64_t quarantine_max_bytes;
    _Atomic int64_t quarantine_due_us; /* boot time; when the next would come at its pace */
    struct metric_series *quarantine_kept, *quarantine_dropped;
    struct metric_series *commit_seconds, *batch_size, *sync_seconds;
};

struct store_rows_out; /* transfer.h */
struct store_rows_in;

/* Called by store.c and transfer.c only, which have checked what the callers promise. All members
 * are required. */
struct store_backend {
    const char *scheme; /* "sqlite:" */
    enum err (*open)(struct store **out, const struct store_options *o, struct error *e);
    void (*close)(struct store *s); /* frees s */
    enum err (*put)(struct store *s, struct store_put *p, struct error *e);
    void (*submit)(struct store *s, struct store_request *r); /* fills the answer */
    enum err (*probe)(struct store *s, struct error *e);
    /* Takes d and says true; or false: it is to be dropped. Never waits. */
    bool (*quarantine)(struct store *s, struct store_document *d);
    /* Alone on a store that they open and close themselves (store_transfer.h). */
    enum err (*export_rows)(const struct store_options *o, struct store_rows_out *out,
                            struct error *e);
    enum err (*import_rows)(const struct store_options *o, struct store_rows_in *in,
                            struct error *e);
};

extern const struct store_backend store_sqlite, store_postgres;
/* NULL: the URL names none. */
const struct store_backend *store_backend_of(const char *url, struct error *e);

/* For backends: the common head. */
void store_init(struct store *s, const struct store_backend *b, const struct store_options *o);
void store_release(struct store *s);
/* For the wrappers: runs a request of no lease. */
MUST_USE enum err store_submit(struct store *s, struct store_request *r, struct error *e);
/* One more message that a count has found. */
void store_count_add(struct store_count *c, int how, enum store_kind kind, enum store_state state,
                     const char *code, const char *object);
/* Whether a replay or discard job moves it: an echo that waits must wait its full time (rule 12),
 * jobs' rows go with their jobs, and nothing is ever done with ignored ones. */
bool store_may_move(enum store_kind kind, enum store_state state, enum store_job_kind how);
void store_count_document(struct store *s, bool is_kept);
int64_t store_wall_ms(const struct store *s);
int64_t store_boot_ms(const struct store *s);
/* What the wall clock is ahead of the boot clock. It changes only when the wall clock leaps. */
int64_t store_base_ms(const struct store *s);
double store_seconds(void); /* monotonic, for how long something took */
/* Tests move the store's clocks; everyone who waits looks again. */
void store_shift_clock(struct store *s, int64_t wall_ms, int64_t boot_ms);

/* The identity of a hint that a worker or the store made: "hint:KIND:CAMPAIGN", which no Salesforce
 * id equals, followed by ":SUBJECT" where there is no record id. */
enum { STORE_HINT_ID_SIZE = 96 };
void store_hint_identity(const struct store_new_hint *h, char out[STORE_HINT_ID_SIZE]);
/* Bytes of text that fit into size - 1 without cutting a UTF-8 character. */
size_t store_cut(const char *text, size_t size);
/* The text itself where it fits into size bytes with its end, else cut and copied into room; NULL
 * stays NULL. */
const char *store_fit(const char *text, char *room, size_t size);
struct store_texts { /* room for both */
    char code[STORE_CODE_SIZE], message[STORE_MESSAGE_SIZE];
};

/* ------------------------------------------------------------------ schema (made by embed.sh) */

struct store_migration {
    int number;
    const char *name, *sql;
};
extern const struct store_migration store_sqlite_migrations[];
extern const int store_sqlite_migration_count;
extern const struct store_migration store_postgres_migrations[];
extern const int store_postgres_migration_count;

#endif
