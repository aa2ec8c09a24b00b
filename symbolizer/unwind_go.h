/*
 * Rows of an unwind table from Go's own tables: stripped Go programs have neither .eh_frame nor .debug_frame, and the
 * frame pointer passes over the caller of a function that has no frame. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_UNWIND_GO_H
#define FLEETPROF_SYMBOLIZER_UNWIND_GO_H

#include "symbolizer/gopclntab.h"
#include "symbolizer/unwind_rules.h"

/* What rows need to know of the whole program. */
struct unwind_go {
	const struct gopclntab *tables; /* NULL: it is not Go's */
	/* Where the runtime keeps the running goroutine of a thread: thread-local storage, and runtime.m. 0: not found. */
	int32_t tls_g, m_curg;
};

void unwind_go_init(struct unwind_go *go, const struct gopclntab *tables);

typedef void (*unwind_go_fn)(uint64_t address, uint64_t rule, void *userdata);

/*
 * A packed rule from each address on, between from and to, which are covered whole; false if there are none: another
 * machine than x86-64, whose frames have another layout.
 */
bool unwind_go_rows(const struct unwind_go *go, const struct unwind_machine *machine, uint64_t from,
		    uint64_t to, unwind_go_fn fn, void *userdata);

#endif
