/* Symbol tables as they are in a file. */
#include "symbolizer/symtab_source.h"
#include "agent/base/cleanup.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>

#define GUESSED_SIZE_MAX (1u << 20) /* how far a symbol without a size reaches, at the most */

static int read_sections(struct symtab_file *file, Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t nr;

	if (elf_getshdrnum(elf, &nr) < 0)
		return 0;
	nr = MIN(nr, (size_t)SHN_LORESERVE);
	file->sections = mem_zalloc(file->mem, nr * sizeof(*file->sections));
	if (!file->sections)
		return -ENOMEM;
	file->nr_sections = nr;
	while ((scn = elf_nextscn(elf, scn))) {
		size_t i = elf_ndxscn(scn);
		GElf_Shdr shdr;

		if (i < nr && gelf_getshdr(scn, &shdr))
			file->sections[i] = (struct symtab_section) {
				.end = shdr.sh_addr + shdr.sh_size,
				.executable = shdr.sh_flags & SHF_EXECINSTR,
			};
	}
	return 0;
}

int symtab_file_init(struct symtab_file *file, Elf *elf, int fd, struct mem *mem)
{
	struct symtab_file f = { .mem = mem, .is64 = gelf_getclass(elf) == ELFCLASS64 };
	int r = 0;

	if (fd >= 0) {
		r = image_new(&f.image, fd, elf, false, mem);
		if (!r)
			f.data = image_bytes(f.image, &f.size);
	} else {
		f.data = (const uint8_t *)elf_rawfile(elf, &f.size);
	}
	if (!r && f.data)
		r = read_sections(&f, elf);
	if (r)
		symtab_file_deinit(&f);
	else
		*file = f;
	return r;
}

void symtab_file_deinit(struct symtab_file *file)
{
	mem_free(file->mem, file->sections, file->nr_sections * sizeof(*file->sections));
	image_free(file->image);
	*file = (struct symtab_file) { .mem = file->mem };
}

static bool part(const struct symtab_file *file, const GElf_Shdr *shdr, const uint8_t **ret)
{
	if (shdr->sh_type == SHT_NOBITS || shdr->sh_offset > file->size ||
	    shdr->sh_size > file->size - shdr->sh_offset)
		return false;
	*ret = file->data + shdr->sh_offset;
	return true;
}

static bool read_source(struct symtab_source *s, Elf *elf, const GElf_Shdr *shdr)
{
	size_t entry = s->file->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	Elf_Scn *scn = elf_getscn(elf, shdr->sh_link);
	const uint8_t *strings, *nul;
	GElf_Shdr string_shdr;

	if (shdr->sh_entsize != entry || (shdr->sh_flags & SHF_COMPRESSED) ||
	    !part(s->file, shdr, &s->symbols) || !scn || !gelf_getshdr(scn, &string_shdr) ||
	    (string_shdr.sh_flags & SHF_COMPRESSED) || !part(s->file, &string_shdr, &strings))
		return false;
	nul = string_shdr.sh_size ? memrchr(strings, 0, string_shdr.sh_size) : NULL;
	if (!nul)
		return false;
	s->strings = (const char *)strings;
	s->strings_size = (size_t)(nul - strings) + 1;
	s->entry = entry;
	s->nr = shdr->sh_size / entry;
	return true;
}

static size_t add_tables(struct symtab_source *sources, size_t nr, const struct symtab_file *file,
			 Elf *elf, uint32_t type)
{
	Elf_Scn *scn = NULL;

	while (file->data && nr < SYMTAB_SOURCES_MAX && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != type)
			continue;
		sources[nr] = (struct symtab_source) { .file = file };
		nr += read_source(&sources[nr], elf, &shdr);
	}
	return nr;
}

size_t symtab_sources_add(struct symtab_source *sources, size_t nr, const struct symtab_file *file,
			  Elf *elf)
{
	size_t more = add_tables(sources, nr, file, elf, SHT_SYMTAB);

	return more > nr ? more : add_tables(sources, nr, file, elf, SHT_DYNSYM);
}

static Elf64_Sym read_raw(const struct symtab_source *s, size_t i)
{
	Elf64_Sym sym;
	Elf32_Sym sym32;

	if (s->file->is64) {
		memcpy(&sym, s->symbols + i * sizeof(sym), sizeof(sym));
		return sym;
	}
	memcpy(&sym32, s->symbols + i * sizeof(sym32), sizeof(sym32));
	return (Elf64_Sym) { .st_name = sym32.st_name,
			     .st_info = sym32.st_info,
			     .st_other = sym32.st_other,
			     .st_shndx = sym32.st_shndx,
			     .st_value = sym32.st_value,
			     .st_size = sym32.st_size };
}

/* Assembly often leaves the type out; mapping symbols ($x, .L) are no names. */
static bool is_label(const struct symtab_source *s, const Elf64_Sym *sym)
{
	char first = *symtab_source_string(s, sym->st_name);

	return sym->st_value && first && first != '$' && first != '.';
}

/* Global before weak before local; with a size before without. */
static uint8_t rank_of(const Elf64_Sym *sym)
{
	uint32_t binding = ELF64_ST_BIND(sym->st_info);
	uint32_t rank = binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 1 : 2;

	return (uint8_t)(2 * rank + !sym->st_size);
}

bool symtab_source_read(const struct symtab_source *s, size_t i, struct symtab_symbol *ret)
{
	Elf64_Sym sym = read_raw(s, i);
	uint32_t type = ELF64_ST_TYPE(sym.st_info);
	uint64_t limit = sym.st_value + GUESSED_SIZE_MAX;

	if (sym.st_shndx == SHN_UNDEF || !sym.st_name ||
	    (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE))
		return false;
	if (sym.st_shndx < s->file->nr_sections) {
		if (!s->file->sections[sym.st_shndx].executable)
			return false;
		limit = MIN(limit, s->file->sections[sym.st_shndx].end);
	}
	if (type == STT_NOTYPE && !is_label(s, &sym))
		return false;
	*ret = (struct symtab_symbol) { .start = sym.st_value,
					.size = sym.st_size,
					.limit = limit,
					.name = sym.st_name,
					.rank = rank_of(&sym) };
	return true;
}

void symtab_source_touch(const struct symtab_source *s, size_t i)
{
	if (s->file->image && i < s->nr)
		image_touch(s->file->image, s->symbols + i * s->entry,
			    MIN(s->nr - i, (size_t)SYMTAB_STEP) * s->entry);
}

const char *symtab_source_string(const struct symtab_source *s, uint32_t offset)
{
	if (offset >= s->strings_size)
		return "";
	if (s->file->image)
		image_touch(s->file->image, s->strings + offset, 1);
	return s->strings + offset;
}
