/*
 * Writing one slice of a job of dates. The request itself reads what it overwrites, so a date that
 * somebody else set between our read and our write is known, put back at once, and told; without
 * that it would be lost, and no undo would bring it back.
 *
 * And the org may carry out a request after we gave it up (PROTOCOL.md rule 12). For the same job
 * that is no matter, since it writes the same value again; after an undo, or another job of that
 * campaign, it would. So before each request a note in the store says until when one may be under
 * way and whose it is, and other jobs of the campaign wait for that.
 */
#include "dates_int.h"
#include "worker_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum {
    ROUNDS = 2,         /* a row that was locked gets a second try */
    PUT_BACK_ROUNDS = 3 /* somebody may change it again */
};

/* ------------------------------------------------------------------ requests that may be late */

#define LATE_NAME "dates.late."
enum { LATE_NAME_SIZE = sizeof LATE_NAME + SFID_SIZE };

static const char *late_name(const struct dates_late *l, char out[LATE_NAME_SIZE])
{
    (void)snprintf(out, LATE_NAME_SIZE, LATE_NAME "%s", l->campaign_id);
    return out;
}

enum err dates_late_get(struct store *s, struct dates_late *l, struct error *e)
{
    char name[LATE_NAME_SIZE], text[TIME_TEXT_MAX + 32];
    l->until_ms = l->of_job = 0;
    enum err err = store_cursor_get(s, l->org, late_name(l, name), text, sizeof text, e);
    char *space = err == ERR_NONE ? strchr(text, ' ') : NULL;
    if (space != NULL && time_parse_datetime(text, (size_t)(space - text), &l->until_ms))
        l->of_job = strtoll(space, NULL, 10);
    if (l->until_ms <= time_wall_ms())
        l->until_ms = l->of_job = 0;
    return err;
}

static enum err note_late(struct store *s, const struct dates_late *l, int64_t until_ms,
                          int64_t job, struct error *e)
{
    char name[LATE_NAME_SIZE], at[TIME_TEXT_MAX], text[TIME_TEXT_MAX + 32] = "";
    if (until_ms > 0)
        (void)snprintf(text, sizeof text, "%s %lld", time_format_datetime(until_ms, at),
                       (long long)job);
    return store_cursor_set(s, l->org, late_name(l, name), text, e);
}

/* ------------------------------------------------------------------ one request */

struct writing {
    struct pass *pass;
    const struct dates_late *late;
    int64_t job;
    struct store_job_item *items;
    size_t count;
    struct org_date *rows; /* of the request at hand; count places, as all that follow */
    size_t *at;            /* of each row its item */
    size_t n;
    struct org_date_was *was;
    char (*found)[TIME_TEXT_MAX]; /* of items that somebody else changed: to that */
    bool *is_changed;
};

static void writing_init(struct writing *w, struct pass *p, const struct dates_late *late,
                         int64_t job, struct store_job_item *items, size_t n)
{
    *w = (struct writing){.pass = p,
                          .late = late,
                          .job = job,
                          .items = items,
                          .count = n,
                          .rows = mem_array(n, sizeof *w->rows),
                          .at = mem_array(n, sizeof *w->at),
                          .was = mem_array(n, sizeof *w->was),
                          .found = mem_array(n, sizeof *w->found),
                          .is_changed = mem_array(n, sizeof *w->is_changed)};
}

static void writing_release(struct writing *w)
{
    free(w->rows);
    free(w->at);
    free(w->was);
    free(w->found);
    free(w->is_changed);
}

static void add_row(struct writing *w, size_t item, const char *text)
{
    memcpy(w->rows[w->n].member_id, w->items[item].record_id, SFID_SIZE);
    w->rows[w->n].text = text;
    w->at[w->n++] = item;
}

/* Half the lease bounds the request, the echo's time what the org does after it. */
static enum err request(struct writing *w, struct error *e)
{
    struct pass *p = w->pass;
    int64_t until_ms = time_wall_ms() + p->options->lease_ms / 2 + p->options->echo_ms;
    enum err err = note_late(p->options->store, w->late, until_ms, w->job, e);
    if (err == ERR_NONE)
        err = store_write_begin(p->options->store, p->claim, e);
    if (err != ERR_NONE)
        return err;
    err = org_update_dates(p->conn, w->rows, w->n, w->was, write_results(p), e);
    return write_end(p, err, NULL, 0, e);
}

/* What the row held before the request, if that is neither what we expected nor what we wrote. */
static bool was_changed(struct writing *w, size_t row, const char *expected)
{
    char text[TIME_TEXT_MAX];
    const struct store_job_item *x = &w->items[w->at[row]];
    if (!w->was[row].is_known)
        return false;
    (void)dates_format(w->was[row].day, w->was[row].at_ms, text);
    if (strcmp(text, expected) == 0 || strcmp(text, w->rows[row].text) == 0)
        return false;
    memcpy(w->found[x - w->items], text, sizeof text);
    return true;
}

