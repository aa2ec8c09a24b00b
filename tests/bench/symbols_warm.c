/*
 * What a question costs when the file was read: addresses that were answered before, one at a time, in random order,
 * and all sorted at once; and addresses that nobody has asked for, of units that were read.
 *
 * The addresses come on standard input. Every second of them is the first kind; the others follow when these are done.
 */
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"

#include <fcntl.h>
#include <inttypes.h>

#define ADDRESSES_MAX 65536
#define ROUNDS 200

struct addresses {
	uint64_t at[ADDRESSES_MAX];
	size_t nr;
};
static struct addresses asked, shuffled, fresh;

static void read_addresses(void)
{
	char line[64];

	for (size_t i = 0; asked.nr < ADDRESSES_MAX && fgets(line, sizeof(line), stdin); i++) {
		struct addresses *a = i % 2 ? &fresh : &asked;

		a->at[a->nr++] = strtoull(line, NULL, 16);
	}
}

/* Knuth's MMIX generator: the same order in each run. */
static void shuffle(void)
{
	uint64_t state = 1;

	shuffled = asked;
	for (size_t i = shuffled.nr; i > 1; i--) {
		uint64_t swap = shuffled.at[i - 1];
		size_t j;

		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		j = (state >> 33) % i;
		shuffled.at[i - 1] = shuffled.at[j];
		shuffled.at[j] = swap;
	}
}

static uint64_t ask(struct symbolizer_file *file, const uint64_t *at, size_t nr)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;

	if (symbolizer_file_frames(file, SYMBOLIZER_VADDR, at, nr, &r))
		exit(1);
	return r.nr_frames;
}

static double each(struct symbolizer_file *file, const struct addresses *a, int rounds)
{
	uint64_t start = clock_cpu_ns();

	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < a->nr; i++)
			ask(file, &a->at[i], 1);
	}
	return (double)(clock_cpu_ns() - start) / (double)((size_t)rounds * a->nr);
}

static double all(struct symbolizer_file *file, const struct addresses *a, int rounds)
{
	uint64_t start = clock_cpu_ns();

	for (int round = 0; round < rounds; round++)
		ask(file, a->at, a->nr);
	return (double)(clock_cpu_ns() - start) / (double)((size_t)rounds * a->nr);
}

int main(int argc, char **argv)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(closep) int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	uint64_t frames;

	read_addresses();
	shuffle();
	if (fd < 0 || !fresh.nr || symbolizer_file_new(&file, fd, NULL))
		return 1;
	symbolizer_file_set_memory(file, 512u << 20); /* all of it stays */
	frames = ask(file, asked.at, asked.nr);
	printf("%zu addresses of %.1f frames, one at a time: %.0f\n", asked.nr,
	       (double)frames / (double)asked.nr, each(file, &shuffled, ROUNDS));
	printf("the same, sorted, all at once: %.0f\n", all(file, &asked, ROUNDS));
	printf("others between them, one at a time, for the first time: %.0f\n",
	       each(file, &fresh, 1));
	return 0;
}
