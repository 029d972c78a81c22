/*
 * Workers: one pass after the other, with any delay between any two steps; a stall is that nothing happens.
 *
 *   IDLE ─claim─▶ CLAIMED ─read─▶ READ ─read, decide─▶ DECIDED ─mark─▶ MARKED ─send─▶ WAITS ─answer─▶ WELL ─settle─▶ IDLE
 *
 * What fails is settled in the same step: a delay before that would only be one before the failure.
 */
#define IDLE    0
#define CLAIMED 1 /* nothing is read yet */
#define READ    2 /* the touchpoint is read (right), the truth not yet */
#define DECIDED 3 /* what to write is known (right) */
#define MARKED  4 /* the write mark is durable */
#define WAITS   5 /* the last bytes have left */
#define WELL    6 /* to be settled as applied */
#define SLICE   7 /* the claimed rows are settled, the others that a whole pass stands for are not */
byte step[2];
bit whole[2]; /* the pass is over the whole campaign */

#define knows(w)      (step[w] == READ || step[w] == DECIDED || step[w] == MARKED || step[w] == WAITS)
#define is_leased(r)  (rows[r].state == LEASED)
#define covers_member (is_leased(0) || is_leased(LAST_NOTE) || is_leased(ECHO))

inline become_idle(w)
{
    step[w] = IDLE;
    whole[w] = 0;
    right[w] = 0
}

/* ERR_STALE: the rows are another's business */
inline drop_pass(w)
{
    become_idle(w);
    printf("worker %d: its lease is lost, it drops the pass\n", w)
}

inline begin_pass(w, is_whole)
{
    whole[w] = is_whole || is_leased(ECHO);
    step[w] = (whole[w] || covers_member -> CLAIMED : WELL);
    printf("worker %d: claims; whole %d, notification %d, echo %d, other %d\n", w, whole[w], is_leased(0),
           is_leased(ECHO), LAST_ROW != ECHO && is_leased(LAST_ROW))
}

/* ---- sync.c */

inline read_touchpoint(w)
{
    step[w] = READ;
    right[w] = touchpoint_right;
    printf("worker %d: reads the touchpoint: right %d\n", w, right[w])
}

inline decide(w)
{
    if
    :: NO_RULE_6_FIRST -> take_watermark()
    :: else
    fi;
    step[w] = DECIDED;
    right[w] = 1;
    printf("worker %d: reads the truth and decides\n", w)
}

inline skip_write(w)
{
    decide(w);
    step[w] = WELL;
    right[w] = 0;
    printf("worker %d: has nothing to write\n", w)
}

/* ---- write.c */

inline begin_write(w)
{
    if
    :: NO_RULE_12_FENCE || (holds(w) && live[w]) ->
        write_begin(w);
        step[w] = MARKED;
        printf("worker %d: marks the lease in flight\n", w)
    :: else -> drop_pass(w)
    fi
}

/* on_read in org/http.c (rule 13) */
inline send(w)
{
    if
    :: NO_RULE_13 || live[w] ->
        request[w] = UNDER_WAY;
        step[w] = WAITS;
        printf("worker %d: sends the write: right %d\n", w, right[w])
    :: else -> drop_pass(w)
    fi
}

inline carry_out(w)
{
    touchpoint_right = right[w];
    request[w] = CARRIED_OUT;
    outwaited[w] = 0;
    printf("org: carries out the request of worker %d: touchpoint right %d\n", w, touchpoint_right)
}

/* end_write in write.c, after an answer that was understood */
inline end_write(w, is_done)
{
    request[w] = NO_REQUEST;
    outwaited[w] = 0;
    right[w] = 0;
    if
    :: holds(w) ->
        write_end(w);
        step[w] = WELL;
        printf("worker %d: understands the answer (done %d), clears the mark\n", w, is_done)
    :: else -> drop_pass(w)
    fi;
    if
    :: step[w] == WELL && !is_done -> settle_badly(w)
    :: else
    fi
}

inline time_out(w)
{
    spend_fault();
    abandon_request(w);
    if
    :: NO_RULE_12_ANSWER && holds(w) -> mark = 0
    :: else
    fi;
    printf("worker %d: gives the request up without an answer\n", w)
}

/* ---- settle.c */

inline release(w)
{
    live[w] = 0;
    if
    :: owner != 0 -> lease_end(!NO_RULE_12_SETTLE)
    :: else /* only without a fence */
    fi;
    become_idle(w);
    printf("worker %d: settles and gives the lease up\n", w)
}

inline settle_well(w)
{
    if
    :: holds(w) || NO_RULE_6_FENCE ->
        settle_claimed(w);
        if
        :: whole[w] -> step[w] = SLICE; printf("worker %d: settles its claimed rows\n", w)
        :: else -> release(w)
        fi
    :: else -> drop_pass(w)
    fi
}

inline settle_rest(w)
{
    if
    :: holds(w) || NO_RULE_6_FENCE -> settle_slice(w); release(w)
    :: else -> drop_pass(w)
    fi
}

inline settle_badly(w)
{
    if
    :: holds(w) || NO_RULE_6_FENCE -> settle_retry(w); release(w)
    :: else -> drop_pass(w)
    fi
}

/* Workers are alike: the second claims only while the first is busy. */
#define may_claim(w) (step[w] == IDLE && (w == 0 || step[0] != IDLE) && is_claimable)

proctype worker(bit me)
{
end:
    do
    /* all that is due, or one slice of it, which makes the pass a whole one (claim->more) */
    :: d_step { may_claim(me) -> claim(me, 1); begin_pass(me, 0) }
    :: d_step { may_claim(me) -> claim(me, 1); begin_pass(me, 1) }
    :: d_step { may_claim(me) && due_count > 1 && is_due(0) -> claim(me, i == 0); begin_pass(me, 1) }
    :: d_step { may_claim(me) && due_count > 1 && is_due(ECHO) -> claim(me, i == ECHO); begin_pass(me, 1) }
    :: d_step { may_claim(me) && due_count > 1 && is_due(LAST_ROW) -> claim(me, i == LAST_ROW); begin_pass(me, 1) }

    :: d_step { step[me] == CLAIMED -> read_touchpoint(me) }
    :: d_step { step[me] == READ -> decide(me) }
    :: d_step { step[me] == READ && right[me] -> skip_write(me) }
    :: d_step { step[me] == DECIDED -> begin_write(me) }
    :: d_step { step[me] == MARKED -> send(me) }
    :: d_step { request[me] == UNDER_WAY -> carry_out(me) }
    :: d_step { request[me] == CARRIED_OUT -> end_write(me, 1) }
    :: d_step { step[me] == WELL -> settle_well(me) }
    :: d_step { step[me] == SLICE -> settle_rest(me) }

    /* what may go wrong: a read fails, the org refuses the write, no answer comes (and the pass ends, or goes on) */
    :: d_step { step[me] == CLAIMED && may_fail -> spend_fault(); settle_badly(me) }
    :: d_step { request[me] == UNDER_WAY && may_fail -> spend_fault(); end_write(me, 0) }
    :: d_step { step[me] == WAITS && may_fail && has_room_for(me) -> time_out(me); settle_badly(me) }
    :: d_step { step[me] == WAITS && may_fail && has_room_for(me) -> time_out(me); step[me] = DECIDED }
    od
}
