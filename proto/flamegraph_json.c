/* The flame graph's tree as JSON, a part at a time. */
#include "agent/base/text.h"
#include "proto/flamegraph_internal.h"

#include <inttypes.h>

static void write_head(const struct flamegraph *g, struct buf *out)
{
	const struct profile_meta *meta = g->sides[0].view.meta;

	buf_adds(out, "{\"version\":1,\"title\":");
	text_for_json_in_script(out, g->config.title);
	buf_adds(out, ",\"host\":");
	text_for_json_in_script(out, meta->host);
	buf_adds(out, ",\"kernel\":");
	text_for_json_in_script(out, meta->kernel);
	buf_adds(out, ",\"program\":\"fleetprof ");
	buf_adds(out, meta->version); /* ours */
	buf_addf(out,
		 "\",\"time_ms\":%" PRIu64 ",\"duration_ms\":%" PRIu64 ",\"period_ns\":%" PRIu64
		 ",\"rate_hz\":%u,\"cpus\":%u,\"folded\":%u,\"losses\":[",
		 meta->time_wall_ns / 1000000, meta->duration_ns / 1000000, meta->period_ns,
		 meta->rate_hz, meta->nr_cpus, g->folded);
	for (size_t i = 0; i < meta->nr_losses; i++) {
		buf_adds(out, i ? ",[" : "[");
		text_for_json_in_script(out, meta->losses[i].name);
		buf_addf(out, ",%" PRIu64 "]", meta->losses[i].count);
	}
	buf_adds(out, "],");
}

static void write_key(const struct flame_side *side, const char *key, uint32_t string,
		      struct buf *out)
{
	buf_addf(out, "\"%s\":", key);
	text_for_json_in_script(out, profile_string(side->profile, string));
	buf_addc(out, ',');
}

/* An owner of the base that the profile has as well stands once. */
static bool is_listed(const struct flamegraph *g, const struct flame_side *side, uint32_t node)
{
	for (size_t i = 0; side != g->sides && i < g->sides[0].view.nr_owners; i++) {
		if (g->sides[0].owner_nodes[i] == node)
			return true;
	}
	return false;
}

static void write_owners(const struct flamegraph *g, struct buf *out)
{
	bool first = true;

	buf_adds(out, "\"owners\":[");
	for (size_t s = 0; s < FLAMEGRAPH_SIDES; s++) {
		const struct flame_side *side = &g->sides[s];

		for (size_t i = 0; i < side->view.nr_owners; i++) {
			const struct profile_owner *owner = &side->view.owners[i];
			uint32_t node = side->owner_nodes[i];

			if (!node || is_listed(g, side, node))
				continue;
			buf_adds(out, first ? "{" : ",{");
			first = false;
			write_key(side, "name", owner->name, out);
			write_key(side, "id", owner->id, out);
			write_key(side, "runtime", owner->runtime, out);
			write_key(side, "image", owner->image, out);
			write_key(side, "cgroup", owner->cgroup_path, out);
			buf_addf(out, "\"node\":%u}", node);
		}
	}
	buf_adds(out, "],");
}

/* Up to nr strings from g->next on: 1 if there are more. */
static int write_strings(struct flamegraph *g, size_t nr, struct buf *out)
{
	const size_t all = intern_count(g->strings);

	if (!g->next)
		buf_adds(out, "\"strings\":[");
	for (; nr && g->next < all; nr--, g->next++) {
		if (g->string_of && g->string_of[g->next] == UINT32_MAX)
			continue;
		if (g->column++) /* here: how many there were */
			buf_addc(out, ',');
		text_for_json_in_script(out, intern_get(g->strings, (uint32_t)g->next, NULL));
	}
	if (g->next < all)
		return 1;
	buf_adds(out, "],");
	return 0;
}

/* A number, as "%llu" and five times as fast: there are millions of them. */
static void put_number(struct buf *out, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	buf_add(out, digits + at, sizeof(digits) - at);
}

struct column {
	const char *name;
	size_t offset;
	bool wide; /* uint64_t; else uint32_t */
};

/* Up to nr entries of the present column, `"name":[…]`, from g->next on: 1 if there are more. */
static int write_column(struct flamegraph *g, const struct column *column, const void *table,
			size_t nr_table, size_t element, size_t nr, struct buf *out)
{
	if (!g->next)
		buf_addf(out, "%s\"%s\":[", g->column ? "," : "", column->name);
	for (; nr && g->next < nr_table; nr--, g->next++) {
		const char *at = (const char *)table + g->next * element + column->offset;

		if (g->next)
			buf_addc(out, ',');
		put_number(out, column->wide ? *(const uint64_t *)at : *(const uint32_t *)at);
	}
	if (g->next < nr_table)
		return 1;
	buf_addc(out, ']');
	return 0;
}

static const struct column frame_columns[] = {
	{ "name", offsetof(struct flame_frame, name), false },
	{ "file", offsetof(struct flame_frame, file), false },
	{ "mapping", offsetof(struct flame_frame, mapping), false },
	{ "kind", offsetof(struct flame_frame, kind), false },
};

static const struct column node_columns[] = {
	{ "parent", offsetof(struct flame_node, parent), false },
	{ "frame", offsetof(struct flame_node, frame), false },
	{ "count", offsetof(struct flame_node, count[0]), true },
	{ "ns", offsetof(struct flame_node, ns[0]), true },
	{ "line_low", offsetof(struct flame_node, line_low), false },
	{ "line_high", offsetof(struct flame_node, line_high), false },
	{ "base_count", offsetof(struct flame_node, count[1]), true },
	{ "base_ns", offsetof(struct flame_node, ns[1]), true },
};

static int write_table(struct flamegraph *g, size_t nr, struct buf *out)
{
	const bool frames = g->phase == FLAME_FRAMES;
	size_t nr_columns = frames ? ARRAY_SIZE(frame_columns)
				   : ARRAY_SIZE(node_columns) - (g->config.base ? 0 : 2);
	int more;

	if (!g->column && !g->next)
		buf_adds(out, frames ? "\"frames\":{" : "\"nodes\":{");
	more = frames ? write_column(g, &frame_columns[g->column], g->frames, g->nr_frames,
				     sizeof(*g->frames), nr, out)
		      : write_column(g, &node_columns[g->column], g->nodes, g->nr_nodes,
				     sizeof(*g->nodes), nr, out);
	if (more)
		return 1;
	g->next = 0;
	if (++g->column < nr_columns)
		return 1;
	buf_adds(out, frames ? "}," : "}}");
	return 0;
}

int flame_write(struct flamegraph *g, size_t nr, struct buf *out)
{
	int more = 0;

	switch (g->phase) {
	case FLAME_HEAD:
		write_head(g, out);
		write_owners(g, out);
		break;
	case FLAME_STRINGS:
		more = write_strings(g, nr, out);
		break;
	case FLAME_FRAMES:
	case FLAME_NODES:
		more = write_table(g, nr, out);
		break;
	default:
		return 0;
	}
	if (out->error)
		return out->error;
	if (!more) {
		g->phase++;
		g->column = g->next = 0;
	}
	return g->phase < FLAME_DONE;
}
