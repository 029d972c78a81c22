/*
 * Export and import: what is the same for both backends. A backend opens its store alone, without
 * threads, and moves rows between it and the lines here.
 */
#include "transfer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "hash.h"
#include "store_transfer.h"
#include "timeutil.h"

enum { LINE_MAX_BYTES = 64 << 20, CHUNK = 64 << 10 };

/* ------------------------------------------------------------------ tables */

#define INT(name)                                                                                  \
    {                                                                                              \
        name, COLUMN_INT                                                                           \
    }
#define INT_OR_NULL(name)                                                                          \
    {                                                                                              \
        name, COLUMN_INT_OR_NULL                                                                   \
    }
#define TEXT(name)                                                                                 \
    {                                                                                              \
        name, COLUMN_TEXT                                                                          \
    }
#define TEXT_OR_NULL(name)                                                                         \
    {                                                                                              \
        name, COLUMN_TEXT_OR_NULL                                                                  \
    }

const struct store_table store_tables[TABLE_COUNT] = {
    [TABLE_COUNTER] = {"counter", "name", {TEXT("name"), INT("value")}},
    [TABLE_NOTIFICATION] = {"notification",
                            "id",
                            {INT("id"),
                             TEXT("org"),
                             TEXT("notification_id"),
                             TEXT("record_id"),
                             TEXT("subject_id"),
                             TEXT("key"),
                             INT("kind"),
                             TEXT("object"),
                             INT("state"),
                             INT("background"),
                             INT("seq"),
                             INT("due_at"),
                             INT("tries"),
                             INT("unsettled"),
                             INT("rerun_at"),
                             INT("received_at"),
                             INT_OR_NULL("settled_at"),
                             TEXT_OR_NULL("code"),
                             TEXT_OR_NULL("message"),
                             INT("replayed_by")}},
    [TABLE_ATTEMPT] = {"attempt",
                       "message, n",
                       {INT("message"), INT("n"), INT("verdict"), TEXT_OR_NULL("code"),
                        TEXT_OR_NULL("text"), INT("times"), INT("first_at"), INT("at")}},
    [TABLE_PASS] = {"pass",
                    "org, campaign_id",
                    {TEXT("org"), TEXT("campaign_id"), TEXT("fingerprint"), INT("at")}},
    [TABLE_JOB] = {"job", "id", {INT("id"),        INT("kind"),         INT("state"),
                                 TEXT("org"),      TEXT("campaign_id"), TEXT("params"),
                                 TEXT("reason"),   INT("total"),        INT("done"),
                                 INT("changed"),   INT("skipped"),      INT("failed"),
                                 TEXT("cursor"),   TEXT("message"),     INT("undo_of"),
                                 INT("undone_by"), INT("would_delete"), INT("existing"),
                                 INT("at"),        INT("started_at"),   INT("ended_at")}},
    [TABLE_JOB_ITEM] = {"job_item",
                        "job, record_id",
                        {INT("job"), TEXT("record_id"), TEXT("before"), TEXT("after"), INT("state"),
                         TEXT("code"), TEXT("message")}},
    [TABLE_LEDGER] = {"ledger",
                      "id",
                      {INT("id"), TEXT("org"), TEXT("campaign_id"), TEXT("member_id"),
                       TEXT("action"), TEXT("touchpoint_id"), TEXT_OR_NULL("before_json"),
                       TEXT_OR_NULL("after_json"), TEXT("cause"), TEXT_OR_NULL("reason"),
                       INT("at")}},
    [TABLE_ORG_CURSOR] = {"org_cursor", "org, name", {TEXT("org"), TEXT("name"), TEXT("value")}},
    [TABLE_BULK_JOB] = {"bulk_job",
                        "org, key, job",
                        {TEXT("org"), TEXT("key"), TEXT("job"), INT("kind"), INT("rows"),
                         INT("at")}},
    [TABLE_QUARANTINE] = {"quarantine",
                          "id",
                          {INT("id"),
                           INT("at"),
                           TEXT("org"),
                           TEXT("peer"),
                           TEXT("reason"),
                           TEXT("message"),
                           INT("size"),
                           INT("kept"),
                           {"body", COLUMN_HEX}}},
};

size_t store_table_width(const struct store_table *t)
{
    size_t n = 0;
    while (t->columns[n].name != NULL)
        n++;
    return n;
}

enum err store_not_empty(const char *table, struct error *e)
{
    return error_set(e, ERR_INVALID,
                     "the store of store.url is not empty (%s has rows); import into a new one",
                     table);
}

static bool is_text(enum store_column_type t)
{
    return t == COLUMN_TEXT || t == COLUMN_TEXT_OR_NULL || t == COLUMN_HEX;
}

static bool may_be_null(enum store_column_type t)
{
    return t == COLUMN_INT_OR_NULL || t == COLUMN_TEXT_OR_NULL;
}

