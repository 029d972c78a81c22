/*
 * POST /api/v1/doctor: the whole chain, from the org's flows' messages to a decision. First the
 * threads that watch the orgs look at each now (probe.c); then, on a thread of the asks, follows
 * what readiness does not look at. Nothing is changed in an org; the one message that is sent is of
 * an object that nothing is done with. Each finding says what to do.
 */
#include "doctor_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "look_json.h"
#include "org_setup.h"
#include "timeutil.h"

enum { SENTENCE_MAX = 1024, CLOCK_MAX_MS = 30000 };

/* ------------------------------------------------------------------ findings */

struct finding finding_new(json_t *checks, const char *check, const struct config_org *org)
{
    json_t *list = json_object_get(checks, check);
    if (list == NULL) {
        json_object_set_new(checks, check, json_array());
        list = json_object_get(checks, check);
    }
    json_t *one = json_pack("{s:s, s:[], s:[]}", "status", "ok", "problems", "warnings");
    if (org != NULL) {
        json_object_set_new(one, "org", json_string(org->id));
        json_object_set_new(one, "name", json_string(org->name));
    }
    json_array_append_new(list, one);
    return (struct finding){one};
}

__attribute__((format(printf, 3, 0))) static void put_sentence(struct finding f, const char *list,
                                                               const char *fmt, va_list ap)
{
    char text[SENTENCE_MAX];
    (void)vsnprintf(text, sizeof text, fmt, ap);
    json_t *s = json_string(text);
    json_array_append_new(json_object_get(f.json, list),
                          s != NULL ? s : json_string("a text that is not UTF-8"));
}

void finding_problem(struct finding f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_sentence(f, "problems", fmt, ap);
    va_end(ap);
    json_object_set_new(f.json, "status", json_string("degraded"));
}

void finding_warning(struct finding f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_sentence(f, "warnings", fmt, ap);
    va_end(ap);
}

