/*
 * The names that runtimes write of the code they generate: process → its jitdump and its perf map.
 *
 * A process that is seen in anonymous executable memory has both opened at once, through the opener, while it lives;
 * the files grow meanwhile, so the descriptors serve until the process is not seen any more. One that is not there
 * yet is looked for again after a pause, from JITMAPS_PAUSE_MIN_NS doubling to JITMAPS_PAUSE_MAX_NS. Some runtimes write
 * their perf map when they end: with late_maps, the folder where it will be is kept open, for jitmaps_look_again(). A
 * window that is closed while its processes go on has nothing of that, and containers' folders stay free.
 */
#ifndef FLEETPROF_CORE_JITMAPS_H
#define FLEETPROF_CORE_JITMAPS_H

#include "agent/opener/client.h"

#include <stdbool.h>
#include <stddef.h>

#define JITMAPS_PAUSE_MIN_NS 500000000ULL
#define JITMAPS_PAUSE_MAX_NS 64000000000ULL
#define JITMAPS_MAX                                                                                \
	512 /* processes; each may hold two descriptors. Beyond, the longest unseen one goes */

struct jitmaps;

int jitmaps_new(struct jitmaps **ret, struct openclient *opener, bool late_maps);
/* The opener's client must be gone before: it may still hold an answer. */
struct jitmaps *jitmaps_free(struct jitmaps *j);
DEFINE_CLEANUP(struct jitmaps *, jitmaps_free)

/* words: of one sample of this process, leaf first. now_ns: of any clock that does not go back. */
void jitmaps_see(struct jitmaps *j, uint32_t tgid, uint64_t start_boot_ns, const uint64_t *words,
		 size_t nr, uint64_t now_ns);

/* Asks for the perf maps that were not there yet, of processes that have ended, too; before names are looked for. */
void jitmaps_look_again(struct jitmaps *j);

/*
 * What a process has: the better file first, and the other one, for what that does not know, or -1. The descriptors are
 * the table's. number: of this pair, never another's within a run. False without any.
 */
struct jitmaps_files {
	int fd, second_fd;
	uint64_t number;
};
bool jitmaps_files(const struct jitmaps *j, uint32_t tgid, uint64_t start_boot_ns,
		   struct jitmaps_files *ret);

struct jitmaps_counts {
	size_t processes, opened; /* now; opened: files */
	uint64_t refused; /* files that were not the process's own, or too large */
	uint64_t evicted; /* processes that made room for others */
};
void jitmaps_counts(const struct jitmaps *j, struct jitmaps_counts *ret);

#endif
