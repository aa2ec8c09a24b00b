/*
 * What addresses were found to mean, kept on disk: neither a restart nor a second container asks for it again.
 *
 * Answers are kept under the digest (SHA-256) of the file's content, and of its separate debug file's: never under a build
 * ID, which is what the file's author wrote. Only answers that were read from what was hashed are put here (objects.h).
 * Beside them stands which digest a file had, by its identity: a file that has not changed since is not hashed again after
 * a restart. That is believed for reading only: whatever it was, it can mislead nobody but that file's own users.
 *
 * What is worth it, as measured: hashing takes 0.8 ms of CPU a megabyte. Naming the addresses of a profile takes 20 to 80
 * ms for a library with separate debug information, 30 to 60 ms for a program of 30 MB that holds its own (25 ms to
 * hash), but 0.3 to 4 ms for symbol tables of 110 MB (84 ms to hash) and 1 to 7 ms for Go's tables of 15 MB (12 ms). So
 * files without debug information are left out, and so is what names them: the kernel (modules and BPF programs come and
 * go), generated code, containers. Also left out are files whose debug information lies in further files (split DWARF,
 * dwz), answers that lack something, and file systems that do not show every write (twins.h).
 *
 * The core itself reads and writes the files, in the state directory: they are ours, of this build alone, checksummed, and
 * checked like an answer of the symbolizer. (The exporter would have SQLite for it, but then each name would wait for
 * another process, and the process with the network would have the word on names.) Two generations as in symcache.h:
 * `names` is added to; when it has half of the bytes it becomes `names.old`, and the old one goes. What is read from the
 * old one moves. Nothing here stops an agent: what fails is counted, and said once.
 */
#ifndef FLEETPROF_CORE_SYMDISK_H
#define FLEETPROF_CORE_SYMDISK_H

#include "agent/base/cleanup.h"
#include "symbolizer/symbolizer.h"

struct symdisk;

struct symdisk_config {
	int dir_fd; /* used by the call, and kept as a duplicate */
	uint64_t build; /* whatever changes answers changes it */
	uint64_t max_bytes; /* of both generations */
	size_t max_memory; /* of the tables of what is where */
};

/*
 * The least that makes sense; less is as 0, off.
 */
#define SYMDISK_BYTES_MIN (1u << 20)

/* 0 or -ENOMEM. Files that cannot be used are left or started anew, with a message. */
int symdisk_open(struct symdisk **ret, const struct symdisk_config *config);
struct symdisk *symdisk_free(struct symdisk *d);
DEFINE_CLEANUP(struct symdisk *, symdisk_free)

struct symdisk_key {
	uint8_t program[SYMBOLIZER_DIGEST_SIZE];
	uint8_t debug
		[SYMBOLIZER_DIGEST_SIZE]; /* of its separate debug file; zeros: there is none */
};

/*
 * Calls fn for every answer that is kept for the key, by offset into the file; of an offset that comes twice the first
 * counts. Strings are valid during the call. answer->first_frame is 0.
 */
typedef void (*symdisk_fn)(uint64_t offset, const struct symbolizer_answer *answer,
			   const struct symbolizer_frame *frames, void *userdata);
void symdisk_get(struct symdisk *d, const struct symdisk_key *key, symdisk_fn fn, void *userdata);

/* Keeps the answers to these offsets, ascending, which the symbolizer gave. Those that lack something are left out. */
void symdisk_put(struct symdisk *d, const struct symdisk_key *key, const uint64_t *offsets,
		 const struct symbolizer_result *result);

/* One revision of one file, as its file system tells it. */
struct symdisk_revision {
	uint64_t ino, size, mtime_ns, ctime_ns;
	uint32_t dev, gen;
};
bool symdisk_recall(struct symdisk *d, const struct symdisk_revision *revision,
		    uint8_t ret[SYMBOLIZER_DIGEST_SIZE]);
void symdisk_remember(struct symdisk *d, const struct symdisk_revision *revision,
		      const uint8_t digest[SYMBOLIZER_DIGEST_SIZE]);

struct symdisk_counts {
	uint64_t hits, misses; /* files whose answers were looked for */
	uint64_t read, written; /* answers */
	uint64_t evicted; /* bytes that went with the old generation */
	uint64_t corrupt; /* files and records that were dropped since a check failed */
	uint64_t refused; /* batches that found no room in a generation of their own */
	uint64_t errors; /* of the file system */
	uint64_t bytes, keys; /* now */
};
void symdisk_counts(const struct symdisk *d, struct symdisk_counts *ret);

#endif
