/* Builds results. */
#include "symbolizer/result.h"

#include <errno.h>
#include <string.h>

#define STRINGS_MAX (64u << 20)
#define FRAMES_MAX (8u << 20)

struct raw_frame {
	uint32_t name, system_name, file;
	uint32_t line, column, start_line;
	bool inlined;
};

struct result {
	struct intern *strings;
	struct symbolizer_answer *answers;
	struct raw_frame *raw;
	struct symbolizer_frame *frames;
	size_t nr_answers, nr_frames, size;
};

int result_new(struct result **ret, size_t nr_answers)
{
	_cleanup_(result_freep) struct result *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	r->nr_answers = nr_answers;
	r->answers = calloc(nr_answers + 1, sizeof(*r->answers));
	if (!r->answers)
		return -ENOMEM;
	rc = intern_new(&r->strings, STRINGS_MAX);
	if (rc)
		return rc;
	*ret = TAKE_PTR(r);
	return 0;
}

struct result *result_free(struct result *r)
{
	if (!r)
		return NULL;
	intern_free(r->strings);
	free(r->answers);
	free(r->raw);
	free(r->frames);
	free(r);
	return NULL;
}

static int add_string(struct result *r, const char *s, uint32_t *ret)
{
	int rc = intern_add(r->strings, s ? s : "", s ? strlen(s) : 0, ret);

	return rc > 0 ? -ENOSPC : rc;
}

int result_add_frame(struct result *r, const struct symbolizer_frame *frame)
{
	struct raw_frame raw = { .line = frame->line,
				 .column = frame->column,
				 .start_line = frame->start_line,
				 .inlined = frame->inlined };
	int rc;

	if (r->nr_frames >= FRAMES_MAX)
		return -ENOSPC;
	if (r->nr_frames == r->size) {
		size_t size = r->size ? 2 * r->size : 64;
		struct raw_frame *more = realloc(r->raw, size * sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->raw = more;
		r->size = size;
	}
	rc = add_string(r, frame->name, &raw.name);
	if (!rc)
		rc = add_string(r, frame->system_name, &raw.system_name);
	if (!rc)
		rc = add_string(r, frame->file, &raw.file);
	if (rc)
		return rc;
	r->raw[r->nr_frames++] = raw;
	return 0;
}

uint32_t result_frames(const struct result *r)
{
	return (uint32_t)r->nr_frames;
}

void result_set_answer(struct result *r, size_t i, const struct symbolizer_answer *answer)
{
	r->answers[i] = *answer;
	r->answers[i].nr_frames = (uint32_t)r->nr_frames - answer->first_frame;
}

void result_finish(struct result *r, struct symbolizer_result *ret)
{
	r->frames = calloc(r->nr_frames + 1, sizeof(*r->frames));
	if (!r->frames) { /* out of memory at the very end: every answer becomes "no name" */
		memset(r->answers, 0, r->nr_answers * sizeof(*r->answers));
		r->nr_frames = 0;
	}
	for (size_t i = 0; i < r->nr_frames; i++) {
		const struct raw_frame *raw = &r->raw[i];

		r->frames[i] = (struct symbolizer_frame) {
			.name = intern_get(r->strings, raw->name, NULL),
			.system_name = intern_get(r->strings, raw->system_name, NULL),
			.file = intern_get(r->strings, raw->file, NULL),
			.line = raw->line,
			.column = raw->column,
			.start_line = raw->start_line,
			.inlined = raw->inlined,
		};
	}
	*ret = (struct symbolizer_result) { .answers = r->answers,
					    .nr_answers = r->nr_answers,
					    .frames = r->frames,
					    .nr_frames = r->nr_frames,
					    .owner = r };
}

void symbolizer_result_deinit(struct symbolizer_result *result)
{
	result_free(result->owner);
	*result = SYMBOLIZER_RESULT_NULL;
}