/* ------------------------------------------------------------------ the new values */

static void note_result(struct store_job_item *x, const struct org_row_result *result)
{
    if (result->class == ORG_ROW_DONE)
        x->state = DATES_WRITTEN;
    memcpy(x->code, result->code, sizeof x->code);
    memcpy(x->message, result->message, strnlen(result->message, sizeof x->message - 1));
    if (result->class == ORG_ROW_PARK)
        x->state = DATES_REFUSED;
}

/* One call for the items that still wait; how many may be tried once more. */
static enum err write_round(struct writing *w, size_t *again, struct error *e)
{
    *again = w->n = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->items[i].state == DATES_PLANNED)
            add_row(w, i, w->items[i].after);
    }
    enum err err = w->n == 0 ? ERR_NONE : request(w, e);
    for (size_t row = 0; row < w->n && err == ERR_NONE; row++) {
        const struct org_row_result *result = &w->pass->results[row];
        struct store_job_item *x = &w->items[w->at[row]];
        note_result(x, result);
        *again += result->class == ORG_ROW_RETRY;
        if (x->state == DATES_WRITTEN)
            w->is_changed[w->at[row]] = was_changed(w, row, x->before);
    }
    return err;
}

/* ------------------------------------------------------------------ what others had set */

static void note_left(struct store_job_item *x, const char *found)
{
    x->state = DATES_LEFT;
    (void)snprintf(x->code, sizeof x->code, "changed_since");
    (void)snprintf(x->message, sizeof x->message,
                   "somebody else set the date to %s at the same time: it stays so",
                   found[0] != '\0' ? found : "blank");
}

static void note_lost(struct store_job_item *x, const char *found,
                      const struct org_row_result *result)
{
    x->state = DATES_REFUSED;
    memcpy(x->code, result->code, sizeof x->code);
    (void)snprintf(x->message, sizeof x->message,
                   "somebody else had set the date to %s at the same time, and it could not be put "
                   "back: %.200s",
                   found[0] != '\0' ? found : "blank", result->message);
}

/* How many were changed once more meanwhile, or were locked. */
static enum err put_back_round(struct writing *w, bool is_last, size_t *again, struct error *e)
{
    *again = w->n = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->is_changed[i])
            add_row(w, i, w->found[i]);
    }
    enum err err = w->n == 0 ? ERR_NONE : request(w, e);
    for (size_t row = 0; row < w->n && err == ERR_NONE; row++) {
        const struct org_row_result *result = &w->pass->results[row];
        size_t i = w->at[row];
        struct store_job_item *x = &w->items[i];
        if (result->class == ORG_ROW_DONE) {
            w->is_changed[i] = was_changed(w, row, x->after);
            note_left(x, w->found[i]);
        } else if (result->class == ORG_ROW_PARK || is_last) {
            w->is_changed[i] = false;
            note_lost(x, w->found[i], result);
        }
        *again += w->is_changed[i];
    }
    return err;
}

static enum err put_back(struct writing *w, struct error *e)
{
    size_t again = 1;
    enum err err = ERR_NONE;
    for (int round = 1; round <= PUT_BACK_ROUNDS && again > 0 && err == ERR_NONE; round++)
        err = put_back_round(w, round == PUT_BACK_ROUNDS, &again, e);
    return err;
}

/* ------------------------------------------------------------------ the slice */

static enum err write_all(struct writing *w, struct error *e)
{
    size_t again = 1;
    enum err err = ERR_NONE;
    for (int round = 0; round < ROUNDS && again > 0 && err == ERR_NONE; round++)
        err = write_round(w, &again, e);
    for (size_t i = 0; i < w->count && err == ERR_NONE; i++) {
        if (w->items[i].state == DATES_PLANNED)
            w->items[i].state = DATES_REFUSED;
    }
    return err == ERR_NONE ? put_back(w, e) : err;
}

enum err dates_write(struct pass *p, const struct dates_late *late, int64_t job,
                     struct store_job_item *items, size_t n, struct error *e)
{
    struct writing w;
    struct error also;
    if (n == 0)
        return ERR_NONE;
    writing_init(&w, p, late, job, items, n);
    enum err err = write_all(&w, e);
    writing_release(&w);
    if (err == ERR_STALE)
        return err;
    int64_t until_ms =
        err == ERR_UNKNOWN_OUTCOME ? time_wall_ms() + p->options->echo_ms : late->until_ms;
    enum err noted = note_late(p->options->store, late, until_ms, job, &also);
    return err == ERR_NONE && noted != ERR_NONE ? error_set(e, noted, "%s", also.text) : err;
}
