/* Interned byte strings. */
#include "agent/base/intern.h"
#include "agent/base/buf.h"
#include "agent/base/hashmap.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct intern {
	struct buf arena;
	uint32_t *
		offsets; /* count + 1 of them: string i lies at offsets[i], offsets[i+1] - 1 is its NUL */
	uint32_t *slots; /* id + 1, or 0; a power of two of them */
	size_t nr_slots, nr_offsets;
	uint32_t count;
	uint64_t seed;
};

int intern_new(struct intern **ret, size_t max_bytes)
{
	_cleanup_(intern_freep) struct intern *t = calloc(1, sizeof(*t));
	uint32_t id;
	int r;

	if (!t)
		return -ENOMEM;
	buf_init(&t->arena, MIN(max_bytes, (size_t)UINT32_MAX - 1));
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != sizeof(t->seed))
		t->seed = (uint64_t)(uintptr_t)t;
	r = intern_add(t, "", 0, &id);
	if (r)
		return r < 0 ? r : -EINVAL;
	*ret = TAKE_PTR(t);
	return 0;
}

struct intern *intern_free(struct intern *t)
{
	if (!t)
		return NULL;
	buf_deinit(&t->arena);
	free(t->offsets);
	free(t->slots);
	free(t);
	return NULL;
}

const char *intern_get(const struct intern *t, uint32_t id, size_t *ret_len)
{
	if (ret_len)
		*ret_len = t->offsets[id + 1] - t->offsets[id] - 1;
	return t->arena.data + t->offsets[id];
}

static size_t find(const struct intern *t, const char *s, size_t len)
{
	size_t slot = hash_bytes(s, len, t->seed) & (t->nr_slots - 1);

	while (t->slots[slot]) {
		size_t other_len;
		const char *other = intern_get(t, t->slots[slot] - 1, &other_len);

		if (other_len == len && !memcmp(other, s, len))
			break;
		slot = (slot + 1) & (t->nr_slots - 1);
	}
	return slot;
}

static int grow_slots(struct intern *t)
{
	size_t nr = t->nr_slots ? t->nr_slots * 2 : 64;
	uint32_t *slots = calloc(nr, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	free(t->slots);
	t->slots = slots;
	t->nr_slots = nr;
	for (uint32_t id = 0; id < t->count; id++) {
		size_t len;
		const char *s = intern_get(t, id, &len);

		t->slots[find(t, s, len)] = id + 1;
	}
	return 0;
}

static int grow_offsets(struct intern *t)
{
	size_t nr = t->nr_offsets ? t->nr_offsets * 2 : 64;
	uint32_t *offsets = realloc(t->offsets, nr * sizeof(*offsets));

	if (!offsets)
		return -ENOMEM;
	if (!t->nr_offsets)
		offsets[0] = 0;
	t->offsets = offsets;
	t->nr_offsets = nr;
	return 0;
}

int intern_add(struct intern *t, const char *s, size_t len, uint32_t *ret_id)
{
	size_t slot;
	char *p;
	int r;

	if (t->count * 2 >= t->nr_slots) {
		r = grow_slots(t);
		if (r < 0)
			return r;
	}
	slot = find(t, s, len);
	if (t->slots[slot]) {
		*ret_id = t->slots[slot] - 1;
		return 0;
	}
	if ((size_t)t->count + 2 > t->nr_offsets) {
		r = grow_offsets(t);
		if (r < 0)
			return r;
	}
	if (len + 1 > t->arena.max - t->arena.len)
		return INTERN_E_FULL;
	p = buf_grow(&t->arena, len + 1);
	if (!p)
		return t->arena.error;
	if (len)
		memcpy(p, s, len);
	p[len] = '\0';
	t->offsets[t->count + 1] = (uint32_t)t->arena.len;
	t->slots[slot] = t->count + 1;
	*ret_id = t->count++;
	return 0;
}

uint32_t intern_count(const struct intern *t)
{
	return t->count;
}

size_t intern_bytes(const struct intern *t)
{
	return t->arena.len;
}
