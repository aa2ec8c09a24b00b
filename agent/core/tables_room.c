/* The slabs' room. */
#include "agent/core/tables_room.h"
#include "agent/base/err.h"
#include "agent/base/hashmap.h"
#include "agent/core/extents.h"
#include "proto/unwind_image.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "bpf/unwind_table.h"

#if defined(__x86_64__)
#define MACHINE 62 /* EM_X86_64 */
#else
#define MACHINE 183 /* EM_AARCH64 */
#endif

struct piece {
	struct extent extent;
	uint32_t bytes;
};

struct room_table {
	struct room_table *next; /* live, or retired */
	uint64_t bytes, word;
	uint64_t hash; /* of the image; equal ones are compared */
	uint64_t note;
	uint32_t nr_users;
	uint32_t first_group, nr_groups;
	uint64_t grace; /* retired: free when so many grace periods have ended */
	uint32_t nr_pieces;
	struct piece pieces[]; /* the directory first */
};

struct room {
	struct sampler_tables *memory;
	struct extents *extents;
	room_fn fn;
	void *userdata;
	struct room_table *live, *retired;
	uint64_t seed;
	uint64_t retired_bytes;
	uint64_t graces_asked, graces_ended;
};

static uint64_t rounded(uint64_t bytes)
{
	return (bytes + EXTENTS_GRANULE - 1) / EXTENTS_GRANULE * EXTENTS_GRANULE;
}

static void on_done(uint32_t nr, int error, void *userdata)
{
	struct room *room = userdata;
	uint32_t number;

	if (nr) {
		for (uint32_t i = 0; !error && i < nr; i++) {
			struct extent first;
			int r = extents_add_slab(room->extents, &number);

			/* Place 0 says that there is no group. */
			if (!r && !number)
				r = extents_take(room->extents, EXTENTS_GRANULE, &first);
			if (r)
				error = r < 0 ? r : -ENOSPC;
		}
		room->fn(ROOM_GROWN, error, room->userdata);
		return;
	}
	if (error) { /* nothing is known to be unread: it stays retired */
		room->graces_asked--;
		room->fn(ROOM_FREED, error, room->userdata);
		return;
	}
	room->graces_ended++;
	for (struct room_table **at = &room->retired; *at;) {
		struct room_table *table = *at;

		if (table->grace > room->graces_ended) {
			at = &table->next;
			continue;
		}
		*at = table->next;
		for (uint32_t i = 0; i < table->nr_pieces; i++)
			extents_put(room->extents, table->pieces[i].extent, table->pieces[i].bytes);
		room->retired_bytes -= table->bytes;
		free(table);
	}
	room->fn(ROOM_FREED, 0, room->userdata);
}

int room_new(struct room **ret, struct sampler_tables *memory, room_fn fn, void *userdata)
{
	_cleanup_(room_freep) struct room *room = calloc(1, sizeof(*room));
	int r;

	if (!room)
		return -ENOMEM;
	room->fn = fn;
	room->userdata = userdata;
	r = extents_new(&room->extents, UNWIND_SLAB_BYTES, sampler_tables_slabs_max(memory));
	if (r < 0)
		return r;
	room->memory = memory;
	if (getrandom(&room->seed, sizeof(room->seed), 0) < 0)
		return err_last();
	sampler_tables_on_done(memory, on_done, room);
	*ret = TAKE_PTR(room);
	return 0;
}

struct room *room_free(struct room *room)
{
	if (!room)
		return NULL;
	if (room->memory)
		sampler_tables_on_done(room->memory, NULL, NULL);
	while (room->retired) {
		struct room_table *table = room->retired;

		room->retired = table->next;
		free(table);
	}
	extents_free(room->extents);
	free(room);
	return NULL;
}

uint64_t room_budget(const struct room *room)
{
	return (uint64_t)sampler_tables_slabs_max(room->memory) * UNWIND_SLAB_BYTES;
}

uint64_t room_used(const struct room *room)
{
	return extents_used(room->extents);
}

uint64_t room_slab_bytes(const struct room *room)
{
	return (uint64_t)extents_slabs(room->extents) * UNWIND_SLAB_BYTES;
}

bool room_image_check(const void *image, size_t size)
{
	const struct unwind_header *header = image;

	return unwind_image_check(image, size) && header->machine == MACHINE;
}

uint64_t room_image_bytes(const void *image)
{
	const struct unwind_header *header = image;
	uint64_t bytes = 0;
	size_t size;

	for (uint32_t i = 0; i < header->nr_groups; i++) {
		if (unwind_image_group(image, i, &size))
			bytes += rounded(size);
	}
	return bytes ? bytes + rounded(4ULL * header->nr_groups) : 0;
}

static uint8_t *memory_of(const struct room *room, struct extent extent)
{
	return (uint8_t *)sampler_tables_slab(room->memory, extent.slab) + extent.offset;
}

static bool take_piece(struct room *room, struct room_table *table, uint32_t bytes)
{
	struct piece *piece = &table->pieces[table->nr_pieces];

	if (extents_take(room->extents, bytes, &piece->extent))
		return false;
	piece->bytes = bytes;
	table->bytes += rounded(bytes);
	table->nr_pieces++;
	return true;
}

