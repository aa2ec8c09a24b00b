/* Weighted stacks of functions. */
#include "agent/core/stacks.h"
#include "agent/base/intern.h"

#include <errno.h>
#include <string.h>

struct stacks {
	struct intern *strings;
	struct intern
		*functions; /* kind as a digit, then the name; by order of arrival, but for "" */
	struct stacks_sample *samples;
	uint32_t *frames;
	size_t nr_samples, max_samples, nr_frames, max_frames;
	int64_t total;
	uint64_t cut;
};

int stacks_new(struct stacks **ret)
{
	_cleanup_(stacks_freep) struct stacks *s = calloc(1, sizeof(*s));
	int r = s ? intern_new(&s->strings, STACKS_STRING_BYTES_MAX) : -ENOMEM;

	if (!r)
		r = intern_new(&s->functions, STACKS_STRING_BYTES_MAX);
	if (!r)
		*ret = TAKE_PTR(s);
	return r;
}

struct stacks *stacks_free(struct stacks *s)
{
	if (!s)
		return NULL;
	intern_free(s->strings);
	intern_free(s->functions);
	free(s->samples);
	free(s->frames);
	free(s);
	return NULL;
}

int stacks_add_string(struct stacks *s, const char *text, size_t len, uint32_t *ret)
{
	int r = intern_add(s->strings, text, len, ret);

	return r > 0 ? -ENOSPC : r;
}

int stacks_add_function(struct stacks *s, enum stacks_kind kind, const char *name, size_t len,
			uint32_t *ret)
{
	_cleanup_(freep) char *key = malloc(len + 1);
	uint32_t id;
	int r;

	if (!key)
		return -ENOMEM;
	key[0] = (char)('0' + kind);
	memcpy(key + 1, name, len);
	r = intern_add(s->functions, key, len + 1, &id);
	if (!r)
		*ret = id - 1; /* id 0 is "", which no key is */
	return r > 0 ? -ENOSPC : r;
}

static int reserve(void *array, size_t entry, size_t *max, size_t want, size_t limit)
{
	void **at = array;
	size_t size = *max ? *max : 256;
	void *data;

	if (want > limit)
		return -ENOSPC;
	if (want <= *max)
		return 0;
	while (size < want)
		size += size / 2;
	data = reallocarray(*at, size, entry);
	if (!data)
		return -ENOMEM;
	*at = data;
	*max = size;
	return 0;
}

int64_t stacks_sum(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

int stacks_add_sample(struct stacks *s, uint32_t owner, int64_t value, const uint32_t *functions,
		      size_t nr)
{
	size_t depth = MIN(nr, (size_t)STACKS_DEPTH_MAX);
	int r = reserve(&s->samples, sizeof(*s->samples), &s->max_samples, s->nr_samples + 1,
			STACKS_SAMPLES_MAX);

	if (!r)
		r = reserve(&s->frames, sizeof(*s->frames), &s->max_frames, s->nr_frames + depth,
			    STACKS_FRAMES_MAX);
	if (r)
		return r;
	if (depth)
		memcpy(s->frames + s->nr_frames, functions, depth * sizeof(*functions));
	s->samples[s->nr_samples++] = (struct stacks_sample) {
		.owner = owner, .first = s->nr_frames, .nr = depth, .value = value
	};
	s->nr_frames += depth;
	s->total = stacks_sum(s->total, value);
	s->cut += depth < nr;
	return 0;
}

const char *stacks_string(const struct stacks *s, uint32_t string)
{
	return intern_get(s->strings, string, NULL);
}

const char *stacks_function(const struct stacks *s, uint32_t function)
{
	return intern_get(s->functions, function + 1, NULL) + 1;
}

enum stacks_kind stacks_function_kind(const struct stacks *s, uint32_t function)
{
	return (enum stacks_kind)(intern_get(s->functions, function + 1, NULL)[0] - '0');
}

size_t stacks_nr_functions(const struct stacks *s)
{
	return intern_count(s->functions) - 1;
}

size_t stacks_nr_samples(const struct stacks *s)
{
	return s->nr_samples;
}

const struct stacks_sample *stacks_sample(const struct stacks *s, size_t index)
{
	return &s->samples[index];
}

const uint32_t *stacks_frames(const struct stacks *s, const struct stacks_sample *sample)
{
	return s->frames + sample->first;
}

int64_t stacks_total(const struct stacks *s)
{
	return s->total;
}

uint64_t stacks_cut(const struct stacks *s)
{
	return s->cut;
}
