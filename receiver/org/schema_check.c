/*
 * The check of the org's schema: describe each object, judge it, keep the outcome. An admin who
 * repairs what was named is not made to wait, so the check is repeated often while something is
 * wrong; it then asks only about the objects that were wrong.
 */
#include <string.h>
#include <strings.h>

#include "schema_int.h"

static const unsigned ALL_OBJECTS = (1u << OBJECT_COUNT) - 1;

static void findings_init(struct schema_findings *f)
{
    f->described = 0;
    buf_init(&f->problems, ORG_SCHEMA_TEXT_MAX - 1);
    buf_init(&f->warnings, ORG_SCHEMA_TEXT_MAX - 1);
}

static void findings_release(struct schema_findings *f)
{
    buf_release(&f->problems);
    buf_release(&f->warnings);
}

/* For this user there is no such object. */
static bool is_absent(enum err err, const struct answer *a)
{
    return err == ERR_NOT_FOUND || strcmp(a->code, "INVALID_TYPE") == 0 ||
           strncmp(a->code, "INSUFFICIENT_ACCESS", strlen("INSUFFICIENT_ACCESS")) == 0;
}

static enum err check_object(struct org_conn *c, enum schema_object object,
                             struct schema_findings *out, struct error *e)
{
    struct answer a;
    struct error why = {0};
    const char *name = schema_object_name(c->org, object);
    enum err err = describe_object(c, name, ERR_NOT_FOUND, &a, &why);
    out->described += err == ERR_NONE;
    if (err == ERR_NONE && !json_is_array(json_object_get(a.root, "fields")))
        err = error_set(&why, ERR_NETWORK,
                        "the org's answer can't be understood: the describe of %s has no fields",
                        name);
    if (err == ERR_NONE || is_absent(err, &a)) {
        schema_judge(c->org, object, a.root, out);
        err = ERR_NONE;
    } else if (e != NULL) {
        *e = why;
    }
    answer_release(&a);
    return err;
}

/* *wrong: those of the asked objects that have problems. */
static enum err check_objects(struct org_conn *c, unsigned asked, unsigned *wrong,
                              struct schema_findings *out, struct error *e)
{
    enum err err = ERR_NONE;
    *wrong = 0;
    for (unsigned i = 0; err == ERR_NONE && i < OBJECT_COUNT; i++) {
        size_t before = out->problems.len;
        if ((asked & (1u << i)) == 0)
            continue;
        err = check_object(c, (enum schema_object)i, out, e);
        if (out->problems.len > before || out->problems.overflow)
            *wrong |= 1u << i;
    }
    return err;
}

static void copy_text(char to[ORG_SCHEMA_TEXT_MAX], const struct buf *from)
{
    memcpy(to, from->data, from->len + 1);
}

static enum err check_all(struct org_conn *c, struct error *e)
{
    struct org_schema found = {.is_checked = true};
    struct schema_findings f;
    unsigned wrong;
    char unseen[SEES_ALL_WHY_MAX];
    findings_init(&f);
    enum err err = check_objects(c, ALL_OBJECTS, &wrong, &f, e);
    if (err == ERR_NONE && f.described == 0) {
        /* not even Campaign: the org does not answer such questions, and says so to our requests
         * where something is really missing */
        findings_release(&f);
        findings_init(&f);
        wrong = 0;
        buf_puts(&f.warnings,
                 "no object can be described: whether all is there can't be checked\n");
    }
    if (err == ERR_NONE)
        err = sees_all_ask(c, unseen, e);
    if (err == ERR_NONE) {
        if (unseen[0] != '\0')
            buf_printf(&f.warnings, "%s\n", unseen);
        copy_text(found.problems, &f.problems);
        copy_text(found.warnings, &f.warnings);
        org_note_schema(c->org, &found, wrong);
    }
    findings_release(&f);
    return err;
}

/* *still: one of them is wrong as before; the outcome is kept. */
static enum err check_wrong_ones(struct org_conn *c, unsigned asked, bool *still, struct error *e)
{
    struct org_schema found;
    struct schema_findings f;
    unsigned wrong;
    findings_init(&f);
    enum err err = check_objects(c, asked, &wrong, &f, e);
    *still = wrong != 0;
    if (err == ERR_NONE && *still) {
        org_schema_get(c->org, &found);
        copy_text(found.problems, &f.problems);
        org_note_schema(c->org, &found, wrong);
    }
    findings_release(&f);
    return err;
}

enum err org_check_schema(struct org_conn *c, struct error *e)
{
    struct org *o = c->org;
    bool still = false;
    pthread_mutex_lock(&o->lock);
    unsigned wrong = o->wrong_objects;
    pthread_mutex_unlock(&o->lock);
    enum err err = wrong == 0 ? ERR_NONE : check_wrong_ones(c, wrong, &still, e);
    if (err == ERR_NONE && !still)
        err = check_all(c, e);
    return err;
}
