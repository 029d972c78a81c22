/*
 * worker_int - inside the worker: one pass over one claim, and the pieces it is made of
 *
 *   worker.c     threads: claim, run the pass, settle (pool_int.h: what they share)
 *   claim.c      what a thread does next
 *   gather.c     many claims at once, most of which have nothing to do
 *   expand.c     hints without a campaign become member hints (protocol rule 7); writes nothing to
 *                the org
 *   helpers.c    records that tell of deletions (expand_int.h: what expand.c shares)
 *   reconcile.c  a background hint for every campaign that may or should have touchpoints
 *   sync.c       one campaign: read, decide, compare
 *   duplicates.c members that share an email
 *   absent.c     touchpoints whose member did not come
 *   existing.c   the campaign's touchpoints by key
 *   write.c      the differences, in calls of up to 1,000 rows, between write marks (rule 12)
 *   bulk.c       many differences, by bulk jobs; bulk_job.c: one such job, and those that a former
 *                pass left (rule 14)
 *   trouble.c    campaigns that wait because this machine's disk failed them (pool_int.h)
 *   spool.c      the rows that wait for a bulk job, in a file without a name
 *   status.c     the write-back on the members
 *   dates.c      claimed jobs of an admin that change members' dates (dates.h)
 *   look.c, preview.c, explain.c, page.c
 *                the same without writing, for people who ask what would be done (look.h)
 *   settle.c     how each claimed hint ended
 *   guard.c, retry.c, budget.c
 *                pure: the delete guard, the back-off, what the org's API budget still allows
 *
 * The numbered rules stand in receiver/PROTOCOL.md.
 */
#ifndef TP_WORKER_INT_H
#define TP_WORKER_INT_H

#include <stdatomic.h>
#include <stdio.h>
#include <sys/types.h>

#include "org.h"
#include "rules.h"
#include "store.h"
#include "store_admin.h"
#include "worker.h"

/* ------------------------------------------------------------------ existing.c */

struct existing_row {
    char key[SFID_SIZE], id[SFID_SIZE];
    char campaign_id[SFID_SIZE]; /* as stored on the touchpoint; "" if neither lookup nor stored id
                                    is an id */
    bool seen;                   /* its member was read */
    uint64_t hash;               /* of all managed values */
    char *
        *values; /* TV_COUNT texts; NULL in campaigns of more than EXISTING_KEEP_MAX touchpoints */
};

enum { EXISTING_KEEP_MAX = 10000 };

/* Owned by one pass. About 72 bytes a touchpoint; up to EXISTING_KEEP_MAX also their values, for
 * the ledger. */
struct existing {
    struct existing_row *rows;
    size_t count, room;
    size_t *slots; /* open addressing: row index + 1 */
    size_t slot_count;
};

void existing_init(struct existing *x);
void existing_release(struct existing *x);
/* A key that comes twice keeps the first. */
void existing_add(struct existing *x, const struct org_touchpoint *t);
struct existing_row *existing_find(const struct existing *x, const char *key);
uint64_t values_hash(const char *const values[TV_COUNT]);
/* The managed values that differ, as JSON objects (free()); before NULL: created, after NULL:
 * deleted. */
char *values_json(const char *const values[TV_COUNT], const char *const other[TV_COUNT]);

/* ------------------------------------------------------------------ guard.c */

/* Fingerprint of what may change a campaign's touchpoints by intent:
 * setting, dates, type, policy. */
void guard_fingerprint(const struct campaign *c, const char *policy_fingerprint,
                       char out[STORE_FINGERPRINT_SIZE]);

struct guard_input {
    int64_t would_delete; /* without those that are confirmed one by one */
    int64_t existing;
    unsigned max_percent;
    const char *last_fingerprint; /* "" if there was no whole pass yet */
    const char *fingerprint;
    enum sync_type sync_type;
    bool approved;
};
enum { GUARD_DELETES_MIN = 100 };
bool guard_holds(const struct guard_input *g);

/* ------------------------------------------------------------------ retry.c */

enum { RETRY_BASE_MS = 1000, RETRY_CAP_MS = 2 * 60 * 60 * 1000 };
/* Full jitter: uniform in 0 … min(cap, base · 2^(tries-1)), but at least a tenth of that. tries
 * ≥ 1. random: 64 uniform bits. */
