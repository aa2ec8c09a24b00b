/* Interned byte strings: equal strings get equal small ids, and live in one arena with a maximum. */
#ifndef FLEETPROF_BASE_INTERN_H
#define FLEETPROF_BASE_INTERN_H

#include "agent/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct intern;

/* max_bytes: the most bytes of strings (terminating NULs included) that it will hold. */
int intern_new(struct intern **ret, size_t max_bytes);
struct intern *intern_free(struct intern *t);
DEFINE_CLEANUP(struct intern *, intern_free)

enum {
	INTERN_E_FULL = 1, /* max_bytes is reached; *ret_id is left alone */
};

/*
 * The id of the string of len bytes. Ids count from 0 without gaps; id 0 is always "".
 * Returns 0, INTERN_E_FULL or -ENOMEM.
 */
int intern_add(struct intern *t, const char *s, size_t len, uint32_t *ret_id);

/* The string of a valid id: NUL-terminated, valid until the next intern_add(). ret_len may be NULL. */
const char *intern_get(const struct intern *t, uint32_t id, size_t *ret_len);

uint32_t intern_count(const struct intern *t);
size_t intern_bytes(const struct intern *t);

#endif
