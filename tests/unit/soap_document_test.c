#define _GNU_SOURCE
/*
 * The reader against documents, one file a case:
 *   soap/accept/NAME.xml with NAME.expect: "org ID", then a line for each notification:
 *       id object record campaign member person-contact     ("-" is empty)
 *   soap/refuse/CODE.NAME.xml, where CODE is the problem's code
 * Hermetic: reads the source tree (TP_SOURCE, else the current directory) and writes nothing.
 */
#include "soap.h"

#include <dirent.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf.h"
#include "mem.h"

enum { FILE_MAX = 1 << 20 };

static char *path_of(const char *folder, const char *name)
{
    const char *root = getenv("TP_SOURCE");
    return mem_printf("%s/tests/unit/soap/%s/%s", root == NULL ? "." : root, folder, name);
}

static void read_whole(const char *folder, const char *name, struct buf *out)
{
    char chunk[4096];
    char *path = path_of(folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("cannot open %s (run from the source tree or set TP_SOURCE)", path);
    buf_init(out, FILE_MAX);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_put(out, chunk, n);
    assert_false(out->overflow);
    assert_int_equal(ferror(f), 0);
    (void)fclose(f);
    free(path);
}

typedef void check_fn(struct soap_reader *r, const char *name, const struct buf *body);

/* Calls check for each .xml file of the folder; gives how many there were. */
static size_t walk_folder(const char *folder, struct soap_reader *r, check_fn *check)
{
    size_t seen = 0;
    char *path = path_of(folder, "");
    DIR *dir = opendir(path);
    if (dir == NULL)
        fail_msg("cannot open %s (run from the source tree or set TP_SOURCE)", path);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        size_t n = strlen(d->d_name);
        if (n < 5 || strcmp(d->d_name + n - 4, ".xml") != 0)
            continue;
        struct buf body;
        read_whole(folder, d->d_name, &body);
        check(r, d->d_name, &body);
        buf_release(&body);
        seen++;
    }
    (void)closedir(dir);
    free(path);
    return seen;
}

static const char *or_dash(const char *s)
{
    return s[0] == '\0' ? "-" : s;
}

static void describe(const struct soap_message *m, struct buf *out)
{
    buf_init(out, FILE_MAX);
    buf_printf(out, "org %s\n", m->org_id);
    for (size_t i = 0; i < m->count; i++) {
        const struct soap_notification *n = &m->notifications[i];
        buf_printf(out, "%s %s %s %s %s %s\n", n->id, or_dash(n->object), or_dash(n->record_id),
                   or_dash(n->campaign_id), or_dash(n->member_id), or_dash(n->person_contact_id));
    }
}

static void check_accepted(struct soap_reader *r, const char *name, const struct buf *body)
{
    struct soap_message m;
    unsigned line;
    struct buf got, want;

    enum soap_problem p = soap_read(r, body->data, body->len, &m, &line);
    if (p != SOAP_OK)
        fail_msg("%s: want it accepted, got %s at line %u", name, soap_problem_code(p), line);
    describe(&m, &got);
    char *expect = mem_printf("%.*s.expect", (int)strlen(name) - 4, name);
    read_whole("accept", expect, &want);
    if (strcmp(got.data, want.data) != 0)
        fail_msg("%s: want\n%sgot\n%s", name, want.data, got.data);
    free(expect);
    buf_release(&got);
    buf_release(&want);
}

static void check_refused(struct soap_reader *r, const char *name, const struct buf *body)
{
    struct soap_message m = {.count = 99};
    unsigned line = 99999;

    enum soap_problem p = soap_read(r, body->data, body->len, &m, &line);
    size_t n = strcspn(name, ".");
    const char *got = soap_problem_code(p);
    if (strlen(got) != n || memcmp(got, name, n) != 0)
        fail_msg("%s: got %s at line %u", name, got, line);
    if (m.count != 0 || m.notifications != NULL || m.org_id[0] != '\0')
        fail_msg("%s: refused, but something was given out", name);
    if (line > 200)
        fail_msg("%s: line %u is not in the document", name, line);
}

static void accepted_documents_give_what_their_expectation_says(void **state)
{
    (void)state;
    struct soap_reader *r = soap_reader_new();
    assert_true(walk_folder("accept", r, check_accepted) >= 70);
    soap_reader_free(&r);
}

static void refused_documents_give_the_code_in_their_name(void **state)
{
    (void)state;
    struct soap_reader *r = soap_reader_new();
    assert_true(walk_folder("refuse", r, check_refused) >= 119);
    soap_reader_free(&r);
}

/* The reader of each check is fresh here, so that a case can't lean on the one before it. */
static void check_alone(struct soap_reader *r, const char *name, const struct buf *body)
{
    (void)r;
    struct soap_reader *own = soap_reader_new();
    check_accepted(own, name, body);
    soap_reader_free(&own);
}

static void a_new_reader_accepts_the_same(void **state)
{
    (void)state;
    assert_true(walk_folder("accept", NULL, check_alone) >= 70);
}

static unsigned codes_seen[SOAP_TOO_LARGE + 1];

static void note_code(struct soap_reader *r, const char *name, const struct buf *body)
{
    (void)r;
    (void)body;
    for (int p = SOAP_EMPTY_BODY; p <= SOAP_TOO_LARGE; p++) {
        const char *code = soap_problem_code((enum soap_problem)p);
        if (strlen(code) == strcspn(name, ".") && strncmp(code, name, strlen(code)) == 0)
            codes_seen[p]++;
    }
}

static void every_code_has_a_document(void **state)
{
    (void)state;
    (void)walk_folder("refuse", NULL, note_code);
    for (int p = SOAP_EMPTY_BODY; p <= SOAP_TOO_LARGE; p++) {
        if (codes_seen[p] == 0)
            fail_msg("no document for %s", soap_problem_code((enum soap_problem)p));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_documents_give_what_their_expectation_says),
        cmocka_unit_test(refused_documents_give_the_code_in_their_name),
        cmocka_unit_test(a_new_reader_accepts_the_same),
        cmocka_unit_test(every_code_has_a_document),
    };
    soap_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
