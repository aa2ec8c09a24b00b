/* Address ranges that may nest, made flat: sorted, without overlap, the innermost wins. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_SPANS_H
#define FLEETPROF_SYMBOLIZER_SPANS_H

#include "symbolizer/mem.h"
#include "symbolizer/stretch.h"

/* [start, end) belongs to what. */
struct span {
	uint64_t start, end;
	uint32_t what;
	uint32_t depth; /* greater is further in */
};

struct spans {
	struct span *spans;
	size_t nr, size;
	struct mem *mem;
};

#define SPANS_NOTHING UINT32_MAX

/* Returns 0, -ENOSPC at a bound beyond any compiler's output, or -ENOMEM. */
int spans_add(struct spans *s, uint64_t start, uint64_t end, uint32_t what, uint32_t depth);

/* Once, when all are added. 0 or -ENOMEM (nothing is changed then). */
int spans_flatten(struct spans *s);

/* Which flat span holds address: its what, or SPANS_NOTHING. Narrows the stretch to where it would find the same. */
uint32_t spans_find(const struct spans *s, uint64_t address, struct stretch *stretch);

void spans_deinit(struct spans *s);

#endif
