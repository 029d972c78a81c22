/*
 * Claim, write, settle: the protocol between intake, store, worker and org, for one member of one campaign, with two
 * workers. README.md says what is modelled and what is not; check.sh runs it.
 *
 *     rules.pml    the rules that can be left out, one switch each
 *     org.pml      what is true, the touchpoint, requests that write it
 *     store.pml    rows, lease, write mark: an inline for each operation of the store
 *     worker.pml   passes
 *     intake.pml   outbound messages, from the change to the Ack
 *     faults.pml   time, kills
 *
 * Each step of a process is one d_step, so a printf in it tells the story of a counterexample.
 */
#ifndef NOTES
#define NOTES 1 /* notifications of the org at a time; their ids are used again */
#endif
#ifndef STRAYS
#define STRAYS 1 /* requests at a time that nobody waits for any more */
#endif

/* Faults and changes need no bound for the states to be finite. With one, all runs come to an end. */
#ifdef BOUNDED
byte changes_left = CHANGES, faults_left = FAULTS;
#define may_change               (changes_left > 0)
#define may_fail                 (faults_left > 0)
#define spend_change()           changes_left--
#define spend_fault()            faults_left--
#define spend_fault_unless(free) faults_left = faults_left - !(free)
#else
#define may_change               1
#define may_fail                 1
#define spend_change()           skip
#define spend_fault()            skip
#define spend_fault_unless(free) skip
#endif

/* The properties. pan names the one that became 0. */
bit S1_acknowledged_is_stored = 1, S3_one_live_lease = 1, S4_current_fence = 1, S5_late_write_is_watched = 1;
bit every_change_is_reflected = 1, every_run_ends_quiet = 1;
#ifdef OUTCOME /* look at what comes of it in the end, not at the first wrong step */
#define check(property, condition) skip
#else
#define check(property, condition) property = (condition); assert(property)
#endif

byte i; /* for loops inside a d_step; 0 outside */

#include "rules.pml"
#include "org.pml"
#include "store.pml"
#include "worker.pml"
#include "intake.pml"
#include "faults.pml"

#define is_open(r) (rows[r].state == READY || rows[r].state == LEASED)
#define note_is_over(n) (!pending[n] && sent[n] == NOT_SENT && !is_open(n))

/* Nothing is left to do: then nothing may be wrong, now or later, whatever is still under way. */
#define is_quiet (note_is_over(0) && note_is_over(LAST_NOTE) && !is_open(ECHO) && owner == 0 && \
                  step[0] == IDLE && step[1] == IDLE)

/* It may still be carried out, and neither the lease's mark nor an echo that waits for it knows. */
#define is_unwatched(w) (request[w] == UNDER_WAY && !outwaited[w] && !(mark && holds(w)))

proctype monitor()
{
end:
    do
    :: d_step {
           is_quiet && !touchpoint_right ->
           printf("monitor: nothing is left to do, and the touchpoint is wrong\n");
           every_change_is_reflected = 0;
           assert(every_change_is_reflected)
       }
#ifdef BOUNDED
    :: atomic {
           timeout && !(is_quiet && !is_open(LAST_ROW) && strays == 0) ->
           printf("monitor: nothing can happen any more, and work is left\n");
           every_run_ends_quiet = 0;
           assert(every_run_ends_quiet)
       }
#endif
#ifndef OUTCOME
    :: d_step {
           (!mark && stray[0] + stray[1] > 0) || is_unwatched(0) || is_unwatched(1) ->
           printf("monitor: a request may be carried out late, and no echo will follow\n");
           S5_late_write_is_watched = 0;
           assert(S5_late_write_is_watched)
       }
#endif
    od
}

init
{
    atomic {
        byte n = 0;
        do
        :: n < NOTES -> run messages(n); run intake(n); n++
        :: n == NOTES -> break
        od;
        run network();
        run worker(0);
        run worker(1);
        run clock();
        run kills();
#ifdef OTHERS
        run other_member();
#endif
        run monitor()
    }
}
