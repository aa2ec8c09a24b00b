/* Symbol tables as they are in a file: each symbol is read where it stands. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_SYMTAB_SOURCE_H
#define FLEETPROF_SYMBOLIZER_SYMTAB_SOURCE_H

#include "agent/base/cleanup.h"
#include "symbolizer/image.h"

#include <string.h>

/* What is known of a section that symbols are in. */
struct symtab_section {
	uint64_t base; /* what symbols' values are counted from */
	uint64_t end;
	bool executable;
};

/* An ELF file: mapped by an image, whose pages are counted, or in memory as it is. */
struct symtab_file {
	struct image *image; /* NULL: in memory */
	const uint8_t *data;
	size_t size;
	bool is64;
	struct symtab_section *sections;
	size_t nr_sections;
	struct mem *mem;
};

/* fd: -1 for an elf that is in memory. 0 or -ENOMEM. */
int symtab_file_init(struct symtab_file *file, Elf *elf, int fd, struct mem *mem);
void symtab_file_deinit(struct symtab_file *file);

/* One section of symbols. */
struct symtab_source {
	const struct symtab_file *file;
	const uint8_t *symbols;
	size_t nr, entry; /* symbols; bytes of one */
	const char *strings; /* ends with NUL */
	size_t strings_size;
};

#define SYMTAB_SOURCES_MAX 8 /* .symtab and .dynsym of each file */

/* Appends the table of elf: .symtab, which has what .dynsym has, else that. Returns how many there are then. */
size_t symtab_sources_add(struct symtab_source *sources, size_t nr, const struct symtab_file *file,
			  Elf *elf);

/* A symbol of a function. */
struct symtab_symbol {
	uint64_t start, size; /* size 0: unknown */
	uint64_t limit; /* where it must end, if its size is unknown */
	uint32_t name;
	uint8_t rank; /* order of preference among equals: lower is better */
};

/* Is one without a type a function's, as assembly often leaves them? */
bool symtab_source_is_label(const struct symtab_source *s, uint64_t value, uint32_t name);

#define SYMTAB_GUESSED_MAX (1u << 20) /* how far a symbol without a size reaches, at the most */

/* False: symbol i is not a function's. Inline, as it is asked for each of them. */
static inline bool symtab_source_read(const struct symtab_source *s, size_t i,
				      struct symtab_symbol *ret)
{
	Elf64_Sym sym;
	uint32_t type, binding, section;

	if (s->file->is64) {
		memcpy(&sym, s->symbols + i * sizeof(sym), sizeof(sym));
	} else {
		Elf32_Sym sym32;

		memcpy(&sym32, s->symbols + i * sizeof(sym32), sizeof(sym32));
		sym = (Elf64_Sym) { .st_name = sym32.st_name,
				    .st_info = sym32.st_info,
				    .st_shndx = sym32.st_shndx,
				    .st_value = sym32.st_value,
				    .st_size = sym32.st_size };
	}
	type = ELF64_ST_TYPE(sym.st_info);
	binding = ELF64_ST_BIND(sym.st_info);
	section = sym.st_shndx;
	if (section == SHN_UNDEF || !sym.st_name ||
	    (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE))
		return false;
	if (section < s->file->nr_sections) {
		if (!s->file->sections[section].executable)
			return false;
		sym.st_value += s->file->sections[section].base;
	}
	*ret = (struct symtab_symbol) {
		.start = sym.st_value,
		.size = sym.st_size,
		.limit = sym.st_value + SYMTAB_GUESSED_MAX,
		.name = sym.st_name,
		/* Global before weak before local; with a size before without. */
		.rank = (uint8_t)(2 * (binding == STB_GLOBAL ? 0
				       : binding == STB_WEAK ? 1
							     : 2) +
				  !sym.st_size),
	};
	if (section < s->file->nr_sections)
		ret->limit = MIN(ret->limit, s->file->sections[section].end);
	return type != STT_NOTYPE || symtab_source_is_label(s, sym.st_value, sym.st_name);
}

/* To be called before symbols from i on are read, as many as SYMTAB_STEP. */
#define SYMTAB_STEP 2048
void symtab_source_touch(const struct symtab_source *s, size_t i);

/* "" when it leads out of the strings. */
const char *symtab_source_string(const struct symtab_source *s, uint32_t offset);

#endif
