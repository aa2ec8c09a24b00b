/* Where an ELF file has its .eh_frame. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_UNWIND_SECTIONS_H
#define FLEETPROF_SYMBOLIZER_UNWIND_SECTIONS_H

#include "symbolizer/cfi.h"

#include <libelf.h>

struct unwind_sections {
	struct cfi_section eh_frame; /* size 0: there is none */
	struct reader hdr; /* .eh_frame_hdr; empty: there is none */
	uint64_t hdr_vaddr;
	uint64_t init_vaddr; /* of _init; 0: there is none */
};

/* By section headers, and by program headers where there are none. The bytes belong to elf. */
void unwind_sections_find(Elf *elf, struct unwind_sections *ret);

#endif
