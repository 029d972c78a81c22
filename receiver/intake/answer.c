/*
 * Every answer of the intake. Faults carry text for the admin who looks at Salesforce's page of
 * outbound messages, where it is shown: "Client" where the message must change, "Server" where
 * sending it again will help.
 */
#include "intake_int.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

static const char XML[] = "text/xml; charset=UTF-8";
static const char RETRY[] = "Retry-After: 30\r\n";

struct refusal {
    int status;
    const char *who; /* of the Fault; NULL: plain text, no detail */
    const char *result, *extra, *text;
};

static const struct refusal REFUSALS[] = {
    [REFUSE_DRAINING] =
        {503, "Server", "draining", RETRY,
         "the receiver is stopping; the message will be taken when it is sent again"},
    [REFUSE_PATH] = {404, NULL, "not_found", NULL, "not found\n"},
    [REFUSE_SECRET] = {403, NULL, "wrong_secret", NULL, "forbidden\n"},
    [REFUSE_METHOD] = {405, "Client", "method", "Allow: POST\r\n",
                       "outbound messages are sent with POST"},
    [REFUSE_TYPE] = {415, "Client", "content_type", NULL,
                     "outbound messages are text/xml in UTF-8 (SOAP 1.1)"},
    [REFUSE_ENCODING] = {415, "Client", "content_encoding", "Accept-Encoding: identity\r\n",
                         "the body must not be compressed"},
    [REFUSE_MESSAGE] = {400, "Client", "invalid", NULL, "the message is not valid"},
    [REFUSE_ORG] = {403, "Client", "unknown_org", NULL, "the organisation is not configured"},
    [REFUSE_STORE] = {503, "Server", "io", RETRY,
                      "the message could not be stored just now; it will be taken when it is sent "
                      "again"},
};

/* The reader's refusals, as counted. */
static const struct {
    int status;
    const char *result;
} BY_STATUS[] = {
    {400, "bad_request"},     {408, "timeout"},     {413, "too_large"},
    {414, "head_too_large"},  {417, "expectation"}, {431, "head_too_large"},
    {501, "transfer_coding"}, {503, "overloaded"},  {505, "http_version"},
};

static void fill(struct intake_loop *loop, const struct refusal *r, const char *text,
                 struct listener_answer *answer)
{
    buf_clear(&loop->body);
    if (r->who == NULL)
        buf_puts(&loop->body, text);
    else
        soap_write_fault(&loop->body, r->who, text);
    answer->status = r->status;
    answer->content_type = r->who == NULL ? "text/plain; charset=utf-8" : XML;
    answer->extra = r->extra;
    answer->body = loop->body.data;
    answer->body_len = loop->body.len;
}

static void tell(struct intake *i, const struct listener_peer *peer, const char *org, int status,
                 const char *result, const char *text)
{
    const char *label = org == NULL ? "unknown" : org;
    if (org != NULL && intake_org_by_id(i, org) == NULL)
        label = labels_fold(&i->unknown_orgs, org);
    metric_inc(METRIC_MESSAGES_RECEIVED, label, result);
    log_gate_refusal(&i->gate, peer, org, status, result, text);
}

void intake_refuse(struct intake_loop *loop, enum intake_refusal why,
                   const struct listener_peer *peer, const char *org, const char *result,
                   const char *text, struct listener_answer *answer)
{
    const struct refusal *r = &REFUSALS[why];
    if (text == NULL)
        text = r->text;
    fill(loop, r, text, answer);
    tell(loop->intake, peer, org, r->status, result == NULL ? r->result : result,
         r->who == NULL ? NULL : text);
}

void intake_refused(void *ctx, void *arg, const struct listener_peer *peer, int status,
                    const char *problem, struct listener_answer *answer)
{
    bool ours = status == 503;
    struct refusal r = {status, ours ? "Server" : "Client", "http", ours ? RETRY : NULL, problem};
    for (size_t k = 0; k < sizeof BY_STATUS / sizeof BY_STATUS[0]; k++) {
        if (BY_STATUS[k].status == status)
            r.result = BY_STATUS[k].result;
    }
    fill(arg, &r, problem, answer);
    tell(ctx, peer, NULL, status, r.result, problem);
}

void intake_answer_health(struct intake_loop *loop, bool ready, struct listener_answer *answer)
{
    const struct intake_options *o = &loop->intake->options;
    const char *word = o->health_status(o->health_ctx, ready);
    buf_clear(&loop->body);
    buf_printf(&loop->body, "{\"status\":\"%s\"}", word);
    *answer = (struct listener_answer){.status = strcmp(word, "unavailable") == 0 ? 503 : 200,
                                       .content_type = "application/json",
                                       .body = loop->body.data,
                                       .body_len = loop->body.len};
}

/* On the store's thread: the listener may be on its way out, so the door is held meanwhile. */
static void reply_from_outside(struct intake *i, struct listener_token token,
                               const struct listener_answer *a)
{
    pthread_mutex_lock(&i->door);
    if (!i->is_shut)
        listener_reply(token, a);
    pthread_mutex_unlock(&i->door);
}

static void acknowledge(struct intake_request *r)
{
    intake_count_stored(r);
    reply_from_outside(r->intake, r->token,
                       &(struct listener_answer){.status = 200,
                                                 .content_type = XML,
                                                 .body = SOAP_ACK_TRUE,
                                                 .body_len = SOAP_ACK_TRUE_LEN,
                                                 .body_static = true});
}

static void refuse_stored(struct intake_request *r, enum err why)
{
    const struct refusal *row = &REFUSALS[REFUSE_STORE];
    struct listener_peer nobody = {{0}};
    struct buf body;
    buf_init(&body, 4096);
    soap_write_fault(&body, row->who, row->text);
    tell(r->intake, &nobody, r->org->config->id, row->status, err_name(why), row->text);
    reply_from_outside(r->intake, r->token,
                       &(struct listener_answer){.status = row->status,
                                                 .content_type = XML,
                                                 .extra = row->extra,
                                                 .body = body.data,
                                                 .body_len = body.len});
    buf_release(&body);
}

void intake_stored(struct store_put *p)
{
    struct intake_request *r = p->owner;
    struct intake *i = r->intake;
    if (p->result == ERR_NONE)
        acknowledge(r);
    else
        refuse_stored(r, p->result);
    free(r);
    atomic_fetch_sub(&i->in_flight, 1); /* last: whoever sees 0 may take the intake down */
}
