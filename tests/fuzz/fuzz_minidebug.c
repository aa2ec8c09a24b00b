/*
 * .gnu_debugdata, hostile: packed symbols. The first byte says whether the rest is the section as it is, or what our own
 * xz packs into it, so that the packing's checks do not keep everything from the reader of what is within.
 */
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"

#include <assert.h>
#include <elf.h>
#include <lzma.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY (4u << 20)
#define NR 64

static const char names[] = "\0.gnu_debugdata\0.shstrtab";

static void pack(const uint8_t *data, size_t size, struct buf *out)
{
	size_t at = 0, room = lzma_stream_buffer_bound(size);
	void *to = buf_grow(out, room);

	assert(to && lzma_easy_buffer_encode(0, LZMA_CHECK_NONE, NULL, data, size, to, &at, room) ==
			     LZMA_OK);
	out->len = at;
}

/* A stripped program with that section. */
static void build(const struct buf *section, struct buf *out)
{
	Elf64_Ehdr ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_version = EV_CURRENT,
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_shoff = sizeof(Elf64_Ehdr),
			    .e_shentsize = sizeof(Elf64_Shdr),
			    .e_shnum = 3,
			    .e_shstrndx = 2 };
	Elf64_Shdr headers[3] = {
		{ 0 },
		{ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_size = section->len },
		{ .sh_name = 16, .sh_type = SHT_STRTAB, .sh_size = sizeof(names) },
	};

	headers[2].sh_offset = sizeof(ehdr) + sizeof(headers);
	headers[1].sh_offset = headers[2].sh_offset + sizeof(names);
	buf_add(out, &ehdr, sizeof(ehdr));
	buf_add(out, headers, sizeof(headers));
	buf_add(out, names, sizeof(names));
	buf_add(out, section->data, section->len);
}

static void ask(int fd)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	struct symbolizer_stats stats;
	uint64_t addresses[NR];

	assert(!symbolizer_file_new(&file, fd, NULL));
	symbolizer_file_set_memory(file, MEMORY);
	for (size_t i = 0; i < NR; i++)
		addresses[i] = 0x1000 + 16 * i;
	if (!symbolizer_file_frames(file, SYMBOLIZER_VADDR, addresses, NR, &r)) {
		for (size_t i = 0; i < r.nr_frames; i++)
			assert(*r.frames[i].name);
	}
	symbolizer_file_stats(file, &stats);
	assert(stats.memory_peak <= MEMORY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinitp) struct buf section = BUF_NULL, elf = BUF_NULL;
	_cleanup_(closep) int fd = -1;

	if (size < 2)
		return 0;
	buf_init(&section, 1 << 20);
	buf_init(&elf, 1 << 20);
	if (data[0] & 1)
		pack(data + 1, size - 1, &section);
	else
		buf_add(&section, data + 1, size - 1);
	build(&section, &elf);
	assert(!elf.error && !sys_memfd("elf", &fd) && !sys_write_all(fd, elf.data, elf.len));
	ask(fd);
	return 0;
}
