/* What is too small to be seen goes into "[other]", so that a tree has no more nodes than its reader can draw. */
#include "proto/flamegraph_internal.h"

#include <errno.h>
#include <string.h>

#define MANTISSA 3 /* bits of a weight below its highest one that the histogram keeps */
#define BUCKETS (64 << MANTISSA)
#define NONE UINT32_MAX

struct total {
	uint64_t count[FLAMEGRAPH_SIDES], ns[FLAMEGRAPH_SIDES];
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

static struct total *add_up(const struct flamegraph *g)
{
	struct total *totals = calloc(g->nr_nodes, sizeof(*totals));

	for (uint32_t i = g->nr_nodes; totals && i-- > 0;) {
		const struct flame_node *n = &g->nodes[i];
		struct total self;

		memcpy(self.count, n->count, sizeof(self.count));
		memcpy(self.ns, n->ns, sizeof(self.ns));
		add(&totals[i], &self);
		if (i)
			add(&totals[n->parent], &totals[i]);
	}
	return totals;
}

/* What stays: all of the buckets from `limit` on, and the first `more` nodes of the one below. */
struct cut {
	unsigned int limit;
	uint32_t more;
};

/* The cut that leaves `most` nodes. */
static struct cut find_cut(const struct flamegraph *g, const struct total *totals, uint32_t most)
{
	uint32_t histogram[BUCKETS] = { 0 }, sum = 0;
	unsigned int limit = BUCKETS;

	for (uint32_t i = 0; i < g->nr_nodes; i++)
		histogram[bucket_of(&totals[i])]++;
	while (limit > 0 && sum + histogram[limit - 1] <= most)
		sum += histogram[--limit];
	return (struct cut) { .limit = limit, .more = most - sum };
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

/* How many nodes a cut leaves, their "[other]" children counted. */
static int count_left(const struct flamegraph *g, const struct total *totals, struct cut cut,
		      uint32_t *ret)
{
	_cleanup_(freep) uint8_t *seen = calloc(g->nr_nodes, 1); /* 1: stays, 2: has an "[other]" */

	if (!seen)
		return -ENOMEM;
	*ret = 0;
	for (uint32_t i = 0; i < g->nr_nodes; i++) {
		uint8_t *parent = &seen[g->nodes[i].parent];

		if (!i || (*parent && stays(g, totals, &cut, i))) {
			seen[i] = 1;
			++*ret;
		} else if (*parent == 1) {
			*parent = 2;
			++*ret;
		}
	}
	return 0;
}

/* An "[other]" below a node that stays; at most one, which is found in others[]. */
static int add_other(struct flamegraph *g, uint32_t frame, uint32_t parent, uint32_t *others,
		     const struct total *total)
{
	struct flame_node *n;
	int r;

	if (others[parent] == NONE) {
		r = flame_grow(&g->nodes, g->nr_nodes, &g->nodes_size, sizeof(*g->nodes));
		if (r)
			return r;
		g->nodes[g->nr_nodes] = (struct flame_node) { .parent = parent, .frame = frame };
		others[parent] = g->nr_nodes++;
	}
	n = &g->nodes[others[parent]];
	for (size_t i = 0; i < FLAMEGRAPH_SIDES; i++) {
		n->count[i] += total->count[i];
		n->ns[i] += total->ns[i];
	}
	return 0;
}

static void move_owners(struct flamegraph *g, const uint32_t *place)
{
	for (size_t s = 0; s < FLAMEGRAPH_SIDES; s++) {
		for (size_t i = 0; i < g->sides[s].view.nr_owners; i++)
			g->sides[s].owner_nodes[i] = place[g->sides[s].owner_nodes[i]];
	}
}

static int fold_nodes(struct flamegraph *g, const struct total *totals, struct cut cut)
{
	const uint32_t nr = g->nr_nodes;
	_cleanup_(freep) uint32_t *place = calloc(nr, sizeof(*place));
	_cleanup_(freep) uint32_t *parents = calloc(nr, sizeof(*parents));
	_cleanup_(freep) uint32_t *others = malloc(nr * sizeof(*others));
	struct flame_frame frame = { .kind = PROFILE_FRAME_MARK };
	uint32_t id, kept = 0;
	int r = place && parents && others ? 0 : -ENOMEM;

	r = r ?: flame_add_string(g, "[other]", &frame.name);
	r = r ?: flame_add_string(g, "", &frame.file);
	frame.mapping = frame.file;
	r = r ?: flame_add_frame(g, &frame, &id);
	if (r)
		return r;
	memset(others, 0xff, nr * sizeof(*others));
	for (uint32_t i = 0; i < nr; i++) { /* a parent that goes takes its children along */
		parents[i] = place[g->nodes[i].parent];
		place[i] = !i || (parents[i] != NONE && stays(g, totals, &cut, i)) ? kept++ : NONE;
	}
	for (uint32_t i = 0, to = 0; i < nr; i++) {
		struct flame_node *n = &g->nodes[i];

		if (place[i] == NONE)
			continue;
		g->nodes[to] = *n;
		g->nodes[to++].parent = parents[i];
	}
	g->nr_nodes = kept;
	g->folded = nr - kept;
	for (uint32_t i = 0; i < nr && !r; i++) {
		if (place[i] == NONE && parents[i] != NONE)
			r = add_other(g, id, parents[i], others, &totals[i]);
	}
	move_owners(g, place);
	return r;
}

/* Numbers what is still used from 0 on; returns how many. */
static uint32_t number(uint32_t *used, uint32_t nr)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < nr; i++)
		used[i] = used[i] ? next++ : NONE;
	return next;
}

