#define _GNU_SOURCE
/*
 * libxml2's SAX2 interface, driven over one buffered document and turned into places and short
 * texts for a grammar.
 *
 * The parser reads from a string input (xmlNewStringInputStream), which is the one kind of input
 * that libxml2 neither copies nor grows: the push interface and xmlCreateMemoryParserCtxt both keep
 * a copy in a buffer that they free unwiped, and the push one also looks for the end of a tag again
 * with each chunk. It is the body itself, or what is left of it, in a copy that is ours and wiped.
 * What libxml2 still allocates on the way (a CDATA section, a comment, a value with a reference in
 * it) is wiped by the allocator that soap_xml_setup_memory puts in.
 *
 * One parser context serves many documents. Its dictionary of names is never emptied by libxml2, so
 * a context that has learnt many of them, or long ones, is thrown away: strangers can't make it
 * grow for ever, nor fill it, since from 10 MB on it takes no new name of any document.
 *
 * Stopping: inside a SAX callback with xmlStopParser. In the error callback, where libxml2 may be
 * half-way through a token, with the two fields that libxml2 itself sets when it runs out of
 * memory; left alone it would read on to the end without events, learning names all the way.
 */
#include "soap_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parserInternals.h>

#include "mem.h"

enum {
    NAMES_KEPT = 2048, /* a Salesforce object has fewer than a thousand fields */
    NAME_BYTES_KEPT = 1 << 20,
    STACK_WIPED = 16384,
    COPY_KEPT_MAX = 256 << 10, /* a full message of a wide object */
};

/* ------------------------------------------------------------------ text */

/* The scan has let no other control character pass. */
static bool is_space(char c)
{
    return (unsigned char)c <= ' ';
}

static bool has_space(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_space(s[i]))
            return true;
    }
    return false;
}

static void text_append(struct soap_text *t, const char *s, size_t n)
{
    size_t from = 0, to = n;
    while (from < n && is_space(s[from]))
        from++;
    t->gap = t->gap || (from > 0 && t->len > 0);
    if (from == n)
        return;
    while (is_space(s[to - 1]))
        to--;
    size_t len = to - from;
    if (t->gap || len >= sizeof t->bytes - t->len || has_space(s + from, len)) {
        t->bad = true;
        return;
    }
    memcpy(t->bytes + t->len, s + from, len);
    t->len += len;
    t->gap = to < n;
}

static void text_clear(struct soap_text *t)
{
    *t = (struct soap_text){0};
}

/* ------------------------------------------------------------------ for grammars */

void soap_xml_fail(struct soap_xml *x, enum soap_problem p)
{
    if (x->problem == SOAP_OK) {
        int line = xmlSAX2GetLineNumber(x->parser);
        x->problem = p;
        x->line = line > 0 ? (unsigned)line : 0;
    }
    xmlStopParser(x->parser);
}

const char *soap_xml_namespace(const struct soap_xml *x, const char *prefix, size_t n)
{
    for (size_t i = x->prefix_count; i-- > 0;) {
        const struct soap_xml_prefix *p = &x->prefixes[i];
        if (strlen(p->prefix) == n && memcmp(p->prefix, prefix, n) == 0)
            return p->uri;
    }
    return NULL;
}

int soap_xml_step(const struct soap_step *steps, size_t count, int from,
                  const struct soap_element *e)
{
    for (size_t i = 0; i < count; i++) {
        if (steps[i].from == from && strcmp(steps[i].local, e->local) == 0 &&
            strcmp(steps[i].ns, e->ns) == 0)
            return steps[i].to;
    }
    return SOAP_PLACE_IGNORED;
}

/* ------------------------------------------------------------------ elements */

static const char *or_empty(const xmlChar *s)
{
    return s == NULL ? "" : (const char *)s;
}

static void push_prefixes(struct soap_xml *x, int count, const xmlChar **pairs)
{
    x->prefix_marks[x->depth] = x->prefix_count;
    for (int i = 0; i < count; i++) {
        assert(x->prefix_count < sizeof x->prefixes / sizeof x->prefixes[0]); /* the scan counts */
        x->prefixes[x->prefix_count++] =
            (struct soap_xml_prefix){or_empty(pairs[2 * i]), or_empty(pairs[2 * i + 1])};
    }
}

static bool is_true(const char *s, size_t n)
{
    struct soap_text t = {0};
    text_append(&t, s, n);
    return !t.bad && (strcmp(t.bytes, "true") == 0 || strcmp(t.bytes, "1") == 0);
}

/* attributes: local name, prefix, URI, first and behind the last byte of the value */
static void take_xsi(struct soap_element *e, int count, const xmlChar **attributes)
{
    for (int i = 0; i < count; i++) {
        const xmlChar **a = attributes + (size_t)i * 5;
        if (strcmp(or_empty(a[2]), SOAP_NS_XSI) != 0)
            continue;
        const char *value = (const char *)a[3];
        size_t n = (size_t)(a[4] - a[3]);
        if (strcmp((const char *)a[0], "nil") == 0)
            e->nil = is_true(value, n);
        if (strcmp((const char *)a[0], "type") == 0) {
            e->type = value;
            e->type_len = n;
        }
    }
}

