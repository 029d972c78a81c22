/*
 * The rows of a batch of puts, for the schema's two functions: tp_put_new, which takes
 * notifications that are all new at half the cost, and tp_put_any, which takes any. New ones are
 * told by trying: when one of a batch was known, which then enters by tp_put_any, the next batches
 * of a while do so at once, since senders that repeat themselves do it in crowds.
 */
#include "postgres_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

enum { KNOWN_MS = 10 * 1000, TRIES = 6 };

/* One notification of the batch. */
struct row {
    const char *org;
    const struct store_item *item;
    const char *key;
    int64_t nth; /* from 1, in the order in which they came */
    int64_t in;  /* from 1, among the batch's campaigns */
};

static const char *key_of(const struct store_item *item)
{
    return item->campaign_id[0] != '\0' ? item->campaign_id : STORE_KEY_NONE;
}

static size_t count_rows(const struct store_put *puts, const struct store_put *end)
{
    size_t n = 0;
    for (const struct store_put *p = puts; p != end; p = p->next)
        n += p->count;
    return n;
}

/* ------------------------------------------------------------------ all that are new */

enum { CAMPAIGN_ORG, CAMPAIGN_KEY, ORG, ID, RECORD, SUBJECT, OBJECT, KIND, IN, NTH, NEW_COLUMNS };

static int by_identity(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int d = strcmp(x->org, y->org);
    if (d == 0)
        d = strcmp(x->item->notification_id, y->item->notification_id);
    return d != 0 ? d : strcmp(x->item->record_id, y->item->record_id);
}

static int compare_campaigns(const struct row *x, const struct row *y)
{
    int d = strcmp(x->org, y->org);
    return d != 0 ? d : strcmp(x->key, y->key);
}

static int by_campaign(const void *a, const void *b)
{
    return compare_campaigns(*(struct row *const *)a, *(struct row *const *)b);
}

static struct row *rows_of(const struct store_put *puts, const struct store_put *end, size_t n)
{
    struct row *rows = mem_array(n, sizeof *rows);
    size_t k = 0;
    for (const struct store_put *p = puts; p != end; p = p->next) {
        for (size_t i = 0; i < p->count; i++, k++)
            rows[k] = (struct row){.org = p->org,
                                   .item = &p->items[i],
                                   .key = key_of(&p->items[i]),
                                   .nth = (int64_t)k + 1};
    }
    qsort(rows, n, sizeof *rows, by_identity);
    return rows;
}

static bool has_equal_ones(const struct row *rows, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (by_identity(&rows[i - 1], &rows[i]) == 0)
            return true;
    }
    return false;
}

/* Each campaign once, and in each row which it is. */
static void fill_campaigns(struct buf c[NEW_COLUMNS], struct row *rows, size_t n)
{
    struct row **sorted = mem_array(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &rows[i];
    qsort(sorted, n, sizeof *sorted, by_campaign);
    int64_t campaign = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || compare_campaigns(sorted[i - 1], sorted[i]) != 0) {
            pg_put_text(&c[CAMPAIGN_ORG], sorted[i]->org);
            pg_put_text(&c[CAMPAIGN_KEY], sorted[i]->key);
            campaign++;
        }
        sorted[i]->in = campaign;
    }
    free(sorted);
}

static void fill_new(struct buf c[NEW_COLUMNS], struct row *rows, size_t n)
{
    for (int i = 0; i < NEW_COLUMNS; i++)
        pg_array(&c[i]);
    fill_campaigns(c, rows, n);
    for (size_t i = 0; i < n; i++) {
        const struct store_item *item = rows[i].item;
        pg_put_text(&c[ORG], rows[i].org);
        pg_put_text(&c[ID], item->notification_id);
        pg_put_text(&c[RECORD], item->record_id);
        pg_put_text(&c[SUBJECT], item->subject_id);
        pg_put_text(&c[OBJECT], item->object);
        pg_put_i64(&c[KIND], (int64_t)item->kind);
        pg_put_i64(&c[IN], rows[i].in);
        pg_put_i64(&c[NTH], rows[i].nth);
    }
}

static PGresult *try_new(struct pg_store *s, struct pg_db *db, struct row *rows, size_t n,
                         struct error *e)
{
    PGresult *r = NULL;
    for (int i = 0; i < TRIES && r == NULL; i++) {
        struct buf c[NEW_COLUMNS];
        fill_new(c, rows, n);
        r = pg_transaction(db, e, "SELECT tp_put_new($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                           "aaaaaaaaaai", &c[CAMPAIGN_ORG], &c[CAMPAIGN_KEY], &c[ORG], &c[ID],
                           &c[RECORD], &c[SUBJECT], &c[OBJECT], &c[KIND], &c[IN], &c[NTH],
                           PG_WALL(s));
        for (int k = 0; k < NEW_COLUMNS; k++)
            buf_release(&c[k]);
        if (r == NULL && !db->again)
            break;
    }
    return r;
}

