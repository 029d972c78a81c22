/*
 * text - Salesforce's comparison of text, as an SQLite collation and function
 *
 * Registers the collation SF (equal and ordered without regard to case, all of Unicode) and the
 * function sf_like(pattern, value): the pattern is folded already, % is any text, _ one
 * character, a backslash takes the next character literally.
 *
 * Threads: pure.
 */
#ifndef ORGSIM_TEXT_H
#define ORGSIM_TEXT_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

void text_register(sqlite3 *db);

/* Both arguments folded, UTF-8. */
bool text_like(const char *pattern, const char *text);

bool text_is_utf8(const char *s, size_t n);

/* Characters (code points) of valid UTF-8. */
size_t text_characters(const char *s);

#endif
