#include "postgres_look.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "timeutil.h"

PGconn *open_session(struct fixture *f)
{
    PGconn *c = PQconnectdb(f->url);
    if (PQstatus(c) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(c));
    return c;
}

const char *ask(PGconn *c, const char *text)
{
    static char first[100];
    PGresult *r = PQexec(c, text);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s", PQerrorMessage(c));
    (void)snprintf(first, sizeof first, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return first;
}

void expect_waiting(PGconn *c, const PGconn *holder, const char *count)
{
    char text[200];
    int64_t give_up = time_boot_ms() + PATIENCE_S * SECOND_MS;
    (void)snprintf(text, sizeof text,
                   "SELECT count(*) FROM pg_stat_activity WHERE %d = ANY (pg_blocking_pids(pid))",
                   PQbackendPID(holder));
    while (strcmp(ask(c, text), count) != 0) {
        if (time_boot_ms() > give_up)
            fail_msg("not %s wait for what another session holds", count);
    }
}

void expect_sound(PGconn *c)
{
    assert_string_equal(
        ask(c, "SELECT count(*) FROM (SELECT org, sum(ready) AS ready, sum(leased) AS leased, "
               "sum(done) AS done, sum(failed) AS failed FROM tally GROUP BY org) t FULL JOIN "
               "(SELECT org, count(*) FILTER (WHERE state = 0) AS ready, "
               "count(*) FILTER (WHERE state = 1) AS leased, "
               "count(*) FILTER (WHERE state = 2) AS done, "
               "count(*) FILTER (WHERE state = 3) AS failed FROM notification GROUP BY org) n "
               "USING (org) WHERE (t.ready, t.leased, t.done, t.failed) "
               "IS DISTINCT FROM (n.ready, n.leased, n.done, n.failed)"),
        "0");
    assert_string_equal(
        ask(c, "SELECT count(*) FROM (SELECT campaign, background, min(org) AS org, "
               "min(due_at) AS due_at FROM notification WHERE state = 0 GROUP BY 1, 2) n "
               "LEFT JOIN lane l USING (campaign, background) "
               "WHERE l.org IS DISTINCT FROM n.org OR l.due_at > n.due_at"),
        "0");
    assert_string_equal(ask(c, "SELECT count(*) FROM notification n LEFT JOIN campaign c "
                               "ON c.id = n.campaign WHERE c.org IS DISTINCT FROM n.org"),
                        "0");
}