int64_t retry_delay_ms(int tries, uint64_t random);

/* ------------------------------------------------------------------ budget.c */

enum budget { BUDGET_FREE, BUDGET_LIVE_ONLY, BUDGET_DELETES_ONLY };
/* used, limit: of Sforce-Limit-Info; -1: not seen yet. */
enum budget budget_of(int64_t used, int64_t limit, unsigned reserve_percent);

/* ------------------------------------------------------------------ pass */

enum {
    FAILURES_MAX = STORE_SLICE_MAX,
    BRIEF_TRIES_MAX = 5,    /* for what passes soon or never */
    BULK_FROM_ROWS = 10000, /* more of one operation than this go by bulk jobs */
    MOVES_FLUSH = 20000,    /* moves held in memory before they are stored */
};

struct failure { /* one row that the org refused */
    char member_id[SFID_SIZE];
    int tries_max; /* 0: wrong in itself, no use in trying again */
    char code[STORE_CODE_SIZE];
    char message[STORE_MESSAGE_SIZE];
};

struct wanted { /* one row to write; owned copies */
    char member_id[SFID_SIZE];
    char *text; /* holds the values that the row points to */
    char *before_json, *after_json;
};

struct doomed { /* one touchpoint to delete */
    char member_id[SFID_SIZE], id[SFID_SIZE];
    enum reason reason;
    bool is_settled; /* by a bulk job */
    bool confirmed;  /* its member is known to be deleted: does not count for the guard */
};

struct spool_entry {
    char key[SFID_SIZE];
    bool is_settled;
    off_t at;
};

struct spool { /* rows for a bulk job: spool.c */
    FILE *file;
    struct spool_entry *entries; /* by key, once sealed */
    size_t count, room, pending;
    char *line; /* of the row that was read last */
    size_t line_room;
};

struct move { /* a hint to be made */
    enum store_kind kind;
    bool background;
    char campaign_id[SFID_SIZE], record_id[SFID_SIZE], subject_id[SFID_SIZE];
    int64_t received_at_ms;
};

struct status { /* what a member is to be told */
    char member_id[SFID_SIZE];
    unsigned char reason; /* enum reason */
};

struct statuses { /* status.c; only of members whose text changes: 20 bytes each */
    struct status *rows;
    size_t count, room;
    char (*unsure)[SFID_SIZE]; /* members whose touchpoint was not made as decided */
    size_t unsure_count, unsure_room;
    size_t written, refused;
    char code[STORE_CODE_SIZE], why[STORE_MESSAGE_SIZE]; /* of the first that was refused */
};

struct look_sink;
enum { CAUSE_SIZE = 64 };

struct pass {
    /* borrowed */
    const struct look_sink *look; /* NULL but for who looks on: takes what would be done */
    const struct worker_options *options;
    struct org *org;
    struct org_conn *conn;
    struct zone *zone;
    struct store_claim *claim;
    void (*unknown_sync_type)(void *ctx, const char *value);
    void *ctx;

    /* of this pass */
    char (*replays)[CAUSE_SIZE]; /* of each hint, the replay that made it run, or ""; NULL: none */
    bool whole;
    struct org_campaign *campaign;
    struct existing existing;
    struct wanted *wanted;   /* ORG_WRITE_MAX places, side by side with rows */
    struct touchpoint *rows; /* value[] point into wanted[].text */
    size_t wanted_count;
    size_t by_call;                 /* rows that went by calls */
    struct spool spool;             /* those beyond BULK_FROM_ROWS */
    struct org_row_result *results; /* ORG_WRITE_MAX places, for one call */
    struct doomed *doomed;
    size_t doomed_count, doomed_room;
    struct failure *failures;
    size_t failure_count;
    bool failures_overflow; /* more than FAILURES_MAX: one campaign hint stands for them */
    int tries_max;          /* of the failed rows, the most that one may have */
    int64_t local_pause_ms; /* how long it waits where this machine failed it */
    uint64_t jitter;        /* of all that is tried again, so that it comes back as one pass */
    struct move *moves;
    size_t move_count, move_room;
    bool moves_in_background;
    char (*losers)[SFID_SIZE]; /* members whose email another one keeps, in order */
    size_t loser_count;
    bool deletes_only;   /* the API budget is nearly used up */
    bool reconciles;     /* a claimed job is the whole pass itself (jobs.c) */
    size_t jobs_left;    /* claimed jobs from here on (index into the claim) have slices left */
    int64_t jobs_due_ms; /* … which are due then; 0: now */
    bool withheld;       /* writes that waited for it: the hints wait too */
    bool held;
    size_t unseen; /* of the doomed: only that the user sees all says that they are gone */
    size_t of_hidden_campaign; /* touchpoints whose member is seen and whose campaign is not */
    size_t unseen_people;      /* members whose person the user may not see */
    bool asks_again; /* an absence that can't be confirmed yet: the log of deletions is asked */
    int64_t gap_covered_ms; /* expand_run, with a gap: deletions up to then are known */
    char fingerprint[STORE_FINGERPRINT_SIZE];
    size_t created, updated, deleted, members;
    struct statuses statuses; /* the write-back */
};

