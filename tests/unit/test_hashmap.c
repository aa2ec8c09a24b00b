/* The hash map against a plain array that is always right. */
#include "agent/base/hashmap.h"
#include "tests/test.h"

#define RANGE 700

static void test_grows_to_its_bound_and_no_further(void)
{
	_cleanup_(hashmap_freep) struct hashmap *m = NULL;
	uint64_t key;
	void *value;
	bool is_new;

	CHECK_INT(hashmap_new(&m, sizeof(key), sizeof(uint64_t), 1000), 0);
	key = 1;
	CHECK(!hashmap_get(m, &key));
	CHECK(!hashmap_remove(m, &key));
	for (key = 0; key < 1000; key++) {
		CHECK_INT(hashmap_put(m, &key, &value, &is_new), 0);
		CHECK(is_new && !*(uint64_t *)value);
		*(uint64_t *)value = key * 3;
	}
	CHECK_INT(hashmap_count(m), 1000);
	value = NULL;
	CHECK_INT(hashmap_put(m, &key, &value, &is_new), HASHMAP_E_FULL);
	CHECK(!value && !hashmap_get(m, &key));
	for (key = 0; key < 1000;
	     key++) { /* all there, and at the bound still to be found and overwritten */
		CHECK_INT(hashmap_put(m, &key, &value, &is_new), 0);
		CHECK(!is_new);
		CHECK_INT(*(uint64_t *)value, key * 3);
	}
	key = 500;
	CHECK(hashmap_remove(m, &key));
	key = 5000;
	CHECK_INT(hashmap_put(m, &key, &value, &is_new), 0);
	CHECK(is_new && !*(uint64_t *)value);
	hashmap_clear(m);
	CHECK_INT(hashmap_count(m), 0);
	CHECK(!hashmap_get(m, &key));
}

static uint32_t next(uint32_t *state)
{
	return *state = *state * 1664525 + 1013904223;
}

/* The map holds what the array says, and iterating meets each entry once. */
static void compare(struct hashmap *m, const uint32_t *truth)
{
	const void *key;
	size_t it = 0, seen = 0, expected = 0;
	void *value;

	for (uint32_t k = 0; k < RANGE; k++) {
		uint32_t *v = hashmap_get(m, &k);

		CHECK(!truth[k] == !v);
		CHECK(!v || *v == truth[k]);
		expected += truth[k] != 0;
	}
	while (hashmap_next(m, &it, &key, &value)) {
		CHECK(*(const uint32_t *)key < RANGE);
		CHECK_INT(*(uint32_t *)value, truth[*(const uint32_t *)key]);
		seen++;
	}
	CHECK_INT(seen, expected);
	CHECK_INT(hashmap_count(m), expected);
}

/* Table sizes from 16 up are run through many times; at 3/4 full nearly every key collides with a run of others. */
static void test_collisions_and_removals(void)
{
	for (uint32_t round = 0; round < 40; round++) {
		_cleanup_(hashmap_freep) struct hashmap *m = NULL;
		uint32_t truth[RANGE] = { 0 }, state = round;
		uint32_t range = round % 2 ? RANGE : 12; /* 12 in 16 slots: as full as it gets */

		CHECK_INT(hashmap_new(&m, sizeof(uint32_t), sizeof(uint32_t), RANGE), 0);
		for (uint32_t i = 1; i <= 3000; i++) {
			uint32_t k = (next(&state) >> 8) % range;
			void *value;

			if ((next(&state) >> 16) % 5 < 2) {
				CHECK_INT(hashmap_remove(m, &k), truth[k] != 0);
				truth[k] = 0;
				continue;
			}
			CHECK_INT(hashmap_put(m, &k, &value, NULL), 0);
			CHECK_INT(*(uint32_t *)value, truth[k]);
			*(uint32_t *)value = truth[k] = i;
		}
		compare(m, truth);
	}
}

/* While it grows, what was there is found, removed and met where it lies, in either table; and nothing comes back. */
static void test_between_two_tables(void)
{
	for (uint32_t nr = 12; nr <= 384;
	     nr *= 2) { /* one more, and 16 slots or more are to move */
		for (uint32_t extra = 1; extra < nr / 6; extra++) {
			_cleanup_(hashmap_freep) struct hashmap *m = NULL;
			uint32_t truth[RANGE] = { 0 };
			void *value;

			CHECK_INT(hashmap_new(&m, sizeof(uint32_t), sizeof(uint32_t), RANGE), 0);
			for (uint32_t k = 0; k < nr + extra; k++) {
				CHECK_INT(hashmap_put(m, &k, &value, NULL), 0);
				*(uint32_t *)value = truth[k] = k + 1;
			}
			for (uint32_t k = extra % 3; k < nr; k += 3) {
				CHECK(hashmap_remove(m, &k));
				CHECK(!hashmap_remove(m, &k) && !hashmap_get(m, &k));
				truth[k] = 0;
			}
			compare(m, truth);
			for (uint32_t k = 0; k < nr; k += 2) {
				CHECK_INT(hashmap_put(m, &k, &value, NULL), 0);
				CHECK_INT(*(uint32_t *)value, truth[k]);
				*(uint32_t *)value = truth[k] = k + 7;
			}
			compare(m, truth);
			hashmap_clear(m);
			memset(truth, 0, sizeof(truth));
			compare(m, truth);
		}
	}
}

static void test_odd_sizes_and_sets(void)
{
	_cleanup_(hashmap_freep) struct hashmap *set = NULL, *odd = NULL;
	char key[13];
	void *value;
	bool is_new;

	CHECK_INT(hashmap_new(&set, 13, 0, 100), 0);
	CHECK_INT(hashmap_new(&odd, 1, 3, 256), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "key %08d", i);
		CHECK_INT(hashmap_put(set, key, NULL, &is_new), 0);
		CHECK(is_new);
	}
	snprintf(key, sizeof(key), "key %08d", 42);
	CHECK_INT(hashmap_put(set, key, NULL, &is_new), 0);
	CHECK(!is_new && hashmap_get(set, key));
	for (int i = 0; i < 256; i++) {
		unsigned char k = (unsigned char)i;

		CHECK_INT(hashmap_put(odd, &k, &value, NULL), 0);
		CHECK_INT((uintptr_t)value % 8, 0); /* aligned for any value */
		memset(value, i, 3);
	}
	for (int i = 0; i < 256; i++) {
		unsigned char k = (unsigned char)i, *v = hashmap_get(odd, &k);

		CHECK(v && v[0] == k && v[2] == k);
	}
	CHECK(!hashmap_free(NULL));
}

/* Equal for equal bytes, different by seed, length and each single bit. */
static void test_hash(void)
{
	unsigned char data[65] = { 0 };

	for (size_t len = 0; len < sizeof(data); len++) {
		uint64_t h = hash_bytes(data, len, 7);

		CHECK(h == hash_bytes(data, len, 7));
		CHECK(h != hash_bytes(data, len, 8));
		CHECK(h != hash_bytes(data, len + 1, 7));
		for (size_t bit = 0; bit < len * 8; bit++) {
			data[bit / 8] ^= (unsigned char)(1u << bit % 8);
			CHECK(h != hash_bytes(data, len, 7));
			data[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
}

int main(void)
{
	RUN(test_grows_to_its_bound_and_no_further);
	RUN(test_collisions_and_removals);
	RUN(test_between_two_tables);
	RUN(test_odd_sizes_and_sets);
	RUN(test_hash);
	return 0;
}
