/* Memory under a ceiling. */
#include "symbolizer/mem.h"
#include "agent/base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that a unit takes few, small enough that a small unit wastes little. */
#define CHUNK_MIN 2048
#define CHUNK_MAX (64u << 10)
#define ALIGNMENT 16

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	_Alignas(ALIGNMENT) uint8_t bytes[];
};

void *mem_alloc(struct mem *m, size_t size)
{
	void *p = size <= m->max && m->used <= m->max - size ? malloc(size ? size : 1) : NULL;

	if (!p) {
		m->refused++;
		return NULL;
	}
	m->used += size;
	if (m->used > m->peak)
		m->peak = m->used;
	return p;
}

void *mem_zalloc(struct mem *m, size_t size)
{
	void *p = mem_alloc(m, size);

	return p ? memset(p, 0, size) : NULL;
}

void mem_free(struct mem *m, void *p, size_t size)
{
	if (!p)
		return;
	free(p);
	m->used -= size;
}

/* The old and the new count together, as if both were there: where they are moved, both are. */
int mem_grow_slowly(struct mem *m, void **array, size_t *size, size_t nr, size_t element,
		    size_t max_nr)
{
	size_t old = *size * element, bigger = *size ? 2 * *size : 32, bytes = bigger * element;
	void *more;

	if (nr >= max_nr)
		return -ENOSPC;
	more = bytes <= m->max && m->used <= m->max - bytes ? realloc(*array, bytes) : NULL;
	if (!more) {
		m->refused++;
		return -ENOMEM;
	}
	m->peak = MAX(m->peak, m->used + bytes);
	m->used += bytes - old;
	*array = more;
	*size = bigger;
	return 0;
}

void arena_init(struct arena *a, struct mem *mem)
{
	*a = (struct arena) { .mem = mem };
}

void arena_deinit(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *chunk = a->chunks;

		a->chunks = chunk->next;
		mem_free(a->mem, chunk, sizeof(*chunk) + chunk->size);
	}
	arena_init(a, a->mem);
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *chunk;
	size_t room;
	void *p;

	if (size > a->mem->max)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (!a->chunks || size > a->end - a->at) {
		room = MAX(size, MIN(MAX(a->bytes, (size_t)CHUNK_MIN), (size_t)CHUNK_MAX));
		chunk = mem_alloc(a->mem, sizeof(*chunk) + room);
		if (!chunk)
			return NULL;
		chunk->next = a->chunks;
		chunk->size = room;
		a->chunks = chunk;
		a->bytes += sizeof(*chunk) + room;
		a->at = 0;
		a->end = room;
	}
	p = a->chunks->bytes + a->at;
	a->at += size;
	return p;
}

char *arena_string(struct arena *a, const char *s, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	if (copy) {
		memcpy(copy, s, len);
		copy[len] = 0;
	}
	return copy;
}
