/* Answers by frame word, in two generations. */
#include "agent/core/symcache.h"
#include "agent/base/hashmap.h"
#include "agent/base/intern.h"

#include <linux/types.h>

#include "bpf/record.h"

#include <errno.h>
#include <string.h>

#define INDEX_BYTES 32 /* of one entry in the hash map, at its usual load */
#define STRING_BYTES 24 /* beside a string's own bytes */

struct key {
	uint64_t word;
	uint64_t epoch; /* of kernel words */
};

struct entry {
	uint64_t vaddr;
	uint32_t first_line;
	uint16_t nr_lines;
	uint16_t source;
};

struct line {
	uint32_t name, system_name, file;
	uint32_t line, column, start_line;
	bool inlined;
};

struct generation {
	struct hashmap *index; /* struct key → uint32_t entry */
	struct intern *strings;
	struct entry *entries;
	struct line *lines;
	size_t nr_entries, size_entries, nr_lines, size_lines;
};

struct symcache {
	struct generation young, old;
	size_t max_bytes;
	uint64_t kernel_epoch;
	struct symcache_counts counts;
};

static void generation_deinit(struct generation *g)
{
	hashmap_free(g->index);
	intern_free(g->strings);
	free(g->entries);
	free(g->lines);
	*g = (struct generation) { .index = NULL };
}

static int generation_init(struct generation *g, size_t max_bytes)
{
	int r = hashmap_new(&g->index, sizeof(struct key), sizeof(uint32_t),
			    max_bytes / INDEX_BYTES + 1);

	return r ? r : intern_new(&g->strings, max_bytes);
}

static size_t generation_bytes(const struct generation *g)
{
	if (!g->index)
		return 0;
	return g->nr_entries * (INDEX_BYTES + sizeof(struct entry)) +
	       g->nr_lines * sizeof(struct line) + intern_bytes(g->strings) +
	       intern_count(g->strings) * STRING_BYTES;
}

