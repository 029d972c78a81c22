/*
 * Notifications that repeat one another. Those of a message are mostly alike but for three ids, and
 * libxml2 needs longer for them than everything else takes. So one that says in the same markup
 * what the one before it said, with other ids, is not given to libxml2: the grammar is told which
 * ids it has, and in which elements of the former they would stand.
 *
 * What is alike is drawn so narrowly that this can't be told from reading it: children of one
 * element with nothing but white space between them, so that the same prefixes are bound; neither
 * comments nor sections in them, nor text before a start tag; the same bytes, when the fields that
 * nobody reads are left out (leaf.c), but for white space between two tags and for ids, each alone
 * in its element.
 */
#include "soap_int.h"

#include <string.h>

static bool is_blank(const char *from, const char *to)
{
    while (from < to && soap_is_space(*from))
        from++;
    return from == to;
}

void soap_twins_begin(struct soap_twins *t, const char *at, const char *copy)
{
    t->open.from = copy;
    t->open.elements = 0;
    t->open.count = 0;
    t->is_beside = t->last.from != NULL && is_blank(t->behind, at);
    t->given++;
    t->seen++;
}

void soap_twins_element(struct soap_twins *t, const char *text, const char *tag)
{
    if (t->open.elements++ > 0 && !is_blank(text, tag))
        t->open.from = NULL;
}

/* The bytes before the next tag, if that is an end tag and they may be an id; else 0. */
static size_t id_len(const char *at, const char *end)
{
    size_t n = 0;
    while (n <= SFID_LEN && at + n < end && at[n] != '<')
        n++;
    return end - at > (ptrdiff_t)n + 1 && at[n] == '<' && at[n + 1] == '/' ? n : 0;
}

void soap_twins_content(struct soap_twins *t, const char *at, const char *end, const char *copy)
{
    struct soap_block *b = &t->open;
    struct soap_twin_id id;
    if (b->from == NULL)
        return;
    size_t n = id_len(at, end);
    if (n == 0 || !sfid_normalise(at, n, id.id))
        return;
    if (b->count == SOAP_TWIN_IDS_MAX || b->elements > SOAP_TWIN_ELEMENTS_MAX) {
        b->from = NULL;
        return;
    }
    id.at = (size_t)(copy - b->from);
    id.len = n;
    id.element = b->elements - 1;
    b->ids[b->count++] = id;
}

/* Between two tags white space says nothing, since there is no text that it could follow. Moves
 * over it in both, if it is that in both. */
static void skip_between(const char **p, const char *p_end, const char **q, const char *q_end)
{
    const char *a = *p, *b = *q;
    while (a < p_end && soap_is_space(*a))
        a++;
    while (b < q_end && soap_is_space(*b))
        b++;
    if (a < p_end && b < q_end && *a == '<' && *b == '<') {
        *p = a;
        *q = b;
    }
}

/* What stands before, between and behind ids, from one to the next or to the end. */
struct piece {
    const char *from, *to;
};

static struct piece piece_of(const struct soap_block *b, size_t i)
{
    const struct soap_twin_id *before = i > 0 ? &b->ids[i - 1] : NULL;
    return (struct piece){before != NULL ? b->from + before->at + before->len : b->from,
                          i < b->count ? b->from + b->ids[i].at : b->to};
}

/* A piece begins and ends with a tag. */
static bool are_alike(struct piece a, struct piece b)
{
    if (a.to - a.from == b.to - b.from && memcmp(a.from, b.from, (size_t)(a.to - a.from)) == 0)
        return true;
    for (const char *p = a.from, *q = b.from;;) {
        if (p > a.from && p[-1] == '>')
            skip_between(&p, a.to, &q, b.to);
        if (p == a.to || q == b.to)
            return p == a.to && q == b.to;
        if (*p++ != *q++)
            return false;
    }
}

static bool is_twin(const struct soap_block *of, const struct soap_block *b)
{
    if (of->count != b->count)
        return false;
    for (size_t i = 0; i <= b->count; i++) {
        if (!are_alike(piece_of(of, i), piece_of(b, i)))
            return false;
    }
    return true;
}

bool soap_twins_end(struct soap_twins *t, const char *copy, const char *behind)
{
    struct soap_block *b = &t->open;
    b->to = copy;
    t->behind = behind;
    if (b->from == NULL || !t->is_beside || t->seen > SOAP_NOTIFICATIONS_MAX ||
        !is_twin(&t->last, b)) {
        t->last = *b;
        return false;
    }
    t->given--;
    struct soap_twin *twin = &t->v[t->count++];
    twin->of = t->given;
    twin->count = b->count;
    memcpy(twin->ids, b->ids, b->count * sizeof b->ids[0]);
    return true;
}
