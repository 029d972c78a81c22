/*
 * Whether the database may be written: damage that an unclean stop left, free space, and whether
 * the file is still there. The check for damage runs beside the work, on a connection of its own,
 * so that a start with a long queue is quick; a bad result ends the taking of puts for good.
 */
#include "sqlite_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "log.h"
#include "timeutil.h"

enum { LOOK_EVERY_MS = 200, STEPS_BETWEEN_LOOKS = 10000 };

void sqlite_damaged(struct sqlite_store *s, const char *how)
{
    if (!atomic_exchange(&s->damaged, true))
        log_error("the store's database is damaged; restore a copy of it or move it away", "file",
                  s->path, "found", how, NULL);
}

static int wants_stop(void *store)
{
    struct sqlite_store *s = store;
    return atomic_load(&s->checker_stop);
}

/* The check reports a page that it could not read, too; that is the disk's failure, not damage. */
static bool is_damage(const char *result)
{
    static const char unread[] = "error code=";
    const char *at = strstr(result, unread);
    return at == NULL || (strtol(at + strlen(unread), NULL, 10) & 0xff) == SQLITE_CORRUPT;
}

static void *check(void *store)
{
    struct sqlite_store *s = store;
    char result[200];
    struct error e;
    int64_t start = time_boot_ms();
    sqlite3_progress_handler(s->checked.handle, STEPS_BETWEEN_LOOKS, wants_stop, s);
    enum err err = sql_value(&s->checked, "PRAGMA quick_check(1)", result, sizeof result, &e);
    if (atomic_load(&s->checker_stop))
        return NULL;
    if (err == ERR_CORRUPT) {
        sqlite_damaged(s, e.text);
    } else if (err != ERR_NONE) {
        log_warn("the store's database could not be checked", "error", e.text, NULL);
    } else if (strcmp(result, "ok") != 0 && is_damage(result)) {
        sqlite_damaged(s, result);
    } else if (strcmp(result, "ok") != 0) {
        log_warn("the store's database could not be checked", "error", result, NULL);
    } else {
        atomic_store(&s->check_passed, true);
        log_info("the store's database was checked after an unclean stop", "ms",
                 log_num((long long)(time_boot_ms() - start)), NULL);
    }
    return NULL;
}

void sqlite_check_start(struct sqlite_store *s)
{
    struct error e;
    atomic_store(&s->checker_stop, false);
    atomic_store(&s->check_passed, false);
    if (sqlite_open_reader(s, &s->checked, &e) != ERR_NONE) {
        log_warn("the store's database could not be checked", "error", e.text, NULL);
        return;
    }
    s->checker_runs = pthread_create(&s->checker, NULL, check, s) == 0;
    if (!s->checker_runs)
        log_warn("the store's database could not be checked: no thread", NULL);
}

void sqlite_check_stop(struct sqlite_store *s)
{
    atomic_store(&s->checker_stop, true);
    if (s->checker_runs) {
        sqlite3_interrupt(s->checked.handle);
        pthread_join(s->checker, NULL);
    }
    s->checker_runs = false;
    sql_close(&s->checked);
}

/* ------------------------------------------------------------------ may it be written */

uint64_t sqlite_inode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* A file system that cannot say is taken to have room: the write itself will tell. */
static bool is_low(const struct sqlite_store *s)
{
    struct statvfs fs;
    return statvfs(s->path, &fs) == 0 &&
           (uint64_t)fs.f_bavail * fs.f_frsize < s->base.options.disk_reserve_bytes;
}

static void look(struct sqlite_store *s, bool *low, bool *gone)
{
    int64_t now = time_boot_ms();
    pthread_mutex_lock(&s->look_lock);
    if (s->looked_boot_ms == 0 || now - s->looked_boot_ms >= LOOK_EVERY_MS) {
        s->looked_boot_ms = now;
        s->file_gone = sqlite_inode_of(s->path) != atomic_load(&s->inode);
        s->space_low = !s->file_gone && is_low(s);
    }
    *low = s->space_low;
    *gone = s->file_gone;
    pthread_mutex_unlock(&s->look_lock);
}

enum err sqlite_may_put(struct sqlite_store *s, struct error *e)
{
    bool low, gone;
    if (atomic_load(&s->damaged))
        return error_set(e, ERR_CORRUPT, "%s is damaged; restore a copy or move it away", s->path);
    look(s, &low, &gone);
    if (gone)
        return error_set(e, ERR_IO,
                         "%s was removed or replaced while it is in use; what it would receive now "
                         "would be lost with the process: put it back, or restart the daemon",
                         s->path);
    if (low)
        return error_set(e, ERR_FULL, "less than the reserve of %llu bytes is free under %s",
                         (unsigned long long)s->base.options.disk_reserve_bytes, s->path);
    return ERR_NONE;
}
