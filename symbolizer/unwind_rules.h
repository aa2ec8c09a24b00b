/*
 * From what call frame information says to a packed rule. Library-private.
 *
 * What the architectures have in common is here; a file of each says the rest.
 */
#ifndef FLEETPROF_SYMBOLIZER_UNWIND_RULES_H
#define FLEETPROF_SYMBOLIZER_UNWIND_RULES_H

#include <linux/types.h>

#include "bpf/unwind_table.h"
#include "symbolizer/cfi.h"

#define UNWIND_PADDING_MAX 15 /* between functions: not worth a row, since nothing runs there */

struct unwind_machine {
	uint16_t elf_machine;
	struct cfi_registers registers;
	uint64_t sp, ra; /* DWARF numbers; ra is the column of the return address */
	uint64_t last_register; /* of those that a rule can name */
	bool ra_stays; /* a return address that nothing was said of is in its register still */
	/* Is this the kernel's own signal frame? (Asked for FDEs that say they are a signal frame's.) */
	bool (*is_signal)(const struct cfi_state *state);
	/* CFAs that only this architecture has; or NULL. */
	bool (*special_cfa)(const struct cfi_state *state, struct unwind_rule *rule);
	uint64_t (*pack)(const struct unwind_rule *rule); /* UNWIND_UNSUPPORTED if it cannot */
	struct unwind_rule (*unpack)(uint64_t packed);
	const char *const *names; /* of registers 0 to last_register */
};

extern const struct unwind_machine unwind_machine_x86;
extern const struct unwind_machine unwind_machine_arm64;

/* NULL: no machine whose stacks are walked. */
const struct unwind_machine *unwind_machine(uint16_t elf_machine);

/* The packed rule for a state, both words; UNWIND_UNSUPPORTED if there is none. */
uint64_t unwind_rule_of(const struct unwind_machine *machine, const struct cfi_cie *cie,
			const struct cfi_state *state);

/* Is the place *(reg + offset)? */
bool unwind_is_saved_at(const struct cfi_place *place, uint64_t reg, int64_t offset);

#endif
