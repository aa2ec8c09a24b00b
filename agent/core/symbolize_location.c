/* From the symbolizer's answers to a profile's locations. */
#include "agent/core/symbolize_location.h"

#define LINES_MAX 64 /* inline depth; compilers stop far below */

static int add_line(struct profile *p, const struct symbolizer_frame *frame,
		    struct profile_line *ret)
{
	struct profile_function function = { .start_line = frame->start_line };
	int r;

	r = profile_add_string(p, frame->name, &function.name);
	if (!r)
		r = profile_add_string(p, frame->system_name, &function.system_name);
	if (!r)
		r = profile_add_string(p, frame->file, &function.file);
	if (!r)
		r = profile_add_function(p, &function, &ret->function);
	ret->line = frame->line;
	ret->column = frame->column;
	return r;
}

int symbolize_add_location(struct profile *p, struct profile_location location,
			   const struct symbolizer_frame *frames, size_t nr, uint32_t *ret)
{
	struct profile_line lines[LINES_MAX];

	for (location.nr_lines = 0; location.nr_lines < MIN(nr, (size_t)LINES_MAX);
	     location.nr_lines++) {
		int r = add_line(p, &frames[location.nr_lines], &lines[location.nr_lines]);

		if (r)
			return r;
	}
	return profile_add_location(p, &location, lines, ret);
}
