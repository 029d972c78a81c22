/*
 * The write-back: on each member a sentence that says whether it has a touchpoint, or why not, and
 * when that was decided (rules.md section 7). It is written only where the sentence changes. So it
 * cannot trigger itself: where the org reports our own write back to us, the next pass finds
 * nothing to write.
 *
 * What is to be said is gathered while the members come, and written once their touchpoints are:
 * a member whose touchpoint could not be made or deleted as decided is told nothing. A sentence is
 * an extra: a member that refuses it (a validation rule, a missing permission) fails neither the
 * pass nor its hint, and is asked again only when something else makes a pass look at it.
 */
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "timeutil.h"

enum {
    ROUNDS = 2,    /* a row that was locked gets a second try */
    IDLE_CALLS = 5 /* so many in a row that changed nothing: the others are not tried either */
};

const char *status_text(enum reason reason)
{
    static const char *const texts[] = {
#define X(id, code, text) [id] = "No Touchpoint: " text,
        REASONS(X)
#undef X
    };
    return reason == REASON_NONE ? "Touchpoint Created" : texts[reason];
}

static bool is_on(const struct pass *p)
{
    return org_config(p->org)->write_back;
}

/* ------------------------------------------------------------------ gathering */

void status_want(struct pass *p, const struct member *m, enum reason reason)
{
    struct statuses *s = &p->statuses;
    if (!is_on(p) || (m->status_text != NULL && strcmp(m->status_text, status_text(reason)) == 0))
        return;
    if (p->deletes_only) {
        p->withheld = true;
        return;
    }
    if (s->count == s->room) {
        s->room = s->room == 0 ? 256 : s->room * 2;
        s->rows = mem_resize(s->rows, s->room, sizeof *s->rows);
    }
    struct status *row = &s->rows[s->count++];
    *row = (struct status){.reason = (unsigned char)reason};
    memcpy(row->member_id, m->id, sizeof row->member_id);
}

void status_unsure(struct pass *p, const char *member_id)
{
    struct statuses *s = &p->statuses;
    if (!is_on(p))
        return;
    if (s->unsure_count == s->unsure_room) {
        s->unsure_room = s->unsure_room == 0 ? 64 : s->unsure_room * 2;
        s->unsure = mem_resize(s->unsure, s->unsure_room, sizeof *s->unsure);
    }
    memset(s->unsure[s->unsure_count], 0, SFID_SIZE);
    memcpy(s->unsure[s->unsure_count++], member_id, strnlen(member_id, SFID_LEN));
}

void status_clear(struct pass *p)
{
    p->statuses.count = p->statuses.unsure_count = 0;
}

void status_release(struct statuses *s)
{
    free(s->rows);
    free(s->unsure);
    *s = (struct statuses){0};
}

static void drop_unsure(struct statuses *s)
{
    size_t kept = 0;
    if (s->unsure_count == 0)
        return;
    qsort(s->unsure, s->unsure_count, sizeof *s->unsure, sfid_compare);
    for (size_t i = 0; i < s->count; i++) {
        if (bsearch(s->rows[i].member_id, s->unsure, s->unsure_count, sizeof *s->unsure,
                    sfid_compare) == NULL)
            s->rows[kept++] = s->rows[i];
    }
    s->count = kept;
}

/* ------------------------------------------------------------------ writing */

/* One call; p->results tell of each row. */
static enum err write_slice(struct pass *p, const struct status *rows, size_t n, struct error *e)
{
    struct org_status *out = mem_array(n, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        memcpy(out[i].member_id, rows[i].member_id, sizeof out[i].member_id);
        out[i].text = status_text((enum reason)rows[i].reason);
    }
    enum err err = store_write_begin(p->options->store, p->claim, e);
    if (err == ERR_NONE) {
        err = org_update_statuses(p->conn, out, n, time_wall_ms(), write_results(p), e);
        err = write_end(p, err, NULL, 0, e);
    }
    free(out);
    return err;
}

static void count_refused(struct statuses *s, const struct org_row_result *r)
{
    if (s->refused++ > 0)
        return;
    memcpy(s->code, r->code, strnlen(r->code, sizeof s->code - 1));
    memcpy(s->why, r->message, strnlen(r->message, sizeof s->why - 1));
}

/* Rows to be tried again move to the front, as *kept. True: some row was written or may yet be. */
static bool take_results(struct pass *p, size_t at, size_t n, bool is_last, size_t *kept)
{
    struct statuses *s = &p->statuses;
    size_t written = 0, before = *kept;
    for (size_t i = 0; i < n; i++) {
        const struct org_row_result *r = &p->results[i];
        if (r->class == ORG_ROW_DONE)
            written++;
        else if (r->class == ORG_ROW_RETRY && !is_last)
            s->rows[(*kept)++] = s->rows[at + i];
        else
            count_refused(s, r);
    }
    s->written += written;
    if (written > 0)
        metric_add(metric_series(METRIC_STATUSES_WRITTEN, p->claim->org, "written"), written);
    return written > 0 || *kept > before;
}

static enum err write_round(struct pass *p, bool is_last, struct error *e)
{
    struct statuses *s = &p->statuses;
    size_t kept = 0, n;
    for (size_t at = 0, idle = 0; at < s->count; at += n) {
        n = s->count - at < ORG_WRITE_MAX ? s->count - at : ORG_WRITE_MAX;
        if (idle == IDLE_CALLS) {
            s->refused += s->count - at;
            break;
        }
        enum err err = write_slice(p, s->rows + at, n, e);
        if (err != ERR_NONE)
            return err;
        idle = take_results(p, at, n, is_last, &kept) ? 0 : idle + 1;
    }
    s->count = kept;
    return ERR_NONE;
}

enum err status_write(struct pass *p, struct error *e)
{
    struct statuses *s = &p->statuses;
    enum err err = ERR_NONE;
    drop_unsure(s);
    for (int round = 1; err == ERR_NONE && round <= ROUNDS && s->count > 0; round++)
        err = write_round(p, round == ROUNDS, e);
    if (s->refused == 0)
        return err;
    metric_add(metric_series(METRIC_STATUSES_WRITTEN, p->claim->org, "refused"), s->refused);
    log_warn("members refuse their touchpoint status; the touchpoints are as decided", "org",
             p->claim->org, "campaign", p->claim->key, "members", log_num((long long)s->refused),
             "code", s->code, "why", s->why, NULL);
    return err;
}
