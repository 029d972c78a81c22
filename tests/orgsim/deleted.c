/*
 * Both read by SystemModstamp, which a deletion sets. Seconds of the window's ends are ignored, as
 * in an org, so the present minute is not covered yet; latestDateCovered says where to go on.
 */
#include "deleted.h"

#include <stdio.h>
#include <string.h>

#include "db.h"
#include "mem.h"
#include "sobjects.h"
#include "timeutil.h"
#include "values.h"

enum { IDS_MAX = 600000 };
static const int64_t DAY_MS = 86400000, MINUTE_MS = 60000;

struct window {
    const struct object *object;
    int64_t start_ms, end_ms;
};

static bool param_time(const struct sim_request *r, const char *name, int64_t *at_ms)
{
    const char *s = sim_request_param(r, name);
    char text[48];
    if (s == NULL)
        return false;
    snprintf(text, sizeof text, "%s", s);
    char *blank = strchr(text, ' '); /* a plus sign that was not escaped */
    if (blank != NULL)
        *blank = '+';
    if (!time_parse_datetime(text, strlen(text), at_ms))
        return false;
    *at_ms -= (*at_ms % MINUTE_MS + MINUTE_MS) % MINUTE_MS;
    return true;
}

static bool read_window(struct sim *sim, const struct sim_request *r, int64_t days,
                        struct window *w, struct sim_reply *reply)
{
    int64_t now = sim_clock_ms(&sim->clock);
    w->object = sobjects_find(sim, r->args[1], reply);
    if (w->object == NULL)
        return false;
    if (w->object->read_only) {
        sim_reply_not_found(reply);
        return false;
    }
    if (!param_time(r, "start", &w->start_ms) || !param_time(r, "end", &w->end_ms)) {
        sim_reply_error(reply, 400, "INVALID_REPLICATION_DATE",
                        "start and end must be ISO 8601 date-times");
        return false;
    }
    const char *wrong = NULL;
    if (w->end_ms <= w->start_ms)
        wrong = "endDate must be at least one minute greater than startDate";
    else if (w->start_ms < now - days * DAY_MS)
        wrong = "startDate before org replication enabled date";
    if (wrong != NULL)
        sim_reply_error(reply, 400, "INVALID_REPLICATION_DATE", "%s", wrong);
    return wrong == NULL;
}

static json_t *datetime(int64_t at_ms)
{
    static const struct field f = {.name = "", .type = FIELD_DATETIME};
    struct value v = {.kind = VALUE_INT, .i = at_ms};
    return value_to_json(&f, &v);
}

/* Where the next window starts: what is still in the future is not covered. */
static int64_t covered(const struct sim *sim, const struct window *w)
{
    int64_t now = sim_clock_ms(&sim->clock);
    int64_t minute = now - (now % MINUTE_MS + MINUTE_MS) % MINUTE_MS;
    return w->end_ms < minute ? w->end_ms : minute;
}

/* Id and stamp of the rows of the window; NULL with the reply filled if they are too many. */
static json_t *read_rows(struct sim *sim, const struct window *w, bool deleted,
                         struct sim_reply *reply)
{
    char sql[400];
    json_t *out = json_array();
    if (sim->access.hide[w->object->id])
        return out;
    snprintf(sql, sizeof sql,
             "SELECT Id, SystemModstamp FROM %s WHERE SystemModstamp >= ?1 AND SystemModstamp < ?2 "
             "AND IsDeleted = %d UNION ALL SELECT Id, DeletedDate FROM DeleteLog WHERE Object = ?3 "
             "AND DeletedDate >= ?1 AND DeletedDate < ?2 AND %d ORDER BY 2, 1",
             w->object->name, deleted, deleted);
    sqlite3_stmt *st = sdb_prepare(sim->db, sql);
    sqlite3_bind_int64(st, 1, w->start_ms);
    sqlite3_bind_int64(st, 2, covered(sim, w));
    sdb_bind_text(st, 3, w->object->name);
    while (sdb_step(sim->db, st) && json_array_size(out) <= IDS_MAX) {
        const char *id = (const char *)sqlite3_column_text(st, 0);
        json_array_append_new(out, deleted ? json_pack("{s:s, s:o}", "id", id, "deletedDate",
                                                       datetime(sqlite3_column_int64(st, 1)))
                                           : json_string(id));
    }
    sdb_done(sim->db, st);
    if (json_array_size(out) <= IDS_MAX)
        return out;
    json_decref(out);
    sim_reply_error(reply, 400, "EXCEEDED_ID_LIMIT", "more than %d records; shorten the window",
                    IDS_MAX);
    return NULL;
}

void deleted_run(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct window w;
    if (!read_window(sim, r, 15, &w, reply))
        return;
    json_t *rows = read_rows(sim, &w, true, reply);
    int64_t earliest = sim_clock_second_ms(&sim->clock) - 15 * DAY_MS;
    if (rows != NULL)
        sim_reply_json(reply, 200,
                       json_pack("{s:o, s:o, s:o}", "deletedRecords", rows, "earliestDateAvailable",
                                 datetime(earliest), "latestDateCovered",
                                 datetime(covered(sim, &w))));
}

void updated_run(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct window w;
    if (!read_window(sim, r, 30, &w, reply))
        return;
    json_t *rows = read_rows(sim, &w, false, reply);
    if (rows != NULL)
        sim_reply_json(
            reply, 200,
            json_pack("{s:o, s:o}", "ids", rows, "latestDateCovered", datetime(covered(sim, &w))));
}
