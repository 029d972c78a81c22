/*
 * A document that an admin hands in: the same parser, the same checks of the organisation, the same
 * way into the store as for one from the wire; only the caller waits for the commit, and there is
 * no certificate to ask for.
 */
#include "intake_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct injected {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    enum err result;
    size_t stored, duplicates;
};

static void on_stored(struct store_put *p)
{
    struct intake_request *r = p->owner;
    struct intake *i = r->intake;
    struct injected *x = r->injected;
    if (p->result == ERR_NONE)
        intake_count_stored(r);
    pthread_mutex_lock(&x->lock);
    x->result = p->result;
    x->stored = p->stored;
    x->duplicates = p->duplicates;
    x->done = true;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
    free(r);
    atomic_fetch_sub(&i->in_flight, 1);
}

static enum err put_and_wait(struct intake *i, struct intake_request *r, struct injected *x,
                             struct error *e)
{
    r->put.done = on_stored;
    r->put.wants_counts = true;
    r->injected = x;
    atomic_fetch_add(&i->in_flight, 1);
    enum err err = i->options.put(i->options.store, &r->put, e);
    if (err != ERR_NONE) {
        atomic_fetch_sub(&i->in_flight, 1);
        free(r);
        return err;
    }
    pthread_mutex_lock(&x->lock);
    while (!x->done)
        pthread_cond_wait(&x->changed, &x->lock);
    pthread_mutex_unlock(&x->lock);
    return x->result == ERR_NONE
               ? ERR_NONE
               : error_set(e, x->result, "the document could not be stored just now");
}

static enum err check(const struct intake *i, const char *org, const struct soap_message *m,
                      struct error *e)
{
    if (strcmp(m->org_id, org) != 0)
        return error_set(e, ERR_INVALID, "the document is of organisation %s, not of %s", m->org_id,
                         org);
    if (intake_org_by_id(i, org) == NULL)
        return error_set(e, ERR_INVALID, "organisation %s is not configured", org);
    if (atomic_load(&i->is_draining))
        return error_set(e, ERR_STOPPED, "the daemon is stopping");
    return ERR_NONE;
}

enum err intake_inject(struct intake *i, const char *org, const char *body, size_t n,
                       size_t *stored, size_t *duplicates, struct error *e)
{
    struct injected x = {.result = ERR_NONE};
    struct soap_reader *reader = soap_reader_new();
    struct soap_message m;
    unsigned line = 0;
    enum soap_problem problem = soap_read(reader, body, n, &m, &line);
    enum err err = problem == SOAP_OK
                       ? check(i, org, &m, e)
                       : error_set(e, ERR_INVALID, "line %u: %s (%s)", line,
                                   soap_problem_text(problem), soap_problem_code(problem));
    if (err == ERR_NONE) {
        pthread_mutex_init(&x.lock, NULL);
        pthread_cond_init(&x.changed, NULL);
        struct listener_token nobody = {0};
        err = put_and_wait(i, intake_request_new(i, intake_org_by_id(i, org), &m, nobody), &x, e);
        pthread_cond_destroy(&x.changed);
        pthread_mutex_destroy(&x.lock);
        *stored = x.stored;
        *duplicates = x.duplicates;
    }
    soap_reader_free(&reader);
    return err;
}
