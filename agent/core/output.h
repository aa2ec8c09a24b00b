/*
 * What leaves `record`: each writer turns a profile into bytes, without any I/O.
 *
 * owner: index of the one owner wanted, or PROFILE_ALL_OWNERS.
 */
#ifndef FLEETPROF_CORE_OUTPUT_H
#define FLEETPROF_CORE_OUTPUT_H

#include "agent/base/buf.h"
#include "proto/profile.h"

#define PROFILE_ALL_OWNERS UINT32_MAX

/*
 * pprof (github.com/google/pprof proto/profile.proto), gzip'd: sample types samples/count and
 * cpu/nanoseconds, period type cpu/nanoseconds, normalized addresses, labels pid (numeric), comm, thread,
 * container.
 */
int output_pprof(const struct profile *p, uint32_t owner, struct buf *out);

/* Folded stacks (Brendan Gregg's stackcollapse format): owner;comm;root;…;leaf COUNT, one per line, sorted. */
int output_folded(const struct profile *p, uint32_t owner, struct buf *out);

/* A self-contained HTML page: the flame graph with its data; no network, CSP with the script's hash. */
int output_html(const struct profile *p, const char *title, struct buf *out);

/* For a terminal: top functions by self and total, owners, losses. width in columns; colour: ANSI SGR. */
int output_summary(const struct profile *p, size_t top, unsigned int width, bool colour,
		   struct buf *out);

#endif
