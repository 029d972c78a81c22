/*
 * clock - the org's wall clock, which a control route can set
 *
 * A set clock runs on from there unless it is frozen. Only what the org shows and stores uses it;
 * latency and retries use real time.
 */
#ifndef ORGSIM_CLOCK_H
#define ORGSIM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct sim_clock {
    int64_t offset_ms; /* added to the real time */
    bool frozen;
    int64_t frozen_at_ms;
};

int64_t sim_clock_ms(const struct sim_clock *c);
int64_t sim_clock_second_ms(const struct sim_clock *c); /* cut to whole seconds, as stored */
void sim_clock_set(struct sim_clock *c, int64_t at_ms, bool frozen);
void sim_clock_real(struct sim_clock *c);

#endif
