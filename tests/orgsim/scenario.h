/*
 * scenario - control requests out of a file, at the start and later
 *
 *     {"steps":[{"path":"/sim/load","body":{"campaigns":2,"members":100}},
 *               {"at_ms":5000,"path":"/sim/faults","body":{"kind":"status","value":503}},
 *               {"at_ms":9000,"method":"DELETE","path":"/sim/faults"}]}
 *
 * at_ms counts from the start; steps stand in its order. Those at 0 are carried out by
 * scenario_open; if one is refused, the org does not start. A later one that is refused is
 * reported in the log.
 *
 * Threads: the loop's.
 */
#ifndef ORGSIM_SCENARIO_H
#define ORGSIM_SCENARIO_H

#include "error.h"
#include "sim.h"

struct scenario;

MUST_USE enum err scenario_open(struct scenario **out, struct sim *sim, const char *file,
                                struct error *e);
void scenario_close(struct scenario **s);

#endif
