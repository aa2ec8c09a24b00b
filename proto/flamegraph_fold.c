/*
 * What is too small to be seen goes into "[other]", so that a tree has no more nodes than its reader can draw.
 *
 * It takes some passes over the tree, and then over its frames and strings. Each is a function of one entry, so that any
 * number of entries is a step.
 */
#include "proto/flamegraph_internal.h"

#include <errno.h>
#include <string.h>

#define MANTISSA 3 /* bits of a weight below its highest one that the histogram keeps */
#define BUCKETS (64 << MANTISSA)
#define NONE UINT32_MAX

struct total {
	uint64_t count[FLAMEGRAPH_SIDES], ns[FLAMEGRAPH_SIDES];
};

/* What stays: all of the buckets from `limit` on, and the first `more` nodes of the one below. */
struct cut {
	unsigned int limit;
	uint32_t more;
};

struct flame_folding {
	size_t pass; /* index of passes[] */
	uint32_t next, nr; /* entry of the pass, entries of it */
	uint32_t nr_nodes; /* before anything is folded */

	struct total *totals; /* of each node, with what is below it */
	uint32_t histogram[BUCKETS]; /* of their weights */
	uint32_t most; /* nodes that stay, before their "[other]" children */
	struct cut cut; /* for as many; used up by a pass */
	uint8_t *seen; /* of each node, 1: stays, 2: and has an "[other]" */
	uint32_t left; /* nodes that the cut leaves, their "[other]" children counted */

	uint32_t *places, *parents; /* where each node and its parent go; NONE: nowhere */
	uint32_t *others; /* the "[other]" of each node that stays; 0: none */
	uint32_t other_frame, kept;

	uint32_t *frame_at; /* where each frame goes, + 1; 0: nowhere */
	uint32_t nr_frames;
};

static void add(struct total *to, const struct total *from)
{
	for (size_t i = 0; i < FLAMEGRAPH_SIDES; i++) {
		to->count[i] += from->count[i];
		to->ns[i] += from->ns[i];
	}
}

/* A weight's place in a histogram of steps of an eighth: monotonous, below BUCKETS. */
static unsigned int bucket_of(const struct total *t)
{
	uint64_t weight = t->ns[0] + t->ns[1] + 1;
	unsigned int high = 63 - (unsigned int)__builtin_clzll(weight);
	uint64_t below =
		high >= MANTISSA ? weight >> (high - MANTISSA) : weight << (MANTISSA - high);

	return high << MANTISSA | (below & ((1u << MANTISSA) - 1));
}

/* -- what each node weighs, from the last to the first: children before their parents -- */

static int begin_totals(struct flamegraph *g, struct flame_folding *f)
{
	f->totals = calloc(g->nr_nodes, sizeof(*f->totals));
	return f->totals ? 0 : -ENOMEM;
}

static int add_total(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	uint32_t node = g->nr_nodes - 1 - i;
	const struct flame_node *n = &g->nodes[node];
	struct total self;

	memcpy(self.count, n->count, sizeof(self.count));
	memcpy(self.ns, n->ns, sizeof(self.ns));
	add(&f->totals[node], &self);
	if (node)
		add(&f->totals[n->parent], &f->totals[node]);
	f->histogram[bucket_of(&f->totals[node])]++;
	return 0;
}

/* -- how light a node must be to go -- */

/* The cut that leaves f->most nodes. */
static struct cut find_cut(const struct flame_folding *f)
{
	unsigned int limit = BUCKETS;
	uint32_t sum = 0;

	while (limit > 0 && sum + f->histogram[limit - 1] <= f->most)
		sum += f->histogram[--limit];
	return (struct cut) { .limit = limit, .more = f->most - sum };
}

/* Asked from the first node to the last: a parent is before its children, and no lighter, so that it stays if they do. */
static bool stays(const struct flamegraph *g, const struct total *totals, struct cut *cut,
		  uint32_t i)
{
	unsigned int bucket = bucket_of(&totals[i]);

	if (!i || g->frames[g->nodes[i].frame].kind == KIND_OWNER || bucket >= cut->limit)
		return true;
	if (bucket + 1 < cut->limit || !cut->more)
		return false;
	cut->more--;
	return true;
}

