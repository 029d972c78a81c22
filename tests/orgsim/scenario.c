/* The file is checked as a whole first: form, order, and that each route exists. */
#include "scenario.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "log.h"
#include "mem.h"
#include "timeutil.h"

struct scenario {
    struct sim *sim;
    json_t *file;
    json_t *steps; /* in file */
    size_t next;
    int64_t started_boot_ms;
    struct event *timer; /* NULL without a loop */
};

static int64_t at_of(const json_t *step)
{
    const json_t *at = json_object_get(step, "at_ms");
    return json_is_integer(at) ? json_integer_value(at) : 0;
}

static enum http_method method_of(const json_t *step)
{
    const json_t *method = json_object_get(step, "method");
    return method == NULL ? HTTP_POST
                          : http_method_of(json_is_string(method) ? json_string_value(method) : "");
}

static const char *path_of(const json_t *step)
{
    const char *path = json_string_value(json_object_get(step, "path"));
    return path == NULL ? "" : path;
}

/* Carries out one step; false with the reason. */
static bool run_step(struct sim *sim, json_t *step, char *why, size_t why_size)
{
    struct sim_request r;
    struct sim_reply reply = {.status = 0};
    json_t *body = json_object_get(step, "body");
    body = body == NULL ? json_object() : json_incref(body);
    bool ok = sim_request_parse(&r, method_of(step), path_of(step));
    if (ok)
        control_run(sim, &r, body, &reply);
    ok = ok && reply.status == 200;
    if (!ok) {
        const char *text = json_string_value(json_object_get(reply.json, "error"));
        snprintf(why, why_size, "%s", text == NULL ? "the path can't be read" : text);
    }
    json_decref(body);
    sim_reply_release(&reply);
    sim_request_release(&r);
    return ok;
}

/* ------------------------------------------------------------------ later steps */

static void arm(struct scenario *s)
{
    if (s->timer == NULL || s->next == json_array_size(s->steps))
        return;
    int64_t ms = s->started_boot_ms + at_of(json_array_get(s->steps, s->next)) - time_boot_ms();
    struct timeval wait = {ms > 0 ? ms / 1000 : 0, ms > 0 ? ms % 1000 * 1000 : 0};
    event_add(s->timer, &wait);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct scenario *s = arg;
    char why[256];
    if (!run_step(s->sim, json_array_get(s->steps, s->next++), why, sizeof why))
        log_error("a step of the scenario is refused", "step", log_num((long long)s->next), "why",
                  why, NULL);
    arm(s);
}

/* ------------------------------------------------------------------ the file */

static enum err check(const struct scenario *s, const char *file, struct error *e)
{
    size_t i;
    json_t *step;
    int64_t last = 0;
    if (!json_is_array(s->steps))
        return error_set(e, ERR_CONFIG, "%s: write {\"steps\":[…]}", file);
    json_array_foreach(s->steps, i, step)
    {
        const json_t *body = json_object_get(step, "body");
        const char *wrong = !json_is_object(step)                   ? "it is not an object"
                            : at_of(step) < last                    ? "at_ms goes back"
                            : body != NULL && !json_is_object(body) ? "body is not an object"
                            : !control_exists(method_of(step), path_of(step))
                                ? "no such control route"
                                : NULL;
        if (wrong != NULL)
            return error_set(e, ERR_CONFIG, "%s: step %zu: %s", file, i + 1, wrong);
        last = at_of(step);
    }
    return ERR_NONE;
}

static enum err run_first(struct scenario *s, const char *file, struct error *e)
{
    char why[256];
    for (; s->next < json_array_size(s->steps); s->next++) {
        json_t *step = json_array_get(s->steps, s->next);
        if (at_of(step) > 0)
            break;
        if (!run_step(s->sim, step, why, sizeof why))
            return error_set(e, ERR_CONFIG, "%s: step %zu: %s", file, s->next + 1, why);
    }
    return ERR_NONE;
}

enum err scenario_open(struct scenario **out, struct sim *sim, const char *file, struct error *e)
{
    json_error_t why;
    struct scenario *s = mem_alloc(sizeof *s);
    s->sim = sim;
    s->started_boot_ms = time_boot_ms();
    s->file = json_load_file(file, JSON_REJECT_DUPLICATES, &why);
    s->steps = json_object_get(s->file, "steps");
    if (s->file == NULL)
        error_set(e, ERR_CONFIG, "%s:%d: %s", file, why.line, why.text);
    if (s->file == NULL || check(s, file, e) != ERR_NONE || run_first(s, file, e) != ERR_NONE) {
        scenario_close(&s);
        return e->kind;
    }
    if (sim->base != NULL)
        s->timer = evtimer_new(sim->base, on_timer, s);
    arm(s);
    *out = s;
    return ERR_NONE;
}

void scenario_close(struct scenario **s)
{
    if (*s == NULL)
        return;
    if ((*s)->timer != NULL)
        event_free((*s)->timer);
    json_decref((*s)->file);
    free(*s);
    *s = NULL;
}
