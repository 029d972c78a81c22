/*
 * postgres_look - looks at the database of a PostgreSQL store from outside
 */
#ifndef TP_TEST_POSTGRES_LOOK_H
#define TP_TEST_POSTGRES_LOOK_H

#include <libpq-fe.h>

#include "store_fixture.h"

/* Somebody else's connection; PQfinish ends it. */
PGconn *open_session(struct fixture *f);
/* The first column of the first row, "" if there is none; until the next call. */
const char *ask(PGconn *c, const char *text);
/* Returns when so many wait for what that session holds; fails the test after PATIENCE_S. */
void expect_waiting(PGconn *c, const PGconn *holder, const char *count);
/* Lanes and tallies agree with the rows, and each row has the number of its campaign. */
void expect_sound(PGconn *c);

#endif
