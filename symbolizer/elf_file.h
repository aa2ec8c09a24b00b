/* An open ELF file: segments, build ID, symbol tables. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_ELF_FILE_H
#define FLEETPROF_SYMBOLIZER_ELF_FILE_H

#include "symbolizer/symbolizer.h"

#include <libelf.h>

struct segment {
	uint64_t offset, file_size; /* bytes of the file */
	uint64_t vaddr;
	bool executable;
};

#define SEGMENTS_MAX 128 /* PT_LOADs; linkers make four or five */

/*
 * File offset → address of the ELF's own space, by the PT_LOAD that holds the offset; executable segments first, since
 * page-aligned mappings of neighbours may overlap in the file. Returns false outside of every segment.
 */
bool elf_offset_to_vaddr(const struct segment *segments, size_t nr, uint64_t offset, uint64_t *ret);

/* Reads the PT_LOADs of elf; works without section headers. Returns the number of them. */
size_t elf_read_segments(Elf *elf, struct segment *segments, size_t max);

/* The value of a symbol of .symtab that is defined; false: there is none of that name. */
bool elf_find_symbol(Elf *elf, const char *name, uint64_t *ret);

void elf_read_identity(Elf *elf, struct symbolizer_identity *ret);

#endif
