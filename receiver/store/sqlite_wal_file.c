/*
 * The write-ahead log as one write a commit. SQLite writes each frame in two pieces, 24 bytes and a
 * page; a commit of a dozen messages has a dozen frames. This file system for SQLite gathers what
 * is written one after the other and passes it on before anything else is done with the file, the
 * sync above all. All other files are the system's own.
 *
 * That is safe since others see a frame only after its commit was synced (synchronous=FULL, set
 * before the first write): what is gathered here is nobody's yet. A write that fails is told by the
 * call that passed it on, at the latest by the sync, so the commit fails as it would have; what was
 * gathered is dropped then, so that it can't be written over later frames.
 *
 * A log that was not written to since its last sync is not synced again, as each step of a
 * checkpoint would do: a flush of the disk costs as much as a commit.
 */
#include "sqlite_sql.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* SQLite's own Unix files write at most 0x1ffff bytes in a call (os_unix.c, seekAndWriteFd), and
 * more than that wrongly. */
enum { GATHERED_MAX = 124 << 10 };

struct wal_file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
    unsigned char *bytes;
    sqlite3_int64 at; /* where the first of them belongs */
    int n;
    bool synced; /* since the last write; what a former process left is not */
};

static sqlite3_vfs *real_vfs; /* set once, by install */

static struct wal_file *of(sqlite3_file *file)
{
    return (struct wal_file *)(void *)file;
}

static int pass_on(struct wal_file *f)
{
    int n = f->n;
    f->n = 0;
    f->synced = f->synced && n == 0;
    return n == 0 ? SQLITE_OK : f->real->pMethods->xWrite(f->real, f->bytes, n, f->at);
}

static int x_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct wal_file *f = of(file);
    if (f->n > 0 && (at != f->at + f->n || n > GATHERED_MAX - f->n)) {
        int rc = pass_on(f);
        if (rc != SQLITE_OK)
            return rc;
    }
    f->synced = false;
    if (n > GATHERED_MAX)
        return f->real->pMethods->xWrite(f->real, bytes, n, at);
    if (f->bytes == NULL)
        f->bytes = mem_resize(NULL, GATHERED_MAX, 1);
    if (f->n == 0)
        f->at = at;
    memcpy(f->bytes + f->n, bytes, (size_t)n);
    f->n += n;
    return SQLITE_OK;
}

static int x_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    struct wal_file *f = of(file);
    int rc = pass_on(f);
    return rc != SQLITE_OK ? rc : f->real->pMethods->xRead(f->real, out, n, at);
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct wal_file *f = of(file);
    int rc = pass_on(f);
    f->synced = false;
    return rc != SQLITE_OK ? rc : f->real->pMethods->xTruncate(f->real, size);
}

static int x_sync(sqlite3_file *file, int flags)
{
    struct wal_file *f = of(file);
    if (f->synced)
        return SQLITE_OK;
    int rc = pass_on(f);
    if (rc == SQLITE_OK)
        rc = f->real->pMethods->xSync(f->real, flags);
    f->synced = rc == SQLITE_OK;
    return rc;
}

static int x_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct wal_file *f = of(file);
    int rc = pass_on(f);
    return rc != SQLITE_OK ? rc : f->real->pMethods->xFileSize(f->real, size);
}

static int x_close(sqlite3_file *file)
{
    struct wal_file *f = of(file);
    int written = pass_on(f);
    int closed = f->real->pMethods->xClose(f->real);
    free(f->bytes);
    f->bytes = NULL;
    return written != SQLITE_OK ? written : closed;
}

/* ------------------------------------------------------------------ passed through */

static int x_lock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xLock(of(file)->real, level);
}

static int x_unlock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xUnlock(of(file)->real, level);
}

static int x_check_lock(sqlite3_file *file, int *out)
{
    return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, out);
}

static int x_control(sqlite3_file *file, int what, void *arg)
{
    return of(file)->real->pMethods->xFileControl(of(file)->real, what, arg);
}

static int x_sector_size(sqlite3_file *file)
{
    return of(file)->real->pMethods->xSectorSize(of(file)->real);
}

static int x_characteristics(sqlite3_file *file)
{
    return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real);
}

/* Version 1: shared memory and mapping belong to the database's own file. */
static const sqlite3_io_methods METHODS = {
    .iVersion = 1,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_lock,
    .xFileControl = x_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_characteristics,
};

/* ------------------------------------------------------------------ opening */

static int x_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return real_vfs->xOpen(real_vfs, path, file, flags, out_flags);
    struct wal_file *f = of(file);
    *f = (struct wal_file){.real = (sqlite3_file *)(void *)(f + 1)};
    f->real->pMethods = NULL;
    int rc = real_vfs->xOpen(real_vfs, path, f->real, flags, out_flags);
    if (rc == SQLITE_OK)
        f->base.pMethods = &METHODS;
    else if (f->real->pMethods != NULL)
        (void)f->real->pMethods->xClose(f->real);
    return rc;
}

static void install(void)
{
    static sqlite3_vfs vfs;
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs; /* what is not overridden works on paths and time */
    vfs.zName = "gathering";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct wal_file) + real_vfs->szOsFile;
    vfs.xOpen = x_open;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        abort(); /* only without memory */
}

const char *sql_gathering_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, install);
    return "gathering";
}
