/*
 * Relocations of an object file's debug sections (.o, kernel modules), where addresses, and offsets into other sections,
 * are zeros until they are applied. Library-private.
 *
 * Read are those of x86-64 and arm64 (RELA) that say "address" or "offset"; gABI, chapter 4; the processors' own
 * supplements. What leads out of the section, or to a symbol that is not there, is left as it is.
 */
#ifndef FLEETPROF_SYMBOLIZER_RELOCATE_H
#define FLEETPROF_SYMBOLIZER_RELOCATE_H

#include "symbolizer/mem.h"

#include <libelf.h>
#include <stdbool.h>

struct relocator {
	struct mem *mem;
	uint16_t machine;
	uint64_t *bases; /* address of each section; 0 where there is no code */
	size_t nr_bases;
	uint64_t symbols_offset, nr_symbols; /* of .symtab in the file */
};

/* Can this object file's relocations be applied? */
bool relocator_knows(Elf *elf);

/* 0 or -ENOMEM. */
int relocator_init(struct relocator *r, Elf *elf, struct mem *mem);
void relocator_deinit(struct relocator *r);

/* Applies one relocation to the section's bytes. symbol: that which it names, NULL: none. */
void relocate(const struct relocator *r, const Elf64_Rela *rela, const Elf64_Sym *symbol,
	      uint8_t *data, size_t size);

#endif
