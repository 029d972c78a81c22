/*
 * look - what the worker would do about a campaign or a member, and why, without doing it
 *
 * The live code path with the last step left out: the same reads, the same decisions, the same
 * comparison with the touchpoints that exist; nothing is written, neither to the org nor to the
 * store, and no lease is taken.
 *
 * Ownership: what callbacks receive is borrowed for the call; a callback may end the look with an
 *            error. It must not use the connection.
 * Threads:   one at a time for each connection and zone.
 * Errors:    those of org.h; ERR_NOT_FOUND: the org shows no such record.
 */
#ifndef TP_LOOK_H
#define TP_LOOK_H

#include "explain.h"
#include "org.h"
#include "rules.h"

/* Whether a person's question may be put to the org now: ERR_BUSY while it is held back after a
 * failure, ERR_LIMIT where nine tenths of its API calls are used, or, for a question that reads a
 * whole campaign, where only the part is left that is kept for live work. */
MUST_USE enum err look_may_ask(struct org *o, bool whole, struct error *e);
/* The second half of it: ERR_LIMIT alone. */
MUST_USE enum err look_has_calls(struct org *o, bool whole, struct error *e);

struct look { /* borrowed */
    struct org *org;
    struct org_conn *conn;
    struct zone *zone;
    const struct policy *policy;
    struct store *store;            /* for what the delete guard compares with */
    const char *policy_fingerprint; /* as of worker_options */
    unsigned max_delete_percent;    /* likewise */
};

/* id, name */
#define LOOK_ACTIONS(X)                                                                            \
    X(LOOK_NONE, "none") /* there is none, and none is due */                                      \
    X(LOOK_KEEP, "keep") /* it is as it should be, or nothing is known of the person */            \
    X(LOOK_CREATE, "create")                                                                       \
    X(LOOK_UPDATE, "update")                                                                       \
    X(LOOK_DELETE, "delete")

enum look_action {
#define X(id, name) id,
    LOOK_ACTIONS(X)
#undef X
        LOOK_ACTION_COUNT
};
const char *look_action_name(enum look_action a);

/* ------------------------------------------------------------------ a campaign, or a page of it */

struct look_campaign {
    const struct campaign *campaign; /* sync_type: as proposed */
    const char *sync_type;           /* as it stands */
    int64_t start_day, end_day;      /* of the campaign itself; TIME_NONE: it has none */
};

struct look_row {
    char member_id[SFID_SIZE];
    const struct member *member; /* with its name; NULL: it is gone, and its touchpoint is there */
    const struct decision *decision;     /* NULL likewise */
    const struct touchpoint *touchpoint; /* NULL: none is due */
    enum reason reason;                  /* REASON_DUPLICATE_EMAIL included */
    enum look_action action;
};

struct look_sink {
    enum err (*campaign)(void *ctx, const struct look_campaign *c,
                         struct error *e);                                   /* once, first */
    enum err (*row)(void *ctx, const struct look_row *row, struct error *e); /* each member once */
    void *ctx;
    /* look_campaign, last: so many of the existing touchpoints' deletions would wait for an admin's
     * approval. NULL: not asked. */
    void (*held)(void *ctx, int64_t would_delete, int64_t existing);
};

/* Every member of the campaign, under the setting that stands or another one (setting: a value of
 * Enable Buyer Touchpoints; NULL: as it stands), as they come: memory is that of a pass. */
MUST_USE enum err look_campaign(const struct look *l, const char *campaign_id, const char *setting,
                                const struct look_sink *sink, struct error *e);

/* Members in order of id behind `after` ("": from the first), at most `limit`, only those of that
 * reason (-1: any). Where few have it the page may be short although others follow: *next is where
 * it ended, "" after the last member. */
struct look_page {
    const char *campaign_id, *after;
    size_t limit;
    int reason;
};
MUST_USE enum err look_members(const struct look *l, const struct look_page *page,
                               const struct look_sink *sink, char next[SFID_SIZE], struct error *e);

/* ------------------------------------------------------------------ a member */

