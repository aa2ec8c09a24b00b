/*
 * Mutated files with debug information: every one is read by a child with little memory and time, and whatever it says
 * of them, it ends well.
 *
 * test_dwarf [-n COUNT] [-s SEED] [-d FOLDER] [FILE…]: without FILEs the seeds of fuzz_dwarf are mutated; with -d the
 * mutants are kept, for other programs to read. tests/bench/bench_hostile.py has the long run.
 */
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"
#include "tests/test.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define MEMORY (8u << 20)
#define RSS_MAX_KB (48u << 10) /* the memory, the mapped pages, and this program */
#define CPU_S 10
#define NR_ADDRESSES 128
#define SEEDS_MAX 256

#ifdef FLEETPROF_SANITIZED
#define SANITIZED true /* its shadow counts as ours */
#else
#define SANITIZED false
#endif

struct seed {
	char *path;
	struct buf data;
};

static struct seed seeds[SEEDS_MAX];
static size_t nr_seeds;
static uint64_t state;

static uint64_t rnd(void) /* xorshift64* */
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

static size_t below(size_t n)
{
	return n ? rnd() % n : 0;
}

/* From 1 to most bytes, but no more than there are. */
static size_t some(size_t most, size_t room)
{
	size_t n = 1 + below(most);

	return MIN(n, room);
}

static const uint64_t interesting[] = {
	0,          1,          0x7f,       0x80,       0xff,
	0x7fff,     0xffff,     0x7fffffff, 0x80000000, 0xfffffff0,
	0xffffffff, 1ULL << 40, INT64_MAX,  1ULL << 63, UINT64_MAX
};

static uint64_t interesting_number(void)
{
	return interesting[below(ARRAY_SIZE(interesting))];
}

/* A mutant, with where its section headers are. */
struct mutant {
	uint8_t *data;
	size_t size;
	Elf64_Shdr *headers; /* NULL: not where they can be changed */
	size_t nr;
};

static void find_headers(struct mutant *m)
{
	const Elf64_Ehdr *ehdr = (const void *)m->data;

	m->headers = NULL;
	m->nr = 0;
	if (m->size < sizeof(*ehdr) || ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_shoff % 8 ||
	    ehdr->e_shoff > m->size ||
	    (m->size - ehdr->e_shoff) / sizeof(Elf64_Shdr) < ehdr->e_shnum)
		return;
	m->headers = (void *)(m->data + ehdr->e_shoff);
	m->nr = ehdr->e_shnum;
}

/* The bytes of a section that is not loaded: one with debug information, most probably. */
static uint8_t *any_section(struct mutant *m, size_t *ret_size)
{
	for (int i = 0; m->nr && i < 16; i++) {
		const Elf64_Shdr *s = &m->headers[below(m->nr)];

		if (s->sh_type == SHT_NOBITS || s->sh_addr || !s->sh_size ||
		    s->sh_offset > m->size || s->sh_size > m->size - s->sh_offset)
			continue;
		*ret_size = s->sh_size;
		return m->data + s->sh_offset;
	}
	*ret_size = m->size;
	return m->data;
}

static void put(uint8_t *at, size_t room, uint64_t value, size_t size)
{
	memcpy(at, &value, MIN(size, room));
}

static void op_bit(struct mutant *m)
{
	size_t size;
	uint8_t *s = any_section(m, &size);

	s[below(size)] ^= (uint8_t)(1u << below(8));
}

static void op_byte(struct mutant *m)
{
	m->data[below(m->size)] = (uint8_t)rnd();
}

static void op_run(struct mutant *m)
{
	size_t size;
	uint8_t *s = any_section(m, &size);
	size_t at = below(size);

	memset(s + at, below(2) ? 0xff : 0, some(64, size - at));
}

static void op_truncate(struct mutant *m)
{
	m->size = below(m->size) + 1;
}

static void op_splice(struct mutant *m)
{
	size_t size, len;
	uint8_t *s = any_section(m, &size);

	len = below(MIN(size, (size_t)256));
	memmove(s + below(size - len), s + below(size - len), len);
}

static void op_number(struct mutant *m)
{
	size_t size;
	uint8_t *s = any_section(m, &size);
	size_t at = below(size);

	put(s + at, size - at, interesting_number(), 1ULL << below(4));
}

/* A LEB128 that does not end soon. */
static void op_leb(struct mutant *m)
{
	size_t size;
	uint8_t *s = any_section(m, &size);
	size_t at = below(size);

	memset(s + at, 0xff, some(12, size - at));
	if (below(2) && at + 11 < size)
		s[at + 11] = 0x7f;
}

