/*
 * store - the durable queue between intake and worker
 *
 * Intake puts notifications in; workers claim them by campaign and say how each ended. Nothing else
 * joins the two halves, so what store_put accepted survives a crash of either.
 *
 *               claim             applied, or ignored
 *      READY ----------> LEASED -----------------------> DONE
 *        ^ ^                | |                            |
 *        | +--- retry(due) -+ +---- fail ---> FAILED       |
 *        |                                      |          |
 *        +---- same id again, or replay --------+----------+
 *
 * A known id on READY changes nothing; on LEASED it marks the row to run again when it is settled;
 * on DONE and FAILED it makes the row READY. Each entry into READY draws a new sequence number
 * (`seq`). Ignored objects are born DONE. Only an admin's word or retention removes a row. A lease
 * that runs out makes its rows READY again: work happens at least once, so workers are idempotent.
 *
 * What admins see and do (jobs, messages, the ledger) is in store_admin.h.
 *
 * Invariants (the protocol's numbered rules: receiver/PROTOCOL.md):
 *   S1 nothing is reported stored before COMMIT, or the sync of the intake log, returned well
 *   S2 a row is in exactly one state
 *   S3 at most one live lease a campaign; each carries a fence that only grows
 *   S4 no settle and no write mark without the fence
 *   S5 whoever finds a write mark set adds an echo
 *
 * Threads:   every function may be called from any thread; store_put never waits for a disk, all
 *            others may.
 * Ownership: spans passed in are borrowed for the call, but for struct store_put, which is the
 *            store's until `done`.
 * Errors:    ERR_BUSY, ERR_IO, ERR_FULL, ERR_STOPPED, ERR_UNKNOWN_OUTCOME are temporary; ERR_STALE:
 *            the lease is another's now, drop the pass; ERR_CORRUPT is final.
 * Times:     *_at_ms wall clock; deadline_boot_ms CLOCK_BOOTTIME.
 */
#ifndef TP_STORE_H
#define TP_STORE_H

#include <stdint.h>

#include "buf.h"
#include "error.h"
#include "sfid.h"

struct store;

enum {
    STORE_SLICE_MAX = 1000, /* rows in one request of a worker (protocol rule 20) */
    STORE_OBJECT_SIZE = 81,
    STORE_CODE_SIZE = 64,
    STORE_MESSAGE_SIZE = 512,
    STORE_PEER_SIZE = 64,
    STORE_DOCUMENT_MAX = 256 << 10, /* bytes kept of a document in quarantine */
    STORE_DOCUMENTS_MAX = 10000,    /* in quarantine */
    STORE_ALONE_AFTER = 3, /* claims that never settled; then the hint runs alone, and after as many
                              again it is FAILED */
};

/* What a row asks for; name as shown to people.
 *     campaign       the whole campaign; record_id = campaign_id
 *     member         record_id: the member
 *     deletion       subject_id: the member that was deleted; record_id: the helper record
 *     campaign_gone  a helper with a blank member: the campaign was deleted; record_id: the helper
 *     lead, contact  record_id: the person
 *     account        record_id: the account; subject_id: PersonContactId if the message had it
 *     helper         record_id: a helper record whose fields the message did not carry
 *     gap            an empty sObject: asks for a getDeleted window
 *     echo           made by the store itself: a whole pass, due late (protocol rule 12)
 *     ignored        an object that we do nothing with: born DONE
 *     reconcile      asks for a background hint on every campaign that may have touchpoints
 *     job            a slice of an admin's job on that campaign; record_id: the job's number.
 *                    Settled by who claims it alone
 * Stored as numbers: new kinds go to the end. */
#define STORE_KINDS(X)                                                                             \
    X(STORE_CAMPAIGN, "campaign")                                                                  \
    X(STORE_MEMBER, "member")                                                                      \
    X(STORE_DELETION, "deletion")                                                                  \
    X(STORE_CAMPAIGN_GONE, "campaign_gone")                                                        \
    X(STORE_LEAD, "lead")                                                                          \
    X(STORE_CONTACT, "contact")                                                                    \
    X(STORE_ACCOUNT, "account")                                                                    \
    X(STORE_HELPER, "helper")                                                                      \
    X(STORE_GAP, "gap")                                                                            \
    X(STORE_ECHO, "echo")                                                                          \
    X(STORE_IGNORED, "ignored")                                                                    \
    X(STORE_RECONCILE, "reconcile")                                                                \
    X(STORE_JOB, "job")

