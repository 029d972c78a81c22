#define _GNU_SOURCE
/*
 * One request to the admin API, with the token of its file. What the daemon refuses comes as a
 * problem (RFC 9457), whose title and detail are what the admin reads.
 */
#include "ctl.h"

#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>

#include "buf.h"
#include "mem.h"

enum { ANSWER_MAX = 256 << 20, CONNECT_S = 10, ANSWER_S = 200, PAGE_MAX = 1000 };

#define UNIX_SCHEME "unix:"

static size_t on_bytes(char *bytes, size_t one, size_t n, void *ctx)
{
    struct buf *b = ctx;
    if (b->len + one * n > ANSWER_MAX)
        return 0; /* which libcurl takes for a failure */
    buf_put(b, bytes, one * n);
    return one * n;
}

static enum err read_token(struct ctl *c, struct error *e)
{
    if (c->secret_token.len > 0)
        return ERR_NONE;
    enum err err = secret_read_file(&c->secret_token, c->token_file, e);
    return err == ERR_NONE ? err : error_wrap(e, "the admin's token (--token-file)");
}

/* The address for libcurl; a socket's path stands in an option of its own. */
static char *full_url(CURL *curl, const char *url, const char *path)
{
    size_t n = sizeof UNIX_SCHEME - 1;
    if (strncmp(url, UNIX_SCHEME, n) != 0)
        return mem_printf("%.*s%s", (int)(strlen(url) - (url[strlen(url) - 1] == '/')), url, path);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, url + n);
    return mem_printf("http://touchpointd%s", path);
}

static enum err perform(CURL *curl, const struct ctl *c, const char *method, const char *path,
                        const char *text, size_t n, struct buf *answer, struct error *e)
{
    char *url = full_url(curl, c->url, path);
    char *bearer = mem_printf("Authorization: Bearer %s",
                              c->secret_token.len == 0 ? "" : c->secret_token.secret_bytes);
    struct curl_slist *head = curl_slist_append(NULL, bearer);
    head = curl_slist_append(head, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, head);
    if (c->ca_file != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca_file);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the daemon is near; tokens go to no proxy */
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)ANSWER_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(head);
    explicit_bzero(bearer, strlen(bearer));
    free(bearer);
    free(url);
    if (code == CURLE_OK)
        return ERR_NONE;
    return error_set(e, ERR_NETWORK,
                     "no daemon answers at %s: %s; is it running, and is that its admin.address "
                     "(--url)?",
                     c->url, curl_easy_strerror(code));
}

const char *ctl_text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s == NULL ? "" : s;
}

static enum err problem(const struct ctl *c, const struct ctl_answer *a, struct error *e)
{
    if (a->status == 401)
        return error_set(e, ERR_AUTH,
                         "the daemon does not take the token of %s: is it the file of its "
                         "admin.token_file, and was the daemon started or reloaded since it was "
                         "written?",
                         c->token_file);
    const char *title = ctl_text(a->json, "title"), *detail = ctl_text(a->json, "detail");
    if (title[0] == '\0')
        return error_set(e, ERR_INVALID, "%s answers with status %ld, not as a touchpointd would",
                         c->url, a->status);
    return error_set(e, ERR_INVALID, "%s%s%s", title, detail[0] == '\0' ? "" : ": ", detail);
}

enum err ctl_send(struct ctl *c, const char *method, const char *path, const char *bytes, size_t n,
                  struct ctl_answer *out, struct error *e)
{
    struct buf answer;
    CURL *curl = curl_easy_init();
    bool is_open = strncmp(path, "/api/", 5) != 0;
    buf_init(&answer, ANSWER_MAX);
    *out = (struct ctl_answer){0};
    enum err err = is_open ? ERR_NONE : read_token(c, e);
    if (err == ERR_NONE)
        err = perform(curl, c, method, path, bytes, n, &answer, e);
    if (err == ERR_NONE) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
        out->json = json_loadb(answer.len == 0 ? "" : answer.data, answer.len, 0, NULL);
        bool is_well = out->status < 300 || (is_open && out->status == 503);
        if (!is_well || out->json == NULL)
            err = problem(c, out, e);
    }
    curl_easy_cleanup(curl);
    buf_release(&answer);
    return err;
}

enum err ctl_call(struct ctl *c, const char *method, const char *path, json_t *body,
                  struct ctl_answer *out, struct error *e)
{
    char *text = body == NULL ? mem_strdup("") : json_dumps(body, JSON_COMPACT);
    enum err err = ctl_send(c, method, path, text, strlen(text), out, e);
    json_decref(body);
    free(text);
    return err;
}

void ctl_answer_release(struct ctl_answer *a)
{
    json_decref(a->json);
    *a = (struct ctl_answer){0};
}

void ctl_release(struct ctl *c)
{
    secret_release(&c->secret_token);
}

/* ------------------------------------------------------------------ shapes of calls */

int ctl_do(struct ctl *c, const char *method, const char *path, json_t *body,
           void (*show)(const json_t *answer))
{
    struct ctl_answer a;
    struct error e;
    enum err err = ctl_call(c, method, path, body, &a, &e);
    if (err == ERR_NONE && c->json)
        return print_json(&a, CTL_WELL);
    if (err == ERR_NONE)
        show(a.json);
    ctl_answer_release(&a);
    return err == ERR_NONE ? CTL_WELL : ctl_fail(&e);
}

enum err ctl_pages(struct ctl *c, const char *path, const char *query, const char *member,
                   size_t limit, struct ctl_answer *out, struct error *e)
{
    json_t *all = json_array();
    char *after = mem_strdup("");
    enum err err = ERR_NONE;
    bool more = true;
    while (err == ERR_NONE && more && json_array_size(all) < limit) {
        struct ctl_answer page;
        size_t left = limit - json_array_size(all);
        char *full = mem_printf("%s?limit=%zu%s%s%s%s", path, left < PAGE_MAX ? left : PAGE_MAX,
                                query[0] == '\0' ? "" : "&", query,
                                after[0] == '\0' ? "" : "&after=", after);
        err = ctl_call(c, "GET", full, NULL, &page, e);
        free(full);
        if (err == ERR_NONE) {
            json_array_extend(all, json_object_get(page.json, member));
            free(after);
            after = mem_strdup(ctl_text(page.json, "next"));
            more = after[0] != '\0';
        }
        ctl_answer_release(&page);
    }
    free(after);
    *out = (struct ctl_answer){.json = json_pack("{s:o}", member, all)};
    return err;
}
