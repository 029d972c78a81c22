/*
 * intake_log - a file to which messages are appended and synced before they enter the database
 *
 *     [ head 4 KiB ][ half 0: record, record, …        ][ half 1: record, …          ]
 *     record = head of 24 bytes, payload, padding to 8; numbered without a gap
 *
 * The file is filled with zeros when it is made, so a sync has no size or extent to write down and
 * costs half of one that follows an append. A half is begun again when all that it holds has
 * entered the database. What a crash leaves unfinished at the end is told by a checksum, which is
 * seeded with a random number of the file; what has a complete record behind it was durable, so if
 * that can't be read the file is damaged.
 *
 * Threads:   one at a time.
 * Ownership: the caller's payloads are borrowed.
 * Errors:    of the system, ERR_FULL, ERR_IO and the like; after one of append nothing may be
 *            appended to that file: what a failed sync left in the cache looks written.
 */
#ifndef TP_INTAKE_LOG_H
#define TP_INTAKE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

enum {
    INTAKE_LOG_HALF = 4 << 20,
    INTAKE_LOG_HEAD = 4096,
    INTAKE_LOG_PAYLOAD_MAX = INTAKE_LOG_HALF - 64,
};

struct intake_log;

/* Makes the file anew, readable for its owner alone, for the database of that number; its first
 * record will be `first` (≥ 1). What was at the path is gone afterwards. */
MUST_USE enum err intake_log_create(struct intake_log **out, const char *path, int64_t database,
                                    int64_t first, struct error *e);
void intake_log_close(struct intake_log **l);

/* Whether n bytes can be appended without losing a record later than `entered`. */
bool intake_log_has_room(const struct intake_log *l, size_t n, int64_t entered);
/* Durable when it returns ERR_NONE; *number is the record's. There must be room. */
MUST_USE enum err intake_log_append(struct intake_log *l, const char *payload, size_t n,
                                    int64_t *number, struct error *e);

/* Gives each record later than `after` to visit, or all if the file is another database's, in
 * order, until that fails. *found false: there is no such file. *damage is NULL, or what is wrong
 * with it: everything that could be read was visited all the same. */
typedef enum err intake_log_visit(void *ctx, int64_t number, const char *payload, size_t n,
                                  struct error *e);
MUST_USE enum err intake_log_read(const char *path, int64_t database, int64_t after,
                                  intake_log_visit *visit, void *ctx, bool *found,
                                  const char **damage, struct error *e);
/* Removes the file, durably. That there is none is no error. */
MUST_USE enum err intake_log_remove(const char *path, struct error *e);
/* Renames it to PATH.damaged, or if there is one already to PATH.damaged.1 and so on, durably. */
MUST_USE enum err intake_log_put_aside(const char *path, struct error *e);

#endif