struct look_explained {
    const struct campaign *campaign;
    const struct member *member;
    const struct explanation *explanation;
    const char *touchpoint_id;        /* "": there is none */
    const char *const *is;            /* its values; NULL: there is none */
    const struct touchpoint *becomes; /* NULL: none is due */
    enum look_action action;
};
typedef enum err look_explained_fn(void *ctx, const struct look_explained *x, struct error *e);
/* Calls back once. */
MUST_USE enum err look_explain(const struct look *l, const char *member_id, look_explained_fn *fn,
                               void *ctx, struct error *e);

/* ------------------------------------------------------------------ counting */

/* id, code, sentence; %s: what makes it vivid */
#define PREVIEW_WARNINGS(X)                                                                        \
    X(PREVIEW_NO_EMAIL, "no_email", "members have no email, so that they get no touchpoint")       \
    X(PREVIEW_OUTSIDE_WINDOW, "outside_window",                                                    \
      "members have a date outside the campaign's Touchpoint Start and End Date")                  \
    X(PREVIEW_FUTURE, "future_date", "members would have a touchpoint dated in the future")        \
    X(PREVIEW_START_AFTER_END, "start_after_end",                                                  \
      "Touchpoint Start Date is after Touchpoint End Date, so that nobody qualifies")              \
    X(PREVIEW_LATE_UPLOAD, "late_upload",                                                          \
      "members would be dated when they were added, long after the campaign ended")                \
    X(PREVIEW_UNMAPPED, "unmapped_type",                                                           \
      "touchpoints would have the default channel: no row of `channels` has the campaign's Type")  \
    X(PREVIEW_NULL_CHANNEL, "null_channel",                                                        \
      "touchpoints would have the null channel: the campaign was probably enabled by mistake")     \
    X(PREVIEW_UNKNOWN_SETTING, "unknown_setting",                                                  \
      "members are left out since the campaign's setting is not known")                            \
    X(PREVIEW_HELD, "held_deletions",                                                              \
      "touchpoints would be deleted, so many that they wait for an approval among the jobs: no "   \
      "setting was changed, so lost access may be the cause")                                      \
    X(PREVIEW_UNSEEN, "unseen_person",                                                             \
      "members stay as they are: their lead or contact is not shared with the integration user")

enum preview_warning {
#define X(id, code, sentence) id,
    PREVIEW_WARNINGS(X)
#undef X
        PREVIEW_WARNING_COUNT
};

enum {
    PREVIEW_REASON_COUNT = REASON_DUPLICATE_EMAIL + 1,
    PREVIEW_SAMPLE_MAX = 200,
    PREVIEW_CHANNELS_MAX = 100,
    PREVIEW_SENTENCE_MAX = 320,
};

struct preview_sample {
    char member[SFID_SIZE];
    char name[128], status[128];
    enum look_action action;
    enum reason reason;
    int64_t at_ms; /* TIME_NONE: none */
    char channel_path[2 * RULES_CHANNEL_MAX + 2];
};

/* What rows amount to. Owned by its user; feed it through preview_sink. */
struct preview {
    const struct look *look;
    int64_t now_ms;
    int64_t end_day;
    bool start_after_end;
    int64_t existing; /* touchpoints, where deletions would be held */
    int64_t members, actions[LOOK_ACTION_COUNT], reasons[PREVIEW_REASON_COUNT];
    int64_t warnings[PREVIEW_WARNING_COUNT];
    int64_t dated, late_days; /* members with a date; of the late ones, their days together */
    struct preview_channel {
        char path[2 * RULES_CHANNEL_MAX + 2];
        int64_t count;
    } channels[PREVIEW_CHANNELS_MAX];
    size_t channel_count;
    int64_t sampled[LOOK_ACTION_COUNT][PREVIEW_REASON_COUNT];
    struct preview_sample samples[PREVIEW_SAMPLE_MAX];
    size_t sample_count;
};
void preview_init(struct preview *p, const struct look *l, int64_t now_ms);
void preview_begin(struct preview *p, const struct look_campaign *c);
void preview_add(struct preview *p, const struct look_row *row);
void preview_held(struct preview *p, int64_t would_delete, int64_t existing);
const char *preview_warning_code(enum preview_warning w);
/* "313 of 340 members would be dated when they were added, about 3 weeks after …" */
void preview_sentence(const struct preview *p, enum preview_warning w,
                      char out[PREVIEW_SENTENCE_MAX]);

#endif
