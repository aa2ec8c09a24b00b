/* Where a Go program's runtime finds its tables: the record `moduledata`, in files with and without symbols. */
#ifndef FLEETPROF_SYMBOLIZER_GOMODULE_H
#define FLEETPROF_SYMBOLIZER_GOMODULE_H

#include "symbolizer/elf_file.h"

struct gomodule {
	uint64_t text; /* runtime.text: what 32-bit entries are relative to; 0: unknown */
	uint64_t gofunc; /* go:func.*: what funcdata offsets are relative to; 0: unknown */
};

/*
 * pclntab: address of the table, pclntab_size: its bytes, or some of them, among which nobody looks; names: address of
 * its function names, which the record's second word holds; has_coverage: the layout of Go 1.20 and later, with two
 * words more. Nothing found: all zero.
 */
void gomodule_find(Elf *elf, const struct segment *segments, size_t nr_segments, uint64_t pclntab,
		   uint64_t pclntab_size, uint64_t names, bool has_coverage, struct gomodule *ret);

#endif
