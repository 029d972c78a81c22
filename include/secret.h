/*
 * secret - the one type that holds a secret (token, client secret, key); it wipes itself
 *
 * Ownership: the struct owns its bytes; secret_release wipes and frees. Never logged, never in an
 *            error text, never stored.
 * Threads:   one owner at a time.
 */
#ifndef TP_SECRET_H
#define TP_SECRET_H

#include "error.h"

struct secret {
    char *secret_bytes; /* NUL-terminated, or NULL when empty */
    size_t len;
};

void secret_set(struct secret *s, const char *bytes, size_t n); /* wipes what was there */
/* Reads a file of at most 64 KiB; trailing white space is dropped. A file that others may read is
 * read, too; the caller warns (secret_file_is_private). */
MUST_USE enum err secret_read_file(struct secret *s, const char *path, struct error *e);
/* Only its owner can read it; or root owns it and lets a group read, which is then the daemon's. */
bool secret_file_is_private(const char *path);
void secret_release(struct secret *s);
/* Compares in a time that depends on n only. */
bool secret_equal(const struct secret *s, const char *bytes, size_t n);

#endif
