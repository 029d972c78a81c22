/*
 * store_admin - what admins see of the store and do with it: jobs, messages, the ledger
 *
 * A message, here, is a row of the queue; its number is shown to people, who replay and discard by
 * it. A job is work of an admin that takes a while: durable, going on after a crash, done in slices
 * between which it can be cancelled.
 *
 *     create ──▶ QUEUED ──▶ RUNNING ──┬──▶ DONE          the delete guard's holds are jobs, too:
 *                   │          │      └──▶ FAILED                   HELD ──▶ APPROVED ──▶ (gone)
 *                   └──────────┴─ cancel ▶ CANCELLED
 *
 * Threads, ownership, errors: as in store.h. What only reads runs in the caller's thread on a
 * connection of its own, and may take some hundred milliseconds.
 */
#ifndef TP_STORE_ADMIN_H
#define TP_STORE_ADMIN_H

#include "store.h"

/* ------------------------------------------------------------------ jobs */

enum {
    STORE_PARAMS_MAX = 64 << 10, /* bytes */
    STORE_REASON_SIZE = 501,
    STORE_JOB_CURSOR_SIZE = 256,
    STORE_VALUE_SIZE = 256,
};

/* Stored as numbers: new kinds and states go to the end. */
#define STORE_JOB_KINDS(X)                                                                         \
    X(STORE_JOB_HELD, "held_deletions")                                                            \
    X(STORE_JOB_REPLAY, "replay")                                                                  \
    X(STORE_JOB_DISCARD, "discard")                                                                \
    X(STORE_JOB_RECONCILE, "reconcile")                                                            \
    X(STORE_JOB_DATES, "dates")                                                                    \
    X(STORE_JOB_UNDO, "undo")
enum store_job_kind {
#define X(id, name) id,
    STORE_JOB_KINDS(X)
#undef X
};

#define STORE_JOB_STATES(X)                                                                        \
    X(STORE_JOB_QUEUED, "queued")                                                                  \
    X(STORE_JOB_RUNNING, "running")                                                                \
    X(STORE_JOB_DONE, "done")                                                                      \
    X(STORE_JOB_CANCELLED, "cancelled")                                                            \
    X(STORE_JOB_FAILED, "failed")                                                                  \
    X(STORE_JOB_IS_HELD, "held")                                                                   \
    X(STORE_JOB_APPROVED, "approved")
enum store_job_state {
#define X(id, name) id,
    STORE_JOB_STATES(X)
#undef X
};
enum { STORE_ANY = -1 }; /* in filters: any kind, any state */

const char *store_job_kind_name(enum store_job_kind k);
const char *store_job_state_name(enum store_job_state s);
/* The number of that name, or STORE_ANY. */
int store_job_kind_named(const char *name);
int store_job_state_named(const char *name);
bool store_job_is_open(enum store_job_state s); /* QUEUED or RUNNING */

struct store_job {
    int64_t id; /* grows; never used twice */
    enum store_job_kind kind;
    enum store_job_state state;
    char org[SFID_SIZE], campaign_id[SFID_SIZE]; /* "" where it has none */
    char reason[STORE_REASON_SIZE];              /* the admin's */
    int64_t total;                               /* -1: not known yet */
    int64_t done, changed, skipped, failed;
    char cursor[STORE_JOB_CURSOR_SIZE]; /* the runner's: where the next slice begins */
    char message[STORE_MESSAGE_SIZE];   /* why it failed, or what to know */
    int64_t created_at_ms, started_at_ms, ended_at_ms; /* 0: not yet */
    int64_t undo_of, undone_by;                        /* jobs; 0: none */
    int64_t would_delete, existing;                    /* of held deletions */
};

struct store_job_new {
    enum store_job_kind kind;      /* not STORE_JOB_HELD */
    const char *org, *campaign_id; /* "" where it has none */
    const char *params;            /* JSON, the runner's; ≤ STORE_PARAMS_MAX */
    const char *reason;
    int64_t undo_of; /* 0: none. That job's undone_by is set; ERR_INVALID if it is open, or undone
                        by a job that did not fail */
    bool queues;     /* a hint STORE_JOB of the campaign, record_id = the number: workers run it
                        under the campaign's lease. Else whoever walks the open jobs does */
};
MUST_USE enum err store_job_create(struct store *s, const struct store_job_new *n, int64_t *id,
                                   struct error *e);

/* params may be NULL; else its maximum must be STORE_PARAMS_MAX at least, and it is cleared first.
 * ERR_NOT_FOUND. */
MUST_USE enum err store_job_get(struct store *s, int64_t id, struct store_job *out,
                                struct buf *params, struct error *e);

