/*
 * A profile as the tree that the flame graph draws, in JSON. Without any I/O.
 *
 * {"version":1, "title", "host", "kernel", "program": "fleetprof 0.1.0", "time_ms", "duration_ms", "period_ns",
 *  "rate_hz", "cpus", "losses": [[name, count], …], "strings": [name, …],
 *  "owners": [{"name", "id", "runtime", "image", "cgroup", "node"}, …],
 *  "frames": {"name": [string, …], "file": […], "mapping": […], "kind": […]},
 *  "nodes": {"parent": [node, …], "frame": […], "count": […], "ns": […], "line_low": […], "line_high": […]}}
 *
 * Node 0 is the whole; its children are the owners; a parent stands before its children. count and ns are the node's
 * own (self). Kinds: 0 user, 1 kernel, 2 anonymous memory, 3 process, 4 mark, 5 owner, 6 whole; 8 added: inlined.
 * Every string is safe within a <script> element (text_for_json_in_script).
 */
#ifndef FLEETPROF_PROTO_FLAMEGRAPH_H
#define FLEETPROF_PROTO_FLAMEGRAPH_H

#include "agent/base/buf.h"
#include "proto/profile.h"

/* owner: index of the one owner wanted, or PROFILE_ALL_OWNERS. Appends; -ENOMEM, -ENOSPC at a bound. */
int flamegraph_json(const struct profile *p, uint32_t owner, const char *title, struct buf *out);

#endif
