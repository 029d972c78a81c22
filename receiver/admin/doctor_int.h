/*
 * doctor_int - what the parts of the doctor share: a finding for each org, and its endpoints
 */
#ifndef TP_ADMIN_DOCTOR_INT_H
#define TP_ADMIN_DOCTOR_INT_H

#include "admin_int.h"
#include "look.h"

/* {"org", "name", "status", "problems": [], "warnings": [], "detail"?} */
struct finding {
    json_t *json; /* borrowed: of the list that it was put into */
};
/* Appends to checks[check]; org NULL: of the daemon as a whole. */
struct finding finding_new(json_t *checks, const char *check, const struct config_org *org);
void finding_problem(struct finding f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_warning(struct finding f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_detail(struct finding f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

enum { ENDPOINTS_MAX = 4, HOST_MAX = 256, PORT_MAX = 8 };

/* Where an org's messages to us go. */
struct endpoint {
    char host[HOST_MAX], port[PORT_MAX];
};
struct endpoints {
    struct endpoint list[ENDPOINTS_MAX];
    size_t count;
};

/* doctor_messages.c: the org's outbound messages against what is needed here; fills *out with the
 * endpoints that lead here. */
void doctor_messages(const struct admin *a, const struct look *l, json_t *checks,
                     struct endpoints *out);
/* doctor_endpoint.c: each endpoint's certificate, and a message of that org sent there. */
void doctor_endpoints(const struct admin *a, const struct config_org *org,
                      const struct endpoints *at, json_t *checks);

#endif
