/* The flame graph's tree as a still picture. */
#include "proto/flamegraph_svg.h"
#include "agent/base/text.h"
#include "proto/flamegraph_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ROW 17
#define TOP 40 /* the two lines above the graph */
#define BOTTOM 24
#define LETTER 7.25 /* width of one, of the font below */
#define PADDING 3

static const char style[] =
	"<style>text{font:12px ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;fill:#1a1a1a}"
	"text.title{font-weight:bold;font-size:14px}text.small{fill:#666}"
	"rect{stroke:#fff;stroke-width:.5}g:hover>rect{stroke:#000}</style>\n";

struct picture {
	const struct flamegraph *graph;
	struct buf *out;
	struct place {
		double x, next_x; /* where the next child begins */
		uint64_t count, ns; /* with all that is below */
		uint32_t depth;
	} * places; /* by node */
	uint32_t *order; /* nodes by parent, the heaviest first */
	uint32_t narrow; /* frames that are not drawn */
};

static int by_parent_and_weight(const void *a, const void *b, void *userdata)
{
	const struct picture *picture = userdata;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct flame_node *nodes = picture->graph->nodes;
	uint64_t w = picture->places[i].ns, v = picture->places[j].ns;

	if (nodes[i].parent != nodes[j].parent)
		return nodes[i].parent < nodes[j].parent ? -1 : 1;
	if (w != v)
		return w > v ? -1 : 1;
	return i < j ? -1 : i > j;
}

static double width_of(const struct picture *picture, uint32_t node)
{
	uint64_t all = picture->places[0].ns;

	return all ? (double)FLAMEGRAPH_SVG_WIDTH * (double)picture->places[node].ns / (double)all
		   : 0;
}

/* Totals from the end, since a parent stands before its children; then places, parents first. */
static void lay_out(struct picture *picture)
{
	const struct flamegraph *g = picture->graph;
	struct place *places = picture->places;

	for (uint32_t i = g->nr_nodes; i-- > 0;) {
		uint32_t parent = g->nodes[i].parent;

		places[i].count += g->nodes[i].count[0];
		places[i].ns += g->nodes[i].ns[0];
		picture->order[i] = i;
		if (!i)
			break;
		places[parent].count += places[i].count;
		places[parent].ns += places[i].ns;
	}
	qsort_r(picture->order + 1, g->nr_nodes - 1, sizeof(*picture->order), by_parent_and_weight,
		picture);
	for (uint32_t k = 1; k < g->nr_nodes; k++) {
		uint32_t i = picture->order[k];
		struct place *parent = &places[g->nodes[i].parent];

		places[i].depth = parent->depth + 1;
		places[i].x = places[i].next_x = parent->next_x;
		parent->next_x += width_of(picture, i);
	}
}

/* Kernel, user, generated and inlined code differ in hue, neighbours in shade, and a name has one colour everywhere. */
static uint32_t colour_of(const struct flame_frame *frame, const char *name)
{
	static const uint32_t hues[] = {
		[PROFILE_FRAME_USER] = 0xf2ab5b, [PROFILE_FRAME_KERNEL] = 0x8fb4ea,
		[PROFILE_FRAME_JIT] = 0xa3d07f,  [PROFILE_FRAME_ROOT] = 0xd5d8de,
		[PROFILE_FRAME_MARK] = 0xc2bcc6, [KIND_OWNER] = 0xd5d8de,
		[KIND_WHOLE] = 0xd5d8de,         [KIND_INLINED] = 0x86cfc0,
	};
	uint32_t hue = hues[frame->kind & KIND_INLINED ? KIND_INLINED : frame->kind], hash = 0;
	uint32_t darker;

	for (; *name; name++)
		hash = hash * 31 + (uint8_t)*name;
	darker = (hash * 2654435761u >> 28) * 0x010101;
	return hue - darker;
}

static void draw_tip(struct picture *picture, uint32_t node, const struct flame_frame *frame,
		     const char *name)
{
	const struct place *place = &picture->places[node];
	const char *file = intern_get(picture->graph->strings, frame->file, NULL);
	const char *mapping = intern_get(picture->graph->strings, frame->mapping, NULL);

	buf_adds(picture->out, "<title>");
	text_for_svg(picture->out, name);
	buf_addf(picture->out, "\n%.2f %%, %" PRIu64 " samples, %.3f s",
		 100.0 * (double)place->ns / (double)MAX(picture->places[0].ns, 1u), place->count,
		 (double)place->ns / 1e9);
	if (*file || *mapping) {
		buf_addc(picture->out, '\n');
		text_for_svg(picture->out, *file ? file : mapping);
		if (*file && picture->graph->nodes[node].line_low)
			buf_addf(picture->out, ":%u", picture->graph->nodes[node].line_low);
	}
	buf_adds(picture->out, "</title>");
}

