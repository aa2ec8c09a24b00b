/*
 * Functions by the symbol tables of a file: .symtab, .dynsym, and the PLT's stubs by the names they stand for.
 *
 * The first questions are answered in one pass over the tables, which needs no memory for the symbols, however many
 * there are; a file that is asked again and again gets a sorted table of them, if memory suffices. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_SYMTAB_H
#define FLEETPROF_SYMBOLIZER_SYMTAB_H

#include "agent/base/cleanup.h"
#include "symbolizer/mem.h"
#include "symbolizer/stretch.h"

#include <libelf.h>
#include <stdbool.h>

struct symtab;

/* Files whose symbols count together. Those that are NULL are not there; all outlive the table. */
struct symtab_files {
	Elf *elf, *debug; /* the file, and its separate debug file … */
	int fd, debug_fd;
	Elf *mini; /* … or what is packed in .gnu_debugdata, in memory */
};

/* 0 or -ENOMEM. */
int symtab_new(struct symtab **ret, const struct symtab_files *files, struct mem *mem);
struct symtab *symtab_free(struct symtab *t);
DEFINE_CLEANUP(struct symtab *, symtab_free)

struct symtab_query {
	uint64_t vaddr;
	size_t index; /* the caller's */

	const char *
		name; /* of the function that holds vaddr; NULL: there is none. Owned by the table */
	bool stub; /* of the PLT, for that function */
	struct stretch stretch; /* narrowed to where the answer is the same */
};

/* Answers nr queries of ascending addresses. 0, or -ENOMEM at the ceiling. */
int symtab_answer(struct symtab *t, struct symtab_query *queries, size_t nr);

#endif
