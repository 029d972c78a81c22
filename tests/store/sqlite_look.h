/*
 * sqlite_look - looks at the file of a SQLite store from outside, with a connection of its own
 */
#ifndef TP_TEST_SQLITE_LOOK_H
#define TP_TEST_SQLITE_LOOK_H

#include <stdint.h>

#include "store_fixture.h"

/* The number that a statement gives; -1 without a row. */
int64_t sqlite_number(const char *path, const char *sql);
void sqlite_change(const char *path, const char *sql);
/* Lanes, tallies and leases agree with the rows, and the file is whole. */
void sqlite_expect_sound(const char *path);

/* "queue.db" and what follows, in the fixture's folder; static until the 4th next call. */
const char *beside(const struct fixture *f, const char *suffix);
void copy_file(const char *from, const char *to);
void pause_a_little(void); /* between two looks */

#endif
