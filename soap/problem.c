/*
 * The problems' codes and sentences stand once, in the X-macro of soap.h.
 */
#include "soap.h"

static const struct {
    const char *code, *text;
} PROBLEMS[] = {[SOAP_OK] = {"ok", "no problem"},
#define X(id, code, text) [id] = {code, text},
                SOAP_PROBLEMS(X)
#undef X
};

const char *soap_problem_code(enum soap_problem p)
{
    return PROBLEMS[p].code;
}

const char *soap_problem_text(enum soap_problem p)
{
    return PROBLEMS[p].text;
}
