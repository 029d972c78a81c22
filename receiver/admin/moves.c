/*
 * POST /api/v1/messages/replay and /discard: by numbers or by filter; first, if asked, what it
 * would do; then a job that runner.c carries out.
 */
#include "store_routes.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* ------------------------------------------------------------------ what is asked */

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Each is moved, and counted, once. */
static void sort_unique(struct move_params *p)
{
    size_t n = 0;
    qsort(p->ids, p->count, sizeof *p->ids, by_number);
    for (size_t i = 0; i < p->count; i++) {
        if (n == 0 || p->ids[n - 1] != p->ids[i])
            p->ids[n++] = p->ids[i];
    }
    p->count = n;
}

static bool read_ids(const json_t *list, struct move_params *p, struct answer *out)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > MOVE_IDS_MAX)
        return argument_refuse(out, "ids", "is a list of 1 to 5,000 numbers of messages");
    p->ids = mem_array(n, sizeof *p->ids);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_integer(id) || json_integer_value(id) <= 0)
            return argument_refuse(out, "ids", "is a list of 1 to 5,000 numbers of messages");
        p->ids[p->count++] = json_integer_value(id);
    }
    sort_unique(p);
    return true;
}

static bool names_known(const json_t *filter, struct answer *out)
{
    for (void *at = json_object_iter((json_t *)(uintptr_t)filter); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)filter, at)) {
        const char *name = json_object_iter_key(at);
        size_t i = 0;
        while (FILTER_NAMES[i] != NULL && strcmp(FILTER_NAMES[i], name) != 0)
            i++;
        if (FILTER_NAMES[i] == NULL)
            return argument_refuse(out, name, "is no member of a filter");
    }
    return true;
}

bool move_params_read(const json_t *args, struct move_params *p, struct answer *out)
{
    const json_t *ids = json_object_get(args, "ids"), *filter = json_object_get(args, "filter");
    *p = (struct move_params){0};
    if ((ids == NULL) == (filter == NULL))
        return argument_refuse(out, "ids", "or filter must be given, and not both");
    if (ids != NULL && read_ids(ids, p, out))
        return true;
    if (ids == NULL && !json_is_object(filter))
        (void)argument_refuse(out, "filter", "is an object; {} is every message");
    else if (ids == NULL && names_known(filter, out) && filter_read(filter, &p->filter, out))
        return true;
    move_params_release(p);
    return false;
}

void move_params_release(struct move_params *p)
{
    free(p->ids);
    *p = (struct move_params){0};
}

/* ------------------------------------------------------------------ the dry run */

static json_t *counts(const struct store_count *c)
{
    json_t *states = json_object(), *codes = json_object(), *objects = json_object();
    for (int i = 0; i < 4; i++) {
        if (c->by_state[i] > 0)
            json_object_set_new(states, message_state_name((enum store_state)i),
                                json_integer(c->by_state[i]));
    }
    for (size_t i = 0; i < c->code_count; i++) {
        if (c->codes[i].name[0] != '\0')
            json_object_set_new(codes, c->codes[i].name, json_integer(c->codes[i].count));
    }
    for (size_t i = 0; i < c->object_count; i++) {
        if (c->objects[i].name[0] != '\0')
            json_object_set_new(objects, c->objects[i].name, json_integer(c->objects[i].count));
    }
    return json_pack("{s:I, s:I, s:b, s:o, s:o, s:o}", "count", (json_int_t)c->count, "skipped",
                     (json_int_t)c->skipped, "is_partial", c->is_partial, "by_state", states,
                     "by_code", codes, "by_object", objects);
}

static void answer_dry_run(struct ask *k, enum store_job_kind kind, const struct move_params *p,
                           struct answer *out)
{
    struct store *s = k->admin->options.store;
    struct store_count *c = mem_alloc(sizeof *c);
    struct error e;
    enum err err = p->ids != NULL ? store_message_count_ids(s, p->ids, p->count, (int)kind, c, &e)
                                  : store_message_count(s, &p->filter, (int)kind, c, &e);
    if (err == ERR_NONE)
        answer_json(out, 200, counts(c));
    else
        answer_error(out, err, &e);
    free(c);
}

/* ------------------------------------------------------------------ the job */

static void make_job(struct ask *k, enum store_job_kind kind, const struct move_params *p,
                     struct answer *out)
{
    json_t *params = json_object();
    const char *member = p->ids != NULL ? "ids" : "filter";
    json_object_set(params, member, json_object_get(k->args, member));
    char *text = json_dumps(params, JSON_COMPACT);
    const struct store_job_new n = {.kind = kind,
                                    .org = p->filter.org,
                                    .campaign_id = p->filter.campaign_id,
                                    .params = text,
                                    .reason = argument_text(k->args, "reason")};
    answer_new_job(k->admin, &n, out);
    free(text);
    json_decref(params);
}

static void run_move(struct ask *k, enum store_job_kind kind, struct answer *out)
{
    struct move_params p;
    bool dry_run;
    if (!argument_bool(k->args, "dry_run", &dry_run, out) || !argument_reason(k->args, out) ||
        !move_params_read(k->args, &p, out))
        return;
    if (dry_run)
        answer_dry_run(k, kind, &p, out);
    else
        make_job(k, kind, &p, out);
    move_params_release(&p);
}

static void run_replay(struct ask *k, struct answer *out)
{
    run_move(k, STORE_JOB_REPLAY, out);
}

static void run_discard(struct ask *k, struct answer *out)
{
    run_move(k, STORE_JOB_DISCARD, out);
}

static const char *const NAMES[] = {"ids", "filter", "dry_run", "reason", NULL};

void route_replay(struct admin *a, const struct request *q, struct answer *out)
{
    json_t *args = arguments_of_body(q, NAMES, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_replay, out);
}

void route_discard(struct admin *a, const struct request *q, struct answer *out)
{
    json_t *args = arguments_of_body(q, NAMES, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_discard, out);
}
