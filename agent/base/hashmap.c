/*
 * A bounded hash map with open addressing.
 *
 * It grows a little with each put: a table of a million entries takes 100 ms to hash anew, which no loop can wait for.
 * Until all entries have moved there are two tables. What lies in the old one below `moved` is in the new one, or was
 * removed from it since; it stays where it is, since the way to those behind it leads over it.
 */
#include "agent/base/hashmap.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 16
#define MOVED_AT_ONCE 16 /* slots for each put: all have moved long before the new table is full */

enum {
	TAG_FREE, /* the way to an entry ends here */
	TAG_REMOVED, /* from the old table */
	TAG_FIRST, /* all from here on: the upper half of a key's hash */
};

struct table {
	size_t slots; /* a power of two, or 0 */
	unsigned char *entries; /* slots × entry_size */
	uint32_t *tags;
};

struct hashmap {
	size_t key_size, value_size, value_offset, entry_size;
	size_t max, count; /* count: in both tables */
	uint64_t seed;
	struct table now, old; /* old: without slots when all have moved */
	size_t moved; /* slots of the old one */
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The multiply-fold construction of wyhash; the seed keeps collisions from being computed outside. */
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
	const uint64_t k0 = 0xa0761d6478bd642fULL, k1 = 0xe7037ed1a0b428dbULL;
	const unsigned char *p = data;
	uint64_t h = seed ^ k0, word[2];
	size_t left = len;

	for (; left >= 16; left -= 16, p += 16) {
		memcpy(word, p, 16);
		h = mix(word[0] ^ k1, word[1] ^ h);
	}
	word[0] = word[1] = 0;
	if (left)
		memcpy(word, p, left);
	return mix(k1 ^ len, mix(word[0] ^ k1, word[1] ^ h));
}

int hashmap_new(struct hashmap **ret, size_t key_size, size_t value_size, size_t max)
{
	struct hashmap *m = calloc(1, sizeof(*m));

	assert(key_size > 0 && max > 0);
	if (!m)
		return -ENOMEM;
	m->key_size = key_size;
	m->value_size = value_size;
	m->value_offset = (key_size + 7) & ~(size_t)7;
	m->entry_size = (m->value_offset + value_size + 7) & ~(size_t)7;
	m->max = max;
	if (getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK) != sizeof(m->seed))
		m->seed = (uint64_t)(uintptr_t)m;
	*ret = m;
	return 0;
}

static void table_deinit(struct table *t)
{
	free(t->entries);
	free(t->tags);
	*t = (struct table) { .slots = 0 };
}

struct hashmap *hashmap_free(struct hashmap *m)
{
	if (!m)
		return NULL;
	table_deinit(&m->now);
	table_deinit(&m->old);
	free(m);
	return NULL;
}

size_t hashmap_count(const struct hashmap *m)
{
	return m->count;
}

static unsigned char *entry(const struct hashmap *m, const struct table *t, size_t slot)
{
	return t->entries + slot * m->entry_size;
}

static uint64_t hash_key(const struct hashmap *m, const void *key)
{
	return hash_bytes(key, m->key_size, m->seed);
}

static uint32_t tag_of(uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	return MAX(tag, (uint32_t)TAG_FIRST);
}

/* The slot that holds key, or the free slot where it would go. There is always a free slot. */
static size_t find(const struct hashmap *m, const struct table *t, const void *key, uint64_t hash)
{
	uint32_t tag = tag_of(hash);
	size_t slot = hash & (t->slots - 1);

	while (t->tags[slot]) {
		if (t->tags[slot] == tag && !memcmp(entry(m, t, slot), key, m->key_size))
			break;
		slot = (slot + 1) & (t->slots - 1);
	}
	return slot;
}

/* Whether the old table has key, and has it still. */
static bool find_old(const struct hashmap *m, const void *key, uint64_t hash, size_t *ret)
{
	if (!m->old.slots)
		return false;
	*ret = find(m, &m->old, key, hash);
	return m->old.tags[*ret] && *ret >= m->moved;
}

void *hashmap_get(const struct hashmap *m, const void *key)
{
	uint64_t hash;
	size_t slot;

	if (!m->count)
		return NULL;
	hash = hash_key(m, key);
	slot = find(m, &m->now, key, hash);
	if (m->now.tags[slot])
		return entry(m, &m->now, slot) + m->value_offset;
	if (find_old(m, key, hash, &slot))
		return entry(m, &m->old, slot) + m->value_offset;
	return NULL;
}

