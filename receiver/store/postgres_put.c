/*
 * The rows of a batch of puts. Three ways lead into the queue: tp_put_any takes any notifications,
 * tp_put_new such as are all new at half the cost, and so does a COPY, which is cheaper still where
 * they are many. New ones are told by trying: when one of a batch was known, which then enters by
 * tp_put_any, the next batches of a while do so at once, since senders that repeat themselves do it
 * in crowds.
 */
#include "postgres_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "postgres_rows.h"
#include "timeutil.h"

enum {
    KNOWN_MS = 10 * 1000,
    TRIES = 6,
    COPY_ROWS_MIN = 100, /* below, its second round trip costs more than it saves */
    BLOCK = 16,          /* 0008_put_copy.sql */
    ROW_BYTES_MAX = 1 << 10,
};

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

enum {
    CAMPAIGN_ORG,
    CAMPAIGN_KEY,
    CAMPAIGN_COLUMNS,
    ORG = CAMPAIGN_COLUMNS,
    ID,
    RECORD,
    SUBJECT,
    OBJECT,
    KIND,
    IN,
    NTH,
    NEW_COLUMNS,
};

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

/* Each campaign once, and in each row which it is; how many. */
static size_t fill_campaigns(struct buf c[CAMPAIGN_COLUMNS], struct row *rows, size_t n)
{
    struct row **sorted = mem_array(n, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = &rows[i];
    qsort(sorted, n, sizeof *sorted, by_campaign);
    for (int i = 0; i < CAMPAIGN_COLUMNS; i++)
        pg_array(&c[i]);
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
    return (size_t)campaign;
}

static void fill_new(struct buf c[NEW_COLUMNS], struct row *rows, size_t n)
{
    (void)fill_campaigns(c, rows, n);
    for (int i = CAMPAIGN_COLUMNS; i < NEW_COLUMNS; i++)
        pg_array(&c[i]);
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

/* *entered false, with ERR_NONE: one of them is known, and nothing was done. So below. */
static enum err put_new(struct pg_store *s, struct pg_db *db, struct row *rows, size_t n,
                        bool *entered, struct error *e)
{
    struct buf c[NEW_COLUMNS];
    fill_new(c, rows, n);
    PGresult *r =
        pg_transaction(db, e, "SELECT tp_put_new($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                       "aaaaaaaaaai", &c[CAMPAIGN_ORG], &c[CAMPAIGN_KEY], &c[ORG], &c[ID],
                       &c[RECORD], &c[SUBJECT], &c[OBJECT], &c[KIND], &c[IN], &c[NTH], PG_WALL(s));
    for (int i = 0; i < NEW_COLUMNS; i++)
        buf_release(&c[i]);
    enum err err = r != NULL ? ERR_NONE : e->kind;
    *entered = r != NULL && pg_bool(r, 0, 0);
    PQclear(r);
    return err;
}

/* ------------------------------------------------------------------ many that are new */

/* What tp_put_begin gives. */
struct numbers {
    int64_t now;
    size_t campaign_count, block_count;
    int64_t *campaigns, *ids, *seqs; /* one allocation */
};

static int64_t of_block(const int64_t *blocks, size_t i)
{
    return blocks[i / BLOCK] - BLOCK + 1 + (int64_t)(i % BLOCK);
}

static bool read_numbers(const PGresult *r, struct numbers *x)
{
    x->campaigns = mem_array(x->campaign_count + 2 * x->block_count, sizeof *x->campaigns);
    x->ids = x->campaigns + x->campaign_count;
    x->seqs = x->ids + x->block_count;
    x->now = pg_i64(r, 0, 0);
    return pg_i64s(r, 0, 1, x->campaigns, x->campaign_count) &&
           pg_i64s(r, 0, 2, x->ids, x->block_count) && pg_i64s(r, 0, 3, x->seqs, x->block_count);
}

static enum err begin(struct pg_store *s, struct pg_db *db, struct row *rows, size_t n,
                      struct numbers *x, struct error *e)
{
    struct buf c[CAMPAIGN_COLUMNS];
    *x = (struct numbers){.campaign_count = fill_campaigns(c, rows, n),
                          .block_count = (n + BLOCK - 1) / BLOCK};
    PGresult *r = pg_begin(db, e, "SELECT * FROM tp_put_begin($1, $2, $3, $4)", "aaii",
                           &c[CAMPAIGN_ORG], &c[CAMPAIGN_KEY], (int64_t)x->block_count, PG_WALL(s));
    for (int i = 0; i < CAMPAIGN_COLUMNS; i++)
        buf_release(&c[i]);
    if (r == NULL)
        return e->kind;
    bool good = read_numbers(r, x);
    PQclear(r);
    if (good)
        return ERR_NONE;
    db->broken = true; /* which ends its transaction */
    return error_set(e, ERR_INTERNAL, "tp_put_begin gave too few numbers");
}

/* In the order of COPY_NEW. Seqs follow the order in which they came, ids that of the rows. */
static void fill_rows(struct buf *b, const struct row *rows, size_t n, const struct numbers *x)
{
    pg_rows_begin(b, (n + 1) * ROW_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct store_item *item = rows[i].item;
        bool is_ready = item->kind != STORE_IGNORED;
        pg_row(b, 14);
        pg_row_bigint(b, of_block(x->ids, i));
        pg_row_text(b, rows[i].org);
        pg_row_text(b, item->notification_id);
        pg_row_text(b, item->record_id);
        pg_row_text(b, item->subject_id);
        pg_row_bigint(b, x->campaigns[rows[i].in - 1]);
        pg_row_integer(b, (int32_t)item->kind);
        pg_row_text(b, item->object);
        pg_row_integer(b, is_ready ? STORE_READY : STORE_DONE);
        pg_row_integer(b, 0);
        pg_row_bigint(b, of_block(x->seqs, (size_t)rows[i].nth - 1));
        pg_row_bigint(b, x->now);
        pg_row_bigint(b, x->now);
        if (is_ready)
            pg_row_null(b);
        else
            pg_row_bigint(b, x->now);
    }
    pg_rows_end(b);
}

static const char COPY_NEW[] =
    "COPY notification (id, org, notification_id, record_id, subject_id, campaign, kind, object, "
    "state, background, seq, due_at, received_at, settled_at) FROM STDIN (FORMAT binary)";

enum { READY_CAMPAIGNS, OF_ORGS, READY, DONE, END_COLUMNS };

/* The arguments of tp_put_end. */
static void count_new(struct buf c[END_COLUMNS], const struct row *rows, size_t n,
                      const struct numbers *x)
{
    bool *is_ready = mem_array(x->campaign_count, sizeof *is_ready);
    for (int i = 0; i < END_COLUMNS; i++)
        pg_array(&c[i]);
    for (size_t i = 0, next; i < n; i = next) {
        int64_t ready = 0;
        for (next = i; next < n && strcmp(rows[next].org, rows[i].org) == 0; next++) {
            if (rows[next].item->kind != STORE_IGNORED) {
                is_ready[rows[next].in - 1] = true;
                ready++;
            }
        }
        pg_put_i64(&c[OF_ORGS], x->campaigns[rows[i].in - 1]);
        pg_put_i64(&c[READY], ready);
        pg_put_i64(&c[DONE], (int64_t)(next - i) - ready);
    }
    for (size_t i = 0; i < x->campaign_count; i++) {
        if (is_ready[i])
            pg_put_i64(&c[READY_CAMPAIGNS], x->campaigns[i]);
    }
    free(is_ready);
}

/* Numbers alone, so that it needs no arguments of its own. */
static void fill_end(struct buf *text, const struct row *rows, size_t n, const struct numbers *x)
{
    struct buf c[END_COLUMNS];
    count_new(c, rows, n, x);
    buf_init(text, 64 << 20);
    buf_printf(text, "%s; SELECT tp_put_end(", COPY_NEW);
    for (int i = 0; i < END_COLUMNS; i++) {
        buf_printf(text, "'%s}', ", c[i].data);
        buf_release(&c[i]);
    }
    buf_printf(text, "%lld); COMMIT", (long long)x->now);
}

static enum err copy_new(struct pg_store *s, struct pg_db *db, struct row *rows, size_t n,
                         bool *entered, struct error *e)
{
    struct numbers x;
    enum err err = begin(s, db, rows, n, &x, e);
    *entered = false;
    if (err == ERR_NONE) {
        struct buf text, data;
        fill_end(&text, rows, n, &x);
        fill_rows(&data, rows, n, &x);
        err = pg_commit_rows(db, text.data, &data, e);
        buf_release(&data);
        buf_release(&text);
        *entered = err == ERR_NONE;
    }
    free(x.campaigns);
    return db->existed ? ERR_NONE : err;
}

static enum err enter_new(struct pg_store *s, struct pg_db *db, const struct store_put *puts,
                          const struct store_put *end, size_t n, bool *entered, struct error *e)
{
    struct row *rows = rows_of(puts, end, n);
    bool are_new = !has_equal_ones(rows, n);
    enum err err = ERR_NONE;
    *entered = false;
    for (int i = 0; are_new && i < TRIES; i++) {
        err = (n >= COPY_ROWS_MIN ? copy_new : put_new)(s, db, rows, n, entered, e);
        if (err == ERR_NONE || !db->again)
            break;
    }
    if (are_new && err == ERR_NONE && !*entered)
        atomic_store(&s->known_until_boot_ms, time_boot_ms() + KNOWN_MS);
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
