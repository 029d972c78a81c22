/*
 * error - one error type for the whole program
 *
 * A fallible function returns `enum err` (0 is success) and takes `struct error *` last, which
 * receives the sentence for the person who must act: what happened, to what, what to do. The kind
 * alone says whether trying again later can help.
 *
 * Ownership: struct error is a plain value; it owns nothing.
 * Threads:   pure.
 */
#ifndef TP_ERROR_H
#define TP_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* name, sentence */
#define ERROR_KINDS(X)                                                                             \
    /* temporary: may succeed later unchanged */                                                   \
    X(ERR_BUSY, "busy or overloaded")                                                              \
    X(ERR_IO, "input/output failed")                                                               \
    X(ERR_FULL, "no space left")                                                                   \
    X(ERR_TIMEOUT, "timed out")                                                                    \
    X(ERR_NETWORK, "network or transport failed")                                                  \
    X(ERR_LIMIT, "a rate or budget limit was reached")                                             \
    X(ERR_STOPPED, "the program is stopping")                                                      \
    X(ERR_UNKNOWN_OUTCOME, "it is not known whether the request was carried out")                  \
    X(ERR_STALE, "the lease was lost to another worker")                                           \
    /* final: someone or something must change first */                                            \
    X(ERR_AUTH, "authentication or authorisation was refused")                                     \
    X(ERR_DENIED, "permission denied")                                                             \
    X(ERR_INVALID, "invalid input")                                                                \
    X(ERR_CONFIG, "invalid configuration")                                                         \
    X(ERR_NOT_FOUND, "not found")                                                                  \
    X(ERR_CORRUPT, "stored data are damaged")                                                      \
    X(ERR_UNSUPPORTED, "not supported")                                                            \
    X(ERR_INTERNAL, "internal error")

enum err {
    ERR_NONE = 0,
#define X(name, text) name,
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

const char *err_name(enum err kind); /* "io", "busy" …: lower case, without the prefix */

#endif
