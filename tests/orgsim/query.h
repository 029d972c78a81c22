/*
 * query - running SOQL: pages, locators, whole results
 *
 * A result in the order of Id is paged by keyset, so that each page costs the same; any other order
 * is kept as a list of ids, as an org does. A page can be asked for again (a reply may have been
 * lost); a page that was never announced can't.
 */
#ifndef ORGSIM_QUERY_H
#define ORGSIM_QUERY_H

#include <jansson.h>

#include "message.h"
#include "sim.h"
#include "soql.h"

enum { QUERY_PAGE_MAX = 2000, QUERY_PAGE_MIN = 200 };

struct cursors *cursors_new(void);
void cursors_free(struct cursors **c);

void query_start(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);
void query_more(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

/* All records of a query as an array (a new reference), or NULL with the error. `admin` sees
 * everything. */
json_t *query_rows(struct sim *sim, const char *soql, bool admin, bool with_deleted,
                   const char *version, struct soql_error *error);

#endif
