/*
 * Broken and hostile ELF files through real children of a real supervisor: every one gets its answer in time, none takes
 * more than its own child with it, and an intact file is named right before, between and after them.
 */
#include "tests/fixtures/supervised.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DEADLINE_MS 3000
#define RANDOM_FILES 120

struct file {
	unsigned char *data;
	size_t size;
	uint64_t offset; /* of known_function */
};

__attribute__((noinline)) void known_function(void);
void known_function(void)
{
	asm volatile("");
}

/* This program's own file, and where known_function is in it. */
static void load(struct file *f)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint64_t start, end, offset, address = (uint64_t)(uintptr_t)known_function;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char line[512];
	struct stat st;

	CHECK(maps && fd >= 0 && !fstat(fd, &st));
	f->size = (size_t)st.st_size;
	f->data = malloc(f->size);
	CHECK(f->data && pread(fd, f->data, f->size, 0) == (ssize_t)f->size);
	close(fd);
	while (fgets(line, sizeof(line), maps)) {
		CHECK(sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &start, &end, &offset) ==
		      3);
		if (address >= start && address < end)
			f->offset = address - start + offset;
	}
	fclose(maps);
	CHECK(f->offset);
}

static int memfd_of(const void *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0 && !sys_write_all(fd, data, size));
	return fd;
}

static bool found;

static void on_result(const struct symbolizer_result *result)
{
	for (size_t i = 0; i < result->nr_frames; i++)
		found |= !strcmp(result->frames[i].name, "known_function");
}

/* As a child does it, for the sanitizers to watch. */
static int parse_here(int fd, uint64_t offset)
{
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result result =
		SYMBOLIZER_RESULT_NULL;
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	int r = symbolizer_file_new(&file, fd, NULL);

	if (!r)
		r = symbolizer_file_frames(file, SYMBOLIZER_FILE_OFFSET, &offset, 1, &result);
	if (r)
		return r == SYMBOLIZER_E_NOT_ELF ? SYMWIRE_NOT_ELF : SYMWIRE_BROKEN;
	on_result(&result);
	return SYMWIRE_OK;
}

static uint64_t next_key;

static int ask(struct supervised *s, const struct file *f, const void *data, size_t size)
{
	int fd = memfd_of(data, size), status;

	found = false;
	status = SANITIZED ? parse_here(fd, f->offset)
			   : supervised_ask(s, next_key++, fd, f->offset);
	close(fd);
	CHECK(status >= SYMWIRE_OK && status < SYMWIRE_STATUS_END);
	CHECK(status != SYMWIRE_QUARANTINED);
	CHECK(s->elapsed_ns < (DEADLINE_MS + 2000) * NSEC_PER_MSEC);
	return status;
}

static void check_intact(struct supervised *s, const struct file *f)
{
	CHECK_INT(ask(s, f, f->data, f->size), SYMWIRE_OK);
	CHECK(found);
}

static size_t counts[SYMWIRE_STATUS_END];

static void try_truncated(struct supervised *s, const struct file *f)
{
	static const size_t short_ones[] = { 0, 1, 4, 15, 16, 17, 52, 63, 64, 65, 119, 120, 121 };

	for (size_t i = 0; i < ARRAY_SIZE(short_ones); i++)
		counts[ask(s, f, f->data, short_ones[i])]++;
	for (size_t i = 1; i < 20; i++)
		counts[ask(s, f, f->data, f->size * i / 20)]++;
	counts[ask(s, f, f->data, f->size - 1)]++;
}

/* Sets the field of size bytes at offset to what leads outside, below, or around. */
static void try_field(struct supervised *s, const struct file *f, size_t offset, size_t size)
{
	static const uint64_t values[] = { 0, 0x7fffffffffffffff, UINT64_MAX };
	unsigned char *copy = malloc(f->size);

	CHECK(copy && offset + size <= f->size);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		memcpy(copy, f->data, f->size);
		memcpy(copy + offset, &values[i], size);
		counts[ask(s, f, copy, f->size)]++;
	}
	free(copy);
}

