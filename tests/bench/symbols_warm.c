/* What a question costs when the units that it is about were read: one address at a time, and all sorted at once. */
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"

#include <fcntl.h>
#include <inttypes.h>

#define ADDRESSES_MAX 65536
#define ROUNDS 200

static uint64_t addresses[ADDRESSES_MAX];

static size_t read_addresses(void)
{
	char line[64];
	size_t nr = 0;

	while (nr < ADDRESSES_MAX && fgets(line, sizeof(line), stdin))
		addresses[nr++] = strtoull(line, NULL, 16);
	return nr;
}

static uint64_t ask(struct symbolizer_file *file, const uint64_t *at, size_t nr)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;

	if (symbolizer_file_frames(file, SYMBOLIZER_VADDR, at, nr, &r))
		exit(1);
	return r.nr_frames;
}

int main(int argc, char **argv)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(closep) int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	size_t nr = read_addresses();
	uint64_t start, frames = 0;

	if (fd < 0 || !nr || symbolizer_file_new(&file, fd, NULL))
		return 1;
	symbolizer_file_set_memory(file, 512u << 20); /* all of it stays */
	ask(file, addresses, nr);
	start = clock_cpu_ns();
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < nr; i++)
			frames += ask(file, &addresses[i], 1);
	}
	printf("ns an address, one at a time: %.0f\n",
	       (double)(clock_cpu_ns() - start) / (double)(ROUNDS * nr));
	start = clock_cpu_ns();
	for (int round = 0; round < ROUNDS; round++)
		frames += ask(file, addresses, nr);
	printf("ns an address, sorted batch: %.0f\n",
	       (double)(clock_cpu_ns() - start) / (double)(ROUNDS * nr));
	printf("frames an address: %.1f\n", (double)frames / (double)(2 * ROUNDS * nr));
	return 0;
}
