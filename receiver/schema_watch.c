/*
 * When each org's schema is checked, and what the log says of it: at the start, every 6 hours, and
 * as a pass stops the org for what may be missing there. While something is missing every 30
 * seconds, so that work goes on soon after an admin has put it right. Where access refuses what is
 * written, the check tells whether a right was taken away: at once, then every 5 minutes. While
 * the org is stopped for another reason every 5 minutes, as often as its work is tried. The org's
 * time zone is read anew with each check that finds nothing missing: campaigns' dates are dates
 * there.
 */
#include "daemon.h"

#include <string.h>

#include "log.h"
#include "timeutil.h"

enum { DOUBT_MS = 5 * 60000, WRONG_MS = 30000, STOPPED_MS = 5 * 60000, RIGHT_MS = 6 * 60 * 60000 };

/* A line for each sentence, so that none is cut. */
static void log_sentences(const char *message, const struct org *o, const char *text)
{
    char sentence[ERROR_TEXT_MAX];
    for (const char *s = text; *s != '\0';) {
        size_t n = strcspn(s, "\n");
        size_t kept = n < sizeof sentence ? n : sizeof sentence - 1;
        memcpy(sentence, s, kept);
        sentence[kept] = '\0';
        log_warn(message, "org", org_config(o)->id, "name", org_config(o)->name, "missing",
                 sentence, NULL);
        s += n + (s[n] == '\n');
    }
}

static void log_change(const struct org *o, const struct org_schema *before,
                       const struct org_schema *now)
{
    if (strcmp(before->problems, now->problems) != 0)
        log_sentences("org lacks what is needed; its work is stopped", o, now->problems);
    if (strcmp(before->warnings, now->warnings) != 0)
        log_sentences("org lacks something optional", o, now->warnings);
    bool is_right = now->problems[0] == '\0';
    if (is_right && (!before->is_checked || before->problems[0] != '\0'))
        log_info("org has all objects, fields and permissions that are needed", "org",
                 org_config(o)->id, "name", org_config(o)->name, NULL);
}

static bool is_due(struct schema_watch *w, const struct org_state *state)
{
    bool turned_bad = state->stopped && !w->was_stopped;
    bool is_doubted = state->rights_doubted && w->doubt_boot_ms <= time_boot_ms();
    w->was_stopped = state->stopped;
    if (is_doubted)
        w->doubt_boot_ms = time_boot_ms() + DOUBT_MS;
    return turned_bad || is_doubted || w->next_boot_ms <= time_boot_ms();
}

static int64_t pause_ms(enum err err, struct org *o, const struct org_schema *now)
{
    struct org_state state;
    org_state_get(o, &state);
    if (err != ERR_NONE || now->problems[0] != '\0')
        return WRONG_MS;
    return state.stopped ? STOPPED_MS : RIGHT_MS;
}

void schema_turn(struct org *o, struct org_conn *conn, struct schema_watch *w)
{
    struct org_state state;
    struct org_schema before, now;
    struct error e = {0};
    org_state_get(o, &state);
    if (!is_due(w, &state))
        return;
    org_schema_get(o, &before);
    enum err err = org_check_schema(conn, &e);
    org_schema_get(o, &now);
    if (err == ERR_NONE && now.problems[0] == '\0')
        err = org_refresh_time_zone(conn, &e);
    if (err == ERR_NONE)
        log_change(o, &before, &now);
    else if (err != ERR_STOPPED)
        log_warn("the org's schema or time zone could not be checked; trying again", "org",
                 org_config(o)->id, "name", org_config(o)->name, "error", e.text, NULL);
    w->next_boot_ms = time_boot_ms() + pause_ms(err, o, &now);
    org_state_get(o, &state);
    w->was_stopped = state.stopped;
}
