/*
 * What a text is besides a text: a number, a date, a date-time. A condition's value is looked at
 * once (operand_new); a field's only by the operators that care.
 */
#include "rules_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

enum { NUMBER_TEXT_MAX = 63 }; /* Salesforce's numbers have at most 18 digits */

struct moment moment_parse(struct text t)
{
    struct moment m = {MOMENT_NONE, TIME_NONE};
    t = text_trim(t);
    if (time_parse_date(t.s, t.n, &m.value))
        m.kind = MOMENT_DAY;
    else if (time_parse_datetime(t.s, t.n, &m.value))
        m.kind = MOMENT_INSTANT;
    return m;
}

int64_t moment_at_ms(struct moment m, struct zone *zone)
{
    if (m.kind == MOMENT_DAY)
        return zone_start_of_day(zone, m.value);
    return m.kind == MOMENT_INSTANT ? m.value : TIME_NONE;
}

static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* [+-] digits [. digits] [e [+-] digits]; nothing else that strtold takes (hex, inf, nan). */
static bool is_decimal(const char *s)
{
    s += *s == '+' || *s == '-';
    size_t whole = digits(s), fraction = 0;
    s += whole;
    if (*s == '.') {
        fraction = digits(++s);
        s += fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '+' || *s == '-';
        size_t exponent = digits(s);
        if (exponent == 0)
            return false;
        s += exponent;
    }
    return *s == '\0';
}

/* The program never calls setlocale, so strtold reads a decimal point. A long double holds 18
 * digits exactly. */
bool number_parse(struct text t, long double *out)
{
    char copy[NUMBER_TEXT_MAX + 1];
    t = text_trim(t);
    if (t.n == 0 || t.n > NUMBER_TEXT_MAX || memchr(t.s, '\0', t.n) != NULL)
        return false;
    memcpy(copy, t.s, t.n);
    copy[t.n] = '\0';
    if (!is_decimal(copy))
        return false;
    long double value = strtold(copy, NULL);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

struct rule_operand *operand_new(const char *value)
{
    struct folded f;
    folded_init(&f, text_of(value));
    struct rule_operand *o = mem_alloc(sizeof *o + f.n + 1);
    char *text = (char *)(o + 1);
    memcpy(text, f.s, f.n);
    o->folded = (struct text){text, f.n};
    folded_release(&f);
    o->moment = moment_parse(text_of(value));
    o->is_number = number_parse(text_of(value), &o->number);
    return o;
}
