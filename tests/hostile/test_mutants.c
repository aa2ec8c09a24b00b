/*
 * Mutated files of compilers' making: every one is read by a child with little memory and time (identity, names by
 * address and by offset, unwind table; as a file of its own or as the supplement of an intact one), and whatever it
 * says of them, it ends well.
 *
 * test_mutants [-n COUNT] [-s SEED] [-d FOLDER] [FILE…]: without FILEs the seeds of the fuzzers and the golden programs
 * are mutated, and a Go program where go is at hand; with -d the mutants are kept, for other programs to read, each
 * with its addresses in N.addresses. A FILE named X.dwo, X.dwp, X.dwz or X.debug supplements X.
 * tests/bench/bench_hostile.py has the long run.
 */
#include "agent/base/clock.h"
#include "agent/base/sys.h"
#include "proto/unwind_image.h"
#include "symbolizer/symbolizer.h"
#include "tests/fixtures/mutant.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MEMORY (8u << 20)
#define RSS_MAX_KB (48u << 10) /* the memory, the mapped pages, and this program */
#define CPU_S 10
#define NR_ADDRESSES 128
#define SEEDS_MAX 512

#ifdef FLEETPROF_SANITIZED
#define SANITIZED true /* its shadow counts as ours */
#else
#define SANITIZED false
#endif

struct seed {
	char *path;
	struct buf data;
	int partner; /* descriptor of the file that it supplements; -1: none */
	enum symbolizer_supplement kind;
	uint64_t addresses[NR_ADDRESSES];
};

static struct seed seeds[SEEDS_MAX];
static size_t nr_seeds;

/* Over the code of an executable: a half of them dense, at its beginning. */
static void choose_addresses(uint64_t *addresses, const struct buf *data)
{
	const Elf64_Ehdr *ehdr = (const void *)data->data;
	uint64_t begin = 0x1000, size = MAX(data->len, (size_t)8 * NR_ADDRESSES);

	for (size_t i = 0; data->len >= sizeof(*ehdr) && i < ehdr->e_phnum; i++) {
		const Elf64_Phdr *p = (const void *)(data->data + ehdr->e_phoff) + i * sizeof(*p);

		if ((const char *)(p + 1) > data->data + data->len || p->p_type != PT_LOAD ||
		    !(p->p_flags & PF_X))
			continue;
		begin = p->p_vaddr + (begin - 0x1000) % 0x1000;
		size = p->p_filesz;
	}
	for (size_t i = 0; i < NR_ADDRESSES / 2; i++) {
		addresses[2 * i] = begin + 3 * i;
		addresses[2 * i + 1] = begin + i * (size / (NR_ADDRESSES / 2));
	}
}

static void ask(struct symbolizer_file *file, const struct seed *seed, enum symbolizer_space space)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	uint64_t addresses[NR_ADDRESSES];
	struct symbolizer_want want;
	size_t it = 0;

	for (size_t i = 0; i < NR_ADDRESSES; i++)
		addresses[i] = space == SYMBOLIZER_VADDR ? seed->addresses[i]
							 : i * (seed->data.len / NR_ADDRESSES);
	if (!symbolizer_file_frames(file, space, addresses, NR_ADDRESSES, &r))
		CHECK_INT(r.nr_answers, NR_ADDRESSES);
	for (size_t i = 0; i < r.nr_frames; i++)
		CHECK(*r.frames[i].name && strlen(r.frames[i].file) < SIZE_MAX);
	while (symbolizer_file_next_want(file, &it, &want))
		CHECK(strlen(want.path) + strlen(want.directory) < SIZE_MAX);
}

static void build_table(struct symbolizer_file *file)
{
	_cleanup_(buf_deinitp) struct buf image = BUF_NULL;

	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	if (!symbolizer_file_unwind(file, &image))
		CHECK(unwind_image_check(image.data, image.len));
}

/* fd: of the mutant. */
static void read_file(int fd, const struct seed *seed)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	struct symbolizer_identity identity;
	struct symbolizer_stats stats;

	if (symbolizer_file_new(&file, seed->partner < 0 ? fd : seed->partner, NULL))
		return;
	symbolizer_file_set_memory(file, MEMORY);
	symbolizer_file_identity(file, &identity);
	CHECK(identity.build_id_len <= SYMBOLIZER_BUILD_ID_MAX);
	if (seed->partner >= 0)
		symbolizer_file_set_supplement(file, seed->kind, fd, NULL);
	ask(file, seed, SYMBOLIZER_VADDR);
	ask(file, seed, SYMBOLIZER_FILE_OFFSET);
	build_table(file);
	symbolizer_file_stats(file, &stats);
	CHECK(stats.memory_peak <= MEMORY);
}

/* 0: it ended well. */
static int run_child(int fd, const struct seed *seed, struct rusage *usage)
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
		read_file(fd, seed);
		_exit(0);
	}
	CHECK(wait4(pid, &status, 0, usage) == pid);
	return status;
}

static void keep(const char *folder, size_t i, const struct mutant *m, const struct seed *seed)
{
	_cleanup_(freep) char *path = NULL, *list = NULL;
	_cleanup_(closep) int fd = -1;
	FILE *f;

	CHECK(asprintf(&path, "%s/%zu", folder, i) > 0);
	CHECK(asprintf(&list, "%s/%zu.addresses", folder, i) > 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_TRUNC, 0700);
	CHECK(fd >= 0);
	CHECK_INT(sys_write_all(fd, m->data, m->size), 0);
	f = fopen(list, "we");
	CHECK(f);
	for (size_t a = 0; a < NR_ADDRESSES; a++)
		fprintf(f, "0x%" PRIx64 "\n", seed->addresses[a]);
	CHECK_INT(fclose(f), 0);
}

