/* Flat address ranges. */
#include "symbolizer/spans.h"
#include "agent/base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define SPANS_MAX (16u << 20)
#define OPEN_MAX 256 /* nested at one address; the readers go no deeper either */

int spans_add(struct spans *s, uint64_t start, uint64_t end, uint32_t what, uint32_t depth)
{
	int r = mem_grow(s->mem, (void **)&s->spans, &s->size, s->nr, sizeof(*s->spans), SPANS_MAX);

	if (!r)
		s->spans[s->nr++] =
			(struct span) { .start = start, .end = end, .what = what, .depth = depth };
	return r;
}

/* Whether x stands behind y: by start, then the outer one first, the longer one first. */
static inline bool is_behind(const struct span *x, const struct span *y)
{
	if (x->start != y->start)
		return x->start > y->start;
	if (x->depth != y->depth)
		return x->depth > y->depth;
	return x->end < y->end;
}

#define BLOCK 8 /* spans that are put in order one by one */

static void sort_block(struct span *spans, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		struct span span = spans[i];
		size_t j = i;

		for (; j > 0 && is_behind(&spans[j - 1], &span); j--)
			spans[j] = spans[j - 1];
		spans[j] = span;
	}
}

/* Two halves that are in order; the left one is moved aside, into room. */
static void merge(struct span *spans, size_t left, size_t nr, struct span *room)
{
	size_t i = 0, j = left, to = 0;

	memcpy(room, spans, left * sizeof(*room));
	while (i < left && j < nr)
		spans[to++] = is_behind(&room[i], &spans[j]) ? spans[j++] : room[i++];
	if (i < left)
		memcpy(&spans[to], &room[i], (left - i) * sizeof(*room));
}

/* By merging, as compilers write most of them in order: what is, is left alone. 0 or -ENOMEM. */
static int sort(struct spans *s)
{
	size_t bytes = s->nr * sizeof(*s->spans);
	struct span *room = mem_alloc(s->mem, bytes);

	if (!room)
		return -ENOMEM;
	for (size_t i = 0; i < s->nr; i += BLOCK)
		sort_block(&s->spans[i], MIN(s->nr - i, (size_t)BLOCK));
	for (size_t width = BLOCK; width < s->nr; width *= 2) {
		for (size_t i = 0; i + width < s->nr; i += 2 * width) {
			struct span *spans = &s->spans[i];

			if (is_behind(&spans[width - 1], &spans[width]))
				merge(spans, width, MIN(s->nr - i, 2 * width), room);
		}
	}
	mem_free(s->mem, room, bytes);
	return 0;
}

/* In order, and without overlap. */
static bool is_flat(const struct spans *s)
{
	for (size_t i = 1; i < s->nr; i++) {
		if (s->spans[i - 1].end > s->spans[i].start)
			return false;
	}
	return true;
}

static int emit(struct spans *flat, uint64_t start, uint64_t end, uint32_t what)
{
	struct span *last = flat->nr ? &flat->spans[flat->nr - 1] : NULL;

	if (start >= end)
		return 0;
	if (last && last->what == what && last->end == start) {
		last->end = end;
		return 0;
	}
	return spans_add(flat, start, end, what, 0);
}

/* A sweep with a stack of those that are open; the top is the innermost. */
static int sweep(const struct spans *s, struct spans *flat)
{
	const struct span *open[OPEN_MAX];
	size_t nr_open = 0;
	uint64_t at = 0;
	int r = 0;

	for (size_t i = 0; i <= s->nr && !r; i++) {
		uint64_t next = i < s->nr ? s->spans[i].start : UINT64_MAX;

		while (nr_open && open[nr_open - 1]->end <= next && !r) {
			const struct span *top = open[--nr_open];

			r = emit(flat, at, top->end, top->what);
			at = MAX(at, top->end);
		}
		if (i == s->nr || r)
			break;
		if (nr_open)
			r = emit(flat, at, next, open[nr_open - 1]->what);
		at = MAX(at, next);
		if (nr_open < ARRAY_SIZE(open))
			open[nr_open++] = &s->spans[i];
	}
	return r;
}

int spans_flatten(struct spans *s)
{
	struct spans flat = { .mem = s->mem };
	int r;

	if (is_flat(s))
		return 0;
	r = sort(s);
	if (r || is_flat(s))
		return r;
	r = sweep(s, &flat);
	if (r == -ENOSPC)
		r = -ENOMEM;
	if (r) {
		spans_deinit(&flat);
		return r;
	}
	spans_deinit(s);
	*s = flat;
	return 0;
}

uint32_t spans_find(const struct spans *s, uint64_t address, struct stretch *stretch)
{
	size_t lo = 0, n = s->nr;

	while (n > 0) { /* the first that ends above address */
		size_t half = n / 2;
		bool below = s->spans[lo + half].end <= address;

		lo = below ? lo + half + 1 : lo;
		n = below ? n - half - 1 : half;
	}
	if (lo < s->nr && s->spans[lo].start <= address) {
		stretch_narrow(stretch, s->spans[lo].start, s->spans[lo].end);
		return s->spans[lo].what;
	}
	stretch_narrow(stretch, lo ? s->spans[lo - 1].end : 0,
		       lo < s->nr ? s->spans[lo].start : UINT64_MAX);
	return SPANS_NOTHING;
}

void spans_deinit(struct spans *s)
{
	mem_free(s->mem, s->spans, s->size * sizeof(*s->spans));
	*s = (struct spans) { .mem = s->mem };
}
