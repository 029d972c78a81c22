/*
 * Moving: the whole store to a file, or from one, instead of running. A file that is written must
 * not be there yet, is its owner's alone, and is on the disk when this ends well.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "store_transfer.h"

static bool is_stream(const char *file)
{
    return strcmp(file, "-") == 0;
}

static enum err open_new(const char *file, FILE **out, struct error *e)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (*out != NULL)
        return ERR_NONE;
    return errno == EEXIST ? error_set(e, ERR_INVALID, "%s exists; name another file", file)
                           : error_errno(e, "%s", file);
}

static enum err load(const char *config_file, struct config **c, struct error *e)
{
    enum err err = config_load(c, config_file, e);
    if (err == ERR_NONE)
        log_setup((*c)->log.level, (*c)->log.format);
    return err;
}

static enum err export_to(const struct config *c, FILE *out, const char *file, struct error *e)
{
    int64_t rows = 0;
    struct store_options o = daemon_store_options(c);
    enum err err = store_export(&o, out, &rows, e);
    /* a pipe can't be synced */
    if (err == ERR_NONE && fsync(fileno(out)) != 0 && errno != EINVAL && errno != EROFS)
        err = error_errno(e, "%s", file);
    if (err == ERR_NONE)
        (void)fprintf(stderr, "touchpointd: exported %lld rows\n", (long long)rows);
    return err;
}

enum err transfer_export(const char *config_file, const char *file, struct error *e)
{
    struct config *c = NULL;
    FILE *out = stdout;
    enum err err = load(config_file, &c, e);
    if (err == ERR_NONE && !is_stream(file))
        err = open_new(file, &out, e);
    if (err == ERR_NONE) {
        err = export_to(c, out, file, e);
        bool is_closed = out == stdout || fclose(out) == 0;
        if (err == ERR_NONE && !is_closed)
            err = error_errno(e, "%s", file);
        if (err != ERR_NONE && !is_stream(file))
            (void)unlink(file);
    }
    config_free(&c);
    return err;
}

enum err transfer_import(const char *config_file, const char *file, struct error *e)
{
    struct config *c = NULL;
    int64_t rows = 0;
    FILE *in = stdin;
    enum err err = load(config_file, &c, e);
    if (err == ERR_NONE && !is_stream(file))
        in = fopen(file, "re");
    if (err == ERR_NONE && in == NULL)
        err = error_errno(e, "%s", file);
    if (err == ERR_NONE) {
        struct store_options o = daemon_store_options(c);
        err = store_import(&o, in, &rows, e);
    }
    if (in != NULL && in != stdin)
        (void)fclose(in);
    if (err == ERR_NONE)
        (void)fprintf(stderr, "touchpointd: imported %lld rows\n", (long long)rows);
    config_free(&c);
    return err;
}
