/* composite - several requests in one, with references between them */
#ifndef ORGSIM_COMPOSITE_H
#define ORGSIM_COMPOSITE_H

#include "message.h"
#include "sim.h"

enum { COMPOSITE_MAX = 25, COMPOSITE_HEAVY_MAX = 5 };

void composite_run(struct sim *sim, const struct sim_request *r, struct sim_reply *reply);

/* Replaces each @{ref.path} in the text by the value in `results` (reference → body); NULL with the
 * reference that has no value in `missing`. */
char *composite_substitute(const char *text, const json_t *results, char *missing,
                           size_t missing_size);

#endif
