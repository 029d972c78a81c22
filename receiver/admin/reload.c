/*
 * Reload on an admin's word: main does it, and the answer says how it ended.
 */
#include "admin_int.h"

void route_reload(struct admin *a, const struct request *q, struct answer *out)
{
    if (a->options.reload(a->options.reload_ctx, q->token))
        out->status = ANSWER_LATER;
    else
        answer_problem(out, 503, "Too many at once",
                       "several reloads are under way: wait for their answers");
}

void admin_answer_reloaded(struct listener_token token, enum admin_reloaded how, const char *why)
{
    static const struct {
        int status;
        const char *title;
    } problems[] = {
        [RELOAD_REFUSED] = {422, "The configuration is refused; all goes on as before"},
        [RELOAD_NOT_NOW] = {503, "The configuration can't be changed now; all goes on as before"},
    };
    struct answer out = {0};
    if (how == RELOAD_DONE)
        answer_json(&out, 200, json_pack("{s:s}", "status", "reloaded"));
    else
        answer_problem(&out, problems[how].status, problems[how].title, why);
    answer_send(&out, token);
}
