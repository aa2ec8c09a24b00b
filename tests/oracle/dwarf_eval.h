/* Evaluates DWARF expressions on made-up registers and memory. */
#ifndef FLEETPROF_TESTS_DWARF_EVAL_H
#define FLEETPROF_TESTS_DWARF_EVAL_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#define DWARF_EVAL_REGISTERS 64

struct machine_state {
	uint64_t regs[DWARF_EVAL_REGISTERS];
	uint64_t pc, cfa;
};

/* The same registers for the same pc, all different; x86's register 16 is pc. */
void dwarf_eval_state(struct machine_state *m, uint64_t pc);

/* What memory holds at an address. */
uint64_t dwarf_eval_memory(uint64_t address);

/* The value of an expression. False: an operation that is not known. */
bool dwarf_eval(const Dwarf_Op *ops, size_t nr, const struct machine_state *m, uint64_t *ret);
/* The value of the register that a location description is of. */
bool dwarf_eval_register(const Dwarf_Op *ops, size_t nr, const struct machine_state *m,
			 uint64_t *ret);

/* The expressions of a frame, for people. */
void dwarf_eval_print(Dwarf_Frame *frame, int fp, int ra);

#endif
