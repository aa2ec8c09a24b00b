/* A profile as a tree of frames: building it, sample by sample. */
#include "proto/flamegraph.h"
#include "proto/flamegraph_internal.h"

#include <errno.h>
#include <string.h>

struct edge {
	uint32_t parent, frame;
};

struct flamegraph *flamegraph_free(struct flamegraph *g)
{
	if (!g)
		return NULL;
	intern_free(g->strings);
	hashmap_free(g->frame_of);
	hashmap_free(g->node_of);
	free(g->frames);
	free(g->nodes);
	for (size_t i = 0; i < FLAMEGRAPH_SIDES; i++) {
		free(g->sides[i].owner_nodes);
		free(g->sides[i].line_frames);
		free(g->sides[i].bare_frames);
		free(g->sides[i].path);
	}
	free(g->string_of);
	flame_folding_free(g->folding);
	free(g);
	return NULL;
}

/* Makes room for one more entry. */
int flame_grow(void *array_of_pointer, uint32_t nr, uint32_t *size, size_t element)
{
	void **array = array_of_pointer, *bigger;
	uint32_t wanted = *size ? 2 * *size : 1024;

	if (nr < *size)
		return 0;
	if (wanted > FLAMEGRAPH_NODES_MAX)
		return -ENOSPC;
	bigger = realloc(*array, wanted * element);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*size = wanted;
	return 0;
}

int flame_add_string(struct flamegraph *g, const char *s, uint32_t *ret)
{
	int r = intern_add(g->strings, s, strlen(s), ret);

	return r > 0 ? -ENOSPC : r;
}

int flame_add_frame(struct flamegraph *g, const struct flame_frame *frame, uint32_t *ret)
{
	void *slot;
	bool is_new;
	int r = hashmap_put(g->frame_of, frame, &slot, &is_new);

	if (r)
		return r > 0 ? -ENOSPC : r;
	if (is_new) {
		*(uint32_t *)slot = g->nr_frames;
		r = flame_grow(&g->frames, g->nr_frames, &g->frames_size, sizeof(*g->frames));
		if (r)
			return r;
		g->frames[g->nr_frames++] = *frame;
	}
	*ret = *(uint32_t *)slot;
	return 0;
}

static int add_node(struct flamegraph *g, uint32_t parent, uint32_t frame, uint32_t line,
		    uint32_t *ret)
{
	struct edge edge = { .parent = parent, .frame = frame };
	struct flame_node *node;
	void *slot;
	bool is_new;
	int r = hashmap_put(g->node_of, &edge, &slot, &is_new);

	if (r)
		return r > 0 ? -ENOSPC : r;
	if (is_new) {
		*(uint32_t *)slot = g->nr_nodes;
		r = flame_grow(&g->nodes, g->nr_nodes, &g->nodes_size, sizeof(*g->nodes));
		if (r)
			return r;
		g->nodes[g->nr_nodes++] = (struct flame_node) {
			.parent = parent, .frame = frame, .line_low = line, .line_high = line
		};
	}
	*ret = *(uint32_t *)slot;
	node = &g->nodes[*ret];
	if (line && (!node->line_low || line < node->line_low))
		node->line_low = line;
	node->line_high = MAX(node->line_high, line);
	return 0;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] && path[0] != '[' ? slash + 1 : path;
}

/* The frame of line `i` of a location, the outermost being no inlined one. */
static int make_frame(struct flamegraph *g, const struct flame_side *side, uint32_t index,
		      uint32_t i, uint32_t *ret)
{
	const struct profile_view *v = &side->view;
	const struct profile_location *location = &v->locations[index];
	struct flame_frame frame = { .kind = location->kind };
	const char *file = "", *mapping = "";
	char tmp[PROFILE_MAX_NAME];
	int r;

	if (location->nr_lines)
		file = profile_string(
			side->profile,
			v->functions[v->lines[location->first_line + i].function].file);
	if (location->mapping != UINT32_MAX)
		mapping = profile_string(side->profile, v->mappings[location->mapping].file);
	if (i + 1 < location->nr_lines)
		frame.kind += KIND_INLINED;
	r = flame_add_string(g, profile_frame_name(side->profile, index, i, tmp), &frame.name);
	r = r ?: flame_add_string(g, file, &frame.file);
	r = r ?: flame_add_string(g, file_name(mapping), &frame.mapping);
	return r ?: flame_add_frame(g, &frame, ret);
}

/* As make_frame(), made once for each line and each location without lines. */
static int frame_of(struct flamegraph *g, struct flame_side *side, uint32_t index, uint32_t i,
		    uint32_t *ret)
{
	const struct profile_location *location = &side->view.locations[index];
	uint32_t *known = location->nr_lines ? &side->line_frames[location->first_line + i]
					     : &side->bare_frames[index];
	int r;

	if (!*known) {
		r = make_frame(g, side, index, i, known);
		if (r)
			return r;
		++*known; /* 0 says: not made yet */
	}
	*ret = *known - 1;
	return 0;
}

/* Goes down from *node along a location's frames, outermost first. */
static int add_location(struct flamegraph *g, struct flame_side *side, uint32_t index,
			uint32_t *node)
{
	const struct profile_location *location = &side->view.locations[index];

	for (uint32_t i = MAX(location->nr_lines, 1u); i-- > 0;) {
		uint32_t line = 0, frame;
		int r = frame_of(g, side, index, i, &frame);

		if (location->nr_lines)
			line = side->view.lines[location->first_line + i].line;
		r = r ?: add_node(g, *node, frame, line, node);
		if (r)
			return r;
	}
	return 0;
}