/* Tries a few less. */
static int begin_count(struct flamegraph *g, struct flame_folding *f)
{
	f->most -= f->most / 8 + 1;
	f->cut = find_cut(f);
	f->left = 0;
	free(f->seen);
	f->seen = calloc(g->nr_nodes, 1);
	return f->seen ? 0 : -ENOMEM;
}

static int count_left(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	uint8_t *parent = &f->seen[g->nodes[i].parent];

	if (!i || (*parent && stays(g, f->totals, &f->cut, i))) {
		f->seen[i] = 1;
		f->left++;
	} else if (*parent == 1) {
		*parent = 2;
		f->left++;
	}
	return 0;
}

/* Each node that stays may get an "[other]", so half of them are few enough for sure. */
static int end_count(struct flamegraph *g, struct flame_folding *f)
{
	const uint32_t max = g->config.max_nodes;

	return f->left > max && f->most > max / 2;
}

/* -- the nodes that stay move together, what the others held goes into their parents' "[other]" -- */

static int begin_places(struct flamegraph *g, struct flame_folding *f)
{
	f->cut = find_cut(f);
	f->places = calloc(g->nr_nodes, sizeof(*f->places));
	f->parents = calloc(g->nr_nodes, sizeof(*f->parents));
	return f->places && f->parents ? 0 : -ENOMEM;
}

/* A parent that goes takes its children along. */
static int find_place(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	bool stay;

	f->parents[i] = f->places[g->nodes[i].parent];
	stay = !i || (f->parents[i] != NONE && stays(g, f->totals, &f->cut, i));
	f->places[i] = stay ? f->kept++ : NONE;
	return 0;
}

static int move_node(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	struct flame_node *to = &g->nodes[f->places[i]];

	if (f->places[i] == NONE)
		return 0;
	*to = g->nodes[i];
	to->parent = f->parents[i];
	return 0;
}

static void move_owners(struct flamegraph *g, const uint32_t *places)
{
	for (size_t s = 0; s < FLAMEGRAPH_SIDES; s++) {
		for (size_t i = 0; i < g->sides[s].view.nr_owners; i++)
			g->sides[s].owner_nodes[i] = places[g->sides[s].owner_nodes[i]];
	}
}

static int begin_others(struct flamegraph *g, struct flame_folding *f)
{
	struct flame_frame frame = { .kind = PROFILE_FRAME_MARK };
	int r;

	g->nr_nodes = f->kept;
	g->folded = f->nr_nodes - f->kept;
	move_owners(g, f->places);
	f->others = calloc(f->kept, sizeof(*f->others));
	r = f->others ? 0 : -ENOMEM;
	r = r ?: flame_add_string(g, "[other]", &frame.name);
	r = r ?: flame_add_string(g, "", &frame.file);
	frame.mapping = frame.file;
	return r ?: flame_add_frame(g, &frame, &f->other_frame);
}

static int add_other(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	const uint32_t parent = f->parents[i];
	struct flame_node *n;
	int r;

	if (f->places[i] != NONE || parent == NONE)
		return 0;
	if (!f->others[parent]) {
		r = flame_grow(&g->nodes, g->nr_nodes, &g->nodes_size, sizeof(*g->nodes));
		if (r)
			return r;
		g->nodes[g->nr_nodes] =
			(struct flame_node) { .parent = parent, .frame = f->other_frame };
		f->others[parent] = g->nr_nodes++;
	}
	n = &g->nodes[f->others[parent]];
	for (size_t s = 0; s < FLAMEGRAPH_SIDES; s++) {
		n->count[s] += f->totals[i].count[s];
		n->ns[s] += f->totals[i].ns[s];
	}
	return 0;
}

/* -- frames and strings that no node names any more are forgotten -- */

static int begin_used(struct flamegraph *g, struct flame_folding *f)
{
	f->frame_at = calloc(g->nr_frames, sizeof(*f->frame_at));
	g->string_of = calloc(intern_count(g->strings), sizeof(*g->string_of));
	return f->frame_at && g->string_of ? 0 : -ENOMEM;
}

