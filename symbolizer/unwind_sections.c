/* Finds .eh_frame and .eh_frame_hdr. */
#include "symbolizer/unwind_sections.h"

#include <gelf.h>

#define PROGRAM_HEADERS_MAX 65536
#define NOTHING ((struct reader) { .failed = true })

static struct reader file_part(Elf *elf, uint64_t offset, uint64_t size)
{
	size_t file_size;
	const char *file = elf_rawfile(elf, &file_size);
	struct reader r = file ? reader_from(file, file_size, offset) : NOTHING;

	return reader_part(&r, size);
}

/* The bytes from an address to the end of what its segment has of the file. */
static struct reader bytes_from(Elf *elf, uint64_t vaddr)
{
	size_t nr = 0;

	elf_getphdrnum(elf, &nr);
	for (size_t i = 0; i < nr && i < PROGRAM_HEADERS_MAX; i++) {
		GElf_Phdr p;

		if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD && vaddr >= p.p_vaddr &&
		    vaddr - p.p_vaddr < p.p_filesz)
			return file_part(elf, p.p_offset + (vaddr - p.p_vaddr),
					 p.p_filesz - (vaddr - p.p_vaddr));
	}
	return NOTHING;
}

static void set_section(struct cfi_section *section, struct reader bytes, uint64_t vaddr)
{
	if (!bytes.failed && reader_left(&bytes))
		*section = (struct cfi_section) {
			.data = bytes.at, .size = reader_left(&bytes), .vaddr = vaddr, .eh = true
		};
}

/* The search table has a program header of its own, which loaders use: it is believed before a section's name. */
static void find_hdr(Elf *elf, struct unwind_sections *ret)
{
	size_t nr = 0;

	elf_getphdrnum(elf, &nr);
	for (size_t i = 0; i < nr && i < PROGRAM_HEADERS_MAX; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_GNU_EH_FRAME)
			continue;
		ret->hdr = file_part(elf, p.p_offset, p.p_filesz);
		ret->hdr_vaddr = p.p_vaddr;
		return;
	}
}

/* DT_INIT, for files without section headers; 0: none. */
static uint64_t init_of_dynamic(Elf *elf)
{
	size_t nr = 0;

	elf_getphdrnum(elf, &nr);
	for (size_t i = 0; i < nr && i < PROGRAM_HEADERS_MAX; i++) {
		struct reader r;
		GElf_Phdr p;

		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_DYNAMIC)
			continue;
		r = file_part(elf, p.p_offset, p.p_filesz);
		while (!r.failed && reader_left(&r)) {
			uint64_t tag = reader_u64(&r), value = reader_u64(&r);

			if (tag == DT_INIT && !r.failed)
				return value;
		}
	}
	return 0;
}

void unwind_sections_find(Elf *elf, struct unwind_sections *ret)
{
	Elf_Scn *scn = NULL;
	uint64_t vaddr;
	size_t names;

	*ret = (struct unwind_sections) { .hdr_vaddr = 0 };
	find_hdr(elf, ret);
	while (elf_getshdrstrndx(elf, &names) >= 0 && (scn = elf_nextscn(elf, scn))) {
		const char *name = NULL;
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) && shdr.sh_type != SHT_NOBITS)
			name = elf_strptr(elf, names, shdr.sh_name);
		if (name && !strcmp(name, ".eh_frame"))
			set_section(&ret->eh_frame, file_part(elf, shdr.sh_offset, shdr.sh_size),
				    shdr.sh_addr);
		else if (name && !strcmp(name, ".init"))
			ret->init_vaddr = shdr.sh_addr;
	}
	if (!ret->init_vaddr)
		ret->init_vaddr = init_of_dynamic(elf);
	if (!ret->eh_frame.size && cfi_hdr_section(ret->hdr, ret->hdr_vaddr, &vaddr))
		set_section(&ret->eh_frame, bytes_from(elf, vaddr), vaddr);
}
