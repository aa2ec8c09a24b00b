/*
 * Answers that a file has given, each with the stretch of code that it is right for: asked again, or for an address
 * nearby, it costs a search and a copy of some pointers. Library-private.
 *
 * A flat table of intervals, sorted, with those added last behind it until they are many. Frames' strings are not
 * copied: who adds an answer keeps them until memo_clear().
 */
#ifndef FLEETPROF_SYMBOLIZER_MEMO_H
#define FLEETPROF_SYMBOLIZER_MEMO_H

#include "symbolizer/mem.h"
#include "symbolizer/symbolizer.h"

#include <stdbool.h>

/* Code from start to end, and nothing else about it is needed to answer. */
struct memo_entry {
	uint64_t start, end;
	uint32_t first_frame;
	uint16_t nr_frames;
	uint8_t source; /* enum symbolizer_source */
};

struct memo {
	struct mem *mem;
	size_t max; /* bytes; beyond it nothing is added */
	struct memo_entry *entries;
	struct symbolizer_frame *frames;
	size_t nr, nr_sorted, nr_frames;
	size_t entries_size, frames_size;
	size_t last; /* where the search before ended: the next address is often near */
	bool full;
};

void memo_init(struct memo *m, struct mem *mem, size_t max);

/* Forgets all of them. */
void memo_clear(struct memo *m);

/* The answer for address, or NULL; good until the next change. Ascending addresses are quickest. */
const struct memo_entry *memo_find(struct memo *m, uint64_t address);

static inline const struct symbolizer_frame *memo_frames(const struct memo *m,
							 const struct memo_entry *entry)
{
	return entry->nr_frames ? &m->frames[entry->first_frame] : NULL;
}

/* Adds one, unless there is no room. */
void memo_add(struct memo *m, uint64_t start, uint64_t end, enum symbolizer_source source,
	      const struct symbolizer_frame *frames, size_t nr_frames);

/* To be called when a question's answers are all added. */
void memo_settle(struct memo *m);

#endif
