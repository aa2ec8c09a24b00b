/* What the flame graph's files share: the tree while it grows. */
#ifndef FLEETPROF_PROTO_FLAMEGRAPH_INTERNAL_H
#define FLEETPROF_PROTO_FLAMEGRAPH_INTERNAL_H

#include "agent/base/hashmap.h"
#include "agent/base/intern.h"
#include "proto/flamegraph.h"

#define FLAMEGRAPH_NODES_MAX (8u << 20) /* 300 bytes of browser each: more is no picture any more */
#define FLAMEGRAPH_SIDES 2 /* the profile, the base */
#define KIND_OWNER 5
#define KIND_WHOLE 6
#define KIND_INLINED 8

struct flame_frame {
	uint32_t name, file, mapping, kind;
};

struct flame_node {
	uint32_t parent, frame;
	uint32_t line_low, line_high;
	uint64_t count[FLAMEGRAPH_SIDES], ns[FLAMEGRAPH_SIDES];
};

struct flame_side {
	const struct profile *profile; /* NULL: there is none */
	struct profile_view view;
	uint32_t *owner_nodes; /* by the profile's owners; 0: not there */
	uint32_t *line_frames, *bare_frames; /* frame + 1 by line, and by location without lines */
	struct flame_step {
		uint32_t location, node;
	} * path; /* of the sample before, root first */
	uint32_t path_owner, depth, path_size;
	size_t next; /* sample */
	size_t work; /* of this step: samples, and locations that were looked up */
};

enum flame_phase {
	FLAME_BUILD,
	FLAME_FOLD,
	FLAME_HEAD,
	FLAME_STRINGS,
	FLAME_FRAMES,
	FLAME_NODES,
	FLAME_DONE,
};

struct flamegraph {
	struct flamegraph_config config;
	struct flame_side sides[FLAMEGRAPH_SIDES];
	struct intern *strings;
	struct hashmap *frame_of; /* struct flame_frame → uint32_t */
	struct hashmap *node_of; /* parent and frame → uint32_t */
	struct flame_frame *frames;
	struct flame_node *nodes;
	uint32_t nr_frames, nr_nodes, frames_size, nodes_size;
	uint32_t folded;
	struct flame_folding *folding; /* under way, or NULL */

	enum flame_phase phase;
	size_t column, next; /* of the part that is being written */
	uint32_t *string_of; /* strings by their place in the output; NULL: all, in their order */
	uint32_t nr_strings;
};

/* The frame with these strings, and the node of it below parent; each made if it is not there. */
int flame_add_frame(struct flamegraph *g, const struct flame_frame *frame, uint32_t *ret);
int flame_add_string(struct flamegraph *g, const char *s, uint32_t *ret);

/* Makes room for one more entry. */
int flame_grow(void *array_of_pointer, uint32_t nr, uint32_t *size, size_t element);

/*
 * Folds what is too small for max_nodes, and forgets frames and strings that nothing names any more, about nr of
 * them or of the nodes at a time. 1: there is more, 0: done, or an error.
 */
int flame_fold(struct flamegraph *g, size_t nr);
struct flame_folding *flame_folding_free(struct flame_folding *f);

/* The next part of the output, of about nr entries: 1: there is more, 0: done, or an error. */
int flame_write(struct flamegraph *g, size_t nr, struct buf *out);

#endif