struct store_job_filter {
    int kind, state; /* STORE_ANY, or one */
    const char *org; /* NULL: any */
    bool open;       /* QUEUED and RUNNING alone, whatever state says */
};
/* The newest first, at most max, those before before_id (0: from the newest). */
MUST_USE enum err store_job_walk(struct store *s, const struct store_job_filter *f,
                                 int64_t before_id, struct store_job *out, size_t max,
                                 size_t *count, struct error *e);

/* At once; its runner learns it with its next step. ERR_NOT_FOUND; ERR_INVALID: it has ended, or is
 * held. */
MUST_USE enum err store_job_cancel(struct store *s, int64_t id, struct error *e);

/* What was done to one record, so that it can be undone. */
struct store_job_item {
    char record_id[SFID_SIZE];
    char before[STORE_VALUE_SIZE], after[STORE_VALUE_SIZE];  /* "" stands for blank */
    int state;                                               /* the runner's; ≥ 0 */
    char code[STORE_CODE_SIZE], message[STORE_MESSAGE_SIZE]; /* of a refusal, or "" */
};

struct store_job_step {
    int64_t job;
    const char *from; /* the job's cursor when the step was decided upon: if it has moved since,
                         another daemon has done it, and nothing is done. NULL: not compared */
    enum store_job_state state;             /* RUNNING, DONE or FAILED */
    int64_t total;                          /* STORE_ANY: as it was */
    int64_t done, changed, skipped, failed; /* added to what was */
    const char *cursor, *message;           /* NULL: as it was */
    const struct store_job_item *items;     /* ≤ STORE_SLICE_MAX; of one that is known the first
                                               `before` stays, the rest is replaced */
    size_t item_count;
    bool hints; /* a whole pass over the job's campaign is queued */
};
/* One transaction, under the fence (and renewing the lease) if there is a claim. A job that ended
 * meanwhile keeps its state and message; the rest is written all the same, since it was done. *now:
 * the state afterwards; stop when it is not open. ERR_NOT_FOUND, ERR_STALE. */
MUST_USE enum err store_job_step(struct store *s, struct store_claim *c,
                                 const struct store_job_step *step, enum store_job_state *now,
                                 struct error *e);

/* By record id, at most max, those after that one ("" from the first); state: STORE_ANY or one. */
MUST_USE enum err store_job_item_walk(struct store *s, int64_t job, const char *after, int state,
                                      struct store_job_item *out, size_t max, size_t *count,
                                      struct error *e);

/* ------------------------------------------------------------------ messages */

/* All that is set must fit. */
struct store_filter {
    int state;                                   /* enum store_state or STORE_ANY */
    char org[SFID_SIZE], campaign_id[SFID_SIZE]; /* "": any */
    char record_id[SFID_SIZE];                   /* the record or the subject */
    char object[STORE_OBJECT_SIZE];
    char code[STORE_CODE_SIZE];
    int64_t since_ms, until_ms; /* received at since or later, before until; 0: no bound */
};

/* Where a walk stands; zero: before the newest. Messages that ended are walked by the time they
 * did, if the filter names that state, else by number. */
struct store_position {
    int64_t at_ms, id;
};

struct store_message {
    int64_t id;
    enum store_kind kind;
    enum store_state state;
    bool background;
    int tries;
    char org[SFID_SIZE], campaign_id[SFID_SIZE]; /* campaign: "" if none is known */
    char notification_id[SFID_SIZE];             /* "": the store's own or a worker's */
    char record_id[SFID_SIZE], subject_id[SFID_SIZE];
    char object[STORE_OBJECT_SIZE];
    char code[STORE_CODE_SIZE], message[STORE_MESSAGE_SIZE];
    int64_t received_at_ms;           /* when it came, or was replayed */
    int64_t due_at_ms, settled_at_ms; /* settled: 0, not yet */
    int64_t replayed_by;              /* the job that did last; 0: none */
};

/* The newest first, at most max, from *at on, which moves behind what was given. *more: there may
 * be more; then it may have given few or none, having looked at many that do not fit. */
MUST_USE enum err store_message_walk(struct store *s, const struct store_filter *f,
                                     struct store_position *at, struct store_message *out,
                                     size_t max, size_t *count, bool *more, struct error *e);

enum { STORE_ATTEMPTS_MAX = 20 };
/* An attempt that did not end applied; equal ones in a row are one. */
struct store_attempt {
    int64_t first_at_ms, at_ms; /* the first and the last of them */
    int64_t times;
    enum store_verdict verdict; /* STORE_RETRY or STORE_FAIL */
    char code[STORE_CODE_SIZE], message[STORE_MESSAGE_SIZE];
};
/* With its last attempts, the newest first; attempts may be NULL. ERR_NOT_FOUND. */
MUST_USE enum err store_message_get(struct store *s, int64_t id, struct store_message *out,
                                    struct store_attempt attempts[STORE_ATTEMPTS_MAX],
                                    size_t *attempt_count, struct error *e);

