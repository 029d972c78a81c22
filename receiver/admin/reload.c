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

void admin_answer_reloaded(struct listener_token token, const char *refusal)
{
    struct answer out = {0};
    if (refusal == NULL)
        answer_json(&out, 200, json_pack("{s:s}", "status", "reloaded"));
    else
        answer_problem(&out, 422, "The configuration is refused; all goes on as before", refusal);
    answer_send(&out, token);
}
