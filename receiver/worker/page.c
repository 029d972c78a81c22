/*
 * A page of a campaign's members with what would be done about each, for people who scroll: by
 * keyset of ids, so that any page costs the same. A filter reads on until the page is full, but
 * not more than SCANNED_MAX members for one question.
 */
#include "look_int.h"

#include <string.h>

enum { READ_AT_ONCE = 1000, SCANNED_MAX = 20000 };

struct paging {
    struct look_pass *x;
    const struct look_page *page;
    size_t read, given; /* members of this read; rows in all */
    char last[SFID_SIZE];
    bool is_full;
};

static enum err on_touchpoints(void *ctx, const struct org_touchpoint *t, size_t n, struct error *e)
{
    struct pass *p = ctx;
    (void)e;
    for (size_t i = 0; i < n; i++)
        existing_add(&p->existing, &t[i]);
    return ERR_NONE;
}

static enum err read_existing(struct pass *p, const struct member *m, size_t n, struct error *e)
{
    char ids[READ_AT_ONCE][SFID_SIZE];
    for (size_t i = 0; i < n; i++)
        memcpy(ids[i], m[i].id, SFID_SIZE);
    existing_release(&p->existing);
    return org_read_touchpoints(p->conn, NULL, (const char(*)[SFID_SIZE])ids, n, on_touchpoints, p,
                                e);
}

static enum err on_members(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct paging *g = ctx;
    struct pass *p = &g->x->pass;
    if (n > READ_AT_ONCE)
        n = READ_AT_ONCE; /* it sent more than were asked for */
    g->read += n;
    enum err err = read_existing(p, m, n, e);
    for (size_t i = 0; i < n && err == ERR_NONE && !g->is_full; i++) {
        struct decision d;
        decide(&p->campaign->campaign, &m[i], p->options->policy, p->zone, &d);
        enum reason reason = d.reason;
        if (reason == REASON_NONE && duplicates_has(p, m[i].id))
            reason = REASON_DUPLICATE_EMAIL;
        memcpy(g->last, m[i].id, SFID_SIZE);
        if (g->page->reason >= 0 && (int)reason != g->page->reason)
            continue;
        err = look_decided(p, &m[i], &d, reason, existing_find(&p->existing, m[i].id), e);
        g->is_full = ++g->given == g->page->limit;
    }
    return err;
}

static enum err read_on(struct paging *g, struct error *e)
{
    bool any = g->page->reason < 0 && g->page->limit < READ_AT_ONCE;
    size_t limit = any ? g->page->limit : READ_AT_ONCE, scanned = 0;
    enum err err;
    do {
        struct org_member_read read = {.campaign = g->page->campaign_id,
                                       .after = g->last,
                                       .limit = (unsigned)limit,
                                       .with_names = true};
        g->read = 0;
        err = org_read_members_as(g->x->pass.conn, &read, on_members, g, e);
        scanned += g->read;
    } while (err == ERR_NONE && g->read == limit && !g->is_full && scanned < SCANNED_MAX);
    if (err == ERR_NONE && g->read < limit && !g->is_full)
        g->last[0] = '\0'; /* that was the last member */
    return err;
}

enum err look_members(const struct look *l, const struct look_page *page,
                      const struct look_sink *sink, char next[SFID_SIZE], struct error *e)
{
    struct look_pass x;
    struct paging g = {.x = &x, .page = page};
    memcpy(g.last, page->after, strnlen(page->after, SFID_LEN));
    look_pass_init(&x, l, page->campaign_id, sink);
    enum err err = look_begin(&x, NULL, e);
    if (err == ERR_NONE && l->policy->dedupe_email)
        err = duplicates_find(&x.pass, e);
    if (err == ERR_NONE)
        err = read_on(&g, e);
    if (err == ERR_NONE)
        memcpy(next, g.last, SFID_SIZE);
    look_pass_release(&x);
    return err;
}
