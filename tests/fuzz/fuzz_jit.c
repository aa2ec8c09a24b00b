/* A perf map or jitdump, hostile: the names of generated code. */
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[] = { 0,         1,      0xfff,  0x1000, 0x1008,
					      0x2000,    0x2fff, 0x3000, 0x7fff, 0x7fffffffffff,
					      UINT64_MAX };
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	_cleanup_(closep) int fd = -1;

	assert(!sys_memfd("jit", &fd) && !sys_write_all(fd, data, size));
	if (symbolizer_jit_frames(fd, -1, SYMBOLIZER_DEMANGLE_FULL, addresses,
				  ARRAY_SIZE(addresses), &r))
		return 0;
	assert(r.nr_answers == ARRAY_SIZE(addresses));
	for (size_t i = 0; i < r.nr_answers; i++) {
		assert(r.answers[i].nr_frames <= 1);
		assert((r.answers[i].source == SYMBOLIZER_NONE) == !r.answers[i].nr_frames);
	}
	for (size_t i = 0; i < r.nr_frames; i++)
		assert(r.frames[i].name && *r.frames[i].name && r.frames[i].file);
	return 0;
}
