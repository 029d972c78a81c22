/*
 * The delete guard. Lost sharing, a wrong login or a half answer must not look like "everything is
 * gone": a pass that would delete much although nobody changed a setting is held until an admin
 * approves it. Deletions that the org confirmed one by one do not count. Without an earlier pass to
 * compare with, only the admin's deliberate "Exclude all" counts as a change.
 */
#include "worker_int.h"

#include <stdio.h>
#include <string.h>

#include "hash.h"

void guard_fingerprint(const struct campaign *c, const char *policy_fingerprint,
                       char out[STORE_FINGERPRINT_SIZE])
{
    char days[64];
    (void)snprintf(days, sizeof days, "%lld/%lld", (long long)c->start_day, (long long)c->end_day);
    uint64_t h = hash_text(HASH_START, c->sync_type);
    h = hash_text(h, days);
    h = hash_text(h, c->type);
    h = hash_text(h, policy_fingerprint);
    (void)snprintf(out, STORE_FINGERPRINT_SIZE, "%016llx", (unsigned long long)h);
}

bool guard_holds(const struct guard_input *g)
{
    if (g->approved || g->would_delete <= GUARD_DELETES_MIN)
        return false;
    if (g->would_delete * 100 <= g->existing * (int64_t)g->max_percent)
        return false;
    if (g->last_fingerprint[0] == '\0')
        return g->sync_type != SYNC_EXCLUDE;
    return strcmp(g->last_fingerprint, g->fingerprint) == 0;
}
