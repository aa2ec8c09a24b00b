/* The stubs of the PLT, by the functions that they call. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_SYMTAB_PLT_H
#define FLEETPROF_SYMBOLIZER_SYMTAB_PLT_H

#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

struct symtab_plt {
	Elf *elf;
	uint64_t start, end; /* of the stubs that calls go to; empty: there are none */
	Elf_Data *relocations, *symbols;
	size_t nr, names; /* relocations; the section of the symbols' names */
};

void symtab_plt_init(struct symtab_plt *plt, Elf *elf);

/* The function that the stub at vaddr stands for, and where the stub begins and ends; NULL: no stub is there. */
const char *symtab_plt_find(const struct symtab_plt *plt, uint64_t vaddr, uint64_t *ret_start,
			    uint64_t *ret_end);

#endif