/* Takes a piece for the directory and one for each group; all or none. */
static bool take_pieces(struct room *room, const void *image, struct room_table *table)
{
	const struct unwind_header *header = image;
	bool taken = take_piece(room, table, 4 * header->nr_groups);

	for (uint32_t i = 0; taken && i < header->nr_groups; i++) {
		size_t size;

		if (unwind_image_group(image, i, &size))
			taken = take_piece(room, table, (uint32_t)size);
	}
	if (taken)
		return true;
	for (uint32_t i = 0; i < table->nr_pieces; i++)
		extents_put(room->extents, table->pieces[i].extent, table->pieces[i].bytes);
	return false;
}

static void copy_pieces(struct room *room, const void *image, const struct room_table *table)
{
	const struct unwind_header *header = image;
	uint32_t *directory = (uint32_t *)memory_of(room, table->pieces[0].extent);
	const struct piece *piece = &table->pieces[1];

	for (uint32_t i = 0; i < header->nr_groups; i++) {
		size_t size;
		const struct unwind_group *group = unwind_image_group(image, i, &size);

		directory[i] = 0;
		if (!group)
			continue;
		memcpy(memory_of(room, piece->extent), group, size);
		directory[i] = unwind_place(piece->extent.slab, piece->extent.offset);
		piece++;
	}
}

/* Are the table's groups the image's? */
static bool is_of_image(const struct room *room, const struct room_table *table, const void *image)
{
	const struct unwind_header *header = image;
	const uint32_t *directory = (const uint32_t *)memory_of(room, table->pieces[0].extent);
	const struct piece *piece = &table->pieces[1];

	if (table->first_group != header->first_group || table->nr_groups != header->nr_groups)
		return false;
	for (uint32_t i = 0; i < header->nr_groups; i++) {
		size_t size;
		const struct unwind_group *group = unwind_image_group(image, i, &size);

		if (!group != !directory[i])
			return false;
		if (!group)
			continue;
		if (piece->bytes != size ||
		    memcmp(memory_of(room, piece->extent), group, size) != 0)
			return false;
		piece++;
	}
	return true;
}

/* Seeded: images come from files, whose authors must not choose what collides. */
static uint64_t hash_of(const struct room *room, const void *image)
{
	const struct unwind_header *header = image;

	return hash_bytes(image, header->size, room->seed);
}

static struct room_table *find(const struct room *room, const void *image, uint64_t hash)
{
	for (struct room_table *table = room->live; table; table = table->next) {
		if (table->hash == hash && is_of_image(room, table, image))
			return table;
	}
	return NULL;
}

struct room_table *room_find(struct room *room, const void *image)
{
	return find(room, image, hash_of(room, image));
}

/* A table of its own; its place in the list is the first. */
static int place_new(struct room *room, const void *image, uint64_t hash, struct room_table **ret)
{
	const struct unwind_header *header = image;
	struct room_table *table;
	struct extent at;

	table = calloc(1, sizeof(*table) + (header->nr_groups + 1) * sizeof(table->pieces[0]));
	if (!table)
		return -ENOMEM;
	if (!take_pieces(room, image, table)) {
		free(table);
		return ROOM_E_FULL;
	}
	copy_pieces(room, image, table);
	at = table->pieces[0].extent;
	table->word = unwind_slot_table(unwind_place(at.slab, at.offset), header->first_group,
					header->nr_groups);
	table->hash = hash;
	table->first_group = header->first_group;
	table->nr_groups = header->nr_groups;
	table->next = room->live;
	room->live = table;
	*ret = table;
	return 0;
}

int room_place(struct room *room, const void *image, struct room_table **ret)
{
	uint64_t hash = hash_of(room, image);
	struct room_table *table = find(room, image, hash);
	int r = table ? 0 : place_new(room, image, hash, &table);

	if (r)
		return r;
	table->nr_users++;
	*ret = table;
	return 0;
}

struct room_table *room_table_free(struct room_table *table)
{
	if (table && !--table->nr_users)
		free(table);
	return NULL;
}

uint32_t room_table_users(const struct room_table *table)
{
	return table->nr_users;
}

uint64_t room_table_note(const struct room_table *table)
{
	return table->note;
}

void room_table_set_note(struct room_table *table, uint64_t note)
{
	table->note = note;
}

uint64_t room_table_bytes(const struct room_table *table)
{
	return table->bytes;
}

uint64_t room_table_word(const struct room_table *table)
{
	return table->word;
}

int room_wait_grace(struct room *room)
{
	int r = sampler_tables_grace(room->memory);

	if (!r)
		room->graces_asked++;
	return r;
}

void room_retire(struct room *room, struct room_table *table)
{
	struct room_table **at = &room->live;

	if (--table->nr_users)
		return;
	while (*at != table)
		at = &(*at)->next;
	*at = table->next;
	table->next = room->retired;
	room->retired = table;
	room->retired_bytes += table->bytes;
	if (room_wait_grace(room) < 0) {
		/* The thread has more to do than its pipe holds: any later period will do. */
		table->grace = room->graces_asked + 1;
		return;
	}
	table->grace = room->graces_asked;
}

uint64_t room_retired(const struct room *room)
{
	return room->retired_bytes;
}

int room_grow(struct room *room, uint64_t bytes)
{
	/* One more than the bytes need: what is free now is in pieces, and the next table comes soon. */
	return sampler_tables_make(room->memory, (uint32_t)(bytes / UNWIND_SLAB_BYTES) + 2);
}
