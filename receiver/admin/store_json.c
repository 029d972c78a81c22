/*
 * The store's rows as JSON (README.md: JOB, MESSAGE, LEDGER).
 */
#include "store_json.h"

#include "timeutil.h"

json_t *json_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? json_null() : json_string(text);
}

json_t *json_day(int64_t day)
{
    char text[TIME_TEXT_MAX];
    return day == TIME_NONE ? json_null() : json_string(time_format_date(day, text));
}

json_t *json_at(int64_t at_ms)
{
    char text[TIME_TEXT_MAX];
    return at_ms == TIME_NONE || at_ms == 0 ? json_null()
                                            : json_string(time_format_datetime(at_ms, text));
}

static json_t *number_or_null(int64_t n, int64_t none)
{
    return n == none ? json_null() : json_integer(n);
}

/* The store lets it be undone once more where the undo failed or was cancelled: what is back by
 * then is skipped. */
static bool can_undo(struct store *s, const struct store_job *job)
{
    struct store_job undo = {0};
    struct error e;
    if (job->kind != STORE_JOB_DATES || store_job_is_open(job->state))
        return false;
    if (job->undone_by == 0)
        return true;
    enum err err = store_job_get(s, job->undone_by, &undo, NULL, &e);
    return err == ERR_NOT_FOUND || (err == ERR_NONE && (undo.state == STORE_JOB_FAILED ||
                                                        undo.state == STORE_JOB_CANCELLED));
}

json_t *json_job(struct store *s, const struct store_job *job)
{
    bool is_open = store_job_is_open(job->state);
    json_t *o = json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:b, s:b}",
        "id", (json_int_t)job->id, "kind", store_job_kind_name(job->kind), "state",
        store_job_state_name(job->state), "org", json_or_null(job->org), "campaign",
        json_or_null(job->campaign_id), "reason", json_or_null(job->reason), "total",
        number_or_null(job->total, -1), "done", (json_int_t)job->done, "changed",
        (json_int_t)job->changed, "skipped", (json_int_t)job->skipped, "failed",
        (json_int_t)job->failed, "message", json_or_null(job->message), "created_at",
        json_at(job->created_at_ms), "started_at", json_at(job->started_at_ms), "ended_at",
        json_at(job->ended_at_ms), "undo_of", number_or_null(job->undo_of, 0), "undone_by",
        number_or_null(job->undone_by, 0), "can_cancel", is_open, "can_undo", can_undo(s, job));
    if (job->kind == STORE_JOB_HELD) {
        json_object_set_new(o, "would_delete", json_integer(job->would_delete));
        json_object_set_new(o, "existing", json_integer(job->existing));
    }
    return o;
}

json_t *json_message(const struct store_message *m)
{
    static const char *const states[] = {"ready", "leased", "done", "failed"};
    return json_pack(
        "{s:I, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
        (json_int_t)m->id, "org", m->org, "notification", json_or_null(m->notification_id),
        "record", json_or_null(m->record_id[0] != '\0' ? m->record_id : m->subject_id), "campaign",
        json_or_null(m->campaign_id), "object", json_or_null(m->object), "kind",
        store_kind_name(m->kind), "state", states[m->state], "tries", m->tries, "code",
        json_or_null(m->code), "message", json_or_null(m->message), "received_at",
        json_at(m->received_at_ms), "due_at", json_at(m->due_at_ms), "settled_at",
        json_at(m->settled_at_ms), "replayed_by", number_or_null(m->replayed_by, 0));
}

static json_t *document(const char *text)
{
    json_t *o = text == NULL ? NULL : json_loads(text, 0, NULL);
    return o == NULL ? json_null() : o;
}

json_t *json_ledger(const struct store_ledger_entry *x)
{
    return json_pack("{s:I, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "id",
                     (json_int_t)x->id, "at", json_at(x->at_ms), "org", x->org, "campaign",
                     json_or_null(x->campaign_id), "member", json_or_null(x->member_id), "action",
                     x->action, "touchpoint", json_or_null(x->touchpoint_id), "before",
                     document(x->before_json), "after", document(x->after_json), "cause",
                     json_or_null(x->cause), "reason", json_or_null(x->reason));
}
