/* ELF segments and identity. */
#include "symbolizer/elf_file.h"
#include "symbolizer/debug_file.h"

#include <gelf.h>
#include <string.h>

bool elf_offset_to_vaddr(const struct segment *segments, size_t nr, uint64_t offset, uint64_t *ret)
{
	for (int executable = 1; executable >= 0; executable--) {
		for (size_t i = 0; i < nr; i++) {
			const struct segment *s = &segments[i];

			if (s->executable == !!executable && offset >= s->offset &&
			    offset - s->offset < s->file_size) {
				*ret = offset - s->offset + s->vaddr;
				return true;
			}
		}
	}
	return false;
}

bool elf_is_object(Elf *elf)
{
	GElf_Ehdr ehdr;

	return gelf_getehdr(elf, &ehdr) && ehdr.e_type == ET_REL;
}

#define LAYOUT_END (1ULL << 47)
#define ALIGNMENT_MAX (2u << 20)

static bool is_text(Elf *elf, const GElf_Shdr *shdr)
{
	const char *name;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return false;
	name = elf_strptr(elf, names, shdr->sh_name);
	return name && !strcmp(name, ".text");
}

bool elf_layout_next(Elf *elf, struct elf_layout *it, size_t *ret_index, GElf_Shdr *ret_shdr,
		     uint64_t *ret_address)
{
	for (;;) {
		uint64_t alignment, address;

		it->scn = elf_nextscn(elf, it->scn);
		if (!it->scn && it->others)
			return false;
		if (!it->scn) {
			it->others = true;
			continue;
		}
		if (!gelf_getshdr(it->scn, ret_shdr) || !(ret_shdr->sh_flags & SHF_EXECINSTR) ||
		    is_text(elf, ret_shdr) == it->others)
			continue;
		alignment = ret_shdr->sh_addralign;
		if (!alignment || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)))
			alignment = 1;
		address = (it->next + alignment - 1) & ~(alignment - 1);
		if (ret_shdr->sh_size > LAYOUT_END - address)
			continue;
		it->next = address + ret_shdr->sh_size;
		*ret_index = elf_ndxscn(it->scn);
		*ret_address = address;
		return true;
	}
}

static size_t read_code(Elf *elf, struct segment *segments, size_t max)
{
	struct elf_layout layout = ELF_LAYOUT_BEGIN;
	uint64_t address;
	GElf_Shdr shdr;
	size_t index, nr = 0;

	while (nr < max && elf_layout_next(elf, &layout, &index, &shdr, &address)) {
		if (shdr.sh_type != SHT_NOBITS)
			segments[nr++] = (struct segment) { .offset = shdr.sh_offset,
							    .file_size = shdr.sh_size,
							    .vaddr = address,
							    .executable = true };
	}
	return nr;
}

size_t elf_read_segments(Elf *elf, struct segment *segments, size_t max)
{
	size_t nr_headers, nr = 0;

	if (elf_is_object(elf))
		return read_code(elf, segments, max);
	if (elf_getphdrnum(elf, &nr_headers) < 0)
		return 0;
	for (size_t i = 0; i < nr_headers && i < 65536 && nr < max; i++) {
		GElf_Phdr phdr;

		if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_LOAD)
			continue;
		segments[nr++] = (struct segment) { .offset = phdr.p_offset,
						    .file_size = phdr.p_filesz,
						    .vaddr = phdr.p_vaddr,
						    .executable = phdr.p_flags & PF_X };
	}
	return nr;
}

/* Looks for the build ID among the notes of data. */
static bool find_build_id(Elf_Data *data, struct symbolizer_identity *ret)
{
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (data && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
		const char *owner = (const char *)data->d_buf + name;

		if (note.n_descsz == 0 || note.n_descsz > SYMBOLIZER_BUILD_ID_MAX)
			continue;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(owner, "GNU", 4))
			ret->build_id_kind = SYMBOLIZER_BUILD_ID_GNU;
		else if (note.n_type == 4 && note.n_namesz == 4 && !memcmp(owner, "Go\0", 4))
			ret->build_id_kind = SYMBOLIZER_BUILD_ID_GO;
		else
			continue;
		ret->build_id_len = note.n_descsz;
		memcpy(ret->build_id, (const char *)data->d_buf + desc, note.n_descsz);
		if (ret->build_id_kind == SYMBOLIZER_BUILD_ID_GNU)
			return true; /* preferred over Go's own */
	}
	return false;
}

static void read_build_id(Elf *elf, struct symbolizer_identity *ret)
{
	Elf_Scn *scn = NULL;
	size_t nr = 0;

	if (!elf_getphdrnum(elf, &nr)) {
		for (size_t i = 0; i < nr && i < 65536; i++) {
			GElf_Phdr phdr;

			if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_NOTE)
				continue;
			if (find_build_id(elf_getdata_rawchunk(
						  elf, (int64_t)phdr.p_offset, phdr.p_filesz,
						  phdr.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR),
					  ret))
				return;
		}
	}
	while ((scn = elf_nextscn(elf, scn))) { /* object files, and kernels */
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_NOTE &&
		    find_build_id(elf_getdata(scn, NULL), ret))
			return;
	}
}

void elf_read_identity(Elf *elf, struct symbolizer_identity *ret)
{
	Elf_Scn *scn = NULL;
	size_t names;
	GElf_Ehdr ehdr;

	*ret = (struct symbolizer_identity) { .build_id_len = 0 };
	if (!gelf_getehdr(elf, &ehdr))
		return;
	ret->elf_type = ehdr.e_type;
	ret->elf_machine = ehdr.e_machine;
	read_build_id(elf, ret);
	if (elf_getshdrstrndx(elf, &names) < 0)
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr))
			continue;
		name = elf_strptr(elf, names, shdr.sh_name);
		if (shdr.sh_type == SHT_SYMTAB)
			ret->has_symtab = true;
		else if (name && shdr.sh_type != SHT_NOBITS &&
			 (!strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info")))
			ret->has_dwarf = true;
		else if (name && shdr.sh_type != SHT_NOBITS &&
			 (!strcmp(name, ".debug_frame") || !strcmp(name, ".zdebug_frame")))
			ret->has_debug_frame = true;
		else if (name && !strcmp(name, ".gnu_debuglink"))
			ret->has_debuglink = true;
	}
	if (ret->has_debuglink)
		debug_link_read(elf, ret);
}

static bool find_in_table(Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr, const char *wanted,
			  uint64_t *ret)
{
	Elf_Data *data = elf_rawdata(scn, NULL);
	size_t nr = data && shdr->sh_entsize ? data->d_size / shdr->sh_entsize : 0;

	for (size_t i = 0; i < MIN(nr, (size_t)INT32_MAX); i++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(elf, shdr->sh_link, sym.st_name);
		if (!name || strcmp(name, wanted) != 0)
			continue;
		*ret = sym.st_value;
		return true;
	}
	return false;
}

bool elf_find_symbol(Elf *elf, const char *name, uint64_t *ret)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_SYMTAB)
			return find_in_table(elf, scn, &shdr, name, ret);
	}
	return false;
}
