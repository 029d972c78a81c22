/*
 * The org: what is true, the touchpoint that should follow from it, and the requests that
 * are under way to it.
 *
 * Two values are enough. Whatever the values of a run are, call the last true one 1 and all others 0: a touchpoint
 * that is wrong in the end stays wrong. Hence a change may change nothing, and a worker may write what is there.
 */
bit truth;      /* what the decision from the org's present state is */
bit touchpoint; /* what the touchpoint says */

/* Each worker waits for one request at most, which writes the value that it decided. Those that nobody waits for any
 * more are counted. `outwaited`: the echo is not due before it was carried out or can't be any more. */
#define NO_REQUEST  0
#define UNDER_WAY   1
#define CARRIED_OUT 2
byte request[2];
bit outwaited[2];
bit value[2];
byte stray[4]; /* by value + 2 * outwaited */

#define strays            (stray[0] + stray[1] + stray[2] + stray[3])
#define nothing_outwaited (!outwaited[0] && !outwaited[1] && stray[2] + stray[3] == 0)
#define room(w) (request[w] != UNDER_WAY || strays < STRAYS)
#define room_for_all (strays + (request[0] == UNDER_WAY) + (request[1] == UNDER_WAY) <= STRAYS)

inline outwait()
{
    if
    :: NO_RULE_12_LATE
    :: else ->
        outwaited[0] = (request[0] == UNDER_WAY);
        outwaited[1] = (request[1] == UNDER_WAY);
        stray[2] = stray[2] + stray[0];
        stray[3] = stray[3] + stray[1];
        stray[0] = 0;
        stray[1] = 0
    fi
}

/* Nobody waits for it any more, yet it may be carried out. */
inline abandon_request(w)
{
    if
    :: request[w] == UNDER_WAY -> stray[value[w] + 2 * outwaited[w]]++
    :: else
    fi;
    request[w] = NO_REQUEST;
    outwaited[w] = 0
}

/* ---- requests are carried out at any time, or never */

#define stray_is(n) (stray[n] > 0)

inline stray_ends(n, is_carried_out)
{
    stray[n]--;
    if
    :: is_carried_out ->
        touchpoint = (n) % 2;
        printf("org: carries out a request that nobody waits for: the touchpoint becomes %d\n", (n) % 2)
    :: else -> printf("org: a request that nobody waits for will never be carried out\n")
    fi
}

proctype network()
{
end:
    do
    :: d_step { stray_is(0) -> stray_ends(0, 1) }
    :: d_step { stray_is(1) -> stray_ends(1, 1) }
    :: d_step { stray_is(2) -> stray_ends(2, 1) }
    :: d_step { stray_is(3) -> stray_ends(3, 1) }
    :: d_step { stray_is(0) -> stray_ends(0, 0) }
    :: d_step { stray_is(1) -> stray_ends(1, 0) }
    :: d_step { stray_is(2) -> stray_ends(2, 0) }
    :: d_step { stray_is(3) -> stray_ends(3, 0) }
    od
}
