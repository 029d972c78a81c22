/*
 * Who may speak: lists of networks. The files are read later, by those who use them.
 */
#include "apply.h"

#include "mem.h"

enum err apply_networks(struct loading *l, const char *path, const char *const *texts,
                        unsigned count, struct cidr **out, struct error *e)
{
    *out = loading_keep(l, mem_array(count, sizeof **out));
    for (unsigned i = 0; i < count; i++) {
        char item[SOURCE_PATH_MAX];
        const char *problem = cidr_parse(texts[i], &(*out)[i]);
        if (problem != NULL)
            return loading_refuse(l, source_item(item, path, i), e,
                                  "\"%.60s\" %s; allowed is NETWORK/BITS or an address, as "
                                  "192.0.2.0/24 or 2001:db8::1",
                                  texts[i], problem);
    }
    return ERR_NONE;
}
