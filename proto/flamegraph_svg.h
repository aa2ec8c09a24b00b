/*
 * A profile as a still picture: an SVG file (SVG 1.1) without any script, for a ticket, a chat or a document. A frame is as
 * wide as its share of all samples; the mouse over it shows its name, file, share and time (its <title>). What would be
 * narrower than FLAMEGRAPH_SVG_NARROWEST is not drawn, and the last line says how many frames that are. Without any I/O.
 */
#ifndef FLEETPROF_PROTO_FLAMEGRAPH_SVG_H
#define FLEETPROF_PROTO_FLAMEGRAPH_SVG_H

#include "agent/base/buf.h"
#include "proto/profile.h"

#define FLAMEGRAPH_SVG_WIDTH 1200
#define FLAMEGRAPH_SVG_NARROWEST 0.4 /* of these units */

/* owner: an index, or PROFILE_ALL_OWNERS. Appends; -ENOMEM, -ENOSPC at a bound. */
int flamegraph_svg(const struct profile *p, uint32_t owner, const char *title, struct buf *out);

#endif
