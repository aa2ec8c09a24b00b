/*
 * Files of equal content, such as one library in two containers' images: what one was found to mean holds for the other.
 *
 * Only the digest says so: a build ID is what the file's author wrote. It says where hashing can pay: two files of equal
 * size and build ID are probably equal. That a file is still what was hashed is seen by its ctime, which nobody below
 * CAP_SYS_TIME sets: it must have been older than the clock's tick, and the file system be one that keeps it for writes
 * through mappings (the pages are written out before the file is hashed; the next write to any of them is seen).
 *
 * Pure: no I/O, no clock.
 */
#ifndef FLEETPROF_CORE_TWINS_H
#define FLEETPROF_CORE_TWINS_H

#include "symbolizer/symbolizer.h"

#include <sys/stat.h>

enum twin_state {
	TWIN_UNHASHED = 0,
	TWIN_ASKED,
	TWIN_HASHED,
	TWIN_RECALLED, /* an earlier run of the program hashed it, as it is now */
	TWIN_UNKNOWN, /* the file cannot be hashed: it has no twins */
};

/* What is known of one file's content. */
struct twin {
	enum twin_state state;
	uint8_t digest[SYMBOLIZER_DIGEST_SIZE];
	uint64_t dev, ino, size;
	uint64_t mtime_ns, ctime_ns;
	uint32_t first; /* id of the first known file of this content; 0: it is that itself */
	bool has_others; /* it is the first for others, or was */
};

/* Does a file system of this magic number show every write in the file's ctime? */
bool twins_fs_is_honest(uint32_t s_magic);

/* Equal build IDs (there is one): are files of these identities, of equal size, worth to be hashed? */
bool twins_may_be(const struct symbolizer_identity *a, const struct symbolizer_identity *b);

/* The file is going to be hashed. False when it is no regular file, or was changed just before now_ns (wall clock). */
bool twins_ask(struct twin *twin, const struct stat *st, uint64_t now_ns);

/* The answer, and the file's state after it. NULL: none came, and none will. */
void twins_answer(struct twin *twin, const uint8_t digest[SYMBOLIZER_DIGEST_SIZE],
		  const struct stat *st);

/* Is the file still what was hashed? */
bool twins_is_as_hashed(const struct twin *twin, const struct stat *st);

/* That was asked, and this was the answer before a restart: good for oneself, not for others. */
void twins_recalled(struct twin *twin, const uint8_t digest[SYMBOLIZER_DIGEST_SIZE]);

/* Is the file still what was hashed, now or then? */
bool twins_is_as_recalled(const struct twin *twin, const struct stat *st);

/* Notes, in both of them, that both are of equal content, if they are. */
void twins_pair(struct twin *a, uint32_t id_a, struct twin *b, uint32_t id_b);

#endif
