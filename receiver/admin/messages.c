/*
 * GET /api/v1/messages and /messages/ID: the queue by filter, a page at a time; one message with
 * what was tried, what to do about it and what it wrote.
 */
#include "store_routes.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* ------------------------------------------------------------------ the list */

static void run_messages(struct ask *k, struct answer *out)
{
    struct store_filter f;
    struct store_position at = {0};
    struct error e;
    char next[POSITION_TEXT_MAX];
    size_t limit, n;
    bool more;
    const char *after = argument_text(k->args, "after");
    if (!filter_read(k->args, &f, out) || !argument_limit(k->args, &limit, out))
        return;
    if (after[0] != '\0' && !parse_position(after, &at)) {
        (void)argument_refuse(out, "after", "is the `next` of the page before");
        return;
    }
    struct store_message *page = mem_array(limit, sizeof *page);
    enum err err = store_message_walk(k->admin->options.store, &f, &at, page, limit, &n, &more, &e);
    if (err != ERR_NONE) {
        answer_error(out, err, &e);
    } else {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_message(&page[i]));
        answer_json(out, 200,
                    json_pack("{s:o, s:o}", "messages", list, "next",
                              more ? json_string(format_position(at, next)) : json_null()));
    }
    free(page);
}

void route_messages(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"state", "org",   "object", "record", "campaign", "error",
                                        "since", "until", "limit",  "after",  NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_messages, out);
}

/* ------------------------------------------------------------------ one */

/* Where the message itself does not say it. */
static const struct {
    enum store_state state;
    const char *code; /* NULL: any */
    const char *advice;
} ADVICE[] = {
    {STORE_DONE, "discarded", "An admin discarded it: replay it if it was to be carried out."},
    {STORE_DONE, "held",
     "The pass was held by the delete guard: see `jobs`, then approve it or mend its cause."},
    {STORE_DONE, NULL, "Nothing: it was carried out."},
    {STORE_LEASED, NULL, "Nothing: a worker is at it."},
    {STORE_READY, STORE_CODE_BUDGET,
     "Nothing: it waits until the org's API calls allow it; raise their allowance if that is "
     "often."},
    {STORE_READY, NULL, "Nothing: it is carried out when it is due; replay it to do so now."},
    {STORE_FAILED, "poison",
     "See the daemon's log for what ended the passes, report it, then replay the message."},
    {STORE_FAILED, NULL, "Put right what the message names, in the org, then replay it."},
};

static const char *advice_for(const struct store_message *m)
{
    size_t i = 0;
    while (ADVICE[i].state != m->state ||
           (ADVICE[i].code != NULL && strcmp(ADVICE[i].code, m->code) != 0))
        i++;
    return ADVICE[i].advice;
}

static json_t *attempts_json(const struct store_attempt *attempts, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct store_attempt *x = &attempts[i];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:I, s:s, s:o, s:o}", "at", json_at(x->at_ms), "first_at",
                            json_at(x->first_at_ms), "times", (json_int_t)x->times, "result",
                            x->verdict == STORE_FAIL ? "failed" : "retry", "code",
                            json_or_null(x->code), "message", json_or_null(x->message)));
    }
    return list;
}

/* An entry's cause names the notification, or the replay of this message. */
static bool is_of(const struct store_ledger_entry *x, const struct store_message *m)
{
    int64_t id;
    const char *last = strrchr(x->cause, ':');
    if (m->notification_id[0] != '\0' && strcmp(x->cause, m->notification_id) == 0)
        return true;
    return strncmp(x->cause, "replay:", 7) == 0 && last != NULL && parse_number(last + 1, &id) &&
           id == m->id;
}

static enum err add_ledger(struct store *s, const struct store_message *m, json_t *list,
                           struct error *e)
{
    enum { ENTRIES_MAX = 200 };
    if (m->campaign_id[0] == '\0')
        return ERR_NONE; /* such write nothing (protocol rule 7) */
    struct store_ledger_entry *x = mem_array(ENTRIES_MAX, sizeof *x);
    int64_t before = 0;
    size_t n = 0;
    bool more;
    const char *member = m->kind == STORE_MEMBER     ? m->record_id
                         : m->kind == STORE_DELETION ? m->subject_id
                                                     : NULL;
    enum err err =
        store_ledger_walk(s, m->org, m->campaign_id, member, &before, x, ENTRIES_MAX, &n, &more, e);
    for (size_t i = 0; i < n && err == ERR_NONE; i++) {
        if (is_of(&x[i], m))
            json_array_append_new(list, json_ledger(&x[i]));
    }
    if (err == ERR_NONE)
        store_ledger_release(x, n);
    free(x);
    return err;
}

static void run_message(struct ask *k, struct answer *out)
{
    struct store *s = k->admin->options.store;
    struct store_attempt attempts[STORE_ATTEMPTS_MAX];
    struct store_message m;
    struct error e;
    size_t n;
    int64_t id;
    if (!parse_number(argument_text(k->args, "id"), &id)) {
        answer_problem(out, 404, "Not found", "a message's id is a number, as the list shows it");
        return;
    }
    json_t *ledger = json_array();
    enum err err = store_message_get(s, id, &m, attempts, &n, &e);
    if (err == ERR_NONE)
        err = add_ledger(s, &m, ledger, &e);
    if (err != ERR_NONE) {
        json_decref(ledger);
        answer_error(out, err, &e);
        return;
    }
    json_t *o = json_message(&m);
    json_object_set_new(o, "attempts", attempts_json(attempts, n));
    json_object_set_new(o, "what_to_do", json_string(advice_for(&m)));
    json_object_set_new(o, "ledger", ledger);
    answer_json(out, 200, o);
}

void route_message(struct admin *a, const struct request *q, struct answer *out)
{
    ask_store_later(a, q, json_pack("{s:s}", "id", q->id), run_message, out);
}
