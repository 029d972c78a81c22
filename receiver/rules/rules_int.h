/*
 * rules_int - what the files of rules/ share: spans of text, folded copies, patterns, operands
 *
 * A struct text borrows. A struct folded keeps short texts on the stack of its user, so that a
 * decision over ASCII fields takes no memory from the heap.
 */
#ifndef TP_RULES_INT_H
#define TP_RULES_INT_H

#include "rules.h"

struct text {
    const char *s;
    size_t n;
};

struct text text_of(const char *s);   /* NULL is empty */
struct text text_trim(struct text t); /* ASCII white space and NO-BREAK SPACE, both ends */
bool text_is(const char *folded, struct text t); /* equal without regard to case */

struct folded {
    const char *s;
    size_t n;
    char *heap; /* NULL while `room` is enough */
    char room[256];
};
void folded_init(struct folded *f, struct text t);
void folded_release(struct folded *f);

/* Both already folded; '*' in the pattern is any run of bytes. */
bool glob_matches(struct text pattern, struct text text);

/* Takes the next item off a comma-separated list, trimmed and not empty; false at the end. */
bool next_item(struct text *list, struct text *item);

/* ------------------------------------------------------------------ conditions */

enum moment_kind { MOMENT_NONE, MOMENT_DAY, MOMENT_INSTANT };
struct moment {
    enum moment_kind kind;
    int64_t value; /* day, or UTC ms */
};
struct moment moment_parse(struct text t);
int64_t moment_at_ms(struct moment m, struct zone *zone); /* of a day: its start; NONE: TIME_NONE */

bool number_parse(struct text t, long double *out);

struct rule_operand {
    struct text folded;
    struct moment moment;
    long double number;
    bool is_number;
};
struct rule_operand *operand_new(const char *value); /* gives; free() also frees the text */

bool condition_holds(const struct rule_condition *c, const struct rule_value *field,
                     struct zone *zone);

/* ------------------------------------------------------------------ the steps of a decision */

struct facts {
    const struct campaign *c;
    const struct member *m;
    const struct policy *p;
    struct zone *zone;
};

enum { DECIDE_STEPS = 5 };
void decision_begin(const struct facts *f, struct decision *d);
/* The step'th, after those before it gave REASON_NONE. */
enum reason decide_step(size_t step, const struct facts *f, struct decision *d);

/* The value of a field that the policy names; never NULL. */
const struct rule_value *fact_value(const struct facts *f, bool on_member, size_t field);
/* The first group of the rule whose conditions all hold; NULL: it does not match. */
const struct rule_group *rule_match(const struct rule *r, const struct facts *f);

/* ------------------------------------------------------------------ checks, for policy_build */

MUST_USE enum err rule_check(const struct rule *r, struct error *e);
MUST_USE enum err channel_map_check(const struct channel_map *m, struct error *e);
const char *rule_op_text(enum rule_op op);

#endif