static void op_section_header(struct mutant *m)
{
	Elf64_Shdr *s = m->nr ? &m->headers[below(m->nr)] : NULL;
	uint64_t value = below(2) ? interesting_number() : below(2 * m->size);
	size_t field = below(4);

	if (!s)
		return;
	if (field == 0)
		s->sh_offset = value;
	else if (field == 1)
		s->sh_size = value;
	else if (field == 2)
		s->sh_flags = value;
	else
		s->sh_entsize = value;
}

static void op_elf_header(struct mutant *m)
{
	size_t at = below(MIN(m->size, sizeof(Elf64_Ehdr) + 4 * sizeof(Elf64_Phdr)));

	put(m->data + at, m->size - at, interesting_number(), 1ULL << below(4));
}

static void op_swap_sections(struct mutant *m)
{
	Elf64_Shdr *a, *b, c;

	if (!m->nr)
		return;
	a = &m->headers[below(m->nr)];
	b = &m->headers[below(m->nr)];
	c = *a;
	a->sh_offset = b->sh_offset;
	a->sh_size = b->sh_size;
	b->sh_offset = c.sh_offset;
	b->sh_size = c.sh_size;
}

/* Small numbers: in .debug_abbrev they are tags, attributes, forms; elsewhere opcodes and codes of entries. */
static void op_small(struct mutant *m)
{
	size_t size;
	uint8_t *s = any_section(m, &size);

	for (size_t i = below(8) + 1; i > 0; i--)
		s[below(size)] = (uint8_t)below(0x32);
}

/* The beginning of a section: a unit's length, version, offsets. */
static void op_head(struct mutant *m)
{
	size_t size;
	uint8_t *s = any_section(m, &size);
	size_t at = below(MIN(size, (size_t)32));

	put(s + at, size - at, below(2) ? interesting_number() : below(2 * size), 4);
}

/* A compressed section that promises much. */
static void op_compressed(struct mutant *m)
{
	Elf64_Shdr *s = m->nr ? &m->headers[below(m->nr)] : NULL;
	Elf64_Chdr chdr = { .ch_type = (uint32_t)below(4), .ch_size = interesting_number() };

	if (!s || s->sh_addr || s->sh_size < sizeof(chdr) || s->sh_offset > m->size ||
	    s->sh_size > m->size - s->sh_offset)
		return;
	if (!(s->sh_flags & SHF_COMPRESSED))
		memmove(m->data + s->sh_offset + sizeof(chdr), m->data + s->sh_offset,
			s->sh_size - sizeof(chdr));
	s->sh_flags |= SHF_COMPRESSED;
	memcpy(m->data + s->sh_offset, &chdr, sizeof(chdr));
}

/* What follows moves on by some bytes. */
static void op_insert(struct mutant *m)
{
	size_t size, at, by;
	uint8_t *s = any_section(m, &size);

	at = below(size);
	by = some(8, size - at);
	memmove(s + at + by, s + at, size - at - by);
}

static void op_remove(struct mutant *m)
{
	size_t size, at, by;
	uint8_t *s = any_section(m, &size);

	at = below(size);
	by = some(8, size - at);
	memmove(s + at, s + at + by, size - at - by);
}

/* References of 32 bits to somewhere within the section: back, into the middle, to themselves. */
static void op_reference(struct mutant *m)
{
	size_t size;
	uint8_t *s = any_section(m, &size);

	for (size_t i = below(6) + 1; i > 0; i--) {
		size_t at = below(size);

		put(s + at, size - at, below(4) ? below(size) : at, 4);
	}
}

/* A section that repeats its beginning to its end. */
static void op_repeat(struct mutant *m)
{
	size_t size, period;
	uint8_t *s = any_section(m, &size);

	period = 1 + below(MIN(size, (size_t)64));
	for (size_t i = period; i < size; i++)
		s[i] = s[i - period];
}

static void (*const operators[])(struct mutant *m) = {
	op_bit,        op_byte,           op_run,        op_truncate,      op_splice, op_number,
	op_leb,        op_section_header, op_elf_header, op_swap_sections, op_small,  op_head,
	op_compressed, op_insert,         op_remove,     op_reference,     op_repeat,
};

static void mutate(const struct seed *seed, struct mutant *m)
{
	m->data = malloc(seed->data.len);
	m->size = seed->data.len;
	CHECK(m->data);
	memcpy(m->data, seed->data.data, m->size);
	for (size_t i = 1 + below(below(4) ? 3 : 12); i > 0; i--) {
		find_headers(m);
		operators[below(ARRAY_SIZE(operators))](m);
	}
}