enum store_kind {
#define X(id, name) id,
    STORE_KINDS(X)
#undef X
};
const char *store_kind_name(enum store_kind k);

enum store_state { STORE_READY, STORE_LEASED, STORE_DONE, STORE_FAILED };

/* ------------------------------------------------------------------ open */

struct store_options {
    const char *url;      /* "sqlite:/path/queue.db" */
    int64_t lease_ms;     /* worker.lease */
    int64_t echo_ms;      /* worker.echo */
    int64_t keep_done_ms; /* ≥ 7 days but in tests */
    int64_t keep_failed_ms, keep_ledger_ms;
    uint64_t disk_reserve_bytes;    /* below this much free space intake stops and settles go on
                                    (protocol rule 5) */
    unsigned put_queue_max;         /* puts that may wait; beyond it store_put says ERR_BUSY */
    uint64_t quarantine_max_bytes;  /* of refused documents, in all; 0: none is kept */
    uint32_t quarantine_pace;       /* bytes of them a second, on average; 0: no bound */
    bool allow_asynchronous_commit; /* also a PostgreSQL that may lose what it committed */
};

/* Opens, migrates, releases the leases of a former process (its rows become READY; a write mark
 * found set becomes an echo). A second daemon on the same file is refused: ERR_BUSY. */
MUST_USE enum err store_open(struct store **out, const struct store_options *o, struct error *e);
void store_close(struct store **s); /* finishes what is queued */

/* ------------------------------------------------------------------ intake */

struct store_item {
    enum store_kind kind;
    char notification_id[SFID_SIZE];
    char object[STORE_OBJECT_SIZE];
    char record_id[SFID_SIZE];   /* "" for a gap */
    char subject_id[SFID_SIZE];  /* "" where the kind has none */
    char campaign_id[SFID_SIZE]; /* "" if the message did not tell: claimed under the key "*" */
};

/* One request's notifications. The caller fills the first part; after store_put returned ERR_NONE
 * the struct and all it points to belong to the store until `done` is called, on a thread of the
 * store's (there may be two): it may only hand over (push and wake). */
struct store_put {
    char org[SFID_SIZE];
    const struct store_item *items;
    size_t count;
    void (*done)(struct store_put *p);
    void *owner;       /* the caller's, untouched */
    bool wants_counts; /* it is to be known which were known already, if that takes longer */

    enum err result;           /* ERR_NONE: every item is durable; else none is acknowledged */
    size_t stored, duplicates; /* stored + duplicates = count. Without wants_counts duplicates may
                                  be 0 as they are not known yet: the store counts them later, in
                                  METRIC_NOTIFICATIONS_DUPLICATE */
    bool more; /* another one with the same `done` is handed back right after this one, by the same
                  thread */
    /* The store's: */
    struct store_put *next;
    int64_t queued_boot_ms;
    int64_t received_at_ms; /* 0: now */
    bool may_go_ahead;
};

/* While a put has waited for so long, others are refused with ERR_BUSY: well below the 20 s after
 * which the listener answers by itself, and Salesforce's 60 s. */
enum { STORE_PUT_WAIT_MAX_MS = 5000 };

/* Identity is (org, notification_id, record_id): a message that names two records under one id
 * keeps both. Puts of one request share a savepoint; all waiting puts share a commit. ERR_BUSY,
 * ERR_FULL, ERR_STOPPED, ERR_IO: not taken, `done` is not called. */
MUST_USE enum err store_put(struct store *s, struct store_put *p, struct error *e);

/* ------------------------------------------------------------------ claim */

/* The cursor that holds the fingerprint of the policy that an org's campaigns are decided by. */
#define STORE_CURSOR_POLICY "reconcile.policy"

/* The code of what waits until the org's API calls allow more than deletions. */
#define STORE_CODE_BUDGET "api_budget"

