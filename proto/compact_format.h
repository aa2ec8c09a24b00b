/* The constants of the compact profile's layout, shared by its writer and its reader. */
#ifndef FLEETPROF_PROTO_COMPACT_FORMAT_H
#define FLEETPROF_PROTO_COMPACT_FORMAT_H

#define COMPACT_MAGIC "fpc1"

/* libdeflate's level 6: levels above 8 win 2 % for four times the time. */
#define COMPACT_DEFLATE_LEVEL 6

/* Deflate cannot make less than a thousandth of its input (RFC 1951: 258 bytes per two bits). */
#define COMPACT_MAX_RATIO 1032

enum compact_section {
	COMPACT_STRINGS, /* NUL-terminated, one after the other */
	COMPACT_MAPPINGS, /* file, build ID, flags */
	COMPACT_FUNCTIONS, /* name, system name, file, start line */
	COMPACT_LOCATIONS, /* lines << 4 | kind << 1 | has mapping, mapping?, address, lines */
	COMPACT_PROCESSES, /* tgid, start, comm */
	COMPACT_SAMPLES, /* shared frames, new frames, locations, process, thread, count, value */
	COMPACT_SECTIONS,
};

enum {
	COMPACT_HAS_FUNCTIONS = 1u << 0,
	COMPACT_HAS_FILENAMES = 1u << 1,
	COMPACT_HAS_LINE_NUMBERS = 1u << 2,
	COMPACT_HAS_INLINE_FRAMES = 1u << 3,
	COMPACT_MAPPING_FLAGS = 15,
};

#endif
