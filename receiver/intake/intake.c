/*
 * The handler of the public listener: admit.c judges the head, message.c parses the body and hands
 * it to the store, whose thread comes back through answer.c when all of the message is durable.
 *
 * Invariant 1: an Ack is only made in intake_stored, and only for ERR_NONE.
 */
#include "intake.h"
#include "intake_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { ANSWER_MAX = 65536 };

/* A path of three segments or more has its secret in the last: /salesforce/outbound/SECRET. */
static size_t door_len(const char *path)
{
    const char *last = strrchr(path, '/');
    size_t slashes = 0;
    for (const char *c = path; *c != '\0'; c++)
        slashes += *c == '/';
    return slashes >= 3 ? (size_t)(last - path) + 1 : 0;
}

enum err intake_new(struct intake **out, const struct intake_options *o, struct error *e)
{
    const char *path = o->config->listen.path;
    if (path == NULL || path[0] != '/')
        return error_set(e, ERR_CONFIG, "listen.path must begin with a slash");
    struct intake *i = mem_alloc(sizeof *i);
    i->options = *o;
    if (o->put == NULL)
        i->options.put = store_put;
    if (o->quarantine == NULL)
        i->options.quarantine = store_quarantine;
    secret_set(&i->path, path, strlen(path));
    i->door_len = door_len(path);
    pthread_mutex_init(&i->door, NULL);
    intake_orgs_init(i);
    *out = i;
    return ERR_NONE;
}

void intake_free(struct intake **i)
{
    struct intake *gone = *i;
    if (gone == NULL)
        return;
    *i = NULL;
    secret_release(&gone->path);
    pthread_mutex_destroy(&gone->door);
    free(gone->orgs);
    free(gone);
}

void intake_drain(struct intake *i)
{
    atomic_store(&i->is_draining, true);
}

void intake_shut(struct intake *i)
{
    pthread_mutex_lock(&i->door);
    i->is_shut = true;
    pthread_mutex_unlock(&i->door);
}

size_t intake_in_flight(const struct intake *i)
{
    return atomic_load(&i->in_flight);
}

/* ------------------------------------------------------------------ the handler */

static void *loop_new(void *ctx)
{
    struct intake_loop *loop = mem_alloc(sizeof *loop);
    loop->intake = ctx;
    loop->reader = soap_reader_new();
    buf_init(&loop->body, ANSWER_MAX);
    return loop;
}

static void loop_free(void *ctx, void *arg)
{
    struct intake_loop *loop = arg;
    (void)ctx;
    soap_reader_free(&loop->reader);
    buf_release(&loop->body);
    free(loop);
}

static void on_request(void *ctx, void *arg, const struct http_head *h,
                       const struct listener_peer *peer, const char *body, size_t n,
                       struct listener_token token)
{
    struct intake *i = ctx;
    struct intake_loop *loop = arg;
    struct listener_answer answer = {0};
    bool ready;
    if (intake_is_health(i, h, &ready)) {
        intake_answer_health(loop, ready, &answer);
        listener_reply(token, &answer);
        return;
    }
    intake_take_message(loop, peer, body, n, token);
}

const struct listener_handler *intake_handler(void)
{
    static const struct listener_handler handler = {.loop_new = loop_new,
                                                    .loop_free = loop_free,
                                                    .head = intake_admit,
                                                    .request = on_request,
                                                    .refused = intake_refused};
    return &handler;
}