enum { STORE_COUNT_ROWS_MAX = 1000000, STORE_COUNT_NAMES = 50 };
struct store_count {
    int64_t count, by_state[4];
    int64_t skipped; /* fit, but a job of that kind would pass over them; in no other number */
    struct {
        char name[STORE_OBJECT_SIZE];
        int64_t count;
    } codes[STORE_COUNT_NAMES], objects[STORE_COUNT_NAMES]; /* "" for none; those beyond are in
                                                               count alone */
    size_t code_count, object_count;
    struct store_position newest; /* a walk from there begins with the newest of them */
    bool is_partial;              /* it looked at STORE_COUNT_ROWS_MAX rows, and stopped */
};
/* how: what a job of that kind (STORE_JOB_REPLAY, STORE_JOB_DISCARD) would move; STORE_ANY: all
 * that fit. */
MUST_USE enum err store_message_count(struct store *s, const struct store_filter *f, int how,
                                      struct store_count *out, struct error *e);
/* Of those with these numbers; unknown ones are not counted. */
MUST_USE enum err store_message_count_ids(struct store *s, const int64_t *ids, size_t n, int how,
                                          struct store_count *out, struct error *e);

/* A slice of a replay or discard job, with its progress, in one transaction; a job that ended
 * meanwhile moves nothing.
 *     replay    READY (due now, tries anew) with a new sequence number; LEASED runs again after
 *               its pass; the hint tells the job
 *     discard   READY and FAILED become DONE with the code "discarded"
 * Skipped: those that do not fit the filter any more or are gone, echoes that wait for their time,
 * jobs' own rows, ignored ones; of a discard also LEASED and DONE. */
struct store_move {
    int64_t job;      /* its kind says what is done */
    const char *from; /* the job's cursor when the slice was looked for: if it has moved since,
                         another daemon has done it, and nothing is done. NULL: not compared */
    bool begins;      /* total is set */
    int64_t total;    /* or STORE_ANY: not known */
    const int64_t *ids;
    size_t count;                      /* ≤ STORE_SLICE_MAX */
    const struct store_filter *filter; /* NULL: by number alone */
    const char *cursor;                /* as of store_job_step */
    bool last;                         /* the job is done with it */
};
MUST_USE enum err store_message_move(struct store *s, const struct store_move *m,
                                     enum store_job_state *now, struct error *e);

struct store_failure {
    char org[SFID_SIZE], code[STORE_CODE_SIZE];
    int64_t count;
};
/* FAILED messages by org and code, the most frequent first, at most max. */
MUST_USE enum err store_failures(struct store *s, struct store_failure *out, size_t max,
                                 size_t *count, struct error *e);

/* ------------------------------------------------------------------ ledger */

struct store_ledger_entry {
    int64_t id;
    int64_t at_ms;
    char org[SFID_SIZE], campaign_id[SFID_SIZE], member_id[SFID_SIZE], touchpoint_id[SFID_SIZE];
    char action[16];
    char cause[STORE_CODE_SIZE]; /* as of struct store_ledger_row */
    char reason[STORE_CODE_SIZE];
    char *before_json, *after_json; /* NULL: none, or forgotten */
};
/* The newest first, at most max, those before before_id (0: from the newest); NULL: any. Each of
 * out is released by the caller. *more as of store_message_walk, *before_id moves along. */
MUST_USE enum err store_ledger_walk(struct store *s, const char *org, const char *campaign,
                                    const char *member, int64_t *before_id,
                                    struct store_ledger_entry *out, size_t max, size_t *count,
                                    bool *more, struct error *e);
void store_ledger_release(struct store_ledger_entry *entries, size_t n);

/* ------------------------------------------------------------------ forgetting a person */

struct store_forgotten {
    int64_t ledger;    /* entries whose values were erased */
    int64_t messages;  /* DONE and FAILED ones that were removed */
    int64_t documents; /* removed from the quarantine */
    int64_t items;     /* jobs that named it: what they did with it was removed, and so is never
                          undone; of those that ended also parameters, reason and message */
};
/* Whatever names that record (18 characters) in that org, or in a document or job that names no
 * org; of jobs that ended also what has that email in parameters, reason or message, in whatever
 * case (""; none is looked for). In slices; what comes in meanwhile may stay. What was erased is
 * overwritten in the files, too, within some seconds. dry_run: counts only. */
MUST_USE enum err store_forget(struct store *s, const char *org, const char *record,
                               const char *email, bool dry_run, struct store_forgotten *out,
                               struct error *e);

/* ------------------------------------------------------------------ pause */

/* Claims pass over a paused org, also after a restart. reason NULL: it goes on. */
MUST_USE enum err store_pause(struct store *s, const char *org, const char *reason,
                              struct error *e);
MUST_USE enum err store_paused(struct store *s, const char *org, bool *paused,
                               char reason[STORE_REASON_SIZE], struct error *e);

#endif