/* ------------------------------------------------------------------ writing */

struct store_rows_out {
    FILE *file;
    uint64_t hash;
    int64_t rows[TABLE_COUNT];
};

/* Takes the object. */
static enum err write_line(struct store_rows_out *w, const char *name, json_t *inner,
                           struct error *e)
{
    json_t *line = inner == NULL ? NULL : json_pack("{s:o}", name, inner);
    char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT);
    json_decref(line);
    if (text == NULL)
        return error_set(e, ERR_CORRUPT, "a row of %s holds text that is no UTF-8", name);
    w->hash = hash_text(w->hash, text);
    bool is_written = fputs(text, w->file) >= 0 && fputc('\n', w->file) != EOF;
    free(text);
    return is_written ? ERR_NONE : error_errno(e, "writing the export");
}

static json_t *field_of(enum store_column_type type, const struct store_value *v)
{
    if (v->is_null)
        return json_null();
    return is_text(type) ? json_string(v->text) : json_integer(v->number);
}

enum err store_rows_put(struct store_rows_out *w, enum store_table_id t,
                        const struct store_value *v, struct error *e)
{
    const struct store_table *table = &store_tables[t];
    json_t *row = json_object();
    for (size_t i = 0; table->columns[i].name != NULL; i++) {
        if (json_object_set_new(row, table->columns[i].name,
                                field_of(table->columns[i].type, &v[i])) != 0) {
            json_decref(row);
            row = NULL;
            break;
        }
    }
    w->rows[t]++;
    return write_line(w, table->name, row, e);
}

static json_t *counts_of(const int64_t rows[TABLE_COUNT])
{
    json_t *counts = json_object();
    for (size_t i = 0; i < TABLE_COUNT; i++)
        (void)json_object_set_new(counts, store_tables[i].name, json_integer(rows[i]));
    return counts;
}

static int64_t sum_of(const int64_t rows[TABLE_COUNT])
{
    int64_t sum = 0;
    for (size_t i = TABLE_COUNTER + 1; i < TABLE_COUNT; i++)
        sum += rows[i];
    return sum;
}

enum err store_export(const struct store_options *o, FILE *out, int64_t *rows, struct error *e)
{
    const struct store_backend *b = store_backend_of(o->url, e);
    if (b == NULL)
        return e->kind;
    struct store_rows_out w = {.file = out, .hash = HASH_START};
    enum err err = write_line(&w, "touchpointd",
                              json_pack("{s:i,s:s,s:I}", "format", (int)STORE_TRANSFER_FORMAT,
                                        "version", TP_VERSION, "at", (json_int_t)time_wall_ms()),
                              e);
    if (err == ERR_NONE)
        err = b->export_rows(o, &w, e);
    char hash[17];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64, w.hash);
    if (err == ERR_NONE)
        err = write_line(&w, "end", json_pack("{s:o,s:s}", "rows", counts_of(w.rows), "hash", hash),
                         e);
    if (err == ERR_NONE && fflush(out) != 0)
        err = error_errno(e, "writing the export");
    *rows = sum_of(w.rows);
    return err;
}

/* ------------------------------------------------------------------ reading */

struct store_rows_in {
    FILE *file;
    struct buf line;
    int64_t number; /* of the line */
    uint64_t hash;  /* of the lines before it */
    json_t *row;    /* whose values are lent */
    enum store_table_id table;
    int64_t rows[TABLE_COUNT];
};

static enum err bad(const struct store_rows_in *r, struct error *e, const char *why)
{
    return error_set(e, ERR_INVALID, "line %lld of the file %s; nothing was imported",
                     (long long)r->number, why);
}

/* *is_end: there is no further line. */
static enum err read_line(struct store_rows_in *r, bool *is_end, struct error *e)
{
    char chunk[CHUNK];
    buf_clear(&r->line);
    r->number++;
    while (r->line.len == 0 || r->line.data[r->line.len - 1] != '\n') {
        if (fgets(chunk, sizeof chunk, r->file) == NULL) {
            if (ferror(r->file))
                return error_errno(e, "reading the file");
            *is_end = r->line.len == 0;
            return *is_end ? ERR_NONE : bad(r, e, "is cut off");
        }
        buf_puts(&r->line, chunk);
        if (r->line.overflow)
            return bad(r, e, "is too long to be of an export");
    }
    *is_end = false;
    r->line.data[--r->line.len] = '\0';
    return ERR_NONE;
}

/* The object under the line's one name. */
static enum err parse_line(struct store_rows_in *r, const char **name, json_t **inner,
                           struct error *e)
{
    bool is_end = false;
    enum err err = read_line(r, &is_end, e);
    if (err != ERR_NONE)
        return err;
    if (is_end)
        return error_set(e, ERR_INVALID,
                         "the file is cut off after %lld lines: it has no end line; nothing was "
                         "imported",
                         (long long)r->number - 1);
    json_decref(r->row);
    r->row = json_loadb(r->line.data, r->line.len, JSON_REJECT_DUPLICATES, NULL);
    void *first = json_object_iter(r->row);
    if (first == NULL || json_object_size(r->row) != 1 ||
        !json_is_object(json_object_iter_value(first)))
        return bad(r, e, "is none of an export");
    *name = json_object_iter_key(first);
    *inner = json_object_iter_value(first);
    return ERR_NONE;
}

