#define _GNU_SOURCE
#include "intake_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash.h"
#include "mem.h"

#define FILE_MAGIC   UINT64_C(0x31474f4c54505054) /* "TPTPLOG1" backwards */
#define RECORD_MAGIC UINT32_C(0x43525054)         /* "TPRC" */

enum { ASIDE_MAX = 100, ZEROS = 256 << 10, FILE_BYTES = INTAKE_LOG_HEAD + 2 * INTAKE_LOG_HALF };

struct file_head {
    uint64_t magic;
    uint64_t salt;
    int64_t database;
    uint64_t check; /* of the three */
};

struct record_head {
    uint32_t magic;
    uint32_t bytes;
    int64_t number;
    uint64_t check; /* of salt, number, bytes and payload */
};

struct half {
    int64_t last; /* the number of its last record; 0: none */
    size_t used;
};

struct intake_log {
    int fd;
    char *path;
    uint64_t salt;
    int64_t next;
    int at; /* the half that is written */
    struct half halves[2];
    char *record; /* the one under way, for one write */
    size_t record_room;
};

static size_t padded(size_t n)
{
    return (sizeof(struct record_head) + n + 7) / 8 * 8;
}

static uint64_t file_check(const struct file_head *h)
{
    return hash_bytes(HASH_START, h, offsetof(struct file_head, check));
}

static uint64_t record_check(uint64_t salt, const struct record_head *h, const char *payload)
{
    uint64_t seed[] = {salt, (uint64_t)h->number, h->bytes};
    return hash_bytes(hash_bytes(HASH_START, seed, sizeof seed), payload, h->bytes);
}

/* ------------------------------------------------------------------ files */