static int forget_unused(struct flamegraph *g)
{
	_cleanup_(freep) uint32_t *frame_at = calloc(g->nr_frames, sizeof(*frame_at));
	uint32_t nr_frames;

	g->string_of = calloc(intern_count(g->strings), sizeof(*g->string_of));
	if (!frame_at || !g->string_of)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->nr_nodes; i++)
		frame_at[g->nodes[i].frame] = 1;
	for (uint32_t i = 0; i < g->nr_frames; i++) {
		const struct flame_frame *f = &g->frames[i];

		if (frame_at[i])
			g->string_of[f->name] = g->string_of[f->file] = g->string_of[f->mapping] =
				1;
	}
	g->nr_strings = number(g->string_of, intern_count(g->strings));
	nr_frames = number(frame_at, g->nr_frames);
	for (uint32_t i = 0; i < g->nr_frames; i++) {
		struct flame_frame f = g->frames[i];

		if (frame_at[i] == NONE)
			continue;
		g->frames[frame_at[i]] = (struct flame_frame) {
			.name = g->string_of[f.name],
			.file = g->string_of[f.file],
			.mapping = g->string_of[f.mapping],
			.kind = f.kind,
		};
	}
	g->nr_frames = nr_frames;
	for (uint32_t i = 0; i < g->nr_nodes; i++)
		g->nodes[i].frame = frame_at[g->nodes[i].frame];
	return 0;
}

struct flame_folding {
	struct total *totals;
	uint32_t most; /* nodes that stay, before their "[other]" children */
	enum { FOLD_DECIDE, FOLD_NODES, FOLD_FORGET } next;
};

struct flame_folding *flame_folding_free(struct flame_folding *f)
{
	if (!f)
		return NULL;
	free(f->totals);
	free(f);
	return NULL;
}

static int begin(struct flamegraph *g)
{
	struct flame_folding *f = g->folding = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->most = g->config.max_nodes;
	f->totals = add_up(g);
	return f->totals ? 0 : -ENOMEM;
}

/* Tries a few less; each node that stays may get an "[other]", so half of them are few enough for sure. */
static int decide(struct flamegraph *g, struct flame_folding *f)
{
	uint32_t left;
	int r;

	f->most -= f->most / 8 + 1;
	r = count_left(g, f->totals, find_cut(g, f->totals, f->most), &left);
	if (r == 0 && (left <= g->config.max_nodes || f->most <= g->config.max_nodes / 2))
		f->next = FOLD_NODES;
	return r;
}

int flame_fold(struct flamegraph *g)
{
	struct flame_folding *f = g->folding;
	int r;

	if (!g->config.max_nodes || (!f && g->nr_nodes <= g->config.max_nodes))
		return 0;
	if (!f) {
		r = begin(g);
	} else if (f->next == FOLD_DECIDE) {
		r = decide(g, f);
	} else if (f->next == FOLD_NODES) {
		r = fold_nodes(g, f->totals, find_cut(g, f->totals, f->most));
		f->next = FOLD_FORGET;
	} else {
		return forget_unused(g);
	}
	return r < 0 ? r : 1;
}
