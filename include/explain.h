/*
 * explain - a decision step by step, with what was seen at each
 *
 * Runs the very steps of decide (rules.h), one by one, so that the two can't disagree, and says of
 * each in a sentence what it found. Two more steps follow those of decide: whether another member
 * has the same email, which the caller has found out, and the channel.
 *
 * Ownership: explanation_release frees what explain made; the decision borrows as decide's does.
 * Threads:   pure.
 */
#ifndef TP_EXPLAIN_H
#define TP_EXPLAIN_H

#include "rules.h"

enum explain_outcome { EXPLAIN_PASS, EXPLAIN_STOP, EXPLAIN_SKIPPED };
const char *explain_outcome_name(enum explain_outcome o); /* "pass", "stop", "skipped" */

/* id, name for people; in order */
#define EXPLAIN_STEPS(X)                                                                           \
    X(EXPLAIN_EXISTS, "Member and campaign exist")                                                 \
    X(EXPLAIN_ENABLED, "Included")                                                                 \
    X(EXPLAIN_EMAIL, "Email")                                                                      \
    X(EXPLAIN_DATE, "Date")                                                                        \
    X(EXPLAIN_WINDOW, "Window")                                                                    \
    X(EXPLAIN_DUPLICATES, "Duplicates")                                                            \
    X(EXPLAIN_CHANNEL, "Channel")

enum explain_step_id {
#define X(id, name) id,
    EXPLAIN_STEPS(X)
#undef X
        EXPLAIN_STEP_COUNT
};

struct explain_value {
    char *name;
    char *text; /* NULL: null */
};

struct explain_step {
    const char *name;
    enum explain_outcome outcome;
    char *sentence;
    struct explain_value *values;
    size_t value_count;
};

/* What the comparison of a whole campaign's emails found out about the member. */
struct explain_duplicates {
    size_t others;       /* members with the same email that would have a touchpoint, too */
    const char *kept_by; /* the member that keeps it; NULL or "": this one */
};

struct explanation {
    struct decision decision; /* with step 6: REASON_DUPLICATE_EMAIL where another one keeps it */
    struct explain_step steps[EXPLAIN_STEP_COUNT];
};

/* As decide. duplicates NULL: they were not compared, which only matters under
 * policy.dedupe_email. */
void explain(const struct campaign *c, const struct member *m, const struct policy *p,
             struct zone *zone, const struct explain_duplicates *duplicates,
             struct explanation *out);
void explanation_release(struct explanation *x);

#endif
