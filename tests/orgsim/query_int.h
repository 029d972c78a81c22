/* query_int - running plans (query_rows.c), for query.c and bulk_query.c */
#ifndef ORGSIM_QUERY_INT_H
#define ORGSIM_QUERY_INT_H

#include "query.h"

struct query_id {
    char text[SFID_SIZE];
};

/* Records as JSON, separated by commas. */
struct query_page {
    struct buf text;
    size_t count;
};

enum { QUERY_TEXT_MAX = 1 << 30 };

/* NULL with the error filled; soql_plan_free. `admin` sees everything. */
struct soql_plan *query_plan(struct sim *sim, const char *soql, bool admin, bool with_deleted,
                             struct soql_error *error);
void query_too_complicated(struct soql_error *error);

/* A statement of the plan's FROM and WHERE with its parameters bound; NULL if SQLite finds it too
 * complicated. The tail's own parameters follow the plan's. */
sqlite3_stmt *query_prepare(struct sim *sim, const struct soql_plan *plan, const char *columns,
                            const char *tail);
int64_t query_count(struct sim *sim, const struct soql_plan *plan);

/* Whether the plan's order is that of Id, so that it can be read by keyset. */
bool query_is_keyset(const struct soql_plan *plan);
/* Appends up to `limit` rows behind a key and tells the last one's id; false if SQLite finds the
 * query too complicated. */
bool query_keyset_page(struct sim *sim, const struct soql_plan *plan, const char *after,
                       size_t limit, const char *version, struct query_page *out,
                       char last[SFID_SIZE]);
/* The ids of the whole result in its order (free()); false as above. */
bool query_list_ids(struct sim *sim, const struct soql_plan *plan, struct query_id **ids,
                    size_t *count);
void query_id_page(struct sim *sim, const struct soql_plan *plan, const struct query_id *ids,
                   size_t count, const char *version, struct query_page *out);

#endif
