/*
 * convert - one text of the file to one field, or the sentence why not
 *
 * A setter gets the text (the default when the key is absent) and the field's address; the row of
 * the settings table tells it the range or the words.
 */
#ifndef TP_CONVERT_H
#define TP_CONVERT_H

#include <stdint.h>

#include "error.h"
#include "source.h"

struct loading {
    struct source *source;
    const char *dir; /* absolute directory of the file, without a slash at its end */
    void **blocks;   /* memory that lives as long as the configuration */
    size_t block_count, block_room;
};

/* Takes the block over; gives it back. */
void *loading_keep(struct loading *l, void *block);
/* Absolute, relative to the file's directory; kept. */
const char *loading_path(struct loading *l, const char *path);

struct setting;
struct place {
    struct loading *loading;
    const char *path; /* "listen.max_body" */
    const struct setting *setting;
    struct error *e;
};
typedef enum err setter(const struct place *at, const char *text, void *out);

struct setting {
    const char *key;
    size_t raw, out; /* offsets */
    setter *set;
    const char *fallback; /* NULL: required */
    int64_t least, most;
    const char *const *words; /* ends with NULL */
};

/* "FILE:LINE: path: …" */
enum err loading_refuse(struct loading *l, const char *path, struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A constant result, so that analysers see that what follows a refusal is not reached. */
#define refuse(at, ...)                                                                            \
    ((void)loading_refuse((at)->loading, (at)->path, (at)->e, __VA_ARGS__), (enum err)ERR_CONFIG)

setter set_text, set_text_or_none, set_path_or_none; /* const char * */
setter set_duration;                                 /* int64_t, ms */
setter set_size;                                     /* uint64_t, bytes */
setter set_count;                                    /* unsigned, or an int that is not negative */
setter set_threads;                                  /* unsigned; "auto" is one a core */
setter set_choice;                                   /* an enum whose values number the words */
setter set_flag;                                     /* bool: the second word is true */
setter set_reconcile;                                /* const char * */
setter set_zone;                                     /* const char * */
setter set_channel;                                  /* const char * */
setter set_org_id;                                   /* char[SFID_SIZE] */
setter set_api_version;                              /* const char * */

setter set_address, set_admin_address; /* const char *; convert_net.c */
setter set_host_or_none, set_http_path, set_url, set_login_url, set_store_url;

typedef const char *const word_list[]; /* ends with NULL */
extern word_list WORDS_CLIENT_CERTIFICATE, WORDS_EXPIRED_PINS, WORDS_BOOL, WORDS_LEVEL,
    WORDS_FORMAT, WORDS_PRECEDENCE, WORDS_END_DATE, WORDS_WINDOW, WORDS_DEDUPE, WORDS_AUTH;

#endif
