/*
 * A closed window on its way to the exporter: names are waited for, then each owner's profile is packed.
 *
 * Names that have not come by the deadline leave as build ID and address. Packing is cut into steps of some
 * milliseconds, since meanwhile the next window is open and its ring must be emptied.
 */
#ifndef FLEETPROF_CORE_CLOSED_H
#define FLEETPROF_CORE_CLOSED_H

#include "agent/core/histogram.h"
#include "agent/core/sampling.h"
#include "agent/core/stack_counts.h"
#include "agent/core/symcache.h"
#include "agent/core/usage.h"
#include "proto/winwire.h"

struct closed;

struct closed_input {
	struct sampling *sampling; /* must outlive it, as the caches must */
	struct symcache *symcache;
	struct symdisk *symdisk;
	struct stack_counts *stacks; /* to be added to */
	struct winwire_header header;
	struct window *window; /* consumed */
	struct histogram *histogram; /* consumed */
	struct usage_numbers usage[OWNERS_SLOTS];
	uint64_t deadline_boot_ns; /* for names */
};

/* Members that are consumed are NULL then, on failure too. */
int closed_new(struct closed **ret, struct closed_input *input);
struct closed *closed_free(struct closed *c);
DEFINE_CLEANUP(struct closed *, closed_free)

enum {
	CLOSED_E_WAITS = 1, /* for names: look again in a while */
	CLOSED_E_BUSY = 2, /* call again soon: there is more to pack */
};
/* One step. now: UINT64_MAX makes the deadline pass. 0: the body is ready. */
int closed_step(struct closed *c, uint64_t now_boot_ns);

/* When closed_step() returned 0: the window as exporterclient_send() wants it; the descriptor is the caller's. */
const struct winwire_header *closed_header(const struct closed *c);
int closed_take_body(struct closed *c);

#endif
