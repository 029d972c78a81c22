/* Time and kills. */

#define is_waiting(r) (rows[r].state == READY && !rows[r].due)

inline become_due(r)
{
    rows[r].due = 1;
    printf("clock: row %d is due (echo %d)\n", r, r == ECHO)
}

/* A dead worker's deadline passes in any case, a living one's when it is too slow. */
#define may_pass(w) (live[w] && (may_fail || step[w] == IDLE))
inline pass_deadline(w)
{
    spend_fault_unless(step[w] == IDLE);
    live[w] = 0;
    printf("clock: the deadline of worker %d passes\n", w)
}

proctype clock()
{
end:
    do
    :: d_step { is_waiting(0) -> become_due(0) }
    :: d_step { LAST_NOTE != 0 && is_waiting(LAST_NOTE) -> become_due(LAST_NOTE) }
    :: d_step { LAST_ROW != ECHO && is_waiting(LAST_ROW) -> become_due(LAST_ROW) }
    :: d_step { is_waiting(ECHO) && !is_outwaited -> become_due(ECHO) }
    :: d_step { may_pass(0) -> pass_deadline(0) }
    :: d_step { may_pass(1) -> pass_deadline(1) }
    /* sqlite_expire_leases, before somebody claims */
    :: d_step {
           owner != 0 && !NO_EXPIRY && (!live[owner - 1] || NO_RULE_20) ->
           lease_end(!NO_RULE_12_SUCCESSOR);
           printf("store: ends a lease that ran out\n")
       }
    od
}

inline die(w)
{
    abandon_request(w);
    become_idle(w)
}

inline kill_one(w)
{
    spend_fault();
    die(w);
    printf("worker %d: is killed\n", w)
}

/* What only memory knew is gone; leases end at the next start (sqlite_recover_leases). */
inline kill_all()
{
    spend_fault();
    printf("all: killed and started again\n");
    die(0);
    die(1);
    live[0] = 0;
    live[1] = 0;
    sent[0] = NOT_SENT;
    sent[LAST_NOTE] = NOT_SENT;
    mark = mark && !NO_RULE_12_DURABLE;
    if
    :: owner != 0 -> lease_end(!NO_RULE_12_SUCCESSOR)
    :: else
    fi
}

/* A worker with its daemon, of several on one store: its lease stays until it runs out. Or the one daemon. */
proctype kills()
{
end:
    do
    :: d_step { may_fail && step[0] != IDLE && has_room_for(0) -> kill_one(0) }
    :: d_step { may_fail && step[1] != IDLE && has_room_for(1) -> kill_one(1) }
    :: d_step { may_fail && has_room_for_all -> kill_all() }
    od
}
