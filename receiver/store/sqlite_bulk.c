/*
 * Bulk jobs under a campaign's lease (protocol rule 14).
 */
#include "sqlite_int.h"

enum err sqlite_bulk_put(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct store_bulk_job *job = r->u.bulk_put.job;
    const struct sqlite_lease *l = sqlite_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    return sql_run(&s->db, e, SQL_BULK_PUT, "tttiii", l->org, l->key, job->id, (int64_t)job->kind,
                   job->rows, store_wall_ms(&s->base));
}

enum err sqlite_bulk_end(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct sqlite_lease *l = sqlite_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    return sql_run(&s->db, e, SQL_BULK_END, "ttt", l->org, l->key, r->u.bulk_end.id);
}

enum err sqlite_bulk_list(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sql_query q = sql_query(&s->reader.db, SQL_BULK_LIST, "tti", r->lease->org,
                                   r->lease->key, (int64_t)r->u.bulk_list.max);
    r->u.bulk_list.count = 0;
    while (r->u.bulk_list.count < r->u.bulk_list.max && sql_next(&q)) {
        struct store_bulk_job *job = &r->u.bulk_list.out[r->u.bulk_list.count++];
        sql_text(&q, 0, job->id, sizeof job->id);
        job->kind = sqlite3_column_int(q.st, 1);
        job->rows = sqlite3_column_int64(q.st, 2);
    }
    return sql_done(&q, e);
}
