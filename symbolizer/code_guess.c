/* Guesses where functions begin and end. */
#include "symbolizer/code_guess.h"
#include "agent/base/cleanup.h"
#include "symbolizer/x86_insn.h"

#define FUNCTION_ALIGNMENT 16
#define LOOP_BYTES 1024

bool code_looks_begun(const struct code_bytes *c, uint64_t at)
{
	struct x86_insn insn;

	if (x86_is_sigreturn(c->bytes + at, c->size - at))
		return true;
	if (!x86_decode(c->bytes + at, c->size - at, &insn))
		return false;
	if (insn.effect == X86_PUSH) /* rbx, rbp, r12 to r15: what a caller wants to find again */
		return insn.reg == 3 || insn.reg == X86_RBP || (insn.reg >= 12 && insn.reg < 16);
	return insn.is_endbr || (insn.effect == X86_MOVE_SP && insn.value < 0);
}

/* Is there a jump back to it? Compilers align the heads of loops, as they do functions. */
static bool is_loop(const struct code_bytes *c, uint64_t head, uint64_t *steps)
{
	struct x86_insn insn;

	for (uint64_t at = head; at < MIN(head + LOOP_BYTES, c->size); at += insn.size) {
		++*steps;
		if (!x86_decode(c->bytes + at, c->size - at, &insn))
			return false;
		if (insn.has_target && insn.flow != X86_CALL && at + (uint64_t)insn.target == head)
			return true;
	}
	return false;
}

bool code_ends_function(const struct code_bytes *c, uint64_t where, uint64_t *steps)
{
	struct x86_insn insn;
	bool padded = false;

	while (where < c->size && x86_decode(c->bytes + where, c->size - where, &insn)) {
		++*steps;
		if (!insn.is_nop)
			return padded ? !is_loop(c, where, steps)
				      : (c->from + where) % FUNCTION_ALIGNMENT == 0 &&
						code_looks_begun(c, where);
		where += insn.size;
		padded = true;
	}
	return padded;
}
