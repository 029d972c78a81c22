/*
 * What the server says when it refuses something, in the terms of error.h.
 */
#include "postgres_sql.h"

#include <stdio.h>
#include <string.h>

struct meaning {
    const char *state; /* SQLSTATE, or how it begins */
    enum err err;
    const char *text;
};

static const struct meaning MEANINGS[] = {
    {"40P01", ERR_BUSY, "two transactions met head on"},
    {"40001", ERR_BUSY, "two transactions met head on"},
    {"40003", ERR_UNKNOWN_OUTCOME, "the database does not know what became of a transaction"},
    {"22", ERR_INVALID, "the store refused the data"},
    {"23", ERR_INVALID, "the store refused the data"},
    {"53100", ERR_FULL, "the database server's disk is full; free some space"},
    {"53", ERR_BUSY, "the database server is out of resources (connections, memory)"},
    {"55P03", ERR_BUSY, "another transaction holds what this one needs"},
    {"57014", ERR_BUSY, "the database took too long for a statement and gave it up"},
    {"57P", ERR_IO, "the database server is stopping or starting"},
    {"25006", ERR_IO, "the database server takes no writes (a standby?)"},
    {"28", ERR_AUTH, "the database server refused user or password"},
    {"3D", ERR_CONFIG, "there is no such database"},
    {"3F", ERR_CONFIG, "there is no such schema"},
    {"42501", ERR_DENIED, "the database user lacks a right"},
    {"58", ERR_IO, "the disk failed under the database server"},
    {"XX001", ERR_CORRUPT, "the database is damaged; restore it"},
    {"XX002", ERR_CORRUPT, "an index of the database is damaged; REINDEX it"},
};

static struct meaning meaning_of(const char *state)
{
    for (size_t i = 0; i < sizeof MEANINGS / sizeof MEANINGS[0]; i++) {
        if (strncmp(state, MEANINGS[i].state, strlen(MEANINGS[i].state)) == 0)
            return MEANINGS[i];
    }
    return (struct meaning){"", ERR_INTERNAL, "the database refused a statement"};
}

/* The first line of what libpq says. */
static void first_line(const char *text, char *out, size_t size)
{
    size_t n = strcspn(text, "\n");
    (void)snprintf(out, size, "%.*s", (int)n, text);
}

enum err pg_error(struct pg_db *db, const PGresult *r, struct error *e)
{
    char line[300];
    const char *state = r != NULL ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    if (state == NULL || PQstatus(db->conn) != CONNECTION_OK) {
        db->broken = true;
        first_line(PQerrorMessage(db->conn), line, sizeof line);
        return error_set(e, ERR_IO, "the connection to the database was lost (%s)", line);
    }
    struct meaning m = meaning_of(state);
    db->existed = strcmp(state, "23505") == 0;
    db->again = strcmp(m.state, "40P01") == 0 || strcmp(m.state, "40001") == 0;
    db->broken = db->broken || m.err == ERR_IO || m.err == ERR_CORRUPT;
    const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    first_line(primary != NULL ? primary : "", line, sizeof line);
    return error_set(e, m.err, "%s (%s, %s)", m.text, line, state);
}
