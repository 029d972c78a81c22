#define _GNU_SOURCE
/*
 * The second pass of the scan: from one '<' to the next. The tag's own grammar is read strictly,
 * everything between tags is skipped with memchr. Names are only checked as far as it takes to find
 * their end; libxml2 checks them properly afterwards. On the way the document is copied for
 * libxml2, but for the fields that leaf.c finds plain and the elements that twins.c knows again; if
 * there are none it is given as it is.
 */
#include "soap_int.h"

#include <string.h>
#include <strings.h>

const char *soap_find(const char *from, const char *end, const char *what)
{
    size_t n = strlen(what);
    const char *p = from;
    while ((size_t)(end - p) >= n && (p = memchr(p, what[0], (size_t)(end - p) - n + 1)) != NULL) {
        if (memcmp(p, what, n) == 0)
            return p;
        p++;
    }
    return NULL;
}

/* Envelope, Body, notifications, Notification and sObject are around a field. */
enum { FIELDS_DEPTH = 5 };

struct cursor {
    const char *document, *p, *end;
    const char *text; /* before the tag at p */
    const char *kept; /* what is kept from here on is not copied yet */
    char *copy;       /* where it goes */
    unsigned depth, instructions;
    struct soap_sibling sibling; /* the last one in the element that is open */
    struct soap_leaves leaves;
    struct soap_twins *twins; /* or NULL */
};

static void copy_until(struct cursor *c, const char *to)
{
    size_t n = (size_t)(to - c->kept);
    if (n > 0)
        memcpy(c->copy, c->kept, n);
    c->copy += n;
    c->kept = to;
}

/* Markup that runs to a fixed end and holds no tags. The declaration is an instruction here. */
static const struct {
    const char *open, *close;
} SPANS[] = {{"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<?", "?>"}};

static bool starts_with(const struct cursor *c, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(c->end - c->p) >= n && memcmp(c->p, text, n) == 0;
}

/* Letters, '_', ':' and all that is not ASCII begin a name (S); digits, '-' and '.' may follow (F).
 * A table, since most of a message is names. */
enum { F = 1, S = 2 };
#define S16 S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S
// clang-format off
static const unsigned char IN_NAMES[256] = {
    [0x2D] = F, F, 0, F, F, F, F, F, F, F, F, F, F, S,
    [0x41] = S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S,
    [0x5F] = S,
    [0x61] = S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S,
    [0x80] = S16, S16, S16, S16, S16, S16, S16, S16,
};
// clang-format on

/* Moves over a name; gives its length, 0 if none begins here. */
static size_t skip_name(struct cursor *c)
{
    const char *p = c->p;
    if (p == c->end || IN_NAMES[(unsigned char)*p] != S)
        return 0;
    while (p < c->end && IN_NAMES[(unsigned char)*p] != 0)
        p++;
    size_t n = (size_t)(p - c->p);
    c->p = p;
    return n;
}

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && soap_is_space(*c->p))
        c->p++;
}

static bool skip_char(struct cursor *c, char want)
{
    if (c->p == c->end || *c->p != want)
        return false;
    c->p++;
    return true;
}

/* = "value", without '<' in it */
static bool skip_value(struct cursor *c)
{
    skip_space(c);
    if (!skip_char(c, '='))
        return false;
    skip_space(c);
    if (c->p == c->end || (*c->p != '"' && *c->p != '\''))
        return false;
    char quote = *c->p++;
    const char *close = memchr(c->p, quote, (size_t)(c->end - c->p));
    if (close == NULL || memchr(c->p, '<', (size_t)(close - c->p)) != NULL)
        return false;
    c->p = close + 1;
    return true;
}

static bool is_declaration(const char *name, size_t n)
{
    return n >= 5 && memcmp(name, "xmlns", 5) == 0 && (n == 5 || name[5] == ':');
}

static enum soap_problem scan_attributes(struct cursor *c)
{
    unsigned attributes = 0, declarations = 0;
    for (;;) {
        skip_space(c);
        const char *name = c->p;
        size_t n = skip_name(c);
        if (n == 0)
            return SOAP_OK;
        if (!skip_value(c))
            return SOAP_NOT_WELL_FORMED;
        declarations += is_declaration(name, n) ? 1 : 0;
        if (++attributes > SOAP_ATTRIBUTES_MAX || declarations > SOAP_NAMESPACES_MAX)
            return SOAP_TOO_LARGE;
    }
}

static void note_sibling(struct cursor *c, const char *name, size_t n)
{
    const char *colon = memchr(name, ':', n);
    size_t prefix_len = colon == NULL ? 0 : (size_t)(colon - name) + 1;
    c->sibling = (struct soap_sibling){name, prefix_len, c->depth};
    soap_leaves_beside(&c->leaves, &c->sibling);
}

/* ------------------------------------------------------------------ elements that repeat */

static void begin_element(struct cursor *c, const char *tag)
{
    if (c->twins == NULL || c->depth < SOAP_TWINS_DEPTH)
        return;
    bool is_copied = c->kept != c->document;
    if (c->depth == SOAP_TWINS_DEPTH && is_copied)
        copy_until(c, tag);
    if (c->depth == SOAP_TWINS_DEPTH)
        soap_twins_begin(c->twins, tag, is_copied ? c->copy : NULL);
    soap_twins_element(c->twins, c->text, tag);
}

/* Of one that is left out, n bytes before c->copy, the line breaks stay. */
static void leave_out_twin(struct cursor *c, size_t n)
{
    char *from = c->copy - n;
    size_t breaks = 0;
    for (const char *p = from; (p = memchr(p, '\n', (size_t)(c->copy - p))) != NULL; p++)
        breaks++;
    memset(from, '\n', breaks);
    explicit_bzero(from + breaks, n - breaks);
    c->copy = from + breaks;
}

