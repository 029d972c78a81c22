/*
 * The store: a campaign's rows, its lease, its write mark. Each inline is what one operation does in its
 * transaction; who calls it wraps it in a d_step, as the committer wraps it in a transaction.
 *
 * Sequence numbers are only ever compared with the watermark of the present lease, so a row keeps the outcome of that
 * comparison (age). Fences are only ever compared with the present one, so it is enough to know whose it is (owner).
 * That makes the states finite without a bound on faults.
 */

/* state; S2: a row has one */
#define UNKNOWN 0 /* no such id */
#define READY   1
#define LEASED  2
#define DONE    3

/* age of a READY row under a lease */
#define NEW     0 /* its sequence number is above the watermark */
#define WAITING 1 /* below it, but the row was not due at the claim */
#define COVERED 2 /* below it, and due: the pass stands for it if it is a whole one */

/* the rows: notifications, then the echo, then hints for another member */
#define LAST_NOTE (NOTES - 1)
#define ECHO      NOTES
#ifdef OTHERS
#define OTHER    (NOTES + 1)
#define LAST_ROW OTHER
#else
#define LAST_ROW ECHO
#endif
#define ROWS (LAST_ROW + 1)

typedef row {
    byte state;
    bit due;
    bit rerun; /* LEASED, and its id came again */
    byte age;
};
row rows[ROWS];
byte owner;  /* worker + 1 that holds the lease; 0: none */
bit live[2]; /* the deadline of that worker's claim has not passed */
bit mark;    /* the lease is in flight */

#define holds(w)  (owner == (w) + 1)
#define is_due(r) (rows[r].state == READY && rows[r].due)

/* ---- moves of a row (sqlite_row.c) */

inline become_ready(r, is_due_now)
{
    rows[r].state = READY;
    rows[r].due = is_due_now;
    rows[r].rerun = 0;
    rows[r].age = NEW
}

inline become_done(r)
{
    rows[r].state = DONE;
    rows[r].due = 0;
    rows[r].rerun = 0;
    rows[r].age = NEW
}

/* ---- entering (sqlite_put.c) */

/* rule 2 */
inline put(r)
{
    if
    :: rows[r].state == READY && !NO_RULE_2_READY -> rows[r].age = NEW
    :: rows[r].state == LEASED && !NO_RULE_2_LEASED -> rows[r].rerun = 1
    :: rows[r].state == DONE && !NO_RULE_2_DONE -> become_ready(r, 1)
    :: rows[r].state == UNKNOWN -> become_ready(r, 1)
    :: else
    fi
}

inline wait_late()
{
    if
    :: NO_RULE_12_LATE
    :: else -> outwait()
    fi
}

/* rule 12: sqlite_add_echo. Its due time is after all that is under way now; an echo that is known waits longer. */
inline add_echo()
{
    if
    :: rows[ECHO].state == READY && NO_RULE_12_MERGE
    :: rows[ECHO].state == READY && !NO_RULE_12_MERGE -> become_ready(ECHO, NO_RULE_12_LATE); wait_late()
    :: rows[ECHO].state == LEASED -> rows[ECHO].rerun = 1; wait_late()
    :: else -> become_ready(ECHO, NO_RULE_12_LATE); wait_late()
    fi
}

/* ---- leases (sqlite_lease.c, sqlite_claim.c) */

/* Rows still LEASED become READY, due as they were; an echo that is to run again, at its later time. */
inline lease_end(makes_echo)
{
    i = 0;
    do
    :: i < ROWS && rows[i].state == LEASED -> become_ready(i, !(i == ECHO && rows[i].rerun)); i++
    :: i < ROWS && rows[i].state != LEASED -> rows[i].age = NEW; i++
    :: i == ROWS -> i = 0; break
    od;
    owner = 0;
    if
    :: mark && makes_echo -> add_echo()
    :: else
    fi;
    mark = 0
}

inline take_watermark()
{
    i = 0;
    do
    :: i < ROWS && rows[i].state == READY -> rows[i].age = (rows[i].due -> COVERED : WAITING); i++
    :: i < ROWS && rows[i].state != READY -> i++
    :: i == ROWS -> i = 0; break
    od
}

#define due_count    (is_due(0) + (LAST_NOTE != 0 && is_due(LAST_NOTE)) + is_due(ECHO) + \
                      (LAST_ROW != ECHO && is_due(LAST_ROW)))
#define is_claimable ((owner == 0 || NO_RULE_6_LEASE) && due_count > 0)

/* is_taken: a condition on row i */
inline claim(w, is_taken)
{
    check(S3_one_live_lease, !live[0] && !live[1]);
    owner = w + 1;
    live[w] = 1;
    i = 0;
    do
    :: i < ROWS && is_due(i) && (is_taken) -> rows[i].state = LEASED; rows[i].due = 0; i++
    :: i < ROWS && !(is_due(i) && (is_taken)) -> i++
    :: i == ROWS -> i = 0; break
    od;
    take_watermark()
}

/* rule 12: a mark that is still set stands for an earlier write. Renews the lease. */
inline write_begin(w)
{
    check(S4_current_fence, holds(w));
    if
    :: mark && !NO_RULE_12_AGAIN -> add_echo()
    :: else
    fi;
    mark = !NO_RULE_12_MARK;
    live[w] = 1
}

inline write_end(w)
{
    check(S4_current_fence, holds(w));
    mark = NO_RULE_12_CLEAR && mark
}

/* ---- settling (sqlite_settle.c) */

/* what a pass over some members would settle without rule 6 */
#define is_settled_by_others(w, r) (NO_RULE_6_CLAIMED && !whole[w] && is_due(r) && rows[r].age != NEW)

/* Claimed rows that went well; a row whose id came again becomes READY. */
inline settle_claimed(w)
{
    check(S4_current_fence, holds(w));
    i = 0;
    do
    :: i < ROWS && rows[i].state == LEASED && rows[i].rerun -> become_ready(i, i != ECHO); i++
    :: i < ROWS && rows[i].state == LEASED && !rows[i].rerun -> become_done(i); i++
    :: i < ROWS && is_settled_by_others(w, i) -> become_done(i); i++
    :: i < ROWS && rows[i].state != LEASED && !is_settled_by_others(w, i) -> i++
    :: i == ROWS -> i = 0; break
    od
}

/* The other rows that a whole pass stands for. */
#define is_stood_for(r) (rows[r].state == READY && (rows[r].age == COVERED || \
                         (NO_RULE_6_DUE && rows[r].age == WAITING && rows[r].due) || \
                         (NO_RULE_6_WATERMARK && rows[r].age == NEW && rows[r].due) || \
                         (NO_RULE_12_ABSORB && r == ECHO)))
inline settle_slice(w)
{
    check(S4_current_fence, holds(w));
    i = 0;
    do
    :: i < ROWS && is_stood_for(i) -> become_done(i); i++
    :: i < ROWS && !is_stood_for(i) -> i++
    :: i == ROWS -> i = 0; break
    od
}

/* Claimed rows of a pass that failed wait for their back-off. */
inline settle_retry(w)
{
    check(S4_current_fence, holds(w));
    i = 0;
    do
    :: i < ROWS && rows[i].state == LEASED -> become_ready(i, 0); i++
    :: i < ROWS && rows[i].state != LEASED -> i++
    :: i == ROWS -> i = 0; break
    od
}
