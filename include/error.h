/*
 * error - one error type for the whole program
 *
 * A fallible function returns `enum err` (0 is success) and takes `struct error *` last, which
 * receives the sentence for the person who must act: what happened, to what, what to do. The kind
 * alone says whether trying again later can help (err_is_temporary).
 *
 * Ownership: struct error is a plain value; it owns nothing.
 * Threads:   pure.
 */
#ifndef TP_ERROR_H
#define TP_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* name, 1 when temporary (may succeed later unchanged), sentence */
#define ERROR_KINDS(X)                                                                             \
    X(ERR_BUSY, 1, "busy or overloaded")                                                           \
    X(ERR_IO, 1, "input/output failed")                                                            \
    X(ERR_FULL, 1, "no space left")                                                                \
    X(ERR_TIMEOUT, 1, "timed out")                                                                 \
    X(ERR_NETWORK, 1, "network or transport failed")                                               \
    X(ERR_LIMIT, 1, "a rate or budget limit was reached")                                          \
    X(ERR_STOPPED, 1, "the program is stopping")                                                   \
    X(ERR_UNKNOWN_OUTCOME, 1, "it is not known whether the request was carried out")               \
    X(ERR_STALE, 1, "the lease was lost to another worker")                                        \
    X(ERR_AUTH, 0, "authentication or authorisation was refused")                                  \
    X(ERR_DENIED, 0, "permission denied")                                                          \
    X(ERR_INVALID, 0, "invalid input")                                                             \
    X(ERR_CONFIG, 0, "invalid configuration")                                                      \
    X(ERR_NOT_FOUND, 0, "not found")                                                               \
    X(ERR_CORRUPT, 0, "stored data are damaged")                                                   \
    X(ERR_UNSUPPORTED, 0, "not supported")                                                         \
    X(ERR_INTERNAL, 0, "internal error")

enum err {
    ERR_NONE = 0,
#define X(name, temporary, text) name,
    ERROR_KINDS(X)
#undef X
};

enum { ERROR_TEXT_MAX = 512 };

struct error {
    enum err kind;
    char text[ERROR_TEXT_MAX]; /* one line, UTF-8, never a secret; cut at the end when too long */
};

#define MUST_USE __attribute__((warn_unused_result))

/* Fills e (which may be NULL) and returns kind, so that `return error_set(e, ERR_IO, "…")` reads
 * well. */
enum err error_set(struct error *e, enum err kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "what: " in front of the text that e already holds and returns e's kind. */
enum err error_wrap(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ": <strerror(errno)>" is appended to the formatted text; kind follows from errno (ENOSPC →
 * ERR_FULL …). */
enum err error_errno(struct error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool err_is_temporary(enum err kind);
const char *err_name(enum err kind); /* "io", "busy" …: lower case, without the prefix */

#endif
