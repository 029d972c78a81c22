#define _GNU_SOURCE /* O_TMPFILE */
/*
 * Rows that wait to be written, in a file without a name: only key and place of each are kept in
 * memory, so that a campaign of a million members is bounded by ids.
 *
 *   record: the touchpoint's values, what was there before, what is new; each NUL-terminated
 */
#include "worker_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

#define SPOOL_FOLDER "/var/tmp" /* not /tmp, which may lie in memory */

enum { TEXTS = TV_COUNT + 2 };

FILE *spool_file(struct error *e)
{
    int fd = open(SPOOL_FOLDER, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? tmpfile() : fdopen(fd, "w+b");
    if (f != NULL)
        return f;
    (void)error_errno(e, "a temporary file in " SPOOL_FOLDER " for rows to be written");
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

void spool_release(struct spool *s)
{
    if (s->file != NULL)
        (void)fclose(s->file);
    free(s->entries);
    free(s->line);
    *s = (struct spool){0};
}

static enum err failed(struct error *e)
{
    return error_errno(e, "a temporary file in " SPOOL_FOLDER " for rows to be written");
}

enum err spool_add(struct spool *s, const struct touchpoint *t, const char *before,
                   const char *after, struct error *e)
{
    if (s->file == NULL && (s->file = spool_file(e)) == NULL)
        return e->kind;
    if (s->count == s->room) {
        s->room = s->room == 0 ? 4096 : s->room * 2;
        s->entries = mem_resize(s->entries, s->room, sizeof *s->entries);
    }
    off_t at = ftello(s->file);
    bool ok = at >= 0;
    for (size_t v = 0; v < TV_COUNT; v++)
        ok = ok && fwrite(t->value[v], strlen(t->value[v]) + 1, 1, s->file) == 1;
    ok = ok && fwrite(before, strlen(before) + 1, 1, s->file) == 1 &&
         fwrite(after, strlen(after) + 1, 1, s->file) == 1;
    if (!ok)
        return failed(e);
    struct spool_entry *entry = &s->entries[s->count++];
    *entry = (struct spool_entry){.at = at};
    memcpy(entry->key, t->value[TV_KEY], strnlen(t->value[TV_KEY], sizeof entry->key - 1));
    s->pending++;
    return ERR_NONE;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct spool_entry *)a)->key, ((const struct spool_entry *)b)->key);
}

enum err spool_seal(struct spool *s, struct error *e)
{
    if (s->file != NULL && fflush(s->file) != 0)
        return failed(e);
    qsort(s->entries, s->count, sizeof *s->entries, by_key);
    return ERR_NONE;
}

struct spool_entry *spool_find(const struct spool *s, const char *key)
{
    struct spool_entry like = {0};
    memcpy(like.key, key, strnlen(key, sizeof like.key - 1));
    return s->count == 0 ? NULL : bsearch(&like, s->entries, s->count, sizeof *s->entries, by_key);
}

enum err spool_read(struct spool *s, const struct spool_entry *entry, struct spool_row *out,
                    struct error *e)
{
    if (fseeko(s->file, entry->at, SEEK_SET) != 0)
        return failed(e);
    size_t used = 0, start[TEXTS] = {0};
    for (size_t i = 0; i < TEXTS; i++) {
        start[i] = used;
        int c;
        do {
            c = getc_unlocked(s->file);
            if (c == EOF)
                return failed(e);
            if (used == s->line_room) {
                s->line_room = s->line_room == 0 ? 4096 : s->line_room * 2;
                s->line = mem_resize(s->line, s->line_room, 1);
            }
            s->line[used++] = (char)c;
        } while (c != '\0');
    }
    for (size_t v = 0; v < TV_COUNT; v++)
        out->touchpoint.value[v] = s->line + start[v];
    out->before = s->line + start[TV_COUNT];
    out->after = s->line + start[TV_COUNT + 1];
    return ERR_NONE;
}

void spool_settle(struct spool *s, struct spool_entry *entry)
{
    if (!entry->is_settled)
        s->pending--;
    entry->is_settled = true;
}
