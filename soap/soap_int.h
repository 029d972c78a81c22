/*
 * soap_int - what the files of soap/ share
 *
 *     body ─▶ soap_scan (bytes, tokens, limits; plain fields that nobody reads are left out)
 *          ─▶ soap_xml (libxml2, places, text) ─▶ a grammar
 *
 * A grammar is one kind of document: message.c reads notifications, ack.c reads acknowledgements.
 * It names the places of its elements with small positive numbers; whatever it does not know is
 * SOAP_PLACE_IGNORED with everything below it, and the text in there is never copied.
 */
#ifndef TP_SOAP_INT_H
#define TP_SOAP_INT_H

#include <libxml/parser.h>

#include "soap.h"

#define SOAP_NS_ENVELOPE "http://schemas.xmlsoap.org/soap/envelope/"
#define SOAP_NS_OUTBOUND "http://soap.sforce.com/2005/09/outbound"
#define SOAP_NS_SOBJECT  "urn:sobject.enterprise.soap.sforce.com"
#define SOAP_NS_XSD      "http://www.w3.org/2001/XMLSchema"
#define SOAP_NS_XSI      "http://www.w3.org/2001/XMLSchema-instance"

/* Salesforce's own messages have two attributes and three declarations at most on an element, and
 * an object has at most about a thousand fields. libxml2 compares the attributes of an element
 * pairwise and looks prefixes up one by one, so without limits a body could buy quadratic time. */
enum {
    SOAP_ATTRIBUTES_MAX = 64,   /* on one element, declarations included */
    SOAP_NAMESPACES_MAX = 16,   /* declarations on one element */
    SOAP_NAMES_MAX = 20000,     /* distinct names and prefixes in one document */
    SOAP_INSTRUCTIONS_MAX = 64, /* SOAP 1.1, section 3, forbids them altogether */
    SOAP_BODY_MAX = 1 << 30,    /* libxml2 counts with int */
};

/* ------------------------------------------------------------------ scan.c */

/* Checks the bytes of the body without libxml2: it is UTF-8 and says nothing else, and has only
 * characters that XML allows. *start is where the document begins (after a byte order mark); else
 * *at is the offset of the problem. */
MUST_USE enum soap_problem soap_scan(const char *body, size_t n, size_t *start, size_t *at);

/* White space as XML has it. */
static inline bool soap_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Where `what` first stands as a whole in [from, end), or NULL. */
const char *soap_find(const char *from, const char *end, const char *what);

/* True if the first bytes show UTF-16 or UTF-32, by a mark or by the zero bytes around '<'. */
bool soap_is_wide(const char *body, size_t n);

/* ------------------------------------------------------------------ tags.c, leaf.c */

/* True if nothing is read of an element of that local name as a field, whatever object it stands
 * in. */
typedef bool soap_ignores(const char *local, size_t n);

struct soap_twins;

/* Checks the markup of a document that soap_scan has passed: no DOCTYPE, its tags split cleanly and
 * stay within the limits above. Else *at is the offset of the problem. copy, of n bytes, gets the
 * document without the plain fields that `ignores` (NULL: none) names, and of the white space
 * before those the line breaks alone, or else one blank; *copied its length, which is what to wipe
 * even if there was a problem; 0 if nothing is left out: then nothing is copied. twins (NULL: none;
 * zero at the beginning): of elements that repeat one another only the first is in the copy. */
MUST_USE enum soap_problem soap_scan_tags(const char *document, size_t n, soap_ignores *ignores,
                                          struct soap_twins *twins, char *copy, size_t *copied,
                                          size_t *at);

/* An element that libxml2 is given, without attributes: its prefix is bound by an ancestor. */
struct soap_sibling {
    const char *name;
    size_t prefix_len; /* with the colon; 0 without a prefix */
    unsigned depth;    /* elements around it; 0 if there is no such sibling */
};

/* Plain fields as they came in the last object: the next one has most of them again, in the same
 * order and behind the same blanks, and need not be looked at so closely. */
enum { SOAP_LEAVES_MAX = 64 };

struct soap_leaf {
    const char *from;           /* where the blanks before it begin */
    size_t blanks, breaks, tag; /* bytes of them, line breaks among them, bytes of its start tag */
};

struct soap_leaves { /* zero at the beginning of a document */
    struct soap_leaf v[SOAP_LEAVES_MAX];
    size_t count, next;     /* next: 0 where an object begins */
    struct soap_sibling of; /* which has the prefix of them all */
    bool are_siblings;      /* of the element that is open */
};

/* There is a new sibling. */
void soap_leaves_beside(struct soap_leaves *l, const struct soap_sibling *sibling);

/* Where the plain field ends that comes next at `from`, beside `sibling`. NULL if what comes is
 * none, or not plain, or not ignored; *out is of no use then. */
const char *soap_leaf_end(struct soap_leaves *l, const char *from, const char *end,
                          const struct soap_sibling *sibling, soap_ignores *ignores,
                          struct soap_leaf *out);

/* ------------------------------------------------------------------ twins.c */

enum {
    SOAP_TWINS_DEPTH = 3, /* Envelope, Body and notifications are around a Notification */
    SOAP_TWIN_IDS_MAX = 6,
    SOAP_TWIN_ELEMENTS_MAX = 16, /* with ids in them, that libxml2 is given of one */
};

