/* Builds results. */
#include "symbolizer/result.h"

#include <errno.h>
#include <string.h>

#define STRINGS_MAX (64u << 20)
#define FRAMES_MAX (8u << 20)
#define CHUNK_MIN (16u << 10)

struct chunk {
	struct chunk *next;
	char bytes[];
};

struct result {
	struct symbolizer_frame *frames;
	size_t nr_answers, nr_frames, size;
	struct chunk *chunks; /* of copied strings */
	size_t strings, room; /* bytes of all of them; left in the first */
	char *at;
	struct symbolizer_answer answers[];
};

int result_new(struct result **ret, size_t nr_answers)
{
	struct result *r;

	if (nr_answers > (SIZE_MAX - sizeof(*r)) / sizeof(r->answers[0]))
		return -ENOMEM;
	r = malloc(sizeof(*r) + nr_answers * sizeof(r->answers[0]));
	if (!r)
		return -ENOMEM;
	*r = (struct result) { .nr_answers = nr_answers };
	memset(r->answers, 0, nr_answers * sizeof(r->answers[0]));
	*ret = r;
	return 0;
}

struct result *result_free(struct result *r)
{
	if (!r)
		return NULL;
	while (r->chunks) {
		struct chunk *chunk = r->chunks;

		r->chunks = chunk->next;
		free(chunk);
	}
	free(r->frames);
	free(r);
	return NULL;
}

static int copy(struct result *r, const char **s)
{
	size_t size = *s ? strlen(*s) + 1 : 1;
	struct chunk *chunk;

	if (size == 1) {
		*s = "";
		return 0;
	}
	if (size > r->room) {
		r->room = MAX(size, (size_t)CHUNK_MIN);
		if (r->strings + r->room > STRINGS_MAX)
			return -ENOSPC;
		chunk = malloc(sizeof(*chunk) + r->room);
		if (!chunk)
			return -ENOMEM;
		r->strings += r->room;
		chunk->next = r->chunks;
		r->chunks = chunk;
		r->at = chunk->bytes;
	}
	*s = memcpy(r->at, *s, size);
	r->at += size;
	r->room -= size;
	return 0;
}

int result_add_stable_frames(struct result *r, const struct symbolizer_frame *frames, size_t nr)
{
	if (r->size - r->nr_frames < nr) {
		size_t size = MAX(r->size ? 2 * r->size : MIN(2 * r->nr_answers, (size_t)4096),
				  r->nr_frames + nr);
		struct symbolizer_frame *more;

		if (r->nr_frames + nr > FRAMES_MAX)
			return -ENOSPC;
		more = realloc(r->frames, size * sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->frames = more;
		r->size = size;
	}
	if (nr)
		memcpy(&r->frames[r->nr_frames], frames, nr * sizeof(*frames));
	r->nr_frames += nr;
	return 0;
}

int result_add_stable_frame(struct result *r, const struct symbolizer_frame *frame)
{
	return result_add_stable_frames(r, frame, 1);
}

int result_add_frame(struct result *r, const struct symbolizer_frame *frame)
{
	struct symbolizer_frame copied = *frame;
	int rc = copy(r, &copied.name);

	if (!rc)
		rc = copy(r, &copied.system_name);
	if (!rc)
		rc = copy(r, &copied.file);
	return rc ? rc : result_add_stable_frame(r, &copied);
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

const struct symbolizer_answer *result_answer(const struct result *r, size_t i)
{
	return &r->answers[i];
}

const struct symbolizer_frame *result_answer_frames(const struct result *r, size_t i)
{
	return r->answers[i].nr_frames ? &r->frames[r->answers[i].first_frame] : NULL;
}

void result_finish(struct result *r, struct symbolizer_result *ret)
{
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
