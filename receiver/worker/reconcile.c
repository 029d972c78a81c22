/*
 * The reconcile: every campaign that may or should have touchpoints gets a background hint; what
 * was deleted since the last time is asked for, and the helper records whose message was lost are
 * swept up. The passes themselves are those of every day; what they find to write is drift, and
 * counted.
 */
#include "expand_int.h"

#include <string.h>

#include "log.h"
#include "metrics.h"
#include "timeutil.h"

struct survey {
    struct pass *pass;
    size_t campaigns; /* as they came: a campaign may come twice */
};

static enum err on_campaign(void *ctx, const char *id, struct error *e)
{
    struct survey *s = ctx;
    s->campaigns++;
    pass_move(s->pass, STORE_CAMPAIGN, id, id, "", time_wall_ms());
    return settle_many_moves(s->pass, e);
}

static enum err on_member(void *ctx, const char *id, struct error *e)
{
    struct survey *s = ctx;
    pass_move(s->pass, STORE_MEMBER, "", id, "", time_wall_ms());
    return settle_many_moves(s->pass, e);
}

enum err reconcile_expand(struct pass *p, struct error *e)
{
    struct survey s = {.pass = p};
    struct org_survey out = {.campaign = on_campaign, .member = on_member, .ctx = &s};
    if (org_config(p->org)->write_back)
        out.told_of_blank = status_text(REASON_CAMPAIGN_NOT_ENABLED);
    char now[TIME_TEXT_MAX];

    enum err err = helpers_sweep(p, e);
    if (err == ERR_NONE)
        err = org_survey_campaigns(p->conn, &out, e);
    if (err == ERR_NONE)
        err = settle_moves(p, e);
    if (err == ERR_NONE)
        err = store_cursor_set(p->options->store, p->claim->org, RECONCILE_DONE,
                               time_format_datetime(time_wall_ms(), now), e);
    if (err == ERR_NONE)
        log_info("reconcile: campaigns are queued to be looked at again", "org", p->claim->org,
                 "campaigns", log_num((long long)s.campaigns), NULL);
    return err;
}

bool reconcile_is_cause(const struct pass *p)
{
    for (size_t i = 0; i < p->claim->count; i++) {
        if (!p->claim->hints[i].background)
            return false;
    }
    return p->claim->count > 0;
}

void reconcile_count_drift(const struct pass *p, const char *kind, size_t n)
{
    if (n > 0 && reconcile_is_cause(p))
        metric_add(metric_series(METRIC_RECONCILE_DRIFT, p->claim->org, kind), n);
}
