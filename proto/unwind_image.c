/* Checks an unwind table's image. */
#include "proto/unwind_image.h"

#define ALIGNMENT 4

static const uint32_t *rules_of(const struct unwind_group *group)
{
	return (const uint32_t *)(group + 1);
}

/* What lies behind the rules: an index and rows, or the rows' offsets and rules. */
static const uint16_t *words_of(const struct unwind_group *group)
{
	return (const uint16_t *)(rules_of(group) + group->nr_slots);
}

size_t unwind_group_bytes(const struct unwind_group *group)
{
	size_t bytes = sizeof(*group) + group->nr_slots * sizeof(uint32_t);

	if (group->form == UNWIND_SPARSE)
		bytes += group->nr_rows * (sizeof(uint16_t) + sizeof(uint8_t));
	else
		bytes += (UNWIND_INDEX_ENTRIES + group->nr_rows) * sizeof(uint16_t);
	return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* Is there a rule with this number, with all of its words? */
static bool check_rule(const struct unwind_group *group, uint32_t rule)
{
	const uint32_t *rules = rules_of(group);

	return rule < group->nr_slots &&
	       (!(rules[rule] & UNWIND_RULE_WIDE) || rule + 1 < group->nr_slots);
}

static bool check_sparse(const struct unwind_group *group)
{
	const uint16_t *offsets = words_of(group);
	const uint8_t *numbers = (const uint8_t *)(offsets + group->nr_rows);

	if (group->nr_rows > UNWIND_SPARSE_ROWS_MAX || offsets[0])
		return false;
	for (uint32_t i = 0; i < group->nr_rows; i++) {
		if ((i && offsets[i] <= offsets[i - 1]) || !check_rule(group, numbers[i]))
			return false;
	}
	return true;
}

static bool check_dense(const struct unwind_group *group)
{
	const uint16_t *index = words_of(group), *rows = index + UNWIND_INDEX_ENTRIES;

	if (group->nr_rows > UNWIND_ROWS_MAX || index[0] || rows[0] >> 8 ||
	    index[UNWIND_INDEX_ENTRIES - 1] != group->nr_rows)
		return false;
	for (uint32_t page = 0; page + 1 < UNWIND_INDEX_ENTRIES; page++) {
		if (index[page + 1] < index[page] || index[page + 1] > group->nr_rows)
			return false;
		for (uint32_t i = index[page]; i < index[page + 1]; i++) {
			if ((i > index[page] && rows[i] >> 8 <= rows[i - 1] >> 8) ||
			    !check_rule(group, rows[i] & 255))
				return false;
		}
	}
	return true;
}

static bool check_group(const struct unwind_group *group, size_t room)
{
	if (room < sizeof(*group) || !group->nr_rows || group->form > UNWIND_SPARSE ||
	    unwind_group_bytes(group) > room || unwind_group_bytes(group) > UNWIND_GROUP_BYTES_MAX)
		return false;
	return group->form == UNWIND_SPARSE ? check_sparse(group) : check_dense(group);
}

static bool check_header(const struct unwind_header *header, size_t size)
{
	return size >= sizeof(*header) && size <= UNWIND_IMAGE_BYTES_MAX &&
	       header->magic == UNWIND_MAGIC && header->version == UNWIND_VERSION &&
	       header->size == size && header->directory >= sizeof(*header) &&
	       header->directory <= size && !(header->directory % ALIGNMENT) &&
	       header->nr_groups <= UNWIND_GROUPS_MAX &&
	       header->first_group <= UINT32_MAX >> UNWIND_GROUP_SHIFT &&
	       header->first_group + header->nr_groups <= (UINT32_MAX >> UNWIND_GROUP_SHIFT) + 1 &&
	       size - header->directory == header->nr_groups * sizeof(uint32_t);
}

static const uint32_t *directory_of(const void *image)
{
	return (const uint32_t *)((const char *)image +
				  ((const struct unwind_header *)image)->directory);
}

bool unwind_image_check(const void *data, size_t size)
{
	const struct unwind_header *header = data;
	size_t next = sizeof(*header);

	if (!check_header(header, size))
		return false;
	for (uint32_t i = 0; i < header->nr_groups; i++) {
		const struct unwind_group *group = (const void *)((const char *)data + next);
		uint32_t place = directory_of(data)[i];

		if (!place)
			continue;
		if (place != next / ALIGNMENT || !check_group(group, header->directory - next))
			return false;
		next += unwind_group_bytes(group);
	}
	return next == header->directory;
}

const struct unwind_group *unwind_image_group(const void *image, uint32_t i, size_t *ret_bytes)
{
	uint32_t place = directory_of(image)[i];
	const struct unwind_group *group =
		(const void *)((const char *)image + (size_t)place * ALIGNMENT);

	if (!place)
		return NULL;
	*ret_bytes = unwind_group_bytes(group);
	return group;
}

static uint64_t rule_number(const struct unwind_group *group, uint32_t number)
{
	const uint32_t *rules = rules_of(group);

	return rules[number] |
	       (rules[number] & UNWIND_RULE_WIDE ? (uint64_t)rules[number + 1] << 32 : 0);
}

/* The row's offset within the group, and its rule. */
static uint32_t row_of(const struct unwind_group *group, struct unwind_iterator *it,
		       uint64_t *ret_rule)
{
	const uint16_t *words = words_of(group), *rows = words + UNWIND_INDEX_ENTRIES;

	if (group->form == UNWIND_SPARSE) {
		*ret_rule =
			rule_number(group, ((const uint8_t *)(words + group->nr_rows))[it->row]);
		return words[it->row];
	}
	while (words[it->page + 1] <= it->row)
		it->page++;
	*ret_rule = rule_number(group, rows[it->row] & 255);
	return it->page << 8 | rows[it->row] >> 8;
}

bool unwind_image_next(const void *image, struct unwind_iterator *it, uint64_t *ret_offset,
		       uint64_t *ret_rule)
{
	const struct unwind_header *header = image;
	const struct unwind_group *group;
	size_t bytes;

	if (it->group == header->nr_groups)
		return false;
	group = unwind_image_group(image, it->group, &bytes);
	*ret_rule = UNWIND_GAP;
	*ret_offset = (uint64_t)(header->first_group + it->group) << UNWIND_GROUP_SHIFT;
	if (group)
		*ret_offset += row_of(group, it, ret_rule);
	if (!group || ++it->row == group->nr_rows)
		*it = (struct unwind_iterator) { .group = it->group + 1 };
	return true;
}
