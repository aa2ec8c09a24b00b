/* Packs rows into groups. */
#include "symbolizer/unwind_rows.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ALIGNMENT 4
#define HASH_SIZE 1024 /* above UNWIND_SLOTS_MAX by a factor that keeps chains short */
#define NO_GROUP UINT32_MAX

struct slot {
	uint64_t rule; /* both words */
	uint32_t nr_rows;
	uint8_t number; /* in the group as it is written */
};

struct group {
	uint32_t number; /* NO_GROUP: none yet */
	uint32_t nr_rows, nr_rules, nr_words;
	bool full; /* the last row covers what no row was left for */
	struct slot rules[UNWIND_SLOTS_MAX];
	uint16_t hash[HASH_SIZE]; /* index into rules + 1 */
	uint16_t offsets[UNWIND_ROWS_MAX];
	uint8_t which[UNWIND_ROWS_MAX]; /* index into rules */
};

struct unwind_rows {
	struct buf *out;
	uint64_t rule; /* in force behind the last row */
	uint32_t offset; /* of the last row */
	uint32_t first_group, nr_groups; /* of the directory, up to the last one with rows */
	uint32_t nr_rows, nr_slots, lost_rows, lost_groups;
	struct group group;
	uint32_t directory[UNWIND_GROUPS_MAX];
};