static void read_file(int fd)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	struct symbolizer_file *file;
	struct symbolizer_stats stats;
	uint64_t addresses[NR_ADDRESSES], size = (uint64_t)lseek(fd, 0, SEEK_END);

	if (symbolizer_file_new(&file, fd, NULL))
		return;
	symbolizer_file_set_memory(file, MEMORY);
	for (size_t i = 0; i < NR_ADDRESSES; i++)
		addresses[i] = size < 64 << 10 ? 0x1000 + 8 * i : i * (size / NR_ADDRESSES);
	if (!symbolizer_file_frames(file, SYMBOLIZER_VADDR, addresses, NR_ADDRESSES, &r))
		CHECK_INT(r.nr_answers, NR_ADDRESSES);
	symbolizer_file_stats(file, &stats);
	CHECK(stats.memory_peak <= MEMORY);
}

/* 0: it ended well. */
static int run_child(int fd, struct rusage *usage)
{
	const struct rlimit cpu = { .rlim_cur = CPU_S, .rlim_max = CPU_S };
	const struct rlimit data = { .rlim_cur = 4 * MEMORY, .rlim_max = 4 * MEMORY };
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		setrlimit(RLIMIT_CPU, &cpu);
		if (!SANITIZED)
			setrlimit(RLIMIT_DATA, &data);
		read_file(fd);
		_exit(0);
	}
	CHECK(wait4(pid, &status, 0, usage) == pid);
	return status;
}

static void keep(const char *folder, size_t i, const struct mutant *m)
{
	_cleanup_(freep) char *path = NULL;
	_cleanup_(closep) int fd = -1;

	CHECK(asprintf(&path, "%s/%zu", folder, i) > 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_TRUNC, 0600);
	CHECK(fd >= 0);
	CHECK_INT(sys_write_all(fd, m->data, m->size), 0);
}

static bool one(size_t i, const char *folder)
{
	const struct seed *seed = &seeds[below(nr_seeds)];
	_cleanup_(closep) int fd = -1;
	struct rusage usage;
	struct mutant m;
	int status;
	bool good;

	mutate(seed, &m);
	CHECK_INT(sys_memfd("mutant", &fd), 0);
	CHECK_INT(sys_write_all(fd, m.data, m.size), 0);
	status = run_child(fd, &usage);
	good = !status && (SANITIZED || usage.ru_maxrss <= (long)RSS_MAX_KB);
	if (!good) {
		printf("mutant %zu of %s: status %#x, %ld KiB\n", i, seed->path, (unsigned)status,
		       usage.ru_maxrss);
		keep(getenv("FLEETPROF_BUILD") ?: "/tmp", i, &m);
	}
	if (folder)
		keep(folder, i, &m);
	free(m.data);
	return good;
}

static void add_seed(const char *path)
{
	struct seed *seed = &seeds[nr_seeds];

	CHECK(nr_seeds < SEEDS_MAX);
	seed->path = strdup(path);
	buf_init(&seed->data, 256u << 20);
	CHECK_INT(sys_read_file(AT_FDCWD, path, &seed->data), 0);
	nr_seeds++;
}

static void add_corpus(void)
{
	const char *source = getenv("FLEETPROF_SOURCE");
	_cleanup_(freep) char *path = NULL;
	struct dirent **names;
	int nr;

	CHECK(asprintf(&path, "%s/tests/fuzz/corpus/fuzz_dwarf", source ? source : ".") > 0);
	nr = scandir(path, &names, NULL, alphasort);
	CHECK(nr > 0);
	for (int i = 0; i < nr; i++) {
		_cleanup_(freep) char *file = NULL;

		CHECK(asprintf(&file, "%s/%s", path, names[i]->d_name) > 0);
		if (names[i]->d_name[0] != '.')
			add_seed(file);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	const char *folder = NULL;
	uint64_t count = 2000, bad = 0;
	int c;

	state = 1;
	while ((c = getopt(argc, argv, "n:s:d:")) != -1) {
		if (c == 'd')
			folder = optarg;
		else
			CHECK(c != '?' && !sys_parse_u64(optarg, 10, 1, 1ULL << 40,
							 c == 'n' ? &count : &state));
	}
	for (int i = optind; i < argc; i++)
		add_seed(argv[i]);
	if (!nr_seeds)
		add_corpus();
	state = state * 0x9e3779b97f4a7c15ULL | 1;
	for (size_t i = 0; i < count; i++)
		bad += !one(i, folder);
	printf("%" PRIu64 " of %" PRIu64 " mutants ended badly\n", bad, count);
	return bad != 0;
}
