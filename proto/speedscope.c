/* A profile as a file for speedscope: shared frames, and a list of stacks and weights for each owner. */
#include "proto/speedscope.h"
#include "agent/base/text.h"

#include <errno.h>
#include <inttypes.h>

struct speedscope {
	const struct profile *profile;
	struct profile_view view;
	uint32_t *first_frame; /* of each location; its frames follow, innermost first */
	struct buf *out;
};

static uint32_t frames_of(const struct profile_location *l)
{
	return MAX(l->nr_lines, 1u);
}

static void write_frame(const struct speedscope *s, uint32_t location, uint32_t line)
{
	const struct profile_location *l = &s->view.locations[location];
	char tmp[PROFILE_MAX_NAME];

	buf_adds(s->out, "{\"name\":");
	text_for_json_in_script(s->out, profile_frame_name(s->profile, location, line, tmp));
	if (l->nr_lines) {
		const struct profile_line *from = &s->view.lines[l->first_line + line];
		const char *file =
			profile_string(s->profile, s->view.functions[from->function].file);

		if (*file) {
			buf_adds(s->out, ",\"file\":");
			text_for_json_in_script(s->out, file);
		}
		if (from->line)
			buf_addf(s->out, ",\"line\":%" PRIu32, from->line);
	}
	buf_addc(s->out, '}');
}

static void write_frames(struct speedscope *s)
{
	uint32_t nr = 0;

	buf_adds(s->out, "\"shared\":{\"frames\":[");
	for (uint32_t i = 0; i < s->view.nr_locations; i++) {
		s->first_frame[i] = nr;
		for (uint32_t line = 0; line < frames_of(&s->view.locations[i]); line++) {
			if (nr++)
				buf_addc(s->out, ',');
			write_frame(s, i, line);
		}
	}
	buf_adds(s->out, "]}");
}

/* Root first: of each location the outermost function before those that are inlined into it. */
static void write_stack(const struct speedscope *s, const struct profile_sample *sample)
{
	bool first = true;

	for (uint32_t i = sample->nr_locations; i-- > 0;) {
		uint32_t location = s->view.stack_locations[sample->first_location + i];

		for (uint32_t line = frames_of(&s->view.locations[location]); line-- > 0;) {
			buf_addf(s->out, "%s%" PRIu32, first ? "" : ",",
				 s->first_frame[location] + line);
			first = false;
		}
	}
}

static void write_samples(const struct speedscope *s, uint32_t owner)
{
	bool first = true;

	buf_adds(s->out, "\"samples\":[");
	for (size_t i = 0; i < s->view.nr_samples && !s->out->error; i++) {
		if (s->view.samples[i].owner != owner)
			continue;
		buf_adds(s->out, first ? "[" : ",[");
		write_stack(s, &s->view.samples[i]);
		buf_addc(s->out, ']');
		first = false;
	}
	first = true;
	buf_adds(s->out, "],\"weights\":[");
	for (size_t i = 0; i < s->view.nr_samples && !s->out->error; i++) {
		if (s->view.samples[i].owner != owner)
			continue;
		buf_addf(s->out, "%s%" PRIu64, first ? "" : ",", s->view.samples[i].value_ns);
		first = false;
	}
	buf_addc(s->out, ']');
}

static void write_owner(const struct speedscope *s, uint32_t owner)
{
	const struct profile_owner *o = &s->view.owners[owner];

	buf_adds(s->out, "{\"type\":\"sampled\",\"name\":");
	text_for_json_in_script(s->out, profile_string(s->profile, o->name));
	buf_addf(s->out, ",\"unit\":\"nanoseconds\",\"startValue\":0,\"endValue\":%" PRIu64 ",",
		 o->value_ns);
	write_samples(s, owner);
	buf_addc(s->out, '}');
}

int speedscope_write(const struct profile *p, const char *title, struct buf *out)
{
	struct speedscope s = { .profile = p, .out = out };
	bool first = true;

	profile_view(p, &s.view);
	s.first_frame = calloc(s.view.nr_locations + 1, sizeof(*s.first_frame));
	if (!s.first_frame)
		return -ENOMEM;
	buf_adds(out, "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
		      "\"exporter\":");
	text_for_json_in_script(out, s.view.meta->version);
	buf_adds(out, ",\"name\":");
	text_for_json_in_script(out, title);
	buf_addc(out, ',');
	write_frames(&s);
	buf_adds(out, ",\"profiles\":[");
	for (uint32_t i = 0; i < s.view.nr_owners && !out->error; i++) {
		if (!s.view.owners[i].samples)
			continue;
		if (!first)
			buf_addc(out, ',');
		write_owner(&s, i);
		first = false;
	}
	buf_adds(out, "]}\n");
	free(s.first_frame);
	return out->error;
}
