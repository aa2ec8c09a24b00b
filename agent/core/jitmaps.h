/*
 * The names that runtimes write of the code they generate: process → its perf map.
 *
 * A process that is seen in anonymous executable memory has its map opened at once, through the opener, while it lives;
 * the file grows meanwhile, so the descriptor serves until the process is not seen any more. A map that is not there
 * yet is looked for again after a pause, from JITMAPS_PAUSE_MIN_NS doubling to JITMAPS_PAUSE_MAX_NS.
 */
#ifndef FLEETPROF_CORE_JITMAPS_H
#define FLEETPROF_CORE_JITMAPS_H

#include "agent/opener/client.h"

#include <stdbool.h>
#include <stddef.h>

#define JITMAPS_PAUSE_MIN_NS 500000000ULL
#define JITMAPS_PAUSE_MAX_NS 64000000000ULL
#define JITMAPS_MAX                                                                                \
	512 /* processes; each may hold a descriptor. Beyond, the longest unseen one goes */

struct jitmaps;

int jitmaps_new(struct jitmaps **ret, struct openclient *opener);
/* The opener's client must be gone before: it may still hold an answer. */
struct jitmaps *jitmaps_free(struct jitmaps *j);
DEFINE_CLEANUP(struct jitmaps *, jitmaps_free)

/* words: of one sample of this process, leaf first. now_ns: of any clock that does not go back. */
void jitmaps_see(struct jitmaps *j, uint32_t tgid, uint64_t start_boot_ns, const uint64_t *words,
		 size_t nr, uint64_t now_ns);

/* The process's map, -1 without one; owned by the table. *ret_number: never another map's within a run. */
int jitmaps_fd(const struct jitmaps *j, uint32_t tgid, uint64_t start_boot_ns,
	       uint64_t *ret_number);

struct jitmaps_counts {
	size_t processes, opened; /* now */
	uint64_t refused; /* maps that were not the process's own, or too large */
	uint64_t evicted; /* processes that made room for others */
};
void jitmaps_counts(const struct jitmaps *j, struct jitmaps_counts *ret);

#endif
