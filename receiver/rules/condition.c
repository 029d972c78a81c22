/*
 * One condition against one field. Each operator is a row: a test, and whether its answer is turned
 * round; so a negative form is exactly the negation of its positive one, for null too (a null field
 * contains nothing, is not any value, and is neither less nor greater).
 */
#include "rules_int.h"

#include <stdlib.h>
#include <string.h>

struct question {
    const struct rule_value *field;
    const struct rule_operand *operand;
    struct zone *zone;
};

static bool is_null(const struct rule_value *v)
{
    return v->type == RULE_NULL || v->text == NULL || v->text[0] == '\0';
}

static int sign_of(bool less, bool greater)
{
    return less ? -1 : greater ? 1 : 0;
}

/* Two days compare as days, since the start of a day that a zone left out is that of the next. */
static bool compare_moments(const struct question *q, int *sign)
{
    struct moment b = q->operand->moment;
    if (b.kind == MOMENT_NONE || q->field->type != RULE_TEXT)
        return false;
    struct moment a = moment_parse(text_of(q->field->text));
    if (a.kind == MOMENT_NONE)
        return false;
    bool days = a.kind == MOMENT_DAY && b.kind == MOMENT_DAY;
    int64_t x = days ? a.value : moment_at_ms(a, q->zone);
    int64_t y = days ? b.value : moment_at_ms(b, q->zone);
    *sign = sign_of(x<y, x> y);
    return true;
}

static bool compare_numbers(const struct question *q, int *sign)
{
    long double x;
    if (!q->operand->is_number || q->field->type == RULE_BOOL ||
        !number_parse(text_of(q->field->text), &x))
        return false;
    *sign = sign_of(x<q->operand->number, x> q->operand->number);
    return true;
}

/* Folds the field and hands both texts to the test. */
static bool with_folded(const struct question *q,
                        bool (*test)(struct text field, struct text value))
{
    struct folded f;
    folded_init(&f, text_of(q->field->text));
    bool holds = test((struct text){f.s, f.n}, q->operand->folded);
    folded_release(&f);
    return holds;
}

static bool same(struct text field, struct text value)
{
    return field.n == value.n && memcmp(field.s, value.s, value.n) == 0;
}

static bool contains(struct text field, struct text value)
{
    for (size_t i = 0; i + value.n <= field.n; i++) {
        if (memcmp(field.s + i, value.s, value.n) == 0)
            return true;
    }
    return false;
}

static bool starts(struct text field, struct text value)
{
    return field.n >= value.n && memcmp(field.s, value.s, value.n) == 0;
}

static bool ends(struct text field, struct text value)
{
    return field.n >= value.n && memcmp(field.s + field.n - value.n, value.s, value.n) == 0;
}

static bool matches_an_item(struct text field, struct text value)
{
    struct text item;
    while (next_item(&value, &item)) {
        if (glob_matches(item, field))
            return true;
    }
    return false;
}

static bool test_is(const struct question *q)
{
    int sign;
    if (q->operand->folded.n == 0 || is_null(q->field))
        return q->operand->folded.n == 0 && is_null(q->field);
    if (q->field->type == RULE_NUMBER && compare_numbers(q, &sign))
        return sign == 0;
    if (compare_moments(q, &sign))
        return sign == 0;
    return with_folded(q, same);
}

static bool test_contains(const struct question *q)
{
    return !is_null(q->field) && with_folded(q, contains);
}

static bool test_starts(const struct question *q)
{
    return !is_null(q->field) && with_folded(q, starts);
}

static bool test_ends(const struct question *q)
{
    return !is_null(q->field) && with_folded(q, ends);
}

static bool equals_an_item(const struct question *q)
{
    struct text list = q->operand->folded, item;
    long double x, y;
    if (q->field->type != RULE_NUMBER || !number_parse(text_of(q->field->text), &x))
        return false;
    while (next_item(&list, &item)) {
        if (number_parse(item, &y) && sign_of(x<y, x> y) == 0)
            return true;
    }
    return false;
}

static bool test_matches(const struct question *q)
{
    return !is_null(q->field) && (with_folded(q, matches_an_item) || equals_an_item(q));
}

/* False where the two have no order: null, or not both numbers or both dates. */
static bool compare(const struct question *q, int *sign)
{
    return !is_null(q->field) && (compare_numbers(q, sign) || compare_moments(q, sign));
}

static bool test_lt(const struct question *q)
{
    int sign;
    return compare(q, &sign) && sign < 0;
}

static bool test_le(const struct question *q)
{
    int sign;
    return compare(q, &sign) && sign <= 0;
}

static bool test_gt(const struct question *q)
{
    int sign;
    return compare(q, &sign) && sign > 0;
}

static bool test_ge(const struct question *q)
{
    int sign;
    return compare(q, &sign) && sign >= 0;
}

static const struct {
    bool (*holds)(const struct question *q);
    bool turned;
} OPS[] = {
    [RULE_IS] = {test_is, false},
    [RULE_IS_NOT] = {test_is, true},
    [RULE_CONTAINS] = {test_contains, false},
    [RULE_NOT_CONTAINS] = {test_contains, true},
    [RULE_STARTS] = {test_starts, false},
    [RULE_NOT_STARTS] = {test_starts, true},
    [RULE_ENDS] = {test_ends, false},
    [RULE_NOT_ENDS] = {test_ends, true},
    [RULE_MATCHES] = {test_matches, false},
    [RULE_NOT_MATCHES] = {test_matches, true},
    [RULE_LT] = {test_lt, false},
    [RULE_LE] = {test_le, false},
    [RULE_GT] = {test_gt, false},
    [RULE_GE] = {test_ge, false},
};

bool condition_holds(const struct rule_condition *c, const struct rule_value *field,
                     struct zone *zone)
{
    struct rule_operand *made = c->compiled == NULL ? operand_new(c->value) : NULL;
    struct question q = {field, made == NULL ? c->compiled : made, zone};
    bool holds = OPS[c->op].holds(&q) != OPS[c->op].turned;
    free(made);
    return holds;
}