static enum err write_all(int fd, const char *path, const void *bytes, size_t n, off_t at,
                          struct error *e)
{
    for (const char *from = bytes; n > 0;) {
        ssize_t got = pwrite(fd, from, n, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_errno(e, "%s", path);
        from += got;
        at += got;
        n -= (size_t)got;
    }
    return ERR_NONE;
}

/* A file without a name would be gone with the process. */
static enum err sync_data(int fd, const char *path, struct error *e)
{
    struct stat st;
    if (fdatasync(fd) != 0 || fstat(fd, &st) != 0)
        return error_errno(e, "%s: sync", path);
    return st.st_nlink > 0 ? ERR_NONE
                           : error_set(e, ERR_IO, "%s: it was removed while it is in use", path);
}

static enum err sync_folder(const char *path, struct error *e)
{
    const char *name = strrchr(path, '/') + 1;
    char *folder = mem_strndup(path, (size_t)(name - path));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = fd >= 0 && fsync(fd) == 0 ? ERR_NONE : error_errno(e, "%s: sync", folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return err;
}

static enum err fill(int fd, const char *path, const struct file_head *head, struct error *e)
{
    char *zeros = mem_alloc(ZEROS);
    enum err err = ERR_NONE;
    for (off_t at = 0; at < FILE_BYTES && err == ERR_NONE; at += ZEROS) {
        size_t n = FILE_BYTES - at < ZEROS ? (size_t)(FILE_BYTES - at) : ZEROS;
        err = write_all(fd, path, zeros, n, at, e);
    }
    free(zeros);
    if (err == ERR_NONE)
        err = write_all(fd, path, head, sizeof *head, 0, e);
    if (err == ERR_NONE && fsync(fd) != 0)
        err = error_errno(e, "%s: sync", path);
    return err;
}

static enum err draw_salt(uint64_t *out, struct error *e)
{
    return getrandom(out, sizeof *out, 0) == sizeof *out ? ERR_NONE
                                                         : error_errno(e, "random numbers");
}

/* Under another name until it is whole. */
static enum err make(const char *path, int *fd, const struct file_head *head, struct error *e)
{
    char *unfinished = mem_printf("%s.new", path);
    *fd = open(unfinished, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum err err = *fd >= 0 ? fill(*fd, unfinished, head, e) : error_errno(e, "%s", unfinished);
    if (err == ERR_NONE && rename(unfinished, path) != 0)
        err = error_errno(e, "%s", path);
    if (err == ERR_NONE)
        err = sync_folder(path, e);
    if (err != ERR_NONE && *fd >= 0) {
        close(*fd);
        (void)unlink(unfinished);
    }
    free(unfinished);
    return err;
}

enum err intake_log_create(struct intake_log **out, const char *path, int64_t database,
                           int64_t first, struct error *e)
{
    struct file_head head = {.magic = FILE_MAGIC, .database = database};
    int fd = -1;
    enum err err = draw_salt(&head.salt, e);
    head.check = file_check(&head);
    if (err == ERR_NONE)
        err = make(path, &fd, &head, e);
    if (err != ERR_NONE)
        return err;
    struct intake_log *l = mem_alloc(sizeof *l);
    l->fd = fd;
    l->path = mem_strdup(path);
    l->salt = head.salt;
    l->next = first;
    *out = l;
    return ERR_NONE;
}

void intake_log_close(struct intake_log **l)
{
    if (*l == NULL)
        return;
    close((*l)->fd);
    free((*l)->path);
    free((*l)->record);
    free(*l);
    *l = NULL;
}

enum err intake_log_remove(const char *path, struct error *e)
{
    if (unlink(path) != 0)
        return errno == ENOENT ? ERR_NONE : error_errno(e, "%s", path);
    return sync_folder(path, e);
}

enum err intake_log_put_aside(const char *path, struct error *e)
{
    int rc = -1;
    errno = EEXIST;
    for (int i = 0; i < ASIDE_MAX && rc != 0 && errno == EEXIST; i++) {
        char *aside =
            i == 0 ? mem_printf("%s.damaged", path) : mem_printf("%s.damaged.%d", path, i);
        rc = renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE);
        free(aside);
    }
    return rc == 0 ? sync_folder(path, e) : error_errno(e, "%s: it cannot be renamed", path);
}

/* ------------------------------------------------------------------ appending */

static bool fits(const struct half *h, size_t n)
{
    return padded(n) <= INTAKE_LOG_HALF - h->used;
}

bool intake_log_has_room(const struct intake_log *l, size_t n, int64_t entered)
{
    return fits(&l->halves[l->at], n) || l->halves[1 - l->at].last <= entered;
}

static void lay_out_record(struct intake_log *l, const char *payload, size_t n)
{
    size_t size = padded(n);
    if (size > l->record_room) {
        l->record = mem_resize(l->record, size, 1);
        l->record_room = size;
    }
    struct record_head head = {.magic = RECORD_MAGIC, .bytes = (uint32_t)n, .number = l->next};
    head.check = record_check(l->salt, &head, payload);
    memcpy(l->record, &head, sizeof head);
    memcpy(l->record + sizeof head, payload, n);
    memset(l->record + sizeof head + n, 0, size - sizeof head - n);
}

enum err intake_log_append(struct intake_log *l, const char *payload, size_t n, int64_t *number,
                           struct error *e)
{
    if (!fits(&l->halves[l->at], n)) {
        l->at = 1 - l->at;
        l->halves[l->at] = (struct half){0};
    }
    struct half *h = &l->halves[l->at];
    off_t at = INTAKE_LOG_HEAD + (off_t)l->at * INTAKE_LOG_HALF + (off_t)h->used;
    lay_out_record(l, payload, n);
    enum err err = write_all(l->fd, l->path, l->record, padded(n), at, e);
    if (err == ERR_NONE)
        err = sync_data(l->fd, l->path, e);
    if (err != ERR_NONE)
        return err;
    h->used += padded(n);
    h->last = *number = l->next++;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ reading */

struct reading {
    char *bytes;
    uint64_t salt;
    int64_t after;
    int64_t last; /* that was found; 0: none */
    bool is_own;  /* of the database that reads */
    intake_log_visit *visit;
    void *ctx;
};

/* The record at that place of that half; NULL: none that is whole. */
static const char *record_at(const struct reading *r, int half, size_t at, struct record_head *out)
{
    const char *from = r->bytes + INTAKE_LOG_HEAD + (size_t)half * INTAKE_LOG_HALF + at;
    if (INTAKE_LOG_HALF - at < sizeof *out)
        return NULL;
    memcpy(out, from, sizeof *out);
    if (out->magic != RECORD_MAGIC || out->bytes > INTAKE_LOG_PAYLOAD_MAX ||
        padded(out->bytes) > INTAKE_LOG_HALF - at)
        return NULL;
    from += sizeof *out;
    return record_check(r->salt, out, from) == out->check ? from : NULL;
}

/* The next whole record of that half that is later than `last`, from *at on; NULL: none. */
static const char *next_record(const struct reading *r, int half, size_t *at, int64_t last,
                               struct record_head *out)
{
    for (; *at < INTAKE_LOG_HALF; *at += 8) {
        const char *payload = record_at(r, half, *at, out);
        if (payload != NULL && out->number > last)
            return payload;
    }
    return NULL;
}

/* A gap says that a record was durable which can't be read; it matters if that had not entered.
 * Before the first record there is one only if the numbers are this database's. */
static enum err read_half(struct reading *r, int half, const char **damage, struct error *e)
{
    struct record_head h;
    const char *payload;
    enum err err = ERR_NONE;
    for (size_t at = 0;
         err == ERR_NONE && (payload = next_record(r, half, &at, r->last, &h)) != NULL;
         at += padded(h.bytes)) {
        if ((r->last != 0 || r->is_own) && h.number > (r->last > r->after ? r->last : r->after) + 1)
            *damage = "a record that was written before others can't be read";
        if (h.number > r->after)
            err = r->visit(r->ctx, h.number, payload, h.bytes, e);
        r->last = h.number;
    }
    return err;
}

static int64_t first_of(const struct reading *r, int half)
{
    struct record_head h;
    size_t at = 0;
    return next_record(r, half, &at, 0, &h) != NULL ? h.number : INT64_MAX;
}

static enum err read_halves(struct reading *r, const char **damage, struct error *e)
{
    int older = first_of(r, 0) < first_of(r, 1) ? 0 : 1;
    enum err err = read_half(r, older, damage, e);
    return err == ERR_NONE ? read_half(r, 1 - older, damage, e) : err;
}

static enum err load(const char *path, int64_t database, struct reading *r, const char **damage,
                     struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(e, "%s", path);
    size_t got = 0;
    ssize_t n = 1;
    r->bytes = mem_alloc(FILE_BYTES);
    while (n > 0 && got < FILE_BYTES) {
        n = pread(fd, r->bytes + got, FILE_BYTES - got, (off_t)got);
        got += n > 0 ? (size_t)n : 0;
    }
    enum err err = n < 0 ? error_errno(e, "%s", path) : ERR_NONE;
    close(fd);
    struct file_head head;
    memcpy(&head, r->bytes, sizeof head);
    r->salt = head.salt;
    r->is_own = head.database == database;
    if (!r->is_own)
        r->after = 0;
    if (err == ERR_NONE && (head.magic != FILE_MAGIC || head.check != file_check(&head)))
        *damage = "its head can't be read";
    return err;
}

enum err intake_log_read(const char *path, int64_t database, int64_t after, intake_log_visit *visit,
                         void *ctx, bool *found, const char **damage, struct error *e)
{
    struct reading r = {.after = after, .visit = visit, .ctx = ctx};
    *damage = NULL;
    *found = access(path, F_OK) == 0 || errno != ENOENT;
    if (!*found)
        return ERR_NONE;
    enum err err = load(path, database, &r, damage, e);
    if (err == ERR_NONE && *damage == NULL && r.bytes != NULL)
        err = read_halves(&r, damage, e);
    free(r.bytes);
    return err;
}
