/* bulk_int - shared by bulk.c (jobs, states, schedule), bulk_ingest.c and bulk_query.c */
#ifndef ORGSIM_BULK_INT_H
#define ORGSIM_BULK_INT_H

#include "bulk.h"
#include "csv_text.h"
#include "objects.h"
#include "query_int.h"
#include "soql.h"

enum {
    BULK_JOBS_MAX = 1000, /* kept; the oldest finished one goes */
    BULK_CHUNK = 200,     /* rows of a load that are worked off at a time */
    BULK_PAGE = 2000,     /* rows of a query */
    BULK_BATCH = 10000,   /* rows that count as one of the daily batches */
    BULK_COLUMNS_MAX = FIELDS_MAX + 1,
};

enum job_state { JOB_OPEN, JOB_UPLOADED, JOB_RUNNING, JOB_COMPLETE, JOB_FAILED, JOB_ABORTED };

enum job_operation {
    JOB_INSERT,
    JOB_UPDATE,
    JOB_UPSERT,
    JOB_DELETE,
    JOB_HARD_DELETE,
    JOB_QUERY,
    JOB_QUERY_ALL,
    JOB_OPERATIONS
};

enum load_row_state { LOAD_WAITING, LOAD_UPDATED, LOAD_CREATED, LOAD_FAILED };

struct load_row {
    uint32_t at, n; /* in the job's data */
    enum load_row_state state : 8;
    bool bad; /* its quotes are wrong */
    char id[SFID_SIZE];
    char *error; /* "CODE:message:Field --", or NULL */
};

struct job_load {
    char *data; /* as uploaded; NULL before */
    size_t data_len;
    struct csv_row header;
    const struct field *columns[BULK_COLUMNS_MAX];
    size_t column_count;
    struct load_row *rows;
    size_t row_count;
    uint32_t *order; /* of the chunks */
    size_t chunk_count, next_chunk;
    uint64_t failed;
};

struct job_query {
    struct soql_plan *plan;
    struct query_id *ids; /* of the whole result, where its order is not that of Id */
    size_t id_count, next_id;
    char last[SFID_SIZE];
    struct buf text;  /* all rows, without the header */
    size_t *row_ends; /* in text */
    size_t row_room;
};

struct job_faults {
    int64_t delay_ms, slow_ms;
    int64_t stop_after; /* rows; -1: never */
    enum job_state stop_state;
    char message[256];
};

struct job {
    char id[SFID_SIZE];
    enum job_operation operation;
    enum job_state state;
    const struct object *object;
    const struct field *key; /* upsert */
    struct csv_format format;
    size_t delimiter; /* row of the table of delimiters */
    char version[8];
    int64_t created_ms, changed_ms; /* org's clock */
    int64_t due_boot_ms, active_ms; /* of the next slice; time spent */
    uint64_t lock;                  /* holder of locks */
    uint64_t processed;             /* rows */
    uint64_t turn;                  /* when it was last worked on: jobs take turns */
    char error[320];                /* errorMessage, if failed */
    struct job_faults faults;
    struct job_load load;
    struct job_query query;
};

struct bulk {
    struct sim *sim;
    struct event *timer; /* NULL without a loop */
    struct job *jobs[BULK_JOBS_MAX];
    size_t count;
    uint64_t last_id, turn;
    struct {
        uint64_t created, complete, failed, aborted, rows, rows_failed;
    } stats[2]; /* loads, queries */
};

static inline bool job_is_query(const struct job *j)
{
    return j->operation >= JOB_QUERY;
}

static inline bool job_is_over(const struct job *j)
{
    return j->state >= JOB_COMPLETE;
}

const char *job_operation_name(enum job_operation o); /* "bulk_upsert", "query_job": for faults */

/* The new job of a create request, with what both kinds have in common: format and version.
 * NULL with the reply filled. */
struct job *job_new(struct bulk *b, const struct sim_request *r, const json_t *body,
                    struct sim_reply *reply);
/* Takes the job into the list. */
void job_keep(struct bulk *b, struct job *j);
void job_free(struct job **j);

/* The job that the URL names; NULL with the reply filled. */
struct job *job_of(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
json_t *job_json(const struct sim *sim, const struct job *j, bool full);

/* Makes it wait for its turn. */
void job_enqueue(struct bulk *b, struct job *j);
void job_finish(struct bulk *b, struct job *j, enum job_state state, const char *error);

/* Finds header and rows of a load; false if that has failed the job. */
bool job_read_file(struct bulk *b, struct job *j);
/* The rows of a chunk. */
size_t job_chunk_size(const struct job_load *l, size_t chunk);

/* One slice. The job finishes itself (job_finish) when there is no more. */
void job_run_load(struct bulk *b, struct job *j);
void job_run_query(struct bulk *b, struct job *j);

void job_load_release(struct job_load *l);
void job_query_release(struct job_query *q);

/* 400 with a code of the Bulk API. */
void bulk_refuse(struct sim_reply *reply, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
