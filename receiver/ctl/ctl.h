/*
 * ctl - what the parts of touchpointctl share: main.c (options, the table of commands), call.c (one
 * request to the admin API), table.c (what people read), commands*.c (one function a command)
 *
 * The program sees the admin API alone, as any other client would; it never opens the store.
 *
 * Threads: one.
 */
#ifndef TP_CTL_H
#define TP_CTL_H

#include <stdbool.h>
#include <jansson.h>

#include "error.h"
#include "secret.h"

enum { CTL_WELL = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

struct ctl {
    const char *url; /* http://host:port, https://…, or unix:/path */
    const char *token_file;
    struct secret secret_token; /* read at the first call that needs it */
    bool json;                  /* print the API's answer as it is */
};

/* A command's arguments are those behind its name; it gives the exit status. */
struct command {
    const char *name, *arguments, *help;
    int least, most; /* arguments; most -1: any number */
    int (*run)(struct ctl *c, int argc, char **argv);
};

/* ------------------------------------------------------------------ call.c */

struct ctl_answer {
    long status;
    json_t *json; /* NULL where the answer is no JSON */
};

/* One request; body NULL: none. Fails where no daemon answers, and, unless `status` is accepted
 * (below 300, or 503 of /readyz), with the problem's own sentences. The caller releases out. */
MUST_USE enum err ctl_call(struct ctl *c, const char *method, const char *path, json_t *body,
                           struct ctl_answer *out, struct error *e);
/* The member's text, borrowed of the object; "" where it is no text. */
const char *ctl_text(const json_t *object, const char *name);
void ctl_answer_release(struct ctl_answer *a);
void ctl_release(struct ctl *c);

/* ------------------------------------------------------------------ table.c */

/* Rows of cells with a head, printed aligned when it ends; colour only on a terminal. */
struct table;
struct table *table_new(const char *const *heads, size_t columns);
void table_add(struct table *t, const char *const *cells); /* copies */
void table_end(struct table **t, bool print);              /* frees it */
/* "ok" green, "degraded" and the like yellow, the rest red; on a terminal. The text is static until
 * the fourth next call. */
const char *coloured(const char *status);

/* ------------------------------------------------------------------ commands.c */

extern const struct command COMMANDS[];
extern const size_t COMMAND_COUNT;

/* Prints "touchpointctl: WHY" to standard error; CTL_FAILED. */
int ctl_fail(const struct error *e);

#endif
