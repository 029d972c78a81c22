/*
 * Secrets are wiped with OPENSSL_cleanse, which the compiler cannot drop.
 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "mem.h"

enum { SECRET_FILE_MAX = 65536 };

void secret_set(struct secret *s, const char *bytes, size_t n)
{
    char *copy = mem_strndup(bytes, n);
    secret_release(s);
    s->secret_bytes = copy;
    s->len = n;
}

void secret_release(struct secret *s)
{
    if (s->secret_bytes != NULL) {
        OPENSSL_cleanse(s->secret_bytes, s->len);
        free(s->secret_bytes);
    }
    *s = (struct secret){0};
}

static size_t without_trailing_space(const char *bytes, size_t n)
{
    while (n > 0 && strchr(" \t\r\n", bytes[n - 1]) != NULL)
        n--;
    return n;
}

enum err secret_read_file(struct secret *s, const char *path, struct error *e)
{
    enum err result = ERR_NONE;
    size_t have = 0;
    char *bytes = mem_alloc(SECRET_FILE_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        result = error_errno(e, "cannot open %s", path);
        goto out;
    }
    while (have <= SECRET_FILE_MAX) {
        ssize_t n = read(fd, bytes + have, SECRET_FILE_MAX + 1 - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            result = error_errno(e, "cannot read %s", path);
            goto out;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    size_t len = have > SECRET_FILE_MAX ? 0 : without_trailing_space(bytes, have);
    if (have > SECRET_FILE_MAX)
        result =
            error_set(e, ERR_CONFIG, "%s is larger than 64 KiB: it can't be a secret or key", path);
    else if (len == 0)
        result = error_set(e, ERR_CONFIG, "%s is empty", path);
    else
        secret_set(s, bytes, len);
out:
    if (fd >= 0)
        close(fd);
    OPENSSL_cleanse(bytes, SECRET_FILE_MAX + 1);
    free(bytes);
    return result;
}

bool secret_file_is_private(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    mode_t shared = st.st_uid == 0 ? S_IRWXO | S_IWGRP | S_IXGRP : S_IRWXO | S_IRWXG;
    return (st.st_mode & shared) == 0;
}

bool secret_equal(const struct secret *s, const char *bytes, size_t n)
{
    if (s->secret_bytes == NULL || s->len != n)
        return false;
    return CRYPTO_memcmp(s->secret_bytes, bytes, n) == 0;
}
