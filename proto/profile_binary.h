/* Which binary a profile is of: what titles a report, and what comes first in pprof's list of mappings. */
#ifndef FLEETPROF_PROTO_PROFILE_BINARY_H
#define FLEETPROF_PROTO_PROFILE_BINARY_H

#include "proto/profile.h"

/*
 * The mapping of the program of the owner's (or, with UINT32_MAX, anyone's) most sampled process: the one that
 * has most samples' outermost frame outside shared libraries. UINT32_MAX if no frame tells, or without memory.
 */
uint32_t profile_main_binary(const struct profile *p, uint32_t owner);

#endif
