/*
 * The store: one campaign's rows, its lease, its write mark. Each inline is what one operation does inside its
 * transaction; the caller wraps it in a d_step, as the committer wraps it in a transaction.
 *
 * Sequence numbers are only ever compared with the watermark of the current lease, so a row keeps the result of
 * that comparison instead (age). Fences are only ever compared with the current one, so `owner` stands for it: a
 * worker whose lease was lost is not the owner. With that, states are finite and faults need no bound.
 */

/* state of a row */
#define UNKNOWN 0 /* no such id yet */
#define READY   1
#define LEASED  2
#define DONE    3

/* age of a READY row, seen from the claim under way */
#define NEW     0 /* its sequence number is above the watermark */
#define WAITING 1 /* below, but it was not due at the claim */
#define COVERED 2 /* below, and due: the pass reads after it */

/* The rows: a notification each, one that stands for another member of the campaign, the echo. */
#define OTHER NOTES
#define ECHO  (NOTES + 1)
#define ROWS  (NOTES + 2)

typedef row {
    unsigned state : 2;
    bit due;
    bit rerun;        /* LEASED, and its id came again */
    unsigned age : 2; /* NEW without a lease */
};
row rows[ROWS];
unsigned owner : 2; /* of the lease: worker + 1; 0: none */
bit live[2];        /* the deadline of that worker's claim has not passed */
bit mark;           /* in flight */

hidden byte i;
hidden byte S1_acknowledged_is_stored, S3_one_live_lease, S4_current_fence, S5_late_write_is_watched;
hidden byte every_change_is_reflected, every_run_ends_quiet;

#define holds(w) (owner == (w) + 1)

inline make_ready(r, is_due)
{
    rows[r].state = READY;
    rows[r].due = is_due;
    rows[r].rerun = 0;
    rows[r].age = NEW
}

inline make_done(r)
{
    rows[r].state = DONE;
    rows[r].due = 0;
    rows[r].rerun = 0;
    rows[r].age = NEW
}

/* sqlite_put: a notification or a hint enters, known or not (rule 2) */
inline put(r)
{
    if
    :: rows[r].state == READY && !NO_RULE_2_READY -> rows[r].age = NEW
    :: rows[r].state == LEASED && !NO_RULE_2_LEASED -> rows[r].rerun = 1
    :: rows[r].state == DONE && !NO_RULE_2_DONE -> make_ready(r, 1)
    :: rows[r].state == UNKNOWN -> make_ready(r, 1)
    :: else
    fi
}

/* sqlite_add_echo: a whole pass, due when nothing that is in flight now can still be carried out */
inline add_echo()
{
    if
    :: rows[ECHO].state == LEASED -> rows[ECHO].rerun = 1; outwait()
    :: rows[ECHO].state == READY && NO_RULE_12_MERGE
    :: rows[ECHO].state == READY && !NO_RULE_12_MERGE -> rows[ECHO].due = NO_RULE_12_LATE; rows[ECHO].age = NEW; outwait()
    :: else -> make_ready(ECHO, NO_RULE_12_LATE); outwait()
    fi
}

/* An echo that is to run again waits for its later time (due_after_loss, retry). */
inline make_ready_after_loss(r)
{
    rows[r].due = !(r == ECHO && rows[r].rerun);
    make_ready(r, rows[r].due)
}

/* sqlite_lease_end: what is still LEASED becomes READY, a mark becomes an echo */
inline lease_end(makes_echo)
{
    i = 0;
    do
    :: i < ROWS && rows[i].state == LEASED -> make_ready_after_loss(i); i++
    :: i < ROWS && rows[i].state != LEASED -> rows[i].age = NEW; i++
    :: i == ROWS -> break
    od;
    owner = 0;
    if
    :: mark && makes_echo -> add_echo()
    :: else
    fi;
    mark = 0
}

/* The watermark: what is READY now is below it. */
inline take_watermark()
{
    i = 0;
    do
    :: i < ROWS && rows[i].state == READY -> rows[i].age = (rows[i].due -> COVERED : WAITING); i++
    :: i < ROWS && rows[i].state != READY -> i++
    :: i == ROWS -> break
    od
}

#define is_due(r)  (rows[r].state == READY && rows[r].due)
#define due_count  (is_due(0) + is_due(OTHER) + is_due(ECHO) + (NOTES > 1 && is_due(NOTES - 1)))
#define claimable  ((owner == 0 || NO_RULE_6_LEASE) && due_count > 0)

/* sqlite_claim: the due rows, or (a full slice) one of them; then the watermark */
inline claim(w, is_taken)
{
    S3_one_live_lease = !live[0] && !live[1];
    assert(S3_one_live_lease);
    owner = w + 1;
    live[w] = 1;
    i = 0;
    do
    :: i < ROWS && is_due(i) && (is_taken) -> rows[i].state = LEASED; rows[i].due = 0; i++
    :: i < ROWS && !(is_due(i) && (is_taken)) -> i++
    :: i == ROWS -> break
    od;
    take_watermark()
}

/* ---- under a lease; `w` is checked by the caller: holds(w) */

inline check_S4(w)
{
    S4_current_fence = holds(w);
    assert(S4_current_fence)
}

/* sqlite_write_begin (rule 12): a mark that is still set stands for an earlier write */
inline write_begin(w)
{
    check_S4(w);
    if
    :: mark && !NO_RULE_12_AGAIN -> add_echo()
    :: else
    fi;
    mark = !NO_RULE_12_MARK
}

/* sqlite_write_end */
inline write_end(w)
{
    check_S4(w);
    mark = 0
}

/* sqlite_settle, claimed rows that went well: DONE, but those whose id came again */
inline settle_claimed()
{
    i = 0;
    do
    :: i < ROWS && rows[i].state == LEASED && rows[i].rerun -> make_ready(i, i != ECHO); i++
    :: i < ROWS && rows[i].state == LEASED && !rows[i].rerun -> make_done(i); i++
    :: i < ROWS && rows[i].state != LEASED -> i++
    :: i == ROWS -> break
    od
}

/* sqlite_settle, the rows that a whole pass stands for besides */
#define stands_for(r) (rows[r].state == READY && (rows[r].age == COVERED ||                  \
                       (NO_RULE_6_DUE && rows[r].age == WAITING && rows[r].due) ||             \
                       (NO_RULE_6_WATERMARK && rows[r].age == NEW && rows[r].due) ||           \
                       (NO_RULE_12_ABSORB && r == ECHO)))
inline settle_slice()
{
    i = 0;
    do
    :: i < ROWS && stands_for(i) -> make_done(i); i++
    :: i < ROWS && !stands_for(i) -> i++
    :: i == ROWS -> break
    od
}

/* what a pass over some members would settle without rule 6 */
#define is_due_and_below(r) (is_due(r) && rows[r].age != NEW)
inline settle_due()
{
    i = 0;
    do
    :: i < ROWS && is_due_and_below(i) -> make_done(i); i++
    :: i < ROWS && !is_due_and_below(i) -> i++
    :: i == ROWS -> break
    od
}

/* sqlite_settle, a pass that failed: its rows wait for their back-off */
inline settle_retry()
{
    i = 0;
    do
    :: i < ROWS && rows[i].state == LEASED -> make_ready(i, 0); i++
    :: i < ROWS && rows[i].state != LEASED -> i++
    :: i == ROWS -> break
    od
}
