/*
 * What became of a load's rows, as CSV in the job's own format. The rows come in the order in which
 * the chunks were worked off, each backwards: never in that of the upload.
 */
#include "bulk_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { RESULTS_MAX = 1 << 30 };

enum results { RESULTS_SUCCESSFUL, RESULTS_FAILED, RESULTS_UNPROCESSED };

static void put_cells(struct buf *out, const struct job *j, const struct csv_row *row, bool first)
{
    char *values[BULK_COLUMNS_MAX];
    if (row->bad) { /* it can't be taken apart: given back in one piece */
        char *whole = mem_strndup(row->at, row->n);
        csv_put(out, &j->format, whole, first);
        csv_put_end(out, &j->format);
        free(whole);
        return;
    }
    size_t count = csv_split(&j->format, row, values, BULK_COLUMNS_MAX);
    for (size_t i = 0; i < count && i < BULK_COLUMNS_MAX; i++)
        csv_put(out, &j->format, values[i], first && i == 0);
    free(values[0]);
    csv_put_end(out, &j->format);
}

static void put_header(struct buf *out, const struct job *j, enum results which)
{
    if (which != RESULTS_UNPROCESSED) {
        csv_put(out, &j->format, "sf__Id", true);
        csv_put(out, &j->format, which == RESULTS_SUCCESSFUL ? "sf__Created" : "sf__Error", false);
    }
    put_cells(out, j, &j->load.header, which == RESULTS_UNPROCESSED);
}

static bool belongs(enum results which, enum load_row_state state)
{
    switch (state) {
    case LOAD_WAITING:
        return which == RESULTS_UNPROCESSED;
    case LOAD_FAILED:
        return which == RESULTS_FAILED;
    case LOAD_UPDATED:
    case LOAD_CREATED:
        break;
    }
    return which == RESULTS_SUCCESSFUL;
}

static void put_row(struct buf *out, const struct job *j, const struct load_row *row,
                    enum results which)
{
    struct csv_row cells = {.at = j->load.data + row->at, .n = row->n, .bad = row->bad};
    if (which != RESULTS_UNPROCESSED) {
        const char *created = row->state == LOAD_CREATED ? "true" : "false";
        csv_put(out, &j->format, row->id, true);
        csv_put(out, &j->format, which == RESULTS_FAILED ? row->error : created, false);
    }
    put_cells(out, j, &cells, which == RESULTS_UNPROCESSED);
}

static void put_rows(struct buf *out, const struct job *j, enum results which)
{
    const struct job_load *l = &j->load;
    for (size_t c = 0; l->order != NULL && c < l->chunk_count; c++) {
        size_t first = (size_t)l->order[c] * BULK_CHUNK;
        for (size_t i = job_chunk_size(l, l->order[c]); i-- > 0;) {
            if (belongs(which, l->rows[first + i].state))
                put_row(out, j, &l->rows[first + i], which);
        }
    }
}

static void results(struct sim *sim, const struct sim_request *r, enum results which,
                    struct sim_reply *reply)
{
    const struct job *j = job_of(sim, r, reply);
    if (j == NULL)
        return;
    if (!job_is_over(j)) {
        bulk_refuse(reply, "INVALIDJOBSTATE", "Results of a Job that is still in work not allowed");
        return;
    }
    struct buf out;
    buf_init(&out, RESULTS_MAX);
    if (j->load.header.at != NULL && !j->load.header.bad) {
        put_header(&out, j, which);
        put_rows(&out, j, which);
    }
    sim_reply_take_text(reply, 200, "text/csv", buf_take(&out));
}

void bulk_successful(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    results(sim, r, RESULTS_SUCCESSFUL, reply);
}

void bulk_failed(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    results(sim, r, RESULTS_FAILED, reply);
}

void bulk_unprocessed(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    results(sim, r, RESULTS_UNPROCESSED, reply);
}
