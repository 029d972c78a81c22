/*
 * ctl - what the parts of touchpointctl share: main.c (options before the command), call.c (one
 * request to the admin API), table.c (what people read), options.c (options of a command), ask.c
 * (questions, waiting for a job); commands.c (the table of commands, and the first of them),
 * messages.c, moves.c, records.c, jobs.c, control.c, look.c, dates.c with where.c (the others, by
 * what they are about)
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
    const char *ca_file; /* whom an https daemon's certificate must lead to; NULL: the system's */
    struct secret secret_token; /* read at the first call that needs it */
    bool json;                  /* print the API's answer as it is */
    bool is_helped;             /* the command's --help was asked for, and is told */
};

/* A command's arguments are those behind its name; it gives the exit status. */
struct command {
    const char *name, *arguments, *help;
    int least, most; /* arguments; most -1: any number; least -1: the command looks itself */
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
/* Likewise, of bytes. */
MUST_USE enum err ctl_send(struct ctl *c, const char *method, const char *path, const char *bytes,
                           size_t n, struct ctl_answer *out, struct error *e);
/* One call whose answer is printed as JSON or shown by `show`; gives the exit status. Takes body.
 * */
int ctl_do(struct ctl *c, const char *method, const char *path, json_t *body,
           void (*show)(const json_t *answer));
/* Reads a list page by page, until it has `limit` items: out is one object {member: […]}. query:
 * "a=b&c=d" or "". The caller releases out. */
MUST_USE enum err ctl_pages(struct ctl *c, const char *path, const char *query, const char *member,
                            size_t limit, struct ctl_answer *out, struct error *e);
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

/* The number, or "" where it is none; static until the sixteenth next call. */
const char *number_text(const json_t *object, const char *name);
/* Its characters, without escape sequences. */
size_t text_width(const char *text);
/* n characters at most, "…" where more were; static until the sixteenth next call. */
const char *cut_text(const char *text, size_t n);

/* ------------------------------------------------------------------ options.c */

/* An option behind the command: a flag, or one with a value. `query` names the API's parameter, if
 * it is one. */
struct ctl_option {
    const char *name; /* without "--" */
    const char **value;
    bool *flag;
    const char *query;
};
/* Takes the options out of argv (--name VALUE, --name=VALUE, --json anywhere, "--" ends them) and
 * gives how many words are left, in front, of least to most (-1: any number); -1: usage, told. With
 * --help among them it tells the options, sets is_helped and gives -1. */
int ctl_options(struct ctl *c, int argc, char **argv, const struct ctl_option *options, size_t n,
                int least, int most);
/* Values of those with `query`, as "a=b&c=d"; free(). */
char *ctl_query(const struct ctl_option *options, size_t n);
/* For since and until: a date-time as it is, a date, or 30m, 6h, 2d ago; free(). */
char *ctl_time(const char *text);
/* A positive number, or `otherwise` for NULL; 0: usage, told. */
size_t ctl_number(const char *text, size_t otherwise);
/* Prints "touchpointctl: PROBLEM" to standard error; CTL_USAGE. */
int ctl_usage(const char *problem);

/* ------------------------------------------------------------------ ask.c */

/* Asks on the terminal; without one, or with words from standard input, only `yes` lets it go on.
 * False: not done, and told. */
bool ctl_confirm(bool yes, const char *question);
/* Waits until the job has ended, with a progress bar on a terminal; the job. */
MUST_USE enum err ctl_wait(struct ctl *c, json_int_t job, struct ctl_answer *out, struct error *e);
/* Shows a job that was just made, or waits for its end; the exit status: 1 if it did not end well.
 * Releases `made`. */
int ctl_follow(struct ctl *c, struct ctl_answer *made, bool wait);

/* ------------------------------------------------------------------ commands.c and the others */

int run_messages(struct ctl *c, int argc, char **argv);
int run_show(struct ctl *c, int argc, char **argv);
int run_replay(struct ctl *c, int argc, char **argv);
int run_discard(struct ctl *c, int argc, char **argv);
int run_inject(struct ctl *c, int argc, char **argv);
int run_quarantine(struct ctl *c, int argc, char **argv);
int run_ledger(struct ctl *c, int argc, char **argv);
int run_forget(struct ctl *c, int argc, char **argv);
int run_jobs(struct ctl *c, int argc, char **argv);
int run_job(struct ctl *c, int argc, char **argv);
int run_cancel(struct ctl *c, int argc, char **argv);
int run_approve(struct ctl *c, int argc, char **argv);
int run_pause(struct ctl *c, int argc, char **argv);
int run_resume(struct ctl *c, int argc, char **argv);
int run_reconcile(struct ctl *c, int argc, char **argv);
int run_explain(struct ctl *c, int argc, char **argv);
int run_preview(struct ctl *c, int argc, char **argv);
int run_channels(struct ctl *c, int argc, char **argv);
int run_set_date(struct ctl *c, int argc, char **argv);
int run_undo(struct ctl *c, int argc, char **argv);

extern const struct command COMMANDS[];
extern const size_t COMMAND_COUNT;

/* Prints "touchpointctl: WHY" to standard error; CTL_FAILED. */
int ctl_fail(const struct error *e);
/* Prints the answer as it is and releases it; gives status. */
int print_json(struct ctl_answer *a, int status);

#endif