int symcache_new(struct symcache **ret, size_t max_bytes)
{
	_cleanup_(symcache_freep) struct symcache *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->max_bytes = max_bytes;
	r = generation_init(&c->young, max_bytes / 2);
	if (r)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

struct symcache *symcache_free(struct symcache *c)
{
	if (!c)
		return NULL;
	generation_deinit(&c->young);
	generation_deinit(&c->old);
	free(c);
	return NULL;
}

static struct key key_of(const struct symcache *c, uint64_t word)
{
	return (struct key) { .word = word,
			      .epoch = FRAME_KIND(word) == FRAME_KERNEL ? c->kernel_epoch : 0 };
}

static bool look_up(const struct generation *g, const struct key *key, struct symcache_entry *ret)
{
	const uint32_t *index = g->index ? hashmap_get(g->index, key) : NULL;
	const struct entry *e;

	if (!index)
		return false;
	e = &g->entries[*index];
	ret->answer = (struct symbolizer_answer) { .vaddr = e->vaddr,
						   .nr_frames = e->nr_lines,
						   .source = e->source };
	for (size_t i = 0; i < e->nr_lines; i++) {
		const struct line *l = &g->lines[e->first_line + i];

		ret->frames[i] = (struct symbolizer_frame) {
			.name = intern_get(g->strings, l->name, NULL),
			.system_name = intern_get(g->strings, l->system_name, NULL),
			.file = intern_get(g->strings, l->file, NULL),
			.line = l->line,
			.column = l->column,
			.start_line = l->start_line,
			.inlined = l->inlined,
		};
	}
	return true;
}

/* Room for one more of the elements at *array. */
static int reserve(void **array, size_t nr, size_t *size, size_t element)
{
	size_t more = *size ? 2 * *size : 256;
	void *p;

	if (nr < *size)
		return 0;
	p = realloc(*array, more * element);
	if (!p)
		return -ENOMEM;
	*array = p;
	*size = more;
	return 0;
}

static int add_string(struct generation *g, const char *s, uint32_t *ret)
{
	return intern_add(g->strings, s, strlen(s), ret);
}

static int add_line(struct generation *g, const struct symbolizer_frame *f)
{
	struct line l = { .line = f->line,
			  .column = f->column,
			  .start_line = f->start_line,
			  .inlined = f->inlined };
	int r = reserve((void **)&g->lines, g->nr_lines, &g->size_lines, sizeof(l));

	if (!r)
		r = add_string(g, f->name, &l.name);
	if (!r)
		r = add_string(g, f->system_name, &l.system_name);
	if (!r)
		r = add_string(g, f->file, &l.file);
	if (!r)
		g->lines[g->nr_lines++] = l;
	return r;
}

/* 0, a positive outcome when the generation is full, or -ENOMEM; on failure the entry is not there. */
static int add_entry(struct generation *g, const struct key *key,
		     const struct symbolizer_answer *answer, const struct symbolizer_frame *frames)
{
	struct entry e = { .vaddr = answer->vaddr,
			   .first_line = (uint32_t)g->nr_lines,
			   .nr_lines =
				   (uint16_t)MIN(answer->nr_frames, (uint32_t)SYMCACHE_LINES_MAX),
			   .source = (uint16_t)answer->source };
	void *value;
	int r = reserve((void **)&g->entries, g->nr_entries, &g->size_entries, sizeof(e));

	for (size_t i = 0; i < e.nr_lines && !r; i++)
		r = add_line(g, &frames[i]);
	if (!r)
		r = hashmap_put(g->index, key, &value, NULL);
	if (r)
		return r;
	*(uint32_t *)value = (uint32_t)g->nr_entries;
	g->entries[g->nr_entries++] = e;
	return 0;
}

static int turn_over(struct symcache *c)
{
	c->counts.forgotten += c->old.nr_entries;
	generation_deinit(&c->old);
	c->old = c->young;
	c->young = (struct generation) { .index = NULL };
	return generation_init(&c->young, c->max_bytes / 2);
}

static int put(struct symcache *c, const struct key *key, const struct symbolizer_answer *answer,
	       const struct symbolizer_frame *frames)
{
	int r = 0;

	if (!c->young.index || generation_bytes(&c->young) >= c->max_bytes / 2)
		r = turn_over(c);
	if (!r)
		r = add_entry(&c->young, key, answer, frames);
	if (r > 0) { /* full before its time: strings in one piece, or entries without any */
		r = turn_over(c);
		if (!r)
			r = add_entry(&c->young, key, answer, frames);
	}
	return r > 0 ? -ENOMEM : r;
}

bool symcache_get(struct symcache *c, uint64_t word, struct symcache_entry *ret)
{
	struct key key = key_of(c, word);

	if (look_up(&c->young, &key, ret)) {
		c->counts.hits++;
		return true;
	}
	if (!look_up(&c->old, &key, ret)) {
		c->counts.misses++;
		return false;
	}
	c->counts.hits++;
	/* Moving it may turn the generations over, and the strings that *ret points at would go. */
	if (generation_bytes(&c->young) < c->max_bytes / 2 && c->young.index)
		(void)add_entry(&c->young, &key, &ret->answer, ret->frames);
	return true;
}

int symcache_put(struct symcache *c, uint64_t word, const struct symbolizer_answer *answer,
		 const struct symbolizer_frame *frames)
{
	struct key key = key_of(c, word);

	return put(c, &key, answer, frames);
}

void symcache_forget_kernel(struct symcache *c)
{
	c->kernel_epoch++;
}

void symcache_counts(const struct symcache *c, struct symcache_counts *ret)
{
	*ret = c->counts;
	ret->entries = c->young.nr_entries + c->old.nr_entries;
	ret->bytes = generation_bytes(&c->young) + generation_bytes(&c->old);
}
