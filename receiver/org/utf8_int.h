/*
 * utf8_int - is it text? Pure.
 */
#ifndef TP_ORG_UTF8_INT_H
#define TP_ORG_UTF8_INT_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates) without NUL. */
bool utf8_is_text(const char *bytes, size_t n);

#endif
