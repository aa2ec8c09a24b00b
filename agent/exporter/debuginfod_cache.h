/*
 * Debug files on disk, by build ID, under a budget of bytes.
 *
 * A file is written under a temporary name, synced, and renamed to its build ID in hex: what has such a name is whole,
 * whatever crashed. That it is the right file only its reader can tell: a file in here is a candidate, never more.
 *
 * The longest unused goes first (the modification time says when it was used). A file that the core or a symbolizer has
 * open keeps its bytes on the disk even when its name is gone, so it is not taken: a descriptor that is given out holds
 * a shared flock(2), which goes with the last copy of it, in whatever process, and needs no message. So the budget holds.
 */
#ifndef FLEETPROF_EXPORTER_DEBUGINFOD_CACHE_H
#define FLEETPROF_EXPORTER_DEBUGINFOD_CACHE_H

#include "agent/base/err.h"
#include "proto/winwire.h"

#include <stdbool.h>

#define DEBUGINFODCACHE_FILES_MAX 4096

struct debuginfod_id {
	uint8_t bytes[WINWIRE_BUILD_ID_MAX];
	size_t len; /* from WINWIRE_BUILD_ID_MIN */
};
#define DEBUGINFOD_ID_HEX (2 * WINWIRE_BUILD_ID_MAX + 1)

/* 0 or -EINVAL: the length is out of bounds. */
int debuginfod_id_set(struct debuginfod_id *id, const uint8_t *bytes, size_t len);
bool debuginfod_id_equal(const struct debuginfod_id *a, const struct debuginfod_id *b);
void debuginfod_id_print(const struct debuginfod_id *id, char ret[DEBUGINFOD_ID_HEX]);
/* The inverse: lower case and whole bytes only. 0 or -EINVAL. */
int debuginfod_id_parse(const char *hex, struct debuginfod_id *ret);

struct debuginfod_cache;

struct debuginfod_cache_config {
	const char *dir; /* made if it is not there; used by one process at a time */
	uint64_t max_bytes;
	unsigned int min_free_percent; /* of the file system: nothing is added below it */
};

/* Removes what a crash left behind, and what is above the budget. 0, or -errno with err set. */
int debuginfodcache_new(struct debuginfod_cache **ret, const struct debuginfod_cache_config *config,
			struct err *err);
struct debuginfod_cache *debuginfodcache_free(struct debuginfod_cache *c);
DEFINE_CLEANUP(struct debuginfod_cache *, debuginfodcache_free)

/* A descriptor to read the file by, which counts as a use; -ENOENT, or -errno. */
int debuginfodcache_open(struct debuginfod_cache *c, const struct debuginfod_id *id);

/* It is no good. Returns the origin of debuginfodcache_begin(), or -ENOENT: it is not there, or of an earlier run. */
int debuginfodcache_remove(struct debuginfod_cache *c, const struct debuginfod_id *id);

/*
 * A file that is being written; one of a build ID at a time. Its bytes count from the moment that room is made for them.
 * origin: the caller's, from 0.
 */
struct debuginfod_file;
int debuginfodcache_begin(struct debuginfod_cache *c, const struct debuginfod_id *id, int origin,
			  struct debuginfod_file **ret);
/* Makes room for the file to become so large. 0, or -ENOSPC: what is there is in use, or the disk is nearly full. */
int debuginfodcache_reserve(struct debuginfod_file *f, uint64_t bytes);
/* Makes room if there is none, too. 0 or -errno. */
int debuginfodcache_write(struct debuginfod_file *f, const void *data, size_t len);
uint64_t debuginfodcache_written(const struct debuginfod_file *f);
/* The file is whole: a descriptor as of debuginfodcache_open(), or -errno. f is freed in both cases. */
int debuginfodcache_commit(struct debuginfod_file *f);
/* It is given up; takes NULL, returns NULL. */
struct debuginfod_file *debuginfodcache_abort(struct debuginfod_file *f);

struct debuginfod_cache_counts {
	uint64_t bytes, files; /* now */
	uint64_t evicted;
	uint64_t leftovers; /* of a crash, removed at the start */
};
void debuginfodcache_counts(const struct debuginfod_cache *c, struct debuginfod_cache_counts *ret);

#endif
