/* The text of /proc/kallsyms: names of modules and BPF programs are theirs to choose. The same bytes as a kernel's notes. */
#include "agent/base/sys.h"
#include "symbolizer/kernel_paths.h"
#include "symbolizer/symbolizer.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t addresses[] = {
		0,         1, 0xffffffff81000000ULL, 0xffffffff81000123ULL, 0xffffffffc0000000ULL,
		UINT64_MAX
	};
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	uint8_t id[SYMBOLIZER_BUILD_ID_MAX];
	_cleanup_(closep) int fd = -1;

	assert(!sys_memfd("kallsyms", &fd) && !sys_write_all(fd, data, size) &&
	       !lseek(fd, 0, SEEK_SET));
	assert(!symbolizer_kernel_frames(fd, NULL, addresses, ARRAY_SIZE(addresses), &r));
	assert(r.nr_answers == ARRAY_SIZE(addresses));
	for (size_t i = 0; i < r.nr_answers; i++) {
		assert((uint64_t)r.answers[i].first_frame + r.answers[i].nr_frames <= r.nr_frames);
		for (size_t j = 0; j < r.answers[i].nr_frames; j++)
			assert(*r.frames[r.answers[i].first_frame + j].name);
	}
	assert(kernel_build_id(data, size, id) <= sizeof(id));
	return 0;
}