struct soap_twin_id {
    char id[SFID_SIZE]; /* normalised */
    size_t at, len;     /* in the copy, behind the beginning of what holds it; as it stands there */
    unsigned element;   /* which has it: start tags before its own */
};

/* An element at that depth, without what is left out. */
struct soap_block {
    const char *from, *to; /* in the copy; from NULL: it can't be compared */
    unsigned elements;
    size_t count;
    struct soap_twin_id ids[SOAP_TWIN_IDS_MAX];
};

/* One that is not in the copy. */
struct soap_twin {
    unsigned of; /* it follows the element of that number, from 1 on, among those in the copy */
    size_t count;
    struct soap_twin_id ids[SOAP_TWIN_IDS_MAX];
};

struct soap_twins {
    struct soap_block open, last;
    const char *behind; /* the last one, in the document */
    bool is_beside;     /* the open one, with nothing but white space between */
    unsigned given, seen;
    size_t count;
    struct soap_twin v[SOAP_NOTIFICATIONS_MAX];
};

/* One begins at `at`; copy: where its copy does, or NULL. */
void soap_twins_begin(struct soap_twins *t, const char *at, const char *copy);
/* A start tag in it, its own first, and the text before that; then, unless it is empty, what stands
 * behind. */
void soap_twins_element(struct soap_twins *t, const char *text, const char *tag);
void soap_twins_content(struct soap_twins *t, const char *at, const char *end, const char *copy);
/* It has ended before `behind`, its copy before `copy`. True: it is a twin, to be left out. */
bool soap_twins_end(struct soap_twins *t, const char *copy, const char *behind);

/* ------------------------------------------------------------------ xml.c */

enum { SOAP_PLACE_DOCUMENT = 0, SOAP_PLACE_IGNORED = -1 };

struct soap_xml;

struct soap_element {
    const char *ns; /* "" if none */
    const char *local;
    const char *type; /* value of xsi:type as written, or NULL; not NUL-terminated */
    size_t type_len;
    bool nil; /* xsi:nil is true */
};

/* The text of an element without white space around it. What does not look like one short word is
 * marked instead of kept: nothing that a grammar wants is longer than an id. */
struct soap_text {
    char bytes[SFID_SIZE];
    size_t len;
    bool gap, bad; /* white space seen after the first character; longer, or with a gap inside */
};

struct soap_grammar {
    /* Gives the place of an element that was opened in `parent`, or SOAP_PLACE_IGNORED. */
    int (*open)(struct soap_xml *x, int parent, const struct soap_element *e);
    /* The element of that place ends; text is what stood directly in it. */
    void (*close)(struct soap_xml *x, int place, const struct soap_text *text);
    /* The document ended well-formed. */
    void (*end)(struct soap_xml *x);
    /* Of fields that are ignored, those that are plain may never be opened; NULL: all are. */
    soap_ignores *ignores;
    /* The element of that place, which has just been closed, comes again with other ids, which is
     * not opened. NULL: all are. */
    void (*again)(struct soap_xml *x, int place, const struct soap_twin *twin);
};

/* One row of a grammar: in `from`, an element {ns}local opens `to`. */
struct soap_step {
    int from;
    const char *ns, *local;
    int to;
};

struct soap_xml_prefix {
    const char *prefix, *uri; /* borrowed from the parser's dictionary; prefix "" is the default */
};

/* The walk over one document. Everything is the walk's own but `grammar` and `user`. */
struct soap_xml {
    xmlParserCtxtPtr parser; /* kept from one document to the next */
    const struct soap_grammar *grammar;
    void *user;
    char *copy; /* of the document, NUL-terminated; wiped after each */
    size_t copy_size;

    enum soap_problem problem; /* the first one; nothing is called after it */
    unsigned line;

    bool whole; /* the grammar's user wants no twins */
    struct soap_twins twins;
    size_t next_twin;
    unsigned block, element; /* counted as twins.c does */

    size_t depth;
    int places[SOAP_DEPTH_MAX + 1];
    unsigned elements[SOAP_DEPTH_MAX + 1];
    bool nil[SOAP_DEPTH_MAX + 1];
    size_t prefix_marks[SOAP_DEPTH_MAX + 1]; /* prefix_count when the element was opened */
    size_t prefix_count;
    struct soap_xml_prefix prefixes[SOAP_DEPTH_MAX * SOAP_NAMESPACES_MAX];
    struct soap_text text;
};

void soap_xml_init(struct soap_xml *x, const struct soap_grammar *grammar, void *user);
void soap_xml_release(struct soap_xml *x);

/* Reads one document; calls the grammar. The body is borrowed, and has a NUL behind its n bytes. */
MUST_USE enum soap_problem soap_xml_read(struct soap_xml *x, const char *body, size_t n);

/* For grammars: stops the walk. */
void soap_xml_fail(struct soap_xml *x, enum soap_problem p);
/* For grammars: the namespace of a prefix in scope ("" asks for the default one), or NULL. */
const char *soap_xml_namespace(const struct soap_xml *x, const char *prefix, size_t n);
/* For grammars: looks the element up in a table. */
int soap_xml_step(const struct soap_step *steps, size_t count, int from,
                  const struct soap_element *e);

/* Makes libxml2 wipe its memory before it frees it; before any other use of libxml2. */
void soap_xml_setup_memory(void);

#endif
