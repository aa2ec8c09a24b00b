/* Go's tables in each layout: the seeds of tests/fuzz/make_gotables.py, whose every frame is known. */
#include "symbolizer/symbolizer.h"
#include "tests/test.h"

#include <fcntl.h>
#include <stdio.h>

static struct symbolizer_file *open_seed(unsigned int layout, int *ret_fd)
{
	const char *source = getenv("FLEETPROF_SOURCE");
	struct symbolizer_file *file;
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/fuzz_elf/go%u", source ? source : ".",
		 layout);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(*ret_fd >= 0);
	CHECK(!symbolizer_file_new(&file, *ret_fd, NULL));
	return file;
}

static void check_frame(const struct symbolizer_frame *f, const char *name, const char *source,
			uint32_t line, bool inlined)
{
	CHECK_STR(f->name, name);
	CHECK_STR(f->system_name, name);
	CHECK_STR(f->file, source);
	CHECK(f->line == line);
	CHECK(f->inlined == inlined);
}

static void check_layout(unsigned int layout)
{
	/* The first byte of an inlined call, one behind it, the function's last byte, and none of it. */
	static const uint64_t addresses[] = { 0x401000, 0x401014, 0x40101f, 0x401020, 0x400fff };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(closep) int fd = -1;

	file = open_seed(layout, &fd);
	CHECK(!symbolizer_file_frames(file, SYMBOLIZER_VADDR, addresses, ARRAY_SIZE(addresses),
				      &r));
	CHECK(r.answers[0].source == SYMBOLIZER_GOPCLNTAB && r.answers[0].nr_frames == 2);
	check_frame(&r.frames[0], "main.inner", "a.go", 9, true);
	check_frame(&r.frames[1], "main.outer", "b.go", 12, false);
	CHECK(r.frames[0].start_line == (layout == 120 ? 3 : 0));
	CHECK(r.frames[1].start_line == (layout == 120 ? 1 : 0));
	for (size_t i = 1; i < 3; i++) {
		CHECK(r.answers[i].nr_frames == 1);
		check_frame(&r.frames[r.answers[i].first_frame], "main.outer", "b.go", 12, false);
	}
	CHECK(r.answers[3].source == SYMBOLIZER_NONE && !r.answers[3].nr_frames);
	CHECK(r.answers[4].source == SYMBOLIZER_NONE && !r.answers[4].nr_frames);
}

static void test_layouts(void)
{
	check_layout(116);
	check_layout(118);
	check_layout(120);
}

int main(void)
{
	RUN(test_layouts);
	return 0;
}
