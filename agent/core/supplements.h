/*
 * The files that hold a part of one program's debug information and that its symbolizer asks for: dwz's shared file, a
 * package of split DWARF, single .dwo files.
 *
 * The paths are a hostile file's: they are opened inside a root where the program is mapped, and in the host's own only where there is nothing but debug files (debug_path_is_public()); only what begins as an ELF file is handed
 * out, and the symbolizer compares build IDs and unit ids. One file is asked for at a time, and a file system that lets
 * the opener wait to its deadline is not asked again for this program.
 *
 * Bounds: ids that are remembered and descriptors that are kept, of one program and of all; each is counted.
 */
#ifndef FLEETPROF_CORE_SUPPLEMENTS_H
#define FLEETPROF_CORE_SUPPLEMENTS_H

#include "agent/opener/client.h"
#include "proto/symwire.h"
#include "symbolizer/symbolizer.h"

struct supplements;

#define SUPPLEMENTS_OPEN_MAX 1024 /* descriptors of all programs together */
#define SUPPLEMENTS_OPEN_OF_ONE_MAX 128 /* … and of one: two requests' */
#define SUPPLEMENTS_IDS_MAX 4096 /* .dwo files of one program that are remembered */

/* Of all programs; zero at the beginning. */
struct supplements_counts {
	size_t open; /* descriptors now */
	uint64_t found, missing; /* files that were looked for */
	uint64_t refused; /* found, and not what the program meant */
	uint64_t
		stalled; /* programs whose files are not looked for any more: opening one took too long */
	uint64_t dropped; /* descriptors and ids that went for want of room */
};

/* dwz's file, which is nowhere on this host, or only others under its name. It may be had elsewhere, and be brought. */
typedef void (*supplements_missing_fn)(const struct symbolizer_want *want, void *userdata);

/* opener and counts are the caller's. */
int supplements_new(struct supplements **ret, struct openclient *opener,
		    struct supplements_counts *counts, supplements_missing_fn fn, void *userdata);
struct supplements *supplements_free(struct supplements *s); /* not while it is busy */
DEFINE_CLEANUP(struct supplements *, supplements_free)

/* Searches under way. */
bool supplements_busy(const struct supplements *s);

/* What was found so far for all of the program's units; -1: nothing. They stay the object's. */
int supplements_alt_fd(const struct supplements *s);
int supplements_package_fd(const struct supplements *s);

/* dwz's file, from elsewhere; takes the descriptor. */
void supplements_bring_alt(struct supplements *s, int fd);

/* Single files that go with one request. Descriptors are valid during the callback that brings them. */
struct supplements_given {
	bool alt, package; /* whether these went along */
	size_t nr;
	int fds[SYMWIRE_SPLITS_MAX];
	uint64_t ids[SYMWIRE_SPLITS_MAX];
};

/* found: is there anything that was not given before? If not, asking again changes nothing. */
typedef void (*supplements_fn)(bool found, const struct supplements_given *give, void *userdata);

/* Where a program's files may be. */
struct supplements_program {
	int root_fd; /* the root that its names are for; -1: none */
	const char *path, *debug_path; /* of it and of its debug file; NULL: unknown */
};

/*
 * Looks for what an answer wanted. given: what had gone with its request; what was given and is wanted still was not the
 * right file. The callback comes once, maybe within the call; -errno: it does not.
 */
int supplements_find(struct supplements *s, const struct supplements_program *program,
		     const struct symbolizer_want *wants, size_t nr,
		     const struct supplements_given *given, supplements_fn fn, void *userdata);

/* Would that look for nothing, since all of it was looked for before in vain? */
bool supplements_are_missing(const struct supplements *s, const struct symbolizer_want *wants,
			     size_t nr);

#endif