static enum err read_head(struct store_rows_in *r, struct error *e)
{
    const char *name = "";
    json_t *inner = NULL;
    enum err err = parse_line(r, &name, &inner, e);
    if (err != ERR_NONE)
        return err;
    json_int_t format = json_integer_value(json_object_get(inner, "format"));
    if (strcmp(name, "touchpointd") != 0 || format < 1)
        return bad(r, e, "does not say that this is an export of touchpointd");
    if (format > STORE_TRANSFER_FORMAT)
        return error_set(
            e, ERR_INVALID,
            "the file was written by a newer version of this program (%s, format %lld; "
            "known is %d); import it with that version",
            json_string_value(json_object_get(inner, "version")) != NULL
                ? json_string_value(json_object_get(inner, "version"))
                : "unknown",
            (long long)format, STORE_TRANSFER_FORMAT);
    r->hash = hash_text(r->hash, r->line.data);
    return ERR_NONE;
}

static enum err read_end(struct store_rows_in *r, const json_t *inner, struct error *e)
{
    char hash[17];
    json_t *counts = counts_of(r->rows);
    bool is_equal = json_equal(counts, json_object_get(inner, "rows"));
    const char *told = json_string_value(json_object_get(inner, "hash"));
    json_decref(counts);
    (void)snprintf(hash, sizeof hash, "%016" PRIx64, r->hash);
    if (!is_equal)
        return bad(r, e, "counts other rows than were read: some are missing, or too many");
    if (told == NULL || strcmp(told, hash) != 0)
        return bad(r, e, "tells another hash than that of the lines read: the file was changed");
    bool is_end = false;
    enum err err = read_line(r, &is_end, e);
    return err == ERR_NONE && !is_end ? bad(r, e, "comes after the end line") : err;
}

static bool take_field(const json_t *field, enum store_column_type type, struct store_value *v)
{
    *v = (struct store_value){.is_null = json_is_null(field) && may_be_null(type)};
    if (v->is_null)
        return true;
    v->text = is_text(type) ? json_string_value(field) : NULL;
    v->number = json_integer_value(field);
    return is_text(type) ? v->text != NULL : json_is_integer(field);
}

static enum err take_row(struct store_rows_in *r, const json_t *inner, struct store_value *v,
                         struct error *e)
{
    const struct store_column *columns = store_tables[r->table].columns;
    size_t n = 0;
    for (; columns[n].name != NULL; n++) {
        if (!take_field(json_object_get(inner, columns[n].name), columns[n].type, &v[n]))
            return error_set(e, ERR_INVALID,
                             "line %lld of the file: %s.%s is missing or of another type; nothing "
                             "was imported",
                             (long long)r->number, store_tables[r->table].name, columns[n].name);
    }
    if (n != json_object_size(inner))
        return bad(r, e, "has a field that this version does not know");
    if (r->table == TABLE_NOTIFICATION && v[NOTIFICATION_STATE].number == STORE_LEASED)
        return bad(r, e, "has a leased message, which no export has");
    r->rows[r->table]++;
    r->hash = hash_text(r->hash, r->line.data);
    return ERR_NONE;
}

enum err store_rows_next(struct store_rows_in *r, enum store_table_id *t, struct store_value *v,
                         struct error *e)
{
    const char *name = "";
    json_t *inner = NULL;
    enum err err = parse_line(r, &name, &inner, e);
    if (err != ERR_NONE)
        return err;
    if (strcmp(name, "end") == 0) {
        *t = TABLE_COUNT;
        return read_end(r, inner, e);
    }
    while (r->table < TABLE_COUNT && strcmp(name, store_tables[r->table].name) != 0)
        r->table++;
    if (r->table == TABLE_COUNT)
        return bad(r, e, "is of a table that this version does not know, or not in its place");
    *t = r->table;
    return take_row(r, inner, v, e);
}

enum err store_import(const struct store_options *o, FILE *in, int64_t *rows, struct error *e)
{
    const struct store_backend *b = store_backend_of(o->url, e);
    if (b == NULL)
        return e->kind;
    struct store_rows_in r = {.file = in, .hash = HASH_START};
    buf_init(&r.line, LINE_MAX_BYTES);
    enum err err = read_head(&r, e);
    if (err == ERR_NONE)
        err = b->import_rows(o, &r, e);
    *rows = sum_of(r.rows);
    json_decref(r.row);
    buf_release(&r.line);
    return err;
}