/* spool.c */
FILE *spool_file(struct error *e); /* without a name; NULL: e */
void spool_release(struct spool *s);
/* before "": nothing was there. */
MUST_USE enum err spool_add(struct spool *s, const struct touchpoint *t, const char *before,
                            const char *after, struct error *e);
/* After the last add, before the first find. */
MUST_USE enum err spool_seal(struct spool *s, struct error *e);
struct spool_entry *spool_find(const struct spool *s, const char *key);
struct spool_row {
    struct touchpoint touchpoint;
    const char *before, *after; /* "": none */
};
/* Texts live until the next spool_read. */
MUST_USE enum err spool_read(struct spool *s, const struct spool_entry *entry,
                             struct spool_row *out, struct error *e);
void spool_settle(struct spool *s, struct spool_entry *entry);

/* bulk_job.c: one job from creation to results; jobs that a former pass left, before any read. */
MUST_USE enum err bulk_run_job(struct pass *p, enum org_ingest kind, FILE *csv, int64_t rows,
                               org_ingest_row_fn *each, void *ctx, struct error *e);
MUST_USE enum err bulk_resume(struct pass *p, struct error *e);
/* bulk.c: the spool, by jobs or by calls; the doomed, as many as jobs settle (the rest stays). */
MUST_USE enum err bulk_upserts(struct pass *p, struct error *e);
MUST_USE enum err bulk_deletes(struct pass *p, struct error *e);

/* Claimed hints without a campaign. */
MUST_USE enum err expand_run(struct pass *p, struct error *e);
/* A claimed campaign. Its row is read unless p->campaign is there (gather.c). */
MUST_USE enum err sync_run(struct pass *p, struct error *e);
/* dates.c: the claimed jobs, before anything else. */
MUST_USE enum err dates_run(struct pass *p, struct error *e);
bool claim_has_job(const struct store_claim *c);
/* look.h: the whole pass over p->campaign with the last step left out. */
MUST_USE enum err sync_look(struct pass *p, struct error *e);
/* Doomed touchpoints that nobody confirmed; whether the delete guard would hold so many of this
 * whole pass. *found: deletions of the campaign are held already. */
int64_t sync_unconfirmed(const struct pass *p);
MUST_USE enum err sync_ask_guard(const struct pass *p, struct store *store, int64_t would_delete,
                                 bool *holds, bool *found, struct error *e);
/* look.c: what would be done about a member; about touchpoints whose member is gone. */
MUST_USE enum err look_decided(struct pass *p, const struct member *m, const struct decision *d,
                               enum reason reason, const struct existing_row *old, struct error *e);
MUST_USE enum err look_absent(struct pass *p, struct error *e);

/* Whether the campaign's members matter even if it has no touchpoints. */
bool sync_needs_members(const struct pass *p);
/* Tells of a setting that is not known. */
void sync_note_type(const struct pass *p);

/* reconcile.c: a claimed reconcile becomes background hints; what a reconcile's pass wrote. */
MUST_USE enum err reconcile_expand(struct pass *p, struct error *e);
/* Nothing but the reconcile asked for this pass. */
bool reconcile_is_cause(const struct pass *p);
void reconcile_count_drift(const struct pass *p, const char *kind, size_t n);

