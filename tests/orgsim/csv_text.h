/*
 * csv_text - CSV as Bulk API 2.0 takes and gives it
 *
 * Strict where an org is: the line ending must be the one of the job, nothing is trimmed, and a
 * quote stands at both ends of a value or nowhere (inside it is doubled). Rows are found first and
 * taken apart one by one later, so that a file of 100 MB is kept as it came.
 *
 * Threads: pure.
 */
#ifndef ORGSIM_CSV_TEXT_H
#define ORGSIM_CSV_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

struct csv_format {
    char delimiter;
    bool crlf;
};

struct csv_row {
    const char *at; /* without its line ending */
    size_t n;
    bool bad; /* its quotes are wrong */
};

enum csv_step { CSV_ROW, CSV_END, CSV_WRONG_ENDING };

/* The next row from *at on, which moves behind it; empty lines are passed over. */
enum csv_step csv_next_row(const struct csv_format *f, const char **at, const char *end,
                           struct csv_row *row);

/* The values of a row that is not bad: pointers into one block (free(values[0])). Gives their
 * number; more than `max` are counted, not given. At least one. */
size_t csv_split(const struct csv_format *f, const struct csv_row *row, char **values, size_t max);

/* Appends a value in quotes, preceded by the delimiter unless it is the row's first. */
void csv_put(struct buf *out, const struct csv_format *f, const char *value, bool first);
void csv_put_end(struct buf *out, const struct csv_format *f);

#endif
