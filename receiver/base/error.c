/*
 * The kinds and their sentences stand once, in the X-macro of error.h; everything here is made from
 * it.
 */
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"

enum { NAME_MAX_LEN = 24 };

static const char *const NAMES[] = {[ERR_NONE] = "none",
#define X(id, text) [id] = #id,
                                    ERROR_KINDS(X)
#undef X
};

enum err error_set(struct error *e, enum err kind, const char *fmt, ...)
{
    if (e != NULL) {
        va_list ap;
        va_start(ap, fmt);
        e->kind = kind;
        (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
    }
    return kind;
}

enum err error_wrap(struct error *e, const char *fmt, ...)
{
    char prefix[ERROR_TEXT_MAX / 2];
    char old[ERROR_TEXT_MAX];
    va_list ap;

    if (e == NULL)
        return ERR_INTERNAL;
    va_start(ap, fmt);
    (void)vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    memcpy(old, e->text, sizeof old);
    old[sizeof old - 1] = '\0';
    struct buf joined; /* longer than the text can be; what does not fit is cut */
    buf_init(&joined, sizeof prefix + sizeof old + 2);
    buf_printf(&joined, "%s: %s", prefix, old);
    size_t n = joined.len < sizeof e->text - 1 ? joined.len : sizeof e->text - 1;
    memcpy(e->text, joined.data, n);
    e->text[n] = '\0';
    buf_release(&joined);
    return e->kind;
}

static enum err kind_of_errno(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case ENOENT:
        return ERR_NOT_FOUND;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EAGAIN:
    case EBUSY:
    case EADDRINUSE:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

enum err error_errno(struct error *e, const char *fmt, ...)
{
    int code = errno;
    char what[ERROR_TEXT_MAX];
    char why[100];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (strerror_r(code, why, sizeof why) != 0)
        (void)snprintf(why, sizeof why, "error %d", code);
    (void)error_set(e, kind_of_errno(code), "%s", why);
    return e == NULL ? kind_of_errno(code) : error_wrap(e, "%s", what);
}

const char *err_name(enum err kind)
{
    static _Thread_local char name[NAME_MAX_LEN];
    const char *full = (size_t)kind < sizeof NAMES / sizeof NAMES[0] ? NAMES[kind] : "ERR_UNKNOWN";

    if (strncmp(full, "ERR_", 4) != 0)
        return full;
    size_t i = 0;
    for (full += 4; full[i] != '\0' && i + 1 < sizeof name; i++)
        name[i] = full[i] >= 'A' && full[i] <= 'Z' ? (char)(full[i] - 'A' + 'a') : full[i];
    name[i] = '\0';
    return name;
}
