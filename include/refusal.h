/*
 * refusal - everything that peers are refused for: one table of reasons, counted and logged
 *
 * Each refusal counts in touchpoint_refused_total{reason}. A reason has so many lines in the log
 * each 10 seconds; what is left out is told as a number with the next line, or by refusal_flush
 * once nothing more comes. So a flood fills neither the log nor hides another reason.
 *
 * Threads:   any; a short lock.
 */
#ifndef TP_REFUSAL_H
#define TP_REFUSAL_H

/* id, reason (of metrics and logs), lines in 10 seconds, what is refused */
#define REFUSALS(X)                                                                                \
    /* at accept: closed without a byte */                                                         \
    X(REFUSED_ADDRESS, "address", 1, "connection")                                                 \
    X(REFUSED_CONNECTIONS, "max_connections", 1, "connection")                                     \
    X(REFUSED_CONNECTIONS_OF_ADDRESS, "max_connections_per_address", 1, "connection")              \
    /* from a proxy, before TLS: closed without a byte */                                          \
    X(REFUSED_PROXY_HEADER, "proxy_header", 5, "connection")                                       \
    X(REFUSED_NEW_OF_ADDRESS, "max_new_connections_per_address", 1, "connection")                  \
    X(REFUSED_MADE_ROOM, "made_room", 1, "connection")                                             \
    /* client certificates: in the handshake, or 403 */                                            \
    X(REFUSED_CERTIFICATE_MISSING, "no_certificate", 5, "client")                                  \
    X(REFUSED_CERTIFICATE_UNKNOWN, "unknown_certificate", 5, "client")                             \
    X(REFUSED_CERTIFICATE_EXPIRED, "expired_certificate", 5, "client")                             \
    X(REFUSED_CERTIFICATE_OF_ORG, "certificate_of_other_org", 10, "message")                       \
    /* by the HTTP reader or a deadline */                                                         \
    X(REFUSED_REQUEST, "bad_request", 10, "message")                                               \
    X(REFUSED_TIMEOUT, "timeout", 10, "message")                                                   \
    X(REFUSED_TOO_LARGE, "too_large", 10, "message")                                               \
    X(REFUSED_HEAD_TOO_LARGE, "head_too_large", 10, "message")                                     \
    X(REFUSED_EXPECTATION, "expectation", 10, "message")                                           \
    X(REFUSED_TRANSFER_CODING, "transfer_coding", 10, "message")                                   \
    X(REFUSED_HTTP_VERSION, "http_version", 10, "message")                                         \
    X(REFUSED_OVERLOADED, "overloaded", 10, "message")                                             \
    /* by the intake */                                                                            \
    X(REFUSED_DRAINING, "draining", 10, "message")                                                 \
    X(REFUSED_PATH, "not_found", 10, "message")                                                    \
    X(REFUSED_SECRET, "wrong_secret", 10, "message")                                               \
    X(REFUSED_METHOD, "method", 10, "message")                                                     \
    X(REFUSED_TYPE, "content_type", 10, "message")                                                 \
    X(REFUSED_ENCODING, "content_encoding", 10, "message")                                         \
    X(REFUSED_MESSAGE, "invalid", 10, "message")                                                   \
    X(REFUSED_ORG, "unknown_org", 10, "message")                                                   \
    X(REFUSED_STORE, "store", 10, "message")

enum refusal {
#define X(id, reason, lines, what) id,
    REFUSALS(X)
#undef X
        REFUSAL_COUNT
};

/* What the log line says besides the reason; NULL and 0 are left out. */
struct refusal_detail {
    const char *peer;        /* address; "" is left out too */
    const char *org;         /* the organisation's id */
    const char *result;      /* finer than the reason */
    const char *certificate; /* its pin, so that an admin can take it over */
    const char *text;        /* what is wrong, for people */
    int status;              /* of HTTP */
};

const char *refusal_reason(enum refusal why); /* static */
void refusal_tell(enum refusal why, const struct refusal_detail *d);
/* To be called about each second. */
void refusal_flush(void);

#endif
