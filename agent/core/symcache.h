/*
 * What frame words were found to mean: a steady service asks the symbolizer for each address once, not once a window.
 *
 * Two generations. What is used moves to the young one; when that reaches half of the budget it becomes the old one
 * and the old one goes, so that forgetting is cheap and what is in use stays. File ids are never reused within a run,
 * so an entry of a file cannot be wrong; kernel addresses can (modules and BPF programs come and go) and are forgotten
 * by symcache_forget_kernel().
 *
 * Pure: no I/O, no clock.
 */
#ifndef FLEETPROF_CORE_SYMCACHE_H
#define FLEETPROF_CORE_SYMCACHE_H

#include "agent/base/cleanup.h"
#include "symbolizer/symbolizer.h"

#define SYMCACHE_LINES_MAX 64 /* of one address: inline depth */

struct symcache;

/* max_bytes: of both generations together, as near as it can be counted. */
int symcache_new(struct symcache **ret, size_t max_bytes);
struct symcache *symcache_free(struct symcache *c);
DEFINE_CLEANUP(struct symcache *, symcache_free)

/* The answer for a frame word; its strings are valid until the next call. */
struct symcache_entry {
	struct symbolizer_answer answer; /* first_frame is 0 */
	struct symbolizer_frame frames[SYMCACHE_LINES_MAX];
};
bool symcache_get(struct symcache *c, uint64_t word, struct symcache_entry *ret);

/* frames: answer->nr_frames of them, of which SYMCACHE_LINES_MAX are kept. 0 or -ENOMEM; then it is not kept. */
int symcache_put(struct symcache *c, uint64_t word, const struct symbolizer_answer *answer,
		 const struct symbolizer_frame *frames);

/* Kernel words of now are other words than those of before. */
void symcache_forget_kernel(struct symcache *c);

struct symcache_counts {
	uint64_t hits, misses;
	uint64_t forgotten; /* entries that went with their generation */
	size_t entries, bytes; /* now */
};
void symcache_counts(const struct symcache *c, struct symcache_counts *ret);

#endif
