/* Intake and committer: a request waits in memory, one transaction stores its notification, then comes the Ack. */

/* The Ack reaches the org. It settles the message only if that was sent after its last change. */
inline acknowledge(n)
{
    S1_acknowledged_is_stored = (rows[n].state != UNKNOWN);
    assert(S1_acknowledged_is_stored);
    pending[n] = (sent[n] == OUTDATED)
}

inline commit(n)
{
    put(n);
    printf("intake: notification %d is stored: now %d\n", n, rows[n].state)
}

proctype intake(byte n)
{
end:
    do
    :: d_step { sent[n] != NOT_SENT ->
           commit(n); acknowledge(n); sent[n] = NOT_SENT; printf("intake: Ack\n") }
    /* the answer is lost, or COMMIT was of unknown outcome and there was none */
    :: d_step { sent[n] != NOT_SENT && may_fail -> spend_fault();
           commit(n); sent[n] = NOT_SENT; printf("intake: no Ack reaches the org\n") }
    /* a copy of the request is still under way */
    :: d_step { sent[n] == SENT && may_fail -> spend_fault();
           commit(n); acknowledge(n); printf("intake: Ack; a copy of the request is still under way\n") }
    /* the request is lost, or COMMIT failed: 503 */
    :: d_step { sent[n] != NOT_SENT && may_fail -> spend_fault();
           sent[n] = NOT_SENT; printf("intake: the request with notification %d came to nothing\n", n) }
    :: d_step { NO_RULE_1 && pending[n] && sent[n] == SENT ->
           acknowledge(n); printf("intake: Ack for notification %d before the commit\n", n) }
    od
}

/* A hint for another member of the campaign: its pass may leave our member alone. */
proctype other_member()
{
end:
    do
    :: d_step { may_change && (rows[OTHER].state == UNKNOWN || rows[OTHER].state == DONE) -> spend_change();
           put(OTHER); printf("store: a hint for another member\n") }
    od
}