/* *entered false, with ERR_NONE: one of them is known, and nothing was done. */
static enum err enter_new(struct pg_store *s, struct pg_db *db, const struct store_put *puts,
                          const struct store_put *end, size_t n, bool *entered, struct error *e)
{
    struct row *rows = rows_of(puts, end, n);
    enum err err = ERR_NONE;
    *entered = false;
    if (!has_equal_ones(rows, n)) {
        PGresult *r = try_new(s, db, rows, n, e);
        err = r != NULL ? ERR_NONE : e->kind;
        *entered = r != NULL && pg_bool(r, 0, 0);
        if (r != NULL && !*entered)
            atomic_store(&s->known_until_boot_ms, time_boot_ms() + KNOWN_MS);
        PQclear(r);
    }
    free(rows);
    return err;
}

/* ------------------------------------------------------------------ any */

enum { ANY_PUT, ANY_ORG, ANY_ID, ANY_RECORD, ANY_SUBJECT, ANY_KEY, ANY_OBJECT, ANY_KIND, COLUMNS };

static void fill_any(struct buf c[COLUMNS], const struct store_put *puts,
                     const struct store_put *end)
{
    int number = 0;
    for (int i = 0; i < COLUMNS; i++)
        pg_array(&c[i]);
    for (const struct store_put *p = puts; p != end; p = p->next, number++) {
        for (size_t i = 0; i < p->count; i++) {
            const struct store_item *item = &p->items[i];
            pg_put_i64(&c[ANY_PUT], number);
            pg_put_text(&c[ANY_ORG], p->org);
            pg_put_text(&c[ANY_ID], item->notification_id);
            pg_put_text(&c[ANY_RECORD], item->record_id);
            pg_put_text(&c[ANY_SUBJECT], item->subject_id);
            pg_put_text(&c[ANY_KEY], key_of(item));
            pg_put_text(&c[ANY_OBJECT], item->object);
            pg_put_i64(&c[ANY_KIND], (int64_t)item->kind);
        }
    }
}

/* The rows tell, in the order of the puts, how many of each were new; none: 0. */
static void tell_counts(struct store_put *puts, const struct store_put *end, const PGresult *r)
{
    int number = 0, at = 0;
    for (struct store_put *p = puts; p != end; p = p->next, number++) {
        bool is_told = at < PQntuples(r) && pg_i64(r, at, 0) == number;
        p->result = ERR_NONE;
        p->stored = is_told ? (size_t)pg_i64(r, at, 1) : 0;
        p->duplicates = p->count - p->stored;
        at += is_told;
    }
}

static enum err enter_any(struct pg_store *s, struct pg_db *db, struct store_put *puts,
                          const struct store_put *end, struct error *e)
{
    PGresult *r = NULL;
    for (int i = 0; i < TRIES && r == NULL; i++) {
        struct buf c[COLUMNS];
        fill_any(c, puts, end);
        r = pg_transaction(db, e,
                           "SELECT put, stored FROM tp_put_any($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                           "aaaaaaaai", &c[ANY_PUT], &c[ANY_ORG], &c[ANY_ID], &c[ANY_RECORD],
                           &c[ANY_SUBJECT], &c[ANY_KEY], &c[ANY_OBJECT], &c[ANY_KIND], PG_WALL(s));
        for (int k = 0; k < COLUMNS; k++)
            buf_release(&c[k]);
        if (r == NULL && !db->again)
            break;
    }
    if (r == NULL)
        return e->kind;
    tell_counts(puts, end, r);
    PQclear(r);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ a batch */

static void tell_all_new(struct store_put *puts, const struct store_put *end)
{
    for (struct store_put *p = puts; p != end; p = p->next) {
        p->result = ERR_NONE;
        p->stored = p->count;
        p->duplicates = 0;
    }
}

enum err pg_put(struct pg_store *s, struct pg_db *db, struct store_put *puts,
                const struct store_put *end, struct error *e)
{
    size_t n = count_rows(puts, end);
    double begun = store_seconds();
    bool entered = false;
    enum err err = ERR_NONE;
    if (n > 0 && time_boot_ms() >= atomic_load(&s->known_until_boot_ms))
        err = enter_new(s, db, puts, end, n, &entered, e);
    if (entered)
        tell_all_new(puts, end);
    else if (err == ERR_NONE)
        err = enter_any(s, db, puts, end, e);
    if (err != ERR_NONE)
        return err;
    metric_observe(s->base.commit_seconds, store_seconds() - begun);
    if (n > 0) {
        metric_observe(s->base.batch_size, (double)n);
        pg_wake(s);
    }
    return ERR_NONE;
}
