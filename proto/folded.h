/*
 * A profile as folded stacks (Brendan Gregg's stackcollapse format): owner;comm;root;…;leaf COUNT, one per line,
 * sorted. Without any I/O.
 */
#ifndef FLEETPROF_PROTO_FOLDED_H
#define FLEETPROF_PROTO_FOLDED_H

#include "agent/base/buf.h"
#include "proto/profile.h"

/* owner: index of the one owner wanted, or PROFILE_ALL_OWNERS. Appends; -ENOMEM, -ENOSPC at a bound. */
int folded_write(const struct profile *p, uint32_t owner, struct buf *out);

#endif
