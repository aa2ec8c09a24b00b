/*
 * A profile, or the difference of two, as the tree that the flame graph draws, in JSON. Without any I/O.
 *
 * {"version":1, "title", "host", "kernel", "program": "fleetprof 0.1.0", "time_ms", "duration_ms", "period_ns",
 *  "rate_hz", "cpus", "losses": [[name, count], …], "folded": number, "strings": [name, …],
 *  "owners": [{"name", "id", "runtime", "image", "cgroup", "node"}, …],
 *  "frames": {"name": [string, …], "file": […], "mapping": […], "kind": […]},
 *  "nodes": {"parent": [node, …], "frame": […], "count": […], "ns": […], "line_low": […], "line_high": […],
 *            "base_count": […], "base_ns": […]}}
 *
 * Node 0 is the whole; its children are the owners; a parent stands before its children. count and ns are the node's
 * own (self). Kinds: 0 user, 1 kernel, 2 anonymous memory, 3 process, 4 mark, 5 owner, 6 whole; 8 added: inlined.
 * The base's columns are there when there is a base. folded: how many nodes were too small for max_nodes; what they
 * held is in a node "[other]" (a mark) of their parent. Every string is safe within a <script> element
 * (text_for_json_in_script).
 */
#ifndef FLEETPROF_PROTO_FLAMEGRAPH_H
#define FLEETPROF_PROTO_FLAMEGRAPH_H

#include "agent/base/buf.h"
#include "proto/profile.h"

struct flamegraph_config {
	const struct profile *profile; /* its meta, losses included, are the graph's */
	const struct profile *base; /* what it is compared with; NULL: nothing */
	uint32_t owner; /* the one owner of profile that is wanted, or PROFILE_ALL_OWNERS */
	bool without_owners; /* the processes stand below the whole: to compare owners */
	uint32_t max_nodes; /* 0: as many as there are (at most 8 Mi) */
	const char *title;
};

/* owner as above. Appends; -ENOMEM, -ENOSPC at a bound. */
int flamegraph_json(const struct profile *p, uint32_t owner, const char *title, struct buf *out);

/*
 * The same in steps of some milliseconds, for a loop that must not wait. The profiles must live, unchanged, as long as
 * the graph. Each step does work for about nr locations of stacks, or nodes, frames and strings of the tree (thousands take a
 * millisecond), and appends to out; 1: there is more, 0: done, or an error as above.
 */
struct flamegraph;
int flamegraph_new(struct flamegraph **ret, const struct flamegraph_config *config);
int flamegraph_step(struct flamegraph *g, size_t nr, struct buf *out);
struct flamegraph *flamegraph_free(struct flamegraph *g);
DEFINE_CLEANUP(struct flamegraph *, flamegraph_free)

#endif