/* libxml2's table of names has a fixed number of buckets: a great many names make it slow. */
static bool is_walking(struct soap_xml *x)
{
    if (x->problem == SOAP_OK && xmlDictSize(x->parser->dict) > SOAP_NAMES_MAX)
        soap_xml_fail(x, SOAP_TOO_LARGE);
    return x->problem == SOAP_OK;
}

static void on_open(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri,
                    int prefix_count, const xmlChar **prefixes, int attribute_count, int defaulted,
                    const xmlChar **attributes)
{
    struct soap_xml *x = user;
    (void)prefix;
    (void)defaulted;
    if (!is_walking(x))
        return;
    assert(x->depth < SOAP_DEPTH_MAX); /* the scan counts */
    if (x->depth == SOAP_TWINS_DEPTH) {
        x->block++;
        x->element = 0;
    }
    int parent = x->places[x->depth++];
    x->elements[x->depth] = x->element++;
    push_prefixes(x, prefix_count, prefixes);
    x->places[x->depth] = SOAP_PLACE_IGNORED;
    x->nil[x->depth] = false;
    if (parent == SOAP_PLACE_IGNORED)
        return;
    struct soap_element e = {.ns = or_empty(uri), .local = (const char *)local};
    take_xsi(&e, attribute_count, attributes);
    int place = x->grammar->open(x, parent, &e);
    if (place == SOAP_PLACE_IGNORED)
        return;
    x->places[x->depth] = place;
    x->nil[x->depth] = e.nil;
    text_clear(&x->text);
}

/* Those of an element that the grammar ignores are as little to it. */
static void give_twins(struct soap_xml *x, int place)
{
    const struct soap_twins *t = &x->twins;
    for (; x->next_twin < t->count && t->v[x->next_twin].of == x->block; x->next_twin++) {
        if (place != SOAP_PLACE_IGNORED && x->problem == SOAP_OK)
            x->grammar->again(x, place, &t->v[x->next_twin]);
    }
}

static void on_close(void *user, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
    struct soap_xml *x = user;
    (void)local;
    (void)prefix;
    (void)uri;
    if (x->problem != SOAP_OK)
        return;
    assert(x->depth > 0);
    int place = x->places[x->depth];
    if (place != SOAP_PLACE_IGNORED) {
        if (x->nil[x->depth])
            text_clear(&x->text);
        x->grammar->close(x, place, &x->text);
        text_clear(&x->text);
    }
    x->prefix_count = x->prefix_marks[x->depth];
    x->depth--;
    if (x->depth == SOAP_TWINS_DEPTH)
        give_twins(x, place);
}

static void on_text(void *user, const xmlChar *s, int n)
{
    struct soap_xml *x = user;
    if (x->problem == SOAP_OK && n > 0 && x->places[x->depth] > SOAP_PLACE_DOCUMENT)
        text_append(&x->text, (const char *)s, (size_t)n);
}

/* The scan has refused these already; should it ever overlook one, the parser stops here. */
static void on_doctype(void *user, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
    (void)name;
    (void)id;
    (void)system;
    soap_xml_fail(user, SOAP_DOCTYPE);
}

/* ------------------------------------------------------------------ errors */

static const struct {
    int code;
    enum soap_problem problem; /* SOAP_OK: harmless */
} ERRORS[] = {
    {XML_ERR_UNDECLARED_ENTITY, SOAP_ENTITY},   {XML_WAR_UNDECLARED_ENTITY, SOAP_ENTITY},
    {XML_ERR_ENTITY_LOOP, SOAP_ENTITY},         {XML_ERR_UNPARSED_ENTITY, SOAP_ENTITY},
    {XML_ERR_ENTITY_IS_PARAMETER, SOAP_ENTITY}, {XML_ERR_UNSUPPORTED_ENCODING, SOAP_ENCODING},
    {XML_ERR_UNKNOWN_ENCODING, SOAP_ENCODING},  {XML_ERR_INVALID_ENCODING, SOAP_ENCODING},
    {XML_ERR_NAME_TOO_LONG, SOAP_TOO_LARGE},    {XML_ERR_INTERNAL_ERROR, SOAP_TOO_LARGE},
    {XML_ERR_NO_MEMORY, SOAP_TOO_LARGE},        {XML_WAR_NS_URI, SOAP_OK},
    {XML_WAR_NS_URI_RELATIVE, SOAP_OK},
};

static enum soap_problem problem_of(int code)
{
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        if (ERRORS[i].code == code)
            return ERRORS[i].problem;
    }
    return SOAP_NOT_WELL_FORMED;
}

