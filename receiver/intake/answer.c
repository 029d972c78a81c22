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
static const char FORBIDDEN[] = "forbidden\n";
static const char RETRY[] = "Retry-After: 30\r\n";

struct reply {
    int status;
    const char *who; /* of the Fault; NULL: plain text, no detail */
    const char *extra, *text;
};

static const struct reply REPLIES[REFUSAL_COUNT] = {
    [REFUSED_CERTIFICATE_MISSING] = {403, NULL, NULL, FORBIDDEN},
    [REFUSED_CERTIFICATE_UNKNOWN] = {403, NULL, NULL, FORBIDDEN},
    [REFUSED_CERTIFICATE_EXPIRED] = {403, NULL, NULL, FORBIDDEN},
    [REFUSED_CERTIFICATE_OF_ORG] = {403, NULL, NULL, FORBIDDEN},
    [REFUSED_DRAINING] =
        {503, "Server", RETRY,
         "the receiver is stopping; the message will be taken when it is sent again"},
    [REFUSED_PATH] = {404, NULL, NULL, "not found\n"},
    [REFUSED_SECRET] = {403, NULL, NULL, FORBIDDEN},
    [REFUSED_METHOD] = {405, "Client", "Allow: POST\r\n", "outbound messages are sent with POST"},
    [REFUSED_TYPE] = {415, "Client", NULL, "outbound messages are text/xml in UTF-8 (SOAP 1.1)"},
    [REFUSED_ENCODING] = {415, "Client", "Accept-Encoding: identity\r\n",
                          "the body must not be compressed"},
    [REFUSED_MESSAGE] = {400, "Client", NULL, "the message is not valid"},
    [REFUSED_ORG] = {403, "Client", NULL, "the organisation is not configured"},
    [REFUSED_STORE] = {503, "Server", RETRY,
                       "the message could not be stored just now; it will be taken when it is sent "
                       "again"},
};

/* The reader's refusals. */
static const struct {
    int status;
    enum refusal why;
} BY_STATUS[] = {
    {400, REFUSED_REQUEST},         {408, REFUSED_TIMEOUT},     {413, REFUSED_TOO_LARGE},
    {414, REFUSED_HEAD_TOO_LARGE},  {417, REFUSED_EXPECTATION}, {431, REFUSED_HEAD_TOO_LARGE},
    {501, REFUSED_TRANSFER_CODING}, {503, REFUSED_OVERLOADED},  {505, REFUSED_HTTP_VERSION},
};

static void fill(struct intake_loop *loop, const struct reply *r, const char *text,
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

/* d->result NULL: the reason is all. */
static void tell(struct intake *i, enum refusal why, const struct refusal_detail *d)
{
    const char *label = d->org == NULL ? "unknown" : d->org;
    if (d->org != NULL && intake_org_by_id(i, d->org) == NULL)
        label = labels_fold(LABELS_ORGS, d->org);
    metric_inc(METRIC_MESSAGES_RECEIVED, label,
               d->result == NULL ? refusal_reason(why) : d->result);
    refusal_tell(why, d);
}

/* The log then tells what is wrong with its chain. */
static bool is_of_certificate(enum refusal why)
{
    return why == REFUSED_CERTIFICATE_MISSING || why == REFUSED_CERTIFICATE_UNKNOWN ||
           why == REFUSED_CERTIFICATE_EXPIRED || why == REFUSED_CERTIFICATE_OF_ORG;
}

void intake_refuse(struct intake_loop *loop, enum refusal why, const struct listener_peer *peer,
                   const char *org, const char *result, const char *text,
                   struct listener_answer *answer)
{
    const struct reply *r = &REPLIES[why];
    const char *problem = is_of_certificate(why) ? peer->certificate.problem : NULL;
    char pin[PIN_TEXT_MAX];
    if (text == NULL)
        text = r->text;
    fill(loop, r, text, answer);
    tell(loop->intake, why,
         &(struct refusal_detail){.peer = peer->address,
                                  .org = org,
                                  .result = result,
                                  .certificate =
                                      peer->certificate.is_present
                                          ? pin_certificate_text(peer->certificate.sha256, pin)
                                          : NULL,
                                  .text = r->who == NULL ? problem : text,
                                  .status = r->status});
}

void intake_refused(void *ctx, void *arg, const struct listener_peer *peer, int status,
                    const char *problem, struct listener_answer *answer)
{
    bool ours = status == 503;
    struct reply r = {.status = status,
                      .who = ours ? "Server" : "Client",
                      .extra = ours ? RETRY : NULL,
                      .text = problem};
    enum refusal why = REFUSED_REQUEST;
    for (size_t k = 0; k < sizeof BY_STATUS / sizeof BY_STATUS[0]; k++) {
        if (BY_STATUS[k].status == status)
            why = BY_STATUS[k].why;
    }
    fill(arg, &r, problem, answer);
    tell(ctx, why,
         &(struct refusal_detail){.peer = peer->address, .text = problem, .status = status});
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
                                       .body_len = loop->body.len,
                                       .for_anybody = true};
}

/* The answers that one commit brings, on the store's thread: each loop is woken once for all of
 * them. The listener may be on its way out, so the door is held until then. */
static _Thread_local struct {
    struct intake *of; /* NULL: none is under way */
    struct listener_wakes wakes;
    unsigned answered;
} answers;

static void end_answers(void)
{
    struct intake *i = answers.of;
    unsigned answered = answers.answered;
    if (i == NULL)
        return;
    listener_wake(&answers.wakes);
    answers.of = NULL;
    pthread_mutex_unlock(&i->door);
    atomic_fetch_sub(&i->in_flight, answered); /* last: whoever sees 0 may take the intake down */
}

static void begin_answers(struct intake *i)
{
    if (answers.of == i)
        return;
    end_answers(); /* of another reading of the configuration */
    pthread_mutex_lock(&i->door);
    answers.of = i;
    answers.wakes = (struct listener_wakes){0};
    answers.answered = 0;
}

static void reply_from_outside(const struct intake *i, struct listener_token token,
                               const struct listener_answer *a)
{
    if (!i->is_shut)
        listener_reply_later(token, a, &answers.wakes);
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
    const struct reply *row = &REPLIES[REFUSED_STORE];
    struct buf body;
    buf_init(&body, 4096);
    soap_write_fault(&body, row->who, row->text);
    tell(r->intake, REFUSED_STORE,
         &(struct refusal_detail){.org = r->org->config->id,
                                  .result = err_name(why),
                                  .text = row->text,
                                  .status = row->status});
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
    bool more = p->more;
    begin_answers(r->intake);
    if (p->result == ERR_NONE)
        acknowledge(r);
    else
        refuse_stored(r, p->result);
    free(r);
    answers.answered++;
    if (!more)
        end_answers();
}
