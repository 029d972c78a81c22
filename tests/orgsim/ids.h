/*
 * ids - record ids of the simulated org
 *
 *     701 gK 0 000000001 AAA      prefix, instance, reserved, sequence in base 62, checksum
 *
 * The sequence's digits are in ASCII order, so ids sort as they were made.
 */
#ifndef ORGSIM_IDS_H
#define ORGSIM_IDS_H

#include <stdint.h>

#include "sfid.h"

void sim_id_make(const char *prefix, uint64_t sequence, char out[SFID_SIZE]);

#endif
