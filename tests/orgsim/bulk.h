/*
 * bulk - Bulk API 2.0: jobs that load and jobs that query
 *
 *     create ─▶ Open ──upload, close──▶ UploadComplete ─▶ InProgress ─▶ JobComplete
 *                 └────────── abort ───────────┴──────────────┘└─▶ Failed, Aborted
 *
 * A query job is born UploadComplete. A job is worked off in slices between other requests: 200
 * rows of a load, 2,000 of a query, so that its states can be seen and a client may abort it.
 * A load's slices hold their campaigns' locks, and their order is shuffled, as an org works on
 * several at once: results do not come in the order of the rows.
 *
 * Threads: the loop's. Without a loop (tests) bulk_step is called by hand.
 */
#ifndef ORGSIM_BULK_H
#define ORGSIM_BULK_H

#include <jansson.h>

#include "message.h"
#include "sim.h"

struct bulk;

struct bulk *bulk_new(struct sim *sim);
void bulk_free(struct bulk **b);

/* Works off one slice of one job that is due. Gives the milliseconds until the next is, 0 for now,
 * -1 if there is nothing to do. */
int64_t bulk_step(struct bulk *b);

json_t *bulk_stats(const struct bulk *b);
void bulk_reset_stats(struct bulk *b);

/* ---- jobs/ingest */
void bulk_create(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void bulk_upload(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void bulk_successful(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void bulk_failed(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void bulk_unprocessed(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

/* ---- jobs/query */
void bulk_query_create(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void bulk_query_results(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

/* ---- both; which one is in the path */
void bulk_list(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void bulk_info(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void bulk_set_state(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void bulk_delete(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

#endif
