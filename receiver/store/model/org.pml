/* The org's changes and its outbound messages. */

/* A message tells the state at its sending, so a change need not trigger a new one while an old one waits. But what
 * left before the change doesn't stand for it, and its answer acknowledges nothing. */
#define NOT_SENT 0
#define SENT     1
#define OUTDATED 2
bit pending[NOTES];         /* not acknowledged */
byte sent[NOTES];   /* a request with it is in the network or waits for the committer */

#define has_new_id(n) (!pending[n] && sent[n] == NOT_SENT && (rows[n].state == UNKNOWN || rows[n].state == DONE))

inline change_with_message(n, to)
{
    spend_change();
    truth = to;
    pending[n] = 1;
    rows[n].state = UNKNOWN; /* this place stands for a new id; the old row is only history */
    printf("org: the truth becomes %d; notification %d is queued\n", to, n)
}

inline change_within_message(n, to)
{
    spend_change();
    truth = to;
    sent[n] = (sent[n] == NOT_SENT -> NOT_SENT : OUTDATED);
    printf("org: the truth becomes %d; notification %d, still queued, stands for it\n", to, n)
}

proctype org(byte n)
{
end:
    do
    :: d_step { may_change && has_new_id(n) -> change_with_message(n, 0) }
    :: d_step { may_change && has_new_id(n) -> change_with_message(n, 1) }
    :: d_step { may_change && pending[n] -> change_within_message(n, 0) }
    :: d_step { may_change && pending[n] -> change_within_message(n, 1) }
    :: d_step { pending[n] && sent[n] != SENT -> sent[n] = SENT; printf("org: sends notification %d\n", n) }
    od
}
