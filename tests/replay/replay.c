/*
 * replay ELF STEPS: the kernel side's stack walk, compiled natively, at every instruction of a recorded run (record.py).
 *
 * Each walk must give the frames that the recorder's shadow stack has, to the root, by the table that the symbolizer
 * builds of the program. Compiled once per architecture: bpf/unwind_x86.h and bpf/unwind_arm64.h alike run here.
 */
#include "tests/bpf_native.h"
#include "agent/base/cleanup.h"
#include "agent/base/sys.h"
#include "symbolizer/elf_file.h"
#include "symbolizer/reader.h"
#include "symbolizer/symbolizer.h"
#include "tests/test.h"

#include <fcntl.h>

#define FILE_ID 1
#define CALLERS_MAX 256
#define STACK_BYTES (64u << 10)
#define MAPPED_BYTES (STACK_BYTES + 16) /* the rest is where arguments and environment are */
#define STEPS_MAX (16u << 20)

#if defined(__TARGET_ARCH_x86)
enum { REG_FP = 6, REG_SP = 7, REG_PC = 16, NR_REGS = 17 };
#else
enum { REG_FP = 29, REG_SP = 31, REG_PC = 32, NR_REGS = 33 };
#endif

static uint64_t regs[NR_REGS], callers[CALLERS_MAX];
static size_t nr_callers;
static uint64_t stack_top;
static uint64_t stack[STACK_BYTES / 8]; /* grows downwards from its end */
static struct buf program;

/* The stack, as memory has it: to the end of its mapping. And the code, which is asked for signal trampolines. */
static bool read_user(void *dst, size_t size, u64 addr)
{
	uint64_t in_stack = addr - (stack_top - STACK_BYTES);

	for (size_t i = 0; i < native.nr_maps; i++) {
		const struct native_map *map = &native.maps[i];
		uint64_t offset = FRAME_FILE_OFFSET(map->word) + (addr - map->start);

		if (map->executable && addr >= map->start && addr + size <= map->end &&
		    offset + size <= program.len) {
			memcpy(dst, program.data + offset, size);
			return true;
		}
	}
	if (in_stack >= MAPPED_BYTES || size > MAPPED_BYTES - in_stack)
		return false;
	memset(dst, 0, size);
	if (in_stack < STACK_BYTES)
		memcpy(dst, (const char *)stack + in_stack, MIN(size, STACK_BYTES - in_stack));
	return true;
}

static void map_program(const char *path)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(buf_deinitp) struct buf image = BUF_NULL;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct segment segments[SEGMENTS_MAX];
	Elf *elf;
	u64 table;

	CHECK(fd >= 0);
	buf_init(&program, STEPS_MAX);
	CHECK_INT(sys_read_file(AT_FDCWD, path, &program), 0);
	CHECK_INT(symbolizer_file_new(&file, fd, NULL), 0);
	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	CHECK_INT(symbolizer_file_unwind(file, &image), 0);
	CHECK(unwind_image_check(image.data, image.len));
	table = native_place(image.data);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	for (size_t i = 0, nr = elf_read_segments(elf, segments, SEGMENTS_MAX); i < nr; i++)
		native.maps[native.nr_maps++] =
			(struct native_map) { .start = segments[i].vaddr,
					      .end = segments[i].vaddr + segments[i].file_size,
					      .word = FRAME_MAKE_FILE(FILE_ID, segments[i].offset),
					      .table = table,
					      .executable = segments[i].executable };
	elf_end(elf);
	native.read = read_user;
}

/* What changed since the step before. */
static void read_step(struct reader *r)
{
	uint32_t nr_regs = reader_u8(r), nr_new = reader_u8(r), nr_gone = reader_u8(r), nr_words;

	reader_skip(r, 1);
	nr_words = reader_u16(r);
	reader_skip(r, 2);
	CHECK(nr_gone <= nr_callers && nr_callers + nr_new < CALLERS_MAX);
	nr_callers -= nr_gone;
	while (nr_new--)
		callers[nr_callers++] = reader_u64(r);
	while (nr_regs--) {
		uint8_t number = reader_u8(r);

		CHECK(number < NR_REGS);
		regs[number] = reader_u64(r);
	}
	if (!stack_top)
		stack_top = regs[REG_SP];
	while (nr_words--) {
		uint16_t below = reader_u16(r);

		CHECK(below && below <= ARRAY_SIZE(stack));
		stack[ARRAY_SIZE(stack) - below] = reader_u64(r);
	}
	CHECK(!r->failed);
}

static uint64_t word_of(uint64_t address)
{
	const struct native_map *map = native_find(address);

	CHECK(map);
	return map->word + (address - map->start);
}

static bool check_walk(size_t step)
{
	static struct scratch s;
	size_t same = 0;

	memcpy(s.walk.regs, regs, MIN(sizeof(s.walk.regs), sizeof(regs)));
	s.walk.pc = regs[REG_PC];
	s.walk.sp = regs[REG_SP];
	s.walk.fp = regs[REG_FP];
	native_walk(&s);
	while (same < s.nr_words && same <= nr_callers &&
	       s.words[same] == word_of(same ? callers[nr_callers - same] : regs[REG_PC]))
		same++;
	if (same == nr_callers + 1 && s.nr_words == same && s.head.end_reason == END_ROOT)
		return true;
	printf("step %zu, pc 0x%" PRIx64 ": %u words of %zu, end %u; the first %zu are right\n",
	       step, regs[REG_PC], s.nr_words, nr_callers + 1, s.head.end_reason, same);
	return false;
}

int main(int argc, char **argv)
{
	_cleanup_(buf_deinitp) struct buf steps = BUF_NULL;
	size_t nr = 0, wrong = 0, deepest = 0;
	struct reader r;

	CHECK_INT(argc, 3);
	map_program(argv[1]);
	/* The stack's mapping goes on above the first frame: arguments, environment. */
	native.maps[native.nr_maps++] = (struct native_map) { .start = 0, .end = 0 };
	buf_init(&steps, STEPS_MAX);
	CHECK_INT(sys_read_file(AT_FDCWD, argv[2], &steps), 0);
	r = reader_of(steps.data, steps.len);
	CHECK(!memcmp(reader_bytes(&r, 8), "FPSTEPS1", 8));
	for (; reader_left(&r); nr++) {
		struct native_map *map = &native.maps[native.nr_maps - 1];

		read_step(&r);
		map->start = stack_top - STACK_BYTES;
		map->end = map->start + MAPPED_BYTES;
		wrong += !check_walk(nr);
		deepest = MAX(deepest, nr_callers + 1);
	}
	printf("%zu instructions, up to %zu frames, %zu wrong\n", nr, deepest, wrong);
	buf_deinit(&program);
	return wrong || nr < 100;
}
