/*
 * Outbound messages, from the change in the org to the Ack. A request waits in memory for the committer, one
 * transaction stores its notification, then comes the Ack.
 *
 * A message tells the state at its sending, so a change need not make a new one while an old one is queued. What left
 * before that change doesn't stand for it, and its answer acknowledges nothing.
 */
#define NOT_SENT 0
#define SENT     1 /* in the network, or waiting for the committer */
#define OUTDATED 2 /* the same, and sent before the last change that the notification stands for */
bit pending[NOTES]; /* queued in the org: not acknowledged */
byte sent[NOTES];

inline swap_strays(a, b)
{
    i = stray[a];
    stray[a] = stray[b];
    stray[b] = i;
    i = 0
}

/* What is under way or in a worker's hands becomes right or wrong with it. */
inline truth_changes(is_another)
{
    if
    :: is_another ->
        touchpoint_right = !touchpoint_right;
        right[0] = knows(0) && !right[0];
        right[1] = knows(1) && !right[1];
        swap_strays(0, 1);
        swap_strays(2, 3)
    :: else
    fi
}

/* A place of an old notification, of which only history is left, serves a new id. */
#define is_free(n) (!pending[n] && sent[n] == NOT_SENT && (rows[n].state == UNKNOWN || rows[n].state == DONE))

inline change_with_message(n, is_another)
{
    spend_change();
    truth_changes(is_another);
    pending[n] = 1;
    rows[n].state = UNKNOWN;
    printf("org: a change (%d), notification %d is queued\n", is_another, n)
}

inline change_within_message(n, is_another)
{
    spend_change();
    truth_changes(is_another);
    sent[n] = (sent[n] == NOT_SENT -> NOT_SENT : OUTDATED);
    printf("org: a change (%d), notification %d, still queued, stands for it too\n", is_another, n)
}

/* The org's side. A change and its message are one transaction of the org. */
proctype messages(byte n)
{
end:
    do
    :: d_step { may_change && is_free(n) -> change_with_message(n, 0) }
    :: d_step { may_change && is_free(n) -> change_with_message(n, 1) }
    :: d_step { may_change && pending[n] -> change_within_message(n, 0) }
    :: d_step { may_change && pending[n] -> change_within_message(n, 1) }
    :: d_step { pending[n] && sent[n] != SENT -> sent[n] = SENT; printf("org: sends notification %d\n", n) }
    od
}

inline commit(n)
{
    put(n);
    printf("intake: notification %d is stored\n", n)
}

/* intake_stored; S1 */
inline acknowledge(n)
{
    check(S1_acknowledged_is_stored, rows[n].state != UNKNOWN);
    pending[n] = (sent[n] == OUTDATED);
    printf("intake: Ack for notification %d\n", n)
}

inline end_request(n)
{
    sent[n] = NOT_SENT
}

proctype intake(byte n)
{
end:
    do
    :: d_step { sent[n] != NOT_SENT -> commit(n); acknowledge(n); end_request(n) }
    /* the Ack is lost, or the COMMIT was of unknown outcome and the answer 503 */
    :: d_step { sent[n] != NOT_SENT && may_fail -> spend_fault(); commit(n); end_request(n) }
    /* a copy of the request comes later; an admin's resend is the same */
    :: d_step { sent[n] == SENT && may_fail -> spend_fault(); commit(n); acknowledge(n) }
    /* the request is lost, or the COMMIT failed: 503 */
    :: d_step { sent[n] != NOT_SENT && may_fail -> spend_fault(); end_request(n) }
    :: d_step { NO_RULE_1 && pending[n] && sent[n] == SENT -> acknowledge(n) }
    od
}

#ifdef OTHERS
/* Hints for another member of the campaign. A pass that claims nothing else leaves our member alone. */
proctype other_member()
{
end:
    do
    :: d_step {
           may_change && (rows[OTHER].state == UNKNOWN || rows[OTHER].state == DONE) ->
           spend_change();
           put(OTHER);
           printf("store: a hint for another member is stored\n")
       }
    od
}
#endif
