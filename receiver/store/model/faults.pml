/* Time, failures, and the two properties that are looked at from outside. */

#define is_waiting(r) (rows[r].state == READY && !rows[r].due)

inline becomes_due(r)
{
    rows[r].due = 1;
    printf("clock: row %d is due\n", r)
}

inline deadline_passes(w)
{
    live[w] = 0;
    printf("clock: the deadline of worker %d passes\n", w)
}

/* Due times come, leases run out. A worker may be slower than any lease. */
proctype clock()
{
end:
    do
    :: d_step { is_waiting(0) -> becomes_due(0) }
    :: d_step { NOTES > 1 && is_waiting(NOTES - 1) -> becomes_due(NOTES - 1) }
    :: d_step { is_waiting(OTHER) -> becomes_due(OTHER) }
    :: d_step { is_waiting(ECHO) && nothing_outwaited -> becomes_due(ECHO) }
    :: d_step { live[0] && (may_fail || step[0] == IDLE) -> spend_fault_unless(step[0] == IDLE); deadline_passes(0) }
    :: d_step { live[1] && (may_fail || step[1] == IDLE) -> spend_fault_unless(step[1] == IDLE); deadline_passes(1) }
    /* sqlite_expire_leases, by whoever claims next */
    :: d_step { owner != 0 && (!live[owner - 1] || NO_RULE_20) ->
           lease_end(!NO_RULE_12_SUCCESSOR); printf("store: ends a lease that ran out\n") }
    od
}

inline dies(w)
{
    abandon_request(w);
    idle(w)
}

proctype faults()
{
end:
    do
    /* one daemon of a cluster: its lease stays until it runs out */
    :: d_step { may_fail && step[0] != IDLE && room(0) -> spend_fault(); dies(0); printf("worker 0: killed\n") }
    :: d_step { may_fail && step[1] != IDLE && room(1) -> spend_fault(); dies(1); printf("worker 1: killed\n") }
    /* the whole process: what only memory knew is gone, leases end at the next start (sqlite_recover_leases) */
    :: d_step { may_fail && room_for_all -> spend_fault();
           printf("all: killed and started again\n");
           dies(0); dies(1); live[0] = 0; live[1] = 0;
           sent[0] = NOT_SENT; sent[NOTES - 1] = NOT_SENT;
           mark = mark && !NO_RULE_12_DURABLE;
           if
           :: owner != 0 -> lease_end(!NO_RULE_12_SUCCESSOR)
           :: else
           fi }
    od
}

#define open(r) (rows[r].state == READY || rows[r].state == LEASED)
#define quiet   (!pending[0] && !pending[NOTES - 1] && !sent[0] && !sent[NOTES - 1] && !open(0) && !open(NOTES - 1) && \
                 !open(ECHO) && owner == 0 && step[0] == IDLE && step[1] == IDLE)
#define unwatched(w) (request[w] == UNDER_WAY && !outwaited[w] && !holds(w))

proctype monitor()
{
end:
    do
    :: d_step { quiet && touchpoint != truth ->
           every_change_is_reflected = 0; printf("monitor: all is quiet, and the touchpoint is wrong\n");
           assert(every_change_is_reflected) }
#ifdef BOUNDED
    :: d_step { timeout && !(quiet && !open(OTHER) && strays == 0) -> every_run_ends_quiet = 0; assert(every_run_ends_quiet) }
#endif
#ifdef WATCH
    :: d_step { !mark && (stray[0] + stray[1] > 0 || unwatched(0) || unwatched(1)) ->
           S5_late_write_is_watched = 0; assert(S5_late_write_is_watched) }
#endif
    od
}
