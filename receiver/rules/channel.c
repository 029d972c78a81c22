/*
 * Campaign type and member status to channel: the first row whose patterns both match. A blank type
 * matches no row, not even "*".
 */
#include "rules_int.h"

#include <string.h>

/* The pattern was folded with the policy, or is now. */
static bool matches(const char *folded, const char *pattern, const struct folded *text)
{
    struct text t = {text->s, text->n};
    if (folded != NULL)
        return glob_matches(text_of(folded), t);
    struct folded p;
    folded_init(&p, text_of(pattern));
    bool yes = glob_matches((struct text){p.s, p.n}, t);
    folded_release(&p);
    return yes;
}

static const struct channel_map *find(const struct policy *p, const struct folded *type,
                                      const struct folded *status)
{
    for (size_t i = 0; i < p->channel_count; i++) {
        const struct channel_map *m = &p->channels[i];
        if (matches(m->type_folded, m->type, type) &&
            (m->status == NULL || matches(m->status_folded, m->status, status)))
            return m;
    }
    return NULL;
}

void channel_of(const struct policy *p, const char *campaign_type, const char *member_status,
                struct channel *out)
{
    const struct channel_map *m = NULL;
    struct text type = text_trim(text_of(campaign_type));

    if (type.n > 0) {
        struct folded t, s;
        folded_init(&t, type);
        folded_init(&s, text_trim(text_of(member_status)));
        m = find(p, &t, &s);
        folded_release(&s);
        folded_release(&t);
    }
    *out = m == NULL ? (struct channel){.channel = p->default_channel, .is_default = true}
                     : (struct channel){.channel = m->channel,
                                        .subchannel = m->subchannel,
                                        .null_channel = m->null_channel,
                                        .map = m};
}
