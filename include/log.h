/*
 * log - one event a line, to standard error, as logfmt or JSON
 *
 *     log_info("message stored", "org", org, "notifications", log_num(n), NULL)
 *     → time=2026-01-15T09:30:00.000Z level=info msg="message stored" org=00D… notifications=3
 *
 * Keys and values alternate; the list ends with NULL. A NULL value skips its pair. Values are
 * quoted as needed; control characters are escaped, so that a peer can never forge a line. Secrets
 * are never passed here (secret.h).
 *
 * Threads:   any; one write(2) a line.
 * Errors:    a failing standard error is ignored, since there is nobody to tell.
 */
#ifndef TP_LOG_H
#define TP_LOG_H

#include "error.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

void log_setup(enum log_level least, enum log_format format); /* default: info, logfmt */
bool log_wants(enum log_level level);

void log_event(enum log_level level, const char *msg, ...) __attribute__((sentinel));
#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__)

/* A decimal number for use as a value: valid until the caller's full expression ends its 16th later
 * call in this thread. */
const char *log_num(long long n);

#endif
