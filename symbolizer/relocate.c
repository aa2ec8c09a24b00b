/* Relocations of debug sections. */
#include "symbolizer/relocate.h"
#include "symbolizer/elf_file.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>

#define ARM64_ABS64 257 /* R_AARCH64_… */
#define ARM64_ABS32 258

bool relocator_knows(Elf *elf)
{
	GElf_Ehdr ehdr;

	return gelf_getclass(elf) == ELFCLASS64 && gelf_getehdr(elf, &ehdr) &&
	       (ehdr.e_machine == EM_X86_64 || ehdr.e_machine == EM_AARCH64);
}

static void find_symbols(struct relocator *r, Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;

	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_SYMTAB)
			continue;
		r->symbols_offset = shdr.sh_offset;
		r->nr_symbols = shdr.sh_size / sizeof(Elf64_Sym);
		return;
	}
}

int relocator_init(struct relocator *r, Elf *elf, struct mem *mem)
{
	struct elf_layout layout = ELF_LAYOUT_BEGIN;
	uint64_t address;
	GElf_Ehdr ehdr;
	GElf_Shdr shdr;
	size_t index;

	*r = (struct relocator) { .mem = mem };
	if (!gelf_getehdr(elf, &ehdr) || elf_getshdrnum(elf, &r->nr_bases) < 0 || !r->nr_bases) {
		r->nr_bases = 0;
		return 0;
	}
	r->machine = ehdr.e_machine;
	r->nr_bases = MIN(r->nr_bases, (size_t)SHN_LORESERVE);
	r->bases = mem_zalloc(mem, r->nr_bases * sizeof(*r->bases));
	if (!r->bases)
		return -ENOMEM;
	while (elf_layout_next(elf, &layout, &index, &shdr, &address)) {
		if (index < r->nr_bases)
			r->bases[index] = address;
	}
	find_symbols(r, elf);
	return 0;
}

void relocator_deinit(struct relocator *r)
{
	if (r->bases)
		mem_free(r->mem, r->bases, r->nr_bases * sizeof(*r->bases));
	r->bases = NULL;
}

/* Bytes that a relocation of this type sets; 0: it is none of ours. */
static size_t size_of(uint16_t machine, uint32_t type)
{
	if (machine == EM_X86_64) {
		if (type == R_X86_64_64)
			return 8;
		return type == R_X86_64_32 || type == R_X86_64_32S ? 4 : 0;
	}
	return type == ARM64_ABS64 ? 8 : type == ARM64_ABS32 ? 4 : 0;
}

void relocate(const struct relocator *r, const Elf64_Rela *rela, const Elf64_Sym *symbol,
	      uint8_t *data, size_t size)
{
	size_t bytes = size_of(r->machine, (uint32_t)ELF64_R_TYPE(rela->r_info));
	uint64_t value = (uint64_t)rela->r_addend;

	if (!bytes || rela->r_offset > size || bytes > size - rela->r_offset)
		return;
	if (symbol)
		value += symbol->st_value;
	if (symbol && symbol->st_shndx < r->nr_bases)
		value += r->bases[symbol->st_shndx];
	memcpy(data + rela->r_offset, &value, bytes); /* of the host's order, as the file is */
}
