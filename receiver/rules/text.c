/*
 * Texts: trimming, comparison without regard to case, patterns with '*'. Everything compares folded
 * bytes; a pattern's literal parts are whole characters, so '*' never splits one.
 */
#include "rules_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct text text_of(const char *s)
{
    return (struct text){s == NULL ? "" : s, s == NULL ? 0 : strlen(s)};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* NO-BREAK SPACE, which people paste along from web pages: two bytes. */
static bool is_nbsp(const char *s)
{
    return (unsigned char)s[0] == 0xC2 && (unsigned char)s[1] == 0xA0;
}

struct text text_trim(struct text t)
{
    for (;;) {
        size_t lead = t.n >= 1 && is_space(t.s[0]) ? 1 : t.n >= 2 && is_nbsp(t.s) ? 2 : 0;
        if (lead == 0)
            break;
        t.s += lead;
        t.n -= lead;
    }
    for (;;) {
        size_t tail = t.n >= 1 && is_space(t.s[t.n - 1])   ? 1
                      : t.n >= 2 && is_nbsp(t.s + t.n - 2) ? 2
                                                           : 0;
        if (tail == 0)
            return t;
        t.n -= tail;
    }
}

void folded_init(struct folded *f, struct text t)
{
    f->heap = NULL;
    f->s = f->room;
    f->n = text_fold_into(t.s, t.n, f->room, sizeof f->room);
    if (f->n < sizeof f->room)
        return;
    f->heap = mem_alloc(f->n + 1);
    f->n = text_fold_into(t.s, t.n, f->heap, f->n + 1);
    f->s = f->heap;
}

void folded_release(struct folded *f)
{
    free(f->heap);
    f->heap = NULL;
}

bool text_is(const char *folded, struct text t)
{
    struct folded f;
    folded_init(&f, t);
    bool same = strlen(folded) == f.n && memcmp(folded, f.s, f.n) == 0;
    folded_release(&f);
    return same;
}

/* On a mismatch the last '*' takes one byte more; earlier ones never need to be tried again. */
bool glob_matches(struct text pattern, struct text text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

    while (t < text.n) {
        if (p < pattern.n && pattern.s[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.n && pattern.s[p] == text.s[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.s[p] == '*')
        p++;
    return p == pattern.n;
}

bool pattern_matches(const char *pattern, const char *text)
{
    struct folded p, t;
    folded_init(&p, text_of(pattern));
    folded_init(&t, text_of(text));
    bool matches = glob_matches((struct text){p.s, p.n}, (struct text){t.s, t.n});
    folded_release(&t);
    folded_release(&p);
    return matches;
}

bool next_item(struct text *list, struct text *item)
{
    while (list->n > 0) {
        const char *comma = memchr(list->s, ',', list->n);
        size_t n = comma == NULL ? list->n : (size_t)(comma - list->s);
        *item = text_trim((struct text){list->s, n});
        n += comma == NULL ? 0 : 1;
        list->s += n;
        list->n -= n;
        if (item->n > 0)
            return true;
    }
    return false;
}
