/*
 * Memory under a ceiling: every byte that a foreign file makes us hold is counted, and refused at the maximum.
 *
 * RLIMIT_DATA stands behind it as the wall that nothing passes; this is what lets a reader notice in time, drop what it
 * can read again, and answer with less. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_MEM_H
#define FLEETPROF_SYMBOLIZER_MEM_H

#include <stddef.h>
#include <stdint.h>

struct mem {
	size_t max; /* bytes */
	size_t used, peak;
	size_t kept; /* of what is used: what stays as long as the file does */
	uint64_t refused; /* allocations that would have passed max */
	struct image *images; /* that are mapped: a list, see image.h */
	size_t nr_resident; /* blocks of them that may be in memory */
};

/* NULL at the maximum, or when the system has no more. */
void *mem_alloc(struct mem *m, size_t size);
void *mem_zalloc(struct mem *m, size_t size);
void mem_free(struct mem *m, void *p, size_t size);

/*
 * Makes room for one more element in an array of *size elements of which nr are in use. Returns 0, -ENOSPC at max_nr
 * elements, or -ENOMEM at the ceiling. The array is to be freed with mem_free(m, array, size * element).
 */
int mem_grow_slowly(struct mem *m, void **array, size_t *size, size_t nr, size_t element,
		    size_t max_nr);
static inline int mem_grow(struct mem *m, void **array, size_t *size, size_t nr, size_t element,
			   size_t max_nr)
{
	return nr < *size ? 0 : mem_grow_slowly(m, array, size, nr, element, max_nr);
}

/* Things that are freed together. */
struct arena {
	struct mem *mem;
	struct arena_chunk *chunks;
	size_t at, end; /* of the last chunk */
	size_t bytes; /* of all chunks */
};

void arena_init(struct arena *a, struct mem *mem);
void arena_deinit(struct arena *a);

/* Aligned for anything; not zeroed. NULL as mem_alloc(). */
void *arena_alloc(struct arena *a, size_t size);

/* A copy of len bytes with a NUL behind them. */
char *arena_string(struct arena *a, const char *s, size_t len);

#endif
