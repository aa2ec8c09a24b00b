/* A profile as a tree of frames, in JSON. */
#include "proto/flamegraph.h"
#include "agent/base/hashmap.h"
#include "agent/base/intern.h"
#include "agent/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NODES_MAX (8u << 20) /* 300 bytes of browser each: more is no picture any more */
#define KIND_OWNER 5
#define KIND_WHOLE 6
#define KIND_INLINED 8

struct frame {
	uint32_t name, file, mapping, kind;
};

struct node {
	uint32_t parent, frame;
	uint32_t line_low, line_high;
	uint64_t count, ns;
};

struct edge {
	uint32_t parent, frame;
};

struct graph {
	const struct profile *profile;
	struct profile_view view;
	struct intern *strings;
	struct hashmap *frame_of; /* struct frame → uint32_t */
	struct hashmap *node_of; /* struct edge → uint32_t */
	struct frame *frames;
	struct node *nodes;
	uint32_t *owner_nodes;
	uint32_t nr_frames, nr_nodes, frames_size, nodes_size;
};

static void graph_deinit(struct graph *g)
{
	intern_free(g->strings);
	hashmap_free(g->frame_of);
	hashmap_free(g->node_of);
	free(g->frames);
	free(g->nodes);
	free(g->owner_nodes);
}
DEFINE_CLEANUP_EMBEDDED(struct graph, graph_deinit)

/* Makes room for one more entry. */
static int grow(void *array_of_pointer, uint32_t nr, uint32_t *size, size_t element)
{
	void **array = array_of_pointer, *bigger;
	uint32_t wanted = *size ? 2 * *size : 1024;

	if (nr < *size)
		return 0;
	if (wanted > NODES_MAX)
		return -ENOSPC;
	bigger = realloc(*array, wanted * element);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*size = wanted;
	return 0;
}

static int add_string(struct graph *g, const char *s, uint32_t *ret)
{
	int r = intern_add(g->strings, s, strlen(s), ret);

	return r > 0 ? -ENOSPC : r;
}

static int add_frame(struct graph *g, const struct frame *frame, uint32_t *ret)
{
	void *slot;
	bool is_new;
	int r = hashmap_put(g->frame_of, frame, &slot, &is_new);

	if (r)
		return r > 0 ? -ENOSPC : r;
	if (is_new) {
		*(uint32_t *)slot = g->nr_frames;
		r = grow(&g->frames, g->nr_frames, &g->frames_size, sizeof(*g->frames));
		if (r)
			return r;
		g->frames[g->nr_frames++] = *frame;
	}
	*ret = *(uint32_t *)slot;
	return 0;
}

