/*
 * Rows of an unwind table from the code itself, where no call frame information speaks of it: musl is built without any,
 * and so is most assembly. x86-64 only. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_UNWIND_CODE_H
#define FLEETPROF_SYMBOLIZER_UNWIND_CODE_H

#include "symbolizer/code_starts.h"
#include "symbolizer/unwind_rules.h"

struct unwind_code;

/* Fails with -ENOMEM. starts and bounds, counts by enum unwind_bound, outlive it. */
int unwind_code_new(struct unwind_code **ret, struct code_starts *starts, uint32_t *bounds);
struct unwind_code *unwind_code_free(struct unwind_code *code);
DEFINE_CLEANUP(struct unwind_code *, unwind_code_free)

typedef void (*unwind_code_fn)(uint64_t address, uint64_t rule, void *userdata);

/*
 * The bytes at `code` are at the addresses from … to: a packed rule from each address on at which it changes, in order;
 * the first is for from. UNWIND_GAP is what was not reached, UNWIND_UNSUPPORTED a part that took more steps than a bound.
 */
void unwind_code_rows(struct unwind_code *code, const uint8_t *bytes, uint64_t from, uint64_t to,
		      unwind_code_fn fn, void *userdata);

#endif
