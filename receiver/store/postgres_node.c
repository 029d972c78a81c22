/*
 * This daemon among those that share the store (store_place): a row that is renewed each second. A
 * new one waits until the others have seen it and make room.
 */
#include "postgres_int.h"

#include "log.h"
#include "timeutil.h"

enum {
    DEAD_MS = 5000,  /* not renewed for so long: its share is the others' */
    YOUNG_MS = 2500, /* two beats of the others, and some */
};

static void set_place(struct pg_store *s, uint32_t rank, uint32_t nodes)
{
    uint64_t place = (uint64_t)rank << 32 | nodes;
    if (atomic_exchange(&s->base.place, place) == place)
        return;
    log_debug("a place among the daemons", "rank", log_num(rank), "nodes", log_num(nodes), NULL);
    store_waiters_wake(&s->base.waiters);
}

enum err pg_beat(struct pg_store *s, struct pg_db *db, struct error *e)
{
    PGresult *r = pg_query(db, e, "SELECT rank, nodes, age_ms FROM tp_beat($1, $2, $3)", "tii",
                           s->owner, (int64_t)DEAD_MS, PG_BOOT(s));
    if (r == NULL)
        return e->kind;
    uint32_t rank = (uint32_t)pg_i64(r, 0, 0), nodes = (uint32_t)pg_i64(r, 0, 1);
    bool is_young = nodes > 1 && pg_i64(r, 0, 2) < YOUNG_MS;
    PQclear(r);
    set_place(s, is_young ? nodes : rank, nodes);
    return ERR_NONE;
}

void pg_beat_no_more(struct pg_store *s, struct pg_db *db)
{
    struct error e;
    PGresult *r = pg_query(db, &e, "DELETE FROM node WHERE owner = $1", "t", s->owner);
    if (r == NULL)
        log_debug("the others will notice in some seconds that this daemon is gone", "error",
                  e.text, NULL);
    PQclear(r);
}
