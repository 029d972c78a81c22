/*
 * Looking without touching (look.h).
 */
#include "worker_int.h"

#include "look.h"
#include "timeutil.h"

enum err look_may_ask(struct org *o, bool whole, struct error *e)
{
    struct org_state state;
    org_state_get(o, &state);
    enum budget budget =
        budget_of(state.api_used, state.api_limit, org_config(o)->api_reserve_percent);
    if (state.held_until_boot_ms > time_boot_ms() || state.breaker_open)
        return error_set(e, ERR_BUSY,
                         "the org is left alone after a failure, and so is its work: %s",
                         state.problem);
    if (budget == BUDGET_DELETES_ONLY)
        return error_set(e, ERR_LIMIT,
                         "nine tenths of the org's API calls of 24 hours are used (%lld of %lld): "
                         "what is left is for deletions",
                         (long long)state.api_used, (long long)state.api_limit);
    if (whole && budget != BUDGET_FREE)
        return error_set(e, ERR_LIMIT,
                         "%lld of the org's %lld API calls of 24 hours are used: the rest is kept "
                         "for live work (api_reserve_percent)",
                         (long long)state.api_used, (long long)state.api_limit);
    return ERR_NONE;
}