static void end_element(struct cursor *c)
{
    struct soap_twins *t = c->twins;
    if (t == NULL || c->depth > SOAP_TWINS_DEPTH)
        return;
    if (c->depth < SOAP_TWINS_DEPTH) {
        t->last.from = NULL;
        return;
    }
    if (t->open.from != NULL)
        copy_until(c, c->p);
    if (soap_twins_end(t, c->copy, c->p))
        leave_out_twin(c, (size_t)(c->copy - t->open.from));
}

/* ------------------------------------------------------------------ tags */

static enum soap_problem scan_start_tag(struct cursor *c)
{
    const char *tag = c->p, *name = ++c->p;
    size_t n = skip_name(c);
    if (n == 0)
        return SOAP_NOT_WELL_FORMED;
    if (c->depth == SOAP_DEPTH_MAX)
        return SOAP_TOO_DEEP;
    if (c->p < c->end && *c->p == '>')
        note_sibling(c, name, n);
    begin_element(c, tag);
    enum soap_problem p = scan_attributes(c);
    if (p != SOAP_OK)
        return p;
    bool is_empty = skip_char(c, '/');
    if (!is_empty)
        c->depth++;
    if (!skip_char(c, '>'))
        return SOAP_NOT_WELL_FORMED;
    if (is_empty)
        end_element(c);
    else if (c->twins != NULL && c->depth > SOAP_TWINS_DEPTH)
        soap_twins_content(c->twins, c->p, c->end, c->copy + (c->p - c->kept));
    return SOAP_OK;
}

static enum soap_problem scan_end_tag(struct cursor *c)
{
    c->p += 2;
    if (skip_name(c) == 0 || c->depth == 0)
        return SOAP_NOT_WELL_FORMED;
    c->depth--;
    if (c->depth < c->sibling.depth) {
        c->sibling.depth = 0;
        c->leaves.next = 0;
    }
    skip_space(c);
    if (!skip_char(c, '>'))
        return SOAP_NOT_WELL_FORMED;
    end_element(c);
    return SOAP_OK;
}

/* A comment, section or instruction: moves behind it. An instruction must have a name, or libxml2
 * would read its inside as content. */
static enum soap_problem scan_span(struct cursor *c, const char *open, const char *close)
{
    if (c->twins != NULL)
        c->twins->open.from = NULL;
    c->p += strlen(open);
    if (open[1] == '?' && skip_name(c) == 0)
        return SOAP_NOT_WELL_FORMED;
    if (open[1] == '?' && ++c->instructions > SOAP_INSTRUCTIONS_MAX)
        return SOAP_TOO_LARGE;
    const char *at = soap_find(c->p, c->end, close);
    if (at == NULL)
        return SOAP_NOT_WELL_FORMED;
    c->p = at + strlen(close);
    return SOAP_OK;
}

static enum soap_problem scan_tag(struct cursor *c)
{
    if (c->end - c->p > 1 && c->p[1] != '!' && c->p[1] != '?') /* nearly all */
        return c->p[1] == '/' ? scan_end_tag(c) : scan_start_tag(c);
    for (size_t i = 0; i < sizeof SPANS / sizeof SPANS[0]; i++) {
        if (starts_with(c, SPANS[i].open))
            return scan_span(c, SPANS[i].open, SPANS[i].close);
    }
    if (c->end - c->p >= 9 && strncasecmp(c->p, "<!DOCTYPE", 9) == 0)
        return SOAP_DOCTYPE;
    return SOAP_NOT_WELL_FORMED;
}

/* ------------------------------------------------------------------ the copy */

/* Of white space libxml2 counts the line breaks, and a grammar sees that there is some. */
static void copy_blanks(struct cursor *c, const struct soap_leaf *l)
{
    if (l->blanks > 0 && l->breaks == 0)
        *c->copy++ = ' ';
    for (size_t i = 0; i < l->breaks; i++)
        *c->copy++ = '\n';
}

/* Moves behind a field that libxml2 need not be given; false if none comes next. Without it the
 * texts on both sides are one, so the first may be nothing but white space: "]]" would meet a '>',
 * and "&am" a "p;". */
static bool leave_out(struct cursor *c, soap_ignores *ignores)
{
    struct soap_leaf leaf;
    if (c->depth < FIELDS_DEPTH || c->sibling.depth != c->depth || ignores == NULL)
        return false;
    const char *end = soap_leaf_end(&c->leaves, c->p, c->end, &c->sibling, ignores, &leaf);
    if (end == NULL)
        return false;
    copy_until(c, c->p);
    copy_blanks(c, &leaf);
    c->p = c->kept = end;
    return true;
}

enum soap_problem soap_scan_tags(const char *document, size_t n, soap_ignores *ignores,
                                 struct soap_twins *twins, char *copy, size_t *copied, size_t *at)
{
    struct cursor c = {.document = document,
                       .p = document,
                       .end = document + n,
                       .kept = document,
                       .copy = copy,
                       .twins = twins};
    enum soap_problem p = SOAP_OK;
    const char *tag;

    while (p == SOAP_OK) {
        if (leave_out(&c, ignores))
            continue;
        tag = memchr(c.p, '<', (size_t)(c.end - c.p));
        if (tag == NULL)
            break;
        c.text = c.p;
        c.p = tag;
        p = scan_tag(&c);
        *at = (size_t)(tag - document);
    }
    if (p == SOAP_OK && c.kept != document)
        copy_until(&c, c.end);
    *copied = (size_t)(c.copy - copy);
    return p;
}
