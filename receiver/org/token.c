/*
 * The one token that all workers of a daemon share. Who finds none, or finds his refused, signs in;
 * who comes meanwhile waits for that sign-in and shares its outcome, a failure too: ten workers
 * knocking on a closed door would only get the user locked out.
 */
#include "org_int.h"

void token_release(struct token *t)
{
    secret_release(&t->secret);
    *t = (struct token){0};
}

/* With the lock held; given up for the request. */
static enum err sign_in_for_all(struct org_conn *c, struct error *e)
{
    struct org *o = c->org;
    struct token fresh = {0};
    struct error why = {0};

    o->signing_in = true;
    pthread_mutex_unlock(&o->lock);
    enum err err = auth_sign_in(c, &fresh, &why);
    pthread_mutex_lock(&o->lock);
    o->signing_in = false;
    o->sign_ins++;
    o->sign_in_err = err;
    o->sign_in_why = why;
    if (err == ERR_NONE) {
        fresh.generation = o->sign_ins;
        token_release(&o->token);
        o->token = fresh;
        org_note_signed_in(o);
    } else {
        org_note_sign_in_failed(o, err, &why);
        if (e != NULL)
            *e = why;
    }
    pthread_cond_broadcast(&o->changed);
    return err;
}

/* With the lock held: waits for another's sign-in. ERR_NONE: look again. */
static enum err wait_for_other(struct org_conn *c, struct error *e)
{
    struct org *o = c->org;
    uint64_t before = o->sign_ins;
    while (o->signing_in && o->sign_ins == before && !atomic_load(&c->aborted))
        pthread_cond_wait(&o->changed, &o->lock);
    /* the other's shutdown is not ours */
    if (o->sign_ins == before || o->sign_in_err == ERR_NONE || o->sign_in_err == ERR_STOPPED)
        return ERR_NONE;
    if (e != NULL)
        *e = o->sign_in_why;
    return o->sign_in_err;
}

enum err auth_acquire(struct org_conn *c, uint64_t refused, struct token *out, struct error *e)
{
    struct org *o = c->org;
    enum err err = ERR_NONE;

    *out = (struct token){0};
    pthread_mutex_lock(&o->lock);
    if (refused != 0 && o->token.generation == refused)
        token_release(&o->token);
    while (err == ERR_NONE && o->token.generation == 0) {
        if (atomic_load(&c->aborted))
            err = error_set(e, ERR_STOPPED, "the program is stopping");
        else
            err = o->signing_in ? wait_for_other(c, e) : sign_in_for_all(c, e);
    }
    if (err == ERR_NONE) {
        secret_set(&out->secret, o->token.secret.secret_bytes, o->token.secret.len);
        out->instance = o->token.instance;
        out->generation = o->token.generation;
    }
    pthread_mutex_unlock(&o->lock);
    return err;
}

void auth_forget(struct org *o, uint64_t generation)
{
    pthread_mutex_lock(&o->lock);
    o->state.authenticated = false;
    if (o->token.generation == generation)
        token_release(&o->token);
    pthread_mutex_unlock(&o->lock);
}
