/*
 * store.url. For PostgreSQL libpq's own parser says whether it can be used, so that a mistake shows
 * with --check and not when the server is to be reached. A password may not stand in it: the file
 * is read by people, and shown to colleagues.
 */
#include "convert.h"

#include <libpq-fe.h>
#include <string.h>

#include "mem.h"

#define ALLOWED                                                                                    \
    "allowed is sqlite:PATH, or postgresql://HOST/DATABASE with what libpq knows behind ? "        \
    "(sslmode=verify-full&sslrootcert=/path), or host=HOST dbname=DATABASE"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool has_password(const PQconninfoOption *options)
{
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, "password") == 0 && o->val != NULL)
            return true;
    }
    return false;
}

/* libpq's reason is not repeated: it quotes what it stumbled over, which may be a password. */
static enum err check_postgres(const struct place *at, const char *text)
{
    PQconninfoOption *options = PQconninfoParse(text, NULL);
    if (options == NULL)
        return refuse(at, "is no PostgreSQL URL that libpq understands; " ALLOWED);
    bool tells_password = has_password(options);
    PQconninfoFree(options);
    if (tells_password)
        return refuse(at,
                      "must not hold the password; put it into a file that the daemon alone can "
                      "read, as host:port:database:user:password, and name that with "
                      "passfile=/path");
    return ERR_NONE;
}

/* The store knows its backend by "sqlite:" and "postgresql:". */
static enum err set_postgres(const struct place *at, const char *text, const char **out)
{
    static const char old[] = "postgres:", name[] = "postgresql:";
    enum err err = check_postgres(at, text);
    if (err != ERR_NONE)
        return err;
    const char *rest = begins(text, old) ? text + strlen(old) : text;
    *out = loading_keep(at->loading, mem_printf("%s%s", begins(rest, name) ? "" : name, rest));
    return ERR_NONE;
}

enum err set_store_url(const struct place *at, const char *text, void *out)
{
    static const char sqlite[] = "sqlite:";
    size_t n = strlen(sqlite);
    if (begins(text, "postgresql:") || begins(text, "postgres:") || begins(text, "host="))
        return set_postgres(at, text, out);
    if (!begins(text, sqlite) || text[n] == '\0')
        return refuse(at, "is not a store's URL; " ALLOWED);
    *(const char **)out =
        loading_keep(at->loading, mem_printf("%s%s", sqlite, loading_path(at->loading, text + n)));
    return ERR_NONE;
}
