/* The files' unwind tables. */
#include "agent/core/tables.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/core/tables_room.h"

#include <errno.h>
#include <string.h>

#include "bpf/unwind_table.h"

#define ATTEMPTS_MAX 3 /* for an answer that was lost */
#define WAITING_BYTES_MAX (2u * UNWIND_IMAGE_BYTES_MAX)
#define YOUNG_S 10 /* a table that was used so lately is not evicted for another owner's */
#define RETRY_INTERVAL_NS (10 * NSEC_PER_SEC)
#define NO_MEMORY_S 60
#define PASS_FIRST (1ULL << 32) /* above any number of seconds that is noted with a table */
#define RETRIES_MAX 8 /* tables asked for again in one interval */

enum state {
	STATE_FREE = 0,
	STATE_ASKED,
	STATE_WAITING, /* the image is here, room is being made */
	STATE_PLACED,
	STATE_NONE,
	STATE_FAILED,
	STATE_EVICTED, /* or never placed, for want of room */
	STATE_LEAVING, /* the slot is free after a grace period */
};

struct slot {
	enum state state;
	unsigned int attempts;
	bool again; /* ASKED: before the debug file was known */
	struct symclient_file file;
	struct room_table *table; /* PLACED */
	void *image; /* WAITING */
	size_t image_size;
	uint64_t evicted_s;
};

struct tables {
	struct sampler_tables *memory;
	struct room *room;
	tables_ask_fn ask;
	void *userdata;
	struct loop_source *retry_timer;
	struct slot *slots;
	uint32_t nr_slots, free_hint;
	size_t waiting_bytes;
	uint64_t pass; /* of counting, noted with the tables that were counted */
	uint64_t no_memory_until_s; /* the kernel gave none: what there is must do */
	bool retry_armed, making, placing;
	struct tables_counts counts;
};

static void place_waiting(struct tables *t);

static uint64_t now_s(void)
{
	return clock_boot_ns() / NSEC_PER_SEC;
}

static void set_state(struct tables *t, struct slot *slot, enum state state)
{
	slot->state = state;
	if (state == STATE_EVICTED) {
		slot->evicted_s = now_s();
		if (!t->retry_armed) {
			uint64_t first = clock_boot_ns() + RETRY_INTERVAL_NS;

			t->retry_armed = !loop_source_set_timer(t->retry_timer, first, 0);
		}
	}
}

static uint32_t number_of(const struct tables *t, const struct slot *slot)
{
	return (uint32_t)(slot - t->slots);
}

static void ask(struct tables *t, struct slot *slot)
{
	set_state(t, slot, STATE_ASKED);
	slot->attempts++;
	if (t->ask(number_of(t, slot), &slot->file, t->userdata) < 0)
		set_state(t, slot, STATE_EVICTED);
}

static void drop_image(struct tables *t, struct slot *slot)
{
	t->waiting_bytes -= slot->image_size;
	free(slot->image);
	slot->image = NULL;
	slot->image_size = 0;
}

/* ---- room ---- */

static void unpublish(struct tables *t, struct slot *slot)
{
	sampler_tables_set(t->memory, number_of(t, slot), UNWIND_TABLE_PENDING);
	room_retire(t->room, slot->table);
	slot->table = NULL;
}

static void evict(struct tables *t, struct slot *slot)
{
	unpublish(t, slot);
	t->counts.evictions++;
	set_state(t, slot, STATE_EVICTED);
}

/* Equal files share a table: its bytes come free when no slot has it. */
static void evict_table(struct tables *t, const struct room_table *table)
{
	uint32_t left = room_table_users(table);

	for (uint32_t i = 0; left; i++) {
		if (t->slots[i].state != STATE_PLACED || t->slots[i].table != table)
			continue;
		evict(t, &t->slots[i]); /* the last time the table goes */
		left--;
	}
}

/* Notes with each table when it was last used through any of its slots: UINT64_MAX for the vDSO's, which stays. */
static void note_uses(struct tables *t)
{
	for (uint32_t i = 0; i < t->nr_slots; i++) {
		if (t->slots[i].state == STATE_PLACED)
			room_table_set_note(t->slots[i].table, 0);
	}
	for (uint32_t i = 0; i < t->nr_slots; i++) {
		struct room_table *table = t->slots[i].table;
		uint64_t used_s =
			i < UNWIND_SLOT_FIRST ? UINT64_MAX : sampler_tables_used_s(t->memory, i);

		if (t->slots[i].state == STATE_PLACED && used_s > room_table_note(table))
			room_table_set_note(table, used_s);
	}
}

