/*
 * The org: what is true, the touchpoint that should follow from it, and the requests that write it.
 *
 * Of a value only this matters: is it what a decision from the present truth would be (right)? A change to another
 * value turns right into wrong and, of what was wrong, may turn all into right: call the last truth of a run 1 and all
 * others 0, and what was lost stays lost. For the same reason a change may change nothing, and a worker may write what
 * is there already.
 */
bit touchpoint_right = 1;

/* A worker waits for at most one request, which writes what it decided. Requests that nobody waits for any more are
 * counted. outwaited: the echo is not due until this request was carried out or never can be. */
#define NO_REQUEST  0
#define UNDER_WAY   1 /* the last bytes have left */
#define CARRIED_OUT 2
byte request[2];
bit outwaited[2];
bit right[2];  /* what the worker has read or decided; 0 when it has not */
byte stray[4]; /* by right + 2 * outwaited */

#define strays              (stray[0] + stray[1] + stray[2] + stray[3])
#define is_outwaited        (outwaited[0] || outwaited[1] || stray[2] + stray[3] > 0)
#define has_room_for(w)     (request[w] != UNDER_WAY || strays < STRAYS)
#define has_room_for_all    (strays + (request[0] == UNDER_WAY) + (request[1] == UNDER_WAY) <= STRAYS)

/* The echo waits for all that is under way now. */
inline outwait()
{
    outwaited[0] = (request[0] == UNDER_WAY);
    outwaited[1] = (request[1] == UNDER_WAY);
    stray[2] = stray[2] + stray[0];
    stray[3] = stray[3] + stray[1];
    stray[0] = 0;
    stray[1] = 0
}

/* Nobody waits for it any more, yet it may be carried out. */
inline abandon_request(w)
{
    if
    :: request[w] == UNDER_WAY -> stray[right[w] + 2 * outwaited[w]]++
    :: else
    fi;
    request[w] = NO_REQUEST;
    outwaited[w] = 0
}

/* Requests are carried out at any time, or never. */
inline stray_ends(n, is_carried_out)
{
    stray[n]--;
    if
    :: is_carried_out ->
        touchpoint_right = (n) % 2;
        printf("org: carries out a request that nobody waits for: touchpoint right %d\n", (n) % 2)
    :: else -> printf("org: a request that nobody waits for never will be carried out\n")
    fi
}

proctype network()
{
end:
    do
    :: d_step { stray[0] > 0 -> stray_ends(0, 1) }
    :: d_step { stray[1] > 0 -> stray_ends(1, 1) }
    :: d_step { stray[2] > 0 -> stray_ends(2, 1) }
    :: d_step { stray[3] > 0 -> stray_ends(3, 1) }
    :: d_step { stray[0] > 0 -> stray_ends(0, 0) }
    :: d_step { stray[1] > 0 -> stray_ends(1, 0) }
    :: d_step { stray[2] > 0 -> stray_ends(2, 0) }
    :: d_step { stray[3] > 0 -> stray_ends(3, 0) }
    od
}
