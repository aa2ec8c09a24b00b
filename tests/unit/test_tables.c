/* Placing and evicting unwind tables, on a kernel side of this test's own (sampler_tables_* below). */
#include "agent/core/tables.h"
#include "agent/base/clock.h"
#include "tests/test.h"

#include <errno.h>
#include <sys/utsname.h>

#include "bpf/unwind_rule_x86.h"

#define SLABS 4u
#define SLOTS 32u
#define OWNER 7u

/* ---- the kernel side: slabs and grace periods come when the test lets them ---- */

struct sampler_tables {
	sampler_tables_fn fn;
	void *userdata;
	uint8_t slabs[SLABS][UNWIND_SLAB_BYTES] __attribute__((aligned(64)));
	uint32_t asked, made, graces;
	struct unwind_slot slots[SLOTS];
	int fail;
};

void sampler_tables_on_done(struct sampler_tables *t, sampler_tables_fn fn, void *userdata)
{
	t->fn = fn;
	t->userdata = userdata;
}

uint32_t sampler_tables_slabs_max(const struct sampler_tables *t)
{
	return SLABS;
}

int sampler_tables_make(struct sampler_tables *t, uint32_t nr)
{
	CHECK_INT(t->asked, t->made); /* one request at a time */
	t->asked = MIN(t->made + nr, SLABS);
	return t->asked == t->made ? -ENOSPC : 0;
}

int sampler_tables_grace(struct sampler_tables *t)
{
	t->graces++;
	return 0;
}

void *sampler_tables_slab(const struct sampler_tables *t, uint32_t slab)
{
	CHECK(slab < t->made);
	return (void *)t->slabs[slab];
}

uint32_t sampler_tables_nr_slots(const struct sampler_tables *t)
{
	return SLOTS;
}

void sampler_tables_set(struct sampler_tables *t, uint32_t slot, uint64_t table)
{
	t->slots[slot].table = table;
}

uint32_t sampler_tables_used_s(const struct sampler_tables *t, uint32_t slot)
{
	return t->slots[slot].used_s;
}

static void let_slabs_come(struct sampler_tables *t)
{
	uint32_t nr = t->asked - t->made;

	if (!nr)
		return;
	t->made = t->fail ? t->made : t->asked;
	t->asked = t->made;
	t->fn(nr, t->fail, t->userdata);
}

static void let_graces_end(struct sampler_tables *t)
{
	while (t->graces) {
		t->graces--;
		t->fn(0, 0, t->userdata);
	}
}

/* ---- images ---- */

/* nr_groups groups, from group 1 on, of one rule each: CFA = sp + 8 * (number + group). */
static size_t make_image(uint32_t *image, uint32_t nr_groups, uint32_t number)
{
	struct unwind_header *header = (struct unwind_header *)image;
	uint32_t at = sizeof(*header), directory[64];

	CHECK(nr_groups <= ARRAY_SIZE(directory));
	memset(header, 0, sizeof(*header));
	for (uint32_t i = 0; i < nr_groups; i++) {
		struct unwind_group *group = (struct unwind_group *)((char *)image + at);
		uint16_t *rows = (uint16_t *)(group + 1) + 2;
		uint32_t nr_rows = 300; /* of 60 KB, so that a table has some size */

		*group = (struct unwind_group) { .nr_rows = (uint16_t)nr_rows,
						 .nr_slots = 1,
						 .form = UNWIND_SPARSE };
		((uint32_t *)(group + 1))[0] = UNWIND_SP | (number + i) << 8;
		for (uint32_t row = 0; row < nr_rows; row++)
			rows[row] = (uint16_t)(row * 200);
		memset(rows + nr_rows, 0, nr_rows);
		directory[i] = at / 4;
		at += (4 + 4 + 3 * nr_rows + 3) / 4 * 4;
	}
	memcpy((char *)image + at, directory, 4 * nr_groups);
	*header = (struct unwind_header) { .magic = UNWIND_MAGIC,
					   .version = UNWIND_VERSION,
					   .machine = 62,
					   .size = at + 4 * nr_groups,
					   .directory = at,
					   .first_group = 1,
					   .nr_groups = nr_groups };
	return header->size;
}

static uint32_t image[UNWIND_SLAB_BYTES];

