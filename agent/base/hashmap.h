/*
 * A hash map from a fixed-size key of bytes to a fixed-size value, with a maximum.
 *
 * Open addressing with linear probing; growing is spread over the puts that follow, so that none takes long. Keys are compared byte by byte, so
 * structs used as keys have no padding, or zeroed padding. The hash is seeded per map: keys come
 * from sampled processes, who must not be able to choose collisions.
 */
#ifndef FLEETPROF_BASE_HASHMAP_H
#define FLEETPROF_BASE_HASHMAP_H

#include "agent/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hashmap;

/* max: the most entries it will hold. Key and value sizes in bytes; a value size of 0 makes a set. */
int hashmap_new(struct hashmap **ret, size_t key_size, size_t value_size, size_t max);
struct hashmap *hashmap_free(struct hashmap *m);
DEFINE_CLEANUP(struct hashmap *, hashmap_free)

size_t hashmap_count(const struct hashmap *m);

/* The value of key, or NULL. Valid until the next put or remove. */
void *hashmap_get(const struct hashmap *m, const void *key);

enum {
	HASHMAP_E_FULL = 1, /* the maximum is reached; nothing changed */
};

/*
 * Finds key or adds it with a zeroed value. ret_new may be NULL.
 * Returns 0, HASHMAP_E_FULL or -ENOMEM. The value is valid until the next put or remove.
 */
int hashmap_put(struct hashmap *m, const void *key, void **ret_value, bool *ret_new);

/* Removes key; true if it was there. */
bool hashmap_remove(struct hashmap *m, const void *key);

void hashmap_clear(struct hashmap *m);

/* Iterates in unspecified order: start with *it = 0; false at the end. No put or remove meanwhile. */
bool hashmap_next(const struct hashmap *m, size_t *it, const void **ret_key, void **ret_value);

/* The hash used inside (xxHash-like mixing, 64 bit), for callers that need one of their own. */
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);

#endif
