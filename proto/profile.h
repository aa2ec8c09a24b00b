/*
 * A symbolized profile in memory: what every output reads (pprof, folded, flame graph, terminal).
 *
 * A profile holds several owners. Tables refer to each other by index; strings are interned, index 0 of
 * strings is "". Locations are unique per (mapping, address); a location with lines lists the innermost
 * inlined function first. Stacks are unique lists of locations, leaf first.
 *
 * Bounds: PROFILE_MAX_… below. A sample that does not fit is counted in the view's `dropped_…`; anything
 * else that does not fit is an error of the builder, and the caller's to count.
 */
#ifndef FLEETPROF_PROTO_PROFILE_H
#define FLEETPROF_PROTO_PROFILE_H

#include "agent/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profile;

enum profile_frame_kind { /* colour and grouping */
			  PROFILE_FRAME_USER,
			  PROFILE_FRAME_KERNEL,
			  PROFILE_FRAME_JIT, /* anonymous executable memory */
			  PROFILE_FRAME_ROOT, /* synthetic: the process's comm */
			  PROFILE_FRAME_MARK, /* synthetic: [truncated: …], [gap] */
};

struct profile_mapping {
	uint32_t file; /* string: path or name; "[kernel.kallsyms]", "[vdso]", "//anon" */
	uint32_t build_id; /* string: lower-case hex (or the Go build ID), "" if unknown */
	bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct profile_function {
	uint32_t name, system_name, file; /* strings */
	uint32_t start_line;
};

struct profile_line {
	uint32_t function;
	uint32_t line, column;
};

struct profile_location {
	uint32_t mapping; /* index; UINT32_MAX: none */
	uint64_t
		address; /* in the ELF's own space (normalized); kernel: the address; 0: synthetic */
	uint32_t first_line; /* index into lines */
	uint32_t nr_lines; /* 0: unsymbolized */
	enum profile_frame_kind kind;
};

struct profile_owner {
	uint32_t
		name; /* string shown: container name, unit, cgroup path, "kernel", "host", "other" */
	uint32_t id; /* string: container id, "" if none */
	uint32_t
		runtime; /* string: docker, containerd, crio, podman, lxc, ecs, systemd, cgroup, … */
	uint32_t image; /* string */
	uint32_t cgroup_path; /* string */
	uint64_t samples, value_ns; /* totals over its samples */
};

struct profile_process {
	uint32_t tgid;
	uint64_t start_boot_ns;
	uint32_t comm; /* string: of the leader */
};

struct profile_sample {
	uint32_t owner, process, thread_comm /* string */;
	uint32_t first_location,
		nr_locations; /* into stack_locations, leaf first, root (comm) last */
	uint64_t count, value_ns;
	bool complete; /* the user stack reached its root */
};

/* One line of the loss equation, printed and embedded with every output. */
struct profile_loss {
	const char *name; /* static string: "missed", "lost: ring full" … */
	uint64_t count;
};

/* Times, rate and losses: everything that is true of the whole profile. */
struct profile_meta {
	uint64_t time_wall_ns; /* start, UTC */
	uint64_t duration_ns;
	uint64_t period_ns; /* of one sample */
	uint32_t rate_hz;
	uint32_t nr_cpus;
	char host[256], kernel[128], version[32];
	struct profile_loss losses[32];
	size_t nr_losses;
};

/* Read-only views; valid until the next change of the profile. */
struct profile_view {
	const struct profile_meta *meta;
	const struct profile_mapping *mappings;
	const struct profile_function *functions;
	const struct profile_line *lines;
	const struct profile_location *locations;
	const struct profile_owner *owners;
	const struct profile_process *processes;
	const struct profile_sample *samples;
	const uint32_t *stack_locations;
	size_t nr_mappings, nr_functions, nr_lines, nr_locations, nr_owners, nr_processes,
		nr_samples, nr_stack_locations;
	size_t nr_strings; /* string indexes are below this */
	uint64_t dropped_samples, dropped_value_ns; /* refused with -ENOSPC */
};

#define PROFILE_ALL_OWNERS UINT32_MAX /* where an owner's index is asked for */

#define PROFILE_MAX_STRING_BYTES (256u << 20)
#define PROFILE_MAX_ENTRIES (16u << 20) /* of any one table */
#define PROFILE_MAX_STRING                                                                         \
	4096 /* bytes of one string; C++ symbols of 100 KB exist and tell no more */
#define PROFILE_MAX_NAME (PROFILE_MAX_STRING + 32) /* buffer for profile_frame_name() */

int profile_new(struct profile **ret);
struct profile *profile_free(struct profile *p);
DEFINE_CLEANUP(struct profile *, profile_free)

void profile_view(const struct profile *p, struct profile_view *ret);
const char *profile_string(const struct profile *p, uint32_t string);
struct profile_meta *profile_meta(struct profile *p);

/*
 * What a frame is called: the function of line `line` of the location, or, of a location without lines
 * (line is 0 then), its file and address: "libfoo.so!0x1234". Never empty. tmp: PROFILE_MAX_NAME bytes,
 * used or not; the answer lives as long as both.
 */
const char *profile_frame_name(const struct profile *p, uint32_t location, uint32_t line,
			       char *tmp);

/*
 * Builders: each returns 0 and the index of the entry, an equal entry that was there already being
 * reused; -ENOMEM, or -ENOSPC at a bound. profile_add_string() makes the bytes valid UTF-8 (each invalid byte
 * becomes U+FFFD) and cuts at PROFILE_MAX_STRING bytes. Indexes given must be of this profile.
 */
int profile_add_string(struct profile *p, const char *s, uint32_t *ret);
int profile_add_mapping(struct profile *p, const struct profile_mapping *m, uint32_t *ret);
int profile_add_function(struct profile *p, const struct profile_function *f, uint32_t *ret);
/*
 * lines: innermost first; copied. Unique by (mapping, address, kind, first function), or, where the address
 * is 0, by (mapping, kind, lines).
 */
int profile_add_location(struct profile *p, const struct profile_location *l,
			 const struct profile_line *lines, uint32_t *ret);
int profile_add_owner(struct profile *p, const struct profile_owner *o, uint32_t *ret);
int profile_add_process(struct profile *p, const struct profile_process *process, uint32_t *ret);
/*
 * Adds count and value to the sample with equal owner, process, thread comm, completeness and stack, and
 * to its owner. locations: leaf first; copied.
 */
int profile_add_sample(struct profile *p, const struct profile_sample *s, const uint32_t *locations,
		       size_t nr);

#endif