static int add_node(struct graph *g, uint32_t parent, uint32_t frame, uint32_t line, uint32_t *ret)
{
	struct edge edge = { .parent = parent, .frame = frame };
	struct node *node;
	void *slot;
	bool is_new;
	int r = hashmap_put(g->node_of, &edge, &slot, &is_new);

	if (r)
		return r > 0 ? -ENOSPC : r;
	if (is_new) {
		*(uint32_t *)slot = g->nr_nodes;
		r = grow(&g->nodes, g->nr_nodes, &g->nodes_size, sizeof(*g->nodes));
		if (r)
			return r;
		g->nodes[g->nr_nodes++] = (struct node) {
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

/* One frame of a location: line `i` of it, the outermost being no inlined one. */
static int add_line(struct graph *g, uint32_t index, uint32_t i, uint32_t *node)
{
	const struct profile_location *location = &g->view.locations[index];
	struct frame frame = { .kind = location->kind };
	const char *file = "", *mapping = "";
	char tmp[PROFILE_MAX_NAME];
	uint32_t line = 0, id;
	int r;

	if (location->nr_lines) {
		const struct profile_line *l = &g->view.lines[location->first_line + i];

		file = profile_string(g->profile, g->view.functions[l->function].file);
		line = l->line;
	}
	if (location->mapping != UINT32_MAX)
		mapping = profile_string(g->profile, g->view.mappings[location->mapping].file);
	if (i + 1 < location->nr_lines)
		frame.kind += KIND_INLINED;
	r = add_string(g, profile_frame_name(g->profile, index, i, tmp), &frame.name);
	if (!r)
		r = add_string(g, file, &frame.file);
	if (!r)
		r = add_string(g, file_name(mapping), &frame.mapping);
	if (!r)
		r = add_frame(g, &frame, &id);
	return r ? r : add_node(g, *node, id, line, node);
}

static int add_top(struct graph *g, const char *name, uint32_t kind, uint32_t parent, uint32_t *ret)
{
	struct frame frame = { .kind = kind };
	uint32_t id;
	int r = add_string(g, name, &frame.name);

	if (!r)
		r = add_string(g, "", &frame.file);
	frame.mapping = frame.file;
	if (!r)
		r = add_frame(g, &frame, &id);
	return r ? r : add_node(g, parent, id, 0, ret);
}

static int add_sample(struct graph *g, const struct profile_sample *s)
{
	uint32_t *top = &g->owner_nodes[s->owner], node;
	const char *owner = profile_string(g->profile, g->view.owners[s->owner].name);
	int r = 0;

	if (!*top)
		r = add_top(g, owner[0] ? owner : "[no name]", KIND_OWNER, 0, top);
	node = *top;
	for (uint32_t i = s->nr_locations; !r && i-- > 0;) {
		uint32_t location = g->view.stack_locations[s->first_location + i];
		uint32_t lines = MAX(g->view.locations[location].nr_lines, 1u);

		while (!r && lines-- > 0)
			r = add_line(g, location, lines, &node);
	}
	if (r)
		return r;
	g->nodes[node].count += s->count;
	g->nodes[node].ns += s->value_ns;
	return 0;
}

static int build(struct graph *g, uint32_t owner)
{
	uint32_t whole;
	int r = intern_new(&g->strings, 2 * PROFILE_MAX_STRING_BYTES);

	if (!r)
		r = hashmap_new(&g->frame_of, sizeof(struct frame), sizeof(uint32_t), NODES_MAX);
	if (!r)
		r = hashmap_new(&g->node_of, sizeof(struct edge), sizeof(uint32_t), NODES_MAX);
	if (r)
		return r;
	g->owner_nodes = calloc(g->view.nr_owners + 1, sizeof(*g->owner_nodes));
	if (!g->owner_nodes)
		return -ENOMEM;
	r = add_top(g, "all", KIND_WHOLE, 0, &whole);
	for (size_t i = 0; !r && i < g->view.nr_samples; i++) {
		const struct profile_sample *s = &g->view.samples[i];

		if (s->count && (owner == PROFILE_ALL_OWNERS || s->owner == owner))
			r = add_sample(g, s);
	}
	return r;
}

static void write_meta(const struct graph *g, const char *title, struct buf *out)
{
	const struct profile_meta *meta = g->view.meta;

	buf_adds(out, "{\"version\":1,\"title\":");
	text_for_json_in_script(out, title);
	buf_adds(out, ",\"host\":");
	text_for_json_in_script(out, meta->host);
	buf_adds(out, ",\"kernel\":");
	text_for_json_in_script(out, meta->kernel);
	buf_adds(out, ",\"program\":\"fleetprof ");
	buf_adds(out, meta->version); /* ours */
	buf_addf(out,
		 "\",\"time_ms\":%" PRIu64 ",\"duration_ms\":%" PRIu64 ",\"period_ns\":%" PRIu64
		 ",\"rate_hz\":%u,\"cpus\":%u,\"losses\":[",
		 meta->time_wall_ns / 1000000, meta->duration_ns / 1000000, meta->period_ns,
		 meta->rate_hz, meta->nr_cpus);
	for (size_t i = 0; i < meta->nr_losses; i++) {
		buf_adds(out, i ? ",[" : "[");
		text_for_json_in_script(out, meta->losses[i].name);
		buf_addf(out, ",%" PRIu64 "]", meta->losses[i].count);
	}
	buf_adds(out, "],");
}

static void write_key(const struct graph *g, const char *key, uint32_t string, struct buf *out)
{
	buf_addf(out, "\"%s\":", key);
	text_for_json_in_script(out, profile_string(g->profile, string));
	buf_addc(out, ',');
}

static void write_owners(const struct graph *g, struct buf *out)
{
	bool first = true;

	buf_adds(out, "\"owners\":[");
	for (size_t i = 0; i < g->view.nr_owners; i++) {
		const struct profile_owner *owner = &g->view.owners[i];

		if (!g->owner_nodes[i])
			continue;
		buf_adds(out, first ? "{" : ",{");
		first = false;
		write_key(g, "name", owner->name, out);
		write_key(g, "id", owner->id, out);
		write_key(g, "runtime", owner->runtime, out);
		write_key(g, "image", owner->image, out);
		write_key(g, "cgroup", owner->cgroup_path, out);
		buf_addf(out, "\"node\":%u}", g->owner_nodes[i]);
	}
	buf_adds(out, "],");
}

static void write_strings(const struct graph *g, struct buf *out)
{
	buf_adds(out, "\"strings\":[");
	for (uint32_t i = 0; i < intern_count(g->strings); i++) {
		if (i)
			buf_addc(out, ',');
		text_for_json_in_script(out, intern_get(g->strings, i, NULL));
	}
	buf_adds(out, "],");
}

/* One column of a table: `"name":[…]`. field: offset of a uint32_t, or of a uint64_t where wide. */
static void write_column(const char *name, const void *table, size_t nr, size_t element,
			 size_t field, bool wide, struct buf *out)
{
	buf_addf(out, "\"%s\":[", name);
	for (size_t i = 0; i < nr; i++) {
		const char *at = (const char *)table + i * element + field;
		uint64_t value = wide ? *(const uint64_t *)at : *(const uint32_t *)at;

		buf_addf(out, i ? ",%" PRIu64 : "%" PRIu64, value);
	}
	buf_addc(out, ']');
}

#define COLUMN(name, table, nr, type, field, wide)                                                 \
	write_column(name, table, nr, sizeof(type), offsetof(type, field), wide, out)

static void write_tables(const struct graph *g, struct buf *out)
{
	buf_adds(out, "\"frames\":{");
	COLUMN("name", g->frames, g->nr_frames, struct frame, name, false);
	buf_addc(out, ',');
	COLUMN("file", g->frames, g->nr_frames, struct frame, file, false);
	buf_addc(out, ',');
	COLUMN("mapping", g->frames, g->nr_frames, struct frame, mapping, false);
	buf_addc(out, ',');
	COLUMN("kind", g->frames, g->nr_frames, struct frame, kind, false);
	buf_adds(out, "},\"nodes\":{");
	COLUMN("parent", g->nodes, g->nr_nodes, struct node, parent, false);
	buf_addc(out, ',');
	COLUMN("frame", g->nodes, g->nr_nodes, struct node, frame, false);
	buf_addc(out, ',');
	COLUMN("count", g->nodes, g->nr_nodes, struct node, count, true);
	buf_addc(out, ',');
	COLUMN("ns", g->nodes, g->nr_nodes, struct node, ns, true);
	buf_addc(out, ',');
	COLUMN("line_low", g->nodes, g->nr_nodes, struct node, line_low, false);
	buf_addc(out, ',');
	COLUMN("line_high", g->nodes, g->nr_nodes, struct node, line_high, false);
	buf_adds(out, "}}");
}

int flamegraph_json(const struct profile *p, uint32_t owner, const char *title, struct buf *out)
{
	_cleanup_(graph_deinitp) struct graph g = { .profile = p };
	int r;

	profile_view(p, &g.view);
	r = build(&g, owner);
	if (r)
		return r;
	write_meta(&g, title, out);
	write_owners(&g, out);
	write_strings(&g, out);
	write_tables(&g, out);
	return out->error;
}
