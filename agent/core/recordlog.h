/*
 * A file of checksummed records that only grows: found by key, latest first.
 *
 * Nothing is synchronized to the disk and no place is written twice: after a crash there is a valid beginning, and behind
 * it bytes that no checksum fits, which are cut off when the file is opened. A file of another format or build, or one that
 * is damaged at its beginning, is started anew. A record is checked again when it is read. Records of one key are chained
 * backwards in the file, so that memory holds one place for each key.
 *
 * Bounds: bytes of the file, keys in memory. The caller holds the lock of the folder.
 */
#ifndef FLEETPROF_CORE_RECORDLOG_H
#define FLEETPROF_CORE_RECORDLOG_H

#include "agent/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recordlog;

#define RECORDLOG_DATA_MAX (8u << 20) /* of one record */
#define RECORDLOG_KEY_BYTES 64
#define RECORDLOG_MEMORY_PER_KEY 32 /* in the table of places, at its usual load */

/* Whole bytes count: what is not used is zero. */
struct recordlog_key {
	uint8_t kind; /* the caller's */
	uint8_t bytes[RECORDLOG_KEY_BYTES];
};

struct recordlog_config {
	int dir_fd; /* used by the call alone */
	const char *name; /* in it */
	uint64_t build; /* records of other builds are not read */
	uint64_t max_bytes;
	size_t max_keys;
	bool fresh; /* whatever is there goes */
};

struct recordlog_found {
	bool dropped; /* there was a file that is not used: of another build, too large, or damaged */
	uint64_t cut; /* bytes at its end that were no records */
};

/* Opens the file or makes it. 0 or -errno: it is no plain file of ours, or cannot be written. */
int recordlog_open(struct recordlog **ret, const struct recordlog_config *config,
		   struct recordlog_found *ret_found);
struct recordlog *recordlog_free(struct recordlog *log);
DEFINE_CLEANUP(struct recordlog *, recordlog_free)

uint64_t recordlog_bytes(const struct recordlog *log);
size_t recordlog_keys(const struct recordlog *log);

/* How many records a key has; 0: none. */
unsigned int recordlog_count(const struct recordlog *log, const struct recordlog_key *key);

/* The key has no records from now on, until one is added. */
void recordlog_forget(struct recordlog *log, const struct recordlog_key *key);

enum { RECORDLOG_E_FULL = 1 }; /* of bytes or keys */

/*
 * Adds a record, of at most RECORDLOG_DATA_MAX bytes. first: earlier ones of this key are not read any more. Returns 0,
 * RECORDLOG_E_FULL, or -errno, and then the file is as before.
 */
int recordlog_append(struct recordlog *log, const struct recordlog_key *key, const void *data,
		     size_t size, bool first);

/*
 * Reads the key's latest record, and then those before it, while fn returns 0; fn owns data, which is from malloc().
 * Returns what fn did, 0 at the end, -ENOENT without any, or -EBADMSG at the first one that is damaged: from then on the
 * key has none.
 */
typedef int (*recordlog_fn)(void *data, size_t size, void *userdata);
int recordlog_read(struct recordlog *log, const struct recordlog_key *key, recordlog_fn fn,
		   void *userdata);

#endif