static void on_error(void *user, xmlErrorPtr error)
{
    struct soap_xml *x = user;
    enum soap_problem p = problem_of(error->code);
    if (x->problem != SOAP_OK || error->level < XML_ERR_ERROR || p == SOAP_OK)
        return;
    x->problem = p;
    x->line = error->line > 0 ? (unsigned)error->line : 0;
    x->parser->instate = XML_PARSER_EOF;
    x->parser->disableSAX = 1;
}

/* ------------------------------------------------------------------ the walk */

static const xmlSAXHandler HANDLER = {
    .initialized = XML_SAX2_MAGIC,
    .internalSubset = on_doctype,
    .startElementNs = on_open,
    .endElementNs = on_close,
    .characters = on_text,
    .ignorableWhitespace = on_text, /* the same, or libxml2 looks for blanks by reading ahead */
    .cdataBlock = on_text,
    .serror = on_error,
};

static bool knows_many_names(const struct soap_xml *x)
{
    return xmlDictSize(x->parser->dict) > NAMES_KEPT ||
           xmlDictGetUsage(x->parser->dict) > NAME_BYTES_KEPT;
}

static void new_parser(struct soap_xml *x)
{
    x->parser = xmlNewParserCtxt();
    assert(x->parser != NULL);
    (void)xmlCtxtUseOptions(x->parser, XML_PARSE_NONET);
    *x->parser->sax = HANDLER;
    x->parser->userData = x;
}

void soap_xml_init(struct soap_xml *x, const struct soap_grammar *grammar, void *user)
{
    *x = (struct soap_xml){.grammar = grammar, .user = user};
    new_parser(x);
}

void soap_xml_release(struct soap_xml *x)
{
    xmlFreeParserCtxt(x->parser);
    x->parser = NULL;
    free(x->copy);
    x->copy = NULL;
    x->copy_size = 0;
}

static unsigned line_at(const char *body, size_t at)
{
    unsigned line = 1;
    for (size_t i = 0; i < at; i++)
        line += body[i] == '\n' ? 1 : 0;
    return line;
}

/* text is NUL-terminated and stays as it is until this returns. */
static void walk(struct soap_xml *x, const char *text)
{
    xmlParserInputPtr input = xmlNewStringInputStream(x->parser, (const xmlChar *)text);
    assert(input != NULL);
    (void)inputPush(x->parser, input);
    (void)xmlParseDocument(x->parser);
    if (x->problem == SOAP_OK && !x->parser->wellFormed)
        soap_xml_fail(x, SOAP_NOT_WELL_FORMED);
    if (x->problem == SOAP_OK)
        x->grammar->end(x);
    if (knows_many_names(x)) {
        xmlFreeParserCtxt(x->parser);
        new_parser(x);
    } else {
        xmlCtxtReset(x->parser);
    }
}

/* The stack below this frame, where libxml2 gathered text that was not plain ASCII. */
static __attribute__((noinline)) void wipe_stack(void)
{
    char below[STACK_WIPED];
    explicit_bzero(below, sizeof below);
}

/* Room for a copy of n bytes and a NUL. */
static void make_room(struct soap_xml *x, size_t n)
{
    if (n < x->copy_size)
        return;
    free(x->copy);
    x->copy_size = n + 1;
    x->copy = mem_resize(NULL, x->copy_size, 1);
}

/* The memory is kept for the next document, unless it is a very large one's. */
static void drop_copy(struct soap_xml *x, size_t n)
{
    explicit_bzero(x->copy, n);
    if (x->copy_size > COPY_KEPT_MAX) {
        free(x->copy);
        x->copy = NULL;
        x->copy_size = 0;
    }
}

/* The markup is checked, and what is left of the document is walked. */
static void read_document(struct soap_xml *x, const char *document, size_t n, size_t *at)
{
    size_t copied = 0;
    struct soap_twins *twins = x->whole || x->grammar->again == NULL ? NULL : &x->twins;
    make_room(x, n);
    x->problem = soap_scan_tags(document, n, x->grammar->ignores, twins, x->copy, &copied, at);
    x->copy[copied] = '\0';
    if (x->problem == SOAP_OK)
        walk(x, copied > 0 ? x->copy : document);
    else
        x->line = line_at(document, *at);
    drop_copy(x, copied);
}

enum soap_problem soap_xml_read(struct soap_xml *x, const char *body, size_t n)
{
    size_t start = 0, at = 0;

    assert(body[n] == '\0');
    x->depth = x->prefix_count = x->next_twin = 0;
    x->block = 0;
    x->twins.count = x->twins.given = x->twins.seen = 0;
    x->twins.open.from = x->twins.last.from = NULL;
    x->places[0] = SOAP_PLACE_DOCUMENT;
    text_clear(&x->text);
    x->line = 0;
    x->problem = soap_scan(body, n, &start, &at);
    if (x->problem != SOAP_OK) {
        x->line = line_at(body, at);
        return x->problem;
    }
    read_document(x, body + start, n - start, &at);
    wipe_stack();
    return x->problem;
}
