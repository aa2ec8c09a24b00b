/*
 * The mapped files: identity of a file revision → file id, descriptor, build ID.
 *
 * A file that is seen for the first time is opened at once, through the opener, while the process that maps it
 * is still there; its id is announced to the kernel side when the descriptor is ours, so that until then every
 * record that touches the file brings another chance to open it.
 *
 * A file may be mapped in several roots, as those of a shared image layer are, and its debug file is looked for in each:
 * who writes in one of them names nothing in the others. So samples of other roots than the first one's have an id of
 * their own, that of a view. It has no file of its own, and answers of another view, or of the object, are its own as
 * long as the debug file is found to be the very same one, below any overlay, or there is none.
 *
 * Where windows end, files that no sample touched for some windows give their descriptor and place back; sooner when
 * room is short, the longest unused first. An id is never given out twice in a run.
 */
#ifndef FLEETPROF_CORE_OBJECTS_H
#define FLEETPROF_CORE_OBJECTS_H

#include "agent/core/remotedebug.h"
#include "agent/core/roots.h"
#include "agent/core/sampler.h"
#include "agent/core/supplements.h"
#include "agent/core/symdisk.h"
#include "agent/core/table_source.h"
#include "agent/core/twins.h"
#include "agent/opener/client.h"
#include "symbolizer/client.h"

struct objects;

/* dwz's shared file, where it is nowhere on this host. */
struct object_alt {
	uint8_t build_id[SYMBOLIZER_BUILD_ID_MAX];
	uint32_t build_id_len; /* 0: it is not wanted */
	bool asking; /* for it, elsewhere; later again from this window on: */
	uint64_t window;
	bool brought;
	int fd; /* of what came, while the symbolizer looks at it; else -1 */
};

struct object {
	uint32_t id; /* file id of FRAME_FILE words; from 1 */
	struct rec_map identity; /* its mapping as first seen */
	int fd; /* -1: could not be opened (yet) */
	char *path; /* of the descriptor, in our view; NULL while unopened */
	bool elf_known; /* elf is valid */
	struct symbolizer_identity elf;
	int debug_fd; /* of what may be its separate debug file; -1: none */
	uint64_t owner; /* hash of the owner that first mapped it, for the symbolizer's budgets */
	struct root_key
		root_key; /* where that was: in whose root further files may lie; no ino: unknown */
	uint32_t table_slot; /* of its unwind table; UNWIND_SLOT_NONE while unopened */
	/* private to objects*.c */
	struct object *base; /* of a view: the object that has the file; NULL: it is no view */
	struct object *views, *next_view; /* of an object, and of a view: the next one */
	struct root *root; /* NULL: there is none to look into */
	struct supplements *supplements; /* once its symbolizer asked for one */
	struct twin twin, debug_twin; /* of the file, and of its debug file */
	struct rec_map debug_identity;
	bool debug_identified; /* debug_identity is valid */
	bool debug_frame; /* its debug file has call frames, … */
	bool table_has_debug; /* … and its unwind table was built with them */
	uint32_t content_id; /* of what was hashed; 0: it was not */
	bool kept; /* its names are, on disk */
	int remote_fd; /* of what came from a server, while the symbolizer compares it; else -1 */
	uint32_t debug_id; /* of its names since it has a debug file, or dwz's; 0: it has none */
	uint64_t remote_window; /* from which on a debug file is asked of elsewhere again */
	struct object_alt alt;
	struct objects *objects;
	unsigned int attempts;
	bool opening, identifying, announced;
	bool searching; /* for its debug file, the next time from this place on: */
	size_t next_place;
	bool located; /* it was searched for, on this host, … */
	bool in_root; /* … and in the object's root, too */
	bool hashing, hashing_debug;
	bool shortened; /* an answer about it lacked something for want of memory */
	bool retiring; /* its id was taken back: it goes at the next window's end unless it is seen again */
	uint64_t window; /* the newest that has it */
};
#define OBJECTS_IDLE_WINDOWS 15 /* without a sample: forgotten */
#define OBJECTS_IDLE_WINDOWS_MIN 2 /* … when three quarters of the places are taken */
#define OBJECTS_HASH_BYTES (1ULL << 30) /* in one window: some seconds of one CPU at most */

