/*
 * The fields that nobody reads, which are most of a message: an object of 50 fields is sent for the
 * sake of two ids. Such a one is nearly always plain, <sf:Name>some text</sf:Name>, and then it
 * takes no parser to see that it is well-formed, so libxml2 is not given it. What is plain is drawn
 * so narrowly that leaving it out can't be told from reading it: no attribute, section or child, no
 * reference but XML's own five, an ASCII name, and a prefix that libxml2 has just resolved on a
 * sibling without declarations of its own. A line break in it is not plain, so that libxml2 counts
 * the same lines; nor is a field with text before it. Everything else goes to libxml2 as it came.
 */
#include "soap_int.h"

#include <string.h>

#include "bytes16.h"

/* N: in the names of fields. T: in plain text; the scan has seen to it that the bytes are UTF-8 and
 * allowed. Without ']' there is no "]]>". */
enum { N = 1, T = 2, NT = 3, FIELD_NAME_MAX = 128 };
#define T16 T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T
// clang-format off
static const unsigned char PLAIN[256] = {
    ['\t'] = T, ['\r'] = T,
    [' '] = T, T, T, T, T, T, 0, T, T, T, T, T, T, T, T, T,
    ['0'] = NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, T, T, 0, T, T, T,
    ['@'] = T, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT,
    ['P'] = NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, T, T, 0, T, NT,
    ['`'] = T, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT,
    ['p'] = NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, T, T, T, T, T,
    [0x80] = T16, T16, T16, T16, T16, T16, T16, T16,
};
// clang-format on

static const char *skip(const char *p, const char *end, unsigned char what)
{
    while (p < end && (PLAIN[(unsigned char)*p] & what) != 0)
        p++;
    return p;
}

/* T as four comparisons, since the scan has refused all other control characters. */
static const char *skip_plain(const char *p, const char *end)
{
    while (end - p >= BYTES16) {
        bytes16 v = bytes16_load(p);
        size_t n = bytes16_first((bytes16)(v == '<') | (bytes16)(v == '&') | (bytes16)(v == ']') |
                                 (bytes16)(v == '\n'));
        p += n;
        if (n < BYTES16)
            return p;
    }
    return skip(p, end, T);
}

/* The length of the reference at p, if it is one of the five that XML defines; else 0. */
static size_t reference_len(const char *p, const char *end)
{
    static const char KNOWN[][7] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        size_t n = strlen(KNOWN[i]);
        if ((size_t)(end - p) >= n && memcmp(p, KNOWN[i], n) == 0)
            return n;
    }
    return 0;
}

static const char *skip_text(const char *p, const char *end)
{
    for (;;) {
        p = skip_plain(p, end);
        size_t n = p < end && *p == '&' ? reference_len(p, end) : 0;
        if (n == 0)
            return p;
        p += n;
    }
}

/* Whether n bytes at p, which `end` bounds, are those at `known`, before p in the same document. */
static bool is_same(const char *p, const char *end, const char *known, size_t n)
{
    if ((size_t)(end - p) < n)
        return false;
    if (end - p < BYTES16)
        return memcmp(p, known, n) == 0;
    size_t same = bytes16_first((bytes16)(bytes16_load(p) != bytes16_load(known)));
    if (same < BYTES16)
        return same >= n;
    return n <= BYTES16 || memcmp(p + BYTES16, known + BYTES16, n - BYTES16) == 0;
}

/* ------------------------------------------------------------------ the tag */

/* What comes next is often what came next in a former object, or the one after that, since a field
 * without a value is not sent. */
static const struct soap_leaf *known_leaf(struct soap_leaves *l, const char *from, const char *end)
{
    for (size_t i = l->next; l->are_siblings && i < l->count && i < l->next + 2; i++) {
        if (is_same(from, end, l->v[i].from, l->v[i].blanks + l->v[i].tag)) {
            l->next = i + 1;
            return &l->v[i];
        }
    }
    return NULL;
}

/* The length of the tag of an ignored field, or 0. */
static size_t tag_len(const char *tag, const char *end, const struct soap_sibling *sibling,
                      soap_ignores *ignores)
{
    const char *name = tag + 1, *local = name + sibling->prefix_len;
    if ((size_t)(end - name) <= sibling->prefix_len ||
        memcmp(name, sibling->name, sibling->prefix_len) != 0 || (*local >= '0' && *local <= '9'))
        return 0;
    const char *close = skip(local, end, N);
    if (close == local || close == end || *close != '>' || close - name > FIELD_NAME_MAX ||
        !ignores(local, (size_t)(close - local)))
        return 0;
    return (size_t)(close - tag) + 1;
}

static void learn(struct soap_leaves *l, const struct soap_leaf *leaf,
                  const struct soap_sibling *sibling)
{
    if (!l->are_siblings) {
        l->count = l->next = 0;
        l->of = *sibling;
        l->are_siblings = true;
    }
    if (l->next == SOAP_LEAVES_MAX)
        return;
    l->v[l->next++] = *leaf;
    if (l->next > l->count)
        l->count = l->next;
}

void soap_leaves_beside(struct soap_leaves *l, const struct soap_sibling *sibling)
{
    l->are_siblings = l->count > 0 && l->of.prefix_len == sibling->prefix_len &&
                      memcmp(l->of.name, sibling->name, sibling->prefix_len) == 0;
}

/* ------------------------------------------------------------------ the field */

static const char *skip_blanks(const char *p, const char *end, size_t *breaks)
{
    for (*breaks = 0; p < end && soap_is_space(*p); p++)
        *breaks += *p == '\n';
    return p;
}

/* False if what comes next is no start tag of an ignored field. */
static bool find_tag(struct soap_leaves *l, const char *from, const char *end,
                     const struct soap_sibling *sibling, soap_ignores *ignores,
                     struct soap_leaf *out)
{
    const struct soap_leaf *known = known_leaf(l, from, end);
    *out = (struct soap_leaf){0};
    if (known != NULL) {
        *out = *known;
        out->from = from;
        return true;
    }
    const char *tag = skip_blanks(from, end, &out->breaks);
    out->from = from;
    out->blanks = (size_t)(tag - from);
    out->tag = tag < end && *tag == '<' ? tag_len(tag, end, sibling, ignores) : 0;
    if (out->tag == 0)
        return false;
    learn(l, out, sibling);
    return true;
}

const char *soap_leaf_end(struct soap_leaves *l, const char *from, const char *end,
                          const struct soap_sibling *sibling, soap_ignores *ignores,
                          struct soap_leaf *out)
{
    if (!find_tag(l, from, end, sibling, ignores, out))
        return NULL;
    const char *name = from + out->blanks + 1;
    size_t rest = out->tag - 1; /* the name and '>' */
    const char *p = skip_text(name + rest, end);
    bool is_closed = end - p >= 2 && p[0] == '<' && p[1] == '/' && is_same(p + 2, end, name, rest);
    return is_closed ? p + 2 + rest : NULL;
}
