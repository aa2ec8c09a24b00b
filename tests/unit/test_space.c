/* What a CPU remembers of address spaces, natively: what makes it forget, and what is not looked up again. */
#include "tests/bpf_native.h"
#include "tests/test.h"

#define STACK 0x7f0000100000ULL
#define STACK_BYTES 0x10000ULL
#define STACKS (SPACE_STACKS + 1)

static struct scratch s;

static bool read_nothing(void *dst, size_t size, u64 addr)
{
	return false;
}

static u64 stack_start(u32 i)
{
	return STACK + 2 * i * STACK_BYTES;
}

static void set_up(void)
{
	memset(&s, 0, sizeof(s));
	native.read = read_nothing;
	native.nr_maps = STACKS;
	for (u32 i = 0; i < STACKS; i++)
		native.maps[i] = (struct native_map) { .start = stack_start(i),
						       .end = stack_start(i) + STACK_BYTES };
	s.space_state = (struct space_state) { .id = 7, .sequence = 40, .generation = 3 };
	s.head.record.time_boot_ns = 5000000000ULL;
}

/* A sample whose stack is the i-th: how often the list of mappings was asked. */
static u64 sample(u32 i)
{
	u64 before = native.looked_up;

	s.walk.pc = 0;
	s.walk.sp = stack_start(i) + 64;
	native_walk(&s);
	CHECK_INT(s.walk.stack_start, stack_start(i));
	CHECK_INT(s.walk.stack_end, stack_start(i) + STACK_BYTES);
	return native.looked_up - before;
}

static void test_same_state_is_recalled(void)
{
	set_up();
	CHECK_INT(sample(0), 1);
	CHECK_INT(sample(0), 0);
	s.head.record.time_boot_ns += SPACE_AGE_NS - 1;
	CHECK_INT(sample(0), 0);
}

static void test_changes_are_noticed(void)
{
	set_up();
	CHECK_INT(sample(0), 1);
	s.space_state.generation++;
	CHECK_INT(sample(0), 1);
	CHECK_INT(sample(0), 0);
	s.space_state.id = 8;
	CHECK_INT(sample(0), 1);
	CHECK_INT(sample(0), 0);
	s.head.record.time_boot_ns += SPACE_AGE_NS;
	CHECK_INT(sample(0), 1);
	CHECK_INT(sample(0), 0);
	/* What is not there any more is not found. */
	s.space_state.sequence++;
	native.maps[0].sequence = s.space_state.sequence;
	native.nr_maps = 0;
	s.walk.sp = stack_start(0) + 64;
	native_walk(&s);
	CHECK_INT(s.walk.stack_end, 0);
}

/* Without an id nothing tells one state from another, not even from itself. */
static void test_unknown_state_is_never_recalled(void)
{
	set_up();
	s.space_state.id = 0;
	for (int i = 0; i < 3; i++) {
		CHECK_INT(space_take(&s), false);
		CHECK_INT(sample(0), 1);
	}
}

/* A mapping whose word speaks of the record that describes it is good for that record. */
static void test_words_of_one_record(void)
{
	set_up();
	CHECK_INT(space_take(&s), false);
	CHECK_INT(space_take(&s), true);
	space_of(&s)->is_of_record = true;
	CHECK_INT(space_take(&s), false);
	CHECK_INT(space_take(&s), true);
}

static void test_more_stacks_than_are_remembered(void)
{
	set_up();
	for (u32 i = 0; i < STACKS; i++)
		CHECK_INT(sample(i), 1);
	for (u32 i = 1; i < STACKS; i++)
		CHECK_INT(sample(i), 0);
	CHECK_INT(sample(0), 1);
}

static void test_address_spaces_side_by_side(void)
{
	u32 recalled = 0;

	set_up();
	for (int round = 0; round < 2; round++) {
		for (u64 id = 1; id <= 4 << SPACE_BITS; id++) {
			s.space_state.id = id;
			recalled += (u32)space_take(&s);
			CHECK_INT(space_of(&s)->state.id, id);
		}
	}
	CHECK(recalled < 1 << SPACE_BITS); /* the newcomer takes the place */
	for (int round = 0; round < 2; round++) {
		for (u64 id = 1; id <= 2; id++) {
			s.space_state.id = id;
			CHECK_INT(space_take(&s), round);
		}
	}
}