struct objects_counts {
	size_t seen, opened, unopened; /* files that have a place now */
	size_t with_debug_file; /* of them */
	size_t views, views_apart; /* … in further roots; of them, with names of their own */
	uint64_t
		wrong_debug_files; /* that were found where one would be, and are another program's */
	struct supplements_counts supplements;
	uint64_t roots_refused; /* roots that nothing was looked for in, for want of a place */
	uint64_t forgotten; /* files that had one */
	uint64_t refused; /* frames whose file, or view, found no place in the table */
	uint64_t mismatches; /* descriptors that turned out to be another file */
	uint64_t hashed; /* files that look like another one, or whose names are kept: read whole */
	uint64_t recalled; /* … that were read so before a restart */
	uint64_t not_hashed; /* … and were not, for want of OBJECTS_HASH_BYTES */
	size_t shared; /* files now whose names are those of an earlier one of equal content */
	uint64_t less_inlines, less_lines,
		less_functions; /* answers that lack them for want of memory */
	size_t shortened; /* files now with such answers */
};

/* tables: whom to tell of a file that is opened. disk: where names are kept; NULL: nowhere. */
int objects_new(struct objects **ret, struct sampler *sampler, struct openclient *opener,
		struct symclient *symbolizer, struct table_source *tables, struct symdisk *disk,
		size_t max);
struct objects *objects_free(struct objects *objects);
DEFINE_CLEANUP(struct objects *, objects_free)

/* Where to ask for debug files that this host does not have; NULL: nowhere. remote: lives as long as this. */
void objects_set_remotedebug(struct objects *objects, struct remotedebug *remote);

/*
 * Turns a sample's words into words without RECMAP: kernel part first, then user part, leaf first.
 * out holds RECORD_MAX_WORDS; returns the number of words. owner is passed on to new objects.
 */
size_t objects_translate(struct objects *objects, const struct sampler_sample *sample,
			 uint64_t owner, uint64_t *out);

/* The object of a file id, or NULL. */
const struct object *objects_get(const struct objects *objects, uint32_t id);

/*
 * Whose file to ask for the names of this one's: that of the first object of equal content (twins.h), else its own. The
 * content has a number of its own, of the file ids' space: what was read before the file was hashed is not shared. An
 * object with a separate debug file shares with no other file's: its names are not in its content alone. One whose
 * symbolizer wanted further files has no such content. Since it has a debug
 * file it has another number, so that what was asked for before is asked for again.
 *
 * An answer that came from another object, or under another number, counts only if it is still the one to ask when the
 * answer comes: the file may have been changed while it was read.
 */
struct objects_content {
	const struct object *object;
	uint32_t id; /* for the symbolizer's key and the words of what is kept; never reused */
};
struct objects_content objects_content(const struct objects *objects, const struct object *object);

/*
 * Counts an answer about a file that lacks something for want of memory: less is its enum symbolizer_less, of which other
 * bits do not count. The first one of each file is logged.
 */
void objects_add_less(struct objects *objects, uint32_t id, uint8_t less);

/*
 * Under what the object's names are on disk, if they may be. What is put there has come under the content's own number:
 * the digests may be those of an earlier run, which are good enough to read.
 */
bool objects_key(const struct object *object, struct symdisk_key *ret);

/* Names were asked for that are not on disk: the object is hashed, so that they can be put there. */
void objects_want_content(struct objects *objects, uint32_t id);

/* What to ask of an object's file: the descriptors of everything that is known to belong to it. */
struct symclient_file objects_request(const struct object *object);

/* Looks for files that an answer to such a request wanted, see supplements_find(). */
int objects_supply(struct objects *objects, uint32_t id, const struct symbolizer_want *wants,
		   size_t nr, const struct supplements_given *given, supplements_fn fn,
		   void *userdata);

/* Was all of it looked for before, in vain? */
bool objects_supplies_are_missing(const struct object *object, const struct symbolizer_want *wants,
				  size_t nr);

/* These words, without RECMAP, are in the window that has not ended: their files are in use. */
void objects_touch(struct objects *objects, const uint64_t *words, size_t nr);

/* A window ends. */
void objects_end_window(struct objects *objects);

void objects_counts(const struct objects *objects, struct objects_counts *ret);

#endif