struct store_hint {
    int64_t row;
    enum store_kind kind;
    char notification_id[SFID_SIZE]; /* "" for the store's own and the workers' hints */
    char record_id[SFID_SIZE], subject_id[SFID_SIZE], campaign_id[SFID_SIZE];
    int tries;           /* counted tries, this one included */
    bool background;     /* of the reconcile */
    bool withheld;       /* looked at already, and put off with STORE_CODE_BUDGET */
    int64_t replayed_by; /* the job of an admin that made it run; 0: none */
    int64_t received_at_ms;
};

struct store_claim {
    char org[SFID_SIZE];
    char key[SFID_SIZE]; /* the campaign's id, or "*" for hints without a campaign */
    int64_t fence;
    int64_t watermark; /* highest seq at the claim, before the first read (protocol rule 6) */
    int64_t deadline_boot_ms; /* past it nothing may be sent; store_renew and store_write_begin move
                                 it */
    bool has_echo;            /* a due echo is among the hints */
    bool more;                /* more due hints than were taken */
    size_t count;
    struct store_hint *hints; /* ≤ STORE_SLICE_MAX, oldest first */
};

struct store_key {
    char org[SFID_SIZE], key[SFID_SIZE];
};

struct store_claim_options {
    const char (*skip_orgs)[SFID_SIZE]; /* orgs that are paused, broken or at their limit (protocol
                                           rule 8) */
    size_t skip_count;
    const char *only_org;              /* NULL: any */
    const struct store_key *skip_keys; /* campaigns that rest */
    size_t skip_key_count;
    bool gathered; /* one of many claims at once: not counted among those that never settled */
    const char (*live_orgs)[SFID_SIZE]; /* orgs whose background work waits (their API budget) */
    size_t live_count;
    const char *policy; /* the fingerprint that the caller decides by: where several daemons share
                           the store, an org whose STORE_CURSOR_POLICY is another is passed over.
                           NULL: none is */
};

/* The READY campaign with the oldest due hint and no live lease, with its due hints. *out is NULL
 * when there is none. Counts a try on each hint, durably. Hints whose pass never settled
 * STORE_ALONE_AFTER times come alone, later each time; after as many again they are FAILED
 * ("poison"). */
MUST_USE enum err store_claim(struct store *s, const struct store_claim_options *o,
                              struct store_claim **out, struct error *e);
void store_claim_free(struct store_claim **c); /* frees memory only; the lease runs out by itself if
                                                  it was not settled */

/* Waits until something may have become claimable or store_wake was called since this thread's last
 * store_wait ended, or max_ms have passed. So nothing is missed that happened while the thread
 * looked at the orgs and claimed. After a store_claim that failed: since now. */
void store_wait(struct store *s, int64_t max_ms);
void store_wake(struct store *s);

/* Extends the lease; ERR_STALE when it is no longer ours. */
MUST_USE enum err store_renew(struct store *s, struct store_claim *c, struct error *e);

/* ------------------------------------------------------------------ write marks */

struct store_ledger_row {
    const char *campaign_id, *member_id;
    const char *action;                   /* "created", "updated", "deleted" */
    const char *touchpoint_id;            /* or "" */
    const char *before_json, *after_json; /* managed values that differ; NULL: none */
    const char *cause;                    /* notification id, "echo", "hint", … */
    const char *reason;                   /* of a deletion: reason_code; NULL: none */
};

/* Before a write: checks the fence, renews, and durably marks the lease in flight (protocol rule
 * 12). */
MUST_USE enum err store_write_begin(struct store *s, struct store_claim *c, struct error *e);
/* After a complete and understood answer: clears the mark and adds the ledger rows (n ≤
 * STORE_SLICE_MAX). Not called when the outcome is unknown: the mark stays and the settle turns it
 * into an echo. */
MUST_USE enum err store_write_end(struct store *s, struct store_claim *c,
                                  const struct store_ledger_row *rows, size_t n, struct error *e);

/* A bulk job of the org that works on the claimed campaign (protocol rule 14): put durably before
 * its upload, ended when nothing more will come of it. Whoever claims the campaign next brings
 * those that are listed to their end before its first read. */
