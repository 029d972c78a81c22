/*
 * Tables for people: each column as wide as its widest cell, the last one as it comes. Widths are
 * counted in characters, not bytes.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

enum { COLOURED_MAX = 4 };

struct table {
    size_t columns, rows, cap;
    char **cells; /* row by row; row 0 is the head */
};

static bool is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
}

struct table *table_new(const char *const *heads, size_t columns)
{
    struct table *t = mem_alloc(sizeof *t);
    t->columns = columns;
    table_add(t, heads);
    return t;
}

void table_add(struct table *t, const char *const *cells)
{
    if (t->rows == t->cap) {
        t->cap = t->cap == 0 ? 16 : t->cap * 2;
        t->cells = mem_resize(t->cells, t->cap * t->columns, sizeof *t->cells);
    }
    for (size_t i = 0; i < t->columns; i++)
        t->cells[t->rows * t->columns + i] = mem_strdup(cells[i] == NULL ? "" : cells[i]);
    t->rows++;
}

size_t text_width(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++) {
        if (*s == '\x1b')
            s += strcspn(s, "m");
        else
            n += ((unsigned char)*s & 0xc0) != 0x80;
        if (*s == '\0')
            break;
    }
    return n;
}

static void print_row(const struct table *t, size_t row, const size_t *widths)
{
    for (size_t i = 0; i < t->columns; i++) {
        const char *cell = t->cells[row * t->columns + i];
        int gap = i + 1 < t->columns ? (int)(widths[i] - text_width(cell)) + 2 : 0;
        (void)printf("%s%*s", cell, gap, "");
    }
    (void)putchar('\n');
}

static void print(const struct table *t)
{
    size_t *widths = mem_array(t->columns, sizeof *widths);
    for (size_t i = 0; i < t->rows * t->columns; i++) {
        size_t w = text_width(t->cells[i]);
        if (w > widths[i % t->columns])
            widths[i % t->columns] = w;
    }
    for (size_t row = 0; row < t->rows; row++)
        print_row(t, row, widths);
    free(widths);
}

void table_end(struct table **out, bool is_wanted)
{
    struct table *t = *out;
    if (is_wanted)
        print(t);
    for (size_t i = 0; i < t->rows * t->columns; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
    *out = NULL;
}

const char *coloured(const char *status)
{
    static char texts[COLOURED_MAX][64];
    static size_t next;
    static const struct {
        const char *status, *colour;
    } colours[] = {{"ok", "32"},       {"degraded", "33"}, {"held", "33"},
                   {"approved", "32"}, {"done", "32"},     {"ready", "33"},
                   {"leased", "33"},   {"queued", "33"},   {"running", "33"}};
    const char *colour = "31";
    if (!is_terminal())
        return status;
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
        if (strcmp(status, colours[i].status) == 0)
            colour = colours[i].colour;
    }
    char *text = texts[next++ % COLOURED_MAX];
    (void)snprintf(text, sizeof texts[0], "\x1b[%sm%s\x1b[0m", colour, status);
    return text;
}

enum { TEXTS_MAX = 16, TEXT_SIZE = 256 };

static char *next_text(void)
{
    static char texts[TEXTS_MAX][TEXT_SIZE];
    static size_t next;
    return texts[next++ % TEXTS_MAX];
}

const char *number_text(const json_t *object, const char *name)
{
    const json_t *n = json_object_get(object, name);
    if (!json_is_integer(n))
        return "";
    char *text = next_text();
    (void)snprintf(text, TEXT_SIZE, "%lld", (long long)json_integer_value(n));
    return text;
}

const char *cut_text(const char *text, size_t n)
{
    size_t bytes = 0, characters = 0;
    for (; bytes < TEXT_SIZE - 8 && text[bytes] != '\0'; bytes++) {
        characters += ((unsigned char)text[bytes] & 0xc0) != 0x80;
        if (characters > n)
            break;
    }
    if (text[bytes] == '\0')
        return text;
    bool is_time = n == 19; /* of a date-time the fraction and zone are left out */
    char *cut = next_text();
    (void)snprintf(cut, TEXT_SIZE, "%.*s%s", (int)bytes, text, is_time ? "Z" : "…");
    return cut;
}
