/* Ids: fifteen characters, then sfid_normalise adds the checksum. */
#include "ids.h"

#include <assert.h>
#include <string.h>

void sim_id_make(const char *prefix, uint64_t sequence, char out[SFID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char id[16] = "xxxgK0000000000";
    memcpy(id, prefix, 3);
    for (size_t at = 14; at > 5; at--) {
        id[at] = digits[sequence % 62];
        sequence /= 62;
    }
    bool ok = sfid_normalise(id, 15, out);
    assert(ok);
}
