/* Helpers of the tests; linked only into them. */
#include "test_org.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "locks.h"
#include "mem.h"
#include "message.h"
#include "objects.h"
#include "query.h"
#include "records.h"
#include "service.h"

static _Noreturn void die(const char *what, const char *detail)
{
    fprintf(stderr, "test_org: %s: %s\n", what, detail);
    abort();
}

static void write_secret(const char *path)
{
    FILE *f = fopen(path, "we");
    if (f == NULL || fputs("s3cret\n", f) < 0 || fclose(f) != 0 || chmod(path, 0600) != 0)
        die("cannot write", path);
}

void test_login(struct test_org *org)
{
    struct sim_request r;
    struct sim_reply reply = {.status = 0};
    sim_request_parse(&r, HTTP_POST, "/services/oauth2/token");
    r.body = "grant_type=client_credentials&client_id=orgsim&client_secret=s3cret";
    r.body_len = strlen(r.body);
    service_execute(org->sim, &r, &reply);
    const char *token = json_string_value(json_object_get(reply.json, "access_token"));
    if (token == NULL)
        die("no token", "client credentials");
    snprintf(org->token, sizeof org->token, "Bearer %s", token);
    sim_reply_release(&reply);
    sim_request_release(&r);
}

struct test_org *test_org_new(void)
{
    struct test_org *org = mem_alloc(sizeof *org);
    struct error e;
    snprintf(org->directory, sizeof org->directory, "/tmp/orgsim-test-XXXXXX");
    if (mkdtemp(org->directory) == NULL)
        die("mkdtemp", org->directory);
    snprintf(org->secret_file, sizeof org->secret_file, "%s/secret", org->directory);
    write_secret(org->secret_file);
    sim_options_defaults(&org->options);
    org->options.client_secret_file = org->secret_file;
    if (sim_open(&org->sim, &org->options, NULL, &e) != ERR_NONE)
        die("sim_open", e.text);
    test_login(org);
    return org;
}

void test_org_free(struct test_org **org)
{
    sim_close(&(*org)->sim);
    unlink((*org)->secret_file);
    rmdir((*org)->directory);
    free(*org);
    *org = NULL;
}

void test_send(struct test_org *org, const char *method, const char *target, const char *type,
               const char *body, int status, struct sim_reply *reply)
{
    struct sim_request r;
    *reply = (struct sim_reply){.status = 0};
    if (!sim_request_parse(&r, http_method_of(method), target))
        die("cannot parse", target);
    r.body = body == NULL ? "" : body;
    r.body_len = strlen(r.body);
    r.content_type = body == NULL ? NULL : type;
    r.authorization = org->token;
    r.id = ++org->sim->next_request;
    service_execute(org->sim, &r, reply);
    locks_release(org->sim->locks, r.id);
    sim_reply_parse(reply);
    if (reply->status != status) {
        char *text = reply->json == NULL ? mem_strdup(reply->text == NULL ? "" : reply->text)
                                         : json_dumps(reply->json, JSON_COMPACT);
        fprintf(stderr, "%s %s: status %d, not %d: %s\n", method, target, reply->status, status,
                text);
        abort();
    }
    sim_request_release(&r);
}

json_t *test_call(struct test_org *org, const char *method, const char *target, const char *body,
                  int status)
{
    struct sim_reply reply;
    test_send(org, method, target, "application/json; charset=utf-8", body, status, &reply);
    json_t *json = json_incref(reply.json);
    sim_reply_release(&reply);
    return json;
}

char *test_escape(const char *text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_put_url(&out, text);
    return buf_take(&out);
}

json_t *test_query(struct test_org *org, const char *soql, int status)
{
    char *escaped = test_escape(soql);
    char *target = mem_printf("/services/data/v64.0/query?q=%s", escaped);
    json_t *json = test_call(org, "GET", target, NULL, status);
    free(escaped);
    free(target);
    return json;
}

static struct writer admin(struct test_org *org)
{
    return (struct writer){.sim = org->sim, .admin = true, .operation = "", .target = ""};
}

__attribute__((format(printf, 1, 0))) static json_t *formatted(const char *fmt, va_list ap)
{
    char text[4096];
    vsnprintf(text, sizeof text, fmt, ap);
    json_t *json = json_loads(text, 0, NULL);
    if (json == NULL)
        die("not JSON", text);
    return json;
}

void test_record(struct test_org *org, const char *object, char id[SFID_SIZE], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    json_t *fields = formatted(fmt, ap);
    va_end(ap);
    struct writer w = admin(org);
    struct row_result r;
    if (!record_create(&w, object_find(object), fields, &r))
        die(r.code, r.message);
    memcpy(id, r.id, SFID_SIZE);
    json_decref(fields);
}

static char last_code[80];

static const char *code_of(struct row_result *r)
{
    snprintf(last_code, sizeof last_code, "%s", r->code);
    row_result_release(r);
    return last_code;
}

const char *test_change(struct test_org *org, const char *id, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    json_t *fields = formatted(fmt, ap);
    va_end(ap);
    struct writer w = admin(org);
    struct row_result r;
    record_update(&w, object_by_id(id), id, fields, &r);
    json_decref(fields);
    return code_of(&r);
}

const char *test_remove(struct test_org *org, const char *id)
{
    struct writer w = admin(org);
    struct row_result r;
    record_delete(&w, object_by_id(id), id, &r);
    return code_of(&r);
}

char *test_field(struct test_org *org, const char *id, const char *field)
{
    struct soql_error error;
    char *soql = mem_printf("SELECT %s FROM %s WHERE Id = '%s'", field, object_by_id(id)->name, id);
    json_t *rows = query_rows(org->sim, soql, true, true, "v64.0", &error);
    if (rows == NULL || json_array_size(rows) != 1)
        die("no such record", soql);
    const json_t *value = json_object_get(json_array_get(rows, 0), field);
    char *text = json_is_string(value) ? mem_strdup(json_string_value(value))
                                       : json_dumps(value, JSON_ENCODE_ANY);
    json_decref(rows);
    free(soql);
    return text;
}

const char *test_code(const json_t *answer)
{
    const char *code = json_string_value(json_object_get(json_array_get(answer, 0), "errorCode"));
    return code == NULL ? "" : code;
}

const json_t *test_at(const json_t *json, const char *path)
{
    while (json != NULL && *path != '\0') {
        size_t n = strcspn(path, ".");
        char *name = mem_strndup(path, n);
        json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
                                   : json_object_get(json, name);
        free(name);
        path += n + (path[n] == '.');
    }
    return json;
}

const char *test_text(const json_t *json, const char *path)
{
    const char *s = json_string_value(test_at(json, path));
    return s == NULL ? "" : s;
}

int64_t test_number(const json_t *json, const char *path)
{
    return json_integer_value(test_at(json, path));
}
