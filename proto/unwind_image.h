/*
 * The image in which an unwind table travels from the symbolizer to the core; its format is bpf/unwind_table.h's.
 *
 * The core treats an image as hostile. What has passed unwind_image_check() can be placed group by group without
 * further thought: the groups lie one behind the other, none is used twice, so that what is placed is never more than
 * what was sent; and a search in any of them stays within it.
 */
#ifndef FLEETPROF_PROTO_UNWIND_IMAGE_H
#define FLEETPROF_PROTO_UNWIND_IMAGE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_table.h"

/* Bytes of a group, the padding to the next one's alignment included. */
size_t unwind_group_bytes(const struct unwind_group *group);

/* Is this an image that the rest of this header may be used on? data is aligned to 4. */
bool unwind_image_check(const void *data, size_t size);

/*
 * Group number i (below nr_groups of the image's header) of a checked image, or NULL: it has no rows.
 * It covers the file's bytes from (first_group + i) << UNWIND_GROUP_SHIFT on, and is *ret_bytes long.
 */
const struct unwind_group *unwind_image_group(const void *image, uint32_t i, size_t *ret_bytes);

/* Goes through the rows of a checked image, for people and tests; groups without rows are rows of UNWIND_GAP. */
struct unwind_iterator {
	uint32_t group, row, page;
};
#define UNWIND_ITERATOR_NULL ((struct unwind_iterator) { .group = 0 })
bool unwind_image_next(const void *image, struct unwind_iterator *it, uint64_t *ret_offset,
		       uint64_t *ret_rule);

#endif
