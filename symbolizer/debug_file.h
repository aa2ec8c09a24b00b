/*
 * Where else a file's symbols are: in its separate debug file, or packed within itself (.gnu_debugdata). Library-private.
 *
 * GDB's manual, "Debugging Information in Separate Files" and "Debugging information in a special section".
 */
#ifndef FLEETPROF_SYMBOLIZER_DEBUG_FILE_H
#define FLEETPROF_SYMBOLIZER_DEBUG_FILE_H

#include "symbolizer/mem.h"
#include "symbolizer/symbolizer.h"

#include <libelf.h>

/*
 * Is the ELF file behind fd the debug file of the program? Its build ID must be the same; without one on either side,
 * its bytes must have the CRC that the program's link gives.
 */
bool debug_file_matches(const struct symbolizer_identity *program,
			const struct symbolizer_identity *debug, int fd);

/* The name and CRC of .gnu_debuglink into ret. */
void debug_link_read(Elf *elf, struct symbolizer_identity *ret);

/*
 * The ELF file within .gnu_debugdata, unpacked (xz) into memory that is counted and stays as long as it; NULL in
 * *ret: there is none, it is broken, or too large for the memory.
 */
struct minidebug {
	Elf *elf;
	struct mem *mem;
	void *data;
	size_t size;
};
void minidebug_init(struct minidebug *m, Elf *elf, struct mem *mem);
void minidebug_deinit(struct minidebug *m);

#endif