/* What a program would find for byte 70,000 + offset of the file in slot; UNWIND_GAP if nothing. */
static uint64_t find(const struct sampler_tables *t, uint32_t slot, uint32_t offset)
{
	uint64_t table = t->slots[slot].table;
	uint32_t directory = unwind_slot_directory(table), place;
	uint32_t group = (offset >> UNWIND_GROUP_SHIFT) - unwind_slot_first_group(table);

	if (group >= unwind_slot_nr_groups(table))
		return UNWIND_GAP;
	place = unwind_u32(t->slabs[unwind_place_slab(directory)],
			   unwind_place_offset(directory) + 4 * group);
	if (!place)
		return UNWIND_GAP;
	return unwind_group_find(t->slabs[unwind_place_slab(place)], unwind_place_offset(place),
				 offset);
}

static void check_table(const struct sampler_tables *t, uint32_t slot, uint32_t nr_groups,
			uint32_t number)
{
	CHECK_INT(find(t, slot, 100), UNWIND_GAP);
	for (uint32_t i = 0; i < nr_groups; i++)
		CHECK_INT(x86_rule_cfa_off(find(t, slot, ((i + 1) << 16) + 4711)),
			  8 * (number + i));
	CHECK_INT(find(t, slot, (nr_groups + 1) << 16), UNWIND_GAP);
}

/* ---- the tables under test ---- */

struct fixture {
	struct loop *loop;
	struct sampler_tables *memory;
	struct tables *tables;
	uint32_t asked[SLOTS]; /* how often */
};

static int on_ask(uint32_t slot, const struct symclient_file *file, void *userdata)
{
	struct fixture *f = userdata;

	f->asked[slot]++;
	return 0;
}

static void set_up(struct fixture *f)
{
	*f = (struct fixture) { .memory = calloc(1, sizeof(*f->memory)) };
	CHECK_INT(loop_new(&f->loop), 0);
	CHECK_INT(tables_new(&f->tables, f->loop, f->memory, on_ask, f), 0);
}

static void tear_down(struct fixture *f)
{
	tables_free(f->tables);
	loop_free(f->loop);
	free(f->memory);
}

static uint32_t add(struct fixture *f, uint64_t owner)
{
	struct symclient_file file = { .owner = owner };

	return tables_add(f->tables, &file);
}

static uint32_t add_table(struct fixture *f, uint64_t owner, uint32_t nr_groups, uint32_t number)
{
	uint32_t slot = add(f, owner);

	tables_put(f->tables, slot, image, make_image(image, nr_groups, number));
	let_slabs_come(f->memory);
	return slot;
}

static void test_place(void)
{
	struct fixture f;
	struct tables_counts counts;
	uint32_t a, b;

	set_up(&f);
	a = add(&f, OWNER);
	CHECK(a >= UNWIND_SLOT_FIRST && a < SLOTS);
	CHECK_INT(f.asked[a], 1);
	CHECK_INT(tables_pending(f.tables), 1);
	tables_put(f.tables, a, image, make_image(image, 3, 100));
	CHECK_INT(f.memory->slots[a].table, UNWIND_TABLE_PENDING); /* there is no slab yet */
	let_slabs_come(f.memory);
	check_table(f.memory, a, 3, 100);
	CHECK(find(f.memory, a, 70000) != UNWIND_GAP);
	b = add_table(&f, OWNER, 5, 200);
	CHECK(a != b);
	check_table(f.memory, a, 3, 100);
	check_table(f.memory, b, 5, 200);
	CHECK_INT(tables_pending(f.tables), 0);
	tables_counts(f.tables, &counts);
	CHECK_INT(counts.placed, 2);
	CHECK(counts.bytes && counts.bytes <= counts.slab_bytes);
	tear_down(&f);
}

static void test_none(void)
{
	struct fixture f;
	uint32_t a, b, c;

	set_up(&f);
	a = add(&f, OWNER);
	b = add(&f, OWNER);
	c = add(&f, OWNER);
	tables_put(f.tables, a, image, make_image(image, 0, 0)); /* no call frame information */
	CHECK_INT(f.memory->slots[a].table, UNWIND_TABLE_NONE);
	tables_put_none(f.tables, b, TABLES_FAILED);
	CHECK_INT(f.memory->slots[b].table, UNWIND_TABLE_PENDING);
	tables_put_none(f.tables, c, TABLES_LOST);
	CHECK_INT(f.asked[c], 2);
	tables_put_none(f.tables, c, TABLES_LOST);
	tables_put_none(f.tables, c, TABLES_LOST);
	CHECK_INT(f.asked[c], 3);
	CHECK_INT(tables_pending(f.tables), 0);
	tear_down(&f);
}

