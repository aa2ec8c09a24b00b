/*
 * When windows open and close: on boot time, aligned to the wall clock's minute.
 *
 * Durations come from CLOCK_BOOTTIME and never from the wall clock, which may be set at any moment. A wall clock that
 * jumps by more than TIMELINE_JUMP_NS closes the open window; that one and the next are marked.
 *
 * Pure: the clocks' readings come from the caller.
 */
#ifndef FLEETPROF_CORE_TIMELINE_H
#define FLEETPROF_CORE_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#define TIMELINE_JUMP_NS 1000000000ULL
#define TIMELINE_SHORTEST_NS                                                                       \
	1000000000ULL /* a window that would be shorter lasts one more length */
#define TIMELINE_DOUBT_NS (600 * 1000000000ULL)

struct timeline {
	uint64_t start_boot_ns; /* of the open window */
	uint64_t close_boot_ns; /* when it is to be closed */
	uint64_t wall_minus_boot_ns; /* modulo 2⁶⁴, when it was opened */
	bool jumped; /* it is marked: it began or ended with a jump of the wall clock */
};

/* Opens a window that lasts until the wall clock's next multiple of length_ns. jumped: because of a jump. */
void timeline_open(struct timeline *t, uint64_t boot_ns, uint64_t wall_ns, uint64_t length_ns,
		   bool jumped);

/* The length of windows has changed: when to close the open one. */
void timeline_set_length(struct timeline *t, uint64_t boot_ns, uint64_t wall_ns,
			 uint64_t length_ns);

enum timeline_step {
	TIMELINE_GOES_ON,
	TIMELINE_CLOSES, /* its time is over */
	TIMELINE_JUMPED, /* the wall clock jumped; t->jumped is set */
};
enum timeline_step timeline_look(struct timeline *t, uint64_t boot_ns, uint64_t wall_ns);

/*
 * Start of the open window by the wall clock as it is now, at its close; by the old one if that jumped meanwhile.
 */
uint64_t timeline_start_wall(const struct timeline *t, enum timeline_step step, uint64_t boot_ns,
			     uint64_t wall_ns);

/* The wall clock's next multiple of every_ns, in boot time. */
uint64_t timeline_next(uint64_t boot_ns, uint64_t wall_ns, uint64_t every_ns);

/*
 * Can the wall clock not be right? Only the past is known: it stands more than 10 minutes before reference_ns, a time
 * that was seen before (of a file of ours), and the kernel does not hold it for synchronized.
 */
bool timeline_is_doubtful(uint64_t wall_ns, uint64_t reference_ns, bool synchronized);

#endif