void finding_detail(struct finding f, const char *fmt, ...)
{
    char text[SENTENCE_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_object_set_new(f.json, "detail", json_string(text));
}

/* ------------------------------------------------------------------ the parts */

/* What runs was loaded from the file once; would it be again? */
static void doctor_configuration(const struct admin *a, json_t *checks)
{
    struct finding f = finding_new(checks, "configuration", NULL);
    struct config *now = NULL;
    struct error e = {0};
    finding_detail(f, "%s", a->options.config->file);
    if (config_load(&now, a->options.config->file, &e) != ERR_NONE)
        finding_problem(f,
                        "%s; what runs is what was loaded before: mend the file, or the daemon "
                        "will not start again",
                        e.text);
    config_free(&now);
}

static void doctor_clock(const struct look *l, json_t *checks)
{
    struct org_state state;
    struct finding f = finding_new(checks, "clock", org_config(l->org));
    org_state_get(l->org, &state);
    if (state.clock_ahead_ms == TIME_NONE) {
        finding_warning(f, "the org's answers do not say what time it is there");
        return;
    }
    bool is_ahead = state.clock_ahead_ms > 0;
    int64_t off_s = (is_ahead ? state.clock_ahead_ms : -state.clock_ahead_ms) / 1000;
    finding_detail(f, "%lld s apart", (long long)off_s);
    if (off_s * 1000 > CLOCK_MAX_MS)
        finding_problem(f,
                        "this machine's clock is %lld s %s the org's: sign-in fails where it is "
                        "minutes, and times are wrong; synchronise it (timedatectl set-ntp true)",
                        (long long)off_s, is_ahead ? "ahead of" : "behind");
}

static void name_silent(struct finding f, const struct org_senders *s)
{
    struct buf names;
    buf_init(&names, SENTENCE_MAX / 2);
    for (size_t i = 0; i < s->silent && i < ORG_SILENT_MAX; i++)
        buf_printf(&names, "%s%s", i == 0 ? "" : ", ", s->names[i]);
    finding_problem(f,
                    "%zu of those who changed campaigns or members lately lack Send Outbound "
                    "Messages, so that nothing is sent of their changes: assign them "
                    "Touchpoint_Marketing: %s%s",
                    s->silent, names.len == 0 ? "" : names.data,
                    s->silent > ORG_SILENT_MAX ? ", …" : "");
    buf_release(&names);
}

static void doctor_senders(const struct look *l, json_t *checks)
{
    struct org_senders s;
    struct error e = {0};
    struct finding f = finding_new(checks, "senders", org_config(l->org));
    if (org_find_senders(l->conn, &s, &e) != ERR_NONE) {
        finding_problem(f, "who sends messages could not be asked: %s", e.text);
        return;
    }
    if (s.is_refused)
        finding_warning(f, "who has Send Outbound Messages can't be asked: grant this user View "
                           "Setup and Configuration, or look at it by hand");
    if (s.we_send)
        finding_problem(f, "this user has Send Outbound Messages, so that each of our own writes "
                           "comes back as a message: take it from its profile (permission sets "
                           "only add)");
    if (s.silent > 0)
        name_silent(f, &s);
}

static enum err on_explained(void *ctx, const struct look_explained *x, struct error *e)
{
    struct finding *f = ctx;
    (void)e;
    enum reason reason = x->explanation->decision.reason;
    finding_detail(*f, "member %s gets %s%s; to do: %s", x->member->id,
                   reason == REASON_NONE ? "" : "no touchpoint, since ", reason_text(reason),
                   look_action_name(x->action));
    return ERR_NONE;
}

/* What the message of a member that exists would lead to, without the last step. */
static void doctor_dry_run(const struct look *l, json_t *checks)
{
    char member[SFID_SIZE];
    struct error e = {0};
    struct finding f = finding_new(checks, "dry_run", org_config(l->org));
    if (look_may_ask(l->org, false, &e) == ERR_BUSY) {
        finding_warning(f, "not tried, since the org's work waits: see orgs");
        return;
    }
    enum err err = org_latest_member(l->conn, member, &e);
    if (err == ERR_NONE && member[0] == '\0') {
        finding_warning(f, "the org shows no campaign member, so none could be looked at");
        return;
    }
    if (err == ERR_NONE)
        err = look_explain(l, member, on_explained, &f, &e);
    if (err != ERR_NONE && err != ERR_NOT_FOUND)
        finding_problem(f, "a member could not be read and decided about: %s", e.text);
}

/* ------------------------------------------------------------------ the whole */

static void doctor_org(struct ask *k, struct org *o, json_t *checks)
{
    struct answer scratch = {0};
    struct look l;
    struct endpoints at = {.count = 0};
    struct org_state state;
    const struct config_org *c = org_config(o);
    org_state_get(o, &state); /* as the look has just found it: who is silent isn't waited for */
    k->despite_hold = true;   /* it answered; what holds its work need not hold up what follows */
    if (!state.reachable || !state.authenticated || !ask_look(k, c->id, false, &l, &scratch)) {
        finding_warning(finding_new(checks, "outbound_messages", c),
                        "not looked at, since the org can't be asked: see orgs");
        free(scratch.text);
        return;
    }
    doctor_clock(&l, checks);
    doctor_senders(&l, checks);
    doctor_messages(k->admin, &l, checks, &at);
    doctor_endpoints(k->admin, c, &at, checks);
    doctor_dry_run(&l, checks);
}

static bool has_problem(json_t *checks)
{
    const char *name;
    json_t *list, *one;
    size_t i;
    json_object_foreach(checks, name, list)
    {
        json_array_foreach(list, i, one)
        {
            const char *status = json_string_value(json_object_get(one, "status"));
            if (status != NULL && strcmp(status, "ok") != 0)
                return true;
        }
    }
    return false;
}

static void run(struct ask *k, struct answer *out)
{
    json_t *checks, *more = json_object();
    const struct admin_options *o = &k->admin->options;
    const char *status = health_status(k->admin, &checks);
    doctor_configuration(k->admin, more);
    for (size_t i = 0; i < o->org_count; i++)
        doctor_org(k, o->orgs[i], more);
    if (strcmp(status, "ok") == 0 && has_problem(more))
        status = "degraded";
    json_object_update_missing(checks, more);
    json_decref(more);
    answer_json(out, 200, json_pack("{s:s, s:o}", "status", status, "checks", checks));
}

/* A look at the orgs now, by the threads that look at them anyway: admin_answer_looked comes when
 * that is done. */
void route_doctor(struct admin *a, const struct request *q, struct answer *out)
{
    if (a->options.look_again(a->options.look_ctx, q->token))
        out->status = ANSWER_LATER;
    else
        answer_problem(out, 503, "Too many at once",
                       "several such checks are under way: wait for "
                       "their answers");
}

void admin_answer_looked(struct admin *a, struct listener_token token)
{
    const struct request q = {.id = "", .token = token};
    struct answer out = {0};
    ask_later(a, &q, json_object(), run, &out);
    if (out.status != ANSWER_LATER)
        answer_send(&out, token);
}
