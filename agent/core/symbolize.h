/*
 * From a closed window to a symbolized profile: every address is asked for once, in one sorted batch per file.
 *
 * A profile never waits for a symbol beyond the deadline: what is unknown then goes out as mapping + address.
 */
#ifndef FLEETPROF_CORE_SYMBOLIZE_H
#define FLEETPROF_CORE_SYMBOLIZE_H

#include "agent/core/jitmaps.h"
#include "agent/core/objects.h"
#include "agent/core/symcache.h"
#include "proto/profile.h"
#include "agent/core/window.h"

struct symbolize;

/* Fills the profile's owners (indexes as in the window's rows) before the samples; see symbolize_new(). */
struct symbolize_config {
	struct symclient *symbolizer;
	struct objects *objects;
	int kallsyms_fd; /* -1: kernel frames stay addresses */
	int vmlinux_fd; /* the kernel's own file with debug information; -1: none */
	int vdso_fd; /* a copy of our vDSO; -1: none */
	struct symcache *cache; /* of earlier windows; NULL: none */
	struct symdisk *disk; /* … and of earlier runs; NULL: none */
	const struct jitmaps *jitmaps; /* of the window's processes; NULL: none */
};

struct symbolize_counts {
	uint64_t addresses, named; /* different frame addresses, and those with a name */
	uint64_t cached; /* addresses that an earlier window had asked for, or an earlier run */
	uint64_t batches, failed; /* requests, and those that brought no answer */
};

/*
 * Sends the requests for every address of the window. The window and the objects must outlive it.
 */
int symbolize_new(struct symbolize **ret, const struct symbolize_config *config,
		  const struct window *window, struct profile *profile);
/* Answers that still come are thrown away. */
struct symbolize *symbolize_free(struct symbolize *s);
DEFINE_CLEANUP(struct symbolize *, symbolize_free)

/* Requests still without an answer. */
size_t symbolize_pending(const struct symbolize *s);

/*
 * Adds every row of the window to the profile, with what is known by now. owners[i] is the profile's owner
 * index of the window's owner i. Returns 0, -ENOSPC or -ENOMEM.
 */
int symbolize_finish(struct symbolize *s, const uint32_t *owners,
		     struct symbolize_counts *ret_counts);

#define SYMBOLIZE_KEY_VDSO (1ULL << 32) /* the copy's key at the symbolizer, behind every file id */

/* A memfd with a copy of our own vDSO, which every process of this kernel shares; -ENOENT without one. */
int symbolize_copy_vdso(int *ret_fd);

/* Words for a person: why a stack is not complete. */
const char *symbolize_end_reason(uint16_t reason);

/* Does a stack that ends for this reason have all of its frames? It may have none in user space. */
bool symbolize_end_is_complete(uint16_t reason);

#endif
