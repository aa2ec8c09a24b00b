/* Answers that were given. */
#include "symbolizer/memo.h"
#include "agent/base/cleanup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX (1u << 20)
#define FRAMES_MAX (8u << 20)
#define LOOSE_MAX 32 /* entries that are not sorted yet: as many as are looked through in no time */
#define NEAR 64 /* entries */

void memo_init(struct memo *m, struct mem *mem, size_t max)
{
	*m = (struct memo) { .mem = mem, .max = max };
}

void memo_clear(struct memo *m)
{
	mem_free(m->mem, m->entries, m->entries_size * sizeof(*m->entries));
	mem_free(m->mem, m->frames, m->frames_size * sizeof(*m->frames));
	memo_init(m, m->mem, m->max);
}

/* Doubles at a time; while it does, the old and the new are both there. */
static bool has_room(struct memo *m, size_t nr_frames)
{
	size_t bytes = 0;

	if (m->nr == m->entries_size)
		bytes += 2 * m->entries_size * sizeof(*m->entries);
	if (m->nr_frames + nr_frames > m->frames_size)
		bytes += 2 * m->frames_size * sizeof(*m->frames);
	return m->entries_size * sizeof(*m->entries) + m->frames_size * sizeof(*m->frames) +
		       bytes <=
	       m->max;
}

static bool add_frames(struct memo *m, const struct symbolizer_frame *frames, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (mem_grow(m->mem, (void **)&m->frames, &m->frames_size, m->nr_frames,
			     sizeof(*m->frames), FRAMES_MAX))
			return false;
		m->frames[m->nr_frames++] = frames[i];
	}
	return true;
}

void memo_add(struct memo *m, uint64_t start, uint64_t end, enum symbolizer_source source,
	      const struct symbolizer_frame *frames, size_t nr_frames)
{
	struct memo_entry *last = m->nr > m->nr_sorted ? &m->entries[m->nr - 1] : NULL;
	size_t first = m->nr_frames;

	if (last && last->start == start && last->end == end)
		return;
	if (m->full || start >= end || nr_frames > UINT16_MAX)
		return;
	if (!has_room(m, nr_frames) || !add_frames(m, frames, nr_frames) ||
	    mem_grow(m->mem, (void **)&m->entries, &m->entries_size, m->nr, sizeof(*m->entries),
		     ENTRIES_MAX)) {
		m->nr_frames = first;
		m->full = true;
		return;
	}
	m->entries[m->nr++] = (struct memo_entry) { .start = start,
						    .end = end,
						    .first_frame = (uint32_t)first,
						    .nr_frames = (uint16_t)nr_frames,
						    .source = (uint8_t)source };
}

static int compare(const void *a, const void *b)
{
	const struct memo_entry *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* Of two that begin together the longer one says all that the other does. */
static size_t drop_doubles(struct memo_entry *entries, size_t nr)
{
	size_t kept = 0;

	for (size_t i = 0; i < nr; i++) {
		if (kept && entries[kept - 1].start == entries[i].start)
			kept--;
		entries[kept++] = entries[i];
	}
	return kept;
}

/* Puts the loose ones among the sorted: from the back, into the room that a copy of them leaves. */
static bool merge(struct memo *m)
{
	size_t nr_loose = m->nr - m->nr_sorted, i = m->nr_sorted, j = nr_loose, to = m->nr;
	size_t bytes = nr_loose * sizeof(*m->entries);
	struct memo_entry *loose = mem_alloc(m->mem, bytes);

	if (!loose)
		return false;
	memcpy(loose, &m->entries[m->nr_sorted], bytes);
	qsort(loose, nr_loose, sizeof(*loose), compare);
	while (j > 0) {
		if (i > 0 && compare(&m->entries[i - 1], &loose[j - 1]) > 0)
			m->entries[--to] = m->entries[--i];
		else
			m->entries[--to] = loose[--j];
	}
	mem_free(m->mem, loose, bytes);
	return true;
}

void memo_settle(struct memo *m)
{
	if (m->nr - m->nr_sorted <= LOOSE_MAX)
		return;
	if (!merge(m)) {
		memo_clear(m);
		return;
	}
	m->nr = drop_doubles(m->entries, m->nr);
	m->nr_sorted = m->nr;
	m->last = 0;
}

/* The first of the sorted entries that begins above address: by steps from the one before, if it is near. */
static size_t first_above(struct memo *m, uint64_t address)
{
	const struct memo_entry *entries = m->entries;
	size_t lo = m->last, n = m->nr_sorted;

	if (lo < n && entries[lo].start <= address) {
		size_t step = 1;

		while (step <= NEAR && lo + step < n && entries[lo + step].start <= address) {
			lo += step;
			step *= 2;
		}
		n = step <= NEAR ? MIN(step, n - lo) : n - lo;
	} else {
		n = MIN(lo, n);
		lo = 0;
	}
	while (n > 0) {
		size_t half = n / 2;
		bool below = entries[lo + half].start <= address;

		lo = below ? lo + half + 1 : lo;
		n = below ? n - half - 1 : half;
	}
	m->last = lo ? lo - 1 : 0;
	return lo;
}

const struct memo_entry *memo_find(struct memo *m, uint64_t address)
{
	size_t above = first_above(m, address);

	if (above && address < m->entries[above - 1].end)
		return &m->entries[above - 1];
	for (size_t i = m->nr_sorted; i < m->nr; i++) {
		if (address - m->entries[i].start < m->entries[i].end - m->entries[i].start)
			return &m->entries[i];
	}
	return NULL;
}