int unwind_rows_new(struct unwind_rows **ret, struct buf *out)
{
	struct unwind_rows *rows = calloc(1, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	rows->out = out;
	rows->group.number = NO_GROUP;
	buf_grow(out, sizeof(struct unwind_header)); /* filled in at the end */
	*ret = rows;
	return 0;
}

struct unwind_rows *unwind_rows_free(struct unwind_rows *rows)
{
	free(rows);
	return NULL;
}

static uint32_t words_of(uint64_t rule)
{
	return rule & UNWIND_RULE_WIDE ? 2 : 1;
}

/* The index of a rule in the group's dictionary; when that is full, of UNWIND_UNSUPPORTED, for which room is kept. */
static uint32_t find_rule(struct unwind_rows *rows, uint64_t rule)
{
	struct group *g = &rows->group;
	uint32_t at = (uint32_t)((rule * 0x9e3779b97f4a7c15ULL) >> 54);

	while (g->hash[at] && g->rules[g->hash[at] - 1].rule != rule)
		at = (at + 1) % HASH_SIZE;
	if (g->hash[at])
		return g->hash[at] - 1u;
	if (rule != UNWIND_UNSUPPORTED && g->nr_words + words_of(rule) >= UNWIND_SLOTS_MAX) {
		rows->lost_rows++;
		return find_rule(rows, UNWIND_UNSUPPORTED);
	}
	g->rules[g->nr_rules] = (struct slot) { .rule = rule };
	g->nr_words += words_of(rule);
	g->hash[at] = (uint16_t)++g->nr_rules;
	return g->nr_rules - 1;
}

static void add_row(struct unwind_rows *rows, uint16_t offset, uint64_t rule)
{
	struct group *g = &rows->group;
	uint32_t which;

	if (g->nr_rows == UNWIND_ROWS_MAX) {
		rows->lost_rows++;
		if (!g->full)
			g->which[g->nr_rows - 1] = (uint8_t)find_rule(rows, UNWIND_UNSUPPORTED);
		g->full = true;
		return;
	}
	which = find_rule(rows, rule);
	if (g->nr_rows && g->which[g->nr_rows - 1] == which)
		return;
	g->offsets[g->nr_rows] = offset;
	g->which[g->nr_rows++] = (uint8_t)which;
}

static int by_use(const void *a, const void *b)
{
	const struct slot *const *x = a, *const *y = b;

	if ((*x)->nr_rows != (*y)->nr_rows)
		return (*x)->nr_rows > (*y)->nr_rows ? -1 : 1;
	return *x < *y ? -1 : 1; /* the same image from the same file, wherever qsort() is from */
}

/* The rules that are used most come first: they share the group's first cache line. Returns the number of words. */
static uint32_t put_rules(struct group *g, uint32_t *words)
{
	struct slot *order[UNWIND_SLOTS_MAX];
	uint32_t nr = 0;

	for (uint32_t i = 0; i < g->nr_rules; i++) {
		order[i] = &g->rules[i];
		g->rules[i].nr_rows = 0;
	}
	for (uint32_t i = 0; i < g->nr_rows; i++)
		g->rules[g->which[i]].nr_rows++;
	qsort(order, g->nr_rules, sizeof(*order), by_use);
	for (uint32_t i = 0; i < g->nr_rules && order[i]->nr_rows; i++) {
		order[i]->number = (uint8_t)nr;
		words[nr++] = (uint32_t)order[i]->rule;
		if (words_of(order[i]->rule) == 2)
			words[nr++] = (uint32_t)(order[i]->rule >> 32);
	}
	return nr;
}

static void put_sparse(const struct group *g, uint16_t *offsets)
{
	uint8_t *numbers = (uint8_t *)(offsets + g->nr_rows);

	memcpy(offsets, g->offsets, g->nr_rows * sizeof(*offsets));
	for (uint32_t i = 0; i < g->nr_rows; i++)
		numbers[i] = g->rules[g->which[i]].number;
}

static void put_dense(const struct group *g, uint16_t *index)
{
	uint16_t *packed = index + UNWIND_INDEX_ENTRIES;
	uint32_t page = 0;

	for (uint32_t i = 0; i < g->nr_rows; i++) {
		while (page <= g->offsets[i] >> 8)
			index[page++] = (uint16_t)i;
		packed[i] = (uint16_t)(g->offsets[i] << 8 | g->rules[g->which[i]].number);
	}
	while (page < UNWIND_INDEX_ENTRIES)
		index[page++] = (uint16_t)g->nr_rows;
}

/* Writes the group behind the others, if the image has room for it and its place in the directory. */
static void write_group(struct unwind_rows *rows)
{
	struct group *g = &rows->group;
	uint32_t words[UNWIND_SLOTS_MAX + 1], nr_words = put_rules(g, words);
	size_t dense = 2 * UNWIND_INDEX_ENTRIES + 2 * g->nr_rows, sparse = 3 * g->nr_rows;
	bool is_sparse = g->nr_rows <= UNWIND_SPARSE_ROWS_MAX && sparse < dense;
	size_t body = is_sparse ? sparse : dense, at = rows->out->len;
	size_t bytes = sizeof(struct unwind_group) + 4 * nr_words + body + ALIGNMENT - 1;
	uint32_t place = g->number - rows->first_group;
	uint32_t *to;

	bytes -= bytes % ALIGNMENT;
	if (place >= UNWIND_GROUPS_MAX || at + bytes + 4 * (place + 1) > UNWIND_IMAGE_BYTES_MAX) {
		rows->lost_groups++;
		return;
	}
	to = buf_grow(rows->out, bytes);
	if (!to)
		return;
	to[bytes / 4 - 1] = 0; /* the padding */
	*(struct unwind_group *)to =
		(struct unwind_group) { .nr_rows = (uint16_t)g->nr_rows,
					.nr_slots = (uint8_t)nr_words,
					.form = is_sparse ? UNWIND_SPARSE : UNWIND_DENSE };
	memcpy(to + 1, words, 4 * nr_words);
	if (is_sparse)
		put_sparse(g, (uint16_t *)(to + 1 + nr_words));
	else
		put_dense(g, (uint16_t *)(to + 1 + nr_words));
	rows->directory[place] = (uint32_t)(at / ALIGNMENT);
	rows->nr_groups = place + 1;
	rows->nr_rows += g->nr_rows;
	rows->nr_slots += nr_words;
}

static void close_group(struct unwind_rows *rows)
{
	struct group *g = &rows->group;

	if (g->number == NO_GROUP)
		return;
	if (g->nr_rows > 1 || g->rules[g->which[0]].rule != UNWIND_GAP) {
		if (!rows->nr_groups && !rows->lost_groups)
			rows->first_group = g->number;
		write_group(rows);
	}
	g->nr_rows = g->nr_rules = g->nr_words = 0;
	g->full = false;
	memset(g->hash, 0, sizeof(g->hash));
}

static void open_group(struct unwind_rows *rows, uint32_t number)
{
	rows->group.number = number;
	add_row(rows, 0, rows->rule);
}

/* From the group of the last row to the one of the next; what lies between has one rule. */
static void go_to_group(struct unwind_rows *rows, uint32_t number)
{
	uint32_t next = rows->group.number + 1;

	close_group(rows);
	while (rows->rule != UNWIND_GAP && next < number &&
	       next - rows->first_group < UNWIND_GROUPS_MAX) {
		open_group(rows, next++);
		close_group(rows);
	}
	open_group(rows, number);
}

void unwind_rows_add(struct unwind_rows *rows, uint32_t offset, uint64_t rule)
{
	struct group *g = &rows->group;
	uint32_t number;

	if (rule == rows->rule)
		return;
	if (offset < rows->offset)
		offset = rows->offset;
	number = offset >> UNWIND_GROUP_SHIFT;
	if (g->number != number)
		go_to_group(rows, number);
	if (g->nr_rows && g->offsets[g->nr_rows - 1] == (uint16_t)offset && !g->full)
		g->nr_rows--; /* the latter holds */
	add_row(rows, (uint16_t)offset, rule);
	rows->offset = offset;
	rows->rule = rule;
}

int unwind_rows_finish(struct unwind_rows *rows, struct unwind_header *header)
{
	close_group(rows);
	header->directory = (uint32_t)rows->out->len;
	buf_add(rows->out, rows->directory, rows->nr_groups * sizeof(*rows->directory));
	if (rows->out->error)
		return rows->out->error;
	header->magic = UNWIND_MAGIC;
	header->version = UNWIND_VERSION;
	header->size = (uint32_t)rows->out->len;
	header->first_group = rows->nr_groups ? rows->first_group : 0;
	header->nr_groups = rows->nr_groups;
	header->nr_rows = rows->nr_rows;
	header->nr_slots = rows->nr_slots;
	header->lost_rows = rows->lost_rows;
	header->lost_groups = rows->lost_groups;
	memcpy(rows->out->data, header, sizeof(*header));
	return 0;
}
