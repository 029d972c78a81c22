/*
 * org_composite - rows to write, and the answers to a Composite of collections, for the tests that
 * write
 */
#ifndef TP_ORG_COMPOSITE_H
#define TP_ORG_COMPOSITE_H

#include "buf.h"
#include "org_fixture.h"

#define T1 "a0X000000000001EAA"

UNUSED static void fill_rows(struct touchpoint *rows, size_t n, char (*keys)[SFID_SIZE])
{
    for (size_t i = 0; i < n; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "00v%012u", (unsigned)i);
        assert_true(sfid_normalise(id, 15, keys[i]));
        rows[i] = (struct touchpoint){0};
        for (size_t v = 0; v < TV_COUNT; v++)
            rows[i].value[v] = "";
        rows[i].value[TV_KEY] = keys[i];
        rows[i].value[TV_EMAIL] = "a\"b@example.com";
        rows[i].value[TV_DATE] = "2026-01-15T09:30:00.000Z";
    }
}

UNUSED static char *composite(const char *const *bodies, const int *statuses, size_t n)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, "{\"compositeResponse\":[");
    for (size_t i = 0; i < n; i++)
        buf_printf(&b,
                   "%s{\"body\":%s,\"httpHeaders\":{},\"httpStatusCode\":%d,\"referenceId\":"
                   "\"part%zu\"}",
                   i == 0 ? "" : ",", bodies[i], statuses[i], i);
    buf_puts(&b, "]}");
    return buf_take(&b);
}

UNUSED static void will_compose(struct fixture *x, const char *body, int status)
{
    char *text = composite(&body, &status, 1);
    fake_will(x->fake, 200, text);
    free(text);
}

#define OK_ROW      "{\"id\":\"" T1 "\",\"success\":true,\"errors\":[],\"created\":true}"
#define UPDATED_ROW "{\"id\":\"a0X000000000002\",\"success\":true,\"errors\":[],\"created\":false}"
#define FAILED(code, message, fields)                                                              \
    "{\"success\":false,\"errors\":[{\"statusCode\":\"" code "\",\"message\":\"" message           \
    "\",\"fields\":[" fields "]}]}"

UNUSED static enum err upsert(struct fixture *x, size_t n, struct org_row_result *results)
{
    struct touchpoint *rows = mem_array(n, sizeof *rows);
    char(*keys)[SFID_SIZE] = mem_array(n, sizeof *keys);
    fill_rows(rows, n, keys);
    enum err err = org_upsert(x->conn, rows, n, results, &x->e);
    free(keys);
    free(rows);
    return err;
}

UNUSED static enum err delete_one(struct fixture *x, struct org_row_result *result)
{
    return org_delete_touchpoints(x->conn, &(const char[SFID_SIZE]){T1}, 1, result, &x->e);
}

#endif