struct store_bulk_job {
    char id[SFID_SIZE];
    int kind; /* the worker's */
    int64_t rows;
};
MUST_USE enum err store_bulk_put(struct store *s, struct store_claim *c,
                                 const struct store_bulk_job *job, struct error *e);
MUST_USE enum err store_bulk_end(struct store *s, struct store_claim *c, const char *id,
                                 struct error *e);
/* At most max, oldest first. */
MUST_USE enum err store_bulk_list(struct store *s, struct store_claim *c,
                                  struct store_bulk_job *out, size_t max, size_t *count,
                                  struct error *e);

/* ------------------------------------------------------------------ settle */

enum store_verdict { STORE_APPLIED, STORE_RETRY, STORE_FAIL };

struct store_outcome {
    int64_t row;
    enum store_verdict verdict;
    bool uncounted; /* STORE_RETRY after a failure of the org as a whole: the try is given back */
    int64_t due_at_ms;   /* STORE_RETRY */
    const char *code;    /* STORE_RETRY, STORE_FAIL: e.g. "FIELD_CUSTOM_VALIDATION_EXCEPTION";
                            STORE_APPLIED: result word or NULL */
    const char *message; /* what happened and what to do; or NULL */
};

/* A hint made by a worker; coalesces with an equal one (kind, record_id, campaign_id) under the
 * rules for known ids. */
struct store_new_hint {
    enum store_kind kind;
    const char *campaign_id, *record_id, *subject_id; /* "" where there is none */
    int64_t received_at_ms;                           /* of what caused it; 0: now */
    int64_t due_at_ms;                                /* 0: now */
    const char *code, *message; /* why, when it stands for a row that failed; or NULL */
    bool background;            /* claimed after live work, but ages */
};

struct store_settle {
    const struct store_outcome *outcomes; /* of claimed rows; ≤ STORE_SLICE_MAX */
    size_t count;
    const struct store_new_hint *hints; /* ≤ STORE_SLICE_MAX */
    size_t hint_count;
    bool whole; /* a whole-campaign pass: also settles as applied the campaign's other due rows with
                   seq ≤ watermark, a slice a call; not those of deletions, which say who is gone
                   and whose helper record is to go, so each must be claimed */
    bool release; /* give the lease up; a write mark still set becomes an echo. Ignored while `more`
                     comes back */
    const char
        *fingerprint; /* whole pass that ended well: remembered for the delete guard; or NULL */
};

/* A hint that comes from no claim: the reconcile's schedule, an admin. */
MUST_USE enum err store_hint(struct store *s, const char *org, const struct store_new_hint *h,
                             struct error *e);

/* Under the fence. One transaction, but for outcomes without hints, which may be settled in
 * several: after an error some of them are, and settling them again changes nothing. *more: (whole)
 * call again with the same settle but no outcomes and hints. */
MUST_USE enum err store_settle(struct store *s, struct store_claim *c, const struct store_settle *x,
                               bool *more, struct error *e);

/* ------------------------------------------------------------------ delete guard */

enum { STORE_FINGERPRINT_SIZE = 65 };

/* The fingerprint of the campaign's last whole pass; "" if there was none. */
MUST_USE enum err store_fingerprint(struct store *s, const char *org, const char *campaign,
                                    char out[STORE_FINGERPRINT_SIZE], struct error *e);

struct store_hold {
    int64_t id; /* job id */
    char org[SFID_SIZE], campaign_id[SFID_SIZE];
    int64_t would_delete, existing;
    int64_t at_ms;
    bool approved;
};

/* Under the fence: records (or refreshes) that the campaign's deletions are held. */
MUST_USE enum err store_hold_put(struct store *s, struct store_claim *c, int64_t would_delete,
                                 int64_t existing, struct error *e);
/* *found false: no hold on that campaign. */
MUST_USE enum err store_hold_get(struct store *s, const char *org, const char *campaign,
                                 struct store_hold *out, bool *found, struct error *e);
/* Under the fence: the hold is over (its deletions were carried out, or are no longer wanted). */
MUST_USE enum err store_hold_end(struct store *s, struct store_claim *c, struct error *e);
/* Open holds, at most max; *count is how many were written to out. */
MUST_USE enum err store_hold_list(struct store *s, struct store_hold *out, size_t max,
                                  size_t *count, struct error *e);
