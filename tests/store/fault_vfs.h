/*
 * fault_vfs - a disk for SQLite that fails on demand and can lose its power
 *
 * Wraps SQLite's own VFS as the default one. It keeps, beside the real files, what a disk would
 * hold that writes nothing before an fsync: the image. As on Linux, an fsync that fails drops the
 * writes before it from the image for good, though the file still reads as if they were there.
 *
 * Threads: any. The suffix tells which file: "" the database, "-wal".
 */
#ifndef TP_TEST_FAULT_VFS_H
#define TP_TEST_FAULT_VFS_H

#include <stdbool.h>

/* Once a program, before the first store. */
void fault_install(void);
/* Forgets images and faults, and concerns itself with that database from now on, which is not there
 * yet. Others pass through. */
void fault_watch(const char *path);

enum fault_op { FAULT_READ, FAULT_WRITE, FAULT_SYNC, FAULT_OPEN, FAULT_OP_COUNT };

/* The op on that file fails with that SQLite code, after `after` more that go well, `times`
 * times. */
void fault_set(enum fault_op op, const char *suffix, int code, int after, int times);
void fault_clear(void);
/* How many such ops there were since fault_watch. */
unsigned fault_count(enum fault_op op, const char *suffix);
/* Writes that no fsync followed. */
unsigned fault_unsynced(const char *suffix);

/* Writes what the disk would hold after a power cut to the path `to` (and its -wal). Of the writes
 * that no fsync followed each one reached the disk or not, as the bits of `luck` (repeated) say. */
void fault_power_cut(const char *to, unsigned luck);

#endif
