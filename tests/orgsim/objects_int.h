/* objects_int - the table as metadata.c fills it up */
#ifndef ORGSIM_OBJECTS_INT_H
#define ORGSIM_OBJECTS_INT_H

#include "objects.h"

extern struct object objects_table[OBJECT_COUNT]; /* written by objects_load() alone */

#endif
