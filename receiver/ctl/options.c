/*
 * Options behind a command: found by its own table wherever they stand, so that the words that are
 * left are its arguments; and the forms that their values have.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "timeutil.h"

enum { QUERY_MAX = 8192 };

int ctl_usage(const char *problem)
{
    (void)fprintf(stderr, "touchpointctl: %s\n", problem);
    return CTL_USAGE;
}

static int usage_of(const char *option, const char *problem)
{
    (void)fprintf(stderr, "touchpointctl: %s %s\n", option, problem);
    return -1;
}

static const struct ctl_option *find(const char *word, const struct ctl_option *options, size_t n)
{
    size_t len = strcspn(word, "=");
    for (size_t i = 0; i < n; i++) {
        if (strlen(options[i].name) == len && strncmp(options[i].name, word, len) == 0)
            return &options[i];
    }
    return NULL;
}

/* value: what follows a name that wants one. */
static void print_options(FILE *to, const struct ctl_option *options, size_t n, const char *value)
{
    for (size_t i = 0; i < n; i++)
        (void)fprintf(to, " --%s%s", options[i].name, options[i].flag == NULL ? value : "");
    (void)fprintf(to, " --json\n");
}

static bool refuse_unknown(const char *word, const struct ctl_option *options, size_t n)
{
    (void)fprintf(stderr, "touchpointctl: %s is no option of this command, which takes", word);
    print_options(stderr, options, n, "");
    return false;
}

static bool tell_options(struct ctl *c, const struct ctl_option *options, size_t n)
{
    (void)printf("options:");
    print_options(stdout, options, n, " …");
    c->is_helped = true;
    return false;
}

/* Takes the option at argv[*i]; *i moves onto its value. False: told. */
static bool take(struct ctl *c, int argc, char **argv, int *i, const struct ctl_option *options,
                 size_t n)
{
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    const struct ctl_option *o = find(word, options, n);
    if (strcmp(word, "json") == 0) {
        c->json = true;
        return true;
    }
    if (o == NULL && strcmp(word, "help") == 0)
        return tell_options(c, options, n);
    if (o == NULL)
        return refuse_unknown(argv[*i], options, n);
    if (o->flag != NULL) {
        *o->flag = true;
        return equals == NULL || usage_of(argv[*i], "takes no value") == 0;
    }
    if (equals == NULL && *i + 1 == argc)
        return usage_of(argv[*i], "needs a value") == 0;
    *o->value = equals != NULL ? equals + 1 : argv[++*i];
    return true;
}

int ctl_options(struct ctl *c, int argc, char **argv, const struct ctl_option *options, size_t n,
                int least, int most)
{
    int left = 0;
    bool ended = false;
    for (int i = 0; i < argc; i++) {
        if (!ended && strcmp(argv[i], "--") == 0)
            ended = true;
        else if (ended || strncmp(argv[i], "--", 2) != 0)
            argv[left++] = argv[i];
        else if (!take(c, argc, argv, &i, options, n))
            return -1;
    }
    if (left >= least && (most < 0 || left <= most))
        return left;
    (void)fprintf(stderr, "touchpointctl: %s; --help tells what this command takes\n",
                  left < least ? "an argument is missing" : "there are too many arguments");
    return -1;
}

char *ctl_query(const struct ctl_option *options, size_t n)
{
    struct buf b;
    buf_init(&b, QUERY_MAX);
    for (size_t i = 0; i < n; i++) {
        if (options[i].query == NULL || *options[i].value == NULL)
            continue;
        buf_printf(&b, "%s%s=", b.len == 0 ? "" : "&", options[i].query);
        buf_put_url(&b, *options[i].value);
    }
    char *query = b.len == 0 ? mem_strdup("") : buf_take(&b);
    buf_release(&b);
    return query;
}

size_t ctl_number(const char *text, size_t otherwise)
{
    char *end = NULL;
    if (text == NULL)
        return otherwise;
    errno = 0;
    unsigned long n = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (errno == 0 && end != NULL && *end == '\0' && n > 0)
        return n;
    (void)fprintf(stderr, "touchpointctl: %s is no positive number\n", text);
    return 0;
}

char *ctl_time(const char *text)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char at[TIME_TEXT_MAX];
    int64_t day;
    size_t digits = strspn(text, "0123456789");
    if (time_parse_date(text, strlen(text), &day))
        return mem_printf("%sT00:00:00Z", text);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (digits > 0 && digits < 7 && text[digits] == units[i].unit && text[digits + 1] == '\0')
            return mem_strdup(
                time_format_datetime(time_wall_ms() - strtol(text, NULL, 10) * units[i].ms, at));
    }
    return mem_strdup(text); /* the daemon says what is wrong with it */
}
