/*
 * Jobs: so far the passes that the delete guard holds, and the admin's word that lets one run.
 */
#include "admin_int.h"

#include <errno.h>
#include <stdlib.h>

#include "mem.h"
#include "timeutil.h"

enum { JOBS_MAX = 1000 };

static json_t *job_json(const struct store_hold *h)
{
    char at[TIME_TEXT_MAX];
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "id", (json_int_t)h->id, "kind",
                     "held_deletions", "state", h->approved ? "approved" : "held", "org", h->org,
                     "campaign", h->campaign_id, "would_delete", (json_int_t)h->would_delete,
                     "existing", (json_int_t)h->existing, "since",
                     time_format_datetime(h->at_ms, at));
}

void route_jobs(struct admin *a, const struct request *q, struct answer *out)
{
    struct error e;
    struct store_hold *holds = mem_array(JOBS_MAX, sizeof *holds);
    size_t count = 0;
    (void)q;
    if (store_hold_list(a->options.store, holds, JOBS_MAX, &count, &e) != ERR_NONE) {
        answer_problem(out, 503, "The store does not answer", e.text);
    } else {
        json_t *jobs = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(jobs, job_json(&holds[i]));
        answer_json(out, 200, json_pack("{s:o}", "jobs", jobs));
    }
    free(holds);
}

void route_approve(struct admin *a, const struct request *q, struct answer *out)
{
    struct error e;
    char *end;
    errno = 0;
    long long number = strtoll(q->id, &end, 10);
    if (errno != 0 || end == q->id || *end != '\0') {
        answer_problem(out, 404, "No such job",
                       "a job's id is a number, as GET /api/v1/jobs shows it");
        return;
    }
    enum err err = store_hold_approve(a->options.store, number, &e);
    if (err == ERR_NONE)
        answer_json(out, 200,
                    json_pack("{s:I, s:s}", "id", (json_int_t)number, "state", "approved"));
    else if (err == ERR_NOT_FOUND)
        answer_problem(out, 404, "No such job", "no held job has that id; it may be over already");
    else
        answer_problem(out, 503, "The store does not answer", e.text);
}
