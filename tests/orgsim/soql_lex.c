/*
 * Tokens of SOQL. A dotted path is one token, since blanks are not allowed inside it. A token that
 * begins with a digit or a sign is a number, a date or a date-time by its shape.
 */
#include "soql.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "timeutil.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '.';
}

static struct soql_token word(const char **cursor)
{
    const char *start = *cursor, *c = start;
    while (is_word(*c))
        c++;
    *cursor = c;
    bool whole = c[-1] != '.' && strstr(start, "..") != start;
    for (const char *p = start; whole && p + 1 < c; p++)
        whole = *p != '.' || is_alpha(p[1]);
    return (struct soql_token){whole ? TOKEN_WORD : TOKEN_BAD, start, (size_t)(c - start)};
}

static struct soql_token quoted(const char **cursor)
{
    const char *start = *cursor + 1, *c = start;
    while (*c != '\'' && *c != '\0')
        c += c[0] == '\\' && c[1] != '\0' ? 2 : 1;
    bool closed = *c == '\'';
    *cursor = closed ? c + 1 : c;
    return (struct soql_token){closed ? TOKEN_STRING : TOKEN_BAD, start, (size_t)(c - start)};
}

static bool is_number(const char *s, size_t n)
{
    size_t i = n > 0 && (s[0] == '-' || s[0] == '+');
    size_t digits = 0, points = 0;
    for (; i < n; i++) {
        digits += is_digit(s[i]);
        points += s[i] == '.';
        if (!is_digit(s[i]) && s[i] != '.')
            return false;
    }
    return digits > 0 && points <= 1 && is_digit(s[n - 1]);
}

static struct soql_token number_or_time(const char **cursor)
{
    const char *start = *cursor, *c = start;
    while (is_word(*c) || *c == '-' || *c == ':' || *c == '+')
        c++;
    *cursor = c;
    struct soql_token t = {TOKEN_BAD, start, (size_t)(c - start)};
    int64_t ignored;
    if (is_number(t.at, t.n))
        t.kind = TOKEN_NUMBER;
    else if (time_parse_date(t.at, t.n, &ignored))
        t.kind = TOKEN_DATE;
    else if (time_parse_datetime(t.at, t.n, &ignored))
        t.kind = TOKEN_DATETIME;
    return t;
}

static struct soql_token operator_token(const char **cursor)
{
    static const char *const operators[] = {"<=", ">=", "!=", "<>", "=", "<", ">"};
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        size_t n = strlen(operators[i]);
        if (strncmp(*cursor, operators[i], n) == 0) {
            *cursor += n;
            return (struct soql_token){TOKEN_OPERATOR, *cursor - n, n};
        }
    }
    (*cursor)++;
    return (struct soql_token){TOKEN_BAD, *cursor - 1, 1};
}

struct soql_token soql_next_token(const char **cursor)
{
    while (**cursor != '\0' && strchr(" \t\r\n", **cursor) != NULL)
        (*cursor)++;
    const char c = **cursor;
    if (c == '\0')
        return (struct soql_token){TOKEN_END, *cursor, 0};
    if (is_alpha(c))
        return word(cursor);
    if (c == '\'')
        return quoted(cursor);
    if (is_digit(c) || c == '-' || c == '+')
        return number_or_time(cursor);
    if (c == '(' || c == ')' || c == ',') {
        (*cursor)++;
        enum soql_token_kind kind = c == '(' ? TOKEN_OPEN : c == ')' ? TOKEN_CLOSE : TOKEN_COMMA;
        return (struct soql_token){kind, *cursor - 1, 1};
    }
    return operator_token(cursor);
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    return at == NULL ? -1 : (int)(at - digits);
}

static void put_utf8(struct buf *out, unsigned code)
{
    if (code < 0x80) {
        buf_putc(out, (char)code);
    } else if (code < 0x800) {
        buf_putc(out, (char)(0xc0 | code >> 6));
        buf_putc(out, (char)(0x80 | (code & 0x3f)));
    } else {
        buf_putc(out, (char)(0xe0 | code >> 12));
        buf_putc(out, (char)(0x80 | ((code >> 6) & 0x3f)));
        buf_putc(out, (char)(0x80 | (code & 0x3f)));
    }
}

/* \uXXXX at s (after the u); false unless it is a character of its own. */
static bool put_unicode(struct buf *out, const char *s, size_t n)
{
    unsigned code = 0;
    if (n < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_value(s[i]);
        if (digit < 0)
            return false;
        code = code << 4 | (unsigned)digit;
    }
    if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
        return false;
    put_utf8(out, code);
    return true;
}

/* One escape; gives how many characters after the backslash it took, 0 if it is wrong. */
static size_t put_escape(struct buf *out, const char *s, size_t n, bool pattern)
{
    static const char from[] = "nrtbf'\"";
    static const char to[] = "\n\r\t\b\f'\"";
    if (n == 0)
        return 0;
    if (*s == 'u')
        return put_unicode(out, s + 1, n - 1) ? 5 : 0;
    if (*s == '\\' || *s == '%' || *s == '_') {
        if (pattern)
            buf_putc(out, '\\');
        buf_putc(out, *s);
        return 1;
    }
    char lower = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
    const char *at = lower == '\0' ? NULL : strchr(from, lower);
    if (at == NULL)
        return 0;
    buf_putc(out, to[at - from]);
    return 1;
}

char *soql_string(const char *s, size_t n, bool pattern)
{
    struct buf out;
    buf_init(&out, 2 * SOQL_TEXT_MAX + 16);
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\') {
            buf_putc(&out, s[i]);
            continue;
        }
        size_t taken = put_escape(&out, s + i + 1, n - i - 1, pattern);
        if (taken == 0) {
            buf_release(&out);
            return NULL;
        }
        i += taken;
    }
    return buf_take(&out);
}