/* The table that was not used for the longest time, by anybody, if before limit_s. */
static const struct room_table *oldest_table(struct tables *t, uint64_t limit_s)
{
	const struct room_table *found = NULL;
	uint64_t found_s = limit_s;

	note_uses(t);
	for (uint32_t i = UNWIND_SLOT_FIRST; i < t->nr_slots; i++) {
		struct slot *slot = &t->slots[i];

		if (slot->state != STATE_PLACED || room_table_note(slot->table) >= found_s)
			continue;
		found = slot->table;
		found_s = room_table_note(found);
	}
	return found;
}

/* The owner's slot whose table it did not use for the longest time. */
static struct slot *oldest_of_owner(struct tables *t, uint64_t owner)
{
	struct slot *found = NULL;
	uint64_t found_s = UINT64_MAX;

	for (uint32_t i = UNWIND_SLOT_FIRST; i < t->nr_slots; i++) {
		struct slot *slot = &t->slots[i];
		uint32_t used_s = sampler_tables_used_s(t->memory, i);

		if (slot->state != STATE_PLACED || slot->file.owner != owner || used_s >= found_s)
			continue;
		found = slot;
		found_s = used_s;
	}
	return found;
}

/*
 * A table that owners share counts in full for each of them, once; so does one that is about to be placed. Else whoever
 * has copies of another's files could take more than half, and they would stay when the other goes.
 */
static uint64_t bytes_of_owner(struct tables *t, uint64_t owner, const struct room_table *another)
{
	uint64_t bytes = 0, pass = ++t->pass;

	for (uint32_t i = 0; i < t->nr_slots; i++) {
		struct slot *slot = &t->slots[i];

		if (slot->state != STATE_PLACED || slot->file.owner != owner ||
		    slot->table == another || room_table_note(slot->table) == pass)
			continue;
		room_table_set_note(slot->table, pass);
		bytes += room_table_bytes(slot->table);
	}
	return bytes;
}

/* Sees to it that the owner of slot does not come above its share by its image, of so many bytes. */
static bool fit_share(struct tables *t, struct slot *slot, uint64_t bytes)
{
	uint64_t share = room_budget(t->room) / 2;

	if (bytes > share)
		return false;
	while (bytes_of_owner(t, slot->file.owner, room_find(t->room, slot->image)) + bytes >
	       share) {
		struct slot *victim = oldest_of_owner(t, slot->file.owner);

		if (!victim)
			return false; /* the vDSO's, which stays */
		evict(t, victim);
	}
	return true;
}

/* Makes room for another `bytes`, which is there later; false: there is none to be had. */
static bool make_room(struct tables *t, uint64_t bytes)
{
	uint64_t limit_s = now_s() < YOUNG_S ? 0 : now_s() - YOUNG_S;
	int r;

	if (t->making || room_retired(t->room))
		return true; /* what is under way may do */
	r = now_s() < t->no_memory_until_s ? -ENOSPC : room_grow(t->room, bytes);
	if (r != -ENOSPC) {
		t->counts.slab_errors += r < 0;
		t->making = !r;
		return !r;
	}
	while (room_retired(t->room) < bytes) {
		const struct room_table *victim = oldest_table(t, limit_s);

		if (!victim)
			break;
		evict_table(t, victim);
	}
	return room_retired(t->room) >= bytes;
}

/* ---- placing ---- */

static void publish(struct tables *t, struct slot *slot)
{
	sampler_tables_set(t->memory, number_of(t, slot), room_table_word(slot->table));
	set_state(t, slot, STATE_PLACED);
	drop_image(t, slot);
}

static void give_up(struct tables *t, struct slot *slot, uint64_t *counter)
{
	(*counter)++;
	drop_image(t, slot);
	set_state(t, slot, STATE_EVICTED);
}

static void place(struct tables *t, struct slot *slot)
{
	uint64_t bytes = room_image_bytes(slot->image);
	int r;

	if (!fit_share(t, slot, bytes)) {
		give_up(t, slot, &t->counts.refused_owner);
		return;
	}
	r = room_place(t->room, slot->image, &slot->table);
	if (!r)
		publish(t, slot);
	else if (r < 0 || !make_room(t, bytes))
		give_up(t, slot, &t->counts.refused_budget);
}

