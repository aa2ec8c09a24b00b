/* An owner as a profile has it. */
#ifndef FLEETPROF_CORE_OWNERS_PROFILE_H
#define FLEETPROF_CORE_OWNERS_PROFILE_H

#include "agent/core/owners.h"
#include "proto/profile.h"

/* Adds the owner to the profile. As profile_add_owner(). */
int owners_add_to_profile(const struct owners_entry *e, struct profile *p, uint32_t *ret);

#endif