static void add_mapping(u64 start)
{
	struct memo *memo = space_new_mapping(&s);

	memo->start = start;
	memo->len = 0x1000;
	memo->seen.sequence = s.space_state.sequence;
}

/* The number of the remembered mapping that holds addr; MEMO_SIZE: none does. */
static u32 mapping_of(u64 addr)
{
	return space_mapping(&s, addr) ? s.memo_hit : MEMO_SIZE;
}

static void test_mappings(void)
{
	set_up();
	space_take(&s);
	CHECK_INT(mapping_of(0), MEMO_SIZE);
	for (u32 i = 0; i < MEMO_SIZE; i++)
		add_mapping((i + 1) * 0x10000);
	CHECK_INT(space_take(&s), true);
	for (u32 i = 0; i < MEMO_SIZE; i++) {
		CHECK_INT(mapping_of((i + 1) * 0x10000), i);
		CHECK_INT(mapping_of((i + 1) * 0x10000 + 0xfff), i);
		CHECK_INT(mapping_of((i + 1) * 0x10000 + 0x1000), MEMO_SIZE);
	}
	/* The newcomer takes the oldest one's place, and not what was read of its table. */
	s.tables_read = 3;
	add_mapping(0x900000);
	CHECK_INT(s.memo_hit, 0);
	CHECK_INT(s.tables_read, 2);
	CHECK_INT(mapping_of(0x10000), MEMO_SIZE);
	CHECK_INT(mapping_of(0x900000), 0);
	/* Each sample reads the tables anew. */
	CHECK_INT(space_take(&s), true);
	CHECK_INT(s.tables_read, 0);
	/* After a change one that nothing was seen by is no more; this sample has used another one already, which is. */
	s.space_state.sequence++;
	CHECK_INT(space_take(&s), true);
	s.tables_read = 2;
	CHECK_INT(mapping_of(0x20000), 1);
	CHECK_INT(mapping_of(0x900000), MEMO_SIZE);
	s.space_state.generation++;
	CHECK_INT(space_take(&s), false);
	CHECK_INT(mapping_of(0x30000), MEMO_SIZE);
}

/* The address space has been changed, and the VMA of the i-th stack has not, or has: see what is asked of it. */
static void test_a_change_elsewhere(void)
{
	set_up();
	for (u32 i = 0; i < STACKS; i++)
		native.maps[i].sequence = 39;
	CHECK_INT(sample(0), 1);
	native.asked = 0;
	s.space_state.sequence += 2;
	CHECK_INT(sample(0), 0);
	CHECK_INT(native.asked, 1);
	CHECK_INT(sample(0), 0);
	CHECK_INT(native.asked, 1); /* in the same state it is not asked again */
	s.space_state.sequence += 2;
	native.maps[0].sequence = s.space_state.sequence - 1;
	CHECK_INT(sample(0), 1);
	CHECK_INT(sample(0), 0);
	/* Another one in the same place. */
	s.space_state.sequence += 2;
	native.maps[0] = (struct native_map) { .start = stack_start(0),
					       .end = stack_start(0) + 2 * STACK_BYTES,
					       .sequence = native.maps[0].sequence };
	s.walk.pc = 0;
	s.walk.sp = stack_start(0) + 64;
	native_walk(&s);
	CHECK_INT(s.walk.stack_end, stack_start(0) + 2 * STACK_BYTES);
}

/* A VMA that is locked while it is read may be changed after that under the same lock. */
static void test_a_change_on_its_way(void)
{
	for (u32 ahead = 0; ahead < 2; ahead++) {
		set_up();
		native.maps[0].sequence = s.space_state.sequence + ahead;
		CHECK_INT(sample(0), 1);
		native.asked = 0;
		s.space_state.sequence += 2;
		CHECK_INT(sample(0), 1);
		CHECK_INT(sample(0), 0);
		s.space_state.sequence += 2;
		CHECK_INT(sample(0), 0); /* seen again after the change, it stands */
	}
}

int main(void)
{
	RUN(test_same_state_is_recalled);
	RUN(test_changes_are_noticed);
	RUN(test_unknown_state_is_never_recalled);
	RUN(test_words_of_one_record);
	RUN(test_more_stacks_than_are_remembered);
	RUN(test_address_spaces_side_by_side);
	RUN(test_mappings);
	RUN(test_a_change_elsewhere);
	RUN(test_a_change_on_its_way);
	return 0;
}