/* Tables that wait for room, smallest first: they are quick to place and mostly the more used ones. */
static void place_waiting(struct tables *t)
{
	if (t->placing)
		return;
	t->placing = true;
	for (;;) {
		struct slot *next = NULL;

		for (uint32_t i = 0; i < t->nr_slots; i++) {
			struct slot *slot = &t->slots[i];

			if (slot->state == STATE_WAITING &&
			    (!next || slot->image_size < next->image_size))
				next = slot;
		}
		if (!next)
			break;
		place(t, next);
		if (next->state == STATE_WAITING)
			break; /* until there is room */
	}
	t->placing = false;
}

/* Slots that were left are free now. */
static void on_grace(struct tables *t)
{
	for (uint32_t i = 0; i < t->nr_slots; i++) {
		if (t->slots[i].state == STATE_LEAVING)
			t->slots[i] = (struct slot) { .state = STATE_FREE };
	}
}

static void on_room(enum room_event event, int error, void *userdata)
{
	struct tables *t = userdata;

	if (error) {
		t->counts.slab_errors++;
		log_debug("no memory for unwind tables: %s", err_str(error));
	}
	if (event == ROOM_GROWN) {
		t->making = false;
		if (error)
			t->no_memory_until_s = now_s() + NO_MEMORY_S;
	} else if (!error) {
		on_grace(t);
	}
	place_waiting(t);
}

/* ---- answers ---- */

/* Is this answer for nobody? One that came from the file alone is asked for again, with its debug file. */
static bool is_late(struct tables *t, uint32_t number)
{
	struct slot *slot = &t->slots[number];

	if (number >= t->nr_slots || slot->state != STATE_ASKED)
		return true;
	if (!slot->again)
		return false;
	slot->again = false;
	ask(t, slot);
	return true;
}

static void count_image(struct tables_counts *counts, const struct unwind_header *header)
{
	counts->broken_fdes += header->bad_fdes;
	counts->unsupported_rows += header->unsupported_rows;
	counts->lost_rows += header->lost_rows;
	counts->lost_groups += header->lost_groups;
	for (int i = 0; i < UNWIND_BOUND_NR; i++)
		counts->code_bounds[i] += header->code_bounds[i];
}

void tables_put(struct tables *t, uint32_t number, const void *image, size_t size)
{
	struct slot *slot = &t->slots[number];

	if (is_late(t, number))
		return;
	if (!room_image_check(image, size)) {
		t->counts.refused_images++;
		set_state(t, slot, STATE_FAILED);
		return;
	}
	count_image(&t->counts, image);
	if (!room_image_bytes(image)) {
		tables_put_none(t, number, TABLES_NONE);
		return;
	}
	if (t->waiting_bytes + size <= WAITING_BYTES_MAX)
		slot->image = malloc(size);
	if (!slot->image) {
		t->counts.dropped_images++;
		set_state(t, slot, STATE_EVICTED);
		return;
	}
	memcpy(slot->image, image, size);
	slot->image_size = size;
	t->waiting_bytes += size;
	set_state(t, slot, STATE_WAITING);
	place_waiting(t);
}

void tables_put_none(struct tables *t, uint32_t number, enum tables_none why)
{
	struct slot *slot = &t->slots[number];

	if (is_late(t, number))
		return;
	if (why == TABLES_NONE) {
		sampler_tables_set(t->memory, number, UNWIND_TABLE_NONE);
		set_state(t, slot, STATE_NONE);
	} else if (why == TABLES_LOST && slot->attempts < ATTEMPTS_MAX) {
		ask(t, slot);
	} else {
		set_state(t, slot, STATE_FAILED);
	}
}

/* ---- slots ---- */

uint32_t tables_add(struct tables *t, const struct symclient_file *file)
{
	for (uint32_t i = 0; i < t->nr_slots; i++) {
		uint32_t number = (t->free_hint + i) % t->nr_slots;

		if (number < UNWIND_SLOT_FIRST || t->slots[number].state != STATE_FREE)
			continue;
		t->free_hint = number + 1;
		t->slots[number].file = *file;
		ask(t, &t->slots[number]);
		return number;
	}
	t->counts.refused_slots++;
	return UNWIND_SLOT_NONE;
}

