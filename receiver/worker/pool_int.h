/*
 * pool_int - what the worker's threads share
 *
 *   worker.c  start, stop, one pass
 *   claim.c   what a thread does next
 *   gather.c  many claims of one org looked at together
 *   trouble.c campaigns that wait because this machine's disk failed them
 *
 * A claim that gather.c found work for waits in the pool, under its lease, until a thread of it is
 * free; each keeps the campaign's row that was read under that lease.
 */
#ifndef TP_WORKER_POOL_INT_H
#define TP_WORKER_POOL_INT_H

#include <pthread.h>

#include "worker_int.h"

enum {
    IDLE_WAIT_MS = 1000,
    SYNC_TYPES_MAX = 32,
    SYNC_TYPE_SIZE = 64,
    RESTS_MAX = 64,
    TROUBLES_MAX = 64,
    SKIPS_MAX = RESTS_MAX + TROUBLES_MAX,
    GATHER_MAX = 400, /* claims of one gathering: one query for the campaigns, one call for the
                         touchpoints */
};

struct waiting { /* a claim, and its campaign's row where it was read */
    struct store_claim *claim;
    struct org_campaign *campaign;
    size_t org;
    struct waiting *next;
};

struct rest { /* a campaign that messages pour in for: claimed again after a while */
    struct store_key of;
    int64_t until_boot_ms;
};

struct trouble { /* a campaign that waits for this machine */
    struct store_key of;
    unsigned failures;
    int64_t until_boot_ms;
    char why[ERROR_TEXT_MAX];
};

struct troubles {
    pthread_mutex_t lock; /* its own: readiness must not wait for a claim */
    struct trouble v[TROUBLES_MAX];
    size_t count;
};

struct worker_org { /* one org as one thread sees it */
    struct org_conn *conn;
    struct zone *zone; /* opened at the first pass */
};

struct worker {
    struct worker_pool *pool;
    pthread_t thread;
    struct worker_org
        *orgs; /* options.org_count; conn may be read by worker_stop under the pool's lock */
    struct store_claim *claim;      /* the current one; this thread only */
    struct org_campaign *campaign;  /* its row, where it was read already; this thread only */
    _Atomic int64_t turned_boot_ms; /* when the thread last gave a sign of life */
};

struct org_work {               /* one org as the pool sees it */
    bool gathering;             /* meanwhile nobody else claims from the store */
    bool bursting;              /* the last gathering found many: the next claim gathers again */
    int64_t lull_until_boot_ms; /* until then no claims from the store: the burst may go on */
};

struct worker_pool {
    struct worker_options options; /* read-only */
    atomic_bool stopping;          /* passes end at their next request */
    atomic_bool retiring;          /* passes end as they would, and no others begin */
    atomic_uint running;           /* threads that have not ended */
    pthread_mutex_t lock;          /* guards what follows */
    pthread_cond_t freed;          /* a pass ended, work waits in the pool, or the pool stops */
    struct org_work *orgs;         /* options.org_count */
    struct waiting *first, **last;
    struct rest rests[RESTS_MAX];
    size_t rest_count;
    char seen_types[SYNC_TYPES_MAX][SYNC_TYPE_SIZE];
    size_t seen_type_count;
    struct troubles troubles;
    struct worker *workers; /* options.threads */
    unsigned started;       /* main's thread only */
};

/* ------------------------------------------------------------------ worker.c */

void sign_of_life(struct worker *w);
bool is_ending(const struct worker_pool *pool); /* no pass begins any more */
MUST_USE enum err connect_org(struct worker *w, size_t org, struct error *e);
/* A pass over that claim; org: index, org_count where the configuration does not have it. */
struct pass new_pass(struct worker_pool *pool, struct store_claim *claim, size_t org);
enum budget org_budget(const struct worker_pool *pool, size_t org);
/* Settles, and frees what the pass holds; the claim stays the caller's. */
void end_pass(struct pass *p, enum err result, const struct error *why);
/* Tells the org how a pass, or a gathering, ended. org: NULL for none. */
void report_pass(struct org *org, enum err result, const struct error *why);

/* ------------------------------------------------------------------ claim.c */

enum next {
    NEXT_NOTHING, /* no org may work now; waited for one */
    NEXT_WAIT,    /* the store has none: wait for it, at most *wait_ms */
    NEXT_PASS,    /* w->claim, w->campaign */
    NEXT_GATHER,  /* w->claim is the first of many, perhaps */
};
/* Takes the next claim; *wait_ms: when to look again at the latest. */
MUST_USE enum err claim_next(struct worker *w, enum next *next, size_t *org, int64_t *wait_ms,
                             struct error *e);
/* After the pass or the gathering. */
void claim_ended(struct worker *w, size_t org);
/* Lets a campaign rest that many hints came for. */
void claim_rest(struct worker_pool *pool, const struct store_claim *c);
/* Campaigns that are not to be claimed now; out: SKIPS_MAX. Under the pool's lock. */
size_t claim_rests(struct worker_pool *pool, struct store_key *out, int64_t *wait_ms);

/* ------------------------------------------------------------------ trouble.c */

/* After each pass. How long its campaign's work waits; 0: what failed was not this machine. */
int64_t trouble_note(struct worker_pool *pool, const struct store_claim *c, enum err result,
                     const struct error *why);
/* Campaigns that wait; out: TROUBLES_MAX. Shortens *wait_ms to the end of the first. */
size_t trouble_list(struct worker_pool *pool, struct store_key *out, int64_t *wait_ms);

/* ------------------------------------------------------------------ gather.c */

/* Claims more campaigns of w->claim's org, reads all their rows together, ends those that have
 * nothing to do, and leaves the others waiting in the pool. w->claim is NULL afterwards. */
void gather_run(struct worker *w, size_t org);
/* Under the pool's lock: renews the leases of waiting claims that are half over. */
void gather_renew(struct worker_pool *pool);
/* Back into the queue, uncounted. */
void gather_give_back(struct worker_pool *pool, struct waiting *list, const char *why);

#endif
