/*
 * DWARF 2 to 5: functions, lines and inlined calls of addresses, a unit at a time.
 *
 * A batch is answered unit by unit. Of a unit its functions are found in one pass over its entries, its line program is
 * run once, and what is inlined into a function is read when somebody asks for an address of it; all as flat tables that
 * stay until memory is needed for others (dwarf_units.h). Names are read for answers only.
 *
 * What memory does not suffice for is left out, in this order: inlined calls, lines (by running the program again for
 * the addresses of the batch, which needs none), functions. Each answer says so. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_H
#define FLEETPROF_SYMBOLIZER_DWARF_H

#include "symbolizer/image.h"
#include "symbolizer/result.h"
#include "symbolizer/spans.h"

struct dwarf_index;

/*
 * NULL in *ret when the file has no DWARF that we read: an object file's, which is not relocated, for example. fd and
 * elf outlive the index. soft_max: bytes of mem above which tables of units go again.
 */
int dwarf_index_new(struct dwarf_index **ret, int fd, Elf *elf, struct mem *mem, size_t soft_max);
struct dwarf_index *dwarf_index_free(struct dwarf_index *d);
DEFINE_CLEANUP(struct dwarf_index *, dwarf_index_free)

struct dwarf_query {
	uint64_t vaddr;
	size_t index; /* of the answer in the result */

	bool answered; /* the result has its frames */
	uint8_t less; /* enum symbolizer_less */
	const char *
		file; /* when only a line is known, of code that no function is described for; else NULL */
	uint32_t line, column;
	struct stretch
		stretch; /* STRETCH_ALL before; where the answer is the same, when answered */

	uint64_t unit; /* private */
};

/*
 * To be called before a question. Forgets all strings of answers when they are many, or not as `how` wants them; true:
 * it did.
 */
bool dwarf_index_make_room(struct dwarf_index *d, enum symbolizer_demangle how);

/*
 * Answers as many of nr queries as it can, in whatever order is quickest; ascending addresses are. Strings of the
 * answers stay until they are forgotten. Returns 0 or -errno of the result.
 */
int dwarf_index_answer(struct dwarf_index *d, struct dwarf_query *queries, size_t nr,
		       struct result *result);

/*
 * Other files that belong to it: dwz's shared one, .dwo files or a .dwp. fd and elf may go afterwards. Units that were
 * read are forgotten, and with them the strings of the answers before. add_split returns how many units came with it,
 * 0 for none that anybody misses.
 */
int dwarf_index_add_alt(struct dwarf_index *d, int fd, Elf *elf);
ssize_t dwarf_index_add_split(struct dwarf_index *d, int fd, Elf *elf);

/*
 * The files that the answers since they were last forgotten would have been better with. Start with *it = 0; false at
 * the end.
 */
void dwarf_index_forget_wants(struct dwarf_index *d);
bool dwarf_index_want(struct dwarf_index *d, size_t *it, struct symbolizer_want *ret);

/* What answers lack because sections did not fit into memory, or are broken: bits of enum symbolizer_less. */
uint8_t dwarf_index_less(const struct dwarf_index *d);

void dwarf_index_stats(const struct dwarf_index *d, struct symbolizer_stats *ret);

#endif
