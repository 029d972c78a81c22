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
/* Reads a file of at most 64 KiB; trailing white space is dropped. Refuses a file that others may
 * read (mode & 0077 without being owned by root is only warned about by the caller; see
 * secret_file_is_private). */
MUST_USE enum err secret_read_file(struct secret *s, const char *path, struct error *e);
bool secret_file_is_private(const char *path);
void secret_release(struct secret *s);
/* Compares in a time that depends on n only. */
bool secret_equal(const struct secret *s, const char *bytes, size_t n);

#endif
