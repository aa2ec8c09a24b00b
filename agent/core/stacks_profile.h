/* A profile in memory, as weighted stacks of functions. */
#ifndef FLEETPROF_CORE_STACKS_PROFILE_H
#define FLEETPROF_CORE_STACKS_PROFILE_H

#include "agent/core/stacks.h"
#include "proto/profile.h"

/* Values are CPU time in ns. Addresses without a name are one function for each file. 0, -ENOMEM or -ENOSPC. */
int stacks_from_profile(const struct profile *p, struct stacks **ret);

#endif
