/*
 * store_routes - what the routes share that show and move what the store holds (filter.c)
 */
#ifndef TP_ADMIN_STORE_ROUTES_H
#define TP_ADMIN_STORE_ROUTES_H

#include "look_json.h"
#include "store_admin.h"

enum { POSITION_TEXT_MAX = 48, MOVE_IDS_MAX = 5000 };

extern const char *const FILTER_NAMES[]; /* then NULL */

bool parse_number(const char *text, int64_t *n); /* digits only */
bool parse_position(const char *text, struct store_position *at);
char *format_position(struct store_position at, char out[POSITION_TEXT_MAX]);
const char *message_state_name(enum store_state s);

/* These answer and give false where something is not of its form. */
bool argument_after(const json_t *args, int64_t *after, struct answer *out); /* 0: none */
bool filter_read(const json_t *args, struct store_filter *f, struct answer *out);

/* jobs.c: makes the job, answers 202 with it and wakes who runs it. org, campaign: "" if none. */
void answer_new_job(struct admin *a, const struct store_job_new *n, struct answer *out);

/* moves.c: what a replay or discard is asked for: ids, or a filter. */
struct move_params {
    int64_t *ids; /* NULL: filter */
    size_t count;
    struct store_filter filter;
};
bool move_params_read(const json_t *args, struct move_params *p, struct answer *out);
void move_params_release(struct move_params *p);

#endif
