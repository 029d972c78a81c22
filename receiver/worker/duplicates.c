/*
 * A policy that lets one member of each email keep its touchpoint needs all members before the
 * first decision: they are read once only to be compared, then only those that lose are
 * remembered. Ids and emails of a million members lie in large blocks, about 80 bytes a member, so
 * that they fit beside the touchpoints that exist.
 */
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { BLOCK_BYTES = 1 << 20 };

struct block {
    struct block *next;
    size_t used;
    char text[];
};

struct comparing {
    const struct pass *pass;
    struct dedupe_entry *entries;
    size_t count, room;
    struct block *blocks; /* the first has room */
};

static const char *keep_text(struct comparing *c, const char *text)
{
    size_t n = strlen(text) + 1;
    if (c->blocks == NULL || BLOCK_BYTES - c->blocks->used < n) {
        struct block *b = mem_alloc(sizeof *b + (n > BLOCK_BYTES ? n : BLOCK_BYTES));
        b->next = c->blocks;
        c->blocks = b;
    }
    char *at = c->blocks->text + c->blocks->used;
    memcpy(at, text, n);
    c->blocks->used = n > BLOCK_BYTES ? BLOCK_BYTES : c->blocks->used + n;
    return at;
}

static void add(struct comparing *c, const char *member_id, const char *email, int64_t at_ms)
{
    char *key = dedupe_key(email);
    if (key[0] != '\0') {
        if (c->count == c->room) {
            c->room = c->room == 0 ? 256 : c->room * 2;
            c->entries = mem_resize(c->entries, c->room, sizeof *c->entries);
        }
        struct dedupe_entry *entry = &c->entries[c->count++];
        *entry = (struct dedupe_entry){.touchpoint_at_ms = at_ms};
        entry->member_id = keep_text(c, member_id);
        entry->email = keep_text(c, key);
    }
    free(key);
}

static enum err on_members(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct comparing *c = ctx;
    const struct pass *p = c->pass;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        struct decision d;
        struct touchpoint t;
        decide(&p->campaign->campaign, &m[i], p->options->policy, p->zone, &d);
        if (d.reason != REASON_NONE)
            continue;
        touchpoint_values(&p->campaign->campaign, &m[i], p->options->policy, &d, &t);
        add(c, m[i].id, t.value[TV_EMAIL], d.touchpoint_at_ms);
        touchpoint_release(&t);
    }
    return ERR_NONE;
}

static void keep_losers(struct pass *p, const struct comparing *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        n += !c->entries[i].keeps;
    p->losers = mem_array(n, sizeof *p->losers);
    for (size_t i = 0; i < c->count; i++) {
        if (!c->entries[i].keeps)
            memcpy(p->losers[p->loser_count++], c->entries[i].member_id, SFID_SIZE);
    }
    p->loser_count = sfid_sort_unique(p->losers, p->loser_count);
}

enum err duplicates_find(struct pass *p, struct error *e)
{
    struct comparing c = {.pass = p};
    duplicates_release(p);
    enum err err = org_read_members(p->conn, p->claim->key, NULL, 0, on_members, &c, e);
    if (err == ERR_NONE && c.count > 0) {
        dedupe_by_email(c.entries, c.count);
        keep_losers(p, &c);
    }
    while (c.blocks != NULL) {
        struct block *b = c.blocks;
        c.blocks = b->next;
        free(b);
    }
    free(c.entries);
    return err;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

bool duplicates_has(const struct pass *p, const char *member_id)
{
    return p->loser_count > 0 &&
           bsearch(member_id, p->losers, p->loser_count, sizeof *p->losers, by_id) != NULL;
}

void duplicates_release(struct pass *p)
{
    free(p->losers);
    p->losers = NULL;
    p->loser_count = 0;
}