static int use_frame(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	f->frame_at[g->nodes[i].frame] = 1;
	return 0;
}

static int use_strings(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	const struct flame_frame *frame = &g->frames[i];

	if (f->frame_at[i])
		g->string_of[frame->name] = g->string_of[frame->file] =
			g->string_of[frame->mapping] = 1;
	return 0;
}

static int number_string(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	g->string_of[i] = g->string_of[i] ? g->nr_strings++ : NONE;
	return 0;
}

static int move_frame(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	const struct flame_frame frame = g->frames[i];

	if (!f->frame_at[i])
		return 0;
	g->frames[f->nr_frames] = (struct flame_frame) {
		.name = g->string_of[frame.name],
		.file = g->string_of[frame.file],
		.mapping = g->string_of[frame.mapping],
		.kind = frame.kind,
	};
	f->frame_at[i] = ++f->nr_frames;
	return 0;
}

static int renumber_frame(struct flamegraph *g, struct flame_folding *f, uint32_t i)
{
	g->nodes[i].frame = f->frame_at[g->nodes[i].frame] - 1;
	return 0;
}

static int end_frames(struct flamegraph *g, struct flame_folding *f)
{
	g->nr_frames = f->nr_frames;
	return 0;
}

/* -- all of it -- */

enum over { OVER_NODES, OVER_NODES_BEFORE, OVER_FRAMES, OVER_STRINGS };

static const struct pass {
	enum over over;
	int (*begin)(struct flamegraph *g, struct flame_folding *f); /* may be NULL */
	int (*each)(struct flamegraph *g, struct flame_folding *f, uint32_t i);
	int (*end)(struct flamegraph *g, struct flame_folding *f); /* 1: once more; may be NULL */
} passes[] = {
	{ OVER_NODES, begin_totals, add_total },
	{ OVER_NODES, begin_count, count_left, end_count },
	{ OVER_NODES, begin_places, find_place },
	{ OVER_NODES, NULL, move_node },
	{ OVER_NODES_BEFORE, begin_others, add_other },
	{ OVER_NODES, begin_used, use_frame },
	{ OVER_FRAMES, NULL, use_strings },
	{ OVER_STRINGS, NULL, number_string },
	{ OVER_FRAMES, NULL, move_frame },
	{ OVER_NODES, NULL, renumber_frame, end_frames },
};

struct flame_folding *flame_folding_free(struct flame_folding *f)
{
	if (!f)
		return NULL;
	free(f->totals);
	free(f->seen);
	free(f->places);
	free(f->parents);
	free(f->others);
	free(f->frame_at);
	free(f);
	return NULL;
}

static int begin_pass(struct flamegraph *g, struct flame_folding *f)
{
	const struct pass *pass = &passes[f->pass];
	int r = pass->begin ? pass->begin(g, f) : 0;
	const uint32_t entries[] = { [OVER_NODES] = g->nr_nodes,
				     [OVER_NODES_BEFORE] = f->nr_nodes,
				     [OVER_FRAMES] = g->nr_frames,
				     [OVER_STRINGS] = intern_count(g->strings) };

	f->next = 0;
	f->nr = entries[pass->over];
	return r;
}

static int begin(struct flamegraph *g)
{
	struct flame_folding *f = g->folding = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->most = g->config.max_nodes;
	f->nr_nodes = g->nr_nodes;
	return begin_pass(g, f) ?: 1;
}

int flame_fold(struct flamegraph *g, size_t nr)
{
	struct flame_folding *f = g->folding;
	const struct pass *pass;
	int r = 0;

	if (!g->config.max_nodes || (!f && g->nr_nodes <= g->config.max_nodes))
		return 0;
	if (!f)
		return begin(g);
	pass = &passes[f->pass];
	for (; !r && nr && f->next < f->nr; nr--)
		r = pass->each(g, f, f->next++);
	if (r < 0 || f->next < f->nr)
		return r ?: 1;
	r = pass->end ? pass->end(g, f) : 0;
	if (r < 0)
		return r;
	f->pass += !r;
	return f->pass == ARRAY_SIZE(passes) ? 0 : begin_pass(g, f) ?: 1;
}
