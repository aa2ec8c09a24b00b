/*
 * The line table of a unit: DWARF 5, 6.2; versions 2 to 5 of it.
 *
 * The program can be run for some addresses only, which is how the first question is answered and, where memory is
 * short, every one; or once for all, its rows kept: 12 bytes for each stretch of code of one line, those that say nothing
 * new left out. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_LINES_H
#define FLEETPROF_SYMBOLIZER_DWARF_LINES_H

#include "symbolizer/dwarf_unit.h"
#include "symbolizer/spans.h"

/* Files and columns beyond these are unknown (0): no compiler's are. */
#define DWARF_FILE_BITS 18
#define DWARF_COLUMN_BITS 14

struct dwarf_place {
	uint32_t line;
	uint32_t file : DWARF_FILE_BITS; /* as the program counts them */
	uint32_t column : DWARF_COLUMN_BITS;
};

/* The program's header, ready to be run. */
struct dwarf_program {
	const struct dwarf_unit *unit;
	struct dwarf_format format;
	uint8_t min_instruction, max_operations, line_range, opcode_base;
	int8_t line_base;
	const uint8_t *opcode_lengths;
	struct reader tables; /* directories and files */
	struct reader code;
};

/* 0, or -EBADMSG; -ENOENT when the unit has none. */
int dwarf_program_read(struct dwarf_program *ret, const struct dwarf_unit *unit);

struct dwarf_row {
	uint32_t start; /* from its sequence's start */
	struct dwarf_place place;
};

struct dwarf_sequence {
	uint64_t start, end;
	uint32_t first, nr; /* rows */
};

struct dwarf_lines {
	struct dwarf_sequence *sequences; /* sorted */
	struct dwarf_row *rows;
	size_t nr_sequences, nr_rows, sequences_size, rows_size;
	struct mem *mem;
};

/* Runs the program. Returns 0 or -ENOMEM; a program that breaks off gives the rows until there. */
int dwarf_lines_init(struct dwarf_lines *lines, const struct dwarf_program *program,
		     struct mem *mem);
void dwarf_lines_deinit(struct dwarf_lines *lines);

/* False: no row covers address. Narrows the stretch to the row's. */
bool dwarf_lines_find(const struct dwarf_lines *lines, uint64_t address, struct stretch *stretch,
		      struct dwarf_place *ret);

/* The row at an address. */
struct dwarf_scanned {
	struct dwarf_place place;
	struct stretch stretch;
	uint64_t sequence; /* where its sequence begins; 0: no row covers the address */
};

/* Runs the program for nr ascending addresses, until all are found. ret is all zeros before. */
void dwarf_lines_scan(const struct dwarf_program *program, const uint64_t *addresses, size_t nr,
		      struct dwarf_scanned *ret);

struct dwarf_path {
	const char *name;
	const char *full; /* NULL until asked for */
	uint32_t directory;
};

/* The files that the program names. */
struct dwarf_paths {
	struct dwarf_path *files;
	const char **directories;
	size_t nr_files, nr_directories, files_size, directories_size;
	uint32_t first; /* what the program counts its files from: 1 before DWARF 5 */
	struct mem *mem;
};

/* Returns 0 or -ENOMEM. The strings are those of the sections. */
int dwarf_paths_init(struct dwarf_paths *paths, const struct dwarf_program *program,
		     struct mem *mem);
void dwarf_paths_deinit(struct dwarf_paths *paths);

/*
 * Writes a file's path into out, made absolute by the directory and the unit's own as far as they say; returns its
 * length, cut at size - 1; 0: unknown.
 */
size_t dwarf_paths_write(const struct dwarf_paths *paths, const struct dwarf_unit *unit,
			 uint32_t file, char *out, size_t size);

#endif
