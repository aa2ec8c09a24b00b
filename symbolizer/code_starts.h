/*
 * Where functions begin that no call frame information speaks of: by the symbols, and where those were stripped by what
 * is called and whose address is taken. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_CODE_STARTS_H
#define FLEETPROF_SYMBOLIZER_CODE_STARTS_H

#include "agent/base/cleanup.h"
#include "symbolizer/cfi.h"
#include "symbolizer/elf_file.h"

struct code_starts;

/*
 * elf, the segments, the index (of FDEs, whose functions are of no interest) and bounds, counts by enum unwind_bound,
 * outlive it.
 */
int code_starts_new(struct code_starts **ret, Elf *elf, const struct segment *segments,
		    size_t nr_segments, const struct cfi_index *described, uint64_t init,
		    uint32_t *bounds);
struct code_starts *code_starts_free(struct code_starts *s);
DEFINE_CLEANUP(struct code_starts *, code_starts_free)

enum code_start {
	CODE_START_SURE = 1, /* by a symbol, or called */
	CODE_START_POINTED = 2, /* its address is taken: a function's, or another's */
	CODE_START_ENTRY = 3, /* the program's: nobody called it */
};

/* The next start at or behind an address and before another one; false: there is none. */
bool code_starts_next(const struct code_starts *s, uint64_t from, uint64_t to, uint64_t *ret,
		      enum code_start *ret_how);

/* Reads what there is, the first time that this is asked for a part of so many bytes; small parts are not worth it. */
void code_starts_prepare(struct code_starts *s, uint64_t bytes);

/* Another one that was found, which is taken for CODE_START_POINTED, if those are known at all. */
void code_starts_add(struct code_starts *s, uint64_t address);

/* Are all functions known, so that what is between two is the first one's? */
bool code_starts_complete(const struct code_starts *s);

#endif
