/* A whole ELF file with debug information, hostile: every address of a small program. */
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY (4u << 20)
#define NR 256

static void check_result(const struct symbolizer_result *r)
{
	size_t length = 0;

	assert(r->nr_answers == NR);
	for (size_t i = 0; i < NR; i++) {
		const struct symbolizer_answer *a = &r->answers[i];

		assert((uint64_t)a->first_frame + a->nr_frames <= r->nr_frames);
		assert((a->source == SYMBOLIZER_NONE) == !a->nr_frames);
		for (size_t j = 0; j < a->nr_frames; j++) {
			const struct symbolizer_frame *frame = &r->frames[a->first_frame + j];

			assert(*frame->name);
			length += strlen(frame->name) + strlen(frame->system_name) +
				  strlen(frame->file);
		}
	}
	assert(length < SIZE_MAX);
}

static void check_stats(struct symbolizer_file *file)
{
	struct symbolizer_stats stats;
	struct symbolizer_want want;
	size_t it = 0;

	symbolizer_file_stats(file, &stats);
	assert(stats.memory_peak <= MEMORY);
	while (symbolizer_file_next_want(file, &it, &want))
		assert(strlen(want.path) + strlen(want.directory) < SIZE_MAX);
}

/* The program's text lies from 0x1000 on; twice, so that what was kept is used as well. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(closep) int fd = -1;
	uint64_t addresses[NR] = { 0, 1, size, UINT32_MAX, UINT64_MAX, 1ULL << 63 };

	assert(!sys_memfd("elf", &fd) && !sys_write_all(fd, data, size));
	if (symbolizer_file_new(&file, fd, NULL))
		return 0;
	symbolizer_file_set_memory(file, MEMORY);
	for (size_t i = 6; i < NR; i++)
		addresses[i] = 0x1000 + 4 * i;
	for (int round = 0; round < 2; round++) {
		_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r =
			SYMBOLIZER_RESULT_NULL;

		if (!symbolizer_file_frames(file, SYMBOLIZER_VADDR, addresses, NR, &r))
			check_result(&r);
	}
	symbolizer_file_set_supplement(file, SYMBOLIZER_SUPPLEMENT_SPLIT, fd, NULL);
	check_stats(file);
	return 0;
}
