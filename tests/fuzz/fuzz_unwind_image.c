/* An unwind table's image, hostile: refused, or every group of it can be placed and searched. */
#include "agent/base/cleanup.h"
#include "proto/unwind_image.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In a slab of its own, at its end, so that a step beyond the group is one beyond the slab. */
static void search(const struct unwind_group *group, size_t bytes)
{
	_cleanup_(freep) uint8_t *slab = calloc(1, UNWIND_SLAB_BYTES);
	uint32_t at = UNWIND_SLAB_BYTES - (uint32_t)bytes;

	assert(slab && bytes <= UNWIND_GROUP_BYTES_MAX && !(bytes % 4));
	memcpy(slab + at, group, bytes);
	for (uint32_t offset = 0; offset < 1 << UNWIND_GROUP_SHIFT; offset += 61) {
		uint64_t rule = unwind_group_find(slab, at, offset);
		const uint32_t *rules = (const void *)(group + 1);
		uint32_t i = 0;

		while (i < group->nr_slots && rules[i] != (uint32_t)rule)
			i++;
		assert(i < group->nr_slots);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) void *copy = malloc(size ? size : 1);
	const struct unwind_header *header = copy;
	size_t placed = 0;

	assert(copy);
	memcpy(copy, data, size);
	if (!unwind_image_check(copy, size))
		return 0;
	for (uint32_t i = 0; i < header->nr_groups; i++) {
		size_t bytes;
		const struct unwind_group *group = unwind_image_group(copy, i, &bytes);

		if (!group)
			continue;
		placed += bytes;
		search(group, bytes);
	}
	assert(placed <= size);
	return 0;
}