/* A debug file is found: whatever there is, or is on its way, is from the file alone. */
static void test_again(void)
{
	struct fixture f;
	uint32_t placed, none, asked;

	set_up(&f);
	placed = add_table(&f, OWNER, 2, 3);
	check_table(f.memory, placed, 2, 3);
	none = add(&f, OWNER);
	tables_put_none(f.tables, none, TABLES_NONE);
	asked = add(&f, OWNER);
	tables_again(f.tables, placed, 99);
	tables_again(f.tables, none, 99);
	tables_again(f.tables, asked, 99);
	CHECK_INT(f.memory->slots[placed].table, UNWIND_TABLE_PENDING);
	CHECK_INT(f.asked[placed], 2);
	CHECK_INT(f.asked[none], 2);
	CHECK_INT(f.asked[asked], 1);
	tables_put(f.tables, asked, image, make_image(image, 1, 1)); /* of the first question */
	CHECK_INT(f.asked[asked], 2);
	tables_put(f.tables, placed, image, make_image(image, 3, 7));
	tables_put(f.tables, none, image, make_image(image, 1, 20));
	tables_put(f.tables, asked, image, make_image(image, 2, 30));
	check_table(f.memory, placed, 3, 7);
	check_table(f.memory, none, 1, 20);
	check_table(f.memory, asked, 2, 30);
	tables_again(f.tables, SLOTS, 99); /* no slot */
	tear_down(&f);
}

static void test_refused_images(void)
{
	struct fixture f;
	struct tables_counts counts;
	size_t size = make_image(image, 2, 1);
	uint32_t slot;

	set_up(&f);
	slot = add(&f, OWNER);
	((struct unwind_header *)image)->nr_groups = 1000;
	tables_put(f.tables, slot, image, size);
	CHECK_INT(f.memory->slots[slot].table, UNWIND_TABLE_PENDING);
	slot = add(&f, OWNER);
	size = make_image(image, 2, 1);
	((struct unwind_header *)image)->machine = 183; /* arm64's rules */
	tables_put(f.tables, slot, image, size);
	CHECK_INT(f.memory->slots[slot].table, UNWIND_TABLE_PENDING);
	tables_counts(f.tables, &counts);
	CHECK_INT(counts.refused_images, 2);
	CHECK_INT(counts.failed, 2);
	tear_down(&f);
}

/* What images say that they lack adds up, whatever becomes of them; those that fail the check are not believed. */
static void test_lacks(void)
{
	struct fixture f;
	struct tables_counts counts;
	size_t size = make_image(image, 2, 1);
	struct unwind_header *header = (struct unwind_header *)image;

	set_up(&f);
	header->bad_fdes = 1;
	header->unsupported_rows = 20;
	header->lost_rows = 300;
	header->lost_groups = 4000;
	for (uint32_t i = 0; i < UNWIND_BOUND_NR; i++)
		header->code_bounds[i] = i + 1;
	tables_put(f.tables, add(&f, OWNER), image, size);
	tables_put(f.tables, add(&f, OWNER + 1), image, size);
	header->machine = 183;
	tables_put(f.tables, add(&f, OWNER + 2), image, size);
	tables_counts(f.tables, &counts);
	CHECK_INT(counts.broken_fdes, 2);
	CHECK_INT(counts.unsupported_rows, 40);
	CHECK_INT(counts.lost_rows, 600);
	CHECK_INT(counts.lost_groups, 8000);
	for (uint32_t i = 0; i < UNWIND_BOUND_NR; i++)
		CHECK_INT(counts.code_bounds[i], 2 * (i + 1));
	tear_down(&f);
}

/* Of many owners, so that shares do not matter; the least recently used goes, after a grace period and not before. */
static void test_eviction(void)
{
	struct fixture f;
	struct tables_counts counts;
	uint32_t slots[SLOTS], nr = 0, now_s = (uint32_t)(clock_boot_ns() / NSEC_PER_SEC), slot,
			       old;

	set_up(&f);
	do { /* 58 KB each, until there is no room */
		slot = add_table(&f, 100 + nr, 60, 64 * nr);
		slots[nr++] = slot;
		f.memory->slots[slot].used_s = now_s;
	} while (f.memory->slots[slot].table != UNWIND_TABLE_PENDING && nr < SLOTS - 1);
	CHECK(nr > 8 && nr < SLOTS - 2);
	tables_counts(f.tables, &counts);
	CHECK_INT(counts.refused_budget, 1); /* all are young */
	CHECK_INT(counts.evictions, 0);
	old = slots[3];
	f.memory->slots[old].used_s = 1;
	slot = add_table(&f, 99, 60, 77);
	CHECK_INT(f.memory->slots[old].table, UNWIND_TABLE_PENDING);
	CHECK_INT(f.memory->slots[slot].table,
		  UNWIND_TABLE_PENDING); /* a program may still read it */
	for (uint32_t i = 0; i < nr - 1; i++)
		if (slots[i] != old)
			check_table(f.memory, slots[i], 60, 64 * i);
	let_graces_end(f.memory);
	check_table(f.memory, slot, 60, 77);
	for (uint32_t i = 0; i < nr - 1; i++)
		if (slots[i] != old)
			check_table(f.memory, slots[i], 60, 64 * i);
	tear_down(&f);
}

