/*
 * What else the store holds: refused documents, the ledger of what was written to the org; and the
 * erasing of what is held of a person.
 */
#include "store_routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* An email is at most 254 bytes (RFC 5321), and Salesforce's field is shorter. */
enum { EMAIL_SIZE = 256, LEDGER_LOOKED_AT = 20 };

static json_t *next_number(bool more, int64_t id)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)id);
    return more ? json_string(text) : json_null();
}

/* ------------------------------------------------------------------ quarantine */

static json_t *document_json(const struct store_quarantined *d)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:s, s:o, s:I, s:I}", "id", (json_int_t)d->id, "at",
                     json_at(d->at_ms), "org", json_or_null(d->org), "peer", json_or_null(d->peer),
                     "reason", d->reason, "message", json_or_null(d->message), "size",
                     (json_int_t)d->size, "kept", (json_int_t)d->kept);
}

static void run_quarantine(struct ask *k, struct answer *out)
{
    struct error e;
    int64_t after;
    size_t limit, n;
    if (!argument_limit(k->args, &limit, out) || !argument_after(k->args, &after, out))
        return;
    struct store_quarantined *page = mem_array(limit, sizeof *page);
    enum err err = store_quarantine_walk(k->admin->options.store, after, page, limit, &n, &e);
    if (err != ERR_NONE) {
        answer_error(out, err, &e);
    } else {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, document_json(&page[i]));
        answer_json(out, 200,
                    json_pack("{s:o, s:o}", "documents", list, "next",
                              next_number(n == limit, n > 0 ? page[n - 1].id : 0)));
    }
    free(page);
}

void route_quarantine(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"limit", "after", NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_quarantine, out);
}

/* Whatever is no UTF-8 shows as '?': the document may be anything. */
static json_t *body_json(const struct buf *body)
{
    json_t *text = json_stringn(body->len == 0 ? "" : body->data, body->len);
    if (text != NULL)
        return text;
    char *copy = mem_alloc(body->len + 1);
    for (size_t i = 0; i < body->len; i++)
        copy[i] = (unsigned char)body->data[i] < 0x80 ? body->data[i] : '?';
    text = json_stringn(copy, body->len);
    free(copy);
    return text;
}

static void run_document(struct ask *k, struct answer *out)
{
    struct store_quarantined d;
    struct error e;
    struct buf body;
    int64_t id;
    if (!parse_number(argument_text(k->args, "id"), &id)) {
        answer_problem(out, 404, "Not found", "a document's id is a number, as the list shows it");
        return;
    }
    buf_init(&body, STORE_DOCUMENT_MAX);
    enum err err = store_quarantine_get(k->admin->options.store, id, &d, &body, &e);
    if (err == ERR_NONE) {
        json_t *o = document_json(&d);
        json_object_set_new(o, "body", body_json(&body));
        answer_json(out, 200, o);
    } else {
        answer_error(out, err, &e);
    }
    buf_release(&body);
}

void route_document(struct admin *a, const struct request *q, struct answer *out)
{
    ask_store_later(a, q, json_pack("{s:s}", "id", q->id), run_document, out);
}

/* ------------------------------------------------------------------ ledger */

static const char *optional(const json_t *args, const char *name, const char *prefix,
                            char id[SFID_SIZE], bool *ok, struct answer *out)
{
    if (!*ok || json_object_get(args, name) == NULL)
        return NULL;
    *ok = argument_id(args, name, prefix, id, out);
    return id;
}

static void run_ledger(struct ask *k, struct answer *out)
{
    char org[SFID_SIZE], campaign[SFID_SIZE], member[SFID_SIZE];
    struct error e;
    int64_t at;
    size_t limit, n;
    bool ok = true, more;
    const char *o = optional(k->args, "org", "00D", org, &ok, out);
    const char *c = optional(k->args, "campaign", "701", campaign, &ok, out);
    const char *m = optional(k->args, "member", NULL, member, &ok, out);
    if (!ok || !argument_limit(k->args, &limit, out) || !argument_after(k->args, &at, out))
        return;
    struct store_ledger_entry *page = mem_array(limit, sizeof *page);
    enum err err =
        store_ledger_walk(k->admin->options.store, o, c, m, &at, page, limit, &n, &more, &e);
    if (err != ERR_NONE) {
        answer_error(out, err, &e);
    } else {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_ledger(&page[i]));
        store_ledger_release(page, n);
        answer_json(out, 200,
                    json_pack("{s:o, s:o}", "ledger", list, "next", next_number(more, at)));
    }
    free(page);
}

void route_ledger(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "campaign", "member", "limit", "after", NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_ledger, out);
}

/* ------------------------------------------------------------------ forget */

/* The email that the last touchpoint of a member had; "": it was never told, or is erased. */
static enum err email_of_member(struct store *s, const char *org, const char *member,
                                char email[EMAIL_SIZE], struct error *e)
{
    struct store_ledger_entry *page = mem_array(LEDGER_LOOKED_AT, sizeof *page);
    int64_t before = 0;
    size_t n = 0;
    bool more;
    enum err err =
        store_ledger_walk(s, org, NULL, member, &before, page, LEDGER_LOOKED_AT, &n, &more, e);
    for (size_t i = 0; err == ERR_NONE && i < n && email[0] == '\0'; i++) {
        const char *text = page[i].after_json != NULL ? page[i].after_json : page[i].before_json;
        json_t *values = text == NULL ? NULL : json_loads(text, 0, NULL);
        const char *found = argument_text(values, "email");
        (void)snprintf(email, EMAIL_SIZE, "%s", strlen(found) < EMAIL_SIZE ? found : "");
        json_decref(values);
    }
    if (err == ERR_NONE)
        store_ledger_release(page, n);
    free(page);
    return err;
}

static bool argument_email(const json_t *args, char email[EMAIL_SIZE], struct answer *out)
{
    const json_t *value = json_object_get(args, "email");
    const char *text = argument_text(args, "email"), *at = strchr(text, '@');
    (void)snprintf(email, EMAIL_SIZE, "%s", text);
    return value == NULL ||
           (at != NULL && at != text && at[1] != '\0' && strlen(text) < EMAIL_SIZE) ||
           argument_refuse(out, "email", "is a person's whole email address");
}

static void run_forget(struct ask *k, struct answer *out)
{
    char org[SFID_SIZE], record[SFID_SIZE], email[EMAIL_SIZE];
    struct store *s = k->admin->options.store;
    struct store_forgotten x;
    struct error e;
    bool dry_run;
    if (!argument_org(k->admin, k->args, org, out) ||
        !argument_id(k->args, "record", NULL, record, out) ||
        !argument_email(k->args, email, out) || !argument_bool(k->args, "dry_run", &dry_run, out))
        return;
    enum err err = email[0] == '\0' && sfid_has_prefix(record, "00v")
                       ? email_of_member(s, org, record, email, &e)
                       : ERR_NONE;
    if (err == ERR_NONE)
        err = store_forget(s, org, record, email, dry_run, &x, &e);
    if (err == ERR_NONE)
        answer_json(out, 200,
                    json_pack("{s:I, s:I, s:I, s:I}", "ledger", (json_int_t)x.ledger, "messages",
                              (json_int_t)x.messages, "documents", (json_int_t)x.documents,
                              "job_items", (json_int_t)x.items));
    else
        answer_error(out, err, &e);
}

void route_forget(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "record", "email", "dry_run", NULL};
    json_t *args = arguments_of_body(q, names, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_forget, out);
}
