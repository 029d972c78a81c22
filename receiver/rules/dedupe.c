/*
 * Members of one campaign that share an email: sort by email, then date, then id; the first of each
 * run keeps its touchpoint. The caller's order is left as it was.
 */
#include "rules_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

char *dedupe_key(const char *email)
{
    struct text text = text_trim(text_of(email));
    return text_fold(text.s, text.n);
}

static const char *email_of(const struct dedupe_entry *entry)
{
    return entry->email == NULL ? "" : entry->email;
}

static int by_email_date_id(const void *a, const void *b)
{
    const struct dedupe_entry *x = *(const struct dedupe_entry *const *)a;
    const struct dedupe_entry *y = *(const struct dedupe_entry *const *)b;
    int order = strcmp(email_of(x), email_of(y));
    if (order != 0)
        return order;
    if (x->touchpoint_at_ms != y->touchpoint_at_ms)
        return x->touchpoint_at_ms < y->touchpoint_at_ms ? -1 : 1;
    return strcmp(x->member_id, y->member_id);
}

void dedupe_by_email(struct dedupe_entry *entries, size_t n)
{
    struct dedupe_entry **ranks = mem_array(n, sizeof(struct dedupe_entry *));
    for (size_t i = 0; i < n; i++)
        ranks[i] = &entries[i];
    qsort(ranks, n, sizeof *ranks, by_email_date_id);
    for (size_t i = 0; i < n; i++) {
        const char *email = email_of(ranks[i]);
        bool shares = i > 0 && email[0] != '\0' && strcmp(email_of(ranks[i - 1]), email) == 0;
        ranks[i]->keeps = !shares;
    }
    free(ranks);
}