void tables_add_vdso(struct tables *t, const struct symclient_file *file)
{
	t->slots[UNWIND_SLOT_VDSO].file = *file;
	ask(t, &t->slots[UNWIND_SLOT_VDSO]);
}

void tables_again(struct tables *t, uint32_t number, int debug_fd)
{
	struct slot *slot = &t->slots[number];

	if (number >= t->nr_slots || slot->state == STATE_FREE || slot->state == STATE_LEAVING)
		return;
	slot->file.debug_fd = debug_fd;
	if (slot->state == STATE_ASKED) {
		slot->again = true;
		return;
	}
	if (slot->state == STATE_PLACED)
		unpublish(t, slot);
	drop_image(t, slot);
	slot->attempts = 0;
	ask(t, slot);
}

void tables_remove(struct tables *t, uint32_t number)
{
	struct slot *slot = &t->slots[number];

	if (number >= t->nr_slots || slot->state == STATE_FREE || slot->state == STATE_LEAVING)
		return;
	if (slot->table)
		unpublish(t, slot);
	sampler_tables_set(t->memory, number, UNWIND_TABLE_PENDING);
	drop_image(t, slot);
	set_state(t, slot, STATE_LEAVING);
	if (room_wait_grace(t->room) < 0)
		log_debug("cannot wait for a grace period: the slot frees with the next one");
}

/* Evicted tables whose files are sampled again. */
static int on_retry_time(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct tables *t = userdata;
	unsigned int asked = 0;
	bool left = false;

	for (uint32_t i = 0; i < t->nr_slots; i++) {
		struct slot *slot = &t->slots[i];

		if (slot->state != STATE_EVICTED)
			continue;
		if (asked < RETRIES_MAX && sampler_tables_used_s(t->memory, i) > slot->evicted_s) {
			slot->attempts = 0;
			ask(t, slot);
			asked++;
		}
		left |= slot->state == STATE_EVICTED;
	}
	t->retry_armed = left && !loop_source_set_timer(t->retry_timer,
							clock_boot_ns() + RETRY_INTERVAL_NS, 0);
	return 0;
}

/* ---- life ---- */

int tables_new(struct tables **ret, struct loop *loop, struct sampler_tables *memory,
	       tables_ask_fn fn, void *userdata)
{
	_cleanup_(tables_freep) struct tables *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->memory = memory;
	t->ask = fn;
	t->userdata = userdata;
	t->nr_slots = sampler_tables_nr_slots(memory);
	t->pass = PASS_FIRST;
	t->slots = calloc(t->nr_slots, sizeof(*t->slots));
	if (!t->slots)
		return -ENOMEM;
	r = room_new(&t->room, memory, on_room, t);
	if (!r)
		r = loop_add_timer(loop, &t->retry_timer, 0, 0, on_retry_time, t);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(t);
	return 0;
}

struct tables *tables_free(struct tables *t)
{
	if (!t)
		return NULL;
	for (uint32_t i = 0; t->slots && i < t->nr_slots; i++) {
		free(t->slots[i].image);
		room_table_free(t->slots[i].table);
	}
	room_free(t->room);
	loop_source_free(t->retry_timer);
	free(t->slots);
	free(t);
	return NULL;
}

void tables_counts(struct tables *t, struct tables_counts *ret)
{
	uint64_t pass = ++t->pass;

	*ret = t->counts;
	ret->bytes = room_used(t->room);
	ret->slab_bytes = room_slab_bytes(t->room);
	for (uint32_t i = 0; i < t->nr_slots; i++) {
		enum state state = t->slots[i].state;

		ret->files += state != STATE_FREE && state != STATE_LEAVING;
		ret->placed += state == STATE_PLACED;
		ret->none += state == STATE_NONE;
		ret->failed += state == STATE_FAILED;
		ret->evicted += state == STATE_EVICTED;
		if (state != STATE_PLACED)
			continue;
		if (room_table_note(t->slots[i].table) == pass) {
			ret->shared++;
			ret->shared_bytes += room_table_bytes(t->slots[i].table);
		}
		room_table_set_note(t->slots[i].table, pass);
	}
}

size_t tables_pending(const struct tables *t)
{
	size_t nr = 0;

	for (uint32_t i = 0; i < t->nr_slots; i++)
		nr += t->slots[i].state == STATE_ASKED || t->slots[i].state == STATE_WAITING;
	return nr;
}
