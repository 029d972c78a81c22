/* The org's clock: real time plus an offset, or a fixed instant. */
#include "clock.h"

#include "timeutil.h"

int64_t sim_clock_ms(const struct sim_clock *c)
{
    return c->frozen ? c->frozen_at_ms : time_wall_ms() + c->offset_ms;
}

int64_t sim_clock_second_ms(const struct sim_clock *c)
{
    int64_t now = sim_clock_ms(c);
    return now - (now % 1000 + 1000) % 1000;
}

void sim_clock_set(struct sim_clock *c, int64_t at_ms, bool frozen)
{
    *c = (struct sim_clock){at_ms - time_wall_ms(), frozen, at_ms};
}

void sim_clock_real(struct sim_clock *c)
{
    *c = (struct sim_clock){0, false, 0};
}