static void test_owner_has_half(void)
{
	struct fixture f;
	struct tables_counts counts;
	uint32_t other, last = 0;
	uint64_t share = SLABS * UNWIND_SLAB_BYTES / 2, used = 0;

	set_up(&f);
	other = add_table(&f, 1, 60, 5);
	for (uint32_t i = 0; i < 12; i++) {
		last = add_table(&f, OWNER, 60, 64 * i);
		f.memory->slots[last].used_s = 1000 + i;
		let_graces_end(f.memory);
	}
	check_table(f.memory, other, 60, 5);
	check_table(f.memory, last, 60, 64 * 11);
	tables_counts(f.tables, &counts);
	used = counts.bytes;
	CHECK(used <= share + 70000);
	CHECK(counts.evictions > 0);
	tear_down(&f);
}

/* Equal images are placed once, whoever has them, and stay as long as somebody has. */
static void test_shared(void)
{
	struct fixture f;
	struct tables_counts one, counts;
	uint32_t a, b, c, other;

	set_up(&f);
	a = add_table(&f, 1, 20, 5);
	tables_counts(f.tables, &one);
	CHECK_INT(one.shared, 0);
	b = add_table(&f, 2, 20, 5);
	c = add_table(&f, 2, 20, 5);
	other = add_table(&f, 2, 20, 6); /* differs in its rules alone */
	CHECK_INT(f.memory->slots[a].table, f.memory->slots[b].table);
	CHECK_INT(f.memory->slots[a].table, f.memory->slots[c].table);
	CHECK(f.memory->slots[a].table != f.memory->slots[other].table);
	tables_counts(f.tables, &counts);
	CHECK_INT(counts.placed, 4);
	CHECK_INT(counts.shared, 2);
	CHECK(counts.bytes < 5 * one.bytes / 2 && counts.shared_bytes > one.bytes);
	/* The first goes: the others keep what it had. */
	tables_remove(f.tables, a);
	let_graces_end(f.memory);
	CHECK_INT(f.memory->slots[a].table, UNWIND_TABLE_PENDING);
	check_table(f.memory, b, 20, 5);
	check_table(f.memory, c, 20, 5);
	tables_remove(f.tables, b);
	tables_remove(f.tables, c);
	tables_remove(f.tables, other);
	let_graces_end(f.memory);
	tables_counts(f.tables, &counts);
	CHECK(counts.bytes < one.bytes / 2);
	a = add_table(&f, 1, 20, 5); /* what was retired is not found again */
	check_table(f.memory, a, 20, 5);
	tear_down(&f);
}

/* The same file, rebuilt with another result, has its own again. */
static void test_shared_no_more(void)
{
	struct fixture f;
	uint32_t a, b;

	set_up(&f);
	a = add_table(&f, 1, 20, 5);
	b = add_table(&f, 2, 20, 5);
	tables_again(f.tables, b, 3);
	CHECK_INT(f.memory->slots[b].table, UNWIND_TABLE_PENDING);
	tables_put(f.tables, b, image, make_image(image, 20, 9));
	check_table(f.memory, a, 20, 5);
	check_table(f.memory, b, 20, 9);
	tear_down(&f);
}

