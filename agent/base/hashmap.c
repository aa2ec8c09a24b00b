/* A bounded hash map with open addressing. */
#include "agent/base/hashmap.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_SLOTS 16

struct hashmap {
	size_t key_size, value_size, value_offset, entry_size;
	size_t max, count, slots; /* slots: a power of two, or 0 */
	uint64_t seed;
	unsigned char *entries; /* slots × entry_size */
	uint32_t *tags; /* 0: free; else the hash's upper half, never 0 */
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

struct hashmap *hashmap_free(struct hashmap *m)
{
	if (!m)
		return NULL;
	free(m->entries);
	free(m->tags);
	free(m);
	return NULL;
}

size_t hashmap_count(const struct hashmap *m)
{
	return m->count;
}

static unsigned char *entry(const struct hashmap *m, size_t slot)
{
	return m->entries + slot * m->entry_size;
}

static uint64_t hash_key(const struct hashmap *m, const void *key)
{
	return hash_bytes(key, m->key_size, m->seed);
}

static uint32_t tag_of(uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);

	return tag ? tag : 1;
}

/* The slot that holds key, or the free slot where it would go. There is always a free slot. */
static size_t find(const struct hashmap *m, const void *key, uint64_t hash)
{
	uint32_t tag = tag_of(hash);
	size_t slot = hash & (m->slots - 1);

	while (m->tags[slot]) {
		if (m->tags[slot] == tag && !memcmp(entry(m, slot), key, m->key_size))
			break;
		slot = (slot + 1) & (m->slots - 1);
	}
	return slot;
}

void *hashmap_get(const struct hashmap *m, const void *key)
{
	size_t slot;

	if (!m->count)
		return NULL;
	slot = find(m, key, hash_key(m, key));
	return m->tags[slot] ? entry(m, slot) + m->value_offset : NULL;
}

static int resize(struct hashmap *m, size_t slots)
{
	struct hashmap bigger = *m;

	bigger.slots = slots;
	bigger.entries = calloc(slots, m->entry_size);
	bigger.tags = calloc(slots, sizeof(*m->tags));
	if (!bigger.entries || !bigger.tags) {
		free(bigger.entries);
		free(bigger.tags);
		return -ENOMEM;
	}
	for (size_t i = 0; i < m->slots; i++) {
		size_t slot;

		if (!m->tags[i])
			continue;
		slot = find(&bigger, entry(m, i), hash_key(m, entry(m, i)));
		bigger.tags[slot] = m->tags[i];
		memcpy(entry(&bigger, slot), entry(m, i), m->entry_size);
	}
	free(m->entries);
	free(m->tags);
	*m = bigger;
	return 0;
}

int hashmap_put(struct hashmap *m, const void *key, void **ret_value, bool *ret_new)
{
	uint64_t hash = hash_key(m, key);
	bool is_new = true;
	size_t slot = 0;
	int r;

	if (m->slots) {
		slot = find(m, key, hash);
		is_new = !m->tags[slot];
	}
	if (is_new && m->count >= m->max)
		return HASHMAP_E_FULL;
	if (is_new && (m->count + 1) * 4 > m->slots * 3) {
		r = resize(m, m->slots ? m->slots * 2 : FIRST_SLOTS);
		if (r < 0)
			return r;
		slot = find(m, key, hash);
	}
	if (is_new) {
		m->tags[slot] = tag_of(hash);
		memset(entry(m, slot), 0, m->entry_size);
		memcpy(entry(m, slot), key, m->key_size);
		m->count++;
	}
	if (ret_value)
		*ret_value = entry(m, slot) + m->value_offset;
	if (ret_new)
		*ret_new = is_new;
	return 0;
}

bool hashmap_remove(struct hashmap *m, const void *key)
{
	size_t hole, slot;

	if (!m->count)
		return false;
	hole = find(m, key, hash_key(m, key));
	if (!m->tags[hole])
		return false;
	/* Close the hole by moving back every entry of the run that may not stand behind it. */
	for (slot = (hole + 1) & (m->slots - 1); m->tags[slot];
	     slot = (slot + 1) & (m->slots - 1)) {
		size_t home = hash_key(m, entry(m, slot)) & (m->slots - 1);

		if (((slot - home) & (m->slots - 1)) < ((slot - hole) & (m->slots - 1)))
			continue;
		m->tags[hole] = m->tags[slot];
		memcpy(entry(m, hole), entry(m, slot), m->entry_size);
		hole = slot;
	}
	m->tags[hole] = 0;
	m->count--;
	return true;
}

void hashmap_clear(struct hashmap *m)
{
	if (m->slots)
		memset(m->tags, 0, m->slots * sizeof(*m->tags));
	m->count = 0;
}

bool hashmap_next(const struct hashmap *m, size_t *it, const void **ret_key, void **ret_value)
{
	while (*it < m->slots && !m->tags[*it])
		(*it)++;
	if (*it >= m->slots)
		return false;
	if (ret_key)
		*ret_key = entry(m, *it);
	if (ret_value)
		*ret_value = entry(m, *it) + m->value_offset;
	(*it)++;
	return true;
}
