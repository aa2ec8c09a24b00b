/*
 * A profile as pprof (github.com/google/pprof proto/profile.proto), gzip'd. Without any I/O.
 *
 * Sample types samples/count and cpu/nanoseconds, period type cpu/nanoseconds, normalized addresses, labels pid
 * (numeric), comm, thread, container, container_id, runtime.
 */
#ifndef FLEETPROF_PROTO_PPROF_H
#define FLEETPROF_PROTO_PPROF_H

#include "agent/base/buf.h"
#include "proto/profile.h"

#include <stdbool.h>

/* owner: index of the one owner wanted, or PROFILE_ALL_OWNERS. Appends; -ENOMEM, -ENOSPC at a bound. */
int pprof_write(const struct profile *p, uint32_t owner, struct buf *out);

struct pprof_part {
	uint32_t owner; /* as above */
	size_t first_sample, nr_samples; /* of the profile's samples */
	uint32_t
		max_depth; /* locations of a stack, at least 3: the middle of a deeper one becomes "[cut]"; 0: any */
	bool without_labels; /* for those who make a series of each */
};

/* A part of the profile, not compressed; what it does not use is not in it. Appends; errors as above. */
int pprof_pack(const struct profile *p, const struct pprof_part *part, struct buf *out);

/*
 * The same in steps of about a millisecond for each thousand of nr (samples, or entries of a table), for a loop that
 * must not wait. The profile must live, unchanged, as long as the writer. Each step appends a piece of the file to out:
 * 1: there is more, 0: done, or an error as above, after which only pprof_free() may follow.
 */
struct pprof;
int pprof_new(struct pprof **ret, const struct profile *p, const struct pprof_part *part);
int pprof_step(struct pprof *w, size_t nr, struct buf *out);
struct pprof *pprof_free(struct pprof *w);
DEFINE_CLEANUP(struct pprof *, pprof_free)

#endif
