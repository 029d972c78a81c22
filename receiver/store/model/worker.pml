/*
 * A worker: one pass after the other, with any delay between any two steps (a stall is that nothing happens).
 *
 *   IDLE ─claim▶ CLAIMED ─read▶ READ ─read, decide▶ DECIDED ─mark▶ MARKED ─send▶ WAITS ─answer▶ WELL ─settle▶ IDLE
 */
#define IDLE    0
#define CLAIMED 1 /* nothing read yet */
#define READ    2 /* the touchpoint was read (value), the truth not yet */
#define DECIDED 3 /* value is to be written */
#define MARKED  4 /* the write mark is durable */
#define WAITS   5 /* the last bytes have left */
#define WELL    6 /* to be settled as applied */
#define SLICE   7 /* the claimed rows are settled, the rest of the campaign is not */
#define BADLY   8 /* to be settled as failed */
byte step[2];
bit whole[2]; /* a pass over the whole campaign */

#define is_leased(r)  (rows[r].state == LEASED)
#define covers_member (is_leased(0) || is_leased(NOTES - 1) || is_leased(ECHO))

inline idle(w)
{
    step[w] = IDLE;
    whole[w] = 0;
    value[w] = 0
}

inline stale(w)
{
    idle(w);
    printf("worker %d: its lease is lost, it drops the pass\n", w)
}

inline begin_pass(w, is_whole)
{
    whole[w] = is_whole || is_leased(ECHO);
    step[w] = (whole[w] || covers_member -> CLAIMED : WELL);
    printf("worker %d: claims (rows %d%d%d%d leased), whole %d\n", w, is_leased(0), is_leased(NOTES - 1), is_leased(OTHER), is_leased(ECHO), whole[w])
}

inline decide(w)
{
    if
    :: NO_RULE_6_FIRST -> take_watermark()
    :: else
    fi;
    step[w] = DECIDED;
    value[w] = truth;
    printf("worker %d: reads the truth, decides %d\n", w, value[w])
}

inline begin_write(w)
{
    if
    :: NO_RULE_12_FENCE || (holds(w) && live[w]) ->
        write_begin(w);
        step[w] = MARKED;
        printf("worker %d: marks the lease in flight\n", w)
    :: else -> stale(w)
    fi
}

inline send(w)
{
    if
    :: NO_RULE_13 || live[w] ->
        request[w] = UNDER_WAY;
        step[w] = WAITS;
        printf("worker %d: sends %d\n", w, value[w])
    :: else -> stale(w)
    fi
}

inline end_write(w, next)
{
    request[w] = NO_REQUEST;
    outwaited[w] = 0;
    if
    :: holds(w) ->
        write_end(w);
        step[w] = next;
        value[w] = 0;
        printf("worker %d: understands the answer, clears the mark\n", w)
    :: else -> stale(w)
    fi
}

inline time_out(w, next)
{
    spend_fault();
    abandon_request(w);
    if
    :: NO_RULE_12_ANSWER && holds(w) -> mark = 0
    :: else
    fi;
    step[w] = next;
    value[w] = (next == DECIDED -> value[w] : 0);
    printf("worker %d: gives the request up without an answer\n", w)
}

inline release(w)
{
    live[w] = 0;
    if
    :: owner != 0 -> lease_end(!NO_RULE_12_SETTLE)
    :: else /* without a fence only */
    fi;
    idle(w);
    printf("worker %d: settles and releases\n", w)
}

inline settle_well(w)
{
    if
    :: holds(w) || NO_RULE_6_FENCE ->
        check_S4(w);
        settle_claimed();
        if
        :: NO_RULE_6_CLAIMED && !whole[w] -> settle_due()
        :: else
        fi;
        if
        :: whole[w] -> step[w] = SLICE; printf("worker %d: settles its claimed rows\n", w)
        :: else -> release(w)
        fi
    :: else -> stale(w)
    fi
}

inline settle_rest(w)
{
    if
    :: holds(w) || NO_RULE_6_FENCE ->
        check_S4(w);
        settle_slice();
        release(w)
    :: else -> stale(w)
    fi
}

inline settle_badly(w)
{
    if
    :: holds(w) || NO_RULE_6_FENCE ->
        check_S4(w);
        settle_retry();
        release(w)
    :: else -> stale(w)
    fi
}

proctype worker(bit me)
{
end:
    do
    /* all that is due, or one full slice of it, which makes the pass a whole one */
    :: d_step { step[me] == IDLE && claimable -> claim(me, 1); begin_pass(me, 0) }
    :: d_step { step[me] == IDLE && claimable -> claim(me, 1); begin_pass(me, 1) }
    :: d_step { step[me] == IDLE && claimable && due_count > 1 && is_due(0) -> claim(me, i == 0); begin_pass(me, 1) }
    :: d_step { step[me] == IDLE && claimable && due_count > 1 && is_due(OTHER) -> claim(me, i == OTHER); begin_pass(me, 1) }
    :: d_step { step[me] == IDLE && claimable && due_count > 1 && is_due(ECHO) -> claim(me, i == ECHO); begin_pass(me, 1) }
    :: d_step { step[me] == CLAIMED -> step[me] = READ; value[me] = touchpoint;
           printf("worker %d: reads the touchpoint %d\n", me, touchpoint) }
    :: d_step { step[me] == READ -> decide(me) }
    :: d_step { step[me] == READ && value[me] == truth -> decide(me); value[me] = 0; step[me] = WELL;
           printf("worker %d: finds nothing to write\n", me) }
    :: d_step { step[me] == DECIDED -> begin_write(me) }
    :: d_step { step[me] == MARKED -> send(me) }
    :: d_step { step[me] == WAITS && request[me] == UNDER_WAY ->
           touchpoint = value[me]; request[me] = CARRIED_OUT; outwaited[me] = 0;
           printf("org: carries out the request of worker %d: the touchpoint becomes %d\n", me, touchpoint) }
    :: d_step { step[me] == WAITS && request[me] == CARRIED_OUT -> end_write(me, WELL) }
    :: d_step { step[me] == WELL -> settle_well(me) }
    :: d_step { step[me] == SLICE -> settle_rest(me) }
    :: d_step { step[me] == BADLY -> settle_badly(me) }
    /* what may go wrong in a pass */
    :: d_step { step[me] == CLAIMED && may_fail -> spend_fault(); step[me] = BADLY;
           printf("worker %d: can't read the org\n", me) }
    :: d_step { step[me] == WAITS && request[me] == UNDER_WAY && may_fail -> spend_fault(); end_write(me, BADLY);
           printf("worker %d: the org has refused the request\n", me) }
    :: d_step { step[me] == WAITS && may_fail && room(me) -> time_out(me, BADLY) }
    :: d_step { step[me] == WAITS && may_fail && room(me) -> time_out(me, DECIDED) }
    od
}