void pass_release(struct pass *p);
void pass_note_replays(struct pass *p); /* once, before it writes */
void pass_move(struct pass *p, enum store_kind kind, const char *campaign, const char *record,
               const char *subject, int64_t received_at_ms);
/* When the oldest claimed hint was received; 0: there is none. */
int64_t pass_received(const struct pass *p);
/* Notification id (or kind, or "replay:JOB:MESSAGE") of the claimed hint that stands for this
 * member, else of the oldest whole-campaign hint. Lives as long as the pass. */
const char *pass_cause(const struct pass *p, const char *member_id);

/* duplicates.c: reads the campaign's members and finds those that share an email with one that
 * keeps its touchpoint. */
MUST_USE enum err duplicates_find(struct pass *p, struct error *e);
bool duplicates_has(const struct pass *p, const char *member_id);
void duplicates_release(struct pass *p);

/* absent.c: dooms those of the existing touchpoints whose member was not seen and is known to be
 * gone. look_elsewhere: the read was of one campaign, so members may be in another. */
MUST_USE enum err absent_settle(struct pass *p, bool look_elsewhere, struct error *e);

/* jobs.c: how the pass ended, for the jobs that it was claimed for. Before it is settled. */
void jobs_note_pass(struct pass *p, enum err result, const struct error *why);

/* write.c */
MUST_USE enum err write_want(struct pass *p, const struct touchpoint *t, const char *member_id,
                             const struct existing_row *old,
                             struct error *e); /* flushes when full */
/* The same for rows that go by a call in any case; owns the two texts. */
MUST_USE enum err write_by_call(struct pass *p, const struct touchpoint *t, const char *member_id,
                                char *before_json, char *after_json, struct error *e);
MUST_USE enum err write_flush(struct pass *p, struct error *e);
/* For one call, cleared. */
struct org_row_result *write_results(struct pass *p);
/* After a call between marks. */
MUST_USE enum err write_end(struct pass *p, enum err outcome, const struct store_ledger_row *ledger,
                            size_t n, struct error *e);
/* What became of a row. */
void write_failed(struct pass *p, const char *member_id, const struct org_row_result *r);
void write_count(struct pass *p, const char *action, size_t n);
/* Touchpoints that were deleted (n ≤ STORE_SLICE_MAX), to the ledger; the mark is cleared. */
MUST_USE enum err write_deleted(struct pass *p, const struct doomed *d, size_t n, struct error *e);
void write_doom(struct pass *p, const char *member_id, const char *touchpoint_id,
                enum reason reason, bool confirmed);
MUST_USE enum err write_deletes(struct pass *p, struct error *e);
/* The hint is of a helper record, which goes away once it is applied. */
bool hint_has_helper(const struct store_hint *h);
MUST_USE enum err write_delete_helpers(struct pass *p, struct error *e);

/* status.c: the write-back, which does nothing where the org's write_back is off. */
const char *status_text(enum reason reason); /* REASON_NONE: that there is a touchpoint */
void status_want(struct pass *p, const struct member *m, enum reason reason);
/* The member's touchpoint was not made as decided: nothing is said about it. */
void status_unsure(struct pass *p, const char *member_id);
/* After all touchpoints. Members that refuse do not fail the pass. */
MUST_USE enum err status_write(struct pass *p, struct error *e);
void status_clear(struct pass *p); /* for a pass that begins anew */
void status_release(struct statuses *s);

/* settle.c: result is what the pass returned, e its text. ERR_STALE settles nothing. */
MUST_USE enum err settle_pass(struct pass *p, enum err result, const struct error *why,
                              struct error *e);
/* A claimed hint stands for this member or helper record, and waits itself where its row failed. */
bool settle_is_claimed(const struct pass *p, const char *member_id);
/* Stores the moves gathered so far as hints, without releasing the lease (expand.c). */
MUST_USE enum err settle_moves(struct pass *p, struct error *e);
/* The same once they are MOVES_FLUSH, so that memory is bounded. */
MUST_USE enum err settle_many_moves(struct pass *p, struct error *e);

/* A failure of the org as a whole: holds the work and consumes no try (protocol rule 17). */
bool is_org_failure(enum err kind);

#endif
