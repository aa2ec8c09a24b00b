/*
 * An ELF file whose call frame information is hostile: its table passes the core's check, whatever it says, and so does
 * one made of the same bytes as a bare .debug_frame.
 */
#include "agent/base/sys.h"
#include "proto/unwind_image.h"
#include "symbolizer/symbolizer.h"
#include "symbolizer/unwind_table.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct buf *image)
{
	struct unwind_iterator it = UNWIND_ITERATOR_NULL;
	uint64_t offset, rule, last = 0;

	assert(unwind_image_check(image->data, image->len));
	for (bool first = true; unwind_image_next(image->data, &it, &offset, &rule);
	     first = false) {
		assert(first || offset > last);
		last = offset;
	}
}

/* The file's own segments, and the whole file as call frame information. */
static void build_from_debug_frame(int fd, const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinitp) struct buf image = BUF_NULL;
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);

	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	if (elf &&
	    !unwind_table_build(elf, (struct section) { .data = data, .size = size }, &image))
		check(&image);
	elf_end(elf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(buf_deinitp) struct buf image = BUF_NULL;
	_cleanup_(closep) int fd = -1;

	assert(!sys_memfd("elf", &fd) && !sys_write_all(fd, data, size));
	if (symbolizer_file_new(&file, fd, NULL))
		return 0;
	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	if (!symbolizer_file_unwind(file, &image))
		check(&image);
	build_from_debug_frame(fd, data, size);
	return 0;
}
