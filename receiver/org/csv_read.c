/*
 * Reading CSV with libcsv, which cuts the bytes into cells; what is a header and what a row, which
 * columns matter, and whether all of it is there, is decided here.
 *
 * libcsv gathers a cell for as long as its closing quote does not come, so its buffer is looked at
 * after each piece of at most PIECE bytes. It passes over empty lines, and takes a lone CR for the
 * end of a line: both are harmless, since the org quotes every value.
 */
#include "csv_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <csv.h>

#include "mem.h"
#include "utf8_int.h"

enum { PIECE = 16 * 1024, CELL_BLOCK = 4096 };

struct gathering {
    struct csv_parser parser;
    struct buf row;    /* the cells so far, a NUL after each */
    size_t *starts;    /* CSV_COLUMNS_MAX places: where each begins in row */
    size_t cells;      /* of the row at hand */
    size_t columns;    /* of the header; 0: it has not come yet */
    size_t *place;     /* of each wanted column, among the columns */
    const char **cell; /* of each wanted column, for the row function */
};

static void spoil(struct csv_reader *r, const char *what)
{
    if (r->err == ERR_NONE)
        r->err = error_set(&r->why, ERR_NETWORK, "the org's CSV can't be understood: %s", what);
}

/* ------------------------------------------------------------------ rows */

static void take_header(struct csv_reader *r, struct gathering *g)
{
    for (size_t w = 0; w < r->wanted_count; w++) {
        size_t found = 0;
        for (size_t i = 0; i < g->cells; i++) {
            if (strcasecmp(g->row.data + g->starts[i], r->wanted[w]) == 0) {
                g->place[w] = i;
                found++;
            }
        }
        if (found != 1 && r->err == ERR_NONE)
            r->err = error_set(&r->why, ERR_NETWORK,
                               "the org's CSV can't be understood: its header has the column %s "
                               "%zu times",
                               r->wanted[w], found);
    }
    g->columns = g->cells;
}

static void take_row(struct csv_reader *r, struct gathering *g)
{
    if (g->cells != g->columns) {
        spoil(r, "a row has more or fewer cells than the header");
        return;
    }
    for (size_t w = 0; w < r->wanted_count; w++)
        g->cell[w] = g->row.data + g->starts[g->place[w]];
    r->err = r->row(r->ctx, g->cell, &r->why);
    if (r->err == ERR_NONE)
        r->rows++;
}

static void on_cell(void *bytes, size_t n, void *ctx)
{
    struct csv_reader *r = ctx;
    struct gathering *g = r->private;
    if (r->err != ERR_NONE)
        return;
    if (g->cells == CSV_COLUMNS_MAX) {
        spoil(r, "a row has too many cells");
        return;
    }
    if (n > 0 && !utf8_is_text(bytes, n)) {
        spoil(r, "it is no UTF-8 text");
        return;
    }
    g->starts[g->cells++] = g->row.len;
    buf_put(&g->row, bytes, n);
    buf_putc(&g->row, '\0');
    if (g->row.overflow)
        spoil(r, "a row is too long");
}

/* end: the character that ended the row; -1 where the bytes ended without one. */
static void on_row(int end, void *ctx)
{
    struct csv_reader *r = ctx;
    struct gathering *g = r->private;
    if (end == -1)
        spoil(r, "it ends in the middle of a row");
    else if (r->err == ERR_NONE && g->columns == 0)
        take_header(r, g);
    else if (r->err == ERR_NONE)
        take_row(r, g);
    g->cells = 0;
    buf_clear(&g->row);
}

/* ------------------------------------------------------------------ bytes */

static void *grow(void *p, size_t n)
{
    return mem_resize(p, n, 1);
}

void csv_reader_init(struct csv_reader *r, const char *const *wanted, size_t count, csv_row_fn *row,
                     void *ctx)
{
    struct gathering *g = mem_alloc(sizeof *g);
    *r = (struct csv_reader){
        .wanted = wanted, .wanted_count = count, .row = row, .ctx = ctx, .private = g};
    (void)csv_init(&g->parser, CSV_STRICT | CSV_STRICT_FINI); /* fails for no parser only */
    csv_set_realloc_func(&g->parser, grow);
    csv_set_blk_size(&g->parser, CELL_BLOCK);
    buf_init(&g->row, CSV_ROW_MAX);
    g->starts = mem_array(CSV_COLUMNS_MAX, sizeof *g->starts);
    g->place = mem_array(count, sizeof *g->place);
    g->cell = mem_array(count, sizeof *g->cell);
}

void csv_reader_release(struct csv_reader *r)
{
    struct gathering *g = r->private;
    if (g == NULL)
        return;
    csv_free(&g->parser);
    buf_release(&g->row);
    free(g->starts);
    free(g->place);
    free(g->cell);
    free(g);
    r->private = NULL;
}

bool csv_reader_put(struct csv_reader *r, const char *bytes, size_t n)
{
    struct gathering *g = r->private;
    r->has_bytes = r->has_bytes || n > 0;
    while (n > 0 && r->err == ERR_NONE) {
        size_t piece = n < PIECE ? n : PIECE;
        if (csv_parse(&g->parser, bytes, piece, on_cell, on_row, r) != piece)
            spoil(r, "a quote is where none may be");
        if (csv_get_buffer_size(&g->parser) > CSV_ROW_MAX)
            spoil(r, "a cell is too long");
        bytes += piece;
        n -= piece;
    }
    return r->err == ERR_NONE;
}

enum err csv_reader_end(struct csv_reader *r, struct error *e)
{
    struct gathering *g = r->private;
    if (r->err == ERR_NONE && csv_fini(&g->parser, on_cell, on_row, r) != 0)
        spoil(r, "it ends in the middle of a cell");
    if (r->err == ERR_NONE && !r->has_bytes)
        spoil(r, "it is empty");
    else if (r->err == ERR_NONE && g->columns == 0)
        spoil(r, "it has no header");
    return r->err == ERR_NONE ? ERR_NONE : error_set(e, r->err, "%s", r->why.text);
}
