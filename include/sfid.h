/*
 * sfid - Salesforce record ids
 *
 * 15 case-sensitive characters [0-9A-Za-z], or 18 with a checksum suffix that tells, for each five
 * characters, which of them are upper case (alphabet A–Z, 0–5; bit i is set if the i-th of the five
 * is A–Z). Everything inside the program uses the 18.
 * Source:    Salesforce Object Reference, "ID Field Type".
 *
 * Threads: pure.
 */
#ifndef TP_SFID_H
#define TP_SFID_H

#include <stdbool.h>
#include <stddef.h>

enum { SFID_LEN = 18, SFID_SIZE = 19 };

/* Normalises n bytes to 18 characters. The suffix of an 18-character id must be right (its letters
 * may be of either case). False, and out untouched, for anything else. */
bool sfid_normalise(const char *s, size_t n, char out[SFID_SIZE]);

/* True if id (18, normalised) begins with the three-character key prefix, e.g. "701". */
bool sfid_has_prefix(const char *id, const char *prefix);

/* For qsort and bsearch over char [][SFID_SIZE]. */
int sfid_compare(const void *a, const void *b);
/* Sorts n ids (n may be 0) and drops those that come again; how many are left. */
size_t sfid_sort_unique(char (*ids)[SFID_SIZE], size_t n);

#endif
