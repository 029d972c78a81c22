/*
 * Exponential back-off with full jitter (base 1 s, cap 2 h), so that many rows which failed
 * together do not come back together. The floor of a tenth keeps an unlucky draw from turning into
 * a busy loop. The default of 24 tries takes half a day as a rule and 22 hours at most; then
 * the row is FAILED.
 */
#include "worker_int.h"

int64_t retry_delay_ms(int tries, uint64_t random)
{
    int64_t ceiling = RETRY_BASE_MS;
    for (int i = 1; i < tries && ceiling < RETRY_CAP_MS; i++)
        ceiling *= 2;
    if (ceiling > RETRY_CAP_MS)
        ceiling = RETRY_CAP_MS;
    int64_t floor = ceiling / 10;
    return floor + (int64_t)(random % (uint64_t)(ceiling - floor + 1));
}

bool is_org_failure(enum err kind)
{
    switch (kind) {
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_NETWORK:
    case ERR_LIMIT:
    case ERR_STOPPED:
    case ERR_UNKNOWN_OUTCOME:
    case ERR_AUTH:
    case ERR_DENIED:
    case ERR_CONFIG:
    case ERR_IO:
    case ERR_FULL:
        return true;
    case ERR_NONE:
    case ERR_STALE:
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_CORRUPT:
    case ERR_UNSUPPORTED:
    case ERR_INTERNAL:
        return false;
    }
    return false;
}