/* A shared table goes when it is old for everybody, and then for everybody. */
static void test_shared_eviction(void)
{
	struct fixture f;
	uint32_t now_s = (uint32_t)(clock_boot_ns() / NSEC_PER_SEC), a, b, c, slot, nr = 0;

	set_up(&f);
	a = add_table(&f, 1, 60, 5);
	b = add_table(&f, 2, 60, 5);
	c = add_table(&f, 3, 60, 6);
	f.memory->slots[a].used_s = 1;
	f.memory->slots[b].used_s = now_s; /* in use through this one */
	f.memory->slots[c].used_s = 2;
	do {
		slot = add_table(&f, 100 + nr, 60, 64 * (2 + nr));
		f.memory->slots[slot].used_s = now_s;
	} while (f.memory->slots[c].table != UNWIND_TABLE_PENDING && ++nr < SLOTS - 6);
	CHECK_INT(f.memory->slots[c].table, UNWIND_TABLE_PENDING);
	check_table(f.memory, a, 60, 5);
	let_graces_end(f.memory);
	f.memory->slots[b].used_s = 3;
	slot = add_table(&f, 99, 60, 77);
	CHECK_INT(f.memory->slots[a].table, UNWIND_TABLE_PENDING);
	CHECK_INT(f.memory->slots[b].table, UNWIND_TABLE_PENDING);
	let_graces_end(f.memory);
	check_table(f.memory, slot, 60, 77);
	tear_down(&f);
}

/* A share is full also of tables that others have: whose they are may change at any time. */
static void test_shared_counts_for_each_owner(void)
{
	struct fixture f;
	struct tables_counts counts;
	uint32_t others[3], mine = 0;

	set_up(&f);
	for (uint32_t i = 0; i < 3; i++)
		others[i] = add_table(&f, 1 + i, 60, 64 * i);
	for (uint32_t i = 0; i < 12; i++) { /* the same three, and more */
		mine = add_table(&f, OWNER, 60, 64 * i);
		f.memory->slots[mine].used_s = 1000 + i;
		let_graces_end(f.memory);
	}
	tables_counts(f.tables, &counts);
	CHECK(counts.evictions > 0);
	CHECK(counts.bytes <= SLABS * UNWIND_SLAB_BYTES / 2 + 3 * 70000);
	for (uint32_t i = 0; i < 3; i++) /* what it lost, others have still */
		check_table(f.memory, others[i], 60, 64 * i);
	check_table(f.memory, mine, 60, 64 * 11);
	for (uint32_t i = 0; i < 5; i++) /* once each, however often */
		CHECK(f.memory->slots[add_table(&f, OWNER, 60, 64 * 11)].table ==
		      f.memory->slots[mine].table);
	tear_down(&f);
}

static void test_slots_come_back(void)
{
	struct fixture f;
	uint32_t slots[SLOTS], nr = 0, slot;

	set_up(&f);
	while ((slot = add(&f, OWNER)) != UNWIND_SLOT_NONE)
		slots[nr++] = slot;
	CHECK_INT(nr, SLOTS - UNWIND_SLOT_FIRST);
	tables_put(f.tables, slots[5], image, make_image(image, 2, 9));
	let_slabs_come(f.memory);
	check_table(f.memory, slots[5], 2, 9);
	tables_remove(f.tables, slots[5]);
	CHECK_INT(f.memory->slots[slots[5]].table, UNWIND_TABLE_PENDING);
	CHECK_INT(add(&f, OWNER), UNWIND_SLOT_NONE); /* a program may have read the word */
	tables_put(f.tables, slots[5], image, make_image(image, 2, 9)); /* for nobody */
	CHECK_INT(f.memory->slots[slots[5]].table, UNWIND_TABLE_PENDING);
	let_graces_end(f.memory);
	CHECK_INT(add(&f, OWNER), slots[5]);
	tear_down(&f);
}

static void test_no_memory(void)
{
	struct fixture f;
	struct tables_counts counts;
	uint32_t slot;

	set_up(&f);
	f.memory->fail = -ENOMEM;
	slot = add_table(&f, OWNER, 4, 3);
	CHECK_INT(f.memory->slots[slot].table, UNWIND_TABLE_PENDING);
	tables_counts(f.tables, &counts);
	CHECK_INT(counts.slab_errors, 1);
	CHECK_INT(counts.refused_budget, 1);
	CHECK_INT(tables_pending(f.tables), 0);
	tear_down(&f);
}

int main(void)
{
	struct utsname uts;

	if (uname(&uts) || strcmp(uts.machine, "x86_64"))
		SKIP("the images here have rules of x86-64");
	RUN(test_place);
	RUN(test_none);
	RUN(test_again);
	RUN(test_refused_images);
	RUN(test_lacks);
	RUN(test_eviction);
	RUN(test_owner_has_half);
	RUN(test_shared);
	RUN(test_shared_no_more);
	RUN(test_shared_eviction);
	RUN(test_shared_counts_for_each_owner);
	RUN(test_slots_come_back);
	RUN(test_no_memory);
	return 0;
}
