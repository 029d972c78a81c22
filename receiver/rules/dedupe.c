/*
 * Members of one campaign that share an email: sort by folded email, then date, then id; the first
 * of each run keeps its touchpoint. The caller's order is left as it was.
 */
#include "rules_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct ranked {
    char *folded;
    struct dedupe_entry *entry;
};

static int by_email_date_id(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = strcmp(x->folded, y->folded);
    if (order != 0)
        return order;
    if (x->entry->touchpoint_at_ms != y->entry->touchpoint_at_ms)
        return x->entry->touchpoint_at_ms < y->entry->touchpoint_at_ms ? -1 : 1;
    return strcmp(x->entry->member_id, y->entry->member_id);
}

void dedupe_by_email(struct dedupe_entry *entries, size_t n)
{
    struct ranked *ranks = mem_array(n, sizeof *ranks);

    for (size_t i = 0; i < n; i++) {
        struct text email = text_trim(text_of(entries[i].email));
        ranks[i] = (struct ranked){text_fold(email.s, email.n), &entries[i]};
    }
    qsort(ranks, n, sizeof *ranks, by_email_date_id);
    for (size_t i = 0; i < n; i++) {
        bool shares = i > 0 && ranks[i].folded[0] != '\0' &&
                      strcmp(ranks[i - 1].folded, ranks[i].folded) == 0;
        ranks[i].entry->keeps = !shares;
    }
    for (size_t i = 0; i < n; i++)
        free(ranks[i].folded);
    free(ranks);
}
