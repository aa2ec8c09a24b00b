/*
 * Go's own tables: function names, lines and the inline tree, also of stripped binaries. Library-private.
 *
 * Every Go binary carries them, since its runtime prints stack traces by them. Layouts of Go 1.16 to 1.26 (magic
 * 0xfffffffa, 0xfffffff0, 0xfffffff1), 64-bit, little endian. Nothing is indexed: an answer is a binary search and a few
 * varint runs in the mapped file, so that a table of a gigabyte costs no memory.
 *
 * Source: runtime/symtab.go, runtime/symtabinl.go, cmd/link/internal/ld/pcln.go, debug/gosym/pclntab.go of each release.
 */
#ifndef FLEETPROF_SYMBOLIZER_GOPCLNTAB_H
#define FLEETPROF_SYMBOLIZER_GOPCLNTAB_H

#include "symbolizer/elf_file.h"
#include "symbolizer/result.h"

struct gopclntab;

/* NULL in *ret when the file is no Go program, or its table is not of a known layout. elf outlives the table. */
int gopclntab_new(struct gopclntab **ret, Elf *elf, const struct segment *segments,
		  size_t nr_segments);
struct gopclntab *gopclntab_free(struct gopclntab *t);
DEFINE_CLEANUP(struct gopclntab *, gopclntab_free)

/*
 * Adds the frames of vaddr, innermost first; names are the linker's, untouched. Returns how many (0: not Go code), or
 * -errno.
 */
int gopclntab_frames(const struct gopclntab *t, uint64_t vaddr, struct result *result);

/* How far the stack pointer is from the frame's return address, for a range of code. */
struct gopclntab_frame {
	uint64_t start, end;
	uint64_t entry; /* of the function */
	const char *name; /* of the function; NULL: none */
	int32_t size; /* bytes between; -1: unknown */
	bool writes_sp; /* the function sets its stack pointer to what it likes: size says nothing behind that */
	bool top; /* the function has no caller: goexit, and what starts a thread */
};
typedef void (*gopclntab_frame_fn)(const struct gopclntab_frame *frame, void *userdata);

/* Every range between two addresses, in order; what lies between functions is left out. */
void gopclntab_each_frame(const struct gopclntab *t, uint64_t from, uint64_t to,
			  gopclntab_frame_fn fn, void *userdata);

/* Where the function of this name begins; 0: there is none. Looks at every function. */
uint64_t gopclntab_find(const struct gopclntab *go, const char *name);

/* The file's bytes at an address, as many as there are up to *size; NULL: none. */
const uint8_t *gopclntab_code(const struct gopclntab *go, uint64_t vaddr, size_t *size);

#endif
