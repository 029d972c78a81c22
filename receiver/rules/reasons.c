/*
 * Names for people and programs; all stand once, in the X-macros of rules.h.
 */
#include "rules.h"

static const struct {
    const char *code, *text;
} REASON_TABLE[] = {
#define X(id, reason_code, reason_text) [id] = {reason_code, reason_text},
    REASONS(X)
#undef X
};

static const char *const VALUE_NAMES[] = {
#define X(id, name) [id] = name,
    TOUCHPOINT_VALUES(X)
#undef X
};

const char *reason_code(enum reason r)
{
    return REASON_TABLE[r].code;
}

const char *reason_text(enum reason r)
{
    return REASON_TABLE[r].text;
}

const char *touchpoint_value_name(enum touchpoint_value v)
{
    return VALUE_NAMES[v];
}
