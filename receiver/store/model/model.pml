/*
 * Claim, write, settle: the protocol between intake, store, worker and org, for one campaign (design: README.md).
 */
#ifndef NOTES
#define NOTES 1 /* places for notifications of the org */
#endif
#ifndef STRAYS
#define STRAYS 1 /* requests at a time that nobody waits for any more */
#endif

#ifdef BOUNDED
byte changes_left = CHANGES, faults_left = FAULTS;
#define may_change     (changes_left > 0)
#define may_fail       (faults_left > 0)
#define spend_change() changes_left--
#define spend_fault()  faults_left--
#define spend_fault_unless(free) faults_left = faults_left - !(free)
#else
#define may_change     1
#define may_fail       1
#define spend_change() skip
#define spend_fault()  skip
#define spend_fault_unless(free) skip
#endif

#include "rules.pml"
#include "requests.pml"
#include "store.pml"
#include "org.pml"
#include "intake.pml"
#include "worker.pml"
#include "faults.pml"

init
{
    atomic {
        byte n = 0;
        do
        :: n < NOTES -> run org(n); run intake(n); n++
        :: n == NOTES -> break
        od;
        run other_member();
        run network();
        run worker(0);
        run worker(1);
        run clock();
        run faults();
        run monitor()
    }
}
