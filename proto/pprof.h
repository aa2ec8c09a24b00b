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

/* owner: index of the one owner wanted, or PROFILE_ALL_OWNERS. Appends; -ENOMEM, -ENOSPC at a bound. */
int pprof_write(const struct profile *p, uint32_t owner, struct buf *out);

#endif