static int add_top(struct flamegraph *g, const char *name, uint32_t kind, uint32_t parent,
		   uint32_t *ret)
{
	struct flame_frame frame = { .kind = kind };
	uint32_t id;
	int r = flame_add_string(g, name, &frame.name);

	r = r ?: flame_add_string(g, "", &frame.file);
	frame.mapping = frame.file;
	r = r ?: flame_add_frame(g, &frame, &id);
	return r ?: add_node(g, parent, id, 0, ret);
}

static int owner_node(struct flamegraph *g, struct flame_side *side, uint32_t owner, uint32_t *ret)
{
	const char *name = profile_string(side->profile, side->view.owners[owner].name);
	uint32_t *node = &side->owner_nodes[owner];
	int r = 0;

	if (!*node && !g->config.without_owners)
		r = add_top(g, name[0] ? name : "[no name]", KIND_OWNER, 0, node);
	*ret = *node;
	return r;
}

static int grow_path(struct flame_side *side, uint32_t depth)
{
	void *bigger;

	if (depth <= side->path_size)
		return 0;
	bigger = reallocarray(side->path, depth, sizeof(*side->path));
	if (!bigger)
		return -ENOMEM;
	side->path = bigger;
	side->path_size = depth;
	return 0;
}

/* Samples come sorted by stack: what one shares with the one before need not be looked up again. */
static int add_sample(struct flamegraph *g, struct flame_side *side, const struct profile_sample *s)
{
	const uint32_t *leaf = side->view.stack_locations + s->first_location;
	size_t which = (size_t)(side - g->sides);
	uint32_t shared = 0, node;
	int r = grow_path(side, s->nr_locations);

	r = r ?: owner_node(g, side, s->owner, &node);
	if (r)
		return r;
	if (side->path_owner != s->owner)
		side->depth = 0;
	while (shared < MIN(side->depth, s->nr_locations) &&
	       side->path[shared].location == leaf[s->nr_locations - 1 - shared])
		node = side->path[shared++].node;
	side->path_owner = s->owner;
	side->work += s->nr_locations - shared;
	for (side->depth = shared; side->depth < s->nr_locations; side->depth++) {
		uint32_t location = leaf[s->nr_locations - 1 - side->depth];

		r = add_location(g, side, location, &node);
		if (r)
			return r;
		side->path[side->depth] = (struct flame_step) { location, node };
	}
	g->nodes[node].count[which] += s->count;
	g->nodes[node].ns[which] += s->value_ns;
	return 0;
}

static bool is_wanted(const struct flamegraph *g, const struct flame_side *side,
		      const struct profile_sample *s)
{
	return s->count && (side != g->sides || g->config.owner == PROFILE_ALL_OWNERS ||
			    s->owner == g->config.owner);
}

/* Some samples of a side, of about nr locations that the sample before has not: 1 if there are more. */
static int build(struct flamegraph *g, struct flame_side *side, size_t nr)
{
	for (side->work = 0; side->work < nr && side->next < side->view.nr_samples; side->next++) {
		const struct profile_sample *s = &side->view.samples[side->next];
		int r = is_wanted(g, side, s) ? add_sample(g, side, s) : 0;

		if (r)
			return r;
		side->work++;
	}
	return side->next < side->view.nr_samples;
}

static int init_side(struct flame_side *side, const struct profile *p)
{
	side->profile = p;
	if (!p)
		return 0;
	profile_view(p, &side->view);
	side->owner_nodes = calloc(side->view.nr_owners + 1, sizeof(*side->owner_nodes));
	side->line_frames = calloc(side->view.nr_lines + 1, sizeof(*side->line_frames));
	side->bare_frames = calloc(side->view.nr_locations + 1, sizeof(*side->bare_frames));
	return side->owner_nodes && side->line_frames && side->bare_frames ? 0 : -ENOMEM;
}

int flamegraph_new(struct flamegraph **ret, const struct flamegraph_config *config)
{
	_cleanup_(flamegraph_freep) struct flamegraph *g = calloc(1, sizeof(*g));
	uint32_t whole;
	int r;

	if (!g)
		return -ENOMEM;
	g->config = *config;
	r = init_side(&g->sides[0], config->profile);
	r = r ?: init_side(&g->sides[1], config->base);
	r = r ?: intern_new(&g->strings, 2 * PROFILE_MAX_STRING_BYTES);
	r = r
		    ?: hashmap_new(&g->frame_of, sizeof(struct flame_frame), sizeof(uint32_t),
				   FLAMEGRAPH_NODES_MAX);
	r = r
		    ?: hashmap_new(&g->node_of, sizeof(struct edge), sizeof(uint32_t),
				   FLAMEGRAPH_NODES_MAX);
	r = r ?: add_top(g, "all", KIND_WHOLE, 0, &whole);
	if (r)
		return r;
	*ret = TAKE_PTR(g);
	return 0;
}

int flamegraph_step(struct flamegraph *g, size_t nr, struct buf *out)
{
	int r;

	switch (g->phase) {
	case FLAME_BUILD:
		r = build(g, &g->sides[0], nr);
		if (!r && g->config.base)
			r = build(g, &g->sides[1], nr);
		if (r)
			return r;
		g->phase = FLAME_FOLD;
		return 1;
	case FLAME_FOLD:
		r = flame_fold(g, nr);
		if (r)
			return r;
		g->phase = FLAME_HEAD;
		return 1;
	default:
		return flame_write(g, nr, out);
	}
}

int flamegraph_json(const struct profile *p, uint32_t owner, const char *title, struct buf *out)
{
	const struct flamegraph_config config = { .profile = p, .owner = owner, .title = title };
	_cleanup_(flamegraph_freep) struct flamegraph *g = NULL;
	int r = flamegraph_new(&g, &config);

	while (!r && (r = flamegraph_step(g, SIZE_MAX, out)) > 0)
		r = 0;
	return r;
}
