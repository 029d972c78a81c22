/*
 * The operators' texts. The canonical ones stand in rules.h; further spellings, as people know them
 * from list views and report filters, stand here.
 */
#include "rules_int.h"

static const char *const TEXTS[] = {
#define X(id, text) [id] = text,
    RULE_OPS(X)
#undef X
};

static const struct {
    const char *text;
    enum rule_op op;
} SPELLINGS[] = {
    {"not contain", RULE_NOT_CONTAINS},  {"does not contain", RULE_NOT_CONTAINS},
    {"not start with", RULE_NOT_STARTS}, {"does not start with", RULE_NOT_STARTS},
    {"not end with", RULE_NOT_ENDS},     {"does not end with", RULE_NOT_ENDS},
    {"not match any", RULE_NOT_MATCHES}, {"does not match any", RULE_NOT_MATCHES},
};

const char *rule_op_text(enum rule_op op)
{
    return TEXTS[op];
}

bool rule_op_parse(const char *text, enum rule_op *out)
{
    struct text t = text_trim(text_of(text));
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        if (text_is(TEXTS[i], t)) {
            *out = (enum rule_op)i;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof SPELLINGS / sizeof SPELLINGS[0]; i++) {
        if (text_is(SPELLINGS[i].text, t)) {
            *out = SPELLINGS[i].op;
            return true;
        }
    }
    return false;
}
