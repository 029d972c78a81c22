/*
 * What the rows of a look amount to: counts, warnings, a sample. Pure, of fixed size.
 */
#include "look_int.h"

#include <stdio.h>
#include <string.h>

#include "timeutil.h"

enum { LATE_DAYS = 7, EACH_KIND_MAX = 20 };

static const struct {
    const char *code, *sentence;
} WARNINGS[] = {
#define X(id, code, sentence) {code, sentence},
    PREVIEW_WARNINGS(X)
#undef X
};

const char *preview_warning_code(enum preview_warning w)
{
    return WARNINGS[w].code;
}

void preview_init(struct preview *p, const struct look *l, int64_t now_ms)
{
    *p = (struct preview){.look = l, .now_ms = now_ms, .end_day = TIME_NONE};
}

void preview_begin(struct preview *p, const struct look_campaign *c)
{
    int64_t start = c->campaign->start_day, end = c->campaign->end_day;
    p->end_day = c->end_day;
    p->start_after_end = start != TIME_NONE && end != TIME_NONE && start > end;
    p->warnings[PREVIEW_START_AFTER_END] = p->start_after_end;
}

/* ------------------------------------------------------------------ one row */

void look_copy_text(char *to, size_t size, const char *from)
{
    size_t n = from == NULL ? 0 : strlen(from);
    if (n >= size) { /* at a whole character */
        for (n = size - 1; n > 0 && ((unsigned char)from[n] & 0xC0) == 0x80; n--) {
        }
    }
    if (n > 0)
        memcpy(to, from, n);
    to[n] = '\0';
}

static void count_channel(struct preview *p, const char *path)
{
    for (size_t i = 0; i < p->channel_count; i++) {
        if (strcmp(p->channels[i].path, path) == 0) {
            p->channels[i].count++;
            return;
        }
    }
    if (p->channel_count == PREVIEW_CHANNELS_MAX)
        return;
    struct preview_channel *c = &p->channels[p->channel_count++];
    look_copy_text(c->path, sizeof c->path, path);
    c->count = 1;
}

static void warn_of_reason(struct preview *p, const struct look_row *row)
{
    int64_t *w = p->warnings;
    bool is_unseen = row->reason == REASON_NO_EMAIL && row->member->person.is_unseen;
    w[PREVIEW_UNSEEN] += is_unseen;
    w[PREVIEW_NO_EMAIL] += row->reason == REASON_NO_EMAIL && !is_unseen;
    w[PREVIEW_OUTSIDE_WINDOW] +=
        row->reason == REASON_BEFORE_START || row->reason == REASON_AFTER_END;
    w[PREVIEW_UNKNOWN_SETTING] += row->reason == REASON_UNKNOWN_SYNC_TYPE;
}

static void warn_of_touchpoint(struct preview *p, const struct look_row *row)
{
    int64_t at_ms = row->decision->touchpoint_at_ms;
    int64_t day = zone_day_at(p->look->zone, at_ms);
    struct channel channel;
    channel_of(p->look->policy, row->touchpoint->value[TV_MEDIUM], row->member->status, &channel);
    p->dated++;
    p->warnings[PREVIEW_FUTURE] += at_ms > p->now_ms;
    p->warnings[PREVIEW_UNMAPPED] += channel.is_default;
    p->warnings[PREVIEW_NULL_CHANNEL] += channel.null_channel;
    bool was_added = strstr(row->decision->date_field, "CreatedDate") != NULL;
    if (was_added && p->end_day != TIME_NONE && day - p->end_day >= LATE_DAYS) {
        p->warnings[PREVIEW_LATE_UPLOAD]++;
        p->late_days += day - p->end_day;
    }
    count_channel(p, row->touchpoint->value[TV_CHANNEL_PATH]);
}

/* Some of each kind, as they come. */
static void sample(struct preview *p, const struct look_row *row)
{
    if (p->sample_count == PREVIEW_SAMPLE_MAX ||
        p->sampled[row->action][row->reason]++ >= EACH_KIND_MAX)
        return;
    struct preview_sample *s = &p->samples[p->sample_count++];
    *s = (struct preview_sample){.action = row->action, .reason = row->reason, .at_ms = TIME_NONE};
    memcpy(s->member, row->member_id, sizeof s->member);
    if (row->member != NULL) {
        look_copy_text(s->name, sizeof s->name, row->member->name);
        look_copy_text(s->status, sizeof s->status, row->member->status);
        s->at_ms = row->decision->touchpoint_at_ms;
    }
    if (row->touchpoint != NULL)
        look_copy_text(s->channel_path, sizeof s->channel_path,
                       row->touchpoint->value[TV_CHANNEL_PATH]);
}

void preview_add(struct preview *p, const struct look_row *row)
{
    p->members += row->member != NULL;
    p->actions[row->action]++;
    p->reasons[row->reason]++;
    if (row->member != NULL)
        warn_of_reason(p, row);
    if (row->member != NULL && row->touchpoint != NULL)
        warn_of_touchpoint(p, row);
    sample(p, row);
}

void preview_held(struct preview *p, int64_t would_delete, int64_t existing)
{
    p->warnings[PREVIEW_HELD] = would_delete;
    p->existing = existing;
}

/* ------------------------------------------------------------------ sentences */

/* "9 days", "3 weeks", "4 months" */
static void put_span(int64_t days, char *out, size_t size)
{
    if (days < 14)
        (void)snprintf(out, size, "%lld days", (long long)days);
    else if (days < 60)
        (void)snprintf(out, size, "%lld weeks", (long long)((days + 3) / 7));
    else
        (void)snprintf(out, size, "%lld months", (long long)((days + 15) / 30));
}

void preview_sentence(const struct preview *p, enum preview_warning w,
                      char out[PREVIEW_SENTENCE_MAX])
{
    long long n = (long long)p->warnings[w];
    int64_t of = w == PREVIEW_HELD ? p->existing : p->members;
    char span[32];
    if (w == PREVIEW_START_AFTER_END) {
        (void)snprintf(out, PREVIEW_SENTENCE_MAX, "%s", WARNINGS[w].sentence);
    } else if (w == PREVIEW_LATE_UPLOAD && n > 0) {
        put_span(p->late_days / p->warnings[w], span, sizeof span);
        (void)snprintf(out, PREVIEW_SENTENCE_MAX,
                       "%lld of %lld members would be dated %s after the campaign ended, when they "
                       "were added: set their Buyer Touchpoint Date",
                       n, (long long)p->members, span);
    } else {
        (void)snprintf(out, PREVIEW_SENTENCE_MAX, "%lld of %lld %s", n, (long long)of,
                       WARNINGS[w].sentence);
    }
}
