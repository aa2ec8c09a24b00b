/* Symbol tables as they are in a file: each symbol is read where it stands. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_SYMTAB_SOURCE_H
#define FLEETPROF_SYMBOLIZER_SYMTAB_SOURCE_H

#include "symbolizer/image.h"

/* What is known of a section that symbols are in. */
struct symtab_section {
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

/* False, as it is of most: what kind of a symbol i is says that it is not a function's. */
static inline bool symtab_source_may_be(const struct symtab_source *s, size_t i)
{
	const uint8_t *symbol = s->symbols + i * s->entry;
	uint8_t info =
		symbol[s->file->is64 ? offsetof(Elf64_Sym, st_info) : offsetof(Elf32_Sym, st_info)];
	uint32_t functions = 1u << STT_NOTYPE | 1u << STT_FUNC | 1u << STT_GNU_IFUNC;

	return functions >> (info & 0xf) & 1;
}

/* False: symbol i is not a function's. */
bool symtab_source_read(const struct symtab_source *s, size_t i, struct symtab_symbol *ret);

/* To be called before symbols from i on are read, as many as SYMTAB_STEP. */
#define SYMTAB_STEP 2048
void symtab_source_touch(const struct symtab_source *s, size_t i);

/* "" when it leads out of the strings. */
const char *symtab_source_string(const struct symtab_source *s, uint32_t offset);

#endif
