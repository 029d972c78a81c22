/*
 * One message: parsed with the loop's reader, then handed to the store in one block. From a put
 * that was taken until intake_stored, the block is the store's; it may even be gone before the put
 * returns.
 */
#include "intake_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

_Static_assert(sizeof((struct store_item *)NULL)->object >= SOAP_OBJECT_MAX + 1,
               "every name that soap accepts fits");

/* Answered before the copy is made: the peer need not wait for that. */
static void refuse_message(struct intake_loop *loop, const struct listener_peer *peer,
                           struct listener_token token, const char *body, size_t n,
                           enum soap_problem problem, unsigned line)
{
    struct listener_answer answer = {0};
    char text[256];
    if (line > 0)
        (void)snprintf(text, sizeof text, "line %u: %s (%s)", line, soap_problem_text(problem),
                       soap_problem_code(problem));
    else
        (void)snprintf(text, sizeof text, "%s (%s)", soap_problem_text(problem),
                       soap_problem_code(problem));
    intake_refuse(loop, REFUSED_MESSAGE, peer, NULL, soap_problem_code(problem), text, &answer);
    listener_reply(token, &answer);
    intake_quarantine(loop->intake, peer, soap_problem_code(problem), text, body, n);
}

static void refuse_org(struct intake_loop *loop, const struct listener_peer *peer,
                       struct listener_token token, const char *org)
{
    struct listener_answer answer = {0};
    char text[256];
    (void)snprintf(
        text, sizeof text,
        "organisation %s is not configured at this receiver: add it there, or deactivate "
        "the outbound message in that organisation (a sandbox keeps its production's "
        "address)",
        org);
    intake_refuse(loop, REFUSED_ORG, peer, org, NULL, text, &answer);
    listener_reply(token, &answer);
}

/* The same words for every reason: they must not tell which certificate would do. */
static void refuse_client(struct intake_loop *loop, const struct listener_peer *peer,
                          struct listener_token token, enum refusal why, const char *org)
{
    struct listener_answer answer = {0};
    intake_refuse(loop, why, peer, org, NULL, NULL, &answer);
    listener_reply(token, &answer);
}

/* The label of an object that has no row of its own. */
static struct metric_series *other_series(const struct intake_org *org, const char *object)
{
    const char *label = object[0] == '\0' ? "none" : labels_fold(LABELS_OBJECTS, object);
    return metric_series(METRIC_NOTIFICATIONS_RECEIVED, org->config->id, label);
}

struct intake_request *intake_request_new(struct intake *i, struct intake_org *org,
                                          const struct soap_message *m, struct listener_token token)
{
    size_t items_at = sizeof(struct intake_request);
    size_t series_at = items_at + m->count * sizeof(struct store_item);
    series_at = (series_at + _Alignof(void *) - 1) / _Alignof(void *) * _Alignof(void *);
    char *block = mem_alloc(series_at + m->count * sizeof(struct metric_series *));
    struct intake_request *r = (void *)block;
    struct store_item *items = (void *)(block + items_at);

    r->intake = i;
    r->org = org;
    r->token = token;
    r->series = (void *)(block + series_at);
    for (size_t k = 0; k < m->count; k++) {
        size_t row = intake_map(&items[k], &m->notifications[k], &org->config->schema);
        r->series[k] =
            row < OBJECTS_KNOWN ? org->objects[row] : other_series(org, m->notifications[k].object);
    }
    memcpy(r->put.org, m->org_id, sizeof r->put.org);
    r->put.items = items;
    r->put.count = m->count;
    r->put.done = intake_stored;
    r->put.owner = r;
    return r;
}

static void put(struct intake_loop *loop, const struct listener_peer *peer,
                struct intake_request *r)
{
    struct intake *i = loop->intake;
    struct error e = {0};
    struct listener_token token = r->token;
    struct intake_org *org = r->org;

    atomic_fetch_add(&i->in_flight, 1);
    enum err got = i->options.put(i->options.store, &r->put, &e);
    if (got == ERR_NONE)
        return; /* r is the store's, or gone */
    atomic_fetch_sub(&i->in_flight, 1);
    free(r);
    struct listener_answer answer = {0};
    intake_refuse(loop, REFUSED_STORE, peer, org->config->id, err_name(got), NULL, &answer);
    log_debug("store does not take a message", "org", org->config->id, "error", e.text, NULL);
    listener_reply(token, &answer);
}

void intake_take_message(struct intake_loop *loop, const struct listener_peer *peer,
                         const char *body, size_t n, struct listener_token token)
{
    struct soap_message m;
    unsigned line = 0;
    enum soap_problem problem = soap_read(loop->reader, body, n, &m, &line);
    if (problem != SOAP_OK) {
        refuse_message(loop, peer, token, body, n, problem, line);
        return;
    }
    struct intake_org *org = intake_org_by_id(loop->intake, m.org_id);
    if (org == NULL) {
        refuse_org(loop, peer, token, m.org_id);
        return;
    }
    enum refusal why;
    if (!client_auth_allows(loop->intake->options.clients, &peer->certificate, org->config->id,
                            &why)) {
        refuse_client(loop, peer, token, why, org->config->id);
        return;
    }
    if (log_wants(LOG_LEVEL_DEBUG))
        log_debug("message received", "org", m.org_id, "notifications", log_num((long long)m.count),
                  "peer", peer->address, NULL);
    put(loop, peer, intake_request_new(loop->intake, org, &m, token));
}
