/*
 * The delete guard's holds (jobs of kind STORE_JOB_HELD, one a campaign) and the per-org cursors:
 * what is written of them.
 */
#include "sqlite_int.h"

#include <string.h>

/* An approval covers as many deletions as it was given for: a refresh
 * that wants more asks again. */
enum err sqlite_hold_put(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct sqlite_lease *l = sqlite_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    return sql_run(&s->db, e, SQL_HOLD_PUT, "ttiii", l->org, l->key, r->u.hold_put.would_delete,
                   r->u.hold_put.existing, store_wall_ms(&s->base));
}

enum err sqlite_hold_end(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct sqlite_lease *l = sqlite_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    return sql_run(&s->db, e, SQL_HOLD_END, "tt", l->org, l->key);
}

enum err sqlite_hold_approve(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    char org[SFID_SIZE], campaign[SFID_SIZE];
    struct sql_query q = sql_query(&s->db, SQL_HOLD_APPROVE, "i", r->u.hold_approve.id);
    bool found = sql_next(&q);
    if (found) {
        sql_text(&q, 0, org, sizeof org);
        sql_text(&q, 1, campaign, sizeof campaign);
        (void)sql_next(&q);
    }
    enum err err = sql_done(&q, e);
    if (err != ERR_NONE)
        return err;
    if (!found)
        return error_set(e, ERR_NOT_FOUND, "no held job has the number %lld",
                         (long long)r->u.hold_approve.id);
    const struct store_new_hint pass = {
        .kind = STORE_CAMPAIGN, .campaign_id = campaign, .record_id = campaign, .subject_id = ""};
    return sqlite_add_hint(s, org, &pass, e);
}

enum err sqlite_cursor_set(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    return sql_run(&s->db, e, SQL_CURSOR_SET, "ttt", r->u.cursor.org, r->u.cursor.name,
                   r->u.cursor.value);
}
