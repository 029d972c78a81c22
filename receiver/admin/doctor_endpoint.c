/*
 * Our endpoint as a sender meets it, and a message of our own making sent there. Its object is one
 * that nothing is done with, so it is stored, acknowledged and forgotten; that it is in this store
 * afterwards shows that it was we who answered.
 */
#include "doctor_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "soap.h"
#include "store_admin.h"
#include "timeutil.h"
#include "tls_reach.h"

enum { DAY_MS = 86400000, EXPIRY_WARN_DAYS = 14, MESSAGE_MAX = 8192 };

static const char OBJECT[] = "Touchpoint_Doctor";

/* An id that no other call made: prefix and the time in base 62. */
static void make_id(const char *prefix, char id[SFID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char text[16] = "";
    uint64_t n = (uint64_t)time_wall_ms();
    (void)snprintf(text, sizeof text, "%s000000000000", prefix);
    for (size_t i = 14; i > 2 && n > 0; i--, n /= 62)
        text[i] = digits[n % 62];
    (void)sfid_normalise(text, 15, id);
}

static void write_message(const struct config_org *org, const char *record, struct buf *out)
{
    char notification[SFID_SIZE];
    make_id("04l", notification);
    const struct soap_out_notification one = {
        .id = notification, .object = OBJECT, .record_id = record};
    const struct soap_out_message m = {.org_id = org->id,
                                       .action_id = "04k000000000000AAA",
                                       .enterprise_url = org->login_url,
                                       .partner_url = org->login_url,
                                       .notifications = &one,
                                       .count = 1};
    soap_write_message(out, &m);
}

/* ------------------------------------------------------------------ the certificate */

static void judge_certificate(struct finding f, const struct endpoint *at, const struct reach *r)
{
    int64_t days = (r->expires_at_ms - time_wall_ms()) / DAY_MS;
    finding_detail(f, "%s:%s, %u sent, %lld days left", at->host, at->port, r->sent_count,
                   (long long)days);
    if (!r->is_trusted && r->sent_count == 1)
        finding_problem(f,
                        "%s:%s sends its own certificate alone, and that is not trusted (%s): add "
                        "the intermediates of \"%s\" behind it in the file of tls.certificate",
                        at->host, at->port, r->trust, r->issuer);
    else if (!r->is_trusted)
        finding_problem(f,
                        "the certificate that %s:%s sends is not trusted (%s): Salesforce takes "
                        "those whose root is in its list alone; the issuer is \"%s\"",
                        at->host, at->port, r->trust, r->issuer);
    if (!r->has_name)
        finding_problem(f,
                        "the certificate is not for %s (it is \"%s\"): Salesforce refuses it; get "
                        "one with that name in its SAN, or correct the Endpoint URL",
                        at->host, r->subject);
    if (days < EXPIRY_WARN_DAYS)
        finding_problem(f, "the certificate %s: renew it",
                        days < 0 ? "has expired" : "expires within two weeks");
}

/* ------------------------------------------------------------------ the answer */

static bool is_in_store(const struct admin *a, const char *org, const char *record)
{
    struct store_filter filter = {.state = STORE_ANY};
    struct store_position at = {0};
    struct store_message *found = mem_array(1, sizeof *found);
    struct error e = {0};
    size_t count = 0;
    bool more = false;
    memcpy(filter.org, org, SFID_SIZE);
    memcpy(filter.record_id, record, SFID_SIZE);
    enum err err = store_message_walk(a->options.store, &filter, &at, found, 1, &count, &more, &e);
    free(found);
    return err == ERR_NONE && count == 1;
}

static void judge_answer(struct finding f, const struct admin *a, const struct config_org *org,
                         const char *record, const struct reach *r)
{
    const struct config *c = a->options.config;
    bool is_guarded = c->tls.client_certificate == CONFIG_CLIENT_REQUIRED ||
                      c->listen.allow_count > 0 || c->listen.ip_ranges_file[0] != '\0';
    bool is_acked = r->status == 200 && soap_is_ack_true(r->answer, r->answer_len);
    if (is_acked && is_in_store(a, org->id, record))
        finding_detail(f, "sent, stored and acknowledged");
    else if (is_acked)
        finding_problem(f, "a message sent there was acknowledged, but is not in our store: the "
                           "endpoint leads to another receiver; correct the name, the load "
                           "balancer or the Endpoint URL");
    else if (r->status == 403 && is_guarded)
        finding_warning(f, "a message can't be tried from here, since only Salesforce's "
                           "certificate or addresses are let in");
    else if (r->status == 0)
        finding_problem(f, "a message sent there got no HTTP answer: is something else listening "
                           "there?");
    else
        finding_problem(f,
                        "a message sent there was answered with status %d instead of an "
                        "acknowledgement: see the log, and what stands between",
                        r->status);
}

static void try_endpoint(const struct admin *a, const struct config_org *org,
                         const struct endpoint *at, json_t *checks)
{
    char record[SFID_SIZE];
    struct buf body;
    struct reach *r = mem_alloc(sizeof *r);
    struct error e = {0};
    struct finding certificate = finding_new(checks, "endpoint", org);
    buf_init(&body, MESSAGE_MAX);
    make_id("000", record);
    write_message(org, record, &body);
    struct reach_target t = {.host = at->host,
                             .port = at->port,
                             .path = a->options.config->listen.path,
                             .body = body.data,
                             .body_len = body.len};
    enum err err = reach_look(&t, r, &e);
    if (!r->is_connected) {
        finding_warning(certificate,
                        "%s:%s can't be reached from here: %s. If Salesforce can't either, correct "
                        "DNS, firewall or port; the certificate was looked at where we listen",
                        at->host, at->port, e.text);
        t.address = listener_address(*a->options.intake_listener);
        t.body = NULL;
        err = reach_look(&t, r, &e);
    }
    const struct config *c = a->options.config;
    bool is_shut = c->listen.allow_count > 0 || c->listen.ip_ranges_file[0] != '\0';
    if (r->is_tls)
        judge_certificate(certificate, at, r);
    else if (is_shut)
        finding_warning(certificate,
                        "%s:%s can't be looked at from here (%s), since only some addresses are "
                        "let in: let this machine's in for the moment, by listen.allow",
                        at->host, at->port, e.text);
    else
        finding_problem(certificate, "%s:%s: %s", at->host, at->port, e.text);
    if (t.body != NULL && r->is_tls && r->is_trusted && r->has_name) {
        struct finding trip = finding_new(checks, "round_trip", org);
        if (err != ERR_NONE && r->wants_certificate)
            finding_warning(trip, "a message can't be tried from here, since only Salesforce's "
                                  "certificate is let in");
        else if (err != ERR_NONE)
            finding_problem(trip, "a message could not be sent there: %s", e.text);
        else
            judge_answer(trip, a, org, record, r);
    }
    buf_release(&body);
    free(r);
}

void doctor_endpoints(const struct admin *a, const struct config_org *org,
                      const struct endpoints *known, json_t *checks)
{
    struct endpoints at = *known;
    const struct config *c = a->options.config;
    const char *listens = strrchr(listener_address(*a->options.intake_listener), ':');
    if (at.count == 0 && c->tls.name[0] != '\0' && listens != NULL) { /* the next best */
        (void)snprintf(at.list[0].host, HOST_MAX, "%s", c->tls.name);
        (void)snprintf(at.list[0].port, PORT_MAX, "%s", listens + 1);
        at.count = 1;
    }
    if (at.count == 0)
        finding_warning(finding_new(checks, "endpoint", org),
                        "no endpoint is known: set tls.name, or let this user see the outbound "
                        "messages");
    for (size_t i = 0; i < at.count; i++)
        try_endpoint(a, org, &at.list[i], checks);
}
