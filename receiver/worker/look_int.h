/*
 * look_int - a pass without a claim, for who looks on: look.c, page.c, explain.c
 */
#ifndef TP_WORKER_LOOK_INT_H
#define TP_WORKER_LOOK_INT_H

#include "look.h"
#include "worker_int.h"

struct look_pass { /* not to be moved: the pass points into it */
    struct worker_options options;
    struct store_claim claim;
    struct pass pass;
};
void look_pass_init(struct look_pass *x, const struct look *l, const char *campaign_id,
                    const struct look_sink *sink);
void look_pass_release(struct look_pass *x);
/* Reads the campaign and tells the sink of it; ERR_NOT_FOUND: it is not seen. */
MUST_USE enum err look_begin(struct look_pass *x, const char *setting, struct error *e);
/* Cut at a whole character; NULL is "". */
void look_copy_text(char *to, size_t size, const char *from);
/* What would be done; t NULL: no touchpoint is due. */
enum look_action look_compare(const struct existing_row *old, const struct touchpoint *t);

#endif