static void draw_node(struct picture *picture, uint32_t node)
{
	const struct flame_frame *frame =
		&picture->graph->frames[picture->graph->nodes[node].frame];
	const char *name = intern_get(picture->graph->strings, frame->name, NULL);
	const struct place *place = &picture->places[node];
	double width = width_of(picture, node), y = TOP + place->depth * (double)ROW;
	_cleanup_(buf_deinitp) struct buf label = BUF_NULL;

	buf_adds(picture->out, "<g>");
	draw_tip(picture, node, frame, name);
	buf_addf(picture->out,
		 "<rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\" fill=\"#%06x\"/>",
		 place->x, y, width, ROW - 1, colour_of(frame, name));
	if (width >= 2 * PADDING + 3 * LETTER) {
		buf_init(&label, 4096);
		text_for_terminal(&label, name, (size_t)((width - 2 * PADDING) / LETTER));
		buf_addf(picture->out, "<text x=\"%.2f\" y=\"%.0f\">", place->x + PADDING, y + 12);
		text_for_svg(picture->out, buf_str(&label));
		buf_adds(picture->out, "</text>");
	}
	buf_adds(picture->out, "</g>\n");
}

static void draw_head(struct picture *picture, const char *title, uint32_t rows)
{
	const struct profile_meta *meta = picture->graph->sides[0].view.meta;
	uint32_t height = TOP + rows * ROW + BOTTOM;

	buf_addf(
		picture->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
		"width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\">\n",
		FLAMEGRAPH_SVG_WIDTH, height, FLAMEGRAPH_SVG_WIDTH, height);
	buf_adds(picture->out, style);
	buf_adds(picture->out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
			       "<text class=\"title\" x=\"3\" y=\"16\">");
	text_for_svg(picture->out, title);
	buf_adds(picture->out, "</text>\n<text class=\"small\" x=\"3\" y=\"33\">");
	text_for_svg(picture->out, meta->host);
	buf_addf(picture->out, ": %" PRIu64 " samples in %.1f s at %u Hz on %u CPUs",
		 picture->places[0].count, (double)meta->duration_ns / 1e9, meta->rate_hz,
		 meta->nr_cpus);
	for (size_t i = 0; i < meta->nr_losses; i++) {
		const struct profile_loss *loss = &meta->losses[i];

		if (!loss->count ||
		    (strcmp(loss->name, "missed") && strncmp(loss->name, "lost", 4)))
			continue;
		buf_adds(picture->out, "; ");
		text_for_svg(picture->out, loss->name);
		buf_addf(picture->out, " %" PRIu64, loss->count);
	}
	buf_adds(picture->out, "</text>\n");
}

static void draw(struct picture *picture, const char *title)
{
	uint32_t rows = 1;

	for (uint32_t i = 1; i < picture->graph->nr_nodes; i++) {
		if (width_of(picture, i) >= FLAMEGRAPH_SVG_NARROWEST)
			rows = MAX(rows, picture->places[i].depth + 1);
		else
			picture->narrow++;
	}
	draw_head(picture, title, rows);
	draw_node(picture, 0);
	for (uint32_t i = 1; i < picture->graph->nr_nodes; i++) {
		if (width_of(picture, i) >= FLAMEGRAPH_SVG_NARROWEST)
			draw_node(picture, i);
	}
	if (picture->narrow)
		buf_addf(picture->out,
			 "<text class=\"small\" x=\"3\" y=\"%u\">%u frames are too narrow to be "
			 "drawn</text>\n",
			 TOP + rows * ROW + 16, picture->narrow);
	buf_adds(picture->out, "</svg>\n");
}

int flamegraph_svg(const struct profile *p, uint32_t owner, const char *title, struct buf *out)
{
	const struct flamegraph_config config = { .profile = p, .owner = owner, .title = title };
	_cleanup_(flamegraph_freep) struct flamegraph *g = NULL;
	_cleanup_(freep) struct place *places = NULL;
	_cleanup_(freep) uint32_t *order = NULL;
	struct picture picture = { .out = out };
	int r = flamegraph_new(&g, &config);

	while (!r && g->phase == FLAME_BUILD)
		r = MIN(flamegraph_step(g, SIZE_MAX, out), 0);
	if (r)
		return r;
	places = calloc(g->nr_nodes, sizeof(*places));
	order = calloc(g->nr_nodes, sizeof(*order));
	if (!places || !order)
		return -ENOMEM;
	picture.graph = g;
	picture.places = places;
	picture.order = order;
	lay_out(&picture);
	draw(&picture, title);
	return out->error;
}
