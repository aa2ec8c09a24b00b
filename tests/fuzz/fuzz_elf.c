/* An ELF file, hostile: its identity and the names in its symbol tables. */
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_result(const struct symbolizer_result *r, size_t nr)
{
	assert(r->nr_answers == nr);
	for (size_t i = 0; i < nr; i++) {
		const struct symbolizer_answer *a = &r->answers[i];

		assert((uint64_t)a->first_frame + a->nr_frames <= r->nr_frames);
		assert((a->source == SYMBOLIZER_NONE) == !a->nr_frames);
		for (size_t j = 0; j < a->nr_frames; j++)
			assert(*r->frames[a->first_frame + j].name &&
			       r->frames[a->first_frame + j].file);
	}
}

static void ask(struct symbolizer_file *file, enum symbolizer_space space, size_t size)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	uint64_t addresses[70] = { 0, 1, size, UINT32_MAX, UINT64_MAX, 1ULL << 63 };

	for (size_t i = 6; i < ARRAY_SIZE(addresses); i++)
		addresses[i] = (i - 6) * (size / 64 + 1);
	if (!symbolizer_file_frames(file, space, addresses, ARRAY_SIZE(addresses), &r))
		check_result(&r, ARRAY_SIZE(addresses));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(closep) int fd = -1;
	struct symbolizer_identity identity;
	struct err err = ERR_NULL;

	assert(!sys_memfd("elf", &fd) && !sys_write_all(fd, data, size));
	if (symbolizer_file_new(&file, fd, &err))
		return 0;
	symbolizer_file_identity(file, &identity);
	assert(identity.build_id_len <= SYMBOLIZER_BUILD_ID_MAX);
	/* The debug information's readers have fuzzers of their own. */
	if (identity.has_dwarf)
		return 0;
	ask(file, SYMBOLIZER_FILE_OFFSET, size);
	ask(file, SYMBOLIZER_VADDR, size);
	return 0;
}
