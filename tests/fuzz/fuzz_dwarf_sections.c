/*
 * Debug sections, hostile, without the file around them: line programs, entries, ranges. The input is 11 sizes of 16
 * bits and the sections' bytes behind them, in the order of the list below.
 */
#include "agent/base/sys.h"
#include "symbolizer/symbolizer.h"

#include <assert.h>
#include <elf.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY (2u << 20)
#define NR 128

static const char names[] =
	"\0.debug_info\0.debug_abbrev\0.debug_line\0.debug_str\0.debug_line_str\0"
	".debug_ranges\0.debug_rnglists\0.debug_addr\0.debug_str_offsets\0"
	".debug_aranges\0.gnu_debugaltlink\0.shstrtab";
#define NR_SECTIONS 11

/* The header, the sections' bytes as they came, the names, and the sections' headers. */
static void build(struct buf *out, const uint8_t *data, size_t size)
{
	Elf64_Ehdr ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_version = EV_CURRENT,
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_shentsize = sizeof(Elf64_Shdr),
			    .e_shnum = NR_SECTIONS + 2,
			    .e_shstrndx = NR_SECTIONS + 1 };
	Elf64_Shdr headers[NR_SECTIONS + 2] = { { 0 } };
	size_t at = 2 * NR_SECTIONS;
	uint32_t name = 1;

	ehdr.e_shoff = (sizeof(ehdr) + size + sizeof(names) + 7) & ~7ULL;
	for (size_t i = 1; i <= NR_SECTIONS + 1; i++) {
		uint16_t want = sizeof(names);

		if (i <= NR_SECTIONS)
			memcpy(&want, data + 2 * (i - 1), sizeof(want));
		headers[i] = (Elf64_Shdr) { .sh_name = name,
					    .sh_type = SHT_PROGBITS,
					    .sh_offset = sizeof(ehdr) + at,
					    .sh_size = MIN((size_t)want, size - at) };
		at += i <= NR_SECTIONS ? headers[i].sh_size : 0;
		name += (uint32_t)strlen(names + name) + 1;
	}
	headers[NR_SECTIONS + 1].sh_type = SHT_STRTAB;
	headers[NR_SECTIONS + 1].sh_offset = sizeof(ehdr) + size;
	headers[NR_SECTIONS + 1].sh_size = sizeof(names);
	buf_add(out, &ehdr, sizeof(ehdr));
	buf_add(out, data, size);
	buf_add(out, names, sizeof(names));
	while (out->len < ehdr.e_shoff)
		buf_addc(out, 0);
	buf_add(out, headers, sizeof(headers));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(symbolizer_file_freep) struct symbolizer_file *file = NULL;
	_cleanup_(symbolizer_result_deinitp) struct symbolizer_result r = SYMBOLIZER_RESULT_NULL;
	_cleanup_(buf_deinitp) struct buf elf = BUF_NULL;
	_cleanup_(closep) int fd = -1;
	struct symbolizer_stats stats;
	uint64_t addresses[NR];

	if (size < 2 * NR_SECTIONS)
		return 0;
	buf_init(&elf, 1 << 20);
	build(&elf, data, size);
	assert(!elf.error && !sys_memfd("elf", &fd) && !sys_write_all(fd, elf.data, elf.len));
	assert(!symbolizer_file_new(&file, fd, NULL));
	symbolizer_file_set_memory(file, MEMORY);
	for (size_t i = 0; i < NR; i++)
		addresses[i] = 0x1000 + 8 * i;
	if (!symbolizer_file_frames(file, SYMBOLIZER_VADDR, addresses, NR, &r)) {
		for (size_t i = 0; i < r.nr_frames; i++)
			assert(*r.frames[i].name && strlen(r.frames[i].file) < SIZE_MAX);
	}
	symbolizer_file_stats(file, &stats);
	assert(stats.memory_peak <= MEMORY);
	return 0;
}
