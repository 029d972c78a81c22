#include "fault_vfs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

enum {
    FAULTS = 8,
    BLOCK = 4096,
};

/* A write, or (bytes NULL) a truncation to `at`. */
struct pending_write {
    int64_t at;
    size_t n;
    unsigned char *bytes;
    struct pending_write *next;
};

struct bytes {
    unsigned char *data;
    size_t n, cap;
};

struct image {
    char path[512];
    struct bytes held; /* by the disk */
    struct pending_write *first, **last;
    unsigned counts[FAULT_OP_COUNT];
};

struct fault {
    enum fault_op op;
    const struct image *of;
    int code, after, times;
};

/* All under `lock`. */
static struct {
    pthread_mutex_t lock;
    sqlite3_vfs *real;
    struct image database, wal;
    struct fault faults[FAULTS];
    size_t fault_count;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct fault_file {
    sqlite3_file base;
    struct image *image; /* NULL: passes through */
    sqlite3_file *real;  /* lies behind this struct */
};

/* ------------------------------------------------------------------ images */

static struct image *image_of(const char *path)
{
    if (strcmp(path, disk.database.path) == 0)
        return &disk.database;
    return strcmp(path, disk.wal.path) == 0 ? &disk.wal : NULL;
}

static struct image *image_named(const char *suffix)
{
    return suffix[0] == '\0' ? &disk.database : &disk.wal;
}

static void resize(struct bytes *b, size_t want)
{
    if (want > b->cap) {
        b->cap = want * 2;
        b->data = realloc(b->data, b->cap);
        if (b->data == NULL)
            abort();
    }
    if (want > b->n)
        memset(b->data + b->n, 0, want - b->n);
    b->n = want;
}

static void apply(const struct pending_write *w, struct bytes *b)
{
    if (w->bytes == NULL) {
        resize(b, (size_t)w->at);
        return;
    }
    if ((size_t)w->at + w->n > b->n)
        resize(b, (size_t)w->at + w->n);
    memcpy(b->data + w->at, w->bytes, w->n);
}

static void note(struct image *image, int64_t at, const void *bytes, size_t n)
{
    struct pending_write *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->at = at;
    w->n = n;
    if (bytes != NULL) {
        w->bytes = malloc(n);
        if (w->bytes == NULL)
            abort();
        memcpy(w->bytes, bytes, n);
    }
    *image->last = w;
    image->last = &w->next;
}

/* Block by block, as a disk takes it: of one write a power cut may leave any part. */
static void note_write(struct image *image, int64_t at, const unsigned char *bytes, size_t n)
{
    while (n > 0) {
        size_t piece = BLOCK - (size_t)(at % BLOCK);
        if (piece > n)
            piece = n;
        note(image, at, bytes, piece);
        at += (int64_t)piece;
        bytes += piece;
        n -= piece;
    }
}

static void end_pending(struct image *image, bool reached_disk)
{
    for (struct pending_write *w = image->first, *next; w != NULL; w = next) {
        next = w->next;
        if (reached_disk)
            apply(w, &image->held);
        free(w->bytes);
        free(w);
    }
    image->first = NULL;
    image->last = &image->first;
}

/* ------------------------------------------------------------------ faults */

/* SQLITE_OK, or the code of the fault whose turn it is. */
static int turn(enum fault_op op, struct image *image)
{
    image->counts[op]++;
    for (size_t i = 0; i < disk.fault_count; i++) {
        struct fault *x = &disk.faults[i];
        if (x->op != op || x->of != image || x->times == 0)
            continue;
        if (x->after > 0) {
            x->after--;
            continue;
        }
        x->times--;
        return x->code;
    }
    return SQLITE_OK;
}

void fault_set(enum fault_op op, const char *suffix, int code, int after, int times)
{
    pthread_mutex_lock(&disk.lock);
    if (disk.fault_count == FAULTS)
        abort();
    disk.faults[disk.fault_count++] = (struct fault){op, image_named(suffix), code, after, times};
    pthread_mutex_unlock(&disk.lock);
}

void fault_clear(void)
{
    pthread_mutex_lock(&disk.lock);
    disk.fault_count = 0;
    pthread_mutex_unlock(&disk.lock);
}

static void begin(struct image *image, const char *path, const char *suffix)
{
    end_pending(image, false);
    free(image->held.data);
    *image = (struct image){.last = &image->first};
    (void)snprintf(image->path, sizeof image->path, "%s%s", path, suffix);
}

void fault_watch(const char *path)
{
    pthread_mutex_lock(&disk.lock);
    begin(&disk.database, path, "");
    begin(&disk.wal, path, "-wal");
    disk.fault_count = 0;
    pthread_mutex_unlock(&disk.lock);
}

unsigned fault_count(enum fault_op op, const char *suffix)
{
    pthread_mutex_lock(&disk.lock);
    unsigned n = image_named(suffix)->counts[op];
    pthread_mutex_unlock(&disk.lock);
    return n;
}

unsigned fault_unsynced(const char *suffix)
{
    unsigned n = 0;
    pthread_mutex_lock(&disk.lock);
    for (const struct pending_write *w = image_named(suffix)->first; w != NULL; w = w->next)
        n++;
    pthread_mutex_unlock(&disk.lock);
    return n;
}

/* ------------------------------------------------------------------ power */

static void write_file(const char *path, const struct bytes *b)
{
    FILE *out = fopen(path, "wb");
    if (out == NULL || fwrite(b->data, 1, b->n, out) != b->n || fclose(out) != 0)
        fail_msg("%s cannot be written", path);
}

static void cut_one(const struct image *image, const char *to, unsigned luck)
{
    unsigned i = 0;
    struct bytes copy = {0};
    resize(&copy, image->held.n);
    if (copy.n > 0)
        memcpy(copy.data, image->held.data, copy.n);
    for (const struct pending_write *w = image->first; w != NULL; w = w->next, i++) {
        if (luck >> (i % 32) & 1)
            apply(w, &copy);
    }
    write_file(to, &copy);
    free(copy.data);
}

void fault_power_cut(const char *to, unsigned luck)
{
    char wal[512];
    (void)snprintf(wal, sizeof wal, "%s-wal", to);
    pthread_mutex_lock(&disk.lock);
    cut_one(&disk.database, to, luck);
    cut_one(&disk.wal, wal, luck);
    pthread_mutex_unlock(&disk.lock);
}

/* ------------------------------------------------------------------ the files' methods */

static struct fault_file *file_of(sqlite3_file *file)
{
    return (struct fault_file *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return file_of(file)->real;
}

static int x_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int x_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    int rc = SQLITE_OK;
    pthread_mutex_lock(&disk.lock);
    if (file_of(file)->image != NULL)
        rc = turn(FAULT_READ, file_of(file)->image);
    pthread_mutex_unlock(&disk.lock);
    return rc != SQLITE_OK ? rc : real_of(file)->pMethods->xRead(real_of(file), out, n, at);
}

static int x_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct image *image = file_of(file)->image;
    pthread_mutex_lock(&disk.lock);
    int rc = image == NULL ? SQLITE_OK : turn(FAULT_WRITE, image);
    if (rc == SQLITE_OK)
        rc = real_of(file)->pMethods->xWrite(real_of(file), bytes, n, at);
    if (rc == SQLITE_OK && image != NULL)
        note_write(image, at, bytes, (size_t)n);
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct image *image = file_of(file)->image;
    pthread_mutex_lock(&disk.lock);
    int rc = real_of(file)->pMethods->xTruncate(real_of(file), size);
    if (rc == SQLITE_OK && image != NULL)
        note(image, size, NULL, 0);
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int x_sync(sqlite3_file *file, int flags)
{
    struct image *image = file_of(file)->image;
    pthread_mutex_lock(&disk.lock);
    int rc = image == NULL ? SQLITE_OK : turn(FAULT_SYNC, image);
    if (rc == SQLITE_OK)
        rc = real_of(file)->pMethods->xSync(real_of(file), flags);
    if (image != NULL)
        end_pending(image, rc == SQLITE_OK);
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

#define FORWARD(name, method, parameters, arguments)                                               \
    static int name parameters                                                                     \
    {                                                                                              \
        return real_of(file)->pMethods->method arguments;                                          \
    }
FORWARD(x_file_size, xFileSize, (sqlite3_file * file, sqlite3_int64 *size), (real_of(file), size))
FORWARD(x_lock, xLock, (sqlite3_file * file, int kind), (real_of(file), kind))
FORWARD(x_unlock, xUnlock, (sqlite3_file * file, int kind), (real_of(file), kind))
FORWARD(x_check_reserved, xCheckReservedLock, (sqlite3_file * file, int *out), (real_of(file), out))
FORWARD(x_control, xFileControl, (sqlite3_file * file, int op, void *arg), (real_of(file), op, arg))
FORWARD(x_sector_size, xSectorSize, (sqlite3_file * file), (real_of(file)))
FORWARD(x_characteristics, xDeviceCharacteristics, (sqlite3_file * file), (real_of(file)))
FORWARD(x_shm_map, xShmMap,
        (sqlite3_file * file, int page, int size, int extend, void volatile **out),
        (real_of(file), page, size, extend, out))
FORWARD(x_shm_lock, xShmLock, (sqlite3_file * file, int at, int n, int flags),
        (real_of(file), at, n, flags))
FORWARD(x_shm_unmap, xShmUnmap, (sqlite3_file * file, int remove_it), (real_of(file), remove_it))

static void x_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_file_size,
    .xLock = x_lock,
    .xUnlock = x_unlock,
    .xCheckReservedLock = x_check_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector_size,
    .xDeviceCharacteristics = x_characteristics,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

/* ------------------------------------------------------------------ the VFS */

static int x_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    struct fault_file *f = file_of(file);
    int rc = SQLITE_OK;
    *f = (struct fault_file){.real = (sqlite3_file *)(void *)(f + 1)};
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    if (path != NULL && (flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) != 0) {
        f->image = image_of(path);
        rc = f->image == NULL ? SQLITE_OK : turn(FAULT_OPEN, f->image);
    }
    pthread_mutex_unlock(&disk.lock);
    if (rc == SQLITE_OK)
        rc = disk.real->xOpen(disk.real, path, f->real, flags, out_flags);
    if (rc == SQLITE_OK)
        file->pMethods = &METHODS;
    return rc;
}

void fault_install(void)
{
    static sqlite3_vfs vfs;
    if (disk.real != NULL)
        return;
    disk.real = sqlite3_vfs_find(NULL);
    vfs = *disk.real; /* what is not overridden works on paths and time, and needs no file */
    vfs.zName = "fault";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct fault_file) + disk.real->szOsFile;
    vfs.xOpen = x_open;
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}
