/* An open ELF file: segments, build ID, symbol tables. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_ELF_FILE_H
#define FLEETPROF_SYMBOLIZER_ELF_FILE_H

#include "symbolizer/symbolizer.h"

#include <gelf.h>

struct segment {
	uint64_t offset, file_size; /* bytes of the file */
	uint64_t vaddr;
	bool executable;
};

#define SEGMENTS_MAX 128 /* PT_LOADs; linkers make four or five */

/*
 * The sections of an object file have no addresses yet. Its code is taken to lie one section behind the other, each
 * aligned as it wants to be: .text first, then the others in the file's order. Nothing begins at 0, which is where the
 * code is that linkers have discarded.
 */
#define ELF_OBJECT_BASE (1u << 16)

bool elf_is_object(Elf *elf);

struct elf_layout {
	Elf_Scn *scn;
	bool others; /* than .text */
	uint64_t next;
};
#define ELF_LAYOUT_BEGIN ((struct elf_layout) { .next = ELF_OBJECT_BASE })

/* The next section of code, its number, header and address; false at the end. */
bool elf_layout_next(Elf *elf, struct elf_layout *it, size_t *ret_index, GElf_Shdr *ret_shdr,
		     uint64_t *ret_address);

/*
 * File offset → address of the ELF's own space, by the PT_LOAD that holds the offset; executable segments first, since
 * page-aligned mappings of neighbours may overlap in the file. Returns false outside of every segment.
 */
bool elf_offset_to_vaddr(const struct segment *segments, size_t nr, uint64_t offset, uint64_t *ret);

/*
 * Reads the PT_LOADs of elf; works without section headers. Of an object file, its code as above. Returns the number
 * of them.
 */
size_t elf_read_segments(Elf *elf, struct segment *segments, size_t max);

/* The value of a symbol of .symtab that is defined; false: there is none of that name. */
bool elf_find_symbol(Elf *elf, const char *name, uint64_t *ret);

void elf_read_identity(Elf *elf, struct symbolizer_identity *ret);

#endif