/* Lets the next pass delete, and queues that pass. ERR_NOT_FOUND. */
MUST_USE enum err store_hold_approve(struct store *s, int64_t id, struct error *e);

/* ------------------------------------------------------------------ per-org cursors */

/* getDeleted windows and the like: a small text under (org, name), e.g. "deleted.CampaignMember".
 * "" when never set. */
MUST_USE enum err store_cursor_get(struct store *s, const char *org, const char *name, char *out,
                                   size_t size, struct error *e);
MUST_USE enum err store_cursor_set(struct store *s, const char *org, const char *name,
                                   const char *value, struct error *e);

/* ------------------------------------------------------------------ quarantine */

/* A document that was refused, on its way: the caller fills the texts, and redacts `bytes`, which
 * are the first `n` of the `size` that were sent. */
struct store_document {
    char org[SFID_SIZE]; /* "" if it is not known */
    char peer[STORE_PEER_SIZE];
    char reason[STORE_CODE_SIZE], message[STORE_MESSAGE_SIZE];
    size_t size, n;
    struct store_document *next; /* the store's */
    char bytes[];
};
/* Copies at most STORE_DOCUMENT_MAX bytes; gives. */
struct store_document *store_document_new(const char *bytes, size_t n);
void store_document_free(struct store_document **d);

/* Takes *d, never waits and never fails: it is kept with the next batch, the oldest of the
 * quarantine making room, or, when too many wait or come a second, the disk is nearly full or
 * quarantine_max_bytes is 0, dropped (and, but for the last, counted). */
void store_quarantine(struct store *s, struct store_document **d);
void store_set_quarantine(struct store *s, uint64_t max_bytes);

struct store_quarantined {
    int64_t id; /* grows; never used twice */
    int64_t at_ms;
    char org[SFID_SIZE]; /* as the document says */
    char peer[STORE_PEER_SIZE];
    char reason[STORE_CODE_SIZE], message[STORE_MESSAGE_SIZE];
    size_t size, kept; /* bytes as sent, and of them here */
};
/* The newest first, at most max, those before before_id (0: from the newest): the last one's id is
 * where the next page begins. */
MUST_USE enum err store_quarantine_walk(struct store *s, int64_t before_id,
                                        struct store_quarantined *out, size_t max, size_t *count,
                                        struct error *e);
/* body's maximum must be STORE_DOCUMENT_MAX at least; it is cleared first. ERR_NOT_FOUND. */
MUST_USE enum err store_quarantine_get(struct store *s, int64_t id, struct store_quarantined *out,
                                       struct buf *body, struct error *e);

/* ------------------------------------------------------------------ looking on */

/* How many daemons are at work on this store (1 with SQLite), and which of them this one is: *rank
 * < *nodes, in an order that is the same to all; *rank = *nodes: it has just come, and the others
 * do not know yet. Some seconds old at the most; never waits. */
void store_place(struct store *s, unsigned *rank, unsigned *nodes);

struct store_org_stats {
    char org[SFID_SIZE];
    int64_t ready, leased, failed, done;
    int64_t oldest_due_received_at_ms; /* TIME_NONE when nothing is due */
};

/* At most max orgs. Read from a snapshot; never waits for the writer. */
MUST_USE enum err store_stats(struct store *s, struct store_org_stats *out, size_t max,
                              size_t *count, struct error *e);

/* Cheap: whether puts are taken now; e says why not (disk full, read-only, I/O error, damaged). */
MUST_USE enum err store_probe(struct store *s, struct error *e);

/* The janitor's slice: removes DONE, FAILED and ledger rows past their time, at most
 * STORE_SLICE_MAX; clamps due times that a stepping clock left beyond the longest back-off; *more:
 * call again soon. */
/* Other times than those of store_options, from the next store_retain on. */
void store_set_keep(struct store *s, int64_t keep_done_ms, int64_t keep_failed_ms,
                    int64_t keep_ledger_ms);
MUST_USE enum err store_retain(struct store *s, bool *more, struct error *e);

#endif
