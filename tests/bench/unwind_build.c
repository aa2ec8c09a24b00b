/*
 * unwind_build FILE…: what building the files' unwind tables costs, beside libdw's walk over the same rows.
 *
 * One line: files, rows, bytes of the tables, ns of the build, ns of libdw, bytes of the largest heap. Times are CPU
 * time, the best of some runs. --no-libdw leaves the comparison out.
 */
#include "proto/unwind_image.h"
#include "symbolizer/symbolizer.h"

#include <elfutils/libdw.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <string.h>
#include <time.h>

#define RUNS 3

/* The C library's own allocator, counted. */
void *__libc_malloc(size_t size); /* NOLINT: its name */
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static size_t heap, heap_peak;

static void *count(void *p)
{
	heap += p ? malloc_usable_size(p) : 0;
	heap_peak = MAX(heap, heap_peak);
	return p;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	return count(__libc_malloc(size));
}

__attribute__((visibility("default"))) void *calloc(size_t nr, size_t size)
{
	return count(__libc_calloc(nr, size));
}

__attribute__((visibility("default"))) void *realloc(void *p, size_t size)
{
	size_t before = p ? malloc_usable_size(p) : 0;
	void *q = __libc_realloc(p, size);

	heap -= q || !size ? before : 0;
	return count(q);
}

__attribute__((visibility("default"))) void free(void *p)
{
	heap -= p ? malloc_usable_size(p) : 0;
	__libc_free(p);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The table; its time in *ns if it is the best. False: the file has none. */
static bool build(const char *path, struct buf *image, uint64_t *ns)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t start = cpu_ns();

	buf_init(image, UNWIND_IMAGE_BYTES_MAX);
	if (fd < 0 || symbolizer_file_new(&file, fd, NULL) || symbolizer_file_unwind(file, image))
		return false;
	*ns = MIN(*ns, cpu_ns() - start);
	return true;
}

/* What an unwinder would ask libdw at each row: its end, the CFA, the frame pointer and the return address. */
static uint64_t ask_libdw(Dwarf_CFI *cfi, uint64_t pc)
{
	Dwarf_Op memory[3], *ops;
	Dwarf_Addr end = 0;
	Dwarf_Frame *frame;
	size_t nr;

	if (dwarf_cfi_addrframe(cfi, pc, &frame))
		return 0;
	dwarf_frame_info(frame, NULL, &end, NULL);
	dwarf_frame_cfa(frame, &ops, &nr);
	dwarf_frame_register(frame, 6, memory, &ops, &nr);
	dwarf_frame_register(frame, 16, memory, &ops, &nr);
	free(frame);
	return end;
}

/* At each of our rows, by the file's offset: close enough to the address in what it costs. */
static uint64_t walk_by_libdw(const char *path, const void *image)
{
	struct unwind_iterator it = UNWIND_ITERATOR_NULL;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	uint64_t start = cpu_ns(), offset, rule, ns;
	Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);

	while (cfi && unwind_image_next(image, &it, &offset, &rule)) {
		if (rule != UNWIND_GAP)
			ask_libdw(cfi, offset);
	}
	ns = cpu_ns() - start;
	if (cfi)
		dwarf_cfi_end(cfi);
	elf_end(elf);
	return ns;
}

struct totals {
	uint64_t files, rows, bytes, ns, libdw_ns;
};

static void measure(const char *path, bool libdw, struct totals *t)
{
	uint64_t ns = UINT64_MAX;

	for (int i = 0; i < RUNS; i++) {
		_cleanup_(buf_deinitp) struct buf image = BUF_NULL;

		if (!build(path, &image, &ns))
			return;
		if (i < RUNS - 1)
			continue;
		t->files++;
		t->rows += ((const struct unwind_header *)image.data)->nr_rows;
		t->bytes += image.len;
		t->ns += ns;
		if (libdw)
			t->libdw_ns += walk_by_libdw(path, image.data);
	}
}

int main(int argc, char **argv)
{
	bool libdw = argc < 2 || strcmp(argv[1], "--no-libdw") != 0;
	struct totals t = { .files = 0 };
	size_t ours;

	for (int i = libdw ? 1 : 2; i < argc; i++)
		measure(argv[i], false, &t);
	ours = heap_peak;
	if (libdw) {
		t = (struct totals) { .files = 0 };
		for (int i = 1; i < argc; i++)
			measure(argv[i], true, &t);
	}
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu\n", t.files, t.rows,
	       t.bytes, t.ns, t.libdw_ns, ours);
	return 0;
}