static void try_headers(struct supervised *s, const struct file *f)
{
	Elf64_Ehdr ehdr;

	memcpy(&ehdr, f->data, sizeof(ehdr));
	try_field(s, f, offsetof(Elf64_Ehdr, e_ident[EI_CLASS]), 1);
	try_field(s, f, offsetof(Elf64_Ehdr, e_ident[EI_DATA]), 1);
	try_field(s, f, offsetof(Elf64_Ehdr, e_type), 2);
	try_field(s, f, offsetof(Elf64_Ehdr, e_phoff), 8);
	try_field(s, f, offsetof(Elf64_Ehdr, e_shoff), 8);
	try_field(s, f, offsetof(Elf64_Ehdr, e_phentsize), 2);
	try_field(s, f, offsetof(Elf64_Ehdr, e_phnum), 2);
	try_field(s, f, offsetof(Elf64_Ehdr, e_shentsize), 2);
	try_field(s, f, offsetof(Elf64_Ehdr, e_shnum), 2);
	try_field(s, f, offsetof(Elf64_Ehdr, e_shstrndx), 2);
	for (size_t i = 0; i < ehdr.e_phnum; i += 3) {
		size_t at = ehdr.e_phoff + i * ehdr.e_phentsize;

		try_field(s, f, at + offsetof(Elf64_Phdr, p_offset), 8);
		try_field(s, f, at + offsetof(Elf64_Phdr, p_vaddr), 8);
		try_field(s, f, at + offsetof(Elf64_Phdr, p_filesz), 8);
	}
	for (size_t i = 0; i < ehdr.e_shnum; i++) {
		size_t at = ehdr.e_shoff + i * ehdr.e_shentsize;

		try_field(s, f, at + offsetof(Elf64_Shdr, sh_offset), 8);
		try_field(s, f, at + offsetof(Elf64_Shdr, sh_size), 8);
		if (i % 4 == 0) {
			try_field(s, f, at + offsetof(Elf64_Shdr, sh_link), 4);
			try_field(s, f, at + offsetof(Elf64_Shdr, sh_entsize), 8);
		}
	}
}

/* Some bytes of a section set to chance, the same in each run. */
static void try_random(struct supervised *s, const struct file *f)
{
	unsigned char *copy = malloc(f->size);
	uint64_t random = 42;

	CHECK(copy);
	for (int i = 0; i < RANDOM_FILES; i++) {
		memcpy(copy, f->data, f->size);
		for (int j = 0; j < 64; j++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			copy[(random >> 16) % f->size] = (unsigned char)(random >> 56);
		}
		counts[ask(s, f, copy, f->size)]++;
	}
	free(copy);
}

static void test_broken_files(void)
{
	struct supervised s = { .deadline_ms = DEADLINE_MS, .on_result = on_result };
	struct file f = { .size = 0 };

	load(&f);
	supervised_start(&s);
	check_intact(&s, &f);
	try_truncated(&s, &f);
	check_intact(&s, &f);
	try_headers(&s, &f);
	check_intact(&s, &f);
	try_random(&s, &f);
	check_intact(&s, &f);
	fprintf(stderr, "    %zu answered, %zu no ELF, %zu broken, %zu late, %zu crashed\n",
		counts[SYMWIRE_OK], counts[SYMWIRE_NOT_ELF], counts[SYMWIRE_BROKEN],
		counts[SYMWIRE_TIMEOUT], counts[SYMWIRE_CRASHED]);
	supervised_stop(&s);
	free(f.data);
}

/* A file that becomes shorter under its reader: said so, and no mark against it. */
static void test_truncated_while_mapped(void)
{
	struct supervised s = { .deadline_ms = DEADLINE_MS, .on_result = on_result };
	struct file f = { .size = 0 };
	int status, fd;

	load(&f);
	supervised_start(&s);
	fd = memfd_of(f.data, f.size);
	CHECK_INT(supervised_ask(&s, 1, fd, f.offset), SYMWIRE_OK);
	for (int i = 0; i < 4; i++) {
		CHECK_INT(ftruncate(fd, 4096), 0);
		status = supervised_ask(&s, 1, fd, f.offset + 1);
		CHECK(status == SYMWIRE_OK || status == SYMWIRE_FILE_CHANGED ||
		      status == SYMWIRE_BROKEN);
		CHECK_INT(pwrite(fd, f.data, f.size, 0), f.size);
	}
	check_intact(&s, &f);
	close(fd);
	supervised_stop(&s);
	free(f.data);
}

/* What is no regular file, or none at all. */
static void test_odd_descriptors(void)
{
	static const char *const paths[] = { "/dev/null", "/dev/zero", "/proc/self/maps", "/",
					     "/proc/self/mem" };
	struct supervised s = { .deadline_ms = DEADLINE_MS, .on_result = on_result };
	struct file f = { .size = 0 };
	int pipes[2];

	load(&f);
	supervised_start(&s);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		CHECK(fd >= 0);
		CHECK(supervised_ask(&s, 100 + i, fd, 0) != SYMWIRE_OK);
		close(fd);
	}
	CHECK_INT(pipe(pipes), 0);
	CHECK(supervised_ask(&s, 200, pipes[0], 0) != SYMWIRE_OK); /* nobody writes: a deadline */
	close(pipes[0]);
	close(pipes[1]);
	next_key = 1000;
	check_intact(&s, &f);
	supervised_stop(&s);
	free(f.data);
}

int main(void)
{
	RUN(test_broken_files);
	if (!SANITIZED) {
		RUN(test_truncated_while_mapped);
		RUN(test_odd_descriptors);
	}
	return 0;
}
