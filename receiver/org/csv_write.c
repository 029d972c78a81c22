/*
 * Writing CSV: every value is quoted, so that none needs looking at for commas, line feeds and
 * blanks.
 */
#include "csv_int.h"

#include <string.h>
#include <strings.h>

#include "utf8_int.h"

static const char NULL_MARK[] = "#N/A";

bool csv_put_cell(struct buf *b, const char *text)
{
    if (text == NULL || text[0] == '\0') {
        buf_puts(b, NULL_MARK);
        return true;
    }
    size_t n = strlen(text);
    if (strcasecmp(text, NULL_MARK) == 0 || strchr(text, '\r') != NULL || !utf8_is_text(text, n))
        return false;
    buf_putc(b, '"');
    for (const char *quote; (quote = strchr(text, '"')) != NULL; text = quote + 1) {
        buf_put(b, text, (size_t)(quote - text));
        buf_puts(b, "\"\"");
    }
    buf_puts(b, text);
    buf_putc(b, '"');
    return true;
}