/* Moves the next slots of the old table. */
static void move_some(struct hashmap *m)
{
	struct table *old = &m->old;
	size_t end = MIN(m->moved + MOVED_AT_ONCE, old->slots);

	for (; m->moved < end; m->moved++) {
		const unsigned char *from = entry(m, old, m->moved);
		size_t slot;

		if (old->tags[m->moved] < TAG_FIRST)
			continue;
		slot = find(m, &m->now, from, hash_key(m, from));
		m->now.tags[slot] = old->tags[m->moved];
		memcpy(entry(m, &m->now, slot), from, m->entry_size);
	}
	if (m->moved == old->slots)
		table_deinit(old);
}

static int grow(struct hashmap *m)
{
	struct table bigger = { .slots = m->now.slots ? m->now.slots * 2 : FIRST_SLOTS };

	bigger.entries = calloc(bigger.slots, m->entry_size);
	bigger.tags = calloc(bigger.slots, sizeof(*bigger.tags));
	if (!bigger.entries || !bigger.tags) {
		table_deinit(&bigger);
		return -ENOMEM;
	}
	while (m->old.slots) /* never: see MOVED_AT_ONCE */
		move_some(m);
	m->old = m->now;
	m->now = bigger;
	m->moved = 0;
	return 0;
}

int hashmap_put(struct hashmap *m, const void *key, void **ret_value, bool *ret_new)
{
	uint64_t hash = hash_key(m, key);
	struct table *t = &m->now;
	bool is_new = true;
	size_t slot = 0;
	int r;

	if (m->old.slots)
		move_some(m);
	if (m->now.slots) {
		slot = find(m, &m->now, key, hash);
		is_new = !m->now.tags[slot];
	}
	if (is_new && find_old(m, key, hash, &slot)) {
		is_new = false;
		t = &m->old;
	}
	if (is_new && m->count >= m->max)
		return HASHMAP_E_FULL;
	if (is_new && (m->count + 1) * 4 > m->now.slots * 3) {
		r = grow(m);
		if (r < 0)
			return r;
	}
	if (is_new) {
		slot = find(m, &m->now, key, hash);
		m->now.tags[slot] = tag_of(hash);
		memset(entry(m, &m->now, slot), 0, m->entry_size);
		memcpy(entry(m, &m->now, slot), key, m->key_size);
		m->count++;
	}
	if (ret_value)
		*ret_value = entry(m, t, slot) + m->value_offset;
	if (ret_new)
		*ret_new = is_new;
	return 0;
}

/* Closes a hole in the new table by moving back every entry of the run that may not stand behind it. */
static void close_hole(struct hashmap *m, size_t hole)
{
	const struct table *t = &m->now;
	const size_t mask = t->slots - 1;

	for (size_t slot = (hole + 1) & mask; t->tags[slot]; slot = (slot + 1) & mask) {
		size_t home = hash_key(m, entry(m, t, slot)) & mask;

		if (((slot - home) & mask) < ((slot - hole) & mask))
			continue;
		t->tags[hole] = t->tags[slot];
		memcpy(entry(m, t, hole), entry(m, t, slot), m->entry_size);
		hole = slot;
	}
	t->tags[hole] = TAG_FREE;
}

bool hashmap_remove(struct hashmap *m, const void *key)
{
	uint64_t hash;
	size_t slot;

	if (!m->count)
		return false;
	hash = hash_key(m, key);
	slot = find(m, &m->now, key, hash);
	if (m->now.tags[slot])
		close_hole(m, slot);
	else if (find_old(m, key, hash, &slot))
		m->old.tags[slot] = TAG_REMOVED;
	else
		return false;
	m->count--;
	return true;
}

void hashmap_clear(struct hashmap *m)
{
	table_deinit(&m->old);
	if (m->now.slots)
		memset(m->now.tags, 0, m->now.slots * sizeof(*m->now.tags));
	m->count = 0;
}

/* *it counts the slots of the new table, then those of the old one. */
bool hashmap_next(const struct hashmap *m, size_t *it, const void **ret_key, void **ret_value)
{
	for (; *it < m->now.slots + m->old.slots; ++*it) {
		const bool is_old = *it >= m->now.slots;
		const struct table *t = is_old ? &m->old : &m->now;
		const size_t slot = is_old ? *it - m->now.slots : *it;

		if (t->tags[slot] < TAG_FIRST || (is_old && slot < m->moved))
			continue;
		if (ret_key)
			*ret_key = entry(m, t, slot);
		if (ret_value)
			*ret_value = entry(m, t, slot) + m->value_offset;
		++*it;
		return true;
	}
	return false;
}