static bool one(size_t i, const char *folder)
{
	const struct seed *seed = &seeds[below(nr_seeds)];
	_cleanup_(closep) int fd = -1;
	struct rusage usage;
	struct mutant m;
	int status;
	bool good;

	mutant_make(&m, seed->data.data, seed->data.len);
	CHECK_INT(sys_memfd("mutant", &fd), 0);
	CHECK_INT(sys_write_all(fd, m.data, m.size), 0);
	status = run_child(fd, seed, &usage);
	good = !status && (SANITIZED || usage.ru_maxrss <= (long)RSS_MAX_KB);
	if (!good) {
		printf("mutant %zu of %s: status %#x, %ld KiB\n", i, seed->path, (unsigned)status,
		       usage.ru_maxrss);
		keep(getenv("FLEETPROF_BUILD") ?: "/tmp", i, &m, seed);
	}
	if (folder)
		keep(folder, i, &m, seed);
	free(m.data);
	return good;
}

/* X of X.dwo and the like, if it is there. */
static void find_partner(struct seed *seed)
{
	static const struct {
		const char *ending;
		enum symbolizer_supplement kind;
	} endings[] = { { ".dwo", SYMBOLIZER_SUPPLEMENT_SPLIT },
			{ ".dwp", SYMBOLIZER_SUPPLEMENT_SPLIT },
			{ ".dwz", SYMBOLIZER_SUPPLEMENT_ALT },
			{ ".debug", SYMBOLIZER_SUPPLEMENT_DEBUG } };
	size_t len = strlen(seed->path);

	seed->partner = -1;
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		_cleanup_(buf_deinitp) struct buf data = BUF_NULL;
		_cleanup_(freep) char *path = NULL;
		size_t n = strlen(endings[i].ending);

		if (len <= n || strcmp(seed->path + len - n, endings[i].ending))
			continue;
		path = strndup(seed->path, len - n);
		buf_init(&data, 256u << 20);
		if (!path || sys_read_file(AT_FDCWD, path, &data))
			return;
		choose_addresses(seed->addresses, &data);
		seed->partner = open(path, O_RDONLY | O_CLOEXEC);
		seed->kind = endings[i].kind;
		CHECK(seed->partner >= 0);
	}
}

static void add_seed(const char *path)
{
	struct seed *seed = &seeds[nr_seeds];

	CHECK(nr_seeds < SEEDS_MAX);
	seed->path = strdup(path);
	buf_init(&seed->data, 256u << 20);
	CHECK_INT(sys_read_file(AT_FDCWD, path, &seed->data), 0);
	choose_addresses(seed->addresses, &seed->data);
	find_partner(seed);
	nr_seeds++;
}

static bool is_elf(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char magic[SELFMAG];

	return fd >= 0 && read(fd, magic, SELFMAG) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG);
}

static void add_folder(const char *folder)
{
	const char *source = getenv("FLEETPROF_SOURCE");
	_cleanup_(freep) char *path = NULL;
	struct dirent **names;
	int nr;

	CHECK(asprintf(&path, "%s/%s", source ? source : ".", folder) > 0);
	nr = scandir(path, &names, NULL, alphasort);
	CHECK(nr > 0);
	for (int i = 0; i < nr; i++) {
		_cleanup_(freep) char *file = NULL;

		CHECK(asprintf(&file, "%s/%s", path, names[i]->d_name) > 0);
		if (is_elf(file))
			add_seed(file);
		free(names[i]);
	}
	free(names);
}

/* A whole program of Go's linker, with its DWARF: too large for the tree. */
static void add_go(void)
{
	const char *build = getenv("FLEETPROF_BUILD") ?: "/tmp",
		   *source = getenv("FLEETPROF_SOURCE") ?: ".";
	_cleanup_(freep) char *path = NULL, *command = NULL;

	CHECK(asprintf(&path, "%s/mutant-seed-go", build) > 0);
	CHECK(asprintf(
		      &command,
		      "[ -e %s ] || GOTOOLCHAIN=local go build -o %s %s/tests/fixtures/gotables.go "
		      "2>/dev/null",
		      path, path, source) > 0);
	if (system(command))
		printf("no Go program among the seeds: go is not there, or too old\n");
	else
		add_seed(path);
}

static void say_rate(uint64_t bad, uint64_t count, uint64_t took_ns)
{
	printf("%" PRIu64 " of %" PRIu64 " mutants ended badly\n", bad, count);
	printf("%zu operators over %zu seeds, %.0f mutants a second\n",
	       ARRAY_SIZE(mutant_operators), nr_seeds,
	       (double)count * 1e9 / (double)MAX(took_ns, 1ull));
}

int main(int argc, char **argv)
{
	uint64_t count = SANITIZED ? 500 : 2000, bad = 0, number = 1, begin;
	const char *folder = NULL;
	int c;

	while ((c = getopt(argc, argv, "n:s:d:")) != -1) {
		if (c == 'd')
			folder = optarg;
		else
			CHECK(c != '?' && !sys_parse_u64(optarg, 10, 1, 1ULL << 40,
							 c == 'n' ? &count : &number));
	}
	for (int i = optind; i < argc; i++)
		add_seed(argv[i]);
	if (!nr_seeds) {
		add_folder("tests/fuzz/corpus/fuzz_dwarf");
		add_folder("tests/fuzz/corpus/fuzz_elf");
		add_folder("tests/golden/dwarf");
		add_go();
	}
	mutant_state = number * 0x9e3779b97f4a7c15ULL | 1;
	setvbuf(stdout, NULL, _IOLBF, 0); /* children have no part of it */
	begin = clock_mono_ns();
	for (size_t i = 0; i < count; i++)
		bad += !one(i, folder);
	say_rate(bad, count, clock_mono_ns() - begin);
	return bad != 0;
}
