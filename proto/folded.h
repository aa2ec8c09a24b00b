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

/*
 * The same in steps of about a millisecond for each thousand of nr (samples, or lines), for a loop that must not wait.
 * The profile must live, unchanged, as long as the writer. Each step appends to out: 1: there is more, 0: done, or an
 * error as above, after which only folded_free() may follow.
 */
struct folded;
int folded_new(struct folded **ret, const struct profile *p, uint32_t owner);
int folded_step(struct folded *f, size_t nr, struct buf *out);
struct folded *folded_free(struct folded *f);
DEFINE_CLEANUP(struct folded *, folded_free)

#endif
