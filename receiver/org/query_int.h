/*
 * query_int - SOQL: built from parts, read to its end
 *
 * Every query selects Id and is ordered by it, so that a walk whose locator died goes on after the
 * last id that was read. Records come a page at a time; the page is the callee's for the call.
 */
#ifndef TP_ORG_QUERY_INT_H
#define TP_ORG_QUERY_INT_H

#include "call_int.h"

enum { SELECT_MAX_BYTES = 64 * 1024, QUERY_PATH_MAX = HTTP_URL_MAX - ORIGIN_MAX };

/* SELECT list: each name once (SOQL refuses duplicates), without regard to case; Id first. */
struct select {
    struct buf text; /* "Id,Name,Lead.Email" */
};
void select_init(struct select *s);
void select_add(struct select *s, const char *field);
void select_release(struct select *s);

/* Bytes as a SOQL literal, quotes included. */
void soql_put_text(struct buf *b, const char *text);

typedef enum err query_page_fn(void *ctx, json_t *records, struct error *e);

/* How a query goes as a bulk job, whose CSV does not tell of what kind a value is. */
struct query_bulk {
    const char *const *bools; /* columns of booleans, as in the SELECT list */
    size_t bool_count;
    const char *const *described; /* fields of the object whose kind its describe tells */
    size_t described_count;
};

struct query {
    const struct select *select;
    const char *from;
    const char *where;             /* NULL: all records. One term: no OR on its outer level */
    bool with_deleted;             /* queryAll */
    unsigned limit;                /* most records; 0: all. A walk ends there */
    const struct query_bulk *bulk; /* many records may come as a bulk job, unordered; NULL: never */
};

/* Calls page for each page that is not empty; ends early with its error. A walk that ends with
 * ERR_NONE was complete. */
MUST_USE enum err query_walk(struct org_conn *c, const struct query *q, query_page_fn *page,
                             void *ctx, struct error *e);

/* The same, where the answer to the first page is at hand. */
MUST_USE enum err query_walk_on(struct org_conn *c, const struct query *q, json_t *first,
                                query_page_fn *page, void *ctx, struct error *e);
/* /services/data/vNN.0/query?q=…; after: "" or the id to go on from. Inits path. */
void query_path(struct buf *path, const struct org *o, const struct query *q, const char *after);

/* The first page (at most 2,000 records) of a query in the caller's own order: `tail` stands after
 * the WHERE, as "ORDER BY x LIMIT 2000". */
MUST_USE enum err query_first_page(struct org_conn *c, const struct query *q, const char *tail,
                                   query_page_fn *page, void *ctx, struct error *e);

/* WHERE (by[0] IN (…) OR by[1] IN (…)) AND also, in as few queries as the limits of IN and URL
 * allow, five of them in one call: 2,000 ids cost one. A limit is each query's own. query_in.c */
struct query_in {
    struct query query; /* where: unused */
    const char *by[2];  /* [1] may be NULL */
    const char *also;   /* may be NULL */
    const char (*ids)[SFID_SIZE];
    size_t n;
};
MUST_USE enum err query_walk_in(struct org_conn *c, const struct query_in *q, query_page_fn *page,
                                void *ctx, struct error *e);

#endif
