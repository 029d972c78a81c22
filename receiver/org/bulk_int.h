/*
 * bulk_int - jobs of Bulk API 2.0: queries and ingests have the same life
 *
 *     POST jobs/query ──▶ UploadComplete ──▶ InProgress ──▶ JobComplete ──▶ results, page by page
 *     POST jobs/ingest ─▶ Open ─▶ PUT batches ─▶ PATCH UploadComplete ─▶ …   (as above)
 *                           │                                  │
 *                           └─────── PATCH Aborted ────────────┴──▶ Aborted      or: Failed
 *
 * Source: Bulk API 2.0 guide, "Job States", "Get Information About a Job".
 */
#ifndef TP_ORG_BULK_INT_H
#define TP_ORG_BULK_INT_H

#include "call_int.h"
#include "query_int.h"

enum job_kind { JOB_QUERY, JOB_INGEST };

/* "/services/data/vNN.0/jobs/query/ID" + rest; id NULL: the collection. Caller: buf_release. */
void job_path(struct buf *path, const struct org *o, enum job_kind kind, const char *id,
              const char *rest);

/* A call about a job, its path made here: id is checked, rest as for job_path. */
MUST_USE enum err job_call(struct org_conn *c, struct call *call, enum job_kind kind,
                           const char *id, const char *rest, struct error *e);
/* ERR_UNSUPPORTED: the org has no Bulk API, or no job left today, for this object. */
MUST_USE enum err job_create(struct org_conn *c, enum job_kind kind, const char *body,
                             struct org_job *out, struct error *e);
/* A job that is gone is no error but ORG_JOB_GONE. */
MUST_USE enum err job_state(struct org_conn *c, enum job_kind kind, const char *id,
                            struct org_job *out, struct error *e);
/* "UploadComplete", as a write; ERR_NOT_FOUND where the job is gone. */
MUST_USE enum err job_close(struct org_conn *c, const char *id, struct org_job *out,
                            struct error *e);
/* out: the job as it then is, which may have ended before the abort came. */
MUST_USE enum err job_abort(struct org_conn *c, enum job_kind kind, const char *id,
                            struct org_job *out, struct error *e);
MUST_USE enum err job_delete(struct org_conn *c, enum job_kind kind, const char *id,
                             struct error *e);

/* ------------------------------------------------------------------ describe.c */

/* Of what kind the values of a column are: CSV does not tell. */
enum column_kind { COLUMN_TEXT, COLUMN_BOOL, COLUMN_NUMBER };
struct column {
    const char *name; /* as in the SELECT list: "Lead.IsConverted" */
    enum column_kind kind;
};

/* Sets the kinds of these fields of the object. ERR_CONFIG where one is not there or has parts (an
 * address), which a rule can't compare; ERR_UNSUPPORTED where the org has no describe. */
MUST_USE enum err describe_columns(struct org_conn *c, const char *object, struct column *columns,
                                   size_t n, struct error *e);

/* ------------------------------------------------------------------ bulk_record.c */

struct columns {
    struct column *column;
    char **name; /* the same names; owned */
    size_t count;
};
/* Of a query's SELECT list. Release it in any case. */
MUST_USE enum err columns_init(struct columns *x, struct org_conn *c, const struct query *q,
                               struct error *e);
void columns_release(struct columns *x);
/* The record that these cells make, one after the other, a NUL after each; *cells moves past them.
 * NULL, with e: a cell is not of its column's kind. Caller: json_decref. */
json_t *columns_record(const struct columns *x, const char **cells, struct error *e);

/* ------------------------------------------------------------------ bulk_read.c */

/* Runs the query as a job and gives its records in no order, as query_walk does, in slices of at
 * most ORG_PAGE. *other_way, with an error, before any record was given: this way does not work
 * here or now, another may. */
MUST_USE enum err bulk_walk(struct org_conn *c, const struct query *q, query_page_fn *page,
                            void *ctx, bool *other_way, struct error *e);

#endif
