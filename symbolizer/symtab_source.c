/* Symbol tables as they are in a file. */
#include "symbolizer/symtab_source.h"
#include "agent/base/cleanup.h"
#include "symbolizer/elf_file.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>

/* What symbols of an object file count from. */
static void read_layout(struct symtab_file *file, Elf *elf)
{
	struct elf_layout layout = ELF_LAYOUT_BEGIN;
	uint64_t address;
	GElf_Shdr shdr;
	size_t i;

	while (elf_layout_next(elf, &layout, &i, &shdr, &address)) {
		if (i >= file->nr_sections)
			continue;
		file->sections[i].base = address;
		file->sections[i].end = address + shdr.sh_size;
	}
}

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
	if (elf_is_object(elf))
		read_layout(file, elf);
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

/* Mapping symbols ($x, .L) are no names. */
bool symtab_source_is_label(const struct symtab_source *s, uint64_t value, uint32_t name)
{
	char first = *symtab_source_string(s, name);

	return value && first && first != '$' && first != '.';
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
