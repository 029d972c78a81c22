/*
 * What was tried with a message and did not end applied, with the transaction that settles it, so
 * that a person sees later why it failed. An attempt that ended as the one before it only counts:
 * an org that is down for a night leaves one row a message, not one a try.
 */
#include "sqlite_int.h"

#include <stdio.h>

enum err sqlite_attempt_add(struct sqlite_store *s, int64_t row, enum store_verdict verdict,
                            const char *code, const char *message, struct error *e)
{
    char code_cut[STORE_CODE_SIZE], message_cut[STORE_MESSAGE_SIZE];
    int64_t now = store_wall_ms(&s->base);
    (void)snprintf(code_cut, sizeof code_cut, "%.*s", (int)store_cut(code, sizeof code_cut), code);
    if (message != NULL)
        (void)snprintf(message_cut, sizeof message_cut, "%.*s",
                       (int)store_cut(message, sizeof message_cut), message);
    const char *text = message == NULL ? NULL : message_cut;
    enum err err =
        sql_run(&s->db, e, SQL_ATTEMPT_AGAIN, "idtti", row, (int)verdict, code_cut, text, now);
    if (err != ERR_NONE || sqlite3_changes64(s->db.handle) > 0)
        return err;
    err = sql_run(&s->db, e, SQL_ATTEMPT_PUT, "idtti", row, (int)verdict, code_cut, text, now);
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_ATTEMPT_TRIM, "ii", row, (int64_t)STORE_ATTEMPTS_MAX);
    return err;
}

enum err sqlite_row_remove(struct sqlite_store *s, int64_t row, struct error *e)
{
    enum err err = sql_run(&s->db, e, SQL_ATTEMPT_REMOVE, "i", row);
    return err == ERR_NONE ? sql_run(&s->db, e, SQL_REMOVE, "i", row) : err;
}
